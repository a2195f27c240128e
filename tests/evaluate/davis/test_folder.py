"""Folders in DAVIS's layout: written and read again, lists of sequences, masks of either year."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.evaluate.davis.folder import find_root, open_truth, read_labels, write_sequence


def test_what_is_written_is_read_again_and_has_the_colours_of_davis(tmp_path: Path) -> None:
    frames = list(np.random.default_rng(0).integers(0, 255, (2, 9, 13)).astype(np.uint8))
    assert write_sequence(tmp_path, "dog", iter(frames), first=1) == 2
    assert sorted(path.name for path in (tmp_path / "dog").iterdir()) == ["00001.png", "00002.png"]
    assert np.array_equal(read_labels(tmp_path / "dog" / "00002.png"), frames[1])
    with Image.open(tmp_path / "dog" / "00001.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]


def test_a_sequence_is_never_half_written_nor_overwritten(tmp_path: Path) -> None:
    def broken():
        yield np.zeros((4, 4), np.uint8)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_sequence(tmp_path, "dog", broken())
    assert list(tmp_path.iterdir()) == []
    write_sequence(tmp_path, "dog", [np.zeros((4, 4), np.uint8)])
    with pytest.raises(UserError, match="dog is there already"):
        write_sequence(tmp_path, "dog", [np.zeros((4, 4), np.uint8)])


def test_ids_are_read_from_palettes_greys_and_bits(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    for bits, image in (("grey", Image.fromarray(labels)), ("bits", Image.fromarray(labels.astype(bool)))):
        image.save(tmp_path / f"{bits}.png")
        assert np.array_equal(read_labels(tmp_path / f"{bits}.png"), labels)


@pytest.mark.parametrize("above", ["", "DAVIS/Annotations/480p", "Annotations/480p"])
def test_truth_is_found_in_a_plain_folder_or_in_daviss_own(tmp_path: Path, above: str) -> None:
    for name in ("dog", "cat"):
        write_sequence(tmp_path / above, name, [np.zeros((4, 4), np.uint8)])
    assert find_root(tmp_path, "--truth") == tmp_path / above
    assert open_truth(tmp_path, "2017").sequences == ("cat", "dog")


def test_the_list_of_the_2016_archive_names_frames(tmp_path: Path) -> None:
    for name in ("dog", "cat", "cow"):
        write_sequence(tmp_path / "Annotations/480p", name, [np.zeros((4, 4), np.uint8)])
    lists = tmp_path / "ImageSets/480p"
    lists.mkdir(parents=True)
    line = "/JPEGImages/480p/{0}/0000{1}.jpg /Annotations/480p/{0}/0000{1}.png\n"
    (lists / "val.txt").write_text("".join(line.format(name, k) for name in ("dog", "cat") for k in range(2)))
    assert open_truth(tmp_path, "2016").sequences == ("dog", "cat")
