"""What every network that SIFID looks through has in common."""

from torch import Tensor, nn


class FeatureNet(nn.Module):
    """A fixed network with four taps at growing depth."""

    smallest: int
    """Pixels that the shorter side of an image has to have."""

    def taps(self, images: Tensor) -> list[Tensor]:
        """RGB images (B, 3, H, W), float in [0, 1] -> four maps (B, C, h, w)."""
        raise NotImplementedError

    def frozen(self) -> "FeatureNet":
        """Itself, in evaluation mode and without gradients."""
        return self.requires_grad_(False).eval()
