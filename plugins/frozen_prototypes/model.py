"""Prototypes of a frozen backbone that never saw a mask: nothing is trained.

At full width an image of 3x417x417 gives 512x27x27 features of SqueezeNet 1.1 (fire8; stride 16), or 512x53x53 of
VGG-16 as PANet has it (stride 8), and one of 3x518x518 gives 384x37x37 of DINOv2's ViT-S/14, which never saw a label
either. Parameters: 722,496, 14,714,688 or 22,056,576, none of them trained.
"""

from collections.abc import Mapping

from torch import Tensor

from pipeline.layers.embedders import Backbone, embedder
from pipeline.layers.prototypes import PrototypeSegmenter


def build(
    *,
    backbone: Backbone = "squeezenet",
    width: int = 1,
    fire: int = 8,
    side: int = 417,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> PrototypeSegmenter:
    """The whole network with its numbers.

    `weights["trunk"]` are the public SqueezeNet's (`fire` names the module that is taken), torchvision's VGG-16 or
    DINOv2's, of use at full width alone; without them features are as they were drawn.
    """
    return PrototypeSegmenter(
        embedder(backbone, width=width, fire=fire, weights=(weights or {}).get("trunk")), side=side
    )
