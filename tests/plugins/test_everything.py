"""The floor: what it scores follows from the masks alone, under every protocol that has it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.download.samples import voc2012
from pipeline.evaluate.__main__ import evaluate
from pipeline.evaluate.job import EvaluateJob
from pipeline.evaluate.load import episodes
from pipeline.evaluate.statistics.overlap import measure
from pipeline.gallery import write_gallery
from pipeline.render.renderer import make_renderer
from pipeline.render.voc import gallery
from pipeline.render.write import write_store
from pipeline.report.aggregates import aggregate
from pipeline.segmenter import VOID, Batch, Prediction

CPU, COUNT = torch.device("cpu"), 20
HALF = {"threshold": 0.5}


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the gallery of a small built-in VOC."""
    folder = tmp_path_factory.mktemp("voc")
    voc2012.generate(folder / "voc2012", {"train": 3, "val": 9}, 0)
    write_gallery(folder / "voc" / "images.zarr", gallery(sources={"voc2012": folder / "voc2012"}, grid=8))
    return folder


def job(folder: Path, split: str) -> EvaluateJob:
    """Twenty episodes of one protocol, written to disk."""
    sources = {"voc": folder / "voc" / "images.zarr"}
    parameters = {"fold": 0, "warp": 64, "hsnet_warp": 64, "least_pixels": 128, "short": "fewer"}
    table = make_renderer("pascal5i", split=split, sources=sources, parameters=parameters)
    (folder / split).mkdir(exist_ok=True)
    write_store(table, COUNT, work=folder / split, recipe="", threads=1).rename(folder / f"{split}.zarr")
    return EvaluateJob(
        system="everything", plugin="everything", trained_on=None, tested_on=split, augmentation="none",
        train_parameters={}, evaluate_parameters={}, model=None, data=(folder / f"{split}.json").as_posix(),
        episodes=COUNT, shots=[1], statistics={"overlap": {"thresholds": [0.5]}}, batch=1, pictures=0, seed=0, threads=1,
        precision="float32", device="cpu",
    )  # fmt: skip


SPLITS = ["oslsm", "oslsm_original", "sgone_swapped", "base_val", "hsnet", "hsnet_one", "pfenet_repri", "cofcn_all"]


@pytest.mark.parametrize("split", SPLITS)
def test_everything_and_nothing_score_what_the_masks_say(voc: Path, split: str) -> None:
    asked = job(voc, split)
    counted = [(found, batch) for (found,), batch in episodes(asked, CPU) if isinstance(batch, Batch)]
    truths = {
        found: batch.queries[0].masks.numpy()[0] for found, batch in counted if batch.queries[0].masks is not None
    }
    classes = {found: int(batch.classes) for found, batch in counted if batch.classes is not None}
    object_, scored = ({n: int(test(mask).sum()) for n, mask in truths.items()} for test in (_is_object, _is_scored))
    assert len(truths) == COUNT
    everything, _ = evaluate(asked, CPU)
    columns = {name: np.array(column) for name, column in everything.scorers[1].columns["overlap"].items()}
    shares = [
        sum(object_[n] for n in truths if classes[n] == k) / sum(scored[n] for n in truths if classes[n] == k)
        for k in set(classes.values())
    ]
    whole = sum(object_.values()) / sum(scored.values())
    assert aggregate("class_iou", HALF, columns).value == pytest.approx(np.mean(shares), abs=1e-12)
    assert aggregate("fb_iou", HALF, columns).value == pytest.approx(whole / 2, abs=1e-12)
    empty = {**columns, **_nothing(columns, counted)}
    assert aggregate("class_iou", HALF, empty).value == 0
    assert aggregate("fb_iou", HALF, empty).value == pytest.approx((1 - whole) / 2, abs=1e-12)


def _is_object(mask: np.ndarray) -> np.ndarray:
    return mask == 1


def _is_scored(mask: np.ndarray) -> np.ndarray:
    return mask != VOID


def _nothing(columns: dict[str, np.ndarray], counted: list[tuple[int, Batch]]) -> dict[str, np.ndarray]:
    """The columns of a system that finds nothing, in the order of those of `columns`."""
    found = {}
    for number, batch in counted:
        truth = batch.queries[0].masks
        assert truth is not None
        found[number] = measure(
            Prediction(probabilities=torch.zeros(1, 1, *truth.shape[1:])), truth, 1, thresholds=[0.5]
        )
    return {name: np.array([int(found[n][name]) for n in columns["episode"]]) for name in ("tp@0.5", "fp@0.5")}
