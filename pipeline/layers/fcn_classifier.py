"""FCN-32s that names the class of every pixel (Long, Shelhamer, Darrell, CVPR 2015), and how it is trained."""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.cells import warped
from pipeline.layers.fcn32 import Fcn32, upsample
from pipeline.layers.vgg import normalized
from pipeline.segmenter import VOID, Batch, Frame, Segmenter
from pipeline.train.supervised import Supervised

VoidTrain = Literal["background", "ignore"]


class FcnClassifier(Segmenter):
    """Scores of every class at every pixel; tensors `extractor.*`, `score.*` and `pretrained`."""

    def __init__(self, *, extractor: Fcn32, classes: int, side: int | None) -> None:
        """`classes` with the background, which is class 0; scores start at 0, as in the authors' recipe.

        Images are warped to squares of `side` pixels, in training too; None takes them as they come.
        """
        super().__init__()
        self.extractor, self.classes, self.side = extractor, classes, side
        self.score = nn.Conv2d(extractor.outputs, classes, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    def load_trunk(self, weights: Mapping[str, Tensor]) -> None:
        """Start from torchvision's VGG-16 (full width alone); `UserError` where the tensors are another network's."""
        self.extractor.load_torchvision(weights)
        self.get_buffer("pretrained").fill_(True)
        self.trunk = "pretrained"

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and what the trunk's began as."""
        super().load_weights(weights)
        self.trunk = "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    def cells(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) uint8 -> scores (B, classes, h, w), a cell for 32 pixels."""
        scores: Tensor = self.score(self.extractor.features(normalized(warped(images, self.side))))
        return scores

    def logits(self, frame: Frame) -> Tensor:
        """Scores (B, classes, H, W) of the frame's images, the cells of which are remembered."""
        height, width = frame.images.shape[-2:]
        cells = self.remember(f"scores at {height}x{width}", frame, lambda: self.cells(frame.images))
        if self.side is None:
            return upsample(cells, height, width, self.extractor.offset)
        square = upsample(cells, self.side, self.side, self.extractor.offset)
        return F.interpolate(square, (height, width), mode="bilinear")


class PixelLoss(nn.Module):
    """Softmax cross entropy over the pixels of the one query, as the recipe has it."""

    def __init__(
        self, network: FcnClassifier, *, reduction: Literal["sum", "mean"], void: VoidTrain, binary: bool = False
    ) -> None:
        """`sum` over an image's pixels, as in Caffe, or their mean; `binary` counts every object as class 1."""
        super().__init__()
        self.network, self.reduction, self.void, self.binary = network, reduction, void, binary

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, averaged over the images; and the IoU of all objects with all that was found, to watch."""
        (query,) = batch.queries
        assert query.masks is not None
        logits, labels = self.network.logits(query), self.labels(query.masks)
        loss = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="sum")
        counted = labels != VOID
        loss = loss / (len(labels) if self.reduction == "sum" else counted.sum().clamp(min=1))
        with torch.no_grad():
            found, true = (logits.argmax(1) > 0) & counted, (labels > 0) & counted
            iou = (found & true).sum() / (found | true).sum().clamp(min=1)
        return {"loss": loss, "iou": iou}

    def labels(self, masks: Tensor) -> Tensor:
        """Index masks (B, H, W) as classes, int64; 255 where a pixel does not count."""
        void = masks == VOID
        classes = masks.clamp(max=1) if self.binary else masks
        return classes.masked_fill(void, VOID if self.void == "ignore" else 0).long()


def pixel_stage(
    losses: PixelLoss, *, samples: int, batch: int, learning_rate: float, momentum: float, decay: float
) -> Supervised:
    """The one stage `segment`: stochastic gradient descent at a fixed rate."""
    return Supervised(
        losses,
        name="segment",
        samples=samples,
        batch=batch,
        optimizer=lambda module: torch.optim.SGD(
            caffe_groups(module.named_parameters(), learning_rate, decay), momentum=momentum
        ),
    )


def caffe_groups(
    named: Iterable[tuple[str, nn.Parameter]], learning_rate: float, decay: float
) -> list[dict[str, object]]:
    """Weights at the rate and with decay; biases at twice the rate and without, as Caffe's recipes have them."""
    parameters = list(named)
    weights = [p for name, p in parameters if not name.endswith("bias")]
    biases = [p for name, p in parameters if name.endswith("bias")]
    return [
        {"params": weights, "lr": learning_rate, "weight_decay": decay},
        {"params": biases, "lr": 2 * learning_rate, "weight_decay": 0.0},
    ]
