"""InceptionV3 as SIFID taps it (SinGAN, arXiv 1905.01164, section 3.1, with torchvision's network and weights).

Not the network of FID, whose weights were ported from TensorFlow. Images keep their size and are mapped to [-1, 1].
"""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.measures.taps import FeatureNet

BLOCKS = (
    ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"),
    ("maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    ("maxpool2", *(f"Mixed_{n}" for n in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e"))),
    ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
)
"""Torchvision's names; a map is tapped after each line: before either max-pooling, after Mixed_6e and Mixed_7c."""


class InceptionTaps(FeatureNet):
    """Maps of 64, 192, 768 and 2048 channels; 189x317, 92x156, 22x38 and 10x18 cells of an image of 384x640."""

    smallest = 75

    def __init__(self) -> None:
        """Random weights, until `load_published`."""
        from torchvision.models import inception_v3  # type: ignore[import-untyped]  # here: it takes a second

        super().__init__()
        whole = inception_v3(weights=None, aux_logits=False, init_weights=False)
        self.layers = nn.ModuleDict({name: getattr(whole, name) for block in BLOCKS for name in block})

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up torchvision's tensors; its two classifiers are of no use here. `UserError` where they are others."""
        own = {name: tensor for name, tensor in weights.items() if name.split(".")[0] in self.layers}
        try:
            self.layers.load_state_dict(own)
        except RuntimeError as error:
            raise UserError(
                f"the weights are not torchvision's InceptionV3 ({' '.join(str(error).split())[:100]}); delete the "
                f"file and its manifest in data/raw, and run snakemake"
            ) from None

    def taps(self, images: Tensor) -> list[Tensor]:
        """See `FeatureNet`."""
        found: list[Tensor] = []
        x = images * 2 - 1
        for block in BLOCKS:
            for name in block:
                x = self.layers[name](x)
            found.append(x)
        return found
