"""What an exported split holds, and how much of it is in memory."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.episodes import Arrays, EpisodeStore
from pipeline.errors import UserError
from pipeline.export.split import ExportedSplit, centres, exported


def together(split: ExportedSplit) -> Arrays:
    blocks = [block for _, block in split.blocks()]
    return {name: np.concatenate([block[name] for block in blocks]) for name in split.fields}


def test_one_support_and_one_query_are_named_as_the_authors_do(clutter: Path, pictures: Arrays) -> None:
    split = ExportedSplit(EpisodeStore(clutter), None)
    assert {name: (field.shape, field.dtype.name, field.kind) for name, field in split.fields.items()} == {
        "images": ((12, 10, 3), "uint8", "colour"),
        "segmentation": ((12, 10, 1), "uint8", "binary"),
        "targets": ((5, 7, 3), "uint8", "colour"),
        "target_segmentation": ((5, 7, 1), "uint8", "binary"),
        "centres": ((2,), "float32", "table"),
    }
    arrays = together(split)
    assert np.array_equal(arrays["images"], pictures["query_images"][:, 0])
    assert np.array_equal(arrays["segmentation"][..., 0], pictures["query_masks"][:, 0])
    assert np.array_equal(arrays["targets"], pictures["support_images"][:, 0])
    assert np.array_equal(arrays["target_segmentation"][..., 0], pictures["support_masks"][:, 0])
    assert np.isnan(arrays["centres"]).any(axis=1).nonzero()[0].tolist() == [44]


def test_labels_are_exported_beside_the_masks_derived_from_them(collages: tuple[Path, Arrays]) -> None:
    store, stored = collages
    split = ExportedSplit(EpisodeStore(store), None)
    assert {name: (field.shape, field.kind) for name, field in split.fields.items() if "target_s" not in name} == {
        "images": ((12, 8, 3), "colour"),
        "segmentation": ((12, 8, 1), "binary"),
        "targets": ((4, 4, 3), "colour"),
        "labels": ((12, 8, 1), "indices"),
        "target_label": ((), "table"),
        "centres": ((2,), "table"),
    }
    arrays = together(split)
    assert np.array_equal(arrays["labels"][..., 0], stored["query_labels"][:, 0])
    assert np.array_equal(arrays["target_label"], stored["query_targets"][:, 0])
    for mask, labels, target in zip(arrays["segmentation"], arrays["labels"], arrays["target_label"], strict=True):
        assert np.array_equal(mask, labels == target)


def test_a_sample_takes_the_published_bytes() -> None:
    """39,936 bytes, and what is added to them."""
    shapes = {"query": (96, 96), "support": (32, 32)}
    arrays: Arrays = {}
    for side, shape in shapes.items():
        arrays[f"{side}_images"] = np.zeros((1, 1, *shape, 3), np.uint8)
        arrays[f"{side}_masks"] = np.zeros((1, 1, shape[0] * shape[1] // 8), np.uint8)
    bytes_of = {name: array.nbytes for name, array in exported(arrays).items()}
    assert bytes_of.pop("target_segmentation") + bytes_of.pop("centres") == 1024 + 8
    assert sum(bytes_of.values()) == 39_936


def test_other_episodes_keep_their_names(render, ways: Arrays, traces: Arrays) -> None:
    for name, arrays in {"omniglot_5way/test": ways, "clutter-n4/train-instances": traces}.items():
        split = ExportedSplit(EpisodeStore(render(name, arrays)), None)
        found = together(split)
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[key], array) for key, array in arrays.items())
    assert {name: field.kind for name, field in split.fields.items()} == {
        "instances": "numbers",
        "boxes": "table",
        "target": "table",
    }


def test_centres_of_mass() -> None:
    masks = np.zeros((4, 6, 9), np.uint8)
    masks[0, 2, 5] = 1
    masks[1, 1:5, 0:2] = 1
    masks[2, 0, [0, 8]] = [2, 3]
    masks[2, 5, :] = 255
    assert centres(masks)[:3].tolist() == [[5, 2], [0.5, 2.5], [4, 0]]
    assert np.isnan(centres(masks)[3]).all()


def test_no_more_than_a_shard_is_in_memory(clutter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    read = EpisodeStore.read

    def spy(self: EpisodeStore, start: int, stop: int) -> Arrays:
        asked.append((start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(EpisodeStore, "read", spy)
    told: list[int] = []
    split = ExportedSplit(EpisodeStore(clutter), 43, told.append)
    assert [start for start, _ in split.blocks()] == [0, 20, 40]
    assert asked == [(0, 1), (0, 20), (20, 40), (40, 43)]
    assert told == [20, 40, 43]


@pytest.mark.parametrize("episodes", [0, -1, 46])
def test_as_many_episodes_as_there_are(clutter: Path, episodes: int) -> None:
    with pytest.raises(UserError, match=f"--episodes {episodes} is out of range: ask for 1 to 45"):
        ExportedSplit(EpisodeStore(clutter), episodes)
