"""SIFID, the single-image Frechet distance (SinGAN, arXiv 1905.01164, section 3.1).

The cells of one map of the real image are samples of a Gaussian, those of a synthesized image's map of another, and
d = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), with covariances over n - 1.

For any factors with F'F = S the last trace is the nuclear norm of F1 F2': its singular values are the roots of the
eigenvalues of S1 S2. No matrix root is taken, and nothing becomes complex or needs a ridge. A factor is the centred
features themselves, n x d, or, where there are more cells than channels, the triangle of their QR decomposition, d x d;
that of the real image is kept.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.measures.taps import FeatureNet


class Moments:
    """Mean (B, d), total variance (B,) and a factor of the covariance (B, min(n, d), d) of maps, in float64."""

    def __init__(self, maps: Tensor) -> None:
        """Of `maps` (B, d, h, w); every cell is a sample."""
        x = maps.double().flatten(2).mT
        cells, channels = x.shape[-2:]
        if cells < 2:
            raise UserError(f"a map of {cells} cell has no covariance: SIFID needs larger images")
        self.mean = x.mean(1)
        x = (x - self.mean[:, None]) / (cells - 1) ** 0.5
        self.variance = x.square().sum((1, 2))
        self.factor = torch.linalg.qr(x, mode="r").R if cells > channels else x


class Reference:
    """The real image, as every synthesized one is compared with it."""

    def __init__(self, maps: Sequence[Tensor]) -> None:
        """Of its maps (1, d, h, w), one a layer."""
        self.layers = [Moments(layer) for layer in maps]


def sifid(maps: Sequence[Tensor], reference: Reference) -> Tensor:
    """Maps (B, d, h, w) of B synthesized images, one a layer -> distances (B, layers), float64; 0 is alike."""
    return torch.stack(
        [_distance(Moments(fake), real) for fake, real in zip(maps, reference.layers, strict=True)], dim=1
    )


def _distance(fake: Moments, real: Moments) -> Tensor:
    overlap = torch.linalg.svdvals(fake.factor @ real.factor.mT).sum(1)
    apart = (fake.mean - real.mean).square().sum(1)
    found: Tensor = apart + fake.variance + real.variance - 2 * overlap
    return found.clamp(min=0)


@torch.no_grad()
def sifid_of(images: Tensor, real: Tensor, net: FeatureNet, *, batch: int = 4) -> Tensor:
    """uint8 images (n, 3, H, W) against the real one (3, H, W) through `net` -> (n, 4) float64, `batch` at a time.

    `UserError` where the images are too small for the network.
    """
    height, width = images.shape[-2:]
    if min(height, width) < net.smallest:
        raise UserError(
            f"images of {width}x{height} pixels are too small for {type(net).__name__}: it needs {net.smallest} a side"
        )
    reference = Reference(net.taps(real[None].float() / 255))
    return torch.cat([sifid(net.taps(part.float() / 255), reference) for part in torch.split(images, batch)])
