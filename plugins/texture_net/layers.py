"""Encoder and decoder of "One-shot Texture Segmentation" (Ustyuzhaninov et al. 2018, section 3.1).

Widths and the 1x1 convolutions before the residual blocks stand in the paper's figure alone, and are those on which
four public re-implementations agree. All 1x1 convolutions are linear, and there is no normalization layer.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """x + conv(relu(conv(relu(conv(x))))): three 3x3 convolutions of equal width, the last linear."""

    def __init__(self, width: int) -> None:
        """Map (B, width, H, W) to the same shape."""
        super().__init__()
        self.first, self.second = convolution(width, width, 3), convolution(width, width, 3)
        self.third = convolution(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        y: Tensor = x + self.third(F.relu(self.second(F.relu(self.first(x)))))
        return y


class Join(nn.Module):
    """1x1 convolution of concatenated maps, the first of which lies at another size and is resampled bilinearly.

    The convolution is split by input: what comes from below is convolved before it is enlarged, which is the same
    (each enlarged pixel is a mean of pixels, with weights that sum to 1) at a quarter of the cost.
    """

    def __init__(self, *inputs: int, outputs: int) -> None:
        """`inputs` are the channels of each of the maps."""
        super().__init__()
        self.inputs = inputs
        self.conv = convolution(sum(inputs), outputs, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps (B, inputs[i], ., .), all but the first of size (H, W) -> (B, outputs, H, W)."""
        below, *same = maps
        first, *weights = torch.split(self.conv.weight, list(self.inputs), 1)
        found = F.interpolate(F.conv2d(below, first), same[0].shape[-2:], mode="bilinear")
        found = found + F.conv2d(same[0], weights[0], self.conv.bias)
        for x, weight in zip(same[1:], weights[1:], strict=True):
            found = found + F.conv2d(x, weight)
        return found


class Encoder(nn.Module):
    """From conv5_1 up to an embedding of every pixel: 1x1 convolution, residual block, twice the size, skip; and again.

    17,881,152 parameters at full width; 17,417,792 in the literal reading of the text, which has no residual block
    at full size (`blocks` = 4).
    """

    def __init__(self, trunk: Sequence[int], widths: Sequence[int], embedding: int, blocks: int) -> None:
        """`trunk` are the channels of conv1_1 to conv5_1, `widths` those of the blocks from the deepest on."""
        super().__init__()
        self.enter = convolution(trunk[4], widths[0], 1)
        joined = [(below, skip) for below, skip in zip(widths, reversed(trunk[:4]), strict=False)]
        outputs = [*widths[1:blocks], *([embedding] if blocks == 4 else [])]
        self.joins = nn.ModuleList(Join(*pair, outputs=width) for pair, width in zip(joined, outputs, strict=True))
        self.blocks = nn.ModuleList(Residual(width) for width in widths[:blocks])
        self.leave = convolution(widths[4], embedding, 1) if blocks == 5 else nn.Identity()

    def forward(self, pictures: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """The trunk's maps of normalized pictures (B, 3, H, W) -> embeddings (B, embedding, H, W)."""
        x = self.blocks[0](self.enter(maps[4]))
        for number, join in enumerate(self.joins, start=1):
            x = join(x, maps[4 - number])
            if number < len(self.blocks):
                x = self.blocks[number](x)
        found: Tensor = self.leave(x)
        return found


class Colours(nn.Module):
    """The encoder of the RGB model: one linear 1x1 convolution of the picture itself, 256 parameters at full width."""

    def __init__(self, embedding: int) -> None:
        """Map 3 channels to `embedding`."""
        super().__init__()
        self.conv = convolution(3, embedding, 1)

    def forward(self, pictures: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Normalized pictures (B, 3, H, W) -> embeddings (B, embedding, H, W); the trunk's maps are not looked at."""
        found: Tensor = self.conv(pictures)
        return found


class Decoder(nn.Module):
    """From the similarity map and the image's maps to logits: five stages of equal width, 686,017 parameters in all."""

    def __init__(self, trunk: Sequence[int], width: int) -> None:
        """`trunk` are the channels of conv1_1 to conv5_1.

        The similarity's weights start as large as if it were the only input: one among 129 channels is overheard else,
        and training begins with a plateau of hundreds of steps.
        """
        super().__init__()
        deepest_first = list(reversed(trunk))
        self.reduce = nn.ModuleList(convolution(channels, width, 1) for channels in deepest_first)
        self.enter = convolution(width + 1, width, 1)
        self.joins = nn.ModuleList(Join(width, width, 1, outputs=width) for _ in deepest_first[1:])
        self.blocks = nn.ModuleList(Residual(width) for _ in deepest_first)
        self.leave = convolution(width, 1, 1)
        for layer in (self.enter, *(join.conv for join in self.joins if isinstance(join, Join))):
            nn.init.uniform_(layer.weight[:, -1], -1, 1)

    def forward(self, similarity: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Similarity (B, 1, H, W) and the trunk's maps of the image -> logits (B, 1, H, W)."""
        reduced = [reduce(x) for reduce, x in zip(self.reduce, reversed(maps), strict=True)]
        smaller = [F.adaptive_avg_pool2d(similarity, x.shape[-2:]) for x in reduced]
        weights = torch.split(self.enter.weight, [reduced[0].shape[1], 1], 1)
        x = self.blocks[0](F.conv2d(reduced[0], weights[0], self.enter.bias) + F.conv2d(smaller[0], weights[1]))
        for join, block, skip, s in zip(self.joins, list(self.blocks)[1:], reduced[1:], smaller[1:], strict=True):
            x = block(join(x, skip, s))
        logits: Tensor = self.leave(x)
        return logits


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A convolution whose weights start uniform with variance 1 / (3 fan-in), its biases 0.

    The paper does not say how. He's and Glorot's variances are several times larger, and without normalization layers
    the residual sums then start so large that the network falls into answering the same everywhere.
    """
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
