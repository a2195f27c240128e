"""Sizes of pairs, and what the networks see of them."""

import pytest

from pipeline.layers.style_gan.canvas import canvas


@pytest.mark.parametrize(
    ("given", "size", "start", "doublings"),
    [
        ((480, 854, 640), (384, 640), (3, 5), 7),
        ((640, 427, 640), (640, 384), (5, 3), 7),
        ((480, 854, 330), (192, 320), (3, 5), 6),
    ],
)
def test_a_pair_starts_from_a_grid_of_its_own_shape(given, size, start, doublings):
    height, width, most = given
    found = canvas(height, width, start="pair", max_size=most)
    assert found == (size, start, doublings)
    assert found.resolution == size


def test_a_frame_fixes_the_size():
    assert canvas(480, 1152, start="pair", max_size=640, frame=(384, 640)) == ((384, 640), (3, 5), 7)


def test_a_clamped_grid_gives_an_elongated_video_the_size_of_all_others():
    assert canvas(480, 1152, start="pair", max_size=640).size == (256, 640)
    assert canvas(480, 1152, start="pair", max_size=640, clamp=True) == ((384, 640), (3, 5), 7)


@pytest.mark.parametrize(("most", "side"), [(640, 512), (512, 512), (320, 256), (64, 64)])
def test_squares_are_the_largest_power_of_two(most, side):
    found = canvas(480, 854, start="square", max_size=most)
    assert found.resolution == (side, side)
    assert found.size == canvas(480, 854, start="pair", max_size=most).size
