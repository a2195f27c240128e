"""Whole scenes against the plain Pillow path, and what an oracle is told about them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError
from pipeline.render.cluttered_omniglot import SPLITS, ClutteredOmniglot
from pipeline.render.glyphs import pack
from pipeline.render.scene import Clutter
from tests.render import plain_pillow
from tests.render.conftest import Strokes

COUNT = 25


def render(glyphs: NDArray[np.uint8], instances: bool, *clutter: Any, count: int = COUNT) -> Arrays:
    bits, split = pack(glyphs), SPLITS["test_train"]
    drawn = ClutteredOmniglot(bits, split=split, clutter=Clutter(*clutter), instances=instances)
    return drawn.shard(0, count)


def first_seed() -> int:
    return int(np.unique(np.random.RandomState(SPLITS["test_train"].seed).randint(0, 2**32, size=10))[0])


@pytest.mark.parametrize(
    ("characters", "drawers", "clutter"),
    [
        (40, 10, (4, 0, 0.0)),
        (40, 10, (32, 0, 0.0)),
        (40, 10, (10, 2, 0.0)),
        (40, 10, (6, 3, 0.5)),
        (40, 10, (3, 0, 1.0)),
        (40, 10, (1, 0, 0.0)),
        (2, 1, (5, 1, 0.3)),
        (1, 1, (3, 0, 0.0)),
    ],
)
def test_scenes_are_those_of_the_plain_path(
    strokes: Strokes, characters: int, drawers: int, clutter: tuple[int, int, float]
) -> None:
    glyphs = strokes(characters, drawers)
    wanted = plain_pillow.job(first_seed(), COUNT, plain_pillow.Pool.of(glyphs), *clutter)
    found = render(glyphs, False, *clutter)
    for name, array in wanted.items():
        assert np.array_equal(found[name], array), name


def test_rejected_drawings_leave_the_stream_as_it_was() -> None:
    # A dot of 4 x 4 pixels often vanishes, before its colour is drawn, and often has an empty crop, after.
    dots = np.zeros((3, 2, 105, 105), np.uint8)
    dots[..., 50:54, 50:54] = 1
    wanted = plain_pillow.job(first_seed(), COUNT, plain_pillow.Pool.of(dots), 12)
    found = render(dots, False, 12, 0, 0.0)
    assert all(np.array_equal(found[name], array) for name, array in wanted.items())


def test_the_oracle_sees_what_is_painted(strokes: Strokes) -> None:
    glyphs = strokes(30, 10)
    shown, traced = render(glyphs, False, 20, 2, 0.3), render(glyphs, True, 20, 2, 0.3)
    instances = traced["instances"][:, 0].astype(int)
    for k in range(COUNT):
        colours = np.concatenate([np.zeros((1, 3), np.uint8), traced["colours"][k]])
        assert np.array_equal(colours[instances[k]], shown["query_images"][k, 0])
        assert np.array_equal(np.bincount(instances[k].ravel(), minlength=23)[1:], traced["visible"][k])
        for order, (left, top, width, height) in enumerate(traced["boxes"][k].astype(int), 1):
            ys, xs = np.nonzero(instances[k] == order)
            assert ((xs >= left) & (xs < left + width) & (ys >= top) & (ys < top + height)).all()
    empty = ~shown["query_masks"].any(axis=(1, 2))
    assert np.array_equal(traced["target"], np.where(empty, 0, 20))
    assert 0 < empty.sum() < COUNT
    assert traced["drawers"].min() >= 10
    assert traced["drawers"].max() < 20


def test_nothing_covers_the_target(strokes: Strokes) -> None:
    glyphs = strokes(30, 10)
    shown, traced = render(glyphs, False, 60, 0, 0.0), render(glyphs, True, 60, 0, 0.0)
    masks = np.unpackbits(shown["query_masks"][:, 0], axis=-1).reshape(-1, 96, 96)
    assert np.array_equal(masks, traced["instances"][:, 0] == 60)
    assert np.array_equal(masks.sum(axis=(1, 2)), traced["visible"][:, 59])
    for scene, mask, colours in zip(shown["query_images"][:, 0], masks, traced["colours"], strict=True):
        assert (scene[mask == 1] == colours[59]).all()
    assert shown["query_images"].max() <= 254


def test_places_are_uniform_and_inside(strokes: Strokes) -> None:
    boxes = render(strokes(30, 10), True, 64, 0, 0.0, count=400)["boxes"].reshape(-1, 4).astype(int)
    for position, size in ((boxes[:, 0], boxes[:, 2]), (boxes[:, 1], boxes[:, 3])):
        assert (position + size <= 96).all()
        bins = np.bincount(((position + 0.5) / (96 - size + 1) * 8).astype(int), minlength=8)
        # Bins of few places are only roughly even; a bias of a twentieth would be a mistake.
        assert np.abs(bins / bins.mean() - 1).max() < 0.05


def test_a_drawing_that_always_vanishes_ends_in_one_line() -> None:
    glyphs = np.zeros((1, 1, 105, 105), np.uint8)
    glyphs[0, 0, 50, 50] = 1
    with pytest.raises(UserError, match="vanishes when drawn"):
        render(glyphs, False, 2, 0, 0.0, count=1)
