"""Writing shards: the same bytes however many threads and however often it was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.closure import ROOT
from pipeline.episodes import Arrays, ArraySpec, EpisodeStore, Layout
from pipeline.manifest import canonical, digest_tree, read_manifest
from pipeline.render.renderer import Renderer
from pipeline.render.write import write_store


class Numbers:
    """Episode i is the number i, three times; remembers which shards it was asked for."""

    layout = Layout(arrays={"number": ArraySpec((3,), "uint16")}, attributes={"objects": 1}, shard=20, chunk=10)
    length = 1000
    facts = {"numbers": 1000}

    def __init__(self, fail_at: int | None = None) -> None:
        self.asked: list[int] = []
        self._fail_at = fail_at

    def shard(self, index: int, count: int) -> Arrays:
        if index == self._fail_at:
            raise OSError(28, "No space left on device")
        self.asked.append(index)
        return {"number": np.repeat(np.arange(20 * index, 20 * index + count, dtype=np.uint16)[:, None], 3, axis=1)}


def write(renderer: Renderer, work: Path, *, threads: int = 1, recipe: str = "one", length: int = 95) -> Path:
    work.mkdir(exist_ok=True)
    return write_store(renderer, length, work=work, recipe=recipe, threads=threads)


def test_the_last_shard_may_be_short(tmp_path: Path) -> None:
    store = EpisodeStore(write(Numbers(), tmp_path / "work"))
    assert (store.length, store.shards) == (95, 5)
    assert store.read_shard(4)["number"][:, 0].tolist() == list(range(80, 95))


def test_threads_do_not_change_the_bytes(tmp_path: Path) -> None:
    digests = {digest_tree(write(Numbers(), tmp_path / str(n), threads=n)) for n in (1, 2, 5)}
    assert len(digests) == 1


def test_a_resumed_rendering_does_not_redo_finished_shards(tmp_path: Path) -> None:
    whole = digest_tree(write(Numbers(), tmp_path / "whole"))
    with pytest.raises(OSError, match="No space left"):
        write(Numbers(fail_at=3), tmp_path / "work")
    # What a killed process leaves: a shard without its mark, half-written, and a file beside.
    shard = tmp_path / "work" / "store.zarr" / "number" / "c" / "3"
    shard.mkdir()
    (shard / "0").write_bytes(b"half")
    (shard / "0.5e1f.partial").write_bytes(b"half")
    second = Numbers()
    assert digest_tree(write(second, tmp_path / "work")) == whole
    assert second.asked[0] == 3
    assert not {0, 1, 2} & set(second.asked)


def test_another_recipe_starts_anew(tmp_path: Path) -> None:
    write(Numbers(), tmp_path)
    second = Numbers()
    write(second, tmp_path, recipe="another")
    assert second.asked == [0, 1, 2, 3, 4]


def test_progress_counts_episodes(tmp_path: Path) -> None:
    told: list[int] = []
    write_store(Numbers(), 50, work=tmp_path, recipe="one", threads=1, report=told.append)
    assert told == [0, 20, 40, 50]


@pytest.mark.slow
def test_kill_9_in_the_middle_ends_with_the_same_bytes(project: Path) -> None:
    job = {
        "dataset": "clutter-n16",
        "split": "test_one_shot",
        "renderer": "cluttered_omniglot",
        "parameters": {"characters": 16},
        "sources": {"omniglot": "data/raw/sample/omniglot.json"},
        "episodes": 6_000,
    }

    def command(folder: str) -> list[str]:
        output = f"data/episodes/{folder}/clutter-n16/test_one_shot.json"
        return [sys.executable, "-m", "pipeline.render", "--threads", "1", "--job", canonical(job), "--output", output]

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = project / "work/data/episodes/killed/clutter-n16/test_one_shot.zarr/done"
    process = subprocess.Popen(command("killed"), env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (done.is_dir() and any(done.iterdir())):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {marker.name for marker in done.iterdir()}
    assert 1 <= len(finished) < 3
    shard = done.parent / "store.zarr/query_images/c" / min(finished) / "0/0/0/0"
    written = shard.stat().st_mtime_ns
    for folder in ("killed", "whole"):
        subprocess.run(command(folder), env=environment, check=True, stderr=subprocess.DEVNULL)
    killed, whole = (
        project / f"data/episodes/{folder}/clutter-n16/test_one_shot.zarr" for folder in ("killed", "whole")
    )
    assert (killed / shard.relative_to(done.parent / "store.zarr")).stat().st_mtime_ns == written
    assert digest_tree(killed) == digest_tree(whole) == read_manifest(killed.with_suffix(".json")).digest
