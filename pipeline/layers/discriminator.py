"""Discriminators over separated characters, the oracles of "One-Shot Segmentation in Clutter", section 3.3.

Every visible character of a scene is cut out around its centre of mass, embedded, and compared with the target; the
most similar one is the answer. Where the characters are comes from the instance map.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.centre import centre_of_mass
from pipeline.layers.clutter import Encoder, published_schedule
from pipeline.layers.comparison import Comparison, score_loss
from pipeline.layers.crops import corners, window
from pipeline.layers.instances import Parts, instances_of, visible_parts
from pipeline.layers.targets import Targets, show_targets
from pipeline.segmenter import Batch, Frame, Prediction, Segmenter, Supports
from pipeline.train.supervised import Supervised

SIDE = 32
"""Of target pictures and crops, in pixels."""
OTHERS = 3
"""Characters a scene, beside the target, that the loss sees."""
View = Literal["mask", "masked_scene", "scene"]
"""A crop shows the character's mask, its pixels alone, or the scene as it is."""


class CropDiscriminator(Segmenter):
    """Two encoders of the target's layout and a comparison."""

    def __init__(self, *, target: Encoder, crop: Encoder, comparison: Comparison, view: View) -> None:
        """Encoders are separate copies unless `target` is `crop`."""
        super().__init__()
        self.target, self.crop, self.comparison, self.view = target, crop, comparison, view

    def embed(self, targets: Tensor) -> Tensor:
        """Target pictures (B, 3, 32, 32) in [0, 1] -> embeddings (B, 16 f)."""
        return self.target.embed(targets)

    def cut(self, images: Tensor, instances: Tensor, parts: Parts) -> Tensor:
        """What is shown of `parts` of images (B, 3, H, W) in [0, 1] with instance maps (B, H, W): (M, 3, 32, 32)."""
        corner = corners(parts.centres, SIDE)
        mask = window(instances.unsqueeze(1), parts.rows, corner, SIDE) == parts.names[:, None, None, None]
        if self.view == "mask":
            return mask.float().expand(-1, 3, -1, -1)
        pixels = window(images, parts.rows, corner, SIDE)
        return pixels * mask if self.view == "masked_scene" else pixels

    def score(self, images: Tensor, instances: Tensor, parts: Parts, targets: Tensor) -> Tensor:
        """Similarity (M,) in (0, 1) of each part to its scene's target (B, C)."""
        crops = self.cut(images, instances, parts).contiguous(memory_format=torch.channels_last)
        scores: Tensor = self.comparison(self.crop.embed(crops), targets[parts.rows])
        return scores

    def adapt(self, supports: Supports) -> Targets:
        """Cut the objects out of the supports and embed them."""
        return show_targets(supports, SIDE, self.embed)

    def predict(self, state: Targets, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Mask (0 or 1), centre of mass and score of the chosen part, for each object the best over its supports."""
        for query in queries:
            images, instances = query.images.float() / 255, instances_of(query)
            parts = visible_parts(instances)
            chosen = [self._choose(state, o, images, instances, parts) for o in range(state.shown.shape[2])]
            masks, centres, scores = (torch.stack(found, 1) for found in zip(*chosen, strict=True))
            yield Prediction(probabilities=masks, centres=centres, scores=scores)

    def _choose(
        self, state: Targets, number: int, images: Tensor, instances: Tensor, parts: Parts
    ) -> tuple[Tensor, Tensor, Tensor]:
        scores = torch.zeros(len(parts.rows), device=images.device)
        for embeddings, shown in zip(state.embeddings, state.shown[:, :, number], strict=True):
            found = self.score(images, instances, parts, embeddings[number])
            scores = torch.maximum(scores, found * shown[parts.rows])
        masks = torch.zeros(instances.shape, device=images.device)
        centres = torch.full((len(images), 2), torch.nan, dtype=torch.float64, device=images.device)
        highest = scores.new_zeros(len(images))
        for row in range(len(images)):
            here = (parts.rows == row).nonzero()[:, 0]
            if len(here) and state.shown[:, row, number].any():
                best = here[scores[here].argmax()]
                masks[row] = instances[row] == parts.names[best]
                centres[row], highest[row] = parts.centres[best], scores[best]
        return masks, centres, highest


class CropLoss(nn.Module):
    """Binary cross entropy of the target's crop and those of three random other characters of the scene."""

    def __init__(self, network: CropDiscriminator) -> None:
        """Of `network`'s scores."""
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, averaged over all crops; and the share of scenes whose target scores highest, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert query.masks is not None
        images, instances = query.images.float() / 255, instances_of(query)
        targets = (support.images.float() / 255).contiguous(memory_format=torch.channels_last)
        names, there = sample_names(instances, query.masks, OTHERS)
        shown = instances.unsqueeze(1) == names[..., None, None]
        rows = torch.arange(len(names), device=names.device).repeat_interleave(names.shape[1])
        parts = Parts(rows, names.flatten(), centre_of_mass(shown).flatten(0, 1))
        scores = self.network.score(images, instances, parts, self.network.embed(targets)).view_as(names)
        same = torch.zeros_like(scores)
        same[:, 0] = 1
        loss = (score_loss(scores, same) * there).sum() / there.sum()
        first = (scores[:, 0] > scores.masked_fill(~there, -1)[:, 1:].amax(1)).float().mean()
        return {"loss": loss, "first": first.detach()}


def discriminate(network: CropDiscriminator, **schedule: Any) -> Supervised:
    """The one stage of training; `schedule` as `published_schedule` takes it."""
    return Supervised(CropLoss(network), name="discriminate", **published_schedule(**schedule))


def sample_names(instances: Tensor, masks: Tensor, others: int) -> tuple[Tensor, Tensor]:
    """The target's name in instance maps (B, H, W) and those of `others` random other visible parts, (B, 1 + others).

    The target's is the commonest below its mask (B, H, W). The second tensor says which are really there: a scene may
    show fewer others, or no target.
    """
    batch, most = len(instances), int(instances.max()) + 1
    under = torch.zeros(batch, most, device=instances.device)
    under.scatter_add_(1, instances.flatten(1), (masks == 1).flatten(1).float())
    area = torch.zeros(batch, most, device=instances.device)
    area.scatter_add_(1, instances.flatten(1), torch.ones_like(instances.flatten(1), dtype=torch.float32))
    under[:, 0] = 0
    target = under.argmax(1, keepdim=True)
    free = (area > 0).scatter(1, target, False)
    free[:, 0] = False
    order = torch.rand(free.shape, device=instances.device).masked_fill(~free, -1)
    order = F.pad(order, (0, max(0, others - most)), value=-1)
    rank, picked = order.topk(others, 1)
    names = torch.cat([target, picked], 1)
    return names, torch.cat([under.gather(1, target) > 0, rank >= 0], 1)
