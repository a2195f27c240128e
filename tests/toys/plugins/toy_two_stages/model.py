"""Starts from another system's weights; first all is trained, then a new head alone."""

from collections.abc import Iterable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import Batch, Frame, Prediction, Segmenter, Supports
from pipeline.train.supervised import Supervised


def build(
    *, weights: Mapping[str, Mapping[str, Tensor]] | None = None, samples: int = 200, batch: int = 20
) -> "Headed":
    """Two stages; `weights["start"]` are those of learned colours of width 8."""
    model = Headed()
    if weights:
        model.features.load_state_dict({"weight": weights["start"]["features.weight"]}, strict=False)
    model.stages = (
        Supervised(Loss(model), name="all", samples=samples, batch=batch, optimizer=_adam),
        Supervised(Loss(model, model.head), name="head", samples=samples, batch=batch, optimizer=_adam),
    )
    return model


def _adam(losses: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam([p for p in losses.parameters() if p.requires_grad], lr=0.01)


class Headed(Segmenter):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 8, 1)
        self.head = nn.Conv2d(8, 1, 1)

    def adapt(self, supports: Supports) -> int:
        return supports.objects

    def predict(self, state: int, queries: Iterable[Frame]) -> Iterator[Prediction]:
        for query in queries:
            maps = torch.sigmoid(self.head(F.relu(self.features(query.images.float() / 255))))
            yield Prediction(probabilities=maps.expand(-1, state, -1, -1))


class Loss(nn.Module):
    def __init__(self, model: Headed, only: nn.Module | None = None) -> None:
        super().__init__()
        self.model, self.only = model, only

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        (query,) = batch.queries
        assert query.masks is not None
        if self.only is not None:
            self.model.features.requires_grad_(False)
        (prediction,) = self.model.predict(1, [query])
        assert prediction.probabilities is not None
        return {"loss": F.binary_cross_entropy(prediction.probabilities[:, 0], (query.masks == 1).float())}
