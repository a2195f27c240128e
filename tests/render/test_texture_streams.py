"""The study's data sets through the stage's command: stored, and streamed from the bank."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError
from pipeline.manifest import read_manifest
from pipeline.render import colltex, texturized_omniglot
from pipeline.render.__main__ import main
from pipeline.render.stream import Replay
from tests.render.banks import write_bank

COLLTEX = {"side": 64, "regions": [1, 5], "patch": 256}
OMNIGLOT = {"side": 64, "characters": 4, "patch": 64, "background": True}
SETS = [("colltex", "photos", COLLTEX, colltex), ("texturized_omniglot", "conv1_1", OMNIGLOT, texturized_omniglot)]


def render(monkeypatch: pytest.MonkeyPatch, renderer: str, parameters: dict[str, Any], stream: bool) -> Path:
    bank = {"colltex": "photos", "texturized_omniglot": "conv1_1"}[renderer]
    raw = {"omniglot": "data/raw/sample/omniglot.json"} if renderer == "texturized_omniglot" else {}
    job = {
        "dataset": renderer,
        "split": "train",
        "renderer": renderer,
        "parameters": parameters,
        "sources": raw | {bank: f"data/textures/sample/{bank}.json"},
        "episodes": 130,
        "stream": stream,
    }
    output = f"data/episodes/sample/{renderer}/train.json"
    monkeypatch.setattr(sys, "argv", ["render", "--job", json.dumps(job), "--output", output])
    main()
    return Path(output)


@pytest.fixture
def banks(project: Path) -> Path:
    """The folder of two banks, `photos` and `conv1_1`, in a project that has Omniglot, too."""
    folder = project / "data" / "textures" / "sample"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("photos", "conv1_1")):
        write_bank(folder / name, seed=seed)
    return folder


@pytest.mark.parametrize(("renderer", "bank", "parameters", "module"), SETS)
def test_a_stream_reads_its_bank_and_replays_the_stores_bytes(
    banks: Path, monkeypatch: pytest.MonkeyPatch, renderer: str, bank: str, parameters: dict[str, Any], module: Any
) -> None:
    manifest = render(monkeypatch, renderer, parameters, stream=False)
    assert read_manifest(manifest).counts["textures"] == 30
    assert read_manifest(manifest).inputs[f"data/textures/sample/{bank}.json"] is not None
    store = EpisodeStore(manifest.with_suffix(".zarr"))
    assert (store.length, store.shards, store.attributes["objects"]) == (130, 2, 1)
    whole = [store.read_shard(0), store.read_shard(1)]
    stream: Replay = module.replay(render(monkeypatch, renderer, parameters, stream=True).with_suffix(".zarr"))
    assert (stream.length, stream.shards, stream.attributes["objects"]) == (130, 2, 1)
    for index, expected in enumerate(whole):
        found = stream.read_shard(index)
        assert all(np.array_equal(found[name], array) for name, array in expected.items())


def test_a_stream_notices_another_bank(banks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = render(monkeypatch, "colltex", COLLTEX, stream=True).with_suffix(".zarr")
    manifest = banks / "photos.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"digest": "sha256:1"}))
    with pytest.raises(UserError, match=r"photos\.json is not the one that .* was written for: run snakemake"):
        colltex.replay(stream)
