"""STM: video object segmentation by a memory of the frames seen so far (Oh, Lee, Xu, Kim, arXiv 1904.00607).

A frame of 480x854 is padded to 480x864; its memory has 30x54 places of a key of 128 and a value of 512 numbers for each
object. A query reads the first frame, the one before it and every fifth; its two-channel decoder gives each object's
probability, which soft aggregation merges. 38,925,570 parameters.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import Frame, Prediction, Segmenter, Supports
from plugins.stm.bank import Bank, numbered
from plugins.stm.extra import Pair, Pool, entries, generator_of, resized, tuned
from plugins.stm.network import Backbone, Entry, Network
from plugins.stm.training import Clips, one_hot

Use = Literal["memory", "fine_tune"]


def build(
    *,
    backbone: Backbone = "resnet50",
    width: int = 1,
    crop: int = 384,
    static_samples: int = 800_000,
    video_samples: int = 400_000,
    accumulate: int = 4,
    learning_rate: float = 1e-5,
    scratch_rate: float = 1e-4,
    longer: int | None = None,
    memory_every: int = 5,
    memory_frames: int = 20,
    use: Use = "memory",
    extra_memory: int = 5,
    tune_iterations: int = 100,
    tune_rate: float = 1e-5,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "Stm":
    """The whole network with its numbers, and its two stages.

    `weights["trunk"]` are torchvision's ResNet-50, of use at full width alone, or those of SqueezeNet; without them
    training goes at `scratch_rate`. A clip to train on has frames of `crop` pixels a side. `longer` is the longer side
    of the frames that are segmented (None: as they are). Every `memory_every`-th frame stays in memory, at most the
    last `memory_frames` of them beside the first. `use` says how extra pairs are taken: `extra_memory` of them as
    entries, or by `tune_iterations` steps at `tune_rate`.
    """
    segmenter = Stm(
        Network(backbone, width=width),
        longer=longer,
        memory_every=memory_every,
        memory_frames=memory_frames,
        use=use,
        extra_memory=extra_memory,
        tune_iterations=tune_iterations,
        tune_rate=tune_rate,
    )
    found = (weights or {}).get("trunk")
    if found is not None and (backbone == "squeezenet" or (backbone == "resnet50" and width == 1)):
        segmenter.load_trunks(found)
    rate = learning_rate if segmenter.trunk == "pretrained" else scratch_rate
    network, shared = segmenter.network, {"side": crop, "accumulate": accumulate}
    segmenter.stages = (
        Clips(network, "static", samples=static_samples, learning_rate=rate, **shared),
        Clips(network, "video", samples=video_samples, learning_rate=rate, **shared),
    )
    return segmenter


class Video(NamedTuple):
    """What an episode starts with."""

    network: Network
    """The segmenter's own, or a copy fine-tuned on the episode's pairs."""
    objects: int
    """O."""
    shown: list[int]
    """Numbers of the objects that the first frame shows; the others are never found."""
    lasting: list[Entry]
    """Memory of the supports and of extra pairs."""


class Stm(Segmenter):
    """Follows objects from the first frame on, one query after another."""

    def __init__(
        self,
        network: Network,
        *,
        longer: int | None,
        memory_every: int,
        memory_frames: int,
        use: Use,
        extra_memory: int,
        tune_iterations: int,
        tune_rate: float,
    ) -> None:
        """What the keywords mean stands at `build`."""
        super().__init__()
        self.network, self.longer, self.use = network, longer, use
        self.memory_every, self.memory_frames, self.extra_memory = memory_every, memory_frames, extra_memory
        self.tune_iterations, self.tune_rate = tune_iterations, tune_rate
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    def load_trunks(self, weights: Mapping[str, Tensor]) -> None:
        """Both encoders start from published weights."""
        self.network.memory_encoder.load_published(weights)
        self.network.query_encoder.load_published(weights)
        self.get_buffer("pretrained").fill_(True)
        self.trunk = "pretrained"

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the encoders came."""
        super().load_weights(weights)
        self.trunk = "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    def train(self, mode: bool = True) -> "Stm":
        """Batch norm stays as it is, in training too (section 3.3)."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def adapt(self, supports: Supports) -> list[Video]:
        """Each episode's memory before its first query."""
        count = len(supports.frames[0].images)
        return [self._begin([f.part(slice(b, b + 1)) for f in supports.frames], supports) for b in range(count)]

    def predict(self, state: list[Video], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Of every object p / (p + background's p).

        Of all objects the one with the largest p has the largest of these, and it is a half where background is as
        likely: thresholded so, labels are the argmax over objects and background.
        """
        banks = [
            Bank(video.network, video.lasting, every=self.memory_every, frames=self.memory_frames) for video in state
        ]
        for query in queries:
            rows = [
                self._segment(bank, video, query.part(slice(b, b + 1)))
                for b, (bank, video) in enumerate(zip(banks, state, strict=True))
            ]
            yield Prediction(torch.cat(rows))

    def _begin(self, frames: list[Frame], supports: Supports) -> Video:
        pairs = [self._pair(frame) for frame in frames]
        there = {int(n) for _, mask in pairs for n in torch.unique(mask)}
        shown = [n for n in range(1, supports.objects + 1) if n in there]
        if not shown:
            return Video(self.network, supports.objects, [], [])
        pairs = [(image, numbered(mask, shown)) for image, mask in pairs]
        synthetic = [(image, numbered(mask, shown)) for image, mask in map(self._pair, supports.extra)]
        random, network = generator_of(supports.seed), self.network
        if self.use == "memory":
            pairs += entries(pairs[0], synthetic, supports.standard, self.extra_memory, random)
        elif synthetic or supports.standard:
            pool = Pool(pairs[0], synthetic, supports.standard, len(shown))
            network = tuned(network, pool, random, iterations=self.tune_iterations, learning_rate=self.tune_rate)
        lasting = [network.memorize(image, one_hot(mask, len(shown))) for image, mask in pairs]
        return Video(network, supports.objects, shown, lasting)

    def _pair(self, frame: Frame) -> Pair:
        """A support at the size that the network sees."""
        assert frame.masks is not None
        return resized((frame.images, frame.masks), self._size(frame))

    def _size(self, frame: Frame) -> tuple[int, int]:
        """Frames are made smaller, never larger."""
        height, width = frame.images.shape[-2:]
        share = 1.0 if self.longer is None else min(1.0, self.longer / max(height, width))
        return round(height * share), round(width * share)

    def _segment(self, bank: Bank, video: Video, query: Frame) -> Tensor:
        """(1, O, H, W) of one episode's next frame."""
        height, width = query.images.shape[-2:]
        found = torch.zeros(1, video.objects, height, width, device=query.images.device)
        if not video.shown:
            return found
        images, seen = query.images, self._size(query)
        if seen != (height, width):
            images = F.interpolate(images.float(), seen, mode="bilinear", antialias=True)
        probabilities = bank.segment(images)
        if seen != (height, width):
            probabilities = F.interpolate(probabilities, (height, width), mode="bilinear")
        background, objects = probabilities[:, :1], probabilities[:, 1:]
        found[:, [number - 1 for number in video.shown]] = objects / (objects + background).clamp(min=1e-12)
        return found
