"""Training of HSNet: cross entropy, Adam at a constant rate, the backbone frozen."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from pipeline.layers.two_way import labels, mean_iou, pixel_loss
from pipeline.segmenter import Batch
from pipeline.train.accumulated import Accumulated

if TYPE_CHECKING:
    from plugins.hsnet.model import HsNet

Void = Literal["ignore", "background"]


class PixelCrossEntropy(nn.Module):
    """The loss of episodes with one support, one object and one query."""

    def __init__(self, network: "HsNet", void: Void) -> None:
        """`void` says what void pixels of the query are; those of a support are never part of its object."""
        super().__init__()
        self.network, self.void = network, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Mean cross entropy over the pixels of each episode, then over episodes; and the mean IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        truth = labels(query.masks, self.void)
        logits = self.network(query.images, support.images, support.masks == 1)
        return {"loss": pixel_loss(logits, truth), "iou": mean_iou(logits, truth)}


class Segment(Accumulated):
    """The one stage: an update of Adam for every few episodes, which may differ in size."""

    def __init__(
        self,
        network: "HsNet",
        *,
        samples: int,
        accumulate: int,
        learning_rate: float,
        void: Void,
        train_trunk: bool,
    ) -> None:
        """A pretrained backbone is frozen whatever `train_trunk` says."""
        super().__init__(
            PixelCrossEntropy(network, void),
            name="segment",
            samples=samples,
            batch=1,
            optimizer=lambda losses: torch.optim.Adam(
                [p for p in losses.parameters() if p.requires_grad], lr=learning_rate
            ),
            accumulate=accumulate,
        )
        self._network, self._train_trunk = network, train_trunk

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Freeze or free the backbone."""
        trunk = self._network.pyramid
        trunk.requires_grad_(self._train_trunk and self._network.trunk != "pretrained")
        super().setup(device, dtype)
