"""The discriminator of One-Shot GAN and OSMIS: low-level features, then what is there, and where it is, apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.layers.one_shot.attention import at_size, attended, hardened
from pipeline.layers.one_shot.content_augmentation import augment_content
from pipeline.layers.one_shot.discriminator_block import ContentBlock, DownBlock, widths
from pipeline.layers.one_shot.layout_augmentation import augment_layout
from pipeline.layers.one_shot.masked_layout import augment_masked_layout
from pipeline.layers.one_shot.norm import Norm
from pipeline.layers.one_shot.precision import wide
from pipeline.layers.one_shot.spectral_norm import SpectralConv2d, convolutions, normalised

Supervision = Literal["none", "mca", "projection", "input_concat"]
"""How the discriminator sees masks: not at all, or by OSMIS' masked content attention, or by one of its rivals."""


@dataclass(frozen=True)
class Verdict:
    """Logits of every block of the three branches."""

    low_level: list[Tensor]
    """(B, 1, H / 2, W / 2) and on, finest first."""
    content: Tensor
    """(blocks, N * B, N + 1), rows object by object; or (blocks, B, 1) where objects are not told apart."""
    layout: list[Tensor]
    """(B, 1, h / 2, w / 2) and on."""


@dataclass(frozen=True)
class FeatureAugmentation:
    """What is done to the features of real images."""

    content: float = 0.4
    layout: float = 0.4
    quirks: bool = True
    """As released: mixes copy one way, and see `augment_masked_layout`."""


class Discriminator(nn.Module):
    """Images at several scales and their masks -> `Verdict`. 3,243,680 parameters at 384x640 with N = 2."""

    def __init__(
        self,
        *,
        blocks: int,
        low_level: int,
        channels: int,
        supervision: Supervision = "mca",
        width: int = 32,
        norm: Norm = "none",
        augmentation: FeatureAugmentation | None = None,
    ) -> None:
        """`blocks` in all on an image's way, of which `low_level` come before the branches part; N = `channels`."""
        super().__init__()
        objects = channels if supervision == "mca" else 0
        self.supervision, self.objects = supervision, objects
        self.augmentation = augmentation or FeatureAugmentation()
        counts = widths(width, blocks, low_level, objects=objects > 0)
        seen = 3 + (channels if supervision == "input_concat" else 0)
        self.low_level = _LowLevel(counts[: low_level + 1], seen, norm)
        self.content = _Content(counts[low_level:], objects + 1 if objects else 1, norm)
        self.layout = _Layout(counts[low_level], blocks - low_level, norm)
        features = counts[low_level]
        self.projection = SpectralConv2d(channels, features, 1, bias=False) if supervision == "projection" else None
        self._parts = convolutions(self)

    def forward(
        self, images: Sequence[Tensor], masks: Tensor | None, *, real: bool, bernoulli: bool = False
    ) -> Verdict:
        """Judge images (B, 3, H / 2^i, W / 2^i), finest first, with masks (B, N, H, W), float32 where there are any.

        Fake masks are soft and made hard on the way, real ones are taken as they are and real features augmented.
        """
        with normalised(self._parts, update=self.training):
            return self._judge(list(images), masks, real, bernoulli)

    def _judge(self, images: list[Tensor], masks: Tensor | None, real: bool, bernoulli: bool) -> Verdict:
        if self.supervision == "input_concat":
            assert masks is not None
            full = masks if real else hardened(masks, bernoulli=bernoulli)
            images = [torch.cat([image, at_size(full, image.shape[-2:]).to(image.dtype)], 1) for image in images]
        features, low_level = self.low_level(images)
        cells = None
        if self.supervision in ("mca", "projection"):
            assert masks is not None
            cells = at_size(masks, features.shape[-2:])
            cells = cells if real else hardened(cells, bernoulli=bernoulli)
        if self.projection is not None:
            low_level[-1] = low_level[-1] + (features * self.projection(cells)).sum(1, keepdim=True)
        vectors = self._pooled(features, cells, real)
        return Verdict(low_level, self.content(vectors), self.layout(self._laid_out(features, cells, real)))

    def _pooled(self, features: Tensor, cells: Tensor | None, real: bool) -> Tensor:
        """(R, C): a vector for every object of every sample, object by object, or one for each sample."""
        if self.objects and cells is not None:
            groups = attended(features, cells)
        else:
            groups = wide(features).mean((2, 3))[None]
        if real and self.augmentation.content > 0:
            first = augment_content(groups[0], probability=self.augmentation.content, one_way=self.augmentation.quirks)
            groups = torch.cat([first[None], groups[1:]])
        return groups.flatten(0, 1)

    def _laid_out(self, features: Tensor, cells: Tensor | None, real: bool) -> Tensor:
        probability = self.augmentation.layout
        if not real or probability <= 0:
            return features
        if self.objects and cells is not None:
            return augment_masked_layout(features, cells, probability=probability, quirks=self.augmentation.quirks)
        return augment_layout(features, probability=probability)


class _LowLevel(nn.Module):
    """The image enters at every scale, with an eighth of the running width from the second scale on."""

    def __init__(self, widths: Sequence[int], seen: int, norm: Norm) -> None:
        super().__init__()
        blocks = len(widths) - 1
        entering = [widths[0], *(width // 8 for width in widths[1:blocks])]
        self.from_image = nn.ModuleList(SpectralConv2d(seen, width, 3, padding=1) for width in entering)
        self.blocks = nn.ModuleList(
            DownBlock(widths[i] + (entering[i] if i else 0), widths[i + 1], norm=norm, first=i == 0)
            for i in range(blocks)
        )
        self.heads = nn.ModuleList(SpectralConv2d(width, 1, 1) for width in widths[1:])

    def forward(self, images: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        maps, logits = images[0].new_empty(0), []
        for level, (enter, block, head) in enumerate(zip(self.from_image, self.blocks, self.heads, strict=True)):
            image = images[level].contiguous(memory_format=torch.channels_last)
            maps = block(torch.cat([maps, enter(image)], 1) if level else enter(image))
            logits.append(head(maps))
        return maps, logits


class _Content(nn.Module):
    """What is there: blocks of 1x1 convolutions on pooled vectors, with a decision each."""

    def __init__(self, widths: Sequence[int], classes: int, norm: Norm) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.blocks = nn.ModuleList(ContentBlock(a, b, norm=norm) for a, b in pairs)
        self.heads = nn.ModuleList(SpectralConv2d(b, classes, 1) for _, b in pairs)

    def forward(self, vectors: Tensor) -> Tensor:
        """(R, C) -> logits (blocks, R, classes)."""
        maps, logits = vectors[..., None, None], []
        for block, head in zip(self.blocks, self.heads, strict=True):
            maps = block(maps)
            logits.append(head(maps)[..., 0, 0])
        return torch.stack(logits)


class _Layout(nn.Module):
    """Where it is: blocks of one channel, with a decision each."""

    def __init__(self, channels: int, blocks: int, norm: Norm) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DownBlock(1 if i else channels, 1, norm=norm) for i in range(blocks))
        self.heads = nn.ModuleList(SpectralConv2d(1, 1, 1) for _ in range(blocks))

    def forward(self, maps: Tensor) -> list[Tensor]:
        logits = []
        for block, head in zip(self.blocks, self.heads, strict=True):
            maps = block(maps)
            logits.append(head(maps))
        return logits
