"""Batches, as on a GPU: every readable photo gets its texture, whatever its neighbours."""

from pathlib import Path

import pytest
import torch

from pipeline.progress import ProgressLine
from pipeline.texturize import synthesis
from pipeline.texturize.job import BankJob, Synthesis
from pipeline.texturize.photos import find_photos
from pipeline.texturize.shelf import Shelf
from pipeline.texturize.trunk import find_trunk


def test_a_shelf_is_filled_batch_by_batch(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "BATCH", 2)
    (photos / "a/1.png").write_bytes(b"no picture")
    (photos / "c").mkdir()
    (photos / "c/4.png").write_bytes((photos / "b/2.png").read_bytes())
    wanted, found = Synthesis(tolerance=1e-2, matches=1), find_photos(photos.parent)
    job = BankJob(bank="conv1_1", photos="data/raw/sample/dtd.json", side=16, synthesis=wanted)
    line = ProgressLine("conv1_1", len(found), 0, unit="textures")
    shelf = Shelf(tmp_path, found, 16, synthesized=True, recipe="one", line=line)
    synthesis._fill_batches(job, wanted, shelf, find_trunk("random", None), torch.device("cpu"), 2)
    assert (shelf.todo, list(shelf.left_out)) == ([], ["a/1.png"])
    bank = shelf.renderer({})
    assert bank.layout.attributes["names"] == ["a/0.png", "b/2.png", "b/3.png", "c/4.png"]
    arrays = bank.shard(0, 4)
    assert arrays["loss"].max() < 0.02
    # The same photo under another name has random numbers of its own.
    assert (arrays["textures"][1] != arrays["textures"][3]).mean() > 0.5
