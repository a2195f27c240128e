"""STM's two encoders: a ResNet up to layer3 (stride 16), one for the query and one for memory (arXiv 1904.00607, 3.1).

Written in plain torch with torchvision's names of tensors, so that its published ResNet-50 loads. Batch norm never
learns from what it sees (`Stm.train` keeps it in evaluation mode): without published weights it scales and shifts.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.layers.vgg import normalized

Resnet = Literal["resnet50", "resnet18"]
BLOCKS: dict[Resnet, tuple[int, int, int]] = {"resnet50": (3, 4, 6), "resnet18": (2, 2, 2)}
"""Of layer1, layer2 and layer3."""


class Maps(NamedTuple):
    """What an encoder makes of pictures: at full width 256, 512 and 1024 channels of ResNet-50."""

    fine: Tensor
    """layer1, stride 4."""
    middle: Tensor
    """layer2, stride 8."""
    coarse: Tensor
    """layer3, stride 16."""


class Block(nn.Module):
    """A residual block (He et al., arXiv 1512.03385): a bottleneck of 1x1, 3x3, 1x1 convolutions, or two of 3x3."""

    def __init__(self, before: int, planes: int, stride: int, *, bottleneck: bool) -> None:
        """From `before` channels to `planes`, four times as many with a `bottleneck`; it starts as its shortcut."""
        super().__init__()
        after = 4 * planes if bottleneck else planes
        # The stride of a bottleneck sits in its 3x3 convolution, as in torchvision.
        sizes = [(before, planes, 1, 1), (planes, planes, 3, stride), (planes, after, 1, 1)]
        if not bottleneck:
            sizes = [(before, planes, 3, stride), (planes, planes, 3, 1)]
        self.depth = len(sizes)
        for number, (inputs, outputs, kernel, step) in enumerate(sizes, start=1):
            self.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(outputs))
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        # Batch norm does not normalize here, so that sums over blocks would grow (Goyal et al., arXiv 1706.02677, 5.1).
        nn.init.zeros_(self.get_submodule(f"bn{self.depth}").weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, H / stride, W / stride)."""
        out = x
        for number in range(1, self.depth + 1):
            out = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(out))
            if number < self.depth:
                out = F.relu(out)
        return F.relu(out + self.downsample(x))


class Encoder(nn.Module):
    """The query's encoder: RGB alone; 8,543,296 parameters of ResNet-50."""

    def __init__(self, backbone: Resnet, *, width: int = 1) -> None:
        """Channels divided by `width`; He-normal weights, until `load_published`."""
        super().__init__()
        bottleneck, planes = backbone == "resnet50", 64 // width
        self.conv1 = nn.Conv2d(3, planes, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        before, channels = planes, []
        for number, count in enumerate(BLOCKS[backbone], start=1):
            blocks = []
            for place in range(count):
                blocks.append(Block(before, planes, 1 if number == 1 or place else 2, bottleneck=bottleneck))
                before = 4 * planes if bottleneck else planes
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            channels.append(before)
            planes *= 2
        self.channels = tuple(channels)
        """Of layer1, layer2 and layer3."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Maps:
        """Images (B, 3, H, W) of 0 to 255, sides multiples of 16."""
        return self._rest(self.conv1(normalized(images)))

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up torchvision's ResNet-50 (full width alone); `UserError` where they are those of another network."""
        with torch.no_grad():
            for name, own in self.state_dict().items():
                found = weights.get(name)
                if name.endswith("num_batches_tracked") or name.startswith("extra_"):
                    continue
                if found is None or found.shape != own.shape:
                    raise UserError(
                        f"the weights hold no {name} of shape {tuple(own.shape)}: they are not torchvision's "
                        f"ResNet-50; delete the file and its manifest in data/raw, and run snakemake"
                    )
                own.copy_(found)

    def _rest(self, x: Tensor) -> Maps:
        x = F.max_pool2d(F.relu(self.bn1(x)), 3, 2, 1)
        found = []
        for number in (1, 2, 3):
            x = self.get_submodule(f"layer{number}")(x)
            found.append(x)
        return Maps(*found)


class MemoryEncoder(Encoder):
    """The memory's encoder: RGB, the object's mask and the other objects' masks, summed after the first convolution."""

    def __init__(self, backbone: Resnet, *, width: int = 1) -> None:
        """The convolution of the others' masks starts at zero, so that it does nothing where training shows none."""
        super().__init__(backbone, width=width)
        self.extra_object = nn.Conv2d(1, 64 // width, 7, 2, 3, bias=False)
        self.extra_others = nn.Conv2d(1, 64 // width, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(self.extra_object.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.extra_others.weight)

    def look(self, images: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Images (B, 3, H, W) of 0 to 255, masks (B, O, H, W) in [0, 1] -> layer3 of each object's pass (B O, C, ...).

        The first convolution sees each image once.
        """
        objects = masks.shape[1]
        seen = self.conv1(normalized(images)).repeat_interleave(objects, 0)
        own, rest = (x.flatten(0, 1).unsqueeze(1) for x in (masks, others))
        return self._rest(seen + self.extra_object(own) + self.extra_others(rest)).coarse
