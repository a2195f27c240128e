"""A classifier of single pixels, fitted to the supports by gradient steps (as fine-tuning methods do)."""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Frame, Prediction, Segmenter, Supports


def build(*, steps: int = 20, learning_rate: float = 0.1) -> "PixelClassifier":
    """Untrained; all happens in `adapt`."""
    return PixelClassifier(steps, learning_rate)


class PixelClassifier(Segmenter):
    trunk = "none"

    def __init__(self, steps: int, learning_rate: float) -> None:
        super().__init__()
        self.steps, self.learning_rate = steps, learning_rate

    def adapt(self, supports: Supports) -> list[nn.Conv2d]:
        """One classifier an episode: fitting is never shared."""
        return [self._fit(supports, b) for b in range(len(supports.frames[0].images))]

    @torch.enable_grad()
    def _fit(self, supports: Supports, b: int) -> nn.Conv2d:
        layer = nn.Conv2d(3, supports.objects + 1, 1).to(supports.frames[0].images.device)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(layer.parameters(), lr=self.learning_rate)
        for _ in range(self.steps):
            optimizer.zero_grad()
            for frame in supports.frames:
                assert frame.masks is not None
                logits = layer(frame.images[b : b + 1].float() / 255)
                F.cross_entropy(logits, frame.masks[b : b + 1].long(), ignore_index=VOID).backward()
            optimizer.step()
        return layer.requires_grad_(False)

    def predict(self, state: list[nn.Conv2d], queries: Iterable[Frame]) -> Iterator[Prediction]:
        for query in queries:
            maps = [layer(query.images[b : b + 1].float() / 255).softmax(1)[:, 1:] for b, layer in enumerate(state)]
            probabilities: Tensor = torch.cat(maps)
            yield Prediction(probabilities=probabilities)
