"""`python -m pipeline.evaluate davis`, as a user runs it: numbers, the TSV, and mistakes in one line each."""

import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.closure import code_files
from pipeline.errors import UserError
from pipeline.evaluate.__main__ import main
from pipeline.evaluate.davis.folder import read_labels, write_sequence
from pipeline.report import video
from tests.evaluate.davis import plain_counts

FRAMES, SIZE = 7, (40, 60)


def clip(objects: int, drift: int) -> list[np.ndarray]:
    """Squares that move to the right, `drift` pixels a frame."""
    frames = []
    for t in range(FRAMES):
        labels = np.zeros(SIZE, np.uint8)
        for number in range(1, objects + 1):
            labels[12 * number - 10 : 12 * number, 4 + drift * t : 16 + drift * t] = number
        frames.append(labels)
    return frames


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Truth of `one` and `two` objects, and results that lag behind."""
    monkeypatch.chdir(tmp_path)
    for objects, name in ((1, "one"), (2, "two")):
        write_sequence(Path("DAVIS/Annotations/480p"), name, clip(objects, 3))
        write_sequence(Path("found"), name, clip(objects, 2))
    lists = Path("DAVIS/ImageSets/2017")
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("one\ntwo\nabsent\n")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    arguments = ["davis", "--results", "found", "--truth", "DAVIS", "--threads", "2", *more]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    main()


def rows() -> dict[tuple[str, str], dict[str, str]]:
    with Path("out.tsv").open() as lines:
        return {(row["sequence"], row["object"]): row for row in csv.DictReader(lines, delimiter="\t")}


@pytest.mark.usefixtures("folder")
def test_the_table_is_that_of_the_plain_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--per-sequence", "--output", "out.tsv")
    found, values = rows(), {}
    assert list(found) == [("all", ""), ("one", ""), ("two", ""), ("two", "1"), ("two", "2")]
    for objects, name in ((1, "one"), (2, "two")):
        pairs = zip(clip(objects, 2)[1:-1], clip(objects, 3)[1:-1], strict=True)
        counts = np.stack([plain_counts.count(*pair, objects) for pair in pairs])
        for number in range(objects):
            columns = dict(zip(("intersection", "union", "predicted", "precise", "boundary", "recalled"), counts[:, number].T, strict=True))  # fmt: skip
            j, f = video.regions(columns), video.contours(columns)
            values[name, number] = [
                j.mean(),
                (j > 0.5).mean(),
                video.decay(j),
                f.mean(),
                (f > 0.5).mean(),
                video.decay(f),
            ]
    names = ("j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay")
    for row, keys in (
        (found["two", "2"], [("two", 1)]),
        (found["two", ""], [("two", 0), ("two", 1)]),
        (found["all", ""], list(values)),
    ):
        assert [float(row[name]) for name in names] == pytest.approx(
            np.mean([values[key] for key in keys], 0), abs=1e-6
        )
    assert 0.1 < float(found["all", ""]["j_mean"]) < 0.9
    out = capsys.readouterr().out
    assert out.splitlines()[1].split() == ["all", *(f"{float(found['all', ''][n]):.3f}" for n in ("j_and_f", *names))]
    assert "two 2" in out


@pytest.mark.usefixtures("folder")
def test_masks_of_2016_are_one_object_whether_0_and_255_or_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree("found/two")
    write_sequence(Path("found"), "two", ((labels > 0) * np.uint8(255) for labels in clip(2, 3)))
    run(monkeypatch, "--year", "2016", "--sequences", "two", "--output", "out.tsv")
    assert (rows()["two", ""]["j_and_f"], rows()["two", ""]["status"]) == ("1.000000", "ok")


def repaint(place: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], None]:
    return lambda: Image.fromarray(change(read_labels(Path(place)).copy())).save(place)


def cut(count: int) -> Callable[[], None]:
    return lambda: [path.unlink() for path in sorted(Path("DAVIS/Annotations/480p/one").iterdir())[count:]]


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "missing frame": (Path("found/one/00003.png").unlink, "found/one lacks 00003.png: write a mask for every frame"),
    "missing frames": (
        lambda: [Path(f"found/one/0000{k}.png").unlink() for k in (2, 4, 5)],
        "lacks 00002.png and 2 more: write",
    ),
    "no folder of the sequence": (lambda: shutil.rmtree("found/one"), "no folder found/one: write a mask for every"),
    "another size": (
        repaint("found/one/00002.png", lambda labels: labels[:30, :50]),
        "found/one/00002.png is 50 x 30 pixels, its frame 60 x 40: save masks at the size of the frames",
    ),
    "an id too high": (
        repaint("found/one/00004.png", lambda labels: labels * 2),
        "found/one/00004.png has the id 2, but the first frame of the truth has 1 object: number objects as it does",
    ),
    "masks of 2016": (
        repaint("found/one/00001.png", lambda labels: labels * 255),
        "number objects as it does; masks of 0 and 255 ask for --year 2016",
    ),
    "colours": (
        repaint("found/one/00001.png", lambda labels: np.stack(3 * [labels], axis=-1)),
        "is a picture of mode RGB: save ids with a palette",
    ),
    "no picture": (lambda: Path("found/one/00003.png").write_text("x"), "found/one/00003.png is no picture: write it"),
    "no object in the first frame": (
        repaint("DAVIS/Annotations/480p/one/00000.png", np.zeros_like),
        "00000.png shows no object, and the first frame says which there are: mend it",
    ),
    "a video of one frame": (cut(1), "the truth of 'one' has 1 frame, where 3 are the least"),
    "a video of two frames": (cut(2), "has 2 frames, where 3 are the least"),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_sequence_that_fails_is_a_marked_row_and_the_rest_is_scored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    spoil, message = FAULTS[fault]
    spoil()
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, "--output", "out.tsv")
    found, (line,) = rows(), [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed: ")]
    assert left.value.code == 1
    assert (found["one", ""]["status"], found["two", ""]["status"]) == ("failed", "ok")
    assert found["all", ""]["reason"] == "1 of 2 sequences failed"
    assert message in line
    assert message in found["one", ""]["reason"]


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown sequence": (["--sequences", "two,on"], "unknown sequence 'on'; did you mean 'one'?"),
    "no results": (["--results", "fuond"], "--results fuond is no folder: name one with <sequence>/00000.png"),
    "no truth": (["--truth", "nowhere"], "--truth nowhere is no folder"),
    "threads": (["--threads", "-1"], "--threads -1 must be 1 or more"),
    "no sequence": (["--truth", "DAVIS/ImageSets"], "--truth DAVIS/ImageSets holds no sequence: name a folder with"),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_of_the_command_line_are_told_at_once(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    arguments, message = MISTAKES[mistake]
    with pytest.raises(UserError, match="^" + message.replace("?", r"\?")):
        run(monkeypatch, *arguments)


@pytest.mark.usefixtures("folder")
def test_without_davis_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", "davis", "--results", "found"])
    with pytest.raises(UserError, match="no DAVIS 2017 at data/raw/real/davis2017: run `snakemake"):
        main()


def test_no_evaluation_depends_on_the_code_of_the_command() -> None:
    files = code_files("pipeline.evaluate.__main__")
    assert not [file for file in files if "/davis/" in file or file.startswith("pipeline/report/")]
    assert "pipeline/evaluate/davis/command.py" not in code_files("pipeline.evaluate.statistics.contours")


@pytest.mark.mirror
def test_real_truth_against_itself_is_1_1_0(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, davis_masks: Path) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--results", str(davis_masks), "--truth", str(davis_masks), "--sequences", "blackswan"]
    monkeypatch.setattr(sys, "argv", ["evaluate", "davis", *arguments, "--year", "2016", "--output", "out.tsv"])
    main()
    found = rows()["all", ""]
    assert [float(found[f"{m}_{s}"]) for m in "jf" for s in ("mean", "recall", "decay")] == [1, 1, 0, 1, 1, 0]
