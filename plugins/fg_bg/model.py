"""FG-BG: any object against the background, without a look at the support (SG-One, arXiv 1810.09091, table 4).

FCN-32s with two classes, trained on the 15 base classes as one: VGG-16 with a first padding of 100 -> fc6 4096 (7x7) ->
fc7 4096 (1x1) -> scores 2 (1x1) -> fixed bilinear upsampling by 32. Parameters: 134,260,544 + 8,194 = 134,268,738.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from torch import Tensor

from pipeline.layers.fcn32 import Fcn32
from pipeline.layers.fcn_classifier import FcnClassifier, PixelLoss, VoidTrain, pixel_stage
from pipeline.segmenter import Frame, Prediction, Supports


def build(
    *,
    width: int = 1,
    side: int | None = None,
    samples: int = 100_000,
    batch: int = 1,
    learning_rate: float = 1e-10,
    momentum: float = 0.99,
    decay: float = 5e-4,
    reduction: Literal["sum", "mean"] = "sum",
    void_train: VoidTrain = "background",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "FgBg":
    """The whole network with its numbers, and its one stage; `weights` may hold torchvision's VGG-16 as `trunk`.

    Those are of use at full width alone; without them the trunk is trained from scratch.
    """
    network = FgBg(extractor=Fcn32(width=width, first_padding=100), classes=2, side=side)
    if width == 1 and weights and "trunk" in weights:
        network.load_trunk(weights["trunk"])
    losses = PixelLoss(network, reduction=reduction, void=void_train, binary=True)
    network.stages = (
        pixel_stage(losses, samples=samples, batch=batch, learning_rate=learning_rate, momentum=momentum, decay=decay),
    )
    return network


class FgBg(FcnClassifier):
    """How much of a score needs no support at all."""

    def adapt(self, supports: Supports) -> int:
        """How many objects are asked for; nothing else of the supports is looked at."""
        return supports.objects

    def predict(self, state: int, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """The probability of an object, the same for each that is asked for."""
        for query in queries:
            yield Prediction(probabilities=self.logits(query).softmax(1)[:, 1:].expand(-1, state, -1, -1))
