"""A miniature project with made-up scores, manifests and published numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.manifest import canonical, write_json
from pipeline.report.job import ReportJob
from pipeline.report.recorded import HEADER

LEVELS = (4, 32)
CITATION = "Lake et al., Science 2015, https://doi.org/10.1126/science.aab3050"

PUBLISHED = """table dataset split protocol system trained_on shots augmentation metric value scale note
Table 1|clutter-n4|test_one_shot|clutter|unet|clutter-n4|1|none|iou|97.1|0.01|
Table 1|clutter-n32|test_one_shot|clutter|unet|clutter-n32|1|none|iou|62.4|0.01|
Table 1|clutter-n4|test_one_shot|clutter|best_proposal|clutter-n4|1|none|iou|98.0|0.01|oracle: chosen by the truth
Table 2|clutter-n4|test_one_shot|clutter|matching||1|none|localization_accuracy|50|0.01|oracle: sees masks
"""


def overlap(episodes: int, shift: int = 0) -> dict[str, list[Any]]:
    """Columns of `overlap`: 10 true pixels of 100; episode e hits (e + shift) % 11 of them and 1 false pixel."""
    hits = [(episode + shift) % 11 for episode in range(episodes)]
    return {
        "episode": list(range(episodes)),
        "query": [0] * episodes,
        "object": [1] * episodes,
        "positives": [10] * episodes,
        "pixels": [100] * episodes,
        "tp@0.1": [10] * episodes,
        "fp@0.1": [10] * episodes,
        "tp@0.3": hits,
        "fp@0.3": [1] * episodes,
    }


def distance(episodes: int) -> dict[str, list[Any]]:
    """Columns of `centre_distance`: 4.99, 5 and nothing found, in turn."""
    return {
        "episode": list(range(episodes)),
        "query": [0] * episodes,
        "object": [1] * episodes,
        "distance": [(4.99, 5.0, None)[episode % 3] for episode in range(episodes)],
    }


def cell(system: str, level: int, metric: str, seeds: int) -> dict[str, Any]:
    """One cell; the system `matching` is untrained."""
    trained = system != "matching"
    dataset = f"clutter-n{level}"
    folder = f"{system}/{dataset if trained else 'none'}"
    scores = f"results/scores/lite/{folder}/{dataset}-test_one_shot/none"
    return {
        "suite": "clutter",
        "track": "scenes",
        "table": "Table 1",
        "dataset": dataset,
        "split": "test_one_shot",
        "protocol": "clutter",
        "system": system,
        "trained_on": dataset if trained else None,
        "train_list": "background" if trained else "",
        "shots": 1,
        "augmentation": "none",
        "oracle": not trained,
        "metric": metric,
        "schedule": 0.5 if trained else None,
        "scores": [[f"{scores}/seed{k}.json"] for k in range(seeds)],
        "models": [f"models/lite/{folder}/seed{k}.json" for k in range(seeds)] if trained else [],
    }


def manifest(path: str, kind: str, recipe: dict[str, Any], inputs: dict[str, Any], **more: Any) -> None:
    """Write a manifest whose digest names its path."""
    values = {"kind": kind, "digest": f"sha256:{path}", "recipe": recipe, "code": "sha256:code", "inputs": inputs}
    write_json(Path(path), {**values, **more})


def write_scores(path: str, model: str | None, seed: int, **more: Any) -> None:
    """Write scores of 30 episodes with pictures of two and a timing of 1.5 s."""
    inputs = {
        "data/episodes/lite/clutter-n4/test_one_shot.json": "sha256:data/episodes/lite/clutter-n4/test_one_shot.json"
    }
    inputs |= {model: f"sha256:{model}"} if model else {}
    scores = {
        "recipe": {"episodes": 30, "seed": seed, "model": model},
        "code": "sha256:evaluate",
        "inputs": inputs,
        "complete": True,
        "weights": "none",
        "statistics": {1: {"overlap": overlap(30, seed), "centre_distance": distance(30)}},
        **more,
    }
    write_json(Path(path), scores)
    write_json(Path(path.replace(".json", ".timing.json")), {"seconds": 1.5, "device": "cpu (2 threads)"})
    pictures = {}
    for episode in range(2):
        image = np.full((8, 8, 3), 40 * episode, dtype=np.uint8)
        pictures[f"{episode}/support0"] = image
        pictures[f"{episode}/query0"] = image
        pictures[f"{episode}/truth0"] = np.eye(8, dtype=np.uint8)
        pictures[f"{episode}/prediction0"] = np.full((1, 8, 8), 200, dtype=np.uint8)
    np.savez(Path(path).with_suffix(".npz"), **pictures)


def write_model(path: str) -> None:
    """Write a model's manifest, its log of two stages and a timing of 10 s."""
    inputs = {"data/episodes/lite/clutter-n4/train.json": "sha256:data/episodes/lite/clutter-n4/train.json"}
    manifest(path, "model", {"parameters": {"width": 24}, "seed": 0}, inputs)
    log = [{"stage": "first", "samples": n, "loss": 1.0 / n} for n in (10, 20)]
    log += [{"stage": "second", "samples": n, "loss": 0.5 / n} for n in (5, 10)]
    folder = Path(path).with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    write_json(Path(path.replace(".json", ".timing.json")), {"seconds": 10, "device": "cpu (2 threads)"})


