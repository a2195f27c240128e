"""FCN-32s for the background and the 15 base classes of a fold: what OSLSM's simplest baselines stand on.

VGG-16 with a first padding of 100 -> fc6 4096 (7x7) -> fc7 4096 (1x1) -> scores 16 (1x1) -> fixed bilinear upsampling
by 32. Parameters: 134,260,544 + 65,552 = 134,326,096 (OSLSM, arXiv 1709.03410, section 5; Long et al., CVPR 2015).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.fcn32 import Fcn32
from pipeline.layers.fcn_classifier import FcnClassifier, PixelLoss, VoidTrain, pixel_stage
from pipeline.segmenter import Frame, Prediction, Supports


def build(
    *,
    width: int = 1,
    side: int | None = None,
    classes: int = 16,
    samples: int = 100_000,
    batch: int = 1,
    learning_rate: float = 1e-10,
    momentum: float = 0.99,
    decay: float = 5e-4,
    reduction: Literal["sum", "mean"] = "sum",
    void_train: VoidTrain = "background",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "Fcn":
    """The whole network with its numbers, and its one stage; `weights` may hold torchvision's VGG-16 as `trunk`.

    Those are of use at full width alone; without them the trunk is trained from scratch.
    """
    network = Fcn(extractor=Fcn32(width=width, first_padding=100), classes=classes, side=side)
    if width == 1 and weights and "trunk" in weights:
        network.load_trunk(weights["trunk"])
    losses = PixelLoss(network, reduction=reduction, void=void_train)
    network.stages = (
        pixel_stage(losses, samples=samples, batch=batch, learning_rate=learning_rate, momentum=momentum, decay=decay),
    )
    return network


class Fcn(FcnClassifier):
    """Segments the classes that it was trained on, whatever the supports show."""

    def adapt(self, supports: Supports) -> int:
        """How many objects are asked for: the first so many classes. `UserError` where it knows fewer."""
        if supports.objects >= self.classes:
            raise UserError(
                f"fcn knows {self.classes - 1} classes, not {supports.objects}: evaluate it on the classes that it was "
                f"trained on"
            )
        return supports.objects

    def predict(self, state: int, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Softmax probabilities of classes 1 to O."""
        for query in queries:
            yield Prediction(probabilities=self.logits(query).softmax(1)[:, 1 : state + 1])
