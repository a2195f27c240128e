"""The auto-configured resolution: its worked examples, the limits, and what is said where no configuration fits."""

import pytest

from pipeline.errors import UserError
from pipeline.layers.one_shot.resolution import configure

# width, height, limit -> height, width, noise grid, generator blocks, discriminator blocks in all, low-level blocks
EXAMPLES = """854x480@640 384x640 3x5 8 7 4
640x480@640 512x640 4x5 8 7 4
640x427@640 384x640 3x5 8 7 4
640x426@640 384x640 3x5 8 7 4
480x640@640 640x512 5x4 8 7 4
427x640@640 640x384 5x3 8 7 4
612x612@640 640x640 5x5 8 7 4
500x375@640 384x512 3x4 8 7 4
500x333@640 384x512 3x4 8 7 4
300x400@640 384x320 6x5 7 7 3
854x480@330 192x320 3x5 7 7 3
854x480@256 128x256 2x4 7 7 3
854x480@1024 512x896 4x7 8 7 4
1280x720@1280 768x1280 3x5 9 8 4
800x600@200 160x192 5x6 6 7 3
100x80@640 80x96 5x6 5 6 2
640x576@640 512x640 4x5 8 7 4
910x480@640 384x640 3x5 8 7 4
1152x480@640 256x640 2x5 8 7 4""".splitlines()


# The last four are ours: generators of 9, 6 and 5 blocks, and 4.5 places, which go to the even number.


def pair(text):
    a, b = text.split("x")
    return int(a), int(b)


@pytest.mark.parametrize("example", EXAMPLES)
def test_worked_examples(example):
    given, size, grid, *blocks = example.split()
    original, limit = given.split("@")
    width, height = pair(original)
    found = configure(height, width, max_size=int(limit))
    assert (found.size, found.grid) == (pair(size), pair(grid))
    assert [found.blocks, found.judging, found.low_level] == [int(n) for n in blocks]
    assert found.notes == ()


def test_a_frame_is_taken_as_it_is():
    found = configure(480, 1152, frame=(384, 640))
    assert (found.size, found.blocks, found.judging, found.low_level) == ((384, 640), 8, 7, 4)
    with pytest.raises(UserError, match=r"frame 380x640 .* take 384x640"):
        configure(480, 1152, frame=(380, 640))


@pytest.mark.parametrize(("height", "width"), [(100, 4000), (4000, 100), (20, 4000), (55, 640)])
def test_too_elongated_an_image_takes_the_nearest_and_says_so(height, width):
    found = configure(height, width)
    assert all(3 <= side <= 7 for side in found.grid)
    assert "the nearest is taken" in found.notes[0]


def test_thumbnails_have_a_shallower_discriminator():
    found = configure(480, 854, max_size=64)
    assert (found.size, found.blocks, found.judging, found.low_level) == ((48, 64), 5, 5, 2)
    assert any("5 blocks of the discriminator instead of 6" in note for note in found.notes)
    assert configure(480, 854, max_size=64, low_level=5).low_level == 4


def test_the_video_of_1152_pixels_is_clamped_to_the_papers_size_and_nothing_else_is():
    found = configure(480, 1152, clamp=True)
    assert (found.size, found.judging, found.low_level) == ((384, 640), 7, 4)
    assert found.notes == ("elongated, 480x1152 pixels: warped to 384x640",)
    assert configure(480, 1152, max_size=330, clamp=True).size == (192, 320)
    assert configure(480, 854, clamp=True) == configure(480, 854)


def test_low_level_replaces_the_rule():
    assert configure(480, 854, low_level=2).low_level == 2
    with pytest.raises(UserError, match="low_level is 0"):
        configure(480, 854, low_level=0)
