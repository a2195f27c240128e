"""Streams, and rendering straight from Omniglot's archives on a machine without zarr."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.render.cluttered_omniglot import replay


def test_a_missing_stream_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.zarr is missing or damaged"):
        replay(tmp_path / "train.zarr")


def test_rendering_from_the_archives_needs_no_zarr(omniglot: Path) -> None:
    script = f"""
import sys
from pathlib import Path
sys.modules["zarr"] = sys.modules["pydantic"] = None
from pipeline.render.cluttered_omniglot import renderer
from pipeline.render.stream import Replay
drawn = renderer(split="train", sources={{"omniglot": Path({str(omniglot)!r})}}, characters=4)
print(Replay(drawn, 5).read_shard(0)["query_images"].shape)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(5, 1, 96, 96, 3)"
