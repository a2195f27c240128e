"""co-FCN: a network of its own makes one vector of the annotated support, which conditions the query's network.

Rakelly et al., "Conditional networks for few-shot semantic segmentation", ICLR workshop 2018, in three shapes:

- `sg_one`: the re-implementation that SG-One (arXiv 1810.09091) compares with, rebuilt from its size. Two copies of
  SG-One's backbone. Query 3x375x500 -> 512x47x63; support 5x375x500 -> 512. Parameters: 17,074,496 (query) +
  17,075,648 (support) + 1,026 (score of the product; 2,050 of both side by side) = 34,151,170.
- `revolver`: the authors' release. Query 3x375x500 -> 256x11x15; support -> 256; fc7 512 -> 256; score 256 -> 2.
  Parameters: 21,137,472 + 21,138,624 + 131,328 + 514 = 42,407,938.
- `guided`: its later sibling, one network for both; the means of the support's map inside and outside of the object are
  two vectors. fc7 768 -> 768; score 768 -> 2. Parameters: 21,137,472 + 590,592 + 1,538 = 21,729,602.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from pipeline.layers.masked_pooling import masked_mean
from pipeline.layers.one_by_one import OneByOne, showing
from pipeline.layers.vgg import normalized
from pipeline.segmenter import VOID, Frame
from plugins.cofcn.heads import Fused, Fusion, Scored
from plugins.cofcn.streams import Stream, Stride8, Stride32
from plugins.cofcn.supports import GREY, Conditioning
from plugins.cofcn.training import Segment, Void

Shape = Literal["sg_one", "revolver", "guided"]


def build(
    *,
    shape: Shape = "sg_one",
    width: int = 1,
    fusion: Fusion = "multiply",
    extra_inputs: Literal["random", "zeros", "mean"] = "random",
    dilation: int = 11,
    annotation: float = 128,
    deviation: float = 0.001,
    void_train: Void = "ignore",
    samples: int = 100_000,
    batch: int = 1,
    learning_rate: float = 1e-5,
    conv_rate: float = 10,
    bias_rate: float = 2,
    released_samples: int = 100_000,
    released_rate: float = 1e-5,
    momentum: float = 0.99,
    decay: float = 5e-4,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "CoFcn":
    """The whole network with its numbers, and its one stage of training.

    `weights["trunk"]` is torchvision's VGG-16, of use at full width alone; filters of the two annotation channels then
    start as `extra_inputs` says. `fusion`, `samples` and the three rates are those of `sg_one`; `dilation` (pixels),
    `annotation` (grey levels), `deviation` (of fc6 and fc7), and what is named so, those of the released shapes.
    """
    query: Stream
    support: Conditioning | None = None
    head: Fused | Scored
    if shape == "sg_one":
        query = Stride8(width=width, inputs=3)
        support = Conditioning(Stride8(width=width, inputs=5), low=0, high=1, dilation=1)
        head = Fused(512 // width, fusion)
    elif shape == "revolver":
        query = Stride32(width=width, inputs=3, deviation=deviation)
        stream = Stride32(width=width, inputs=5, deviation=deviation)
        support = Conditioning(stream, low=-annotation / GREY, high=annotation / GREY, dilation=dilation)
        head = Scored(inputs=(256 + 256) // width, hidden=256 // width, deviation=deviation)
    else:
        query = Stride32(width=width, inputs=3, deviation=deviation)
        head = Scored(inputs=(256 + 256 + 256) // width, hidden=768 // width, deviation=deviation)
    published = (weights or {}).get("trunk") if width == 1 else None
    if published is not None:
        query.vgg.load_torchvision(published)
        if support is not None:
            support.stream.vgg.load_torchvision(published, extra_inputs)
    network = CoFcn(query=query, support=support, head=head, pretrained=published is not None)
    network.stages = (
        Segment(
            network,
            samples=samples if shape == "sg_one" else released_samples,
            batch=batch,
            learning_rate=learning_rate if shape == "sg_one" else released_rate,
            conv_rate=conv_rate if shape == "sg_one" else 1,
            bias_rate=bias_rate if shape == "sg_one" else 1,
            momentum=momentum,
            decay=decay,
            void=void_train,
        ),
    )
    return network


class CoFcn(OneByOne[list[Tensor | None]]):
    """Segments the query under the condition of the supports' mean vector."""

    def __init__(self, *, query: Stream, support: Conditioning | None, head: Fused | Scored, pretrained: bool) -> None:
        """Without a network of the support's own the query's sees both."""
        super().__init__()
        self.query, self.support, self.head = query, support, head
        self.register_buffer("pretrained", torch.tensor(pretrained))
        self._show_trunk()

    def forward(self, images: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        """Queries (B, 3, H, W), supports (B, 3, h, w) and their masks (B, h, w), uint8 -> logits (B, 2, H, W)."""
        maps = None if self.support is not None else self.look(supports)
        vectors = self.condition(supports, masks, 1, maps)
        return self.segment(self.look(images), vectors, (images.shape[-2], images.shape[-1]))

    def look(self, images: Tensor) -> Tensor:
        """The query's network on images (B, 3, H, W) uint8 -> (B, C, h, w)."""
        maps: Tensor = self.query(normalized(images))
        return maps

    def condition(self, images: Tensor, masks: Tensor, number: int, maps: Tensor | None) -> Tensor:
        """Object `number` of supports (B, 3, H, W) with masks (B, H, W), uint8 -> vectors (B, V) float32.

        `maps` of the same images are what the means inside and outside of the object are taken of, where the supports
        have no network of their own. All that is neither the object nor void is background.
        """
        positive, negative = masks == number, (masks != number) & (masks != VOID)
        if self.support is None:
            assert maps is not None
            return torch.cat([masked_mean(maps, positive), masked_mean(maps, negative)], 1)
        vectors: Tensor = self.support(images, positive, negative)
        return vectors

    def segment(self, maps: Tensor, vectors: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps (B, C, h, w) of queries and vectors (B, V) -> logits (B, 2, *size) float32 of background and object."""
        logits: Tensor = self.head(maps, vectors, size)
        return logits

    def learn(self, supports: Sequence[Frame], objects: int) -> list[Tensor | None]:
        """For each object the mean vector (1, V) of the supports that show it, None where none does."""
        return [self._average(supports, number) for number in range(1, objects + 1)]

    def answer(self, known: list[Tensor | None], query: Frame) -> Tensor:
        """Probability of each object by itself, (1, O, H, W); 0 for one that no support shows."""
        maps, size = self._maps(query), (query.images.shape[-2], query.images.shape[-1])
        absent = torch.zeros(1, *size, device=query.images.device)
        found = [absent if v is None else self.segment(maps, v, size).softmax(1)[:, 1] for v in known]
        return torch.stack(found, 1)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunk came."""
        super().load_weights(weights)
        self._show_trunk()

    def _show_trunk(self) -> None:
        self.trunk = "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    def _maps(self, frame: Frame) -> Tensor:
        return self.remember("maps", frame, lambda: self.look(frame.images))

    def _average(self, supports: Sequence[Frame], number: int) -> Tensor | None:
        found = [self._vector(frame, number) for frame, _ in showing(supports, number)]
        return torch.stack(found).mean(0) if found else None

    def _vector(self, frame: Frame, number: int) -> Tensor:
        masks = frame.masks
        assert masks is not None

        def compute() -> Tensor:
            return self.condition(frame.images, masks, number, None if self.support is not None else self._maps(frame))

        return self.remember(f"vector{number}", frame, compute, masks=True)
