"""Made-up clips: DAVIS's layout, textured shapes that move, exact masks."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.download.samples import davis2017
from pipeline.download.samples.davis import clip, write
from pipeline.download.samples.davis2016 import generate


def test_the_layout_is_that_of_davis(tmp_path: Path) -> None:
    generate(tmp_path, {"frames": 2}, 0)
    lines = (tmp_path / "DAVIS" / "ImageSets" / "480p" / "val.txt").read_text().splitlines()
    assert len(lines) == 4
    for line in lines:
        frame, mask = (np.asarray(Image.open(tmp_path / f"DAVIS{name}")) for name in line.split())
        assert frame.shape == (*mask.shape, 3)
        assert set(np.unique(mask)) == {0, 255}


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, {"frames": 2, "clips": 1}, seed)
    first, same, other = (
        b"".join(path.read_bytes() for path in sorted((tmp_path / name).rglob("*.png"))) for name in "abc"
    )
    assert first == same != other


def test_shapes_move_and_carry_their_texture() -> None:
    made = clip(np.random.default_rng(0), "x", frames=5, width=96, height=64, objects=1)
    middles = [np.argwhere(mask).mean(0) for mask in made.masks]
    moved = np.rint(middles[4] - middles[0]).astype(int)
    assert abs(moved).max() >= 3
    inner = tuple(slice(int(m) - 5, int(m) + 5) for m in middles[0])
    later = tuple(slice(s.start + d, s.stop + d) for s, d in zip(inner, moved, strict=True))
    assert np.array_equal(made.images[0][inner], made.images[4][later])


def test_several_objects_have_numbers_and_values_of_their_own(tmp_path: Path) -> None:
    made = clip(np.random.default_rng(0), "x", frames=2, width=96, height=64, objects=3)
    assert set(np.unique(made.masks)) == {0, 1, 2, 3}
    write(tmp_path, {"val": [made]}, (0, 10, 20, 30), 2017)
    found = np.asarray(Image.open(tmp_path / "DAVIS" / "Annotations" / "480p" / "x" / "00001.png"))
    assert np.array_equal(found, made.masks[1] * 10)


def test_a_shape_of_2017_leaves_and_comes_back(tmp_path: Path) -> None:
    davis2017.generate(tmp_path, {"val": 1, "train": 1}, 0)
    root = tmp_path / "DAVIS"
    assert (root / "ImageSets" / "2017" / "val.txt").read_text() == "dogs-jump\n"
    masks = [np.asarray(Image.open(path)) for path in sorted((root / "Annotations" / "480p" / "dogs-jump").iterdir())]
    seen = [1 in mask for mask in masks]
    assert seen[0]
    assert seen[-1]
    assert not all(seen)
    assert all(3 in mask for mask in masks)
