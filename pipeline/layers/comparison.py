"""Whether two embeddings show the same character ("One-Shot Segmentation in Clutter", section 3.2)."""

import math

import torch
from torch import Tensor, nn

MARGIN = 1e-4
"""Added to scores before their logarithm, as in the authors' code."""


class Comparison(nn.Module):
    """sigmoid(sum_k w_k |c_k - t_k|): a weighted L1 distance without bias."""

    def __init__(self, features: int) -> None:
        """Compare embeddings of `features` numbers; weights start Glorot-uniform."""
        super().__init__()
        reach = math.sqrt(6 / (features + 1))
        self.weight = nn.Parameter(torch.empty(features).uniform_(-reach, reach))

    def forward(self, candidates: Tensor, targets: Tensor) -> Tensor:
        """Candidates (..., C) and targets (..., C), broadcast -> scores (...) in (0, 1), float32."""
        with torch.autocast(candidates.device.type, enabled=False):
            distances = (candidates.float() - targets.float()).abs()
            return torch.sigmoid(distances @ self.weight.float())


def score_loss(scores: Tensor, same: Tensor) -> Tensor:
    """Binary cross entropy of each score with `same` (0 or 1), as the authors write it: log(score + 1e-4)."""
    return -torch.where(same > 0, (scores + MARGIN).log(), (1 - scores + MARGIN).log())
