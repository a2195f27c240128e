"""Small stores as `render` leaves them, in a project folder of their own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.closure import ROOT
from pipeline.episodes import Arrays, ArraySpec, Layout, create_store, pack_masks
from pipeline.manifest import Manifest, write_json

EPISODES = 45
"""Two full shards and a short one."""
Render = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's settings, which is where the test runs."""
    (tmp_path / "project").mkdir()
    shutil.copy(ROOT / "params.yaml", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def render(project: Path) -> Render:
    """Make the store `<dataset>/<split>` of the profile sample with the given arrays, and its manifest."""

    def make(name: str, arrays: Arrays, kind: str = "store", profile: str = "sample") -> Path:
        path = project / "data" / "episodes" / profile / f"{name}.zarr"
        specs = {key: ArraySpec(array.shape[1:], array.dtype.name) for key, array in arrays.items()}
        length = len(next(iter(arrays.values())))
        group = create_store(path, Layout(arrays=specs, attributes={"objects": 1}, shard=20, chunk=10), length)
        for key, array in arrays.items():
            group[key][:] = array  # type: ignore[index]
        manifest = Manifest(kind=kind, digest="sha256:12", recipe={}, code="sha256:0", complete=False)  # type: ignore[arg-type]
        write_json(path.with_suffix(".json"), manifest.model_dump())
        return path

    return make


@pytest.fixture
def pictures() -> Arrays:
    """Scenes of 12x10 and targets of 5x7 with binary masks, not yet packed; the last episode shows no target."""
    random = np.random.default_rng(0)
    masks = random.integers(0, 2, (EPISODES, 1, 12, 10), np.uint8)
    masks[-1] = 0
    return {
        "query_images": random.integers(0, 256, (EPISODES, 1, 12, 10, 3), np.uint8),
        "query_masks": masks,
        "support_images": random.integers(0, 256, (EPISODES, 1, 5, 7, 3), np.uint8),
        "support_masks": random.integers(0, 2, (EPISODES, 1, 5, 7), np.uint8),
    }


@pytest.fixture
def clutter(render: Render, pictures: Arrays) -> Path:
    """`pictures` as the store clutter-n32/test_one_shot."""
    return render("clutter-n32/test_one_shot", {k: pack_masks(v) if "masks" in k else v for k, v in pictures.items()})


@pytest.fixture
def collages(render: Render) -> tuple[Path, Arrays]:
    """Labelled scenes of 12x8, and the store colltex/test of them."""
    random = np.random.default_rng(3)
    arrays: Arrays = {
        "query_images": random.integers(0, 256, (25, 1, 12, 8, 3), np.uint8),
        "query_labels": random.integers(0, 6, (25, 1, 12, 8), np.uint8),
        "query_targets": random.integers(1, 6, (25, 1), np.uint8),
        "support_images": random.integers(0, 256, (25, 1, 4, 4, 3), np.uint8),
        "support_masks": pack_masks(np.ones((25, 1, 4, 4), np.uint8)),
    }
    return render("colltex/test", arrays), arrays


@pytest.fixture
def ways() -> Arrays:
    """Three supports, two queries, index masks."""
    random = np.random.default_rng(1)
    return {
        "query_images": random.integers(0, 256, (25, 2, 8, 9, 3), np.uint8),
        "query_masks": random.choice([0, 1, 2, 255], (25, 2, 8, 9)).astype(np.uint8),
        "support_images": random.integers(0, 256, (25, 3, 8, 9, 3), np.uint8),
        "support_masks": random.choice([0, 1, 2, 255], (25, 3, 8, 9)).astype(np.uint8),
    }


@pytest.fixture
def traces() -> Arrays:
    """Oracle data: a map of instances, boxes and the target's number."""
    random = np.random.default_rng(2)
    return {
        "instances": random.integers(0, 1000, (25, 1, 12, 10), np.uint16),
        "boxes": random.integers(0, 96, (25, 3, 4), np.uint8),
        "target": random.integers(0, 1000, 25).astype(np.uint16),
    }
