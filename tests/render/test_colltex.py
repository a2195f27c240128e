"""Collages: against the plain sum of masked textures, and by what the specification says of them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.episodes import Arrays, with_masks
from pipeline.errors import UserError
from pipeline.render.colltex import Collage, CollTex, renderer
from pipeline.render.counted import below, draw_distinct, episode_keys
from tests.render import plain_collage
from tests.render.banks import SIDE, held, noise, write_bank

Bytes = NDArray[np.uint8]


def make(count: int = 12, size: int = SIDE, **changes: Any) -> CollTex:
    values = {"least": 4, "most": 4, "patch": 16, "moved": False, "replacement": False, "disjoint": False} | changes
    return CollTex(held(noise(count, size)), split="test", side=SIDE, collage=Collage(**values), seed=0)


def episodes(arrays: Arrays) -> Iterator[tuple[Bytes, Bytes, Bytes]]:
    masks = with_masks(arrays)["query_masks"][:, 0]
    yield from zip(arrays["query_images"][:, 0], masks, arrays["support_images"][:, 0], strict=True)


def places(patch: Bytes, texture: Bytes) -> list[tuple[int, int]]:
    """Where in the texture the patch lies, pixel for pixel."""
    side = patch.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(texture[..., 1], (side, side))
    found = np.argwhere((windows == patch[..., 1]).all(axis=(2, 3)))
    return [(y, x) for y, x in found.tolist() if np.array_equal(texture[y : y + side, x : x + side], patch)]


def test_collages_are_the_plain_sum_of_masked_textures() -> None:
    arrays, textures = make(least=7, most=7).shard(2, 20), noise(12)
    keys = episode_keys(0, "colltex-7-7", "test", 200, 20)
    labels = arrays["query_labels"][:, 0]
    for key, shown, (image, mask, patch) in zip(keys, labels, episodes(arrays), strict=True):
        stream, chosen = np.array([key]), np.empty(7, np.int64)
        below(stream, 1)
        anchors = np.array([[below(stream, SIDE), below(stream, SIDE)] for _ in range(7)])
        draw_distinct(stream, 12, chosen)
        plain, masks = plain_collage.collage(textures[chosen].astype(float), *anchors.T)
        assert np.array_equal(image, plain)
        target = chosen.tolist().index(int(patch[0, 0, 0]) - 1)
        assert np.array_equal(mask, masks[target])
        assert np.array_equal(shown, masks.argmax(0) + 1)


def test_the_mask_is_where_the_references_texture_shows_and_no_texture_shows_twice() -> None:
    arrays = make(least=1, most=10).shard(0, 100)
    counts = set()
    for image, mask, patch in episodes(arrays):
        number = int(patch[0, 0, 0])
        assert np.array_equal(mask, image[..., 0] == number)
        assert np.array_equal(image[mask == 1], noise(12)[number - 1][mask == 1])
        assert places(patch, noise(12)[number - 1])
        counts.add(len(np.unique(image[..., 0])))
    assert counts == set(range(1, 11))
    assert np.unpackbits(arrays["support_masks"]).all()


def test_targets_and_places_of_patches_are_spread() -> None:
    found = [places(patch, noise(12)[patch[0, 0, 0] - 1])[0] for _, _, patch in episodes(make().shard(0, 200))]
    assert {y for y, _ in found} | {x for _, x in found} == set(range(49))
    numbers = np.bincount([patch[0, 0, 0] for _, _, patch in episodes(make().shard(0, 200))], minlength=13)[1:]
    assert ((numbers - 200 / 12) ** 2 / (200 / 12)).sum() < 35


def test_an_episode_depends_on_its_place_alone_and_not_on_the_patch() -> None:
    one, other = make(), make(patch=32)
    whole, part = one.shard(1, 100), one.shard(1, 7)
    assert all(np.array_equal(whole[name][:7], part[name]) for name in whole)
    assert np.array_equal(other.shard(1, 9)["query_images"], whole["query_images"][:9])
    assert not np.array_equal(one.shard(0, 7)["query_images"], part["query_images"])


@pytest.mark.parametrize(("moved", "inside"), [(True, set(range(17))), (False, {8})])
def test_larger_textures_are_cropped_at_random_to_train_and_in_the_centre_to_test(
    moved: bool, inside: set[int]
) -> None:
    arrays, textures = make(size=80, least=1, most=1, moved=moved).shard(0, 40), noise(12, 80)
    found = [places(image, textures[patch[0, 0, 0] - 1]) for image, _, patch in episodes(arrays)]
    assert {len(place) for place in found} == {1}
    assert {y for ((y, _),) in found} <= inside
    assert len({y for ((y, _),) in found}) > 8 or not moved


def test_masks_do_not_depend_on_which_textures_the_regions_show() -> None:
    # Specification, 8.9: the same episodes of another order of the textures have the same masks, and other pictures.
    drawn = {}
    for name, order in (("as they are", np.arange(12)), ("turned", np.arange(12)[::-1])):
        textures = held(noise(12)[order])
        collage = Collage(4, 4, 16, False, False, False)
        drawn[name] = CollTex(textures, split="test", side=SIDE, collage=collage, seed=0).shard(0, 20)
    one, other = drawn.values()
    assert np.array_equal(one["query_labels"], other["query_labels"])
    assert np.array_equal(one["query_targets"], other["query_targets"])
    assert (one["query_images"] != other["query_images"]).mean() > 0.9
    assert (one["support_images"] != other["support_images"]).mean() > 0.9


def test_another_reference_turns_the_mask_to_its_region() -> None:
    # Specification, 8.9: the bank with the textures of two regions exchanged shows each where the other was.
    ((image, mask, patch),) = episodes(make(least=2, most=2).shard(0, 1))
    target = int(patch[0, 0, 0]) - 1
    rest = int(image[mask == 0][0, 0]) - 1
    swapped = noise(12)
    swapped[[target, rest]] = swapped[[rest, target]]
    collage = Collage(2, 2, 16, False, False, False)
    arrays = CollTex(held(swapped), split="test", side=SIDE, collage=collage, seed=0).shard(0, 1)
    ((turned, same, other),) = episodes(arrays)
    assert np.array_equal(same, mask)
    assert (int(other[0, 0, 0]) - 1, set(turned[mask == 0][:, 0] - 1)) == (rest, {target})
    assert np.array_equal(turned[mask == 1], noise(12)[rest][mask == 1])


def test_with_replacement_a_mask_is_all_regions_of_a_texture() -> None:
    arrays = make(count=2, least=10, most=10, replacement=True, size=80, moved=True).shard(0, 30)
    for image, mask, patch in episodes(arrays):
        assert np.array_equal(mask, image[..., 0] == patch[0, 0, 0])
        assert mask.mean() > 0.05
    assert all(len(np.unique(labels)) <= 2 for labels in arrays["query_labels"])


def test_a_disjoint_reference_shares_no_pixel_with_the_region() -> None:
    arrays, textures = make(disjoint=True, size=80).shard(0, 60), noise(12, 80)
    apart = 0
    for _, mask, patch in episodes(arrays):
        ((y, x),) = places(patch, textures[patch[0, 0, 0] - 1])
        seen = np.zeros((80, 80), np.uint8)
        seen[8:72, 8:72] = mask
        apart += not seen[y : y + 16, x : x + 16].any()
    assert apart == 60


def test_the_mean_share_of_a_target_is_one_over_n() -> None:
    masks = with_masks(make(least=5, most=5).shard(0, 400))["query_masks"]
    assert masks.mean() == pytest.approx(1 / 5, abs=4 * 0.102 / math.sqrt(400))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regions": 11}, "needs 11 textures, but the split 'test' has 10: ask for fewer"),
        ({"regions": 0}, "regions=0: a collage has 1 to 255 regions"),
        ({"regions": [3, 2]}, r"regions=\[3, 2\]"),
        ({"patch": 300}, "patch=300: in scenes of 64 pixels a reference is 4 to 256"),
        ({"patch": 3}, "patch=3: "),
        ({"side": 72}, "side=72: the textures of the bank have only 64 pixels: lower `side`"),
        ({"side": 60}, "side=60: the side of a scene is a multiple of 8"),
        ({"reference": "disjiont"}, "did you mean 'disjoint'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    bank = write_bank(tmp_path / "photos")
    right: dict[str, Any] = {"side": 64, "regions": 5, "patch": 64}
    with pytest.raises(UserError, match=message):
        renderer(split="test", sources={"photos": bank}, **(right | values))


def test_a_bank_must_be_named() -> None:
    with pytest.raises(UserError, match="needs one bank of textures, not 0: name it under `banks`"):
        renderer(split="test", sources={}, side=64, regions=5, patch=64)
