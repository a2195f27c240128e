"""Learned colour features, compared with the object's mean feature."""

from collections.abc import Iterable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import Batch, Frame, Prediction, Segmenter, Supports
from pipeline.train.supervised import Supervised


def build(*, width: int = 8, samples: int = 400, batch: int = 20, learning_rate: float = 0.01) -> "Prototypes":
    """One stage: Adam on one loss."""
    model = Prototypes(nn.Conv2d(3, width, 1, bias=False))
    model.stages = (
        Supervised(
            Loss(model),
            name="learn",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.Adam(losses.parameters(), lr=learning_rate),
        ),
    )
    return model


class Prototypes(Segmenter):
    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.scale = nn.Parameter(torch.tensor(5.0))

    def adapt(self, supports: Supports) -> Tensor:
        """Prototypes (B, O, C)."""
        prototypes = 0
        for frame in supports.frames:
            assert frame.masks is not None
            numbers = torch.arange(1, supports.objects + 1, device=frame.masks.device)
            inside = (frame.masks[:, None] == numbers[:, None, None]).float()
            found = torch.einsum("bchw,bohw->boc", self.features(frame.images.float() / 255), inside)
            prototypes = prototypes + found / inside.sum((2, 3)).clamp(min=1)[:, :, None]
        return prototypes / len(supports.frames)

    def predict(self, state: Tensor, queries: Iterable[Frame]) -> Iterator[Prediction]:
        for query in queries:
            features = self.features(query.images.float() / 255)
            distance = (features[:, None] - state[:, :, :, None, None]).square().sum(2)
            yield Prediction(probabilities=torch.exp(-self.scale.abs() * distance))


class Loss(nn.Module):
    def __init__(self, model: Prototypes) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Binary cross entropy."""
        (query,) = batch.queries
        assert query.masks is not None
        (prediction,) = self.model.predict(self.model.adapt(batch.supports), [query])
        assert prediction.probabilities is not None
        probabilities = prediction.probabilities[:, 0].clamp(1e-4, 1 - 1e-4)
        return {"loss": F.binary_cross_entropy(probabilities, (query.masks == 1).float())}
