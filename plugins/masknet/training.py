"""MaskNet's two stages of training (paper, section 4): proposals, then the discriminator with all else frozen."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.centre import centre_of_mass
from pipeline.errors import UserError
from pipeline.layers.clutter import published_schedule
from pipeline.layers.comparison import score_loss
from pipeline.layers.proposals import CELLS, foreground
from pipeline.segmenter import Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.masknet.model import MaskNet

POSITIVES = 4
"""Cells around the target's centre."""
Negatives = Literal["any", "exclude"]


def positive_cells(masks: Tensor) -> Tensor:
    """The four cells (B, 4) around the centres of mass of masks (B, 96, 96), one of them often twice.

    Centres are floored and divided by 8, then floored and ceiled in both axes (the authors' code); a ceil of 12 would
    leave the scene and is taken for 11.
    """
    places = centre_of_mass(masks == 1).nan_to_num().floor() / (masks.shape[-1] // CELLS)
    low, high = places.floor().long(), places.ceil().long().clamp(max=CELLS - 1)
    columns = torch.stack([low[:, 0], high[:, 0], low[:, 0], high[:, 0]], 1)
    rows = torch.stack([low[:, 1], low[:, 1], high[:, 1], high[:, 1]], 1)
    return rows * CELLS + columns


def negative_cells(positives: Tensor, count: int, negatives: Negatives) -> Tensor:
    """The first `count` of a fresh permutation of all cells a scene, (B, count); they may be positive if `any`."""
    order = torch.rand(len(positives), CELLS * CELLS, device=positives.device)
    if negatives == "exclude":
        order = order.scatter(1, positives, -1.0)
    return order.topk(count, 1).indices


class ProposalLoss(nn.Module):
    """Pixelwise cross entropy of eight proposals a scene: four positive cells, four random ones."""

    def __init__(self, network: "MaskNet", negatives: Negatives) -> None:
        """Of `network`'s proposals."""
        super().__init__()
        self.network, self.negatives = network, negatives

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss; and the mean IoU at 0.3 of the positive proposals, to watch."""
        targets, scenes, masks = _pictures(batch)
        positives = positive_cells(masks)
        cells = torch.cat([positives, negative_cells(positives, POSITIVES, self.negatives)], 1)
        proposals = self.network.proposals
        logits = proposals(proposals.target.embed(targets), proposals.look(scenes), cells).float()
        true = (masks == 1).unsqueeze(1).expand(-1, POSITIVES, -1, -1)
        labels = torch.cat([true, torch.zeros_like(true)], 1).long()
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(0, 1))
        with torch.no_grad():
            found = foreground(logits[:, :POSITIVES]) > 0.3
            union = (found | true).sum((2, 3))
            iou = torch.where(union > 0, (found & true).sum((2, 3)) / union.clamp(min=1), 1.0).mean()
        return {"loss": loss, "iou": iou}


class DiscriminatorLoss(nn.Module):
    """Binary cross entropy of four proposals a scene: one of the positive cells, three random ones."""

    def __init__(self, network: "MaskNet", negatives: Negatives) -> None:
        """Of `network`'s discriminator; no gradient reaches the proposals."""
        super().__init__()
        self.network, self.negatives = network, negatives

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss; and the share of scenes whose positive proposal scores highest, to watch."""
        targets, scenes, masks = _pictures(batch)
        positives = positive_cells(masks)
        one = torch.randint(POSITIVES, (len(masks), 1), device=masks.device)
        cells = torch.cat([positives.gather(1, one), negative_cells(positives, 3, self.negatives)], 1)
        with torch.no_grad():
            self.network.measure(scenes)
            target = self.network.embed(targets)
            proposals = self.network.proposals
            found = foreground(proposals(target, proposals.look(scenes), cells)) > 0.3
        scores = self.network.score(target, found, scenes)
        same = torch.zeros_like(scores)
        same[:, 0] = 1
        first = (scores[:, 0] > scores[:, 1:].amax(1)).float().mean()
        return {"loss": score_loss(scores, same).mean(), "first": first.detach()}


class Propose(Supervised):
    """Stage 1: encoders and decoder, from the weights of a Siamese U-Net."""

    def __init__(self, network: "MaskNet", *, negatives: Negatives, started: bool, **schedule: Any) -> None:
        """`started`: whether those weights are there."""
        super().__init__(ProposalLoss(network, negatives), name="propose", **published_schedule(**schedule))
        self._network, self._started = network, started

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Free the proposals; `UserError` without a start."""
        if not self._started:
            raise UserError(
                "masknet starts from the weights of siamese_unet, and none were given: plugin.yaml needs "
                "`needs: {start: siamese_unet}`; snakemake then trains that system first"
            )
        self._network.requires_grad_(False)
        self._network.proposals.requires_grad_(True)
        if not self._network.proposals.targeted:  # its seeds do not see the target
            self._network.proposals.target.requires_grad_(False)
        super().setup(device, dtype)


class Discriminate(Supervised):
    """Stage 2: the discriminator, a copy of the target encoder at first, and the comparison; all else is frozen."""

    def __init__(self, network: "MaskNet", *, negatives: Negatives, proposed: bool, **schedule: Any) -> None:
        """`proposed`: whether the proposals are trained, here or before."""
        super().__init__(DiscriminatorLoss(network, negatives), name="discriminate", **published_schedule(**schedule))
        self._network, self._proposed = network, proposed

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Copy, freeze; `UserError` without proposals."""
        if not self._proposed:
            raise UserError(
                "a discriminator alone (proposal_samples: 0) stands on the proposals of a trained masknet, and none "
                "were given: that variant needs `needs: {proposals: masknet}`; snakemake then trains it first"
            )
        network = self._network
        network.discriminator.load_state_dict(network.proposals.target.state_dict())
        network.requires_grad_(False)
        network.discriminator.requires_grad_(True)
        network.comparison.requires_grad_(True)
        super().setup(device, dtype)


def _pictures(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Targets and scenes in [0, 1], and the scenes' masks."""
    (support,), (query,) = batch.supports.frames, batch.queries
    assert query.masks is not None
    targets, scenes = ((f.images.float() / 255).contiguous(memory_format=torch.channels_last) for f in (support, query))
    return targets, scenes, query.masks
