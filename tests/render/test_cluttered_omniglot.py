"""Splits, published hashes and published statistics of cluttered Omniglot."""

import csv
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.render.cluttered_omniglot import SPLITS, ClutteredOmniglot, job_seeds, read_pool, renderer
from pipeline.render.glyphs import pack
from pipeline.render.scene import Clutter

_TABLE = (Path(__file__).parent / "published_md5.tsv").read_text()
HASHES = list(csv.DictReader(_TABLE.splitlines(), delimiter="\t"))
ORACLE_ARRAYS = {"instances", "classes", "drawers", "boxes", "colours", "visible", "target"}

Real = Callable[[str, int], ClutteredOmniglot]


@pytest.fixture(scope="module")
def real(mirror: Path) -> Real:
    """Renderers of the complete Omniglot; each pool is read once."""
    bits = {name: pack(read_pool(mirror / "omniglot", split)) for name, split in SPLITS.items()}

    def make(split: str, characters: int) -> ClutteredOmniglot:
        return ClutteredOmniglot(bits[split], split=SPLITS[split], clutter=Clutter(characters, 0, 0.0), instances=False)

    return make


@pytest.mark.mirror
@pytest.mark.slow
def test_the_last_scene_of_every_published_set_has_the_published_hash(real: Real) -> None:
    assert len(HASHES) == 28

    def digest(row: dict[str, str]) -> str:
        scenes = real(row["split"], int(row["characters"])).shard(4, 2000)["query_images"]
        return hashlib.md5(scenes[-1, 0].tobytes()).hexdigest()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(digest, HASHES)) == [row["md5"] for row in HASHES]


@pytest.mark.mirror
@pytest.mark.parametrize(
    ("split", "characters"),
    [("train", 964), ("val_train", 964), ("val_one_shot", 307), ("test_one_shot", 352), ("one_shot_all", 659)],
)
def test_sizes_of_the_complete_pools(real: Real, split: str, characters: int) -> None:
    drawn = real(split, 4)
    assert drawn.facts == {"characters": characters, "drawings": 10 * characters}
    assert drawn.length == (2_000_000 if split == "train" else 10_000)


@pytest.mark.mirror
@pytest.mark.parametrize(
    ("characters", "covered", "centre", "colours", "mean", "deviation"),
    [
        (4, 0.038, 0.07, 5.0, 4.9, 28.4),
        (8, 0.072, 0.13, 9.0, 9.1, 38.4),
        (16, 0.138, 0.24, 17.0, 17.6, 51.7),
        (32, 0.252, 0.45, 33.0, 32.1, 66.5),
        (64, 0.422, 0.70, 64.9, 53.6, 78.8),
        (128, 0.622, 0.89, 128.2, 79.0, 84.5),
        (256, 0.791, 0.99, 241.3, 100.5, 83.4),
    ],
)
def test_scenes_have_the_known_statistics(
    real: Real, characters: int, covered: float, centre: float, colours: float, mean: float, deviation: float
) -> None:
    arrays = real("train", characters).shard(0, 1000)
    scenes = arrays["query_images"][:, 0]
    ink = scenes.any(axis=-1)
    codes = (scenes[:100].astype(np.int64) @ [1, 256, 65536]).reshape(100, -1)
    assert ink.mean() == pytest.approx(covered, rel=0.1)
    assert ink[:, 44:52, 44:52].mean() == pytest.approx(centre, rel=0.12)
    assert np.mean([len(np.unique(row)) for row in codes]) == pytest.approx(colours, rel=0.05)
    assert scenes.mean() == pytest.approx(mean, rel=0.1)
    assert scenes.std() == pytest.approx(deviation, rel=0.05)
    assert np.unpackbits(arrays["query_masks"]).mean() == pytest.approx(0.0096, rel=0.1)


def test_splits_share_neither_drawers_nor_alphabets(omniglot: Path) -> None:
    pools = {name: read_pool(omniglot, split) for name, split in SPLITS.items()}
    assert {name: len(pool) for name, pool in pools.items()} == {
        "train": 4,
        "val_train": 4,
        "test_train": 4,
        "val_one_shot": 4,
        "test_one_shot": 4,
        "one_shot_all": 8,
    }
    drawings = {name: {glyph.tobytes() for row in pool for glyph in row} for name, pool in pools.items()}
    assert drawings["val_train"] == drawings["test_train"]
    assert not drawings["train"] & drawings["val_train"]
    assert not drawings["val_one_shot"] & drawings["test_one_shot"]
    assert drawings["val_one_shot"] | drawings["test_one_shot"] == drawings["one_shot_all"]


def test_seeds_are_the_least_of_twice_as_many_draws() -> None:
    drawn = np.random.RandomState(2301871561).randint(0, 2**32, size=10)
    assert job_seeds(2301871561, 5).tolist() == sorted(drawn.tolist())[:5]
    assert len({split.seed for split in SPLITS.values()}) == 6


def test_a_shorter_shard_is_a_prefix_and_threads_change_nothing(omniglot: Path) -> None:
    drawn = renderer(split="train", sources={"omniglot": omniglot}, characters=6)
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(lambda index: drawn.shard(index, 40), range(4)))
    for index, block in enumerate(blocks):
        short = drawn.shard(index, 7)
        for name, array in block.items():
            assert np.array_equal(array[:7], short[name])
    assert not np.array_equal(blocks[0]["query_images"], blocks[1]["query_images"])


def test_oracle_data_are_asked_for_by_name_or_by_parameter(omniglot: Path) -> None:
    named = renderer(split="val_train-instances", sources={"omniglot": omniglot}, characters=4)
    asked = renderer(split="val_train", sources={"omniglot": omniglot}, characters=4, instances=True)
    assert set(named.layout.arrays) == set(asked.layout.arrays) == ORACLE_ARRAYS
    assert all(np.array_equal(a, asked.shard(2, 9)[name]) for name, a in named.shard(2, 9).items())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "test_oneshot"}, "did you mean 'test_one_shot'"),
        ({"characters": 0}, "characters=0"),
        ({"occluders": -1}, "occluders=-1"),
        ({"empty": 1.5}, "empty=1.5"),
        ({"sources": {}}, "needs the source 'omniglot'"),
    ],
)
def test_mistakes_end_in_one_line(omniglot: Path, values: dict[str, Any], message: str) -> None:
    given = {"split": "test_one_shot", "sources": {"omniglot": omniglot}, "characters": 4} | values
    with pytest.raises(UserError, match=message):
        renderer(**given)
