"""Search by FFT equals the direct sum, keeps float32, and finds what was planted (specification, sections 3.3, 8.6)."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.correlation import correlate
from tests.layers.plain_correlation import direct


def unit(*shape, seed=0):
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("size", [(16, 16), (63, 63), (64, 64), (128, 128), (1, 1), (17, 40)])
def test_it_equals_direct_correlation(size):
    images, references = unit(2, 8, 70, 91), unit(2, 8, *size, seed=1)
    wanted = direct(images, references)
    found = correlate(images, references)
    assert found.shape == (2, 1, 70, 91)
    torch.testing.assert_close(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=0)


def test_it_equals_the_sum_of_the_specification():
    images, references = unit(1, 3, 9, 8), unit(1, 3, 4, 3, seed=1)
    found = correlate(images, references)
    for y, x in [(0, 0), (4, 4), (8, 7)]:
        total = 0.0
        for v in range(4):
            for u in range(3):
                row, column = y + v - 1, x + u - 1  # (R - 1) // 2 before
                if 0 <= row < 9 and 0 <= column < 8:
                    total += float(images[0, :, row, column] @ references[0, :, v, u])
        assert float(found[0, 0, y, x]) == pytest.approx(total, abs=1e-5)


def test_a_planted_patch_peaks_where_it_is_with_its_area():
    images, references = unit(1, 64, 96, 96), unit(1, 64, 64, 64, seed=1)
    images[:, :, 20:84, 10:74] = references
    found = correlate(images, references)[0, 0]
    assert divmod(int(found.argmax()), 96) == (20 + 31, 10 + 31)
    assert float(found.max()) == pytest.approx(64 * 64, rel=1e-5)
    assert float(found.abs().max() / 4096) <= 1 + 1e-5


def test_it_stays_in_float32_under_autocast():
    images, references = unit(1, 8, 40, 40), unit(1, 8, 16, 16, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        found = correlate(images, references)
        from_half = correlate(images.bfloat16(), references.bfloat16())
    assert found.dtype == from_half.dtype == torch.float32
    assert torch.equal(found, correlate(images, references))


def test_its_gradient_is_that_of_the_direct_form():
    gradients = []
    for search in (correlate, direct):
        images, references = unit(2, 4, 20, 24).requires_grad_(), unit(2, 4, 8, 7, seed=1).requires_grad_()
        (search(images, references) * unit(2, 1, 20, 24, seed=2)).sum().backward()
        gradients.append((images.grad, references.grad))
    for found, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
