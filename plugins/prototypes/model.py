"""Prototypes as PANet learns them: mean features, 20 times the cosine, and the alignment loss (arXiv 1908.06391).

At full width an image of 3x417x417 gives features of 512x53x53 (VGG-16; stride 8); background and object are a mean
vector of 512 each, and the query's 2x53x53 cosines are enlarged to its own size. All 14,714,688 parameters are the
VGG-16's.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.layers.embedders import Backbone, embedder
from pipeline.layers.prototypes import PrototypeSegmenter
from pipeline.train.supervised import Supervised
from plugins.prototypes.training import AlignedLoss, Void


def build(
    *,
    backbone: Backbone = "vgg16",
    width: int = 1,
    fire: int = 8,
    side: int = 417,
    alignment: float = 1.0,
    flip: bool = True,
    void_train: Void = "ignore",
    samples: int = 30_000,
    batch: int = 1,
    learning_rate: float = 1e-3,
    momentum: float = 0.9,
    decay: float = 5e-4,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> PrototypeSegmenter:
    """The whole network with its numbers, and its one stage of training.

    `weights["trunk"]` is what the backbone starts from, of use at full width alone: torchvision's VGG-16, or the
    public SqueezeNet, of which `fire` names the module that is taken. `alignment` is the weight of that loss; 0 leaves
    it out.
    """
    network = PrototypeSegmenter(
        embedder(backbone, width=width, fire=fire, weights=(weights or {}).get("trunk")), side=side
    )
    network.stages = (
        Supervised(
            AlignedLoss(network, alignment=alignment, flip=flip, void=void_train),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                losses.parameters(), lr=learning_rate, momentum=momentum, weight_decay=decay
            ),
            schedule=lambda seen: 0.1 ** int(seen * 3 + 1e-9),
        ),
    )
    return network
