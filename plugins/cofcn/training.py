"""Training of co-FCN: pixel cross entropy, by SGD at a constant rate (specification of both shapes)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.cofcn.model import CoFcn

Void = Literal["ignore", "background"]


class PixelLoss(nn.Module):
    """The loss of episodes with one support and one query."""

    def __init__(self, network: "CoFcn", void: Void) -> None:
        """`void` says what void pixels of both masks are; those that are ignored are in neither of a support's maps."""
        super().__init__()
        self.network, self.void = network, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Cross entropy of two classes, the mean over all pixels that count; and the pooled IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        support_masks, truth = (
            masks.masked_fill(masks == VOID, 0) if self.void == "background" else masks
            for masks in (support.masks, query.masks)
        )
        logits = self.network(query.images, support.images, support_masks)
        with torch.no_grad():
            found, true = (logits[:, 1] > logits[:, 0]) & (truth != VOID), truth == 1
            iou = (found & true).sum() / (found | true).sum().clamp(min=1)
        return {"loss": F.cross_entropy(logits, truth.long(), ignore_index=VOID), "iou": iou}


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
        void: Void,
    ) -> None:
        """A batch of more than one episode needs images of one size."""
        super().__init__(
            PixelLoss(network, void),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                rate_groups(losses, learning_rate, conv_rate, bias_rate), momentum=momentum, weight_decay=decay
            ),
        )
