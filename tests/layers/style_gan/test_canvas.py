"""Sizes of pairs: the table of OSMIS's automatic configuration, and squares."""

import pytest

from pipeline.layers.style_gan.canvas import canvas

# Width x height at a limit -> height x width of the training, the start, and its doublings.
TABLE = [
    ((854, 480, 640), (384, 640), (3, 5), 7),
    ((640, 480, 640), (512, 640), (4, 5), 7),
    ((640, 427, 640), (384, 640), (3, 5), 7),
    ((480, 640, 640), (640, 512), (5, 4), 7),
    ((427, 640, 640), (640, 384), (5, 3), 7),
    ((612, 612, 640), (640, 640), (5, 5), 7),
    ((500, 375, 640), (384, 512), (3, 4), 7),
    ((500, 333, 640), (384, 512), (3, 4), 7),
    ((300, 400, 640), (384, 320), (6, 5), 6),
    ((854, 480, 330), (192, 320), (3, 5), 6),
    ((854, 480, 256), (128, 256), (2, 4), 6),
    ((854, 480, 1024), (512, 896), (4, 7), 7),
    ((1152, 480, 640), (256, 640), (2, 5), 7),
]


@pytest.mark.parametrize(("given", "size", "start", "doublings"), TABLE)
def test_the_published_table(given, size, start, doublings):
    width, height, limit = given
    found = canvas(height, width, start="pair", limit=limit)
    assert found == (size, start, doublings)
    assert found.resolution == size


def test_elongated_and_small_pairs_get_the_nearest_grid():
    assert canvas(100, 640, start="pair", limit=640) == ((128, 640), (1, 5), 7)
    assert canvas(480, 854, start="pair", limit=64) == ((32, 64), (2, 4), 4)


def test_squares_are_the_largest_power_of_two():
    found = canvas(480, 854, start="square", limit=640)
    assert (found.size, found.resolution) == ((384, 640), (512, 512))
    assert canvas(480, 854, start="square", limit=64).resolution == (64, 64)
