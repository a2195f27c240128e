"""Textures made anew: as short-ranged as the Gram matrix of conv1_1, with nothing else of the photo left.

On a CPU every texture is worked out alone, on one thread, so that its bytes depend on neither the number of threads
nor its neighbours; on a GPU many share a batch.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.device import name_of, share
from pipeline.seeds import generator
from pipeline.texturize import start
from pipeline.texturize.gram import GramLoss, Target
from pipeline.texturize.histogram import match
from pipeline.texturize.job import BankJob, Synthesis
from pipeline.texturize.lbfgs import BoxedLBFGS
from pipeline.texturize.photos import Outcome, UnreadableError, each, load
from pipeline.texturize.shelf import Made, Photo, Shelf
from pipeline.texturize.trunk import MEAN, Trunk, find_trunk

BATCH = 64
"""Textures of a batch on a GPU; 3.5 GB at 256 x 256."""
_FIRST = 0.05
"""Root mean square of the first step; pixels go from 0 to 1."""
_SPARSE = 0.75
"""A batch is gathered anew when no more than this share of it is still going on."""


@dataclass(frozen=True)
class Begun:
    """What a synthesis starts from."""

    source: NDArray[np.uint8]
    """(S, S, 3)."""
    start: NDArray[np.float32]
    """(S, S, 3), 0 to 1."""
    converted: str = ""


def fill(job: BankJob, shelf: Shelf, threads: int, gpu: int) -> Outcome:
    """Put a synthesized texture of every photo on the shelf."""
    wanted = job.synthesis or Synthesis()
    trunk = find_trunk(wanted.trunk, job.weights, insist=job.insist)
    print(f"{job.bank}: textures are matched in conv1_1 of {trunk.name}", flush=True)
    with share(job.device, gpu, threads=1) as device:
        if device.type == "cuda":
            _fill_batches(job, wanted, shelf, trunk, device, threads)
        else:
            each(shelf, threads, lambda photo: synthesize([begin(job, wanted, photo)], wanted, trunk, device)[0])
        return Outcome(attributes={"trunk": trunk.name}, device=name_of(device))


def begin(job: BankJob, wanted: Synthesis, photo: Photo) -> Begun:
    """The source and the start of one texture; its random numbers are counted by the photo's name."""
    source, converted = load(photo.path, job.side)
    random = generator(job.seed, "synthesize", job.bank, photo.name)
    if wanted.start == "white":
        return Begun(source, start.white(random, job.side), converted)
    return Begun(source, start.spectral(random, source, wanted.window), converted)


def synthesize(begun: Sequence[Begun], wanted: Synthesis, trunk: Trunk, device: torch.device) -> list[Made]:
    """The textures of a batch, with the loss that their bytes reach."""
    sources = _tensor([_unit(item.source) for item in begun], device)
    batch = _Batch(sources, _tensor([item.start for item in begun], device), wanted, trunk)
    while batch.goes_on:
        batch.tick()
    floats = batch.points.permute(0, 2, 3, 1).cpu() + torch.tensor(MEAN)
    pixels = (floats * 255).round_().clamp_(0, 255).byte().numpy()
    losses = batch.relative(_tensor([_unit(found) for found in pixels], device)).tolist()
    return [
        Made(found, item.converted, loss, ticks)
        for found, item, loss, ticks in zip(pixels, begun, losses, batch.ticks.tolist(), strict=True)
    ]


