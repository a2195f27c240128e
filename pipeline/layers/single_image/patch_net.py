"""Five 3x3 convolutions without padding, an 11x11 patch to one value: SinGAN's networks, and ConSinGAN's critic."""

from torch import Tensor, nn


def block(inputs: int, outputs: int, *, norm: bool, slope: float) -> nn.Sequential:
    """Convolution 3x3 without padding, batch norm where asked for, leaky ReLU: a pixel less at every border."""
    convolution = nn.Conv2d(inputs, outputs, 3)
    middle = [nn.BatchNorm2d(outputs)] if norm else []
    return nn.Sequential(convolution, *middle, nn.LeakyReLU(slope, inplace=True))


class PatchNet(nn.Module):
    """Head, three blocks of `width` channels, tail: (B, 3, H, W) -> (B, outputs, H - 10, W - 10)."""

    def __init__(self, outputs: int, width: int, *, norm: bool, slope: float) -> None:
        """Weights are drawn at once (`draw_weights`)."""
        super().__init__()
        self.width = width
        self.head = block(3, width, norm=norm, slope=slope)
        self.body = nn.Sequential(*(block(width, width, norm=norm, slope=slope) for _ in range(3)))
        self.tail = nn.Conv2d(width, outputs, 3)
        draw_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """No squashing at the end: a critic's scores, or what a generator puts its tanh on."""
        return self.tail(self.body(self.head(images)))  # type: ignore[no-any-return]


def draw_weights(module: nn.Module) -> None:
    """Convolutions from N(0, 0.02), batch norm's scales from N(1, 0.02); biases stay as PyTorch draws them."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, 0, 0.02)
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1, 0.02)
