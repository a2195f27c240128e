"""Fine-tuning on the supports of every episode (OSLSM, arXiv 1709.03410, section 5; "OSVOS" in SG-One's tables).

The FCN-32s of the base classes: VGG-16 with a first padding of 100 -> fc6 4096 (7x7) -> fc7 4096 (1x1) -> batch norm ->
fc8, one channel for the background and each object, new in every episode -> bilinear upsampling by 32. Gradient steps
reach fc6, fc7, batch norm and fc8: 102,764,544 + 16,781,312 + 8,192 + 8,194 parameters for one object.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.cell_features import FcnCells
from pipeline.layers.cells import warped
from pipeline.layers.fcn32 import Fcn32
from pipeline.layers.vgg import normalized
from pipeline.seeds import derive
from pipeline.segmenter import VOID, Frame, Prediction, Segmenter, Supports


def build(
    *,
    width: int = 1,
    side: int = 500,
    steps: int = 50,
    learning_rate: float = 1e-4,
    score_rate: float = 1e-3,
    momentum: float = 0.9,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "FineTuning":
    """A network that every episode starts from; `weights` hold that of a trained plugin `fcn`.

    Every episode takes `steps` of all its supports, warped to squares of `side` pixels; `score_rate` is that of what is
    new, batch norm and fc8.
    """
    features = FcnCells(Fcn32(width=width, first_padding=100), (weights or {}).get("fcn"))
    return FineTuning(
        features, side=side, steps=steps, learning_rate=learning_rate, score_rate=score_rate, momentum=momentum
    )


class Head(nn.Module):
    """What an episode changes."""

    def __init__(self, extractor: Fcn32, outputs: int, generator: torch.Generator) -> None:
        """Copies of fc6 and fc7; scores start normal with a deviation of 0.01, drawn from `generator`."""
        super().__init__()
        self.fc6, self.fc7 = deepcopy(extractor.fc6), deepcopy(extractor.fc7)
        self.norm = nn.BatchNorm2d(extractor.outputs)
        self.fc8 = nn.Conv2d(extractor.outputs, outputs, 1)
        with torch.no_grad():
            self.fc8.weight.copy_(torch.randn(self.fc8.weight.shape, generator=generator) * 0.01)
            self.fc8.bias.zero_()  # type: ignore[union-attr]

    def forward(self, pool5: Tensor) -> Tensor:
        """Maps (B, 512, h + 6, w + 6) -> scores (B, O + 1, h, w)."""
        scores: Tensor = self.fc8(self.norm(F.relu(self.fc7(F.relu(self.fc6(pool5))))))
        return scores


class FineTuning(Segmenter):
    """Trains a copy of the last layers on the supports, and forgets it after the episode."""

    def __init__(
        self,
        features: FcnCells,
        *,
        side: int,
        steps: int,
        learning_rate: float,
        score_rate: float,
        momentum: float,
    ) -> None:
        """The convolutions before fc6 stay as they are, so that what they make of an image is remembered."""
        super().__init__()
        self.features, self.side, self.steps = features, side, steps
        self.learning_rate, self.score_rate, self.momentum = learning_rate, score_rate, momentum
        self.trunk = features.trunk

    def adapt(self, supports: Supports) -> list[Head]:
        """A trained head for each of B episodes."""
        count = len(supports.frames[0].images)
        return [self._tune([f.part(slice(b, b + 1)) for f in supports.frames], supports.objects) for b in range(count)]

    def predict(self, state: list[Head], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Softmax probabilities of the objects."""
        for query in queries:
            maps = [self._segment(head, query.part(slice(b, b + 1))) for b, head in enumerate(state)]
            yield Prediction(probabilities=torch.cat(maps))

    def look(self, frame: Frame) -> Tensor:
        """What fc6 sees of the only image of `frame`, (1, 512, h + 6, w + 6), remembered."""
        height, width = frame.images.shape[-2:]
        return self.remember(f"pool5 at {height}x{width}", frame, lambda: self._pool5(frame.images))

    def _pool5(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.features.extractor.pool5(normalized(warped(images, self.side)))

    def _tune(self, frames: list[Frame], objects: int) -> Head:
        """A head after its steps, the same for the same images; deaf to the training mode of the network."""
        pool5 = torch.cat([self.look(frame) for frame in frames])
        labels = torch.cat([self._labels(frame) for frame in frames])
        names = [name for frame in frames for name in frame.ids]
        generator = torch.Generator().manual_seed(derive(0, "episodes", *names))
        with torch.enable_grad():
            head = Head(self.features.extractor, objects + 1, generator).to(pool5.device).requires_grad_(True)
            optimizer = self._optimizer(head)
            for _ in range(self.steps):
                optimizer.zero_grad(set_to_none=True)
                self._loss(head(pool5), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return head.eval().requires_grad_(False)

    def _optimizer(self, head: Head) -> torch.optim.Optimizer:
        old = [*head.fc6.parameters(), *head.fc7.parameters()]
        new = [*head.norm.parameters(), *head.fc8.parameters()]
        groups = [{"params": old, "lr": self.learning_rate}, {"params": new, "lr": self.score_rate}]
        return torch.optim.SGD(groups, momentum=self.momentum)

    def _loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of the pixels that are not void; 0 where all are."""
        logits = self.features.extractor.enlarge(scores, self.side, self.side)
        losses = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="sum")
        return losses / (labels != VOID).sum().clamp(min=1)

    def _labels(self, frame: Frame) -> Tensor:
        """The frame's mask as it lies on the square, (1, side, side) int64."""
        assert frame.masks is not None
        return F.interpolate(frame.masks.float().unsqueeze(1), (self.side, self.side))[:, 0].long()

    def _segment(self, head: Head, frame: Frame) -> Tensor:
        logits = self.features.extractor.enlarge(head(self.look(frame)), self.side, self.side)
        height, width = frame.images.shape[-2:]
        return F.interpolate(logits, (height, width), mode="bilinear").softmax(1)[:, 1:]
