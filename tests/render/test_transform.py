"""One transformed drawing against Pillow's two steps."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.render.glyphs import ink_boxes, pack, unpack
from pipeline.render.transform import CANVAS, draw_glyph, transform
from tests.render import plain_pillow
from tests.render.conftest import Strokes


def draw(glyph: NDArray[np.uint8], phi: float, theta: float, a: float, b: float) -> NDArray[np.bool_] | None:
    """The cropped picture of the compiled sampler."""
    bits = pack(glyph[None, None])
    ink, table = np.empty(CANVAS * CANVAS + 1, np.int32), np.empty((4, CANVAS), np.int32)
    way = transform((phi, theta), (a, b))
    count, width, height = draw_glyph(bits[0, 0], ink_boxes(bits)[0, 0], way, ink, table)
    if width < 0:
        return None
    picture = np.zeros((height, width), bool)
    picture[ink[:count] >> 8, ink[:count] & 255] = True
    return picture


def assert_same(glyph: NDArray[np.uint8], phi: float, theta: float, a: float, b: float) -> None:
    wanted = plain_pillow.crop(plain_pillow.transform(Image.fromarray(glyph.astype(bool)), phi, theta, a, b))
    found = draw(glyph, phi, theta, a, b)
    if wanted is None or found is None:
        assert wanted is None
        assert found is None
    else:
        assert found.shape == (wanted.height, wanted.width)
        assert np.array_equal(found, np.asarray(wanted).reshape(found.shape))


def test_closed_form_equals_two_nearest_steps(strokes: Strokes) -> None:
    random = np.random.default_rng(0)
    for glyph in strokes(400, 1)[:, 0]:
        scales = 2.0 ** random.uniform(-1, 1, 2)
        assert_same(glyph, random.uniform(-20, 20), random.uniform(-10, 10), *scales.tolist())


@pytest.mark.parametrize("phi", [-20, 0, 20])
@pytest.mark.parametrize("theta", [-10, 0, 10])
@pytest.mark.parametrize("a", [0.5, 1, 2])
@pytest.mark.parametrize("b", [0.5, 1, 2])
def test_the_ends_of_the_ranges(strokes: Strokes, phi: float, theta: float, a: float, b: float) -> None:
    for glyph in (*strokes(3, 1)[:, 0], np.ones((105, 105), np.uint8)):
        assert_same(glyph, phi, theta, a, b)


def test_no_transform_is_plain_shrinking_without_the_last_row_and_column(strokes: Strokes) -> None:
    glyph = np.ones((105, 105), np.uint8)
    glyph[10:90, 20:80] = strokes(1, 1)[0, 0, 10:90, 20:80]
    shrunk = np.asarray(Image.fromarray(glyph.astype(bool)).resize((32, 32), Image.Resampling.NEAREST))
    found = draw(glyph, 0, 0, 1, 1)
    assert found is not None
    assert np.array_equal(found, shrunk[:31, :31])


def test_canvas_sizes() -> None:
    way = transform((0.0, 0.0), (2.0, 0.5))
    assert (way.width, way.height) == (210, 52.5)
    turned = transform((20.0, 0.0), (1.0, 1.0))
    side = 105 * (math.cos(math.radians(20)) + math.sin(math.radians(20)))
    assert (turned.width, turned.height) == (pytest.approx(side), pytest.approx(side))
    sizes = [transform((p, t), (2.0, 2.0)) for p in (-20.0, 20.0) for t in (-10.0, 10.0)]
    assert max(32 * max(way.width, way.height) / 105 for way in sizes) < CANVAS


def test_a_single_pixel_has_no_crop_and_may_vanish() -> None:
    glyph = np.zeros((105, 105), np.uint8)
    glyph[50, 50] = 1
    results = [draw(glyph, 0, 0, a, a) for a in np.linspace(0.5, 2, 30).tolist()]
    assert all(found is None or found.size == 0 for found in results)
    assert any(found is None for found in results)


def test_packing_round_trip_and_boxes(strokes: Strokes) -> None:
    glyphs = strokes(4, 3)
    bank = pack(glyphs)
    assert bank.shape == (4, 3, 128, 16)
    assert np.array_equal(unpack(bank), glyphs)
    for glyph, box in zip(glyphs.reshape(-1, 105, 105), ink_boxes(bank).reshape(-1, 4), strict=True):
        assert tuple(box) == Image.fromarray(glyph.astype(bool)).getbbox()
