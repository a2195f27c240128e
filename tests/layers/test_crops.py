"""Crops: whole pixels around the rounded centre, and the authors' sampler written plainly."""

import math

import torch

from pipeline.centre import centre_of_mass
from pipeline.layers.crops import crop


def test_an_integer_crop_takes_whole_pixels_and_pads_with_zeros():
    picture = torch.arange(96 * 96, dtype=torch.float32).view(1, 1, 96, 96) + 1
    found = crop(picture, torch.tensor([[20.4, 50.5]]), 32, "integer")
    assert torch.equal(found[0, 0], picture[0, 0, 35:67, 4:36])
    edge = crop(picture, torch.tensor([[2.0, 95.0]]), 32, "integer")[0, 0]
    assert torch.equal(edge[:17, 14:], picture[0, 0, 79:, :18])
    assert edge[17:].sum() == edge[:, :14].sum() == 0


def test_the_authors_sampler_reads_between_pixels():
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 96, 96)
    found = crop(picture, torch.tensor([[40.7, 10.2]]), 32, "sampled")[0, 0]
    padded = torch.nn.functional.pad(picture[0, 0], (32, 32, 32, 32))
    for i, j in ((0, 0), (31, 31), (7, 20), (16, 3)):
        y = 10 * 96 / 95 + 16 * (-1 + 2 * i / 31) + 32
        x = 40 * 96 / 95 + 16 * (-1 + 2 * j / 31) + 32
        top, left = math.floor(y), math.floor(x)
        b, a = y - top, x - left
        upper = (1 - a) * padded[top, left] + a * padded[top, left + 1]
        lower = (1 - a) * padded[top + 1, left] + a * padded[top + 1, left + 1]
        torch.testing.assert_close(found[i, j], (1 - b) * upper + b * lower, atol=1e-4, rtol=1e-4)


def test_an_empty_mask_gives_an_empty_crop():
    empty = torch.zeros(1, 96, 96)
    for kind in ("integer", "sampled"):
        assert crop(empty.unsqueeze(1), centre_of_mass(empty), 32, kind).sum() == 0