def write_data() -> None:
    """Write the raw source's manifest and those of a train and a test split."""
    entry = {"title": "Omniglot", "licence": "MIT", "citation": CITATION}
    notes = {"origin": "mirror", "files": {"images.zip": "sha256:zip"}}
    recipe = {"source": "omniglot", "entry": entry}
    manifest("data/raw/real/omniglot.json", "source", recipe, {}, counts={"files": 1}, notes=notes)
    for split in ("train", "test_one_shot"):
        inputs = {"data/raw/real/omniglot.json": "sha256:data/raw/real/omniglot.json"}
        manifest(f"data/episodes/lite/clutter-n4/{split}.json", "store", {"split": split}, inputs)


METRICS: dict[str, dict[str, Any]] = {
    "iou": {"statistic": "overlap", "aggregate": "mean_iou", "parameters": {"threshold": 0.3}},
    "localization_accuracy": {
        "statistic": "centre_distance",
        "aggregate": "share_below",
        "parameters": {"pixels": 5},
    },
}

PLACE = {"track": "scenes", "split": "test_one_shot"}
FIGURES: list[dict[str, Any]] = [
    {"kind": "curve", "title": "IoU against clutter", "tracks": ["scenes"], "metric": "iou"}
    | {"splits": ["test_one_shot"], "x": r"clutter-n(\d+)", "x_label": "characters"},
    {"kind": "sweep", "title": "Thresholds", "metric": "iou", **PLACE},
    {"kind": "levels", "title": "One target", "x": r"clutter-n(\d+)", **PLACE},
]

CLAIM: dict[str, Any] = {"source": "Table 1", "metric": "iou", "datasets": ["clutter-n4", "clutter-n32"], **PLACE}
CLAIMS: list[dict[str, Any]] = [
    {"name": "falls", "says": "It falls.", "kind": "falls", "of": {"system": "unet"}, **CLAIM},
]

SUITE: dict[str, Any] = {
    "name": "clutter",
    "title": "Clutter",
    "paper": "A paper <1>",
    "published": "published.tsv",
    "recorded": "recorded.tsv",
    "metrics": METRICS,
    "tracks": {"scenes": "Scenes"},
    "figures": FIGURES,
    "claims": CLAIMS,
}


def write_project(seeds: int = 1, **changes: Any) -> ReportJob:
    """Write the whole project into the current folder, and its job, with `changes`, into job.json."""
    cells = [cell("unet", level, "iou", seeds) for level in LEVELS]
    cells += [cell("matching", level, metric, seeds) for level in LEVELS for metric in METRICS]
    for each in cells:
        for seed, (path,) in enumerate(each["scores"]):
            write_scores(path, each["models"][seed] if each["models"] else None, seed)
        for path in each["models"]:
            write_model(path)
    write_data()
    Path("published.tsv").write_text(PUBLISHED.replace("|", "\t").replace(" ", "\t", 11))
    Path("recorded.tsv").write_text("\t".join(HEADER) + "\n")
    job = {"profile": "lite", "budget": 0.5, "suites": [SUITE], "cells": cells, "bootstrap": 50}
    job |= {"sources": ["data/raw/real/omniglot.json"]}
    Path("job.json").write_text(canonical({**job, **changes}))
    return ReportJob.model_validate({**job, **changes})
