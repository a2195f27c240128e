"""Sizes of the pyramids of the specification, for DAVIS frames, and of small images (sections 6.2 and 6.3)."""

import pytest

from pipeline.errors import UserError
from pipeline.layers.single_image.scales import geometric, logarithmic, ratio


def text(sizes):
    return ",".join(f"{height}x{width}" for height, width in sizes)


def test_singans_scales_of_a_davis_frame():
    sizes = geometric(480, 854, least=25, most=250)
    assert text(sizes) == "25x44,32x57,41x73,52x93,67x119,86x153,110x195,141x250"
    assert round(ratio(480, 854, least=25, most=250, steps=7), 4) == 0.7814


def test_singans_scales_at_640():
    sizes = geometric(480, 854, least=25, most=640)
    assert (len(sizes), sizes[0], sizes[-1]) == (11, (25, 44), (360, 640))
    assert round(ratio(480, 854, least=25, most=640, steps=10), 4) == 0.7659


def test_consingans_stages_of_a_davis_frame():
    sizes = logarithmic(480, 854, least=25, most=250, stages=6)
    assert text(sizes) == "25x44,30x54,39x69,55x98,99x177,141x250"


def test_consingans_eight_stages_at_640():
    sizes = logarithmic(480, 854, least=25, most=640, stages=8)
    assert (len(sizes), sizes[0], sizes[-1]) == (8, (25, 44), (360, 640))
    assert list(sizes) == sorted(sizes)


@pytest.mark.parametrize("size", [(1152, 480), (480, 1152), (60, 107), (48, 48), (25, 400), (20, 30), (5, 9)])
def test_any_image_has_scales_that_grow_and_that_a_critic_can_look_at(size):
    for sizes in (geometric(*size, least=25, most=250), logarithmic(*size, least=25, most=250, stages=6)):
        for axis in (0, 1):
            lengths = [s[axis] for s in sizes]
            assert lengths == sorted(lengths)
            assert lengths[0] >= 11
            assert lengths[-1] <= max(250, 11)


def test_two_stages_are_the_coarsest_and_the_finest():
    assert logarithmic(100, 200, least=25, most=200, stages=2) == ((25, 50), (100, 200))
    assert logarithmic(100, 200, least=25, most=200, stages=1) == ((100, 200),)


@pytest.mark.parametrize(("least", "most"), [(10, 250), (30, 25)])
def test_sizes_that_cannot_be(least, most):
    with pytest.raises(UserError, match=f"min_size {least}, max_size {most}: take 11 <= min_size <= max_size"):
        geometric(480, 854, least=least, most=most)
