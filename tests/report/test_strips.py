"""Strips: which episodes are shown, supports under their masks, and pictures of any size."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.report.job import ReportJob
from pipeline.report.strips import Strip, strips, tint, uri
from tests.report.miniature import overlap, write_project, write_scores


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))


def found(job: ReportJob) -> list[Strip]:
    cells = [cell for cell in job.cells if cell.dataset == "clutter-n4" and cell.metric == "iou"]
    (group,) = strips(cells, job.suites[0].metrics["iou"], "iou").values()
    return group


def add_worst(path: str, episode: int, **changes: object) -> None:
    """One more episode in the archive, of other sizes, and columns in which it alone hits nothing."""
    archive = Path(path).with_suffix(".npz")
    with np.load(archive) as arrays:
        pictures = dict(arrays)
    pictures[f"{episode}/support0"] = np.full((9, 6, 3), 90, np.uint8)
    pictures[f"{episode}/mask0"] = np.eye(9, 6, dtype=np.uint8)
    pictures[f"{episode}/query0"] = np.full((500, 300, 3), 7, np.uint8)
    pictures[f"{episode}/truth0"] = np.ones((500, 300), np.uint8)
    pictures[f"{episode}/prediction0"] = np.zeros((1, 500, 300), np.uint8)
    hits = [0 if e == episode else 9 for e in range(30)]
    write_scores(path, None, 0, statistics={1: {"overlap": overlap(30) | {"tp@0.3": hits}}}, **changes)
    np.savez(archive, **pictures)  # type: ignore[arg-type]


def test_the_worst_episode_of_a_system_stands_last_with_its_answer_alone() -> None:
    job = write_project()
    add_worst(job.cells[0].files[0], 23)
    first, second, worst = found(job)
    assert set(first.answers) == set(second.answers) == {"unet", "matching"}
    assert (first.failure, worst.failure, set(worst.answers)) == (False, True, {"unet"})
    assert worst.answers["unet"][1] == "IoU 0.00"


def test_large_pictures_are_made_smaller_and_keep_their_shape() -> None:
    job = write_project()
    add_worst(job.cells[0].files[0], 23)
    worst = found(job)[-1]
    assert worst.query.startswith("data:image/jpeg")
    assert worst.truth.startswith("data:image/png")
    assert opened(worst.query).size == opened(worst.truth).size == (125, 208)
    assert opened(worst.supports[0]).size == (6, 9)


def test_a_support_is_dark_where_its_mask_says_background() -> None:
    picture = np.full((1, 3, 3), 90, np.uint8)
    assert tint(picture, np.array([[0, 1, 255]], np.uint8))[0, :, 0].tolist() == [30, 90, 30]


def test_pictures_are_of_the_largest_number_of_shots() -> None:
    job = write_project()
    write_scores(job.cells[0].files[0], None, 0, recipe={"shots": [1, 5]})
    assert all(set(strip.answers) == {"matching"} for strip in found(job))


def test_small_pictures_keep_every_pixel() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (5, 4, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(opened(uri(picture, photo=True))), picture)