class _Batch:
    """Textures that descend together. Each is done after its last round, and then waits for the others."""

    def __init__(self, sources: Tensor, starts: Tensor, wanted: Synthesis, trunk: Trunk) -> None:
        """Sources and starts are (B, 3, S, S), less the trunk's mean."""
        self._wanted, self._side = wanted, sources.shape[-1]
        self._filters = trunk.normalized(_mean_activations(trunk, sources))
        self._loss = GramLoss(self._filters, self._side)
        self._target = self._targets = Target.of(self._loss.gram(sources))
        self._levels = sources.flatten(2).sort(dim=2).values
        low, high = (self._levels[..., end].repeat_interleave(self._side**2, 1) for end in (0, -1))
        self._optimizer = BoxedLBFGS(starts.flatten(1), low, high, history=wanted.history, first=_FIRST)
        self._going = torch.arange(len(sources))
        self._rounds = torch.zeros(len(sources), dtype=torch.long)
        self.ticks = torch.zeros(len(sources), dtype=torch.long)
        """Evaluations that each took; 0 while it goes on."""
        self.points = torch.empty_like(sources)
        self._tick = 0

    @property
    def goes_on(self) -> bool:
        """Whether a texture is not yet done."""
        return bool((self.ticks == 0).any())

    def tick(self) -> None:
        """Evaluate all that go on once; put aside those that are done, and give the others' rounds an end."""
        self._tick += 1
        self._optimizer.tick(self._evaluate)
        last = self._tick == self._wanted.iterations
        reached = (self._optimizer.measure <= self._wanted.tolerance).cpu() & (self.ticks[self._going] == 0)
        again = reached & (self._rounds[self._going] < self._wanted.matches)
        done = (self.ticks[self._going] == 0) if last else reached & ~again
        if done.any():
            self._put_aside(done)
        if again.any() and not done.any():  # rows shift when some are put aside; the rest has time
            self._match(again.nonzero()[:, 0])

    def relative(self, pixels: Tensor) -> Tensor:
        """Relative loss of the whole batch at `pixels` (B, 3, S, S): (B,)."""
        return self._targets.relative(GramLoss(self._filters, self._side).gram(pixels) - self._targets.gram)

    def _evaluate(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss, gradient, relative = self._loss(point.reshape(-1, 3, self._side, self._side), self._target)
        return loss, gradient.flatten(1), relative

    def _match(self, rows: Tensor) -> None:
        """Begin a new round from the source's histograms."""
        here = rows.to(self.points.device)
        pixels = self._optimizer.point[here].reshape(len(rows), 3, -1)
        levels = self._levels[self._going[rows].to(here.device)]
        self._optimizer.restart(here, match(pixels, levels).flatten(1))
        self._rounds[self._going[rows]] += 1

    def _put_aside(self, done: Tensor) -> None:
        """Keep what is done; go on without it once there is enough of that."""
        device, which = self.points.device, self._going[done]
        self.ticks[which] = self._tick
        self.points[which.to(device)] = self._optimizer.point[done.to(device)].reshape(-1, *self.points.shape[1:])
        left = self.ticks[self._going] == 0
        if left.any() and left.sum() <= _SPARSE * len(left):
            rows = left.nonzero()[:, 0].to(device)
            self._optimizer.keep(rows)
            self._going = self._going[left]
            self._target = self._target.rows(rows)
            self._loss = GramLoss(self._filters[self._going.to(device)], self._side)


def _mean_activations(trunk: Trunk, sources: Tensor) -> Tensor:
    """Mean of each channel of the unscaled trunk over each source: (B, 64)."""
    plain = trunk.filters.to(sources).expand(len(sources), -1, -1).contiguous()
    return GramLoss(plain, sources.shape[-1]).mean(sources)


def _fill_batches(
    job: BankJob, wanted: Synthesis, shelf: Shelf, trunk: Trunk, device: torch.device, threads: int
) -> None:
    """Fill the shelf batch by batch; the next one is prepared while the card is busy."""
    todo: list[int] = shelf.todo
    with ThreadPoolExecutor(max(1, threads)) as pool:

        def prepare(index: int) -> Begun | None:
            try:
                return begin(job, wanted, shelf.photos[index])
            except UnreadableError as error:
                shelf.leave_out(index, str(error))
                return None

        ahead = [pool.map(prepare, todo[:BATCH])]
        for first in range(0, len(todo), BATCH):
            ahead.append(pool.map(prepare, todo[first + BATCH : first + 2 * BATCH]))
            begun = zip(todo[first:], ahead.pop(0), strict=False)
            readable = {index: item for index, item in begun if item is not None}
            if readable:
                made = synthesize(list(readable.values()), wanted, trunk, device)
                for index, texture in zip(readable, made, strict=True):
                    shelf.put(index, texture)


def _unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)


def _tensor(pixels: list[NDArray[np.float32]], device: torch.device) -> Tensor:
    """(B, 3, S, S) less the trunk's mean."""
    found = torch.from_numpy(np.stack(pixels)).to(device)
    return (found - torch.tensor(MEAN, device=device)).permute(0, 3, 1, 2).contiguous()
