"""Best proposal: MaskNet's 144 proposals, the best of them chosen by the truth (paper, section 3.3).

It bounds what any discriminator over these proposals can reach. Nothing is trained: the weights are a MaskNet's.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.clutter import Decoder, Encoder
from pipeline.layers.proposals import Proposals
from pipeline.layers.proposing import ProposalSegmenter
from pipeline.segmenter import Frame

PREFIX = "proposals."
"""Of the proposals' tensors in a trained MaskNet."""


def build(
    *, features: int = 24, threshold: float = 0.3, weights: Mapping[str, Mapping[str, Tensor]] | None = None
) -> "BestProposal":
    """The network that makes the proposals; `threshold` is where the IoU that chooses is taken."""
    f = features
    channels = (2 * f, 4 * f, 8 * f, 8 * f, 16 * f, 16 * f)  # e1..e6; at f = 24: 48, 96, 192, 192, 384, 384
    proposals = Proposals(
        target=Encoder(channels),
        scene=Encoder(channels),
        decoder=Decoder(channels, (1, 2, 3, 3, 3, 3), logit_norm=True),
        targeted=True,
        seeds="target",
    )
    if weights is not None:
        own = {n.removeprefix(PREFIX): t for n, t in weights["proposals"].items() if n.startswith(PREFIX)}
        proposals.load_state_dict(own)
    return BestProposal(proposals, threshold)


class BestProposal(ProposalSegmenter):
    """Takes the proposal with the largest IoU with the query's own mask, which an oracle gives."""

    def __init__(self, proposals: Proposals, threshold: float) -> None:
        """A proposal's mask is where its probability is above `threshold`."""
        super().__init__(proposals)
        self.threshold = threshold

    def judge(self, maps: Tensor, target: Tensor, pictures: Tensor, query: Frame, number: int) -> Tensor:
        """IoU of each proposal with the truth; 1 where both are empty. `UserError` where the truth is not given."""
        if "truth" not in query.oracle:
            raise UserError("best_proposal needs the query's own mask: plugin.yaml must declare `oracle: [truth]`")
        truth = (query.oracle["truth"] == number).float().unsqueeze(1)
        if truth.shape[-2:] != maps.shape[-2:]:
            truth = F.interpolate(truth, maps.shape[-2:], mode="nearest")
        found, true = maps > self.threshold, truth > 0
        union = (found | true).sum((2, 3))
        return torch.where(union > 0, (found & true).sum((2, 3)) / union.clamp(min=1), 1.0)
