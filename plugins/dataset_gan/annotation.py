"""Stage 2: label one generated image, and train the ensemble on its pixels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.segmenter import Batch
from pipeline.stage import Stage
from plugins.dataset_gan.features import Pixels

if TYPE_CHECKING:
    from plugins.dataset_gan.model import DatasetGan

PIXELS = 64
"""Pixels of an update, for each member."""
SURE = 4
"""Passes over the image before a member may stop."""
PATIENCE = 50
"""A member stops once its loss has been no lower than its lowest for more updates than this."""


class Annotate(Stage):
    """One sample is one pass over the pixels of the labelled image, each member in an order of its own.

    The label is not a person's: of `candidates` generated images the one nearest to the training image, pixel by
    pixel, is given the training mask as it is. It holds as far as the generator memorizes its one image.
    """

    name, batch = "annotate", 1

    def __init__(self, model: "DatasetGan", *, passes: int, candidates: int, learning_rate: float) -> None:
        """Train the ensemble of `model`, whose generator stays as it is."""
        self.model, self.samples = model, passes
        self.candidates, self.learning_rate = candidates, learning_rate

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Make the optimizer; always in float32."""
        self._optimizer = torch.optim.Adam(self.model.ensemble.parameters(), lr=self.learning_rate)
        members = self.model.ensemble.members
        self._lowest = torch.full((members,), torch.inf, device=device)
        self._stale = torch.zeros(members, dtype=torch.long, device=device)
        self._loss = torch.zeros(members, device=device)
        self._labelled: tuple[Pixels, Tensor] | None = None

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """A pass a batch; after the last member has stopped nothing happens."""
        for number, batch in enumerate(batches):
            if self._labelled is None:
                self._labelled = self._label(batch, choose=done == 0)
            if bool(self._active().any()):
                self._pass(*self._labelled, may_stop=done + number >= SURE)
        return {"loss": self._loss.mean(), "stopped": (~self._active()).float().mean()}

    def state(self) -> dict[str, Any]:
        """The optimizer and what decides about stopping."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "lowest": self._lowest,
            "stale": self._stale,
            "loss": self._loss,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take them up."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._lowest, self._stale, self._loss = (
            state[name].to(self._loss.device) for name in ("lowest", "stale", "loss")
        )

    def _active(self) -> Tensor:
        return self._stale <= PATIENCE

    @torch.no_grad()
    def _label(self, batch: Batch, *, choose: bool) -> tuple[Pixels, Tensor]:
        """Features and labels (pixels,) of the image of `model.latent`, which is chosen first where asked."""
        model = self.model
        images, masks = model.pair(batch.queries[0])
        if choose:
            latents = torch.randn(self.candidates, model.average.latent, device=images.device)
            errors = [(model.made(z)[0] - images[:1]).square().mean() for z in torch.split(latents, 1)]
            model.latent.copy_(latents[torch.stack(errors).argmin()])
        return Pixels(model.made(model.latent[None])[1], *images.shape[2:]), masks[0].flatten()

    def _pass(self, pixels: Pixels, labels: Tensor, *, may_stop: bool) -> None:
        members, device = self.model.ensemble.members, labels.device
        orders = torch.stack([torch.randperm(len(labels), device=device) for _ in range(members)])
        for chosen in torch.split(orders, PIXELS, 1):
            if chosen.shape[1] == min(PIXELS, len(labels)):  # batch normalization wants no crumbs
                self._update(pixels(chosen.flatten()).view(members, chosen.shape[1], -1), labels[chosen], may_stop)

    def _update(self, features: Tensor, labels: Tensor, may_stop: bool) -> None:
        ensemble, active = self.model.ensemble, self._active()
        before = [tensor.detach().clone() for tensor in _tensors(ensemble)] if may_stop else []
        logits = ensemble(features)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).mean(1)
        self._optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        with torch.no_grad():
            for tensor, old in zip(_tensors(ensemble), before, strict=False):
                tensor.copy_(torch.where(active.view(-1, *[1] * (tensor.dim() - 1)), tensor, old))
        self._loss = torch.where(active, losses.detach(), self._loss)
        if may_stop:
            better = self._loss < self._lowest
            self._stale = torch.where(better & active, 0, self._stale + active)
            self._lowest = torch.minimum(self._lowest, self._loss)


def _tensors(ensemble: torch.nn.Module) -> list[Tensor]:
    return [*ensemble.parameters(), *ensemble.buffers()]
