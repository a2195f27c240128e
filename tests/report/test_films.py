"""Films: the overlay, the GIF, and which threshold makes the mask."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.evaluate.film import SIDE, film_frames
from pipeline.gif import gif
from pipeline.manifest import write_json
from pipeline.report.aggregates import best_iou, best_threshold
from pipeline.report.films import overlay, reels
from pipeline.report.job import Cell, Metric
from pipeline.report.shown import Film, Videos
from pipeline.report.videos import video_reels
from tests.report.miniature import cell


def test_what_is_likely_is_tinted() -> None:
    frame = np.full((2, 2, 4), 100, np.uint8)
    frame[0, 0, 3] = 200
    shown = overlay(frame, 0.5)
    assert (shown != 100).any(-1).tolist() == [[True, False], [False, False]]


def test_every_frame_is_in_the_gif() -> None:
    pictures = [np.full((8, 12, 3), (40 * k, 0, 255 - 40 * k), np.uint8) for k in range(6)]
    with Image.open(io.BytesIO(gif(pictures))) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (6, (12, 8), 0)  # type: ignore[attr-defined]
        for k, picture in enumerate(pictures):
            image.seek(k)
            assert abs(np.asarray(image.convert("RGB")).astype(int) - picture).max() < 6


def test_frames_are_made_small_and_carry_the_probability() -> None:
    images = torch.full((2, 3, 100, 2 * SIDE), 30, dtype=torch.uint8)
    frames = film_frames(images, torch.full((2, 1, 100, 2 * SIDE), 0.2))
    assert frames.shape == (2, 50, SIDE, 4)
    assert (frames == (30, 30, 30, 51)).all()
    small = torch.randint(0, 256, (1, 3, 20, 30), dtype=torch.uint8)
    assert torch.equal(
        torch.from_numpy(film_frames(small, torch.rand(1, 1, 20, 30))[0, ..., :3]), small[0].permute(1, 2, 0)
    )


def test_the_best_threshold_is_one_for_all_rows() -> None:
    columns = {
        "episode": np.array([0, 1]),
        "positives": np.array([10, 10]),
        "tp@0.5": np.array([10, 10]),
        "fp@0.5": np.array([0, 10]),  # 1 and 0.5
        "tp@0.9": np.array([5, 9]),
        "fp@0.9": np.array([0, 0]),  # 0.5 and 0.9
    }
    assert best_iou(columns).value == 0.75
    assert best_iou(columns).single() == {0: 1.0, 1: 0.9}
    assert best_threshold(columns) == 0.5


@pytest.mark.parametrize(("parameters", "threshold"), [({"threshold": 0.9}, 0.9), ({}, 0.5)])
def test_a_reel_shows_the_metrics_threshold_or_else_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, float], threshold: float
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = Cell(**(cell("net", 4, "iou", 1) | {"split": "dog", "scores": [["dog.json"]]}))
    columns = {"episode": [0, 1], "query": [0, 0], "object": [1, 1], "positives": [10, 10], "pixels": [100, 100]}
    columns |= {"tp@0.5": [10, 10], "fp@0.5": [0, 0], "tp@0.9": [5, 5], "fp@0.9": [0, 0]}
    scores = {"recipe": {}, "code": "", "inputs": {}, "complete": True, "weights": "none"}
    write_json(Path("dog.json"), {**scores, "statistics": {1: {"overlap": columns}}})
    np.savez_compressed("dog.npz", **{f"{e}/film": np.zeros((4, 6, 4), np.uint8) for e in range(2)})
    aggregate = "mean_iou" if parameters else "best_iou"
    metric = Metric(statistic="overlap", aggregate=aggregate, parameters=parameters)
    plot = Film(kind="film", title="Videos", track=asked.track, metric="iou")
    (reel,) = reels(plot, [asked], metric)
    assert (reel.split, reel.system, reel.caption) == ("dog", "net", f"above {threshold:g}")
    assert reel.value == (0.5 if parameters else 1.0)
    with Image.open(io.BytesIO(base64.b64decode(reel.gif.partition(",")[2]))) as image:
        assert image.size == (6, 4)


def test_a_video_without_masks_is_shown_and_one_that_failed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = Cell(**(cell("net", 4, "iou", 1) | {"scores": [["davis.json"]]}))
    columns = {"episode": [0], "query": [0], "object": [1], "positives": [10], "pixels": [100]}
    columns |= {"tp@0.5": [6], "fp@0.5": [0]}
    scores = {"recipe": {}, "code": "", "inputs": {}, "complete": True, "weights": "none"}
    scores |= {"names": ["dog", "gold-fish", "judo"], "failed": {2: "a frame is missing"}}
    write_json(Path("davis.json"), {**scores, "statistics": {1: {"overlap": columns}}})
    np.savez_compressed("davis.npz", **{f"{e}/video0": np.zeros((4, 6, 4), np.uint8) for e in range(3)})
    plot = Videos(kind="videos", title="Videos", track=asked.track, metric="iou", augmentations=["none"])
    metric = Metric(statistic="overlap", aggregate="mean_iou", parameters={"threshold": 0.5})
    assert [(reel.split, reel.value) for reel in video_reels(plot, [asked], metric)] == [
        ("dog", 0.6),
        ("gold-fish", None),
    ]
