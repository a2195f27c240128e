"""A small folder of photos, and the stage as a user would run it there."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.manifest import Manifest, write_json
from pipeline.texturize.__main__ import main

OUTPUT = Path("data/textures/sample/bank.json")
Texturize = Callable[..., Path]


def grain(seed: int, side: int = 24) -> np.ndarray:
    """A photo (side, side, 3) with structure of about 2 px."""
    noise = np.random.default_rng(seed).normal(size=(side, side, 3))
    smooth = noise + np.roll(noise, 1, axis=0) + np.roll(noise, 1, axis=1)
    return (128 + 30 * smooth).clip(0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, where the test then runs, with four photos of 24 px as a downloaded source; their folder."""
    folder = tmp_path / "data/raw/sample/dtd/images"
    for number in range(4):
        path = folder / "ab"[number // 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grain(number)).save(path)
    manifest = Manifest(kind="source", digest="sha256:0", recipe={}, code="sha256:0")
    write_json(tmp_path / "data/raw/sample/dtd.json", manifest.model_dump())
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def texturize(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Texturize:
    """Runs the stage with changes to its job; returns the store."""

    def run(threads: int = 1, **values: Any) -> Path:
        job = {"bank": "bank", "photos": "data/raw/sample/dtd.json", "side": 16, **values}
        arguments = ["--job", json.dumps(job), "--output", str(OUTPUT), "--threads", str(threads)]
        monkeypatch.setattr(sys, "argv", ["texturize", *arguments])
        main()
        return OUTPUT.with_suffix(".zarr")

    return run
