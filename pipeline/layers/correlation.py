"""Where a reference occurs in an image: cross-correlation of feature maps, by FFT.

A direct correlation with a 64x64 reference of 64 channels is 17 GMAC an image; the same sum in the frequency domain
costs about a fiftieth, whatever the reference's size.
"""

import torch
from scipy.fft import next_fast_len
from torch import Tensor

_CACHED = 1 << 18
"""Complex numbers of the spectra that are worked on at a time on a CPU: so many stay in its cache."""


def correlate(images: Tensor, references: Tensor) -> Tensor:
    """s(p) = sum over q of <image(p + q), reference(q)>, zero outside the image: "same" size, no flip, unscaled.

    Images (B, C, H, W) and references (B, C, h, w), a reference an image -> (B, 1, H, W) float32. The reference's
    pixel ((h - 1) // 2, (w - 1) // 2) comes to lie on p. Computed in float32, under autocast too.
    """
    with torch.autocast(images.device.type, enabled=False):
        images, references = images.float(), references.float()
        before = [(length - 1) // 2 for length in references.shape[-2:]]
        size = [
            # What wraps around may only meet shifts that are not asked for: less room than for the full correlation.
            next_fast_len(length + max(b, part - 1 - b), real=True)
            for length, part, b in zip(images.shape[-2:], references.shape[-2:], before, strict=True)
        ]
        channels = images.shape[1]
        step = channels if images.is_cuda else max(1, _CACHED // (len(images) * size[0] * (size[1] // 2 + 1)))
        product = sum(
            (
                (_spectra(image, size) * _spectra(reference, size).conj()).sum(1)
                for image, reference in zip(torch.split(images, step, 1), torch.split(references, step, 1), strict=True)
            ),
            start=torch.zeros((), device=images.device),
        )
        found: Tensor = torch.fft.irfft2(product, size)
        return found.roll(before, (-2, -1))[:, None, : images.shape[-2], : images.shape[-1]]


def _spectra(maps: Tensor, size: list[int]) -> Tensor:
    """Spectra of (B, C, h, w), zero-padded to `size`: rows of zeros are not transformed along the width."""
    spectra: Tensor = torch.fft.fft(torch.fft.rfft(maps, size[1]), size[0], dim=-2)
    return spectra
