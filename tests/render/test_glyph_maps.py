"""Maps of drawings and the painting of characters from them."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.render.glyph_maps import STEP, GlyphMaps, make_maps, paint
from pipeline.render.glyphs import pack
from pipeline.render.texturized_scene import draw_way
from tests.render import plain_characters
from tests.render.conftest import Strokes


def values_of(maps: GlyphMaps, glyph: int) -> np.ndarray:
    width, height = maps.boxes[glyph, 2:].tolist()
    return maps.values[maps.starts[glyph] :][: width * height].reshape(height, width)


def test_a_distance_map_is_the_distance_transform_where_it_matters(strokes: Strokes) -> None:
    glyphs = strokes(8, 1)[:, 0]
    maps = make_maps(pack(glyphs), "distance")
    for g, glyph in enumerate(glyphs):
        left, top, width, height = maps.boxes[g].tolist()
        away = ndimage.distance_transform_edt(np.pad(glyph, 5) == 0)
        away = away[top + 5 : top + 5 + height, left + 5 : left + 5 + width]
        expected = np.where(away < 5, np.rint(away * STEP), 255)
        assert np.array_equal(values_of(maps, g), expected)


def test_a_coverage_map_is_the_drawing_in_a_blank_border(strokes: Strokes) -> None:
    glyphs = strokes(8, 1)[:, 0]
    maps = make_maps(pack(glyphs), "coverage")
    for g, glyph in enumerate(glyphs):
        left, top, width, height = maps.boxes[g].tolist()
        around = np.pad(glyph, 1)[top + 1 : top + 1 + height, left + 1 : left + 1 + width]
        assert np.array_equal(values_of(maps, g), 255 * (1 - around))
        assert around.sum() == glyph.sum()
        assert not around[[0, -1]].any()
        assert not around[:, [0, -1]].any()


@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize("side", [64, 256])
def test_painted_characters_are_those_of_the_plain_path_pixel_by_pixel(
    strokes: Strokes, released: bool, side: int
) -> None:
    glyphs = strokes(8, 1)[:, 0]
    maps = make_maps(pack(glyphs), "distance" if released else "coverage")
    stream, way = np.zeros(1, np.uint64), np.empty(6, np.int64)
    for number in range(60):
        g = number % len(glyphs)
        draw_way(stream, released, side, way)
        labels, extent = np.zeros((side, side), np.uint8), np.tile([side, 0], (side, 1))
        paint(maps, g, way, 7, labels, extent)
        plain = plain_characters.mask(values_of(maps, g), maps.boxes[g], maps.threshold, way, side)
        assert np.array_equal(labels, 7 * plain)
        x = np.arange(side)
        assert not (labels * ((x < extent[:, :1]) | (x >= extent[:, 1:]))).any()


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_right_angles_move_whole_pixels(strokes: Strokes, turn: int) -> None:
    glyph = strokes(3, 1)[2, 0]
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turn // 90]
    centre = 52 - np.array([cos * 60 + sin * 60, -sin * 60 + cos * 60])
    way = np.array([cos, sin, centre[0], -sin, cos, centre[1]], np.int64) << 16
    labels, extent = np.zeros((128, 128), np.uint8), np.tile([128, 0], (128, 1))
    paint(make_maps(pack(glyph[None]), "coverage"), 0, way, 1, labels, extent)
    found = np.zeros((128, 128), np.uint8)
    found[8:113, 8:113] = np.rot90(glyph, -(turn // 90))
    assert np.array_equal(labels, found)
