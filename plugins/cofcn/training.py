"""Training of co-FCN: pixel cross entropy without void, by SGD at a constant rate (specification of both shapes)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.cofcn.model import CoFcn


class PixelLoss(nn.Module):
    """The loss of episodes with one support and one query."""

    def __init__(self, network: "CoFcn") -> None:
        """Of `network`'s logits."""
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Cross entropy of two classes, the mean over all pixels but void ones; and the pooled IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        logits = self.network(query.images, support.images, support.masks)
        truth = query.masks.long()
        with torch.no_grad():
            found, true = (logits[:, 1] > logits[:, 0]) & (truth != VOID), truth == 1
            iou = (found & true).sum() / (found | true).sum().clamp(min=1)
        return {"loss": F.cross_entropy(logits, truth, ignore_index=VOID), "iou": iou}


def rate_groups(module: nn.Module, learning_rate: float, conv: float, bias: float) -> list[dict[str, Any]]:
    """Every parameter in one group: `conv` is the factor of the convolution above a trunk, `bias` of biases."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        factor = (conv if "conv" in name.split(".") else 1.0) * (bias if name.endswith("bias") else 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": found, "lr": factor * learning_rate} for factor, found in sorted(groups.items())]


class Segment(Supervised):
    """The one stage; every parameter decays, biases too."""

    def __init__(
        self,
        network: "CoFcn",
        *,
        samples: int,
        batch: int,
        learning_rate: float,
        conv_rate: float,
        bias_rate: float,
        momentum: float,
        decay: float,
    ) -> None:
        """A batch of more than one episode needs images of one size."""
        super().__init__(
            PixelLoss(network),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                rate_groups(losses, learning_rate, conv_rate, bias_rate), momentum=momentum, weight_decay=decay
            ),
        )
