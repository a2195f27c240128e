"""Correlation of binary pictures from counts of ink alone, and the largest overlap of two pictures over all shifts."""

from typing import Literal

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from plugins.template_matching.templates import Box

Normalise = Literal["both", "template"]


def correlation(
    overlap: Tensor, template: Tensor, candidate: Tensor, pixels: int, normalise: Normalise = "both"
) -> Tensor:
    """Zero-mean correlation of two binary pictures of `pixels` pixels with so much ink each and `overlap` in common.

    `both` is Pearson's r. `template` divides by the template's deviation alone, which favours candidates with much ink.
    Float64 from whole numbers, so that equal counts have equal scores; rises with `overlap`, so that the best shift is
    the one of the largest overlap. -inf where a picture is all ink or has none.
    """
    overlap, template, candidate = overlap.double(), template.double(), candidate.double()
    template_spread, candidate_spread = template * (pixels - template), candidate * (pixels - candidate)
    spread = template_spread * candidate_spread if normalise == "both" else template_spread * pixels
    score = (pixels * overlap - template * candidate) / spread.sqrt()
    return torch.where(template_spread * candidate_spread > 0, score, -torch.inf)


def best_overlaps(crops: Tensor, templates: Tensor, box: Box, window: int | None) -> Tensor:
    """Largest overlap of crops (N, S, S) with templates (M, h, w) that lie in `box`, over shifts of +-window: (N, M).

    A shift along rows is a view of the crops that starts some rows later; only shifts along columns are copied. The
    sums are matrix products, one a row shift, and float32 holds them exactly. `window` None means all shifts.
    """
    if window is None:
        return _over_all_shifts(crops, templates)
    height, width = templates.shape[1:]
    shifts = 2 * window + 1
    slid = _around(crops, box, window).unfold(2, width, 1).transpose(1, 2).reshape(len(crops) * shifts, -1)
    views = slid.as_strided((shifts, len(slid), height * width), (width, slid.shape[1], 1))
    kernels = templates.flatten(1).to(slid.dtype).t().expand(shifts, -1, -1)
    return _products(views, kernels).amax(0).view(len(crops), shifts, -1).amax(1)


def best_overlaps_paired(crops: Tensor, templates: Tensor, box: Box, window: int | None) -> Tensor:
    """As `best_overlaps`, where each of the crops (R, S, S) has templates of its own (R, M, h, w): (R, M)."""
    if window is None:
        return torch.cat([_over_all_shifts(c[None], t) for c, t in zip(crops, templates, strict=True)])
    height, width = templates.shape[2:]
    views = _around(crops, box, window).unfold(1, height, 1).unfold(2, width, 1)
    views = views.reshape(len(crops), (2 * window + 1) ** 2, height * width)
    return _products(templates.flatten(2).to(views.dtype), views.transpose(1, 2)).amax(2)


def _products(first: Tensor, second: Tensor) -> Tensor:
    """Batched matrix products that count; half precision would round counts above 256."""
    with torch.autocast(first.device.type, enabled=False):
        return torch.bmm(first, second)


def _around(crops: Tensor, box: Box, window: int) -> Tensor:
    """The part of the crops that a template in `box` can touch: (N, h + 2 window, w + 2 window)."""
    half = crops.shape[-1] // 2
    top, bottom, left, right = box
    room = F.pad(crops, (window, window, window, window))
    return room[:, half + top : half + bottom + 1 + 2 * window, half + left : half + right + 1 + 2 * window]


def _over_all_shifts(crops: Tensor, templates: Tensor) -> Tensor:
    """By FFT, with room enough that what wraps around meets nothing; the counts are whole, so rounding is exact."""
    size = [next_fast_len(crops.shape[-1] + length - 1, real=True) for length in templates.shape[1:]]
    spectra = torch.fft.rfft2(crops, size)
    found = [
        torch.fft.irfft2(spectra * torch.fft.rfft2(template, size).conj(), size).amax((1, 2)).round()
        for template in templates.to(crops.dtype)
    ]
    return torch.stack(found, 1)
