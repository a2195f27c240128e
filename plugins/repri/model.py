"""RePRI: features of a PSPNet that learned the base classes, and a classifier that every task refines on its query.

ResNet-50 with a deep stem, dilated to stride 8 (layer4: 2048x53x53 of 3x417x417), pyramid pooling of 1, 2, 3 and 6 bins
(512 each), bottleneck 3x3 of 4096 to 512, classifier of 60 base classes and the background: 46,736,893 parameters. A
task learns 512 weights and a bias in 49 steps (Boudiaf et al. 2021, arXiv 2012.06166).
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from pipeline.layers.repri.refine import Recipe
from pipeline.layers.repri.segmenter import Repri
from pipeline.layers.repri.supports import Both
from pipeline.layers.resnet import BLOCKS, ResNet
from pipeline.train.supervised import Supervised
from plugins.repri.network import PspNet
from plugins.repri.training import PixelLoss, cosine


def build(
    *,
    width: int = 1,
    blocks: Sequence[int] = BLOCKS,
    deep_stem: bool = True,
    classes: int = 61,
    samples: int = 1_641_620,
    batch: int = 12,
    learning_rate: float = 2.5e-3,
    least_rate: float = 1e-6,
    momentum: float = 0.9,
    decay: float = 1e-4,
    smoothing: float = 0.1,
    flip: bool = True,
    temperature: float = 20.0,
    step: float = 0.025,
    steps: int = 49,
    update: int = 9,
    copies: int = 85,
    both: Both = "warped",
    lambda_by_k: bool = False,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> Repri:
    """The whole network with its numbers, and its one stage; `weights["trunk"]` are ImageNet's, of full width.

    `classes` with the background. Of inference: `steps` of size `step`, with the share of object estimated again after
    the step `update`; of augmented supports see `Repri`.
    """
    network = PspNet(ResNet(width=width, blocks=blocks, deep_stem=deep_stem), classes=classes, width=width)
    if width == 1 and weights and "trunk" in weights:
        network.resnet.load_published(weights["trunk"])
        network.get_buffer("pretrained").fill_(True)
    recipe = Recipe(temperature, step, steps, update)
    segmenter = Repri(network, recipe=recipe, copies=copies, both=both, lambda_by_k=lambda_by_k)
    segmenter.stages = (
        Supervised(
            PixelLoss(network, smoothing=smoothing, flip=flip),
            name="base",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                losses.parameters(), lr=learning_rate, momentum=momentum, weight_decay=decay, nesterov=True
            ),
            schedule=partial(cosine, learning_rate, least_rate),
        ),
    )
    return segmenter
