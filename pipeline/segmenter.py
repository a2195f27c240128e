"""What a segmenter is: it adapts to supports, then predicts queries one at a time.

Shapes: B episodes side by side, K supports, Q queries, O objects. Sizes may differ between the frames of an
episode, never between the episodes of a batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from pipeline.memory import Memory, fingerprint
from pipeline.stage import Stage

Found = TypeVar("Found")
BACKGROUND, VOID = 0, 255


@dataclass(frozen=True)
class Frame:
    """The same image (the k-th support or the q-th query) of each of B episodes."""

    images: Tensor
    """(B, 3, H, W) uint8."""
    masks: Tensor | None = None
    """(B, H, W) uint8 index masks: 0 background, 1..O objects, 255 void; None for the queries that `predict` sees."""
    ids: tuple[str, ...] = ()
    """B names, equal for equal images, so that what is computed from an image may be cached."""
    origin: Literal["real", "standard", "synthetic"] = "real"
    """Where a support comes from: the data set, a standard augmentation of it, or a synthesizer."""
    oracle: Mapping[str, Tensor] = field(default_factory=dict)
    """What only an oracle may see, by field: `instances` (B, H, W) int64, for example."""

    def to(self, device: torch.device) -> "Frame":
        """The same frame on `device`, copied without waiting where the memory allows it."""
        move = {name: value.to(device, non_blocking=True) for name, value in self.oracle.items()}
        masks = None if self.masks is None else self.masks.to(device, non_blocking=True)
        return replace(self, images=self.images.to(device, non_blocking=True), masks=masks, oracle=move)

    def part(self, which: slice) -> "Frame":
        """The same frame of some of the episodes."""
        masks = None if self.masks is None else self.masks[which]
        oracle = {name: value[which] for name, value in self.oracle.items()}
        return replace(self, images=self.images[which], masks=masks, ids=self.ids[which], oracle=oracle)


@dataclass(frozen=True)
class Supports:
    """The labelled examples of B episodes: K frames, all with masks."""

    frames: tuple[Frame, ...]
    objects: int
    """O: the number of objects to segment in every query. A support need not show any (background only)."""
    ways: int = 1
    """Frames that make one shot: O where every support shows one class of an n-way choice, else 1."""
    extra: tuple[Frame, ...] = ()
    """Synthetic pairs made of the first support, which extend it, each of its own size; only where B is 1."""
    standard: bool = False
    """Whether standard augmentation of the supports is asked for, which the segmenter draws (`layers.standard`)."""
    seed: int = 0
    """Of all that is drawn while adapting: one function of the run, the data set and the first support.

    Nothing may depend on it where the supports are not extended: such evaluations have a single run.
    """

    def first(self, shots: int) -> "Supports":
        """The first `shots` shots."""
        return replace(self, frames=self.frames[: shots * self.ways])

    def to(self, device: torch.device) -> "Supports":
        """The same supports on `device`."""
        extra = tuple(frame.to(device) for frame in self.extra)
        return replace(self, frames=tuple(frame.to(device) for frame in self.frames), extra=extra)


@dataclass(frozen=True)
class Batch:
    """B training episodes, collated: what `Stage.step` consumes."""

    supports: Supports
    queries: tuple[Frame, ...]
    classes: Tensor | None = None
    """(B, O) int64: which class of the data set each object is, where it has classes; for the scores alone."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        classes = None if self.classes is None else self.classes.to(device)
        return Batch(self.supports.to(device), tuple(query.to(device) for query in self.queries), classes)

    def part(self, which: slice) -> "Batch":
        """Some of its episodes."""
        frames = tuple(frame.part(which) for frame in self.supports.frames)
        classes = None if self.classes is None else self.classes[which]
        queries = tuple(query.part(which) for query in self.queries)
        return Batch(replace(self.supports, frames=frames), queries, classes)


@dataclass(frozen=True)
class Prediction:
    """What a segmenter says about one query frame; a field is None where the method has no such answer."""

    probabilities: Tensor | None = None
    """(B, O, H, W) float in [0, 1], at the query's size; the protocol thresholds or takes the argmax."""
    centres: Tensor | None = None
    """(B, O, 2) float: x and y of each object in pixels; NaN where nothing was found."""
    scores: Tensor | None = None
    """(B, O) float: how sure it is that each object is there; the largest wins an n-way choice."""


class Segmenter(nn.Module, ABC):
    """A plugin's network and its way of segmenting; `build` of a plugin's model.py returns one."""

    stages: tuple[Stage, ...] = ()
    """How it is trained, in order; empty for an untrained system."""
    trunk: Literal["pretrained", "scratch", "none"] = "scratch"
    """Where its trunk's first weights came from; `none` for a system without weights."""
    memory: Memory | None = None
    """Where `remember` keeps things while episodes with recurring images are evaluated; None in training."""

    def remember(self, what: str, frame: Frame, compute: Callable[[], Found], *, masks: bool = False) -> Found:
        """What `compute` makes of the images of `frame`, or found again where it was made before under the name `what`.

        With `masks` it depends on the frame's masks as well. It must depend on nothing else but the weights.
        """
        if self.memory is None or not frame.ids:
            return compute()
        seen = fingerprint(frame.masks) if masks and frame.masks is not None else b""
        return self.memory.recall((what, frame.ids, seen), compute)

    @abstractmethod
    def adapt(self, supports: Supports) -> Any:
        """Turn the supports into a state, cacheable by the frames' ids; may take steps on a copy of the weights."""

    @abstractmethod
    def predict(self, state: Any, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Yield one prediction a query, in order; a query is never looked at before its turn."""

    def weights(self) -> dict[str, Tensor]:
        """The tensors a finished training publishes; their names are the system's public contract."""
        return self.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights; every name must be there."""
        self.load_state_dict(dict(weights))


class Synthesizer(nn.Module, ABC):
    """Fits one image-mask pair by its stages, then samples new pairs.

    `build` of its plugin gets the pair's `height` and `width` in pixels and its number of `objects`, beside the
    parameters of plugin.yaml.
    """

    stages: tuple[Stage, ...] = ()
    """How it is fitted; the batches it is given hold copies of the one pair as `queries[0]`, of the size `size`."""
    trunk: Literal["pretrained", "scratch", "none"] = "scratch"
    """Where its trunk's first weights came from."""
    size: tuple[int, int]
    """Height and width of the frames that it fits and gives."""
    masks: bool = True
    """Whether it makes masks; those of a synthesizer without are all background."""
    remarks: tuple[str, ...] = ()
    """What a user should know of how it took this pair: a size that was clamped, for example."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield `count` pairs: image (3, H, W) uint8 and index mask (H, W) uint8; `generator` is one of the CPU."""

    def weights(self) -> dict[str, Tensor]:
        """The tensors a finished fit publishes: what `sample` needs."""
        return self.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights; every name must be there."""
        self.load_state_dict(dict(weights))
