"""ResNet-50 with a deep stem or the plain one, dilated where a dense map is wanted (arXiv 1512.03385)."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError

BLOCKS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """1x1 to fewer channels, 3x3, 1x1 to four times as many, added to the input: He et al., figure 5, right."""

    def __init__(self, before: int, planes: int, *, stride: int = 1, dilation: int = 1) -> None:
        """The 3x3 convolution has the stride, as torchvision has it; the input goes through a 1x1 if sizes differ."""
        super().__init__()
        after = 4 * planes
        self.conv1, self.bn1 = nn.Conv2d(before, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, after, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """After the last ReLU."""
        few = F.relu(self.bn1(self.conv1(x)))
        few = F.relu(self.bn2(self.conv2(few)))
        return F.relu(self.bn3(self.conv3(few)) + self.downsample(x))


class ResNet(nn.Module):
    """Outputs of layer1 to layer4 for pictures (B, 3, H, W), prepared as ImageNet's weights expect them.

    Tensors are named as torchvision's; the deep stem, three convolutions in place of one, as in PSPNet's code.
    """

    def __init__(
        self,
        *,
        width: int = 1,
        blocks: Sequence[int] = BLOCKS,
        deep_stem: bool = True,
        dilations: Sequence[int] = (1, 1, 2, 4),
    ) -> None:
        """Channels are divided by `width`; a layer of dilation 1 halves the map, but for the first.

        `blocks` and `dilations` are those of layer1 to layer4. With dilations 2 and 4 the stride is 8.
        """
        super().__init__()
        planes = 64 // width
        if deep_stem:
            sizes = [(3, planes, 2), (planes, planes, 1), (planes, 2 * planes, 1)]
            for number, (before, after, stride) in enumerate(sizes, start=1):
                self.add_module(f"conv{number}", nn.Conv2d(before, after, 3, stride, 1, bias=False))
                self.add_module(f"bn{number}", nn.BatchNorm2d(after))
        else:
            self.conv1, self.bn1 = nn.Conv2d(3, planes, 7, 2, 3, bias=False), nn.BatchNorm2d(planes)
        self.depth = 3 if deep_stem else 1
        inside = 2 * planes if deep_stem else planes
        for number, (count, dilation) in enumerate(zip(blocks, dilations, strict=True), start=1):
            stride = 2 if dilation == 1 and number > 1 else 1
            self.add_module(f"layer{number}", _layer(inside, planes, count, stride, dilation))
            inside, planes = 4 * planes, 2 * planes
        self.outputs = inside
        """Channels of layer4."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """layer1 to layer4, after ReLU, from stride 4 on."""
        x = pictures
        for number in range(1, self.depth + 1):
            x = F.relu(self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        found = []
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
            found.append(x)
        return found

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up ImageNet's weights (full width alone), whatever else is with them.

        `UserError` where they are those of another network, or of another stem.
        """
        own = self.state_dict()
        for name, tensor in own.items():
            found = weights.get(name)
            if found is None and name.endswith("num_batches_tracked"):
                continue
            if found is None or found.shape != tensor.shape:
                raise UserError(
                    f"the weights hold no {name} of shape {tuple(tensor.shape)}: they are not those of this ResNet-50; "
                    f"delete the file and its manifest in data/raw, and run snakemake"
                )
            tensor.copy_(found)


def _layer(before: int, planes: int, count: int, stride: int, dilation: int) -> nn.Sequential:
    """The first of `count` blocks changes size and channels; all of them are dilated, as in PSPNet's code."""
    first = Bottleneck(before, planes, stride=stride, dilation=dilation)
    return nn.Sequential(first, *(Bottleneck(4 * planes, planes, dilation=dilation) for _ in range(count - 1)))
