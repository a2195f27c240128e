"""Texturized characters: masks, coverings, geometries, published statistics, mistakes."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.episodes import Arrays, with_masks
from pipeline.errors import UserError
from pipeline.render.glyph_maps import make_maps, paint
from pipeline.render.glyphs import pack
from pipeline.render.texturized_omniglot import TexturizedOmniglot, read_characters, renderer
from pipeline.render.texturized_scene import Scene, draw_way
from tests.render import plain_characters
from tests.render.banks import SIDE, held, noise, write_bank
from tests.render.conftest import Strokes

Bytes = NDArray[np.uint8]

COVERED = {
    True: {4: (0.067, 1091), 8: (0.127, 1037), 16: (0.235, 963), 32: (0.383, 785)},
    False: {4: (0.084, 1377), 8: (0.151, 1234), 16: (0.288, 1178), 32: (0.468, 959)},
}
"""Released geometry? -> n -> share of the scene that is covered, pixels that show of a character."""


def make(glyphs: Bytes, side: int = SIDE, count: int = 12, **changes: Any) -> TexturizedOmniglot:
    values = {"characters": 6, "background": False, "patch": 16, "released": True, "moved": False, "visible": 3}
    scene = Scene(**(values | changes))
    return TexturizedOmniglot(held(noise(count, side)), pack(glyphs), split="test", side=side, scene=scene, seed=0)


def draw(made: TexturizedOmniglot, count: int = 50) -> tuple[Arrays, Bytes, Bytes]:
    """Episodes, their masks, and which character shows where."""
    arrays = made.shard(0, count)
    return arrays, with_masks(arrays)["query_masks"][:, 0], arrays["query_labels"][:, 0]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("released", [False, True])
def test_masks_are_the_visible_pixels_of_the_references_texture(
    strokes: Strokes, released: bool, background: bool
) -> None:
    arrays, masks, labels = draw(make(strokes(5, 3), released=released, background=background))
    for image, mask, patch, who in zip(
        arrays["query_images"][:, 0], masks, arrays["support_images"][:, 0], labels, strict=True
    ):
        number = int(patch[0, 0, 0])
        assert np.array_equal(mask, image[..., 0] == number)
        assert np.array_equal(image[mask == 1], noise(12)[number - 1][mask == 1])
        assert mask.sum() >= 3
        assert len(np.unique(image[who > 0, 0])) == len(np.unique(who[who > 0]))  # a texture of its own for each
        assert (image.any(axis=-1) == (who > 0)).all() != background
        if background:
            assert image.any(axis=-1).all()
            assert len(np.unique(image[who == 0, 0])) == 1


def test_later_characters_cover_earlier_ones(strokes: Strokes) -> None:
    glyphs = strokes(4, 1)[:, 0]
    made = make(glyphs[:, None], characters=8)
    _, _, labels = draw(made, 20)
    again, _, shown = draw(make(glyphs[:, None], characters=8), 20)
    assert np.array_equal(labels, shown)
    assert all({*np.unique(who)} >= {8} for who in labels[:5])  # nothing covers the last one
    assert again["query_images"].shape == (20, 1, SIDE, SIDE, 3)


def test_an_episode_depends_on_its_place_alone(strokes: Strokes) -> None:
    made = make(strokes(5, 3))
    whole, part = made.shard(1, 40), made.shard(1, 9)
    assert all(np.array_equal(whole[name][:9], part[name]) for name in whole)
    assert not np.array_equal(made.shard(0, 9)["query_images"], part["query_images"])


@pytest.mark.parametrize("released", [False, True])
def test_scales_and_centres_of_both_geometries(released: bool) -> None:
    stream, way = np.zeros(1, np.uint64), np.empty(6, np.int64)
    scales, centres = [], []
    for _ in range(1000):
        draw_way(stream, released, 256, way)
        (xx, xy, x0), (yx, yy, y0) = way.reshape(2, 3) / 65536
        scales.append([1 / np.hypot(xx, yx), 1 / np.hypot(xy, yy)])
        centres.append(np.linalg.solve([[xx, xy], [yx, yy]], [52 - x0, 52 - y0]))
        assert (xx * xy + yx * yy) == pytest.approx(0, abs=1e-3)  # a turn, then a scale along the scene's axes
    low, high = np.min(scales, axis=1), np.max(scales, axis=1)
    assert 27.99 < np.min(centres) < 29
    assert 227 < np.max(centres) < 228.01
    if released:
        assert high == pytest.approx(1, abs=1e-4)
        assert 0.25 <= low.min() < 0.28
        assert low.max() > 0.99
    else:
        assert low == pytest.approx(high, rel=1e-3)
        assert (low.min(), low.max()) == (pytest.approx(0.5, abs=0.01), pytest.approx(2, abs=0.01))
        assert np.abs(centres - np.rint(centres)).max() < 0.02


def test_the_papers_geometry_is_one_bilinear_pass_of_floating_point(strokes: Strokes) -> None:
    glyphs = strokes(6, 1)[:, 0]
    maps, stream, way = make_maps(pack(glyphs), "coverage"), np.zeros(1, np.uint64), np.empty(6, np.int64)
    for g in range(6):
        draw_way(stream, False, 256, way)
        labels = np.zeros((256, 256), np.uint8)
        paint(maps, g, way, 1, labels, np.tile([256, 0], (256, 1)))
        chain = plain_characters.paper_chain(glyphs[g].astype(float), way, 256)
        assert (labels & chain).sum() / (labels | chain).sum() > 0.98


@pytest.fixture(scope="module")
def published_characters(mirror: Path) -> Bytes:
    """The 50 validation characters that the authors released, (50, 1, 105, 105)."""
    with zipfile.ZipFile(mirror / "omniglot" / "ivust-validation_omniglot.npy.zip") as archive:
        glyphs = np.load(io.BytesIO(archive.read(archive.namelist()[0])))
    assert glyphs.mean() == pytest.approx(0.073, abs=0.001)
    return (glyphs > 0.5).astype(np.uint8)[:, None]


@pytest.mark.mirror
@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize("characters", [4, 8, 16, 32])
def test_coverage_is_that_of_the_specification(published_characters: Bytes, released: bool, characters: int) -> None:
    made = make(published_characters, 256, 33, characters=characters, patch=64, visible=50, released=released)
    _, _, labels = draw(made, 300)
    covered, visible = COVERED[released][characters]
    assert (labels > 0).mean() == pytest.approx(covered, rel=0.08)
    assert (labels > 0).sum() / labels.shape[0] / characters == pytest.approx(visible, rel=0.08)


@pytest.mark.mirror
def test_released_characters_are_close_to_the_chain_of_pictures(published_characters: Bytes) -> None:
    random = np.random.default_rng(0)
    maps, ratios, ink = make_maps(pack(published_characters[:, 0]), "distance"), [], []
    for g in range(50):
        degrees, (first, second) = int(random.integers(360)), random.uniform(0.5, 2, 2)
        along_y, along_x = np.array([first, second]) / max(first, second)
        shift = random.uniform(-20, 20, 2)
        glyph = published_characters[g, 0].astype(float)
        chain = plain_characters.released_chain(glyph, degrees, (first, second), (shift[0], shift[1]))
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn = np.array([[cos / along_x, -sin / along_y], [sin / along_x, cos / along_y]])
        # The padded drawing's centre lies half a pixel before the canvas's: 75 + 52 is 127, not 127.5.
        start = 52.5 - turn @ (127.5 + shift[::-1])
        way = np.rint(65536 * np.column_stack([turn, start]).ravel()).astype(np.int64)
        labels = np.zeros((256, 256), np.uint8)
        paint(maps, g, way, 1, labels, np.tile([256, 0], (256, 1)))
        ratios.append((labels * chain).sum() / np.maximum(labels, chain).sum())
        ink.append(labels.sum() / chain.sum())
    assert np.mean(ratios) > 0.87
    assert np.mean(ink) == pytest.approx(1, abs=0.05)


def test_splits_share_no_character(omniglot: Path) -> None:
    train, test = (read_characters(omniglot, split) for split in ("train", "test"))
    assert (train.shape, test.shape) == ((9, 20, 128, 16), (3, 20, 128, 16))
    assert not {glyph.tobytes() for row in train for glyph in row} & {glyph.tobytes() for row in test for glyph in row}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"characters": 11}, "needs 11 textures, but the split 'test' has 10"),
        ({"characters": 10, "background": True}, "needs 11 textures, but the split 'test' has 10"),
        ({"characters": 0}, "characters=0: a scene holds 1 to 254 characters"),
        ({"geometry": "papper"}, "did you mean 'paper'"),
        ({"patch": 257}, "patch=257: "),
        ({"side": 72}, "side=72: the textures of the bank have only 64 pixels"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, omniglot: Path, values: dict[str, Any], message: str) -> None:
    sources = {"conv1_1": write_bank(tmp_path / "conv1_1"), "omniglot": omniglot}
    right: dict[str, Any] = {"side": 64, "characters": 5, "patch": 64}
    with pytest.raises(UserError, match=message):
        renderer(split="test", sources=sources, **(right | values))


def test_omniglot_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs the source 'omniglot'"):
        renderer(split="test", sources={"conv1_1": tmp_path}, side=64, characters=4, patch=64)
