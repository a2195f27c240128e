"""Stores of episodes: what is written is read, and a store that was cut short is noticed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.episodes import ArraySpec, EpisodeStore, Layout, create_store, pack_masks, unpack_masks, with_masks
from pipeline.errors import UserError

LAYOUT = Layout(
    arrays={"images": ArraySpec((2, 5)), "ids": ArraySpec((), "uint16")}, attributes={"objects": 3}, shard=10, chunk=5
)
IMAGES = np.random.default_rng(0).integers(0, 256, (25, 2, 5), np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Twenty-five episodes in three shards."""
    path = tmp_path / "split.zarr"
    group = create_store(path, LAYOUT, 25)
    group["images"][:] = IMAGES  # type: ignore[index]
    group["ids"][:] = np.arange(25)  # type: ignore[index]
    return path


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (96, 96)])
def test_masks_survive_packing(shape: tuple[int, int]) -> None:
    masks = np.random.default_rng(1).integers(0, 2, (4, 2, *shape), np.uint8)
    bits = pack_masks(masks)
    assert bits.shape == (4, 2, -(-shape[0] * shape[1] // 8))
    assert np.array_equal(unpack_masks(bits, *shape), masks)


def test_the_first_pixel_is_the_highest_bit() -> None:
    assert pack_masks(np.array([[1, 0, 0], [0, 0, 0]], np.uint8)).tolist() == [0b10000000]


def test_masks_of_labels_are_where_the_target_shows() -> None:
    random = np.random.default_rng(2)
    labels, targets = random.integers(0, 256, (3, 2, 9, 7), np.uint8), random.integers(1, 256, (3, 2), np.uint8)
    labels[0, 0] = targets[0, 0]
    found = with_masks({"query_labels": labels, "query_targets": targets, "ids": np.arange(3)})
    assert set(found) == {"query_masks", "ids"}
    assert found["query_masks"].dtype == np.uint8
    for episode, query in np.ndindex(3, 2):
        rows = [[int(label == targets[episode, query]) for label in row] for row in labels[episode, query]]
        assert found["query_masks"][episode, query].tolist() == rows


def test_masks_that_are_stored_stay_as_they_are() -> None:
    packed = {"query_masks": pack_masks(np.ones((2, 1, 4, 4), np.uint8))}
    assert with_masks(packed)["query_masks"] is packed["query_masks"]


def test_what_is_written_is_read(store: Path) -> None:
    opened = EpisodeStore(store)
    assert (opened.length, opened.shard, opened.shards, opened.attributes["objects"]) == (25, 10, 3, 3)
    assert np.array_equal(opened.read(0, 25)["images"], IMAGES)
    last = opened.read_shard(2)
    assert np.array_equal(last["images"], IMAGES[20:])
    assert last["ids"].tolist() == list(range(20, 25))
    assert set(opened.read(3, 4, ["ids"])) == {"ids"}


def test_a_store_of_zeros_is_on_disk_all_the_same(tmp_path: Path) -> None:
    group = create_store(tmp_path / "zeros.zarr", LAYOUT, 10)
    for name in LAYOUT.arrays:
        group[name][:] = 0  # type: ignore[index]
    assert not EpisodeStore(tmp_path / "zeros.zarr").read_shard(0)["images"].any()


def test_an_array_may_name_the_number_that_no_shard_holds_alone(tmp_path: Path) -> None:
    layout = Layout(arrays={"targets": ArraySpec((1,), fill=0)}, attributes={}, shard=10, chunk=5)
    create_store(tmp_path / "split.zarr", layout, 1)["targets"][:] = 165  # type: ignore[index]
    assert EpisodeStore(tmp_path / "split.zarr").read_shard(0)["targets"].tolist() == [[165]]


def test_a_missing_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.zarr is missing or cut short"):
        EpisodeStore(tmp_path / "nothing.zarr")


def test_a_missing_shard(store: Path) -> None:
    (store / "images/c/1/0/0").unlink()
    opened = EpisodeStore(store)
    opened.read_shard(0)
    with pytest.raises(UserError, match=r"is cut short \(no .*images/c/1/0/0\)"):
        opened.read_shard(1)


@pytest.mark.parametrize("kept", [0, 1, 30, -1])
def test_a_truncated_shard(store: Path, kept: int) -> None:
    shard = store / "images/c/2/0/0"
    shard.write_bytes(shard.read_bytes()[:kept])
    with pytest.raises(UserError, match="is damaged in episodes 20 to 25"):
        EpisodeStore(store).read_shard(2)


def test_a_missing_array(store: Path) -> None:
    shutil.rmtree(store / "ids")
    with pytest.raises(UserError, match=r"cut short \(no ids\)"):
        EpisodeStore(store)


@pytest.mark.parametrize("file", ["zarr.json", "images/zarr.json"])
def test_truncated_metadata(store: Path, file: str) -> None:
    (store / file).write_bytes((store / file).read_bytes()[:40])
    with pytest.raises(UserError, match=r"split\.zarr is missing or cut short"):
        EpisodeStore(store)
