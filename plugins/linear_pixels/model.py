"""A linear model on pixels: the rival of classification by texture (arXiv 1807.02654, section 6.7).

Shapes: an image 3xHxW is averaged to 3x32x32, which is 3,072 numbers; logistic regression of all supports, whole images
with masks of ones (of the class) or zeros (of others), gives a weight a number and a bias. Nothing is trained before.
"""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.linear_fit import Linear, fit
from pipeline.segmenter import VOID, Frame, Prediction, Segmenter, Supports


def build(*, side: int = 32, penalty: float = 1.0) -> "LinearPixels":
    """The whole model: images of `side` x `side` pixels, and `penalty`, C of the regression."""
    return LinearPixels(side=side, penalty=penalty)


class LinearPixels(Segmenter):
    """Says of a whole image whether it is of the class: its mask is as likely everywhere."""

    trunk = "none"

    def __init__(self, *, side: int, penalty: float) -> None:
        """As `build`."""
        super().__init__()
        self.side, self.penalty = side, penalty

    def adapt(self, supports: Supports) -> list[list[Linear]]:
        """Fit each object of each episode: B lists of O. A support is of an object that fills more than half of it."""
        points = torch.stack([self._pixels(frame) for frame in supports.frames], 1)
        shares = torch.stack([_shares(frame, supports.objects) for frame in supports.frames], 1)
        return [
            [fit(x, s[:, o] > 0.5, loss="logistic", penalty=self.penalty) for o in range(supports.objects)]
            for x, s in zip(points, shares, strict=True)
        ]

    def predict(self, state: list[list[Linear]], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """The same probability at all pixels of a query, which is the score of its object as well."""
        for query in queries:
            points = self._pixels(query)
            margins = [
                torch.stack([model.margins(x[None])[0] for model in models])
                for x, models in zip(points, state, strict=True)
            ]
            scores = torch.stack(margins).sigmoid()
            yield Prediction(
                probabilities=scores[..., None, None].expand(-1, -1, *query.images.shape[-2:]), scores=scores
            )

    def _pixels(self, frame: Frame) -> Tensor:
        """(B, 3 side^2) in [-1, 1]."""
        small = F.adaptive_avg_pool2d(frame.images.float(), (self.side, self.side))
        return small.flatten(1) / 127.5 - 1


def _shares(frame: Frame, objects: int) -> Tensor:
    """(B, O) of the scored pixels."""
    assert frame.masks is not None
    scored = (frame.masks != VOID).flatten(1).sum(1).clamp(min=1)
    return torch.stack([(frame.masks == o).flatten(1).sum(1) / scored for o in range(1, objects + 1)], 1)
