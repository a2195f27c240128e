"""Writing a split: shards in parallel threads, a few in memory at a time, resumed at whole shards after any death."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.episodes import create_store, shard_file
from pipeline.manifest import digest_text
from pipeline.render.renderer import Renderer

THREADS = 8
"""More threads than these do not help a disk, and each holds a shard in memory."""


def write_store(
    renderer: Renderer,
    length: int,
    *,
    work: Path,
    recipe: str,
    threads: int,
    report: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write the first `length` episodes below the folder `work`; return the finished store, still in there.

    `recipe` is a text that says all that decides the bytes: what an earlier process left is kept where it had the same,
    shard by shard. The bytes do not depend on `threads`. `report` is told how many episodes are done.
    """
    store, done = work / "store.zarr", work / "done"
    _keep_or_clear(work, recipe)
    group = create_store(store, renderer.layout, length)
    size = renderer.layout.shard
    finished = {int(marker.name) for marker in done.iterdir()}
    lock, counted = threading.Lock(), sum(min(size, length - index * size) for index in finished)
    report(counted)

    def write(index: int) -> None:
        nonlocal counted
        start, stop = index * size, min((index + 1) * size, length)
        episodes = renderer.shard(index, stop - start)
        for name, array in episodes.items():
            target = group[name]
            # Half a shard of a killed process would be read, to be completed.
            shard_file(target, store, index).unlink(missing_ok=True)  # type: ignore[arg-type]
            target[start:stop] = array  # type: ignore[index]
        (done / str(index)).touch()
        with lock:
            counted += stop - start
            report(counted)

    todo = [index for index in range(-(-length // size)) if index not in finished]
    pool = ThreadPoolExecutor(max(1, min(threads, THREADS)))
    try:
        for future in [pool.submit(write, index) for index in todo]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
    return store


def _keep_or_clear(work: Path, recipe: str) -> None:
    # Without a finished shard nothing is worth keeping, not even the store's metadata, which may be half-written. A
    # process killed while it published leaves marks of shards that have moved away.
    kept, done, store = work / "recipe", work / "done", work / "store.zarr"
    same = kept.is_file() and kept.read_text() == digest_text(recipe)
    if not same or not store.is_dir() or not done.is_dir() or not any(done.iterdir()):
        shutil.rmtree(done, ignore_errors=True)
        shutil.rmtree(store, ignore_errors=True)
        kept.write_text(digest_text(recipe))
        done.mkdir()
    for partial in store.rglob("*.partial"):
        partial.unlink()
