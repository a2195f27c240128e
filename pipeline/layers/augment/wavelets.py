"""Symlet filters: doubling and halving images for a clean warp, and a bank of four frequency bands.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B; the coefficients are
Daubechies' least asymmetric wavelets ("Ten Lectures on Wavelets", table 6.3), low-pass, of sum sqrt(2).
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.augment.reflection import reflect_pad

SYMLET_2 = (-0.12940952255126037, 0.2241438680420134, 0.8365163037378079, 0.48296291314453416)
SYMLET_6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
BANDS = 4
MARGIN = 3  # pixels around an image that `double` gives; of their doubles `halve` needs all but the outermost
PLACE = sum(k * tap for k, tap in enumerate(SYMLET_6)) / sum(SYMLET_6) - 5  # doubled pixel j is at (j - PLACE) / 2


def double(images: Tensor) -> Tensor:
    """(B, C, H, W) at twice the resolution with `MARGIN` reflected pixels around it: (B, C, 2 H + 12, 2 W + 12).

    Contiguous, float32.

    The filter is not quite symmetric: it puts pixel i at 2 i + 0.098 of the doubled pixels, not at 2 i + 1/2. Without
    that `PLACE` a mirrored image would move by 0.4 pixels against its mask, at each level of its pyramid.
    """
    channels, (rows, columns) = images.shape[1], (side + 2 * MARGIN for side in images.shape[-2:])
    taps = _phases(images.device).repeat(channels, 1, 1, 1)
    made = F.conv2d(reflect_pad(images, MARGIN + 3), taps.mT, groups=channels)
    made = made.view(-1, channels, 2, rows, columns + 6).transpose(2, 3).reshape(-1, channels, 2 * rows, columns + 6)
    made = F.conv2d(made, taps, groups=channels)
    return made.view(-1, channels, 2, 2 * rows, columns).permute(0, 1, 3, 4, 2).flatten(3)


def halve(doubled: Tensor) -> Tensor:
    """What `double` was made of: (B, C, H, W) from (B, C, 2 H + 10, 2 W + 10), all but the outermost pixels."""
    channels = doubled.shape[1]
    taps = _symlet_6(doubled.device).repeat(channels, 1, 1, 1) / 2**0.5
    return F.conv2d(F.conv2d(doubled, taps.mT, stride=(2, 1), groups=channels), taps, stride=(1, 2), groups=channels)


def amplify(images: Tensor, gains: Tensor, octave: int = 0) -> Tensor:
    """Images (B, C, H, W) with each frequency band times its factor of `gains` (B, 4), lowest band first.

    The bands end at 1/8, 1/4, 1/2 and 1 of the full image's Nyquist frequency, along rows and columns. An image
    `octave` halvings below the full one has lost its highest `octave` bands; the others lie that much higher.
    """
    batch, channels, height, width = images.shape
    shifted = torch.cat((gains[:, :1].expand(-1, min(octave, BANDS)), gains), 1)[:, :BANDS]
    taps = (shifted @ bands(images.device)).repeat_interleave(channels, 0)[:, None, None]
    padded = reflect_pad(images, taps.shape[-1] // 2).view(1, batch * channels, -1, width + taps.shape[-1] - 1)
    made = F.conv2d(F.conv2d(padded, taps.mT, groups=len(taps)), taps, groups=len(taps))
    return made.view(batch, channels, height, width)


@cache
def bands(device: torch.device) -> Tensor:
    """Impulse responses (4, 43) of the bands, lowest first; symmetric, their sum is the identity.

    The autocorrelation of symlet-2, halved, is a half-band low-pass L(w); each band is cut from the low-pass rest of
    the band above: 1 - L(w), then L(w) (1 - L(2 w)), and so on.
    """
    taps = torch.tensor(SYMLET_2, dtype=torch.float64)
    low = _convolve(taps, taps.flip(0)) / 2
    rest, made = torch.ones(1, dtype=torch.float64), []
    for level in range(BANDS - 1):
        spread = torch.zeros(2**level * (len(low) - 1) + 1, dtype=torch.float64)
        spread[:: 2**level] = low
        passed = _convolve(rest, spread)
        made.append(F.pad(rest, ((len(passed) - len(rest)) // 2,) * 2) - passed)
        rest = passed
    full = [F.pad(band, ((len(rest) - len(band)) // 2,) * 2) for band in (rest, *reversed(made))]
    return torch.stack(full).to(device, torch.float32)


def _convolve(a: Tensor, b: Tensor) -> Tensor:
    return F.conv1d(a[None, None], b.flip(0)[None, None], padding=len(b) - 1)[0, 0]


@cache
def _symlet_6(device: torch.device) -> Tensor:
    return torch.tensor(SYMLET_6, dtype=torch.float64).view(1, 1, 1, -1).to(device, torch.float32)


@cache
def _phases(device: torch.device) -> Tensor:
    """(2, 1, 1, 7): what makes the even and the odd doubled pixels of the seven pixels around them."""
    taps = _symlet_6(device).flatten().flip(0) * 2**0.5
    return torch.stack((F.pad(taps[0::2], (0, 1)), F.pad(taps[1::2], (1, 0)))).view(2, 1, 1, -1)
