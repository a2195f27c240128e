"""Every pixel whose colour is near the object's mean colour in the supports."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from pipeline.segmenter import Frame, Prediction, Segmenter, Supports


def build(*, sharpness: float = 10.0) -> "NearestColour":
    """No weights, no training."""
    return NearestColour(sharpness)


class NearestColour(Segmenter):
    trunk = "none"

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def adapt(self, supports: Supports) -> Tensor:
        """Mean colours (B, O, 3)."""
        totals, counts = [], []
        for frame in supports.frames:
            assert frame.masks is not None
            numbers = torch.arange(1, supports.objects + 1, device=frame.masks.device)
            inside = (frame.masks[:, None] == numbers[:, None, None]).float()
            totals.append(torch.einsum("bchw,bohw->boc", frame.images.float() / 255, inside))
            counts.append(inside.sum((2, 3)))
        return torch.stack(totals).sum(0) / torch.stack(counts).sum(0).clamp(min=1)[:, :, None]

    def predict(self, state: Tensor, queries: Iterable[Frame]) -> Iterator[Prediction]:
        for query in queries:
            distance = (query.images[:, None].float() / 255 - state[:, :, :, None, None]).square().sum(2)
            probabilities = torch.exp(-self.sharpness * distance)
            yield Prediction(probabilities=probabilities, scores=probabilities.mean((2, 3)))
