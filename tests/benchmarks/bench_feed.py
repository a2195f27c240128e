"""Feeding a training: whole shards through the shuffle buffer against single episodes read from Zarr, in one run."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from pipeline.episodes import Arrays, ArraySpec, EpisodeStore, Layout, create_store
from pipeline.train.feed import Feed

EPISODES, SHARD, BATCH, ROUNDS = 12_000, 2_000, 250, 5
LAYOUT = Layout(
    arrays={
        "support_images": ArraySpec((1, 32, 32, 3)),
        "support_masks": ArraySpec((1, 128)),
        "query_images": ArraySpec((1, 96, 96, 3)),
        "query_masks": ArraySpec((1, 1152)),
    },
    attributes={"objects": 1},
    shard=SHARD,
)


def scenes(count: int) -> Arrays:
    """Stand-ins for scenes of 32 characters: black with coloured rectangles, which compress about as well."""
    rng = np.random.default_rng(0)
    arrays = {name: np.zeros((count, *spec.shape), np.uint8) for name, spec in LAYOUT.arrays.items()}
    for image in arrays["query_images"][:, 0]:
        for top, left, height, width in rng.integers(2, 78, (32, 4)):
            image[top : top + height % 16, left : left + width % 12] = rng.integers(0, 255, 3)
    arrays["query_masks"][:, 0, 200:300] = 255
    return arrays


def by_shards(store: EpisodeStore) -> Iterator[Arrays]:
    """What training does."""
    feed = Feed({"bench": store}, batch=BATCH, seed=0, stage="bench", readers=1)
    return feed.batches(0, feed.epoch)


def one_by_one(store: EpisodeStore) -> Iterator[Arrays]:
    """The plain way: every episode of a random batch read by itself."""
    for number in range(2):
        rows = np.random.default_rng(number).integers(0, EPISODES, BATCH)
        found = [store.read(int(row), int(row) + 1) for row in rows]
        yield {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def rate(batches: Callable[[EpisodeStore], Iterator[Arrays]], store: EpisodeStore) -> float:
    """Episodes a second."""
    start, seen = time.perf_counter(), 0
    for batch in batches(store):
        seen += len(batch["query_images"])
    return seen / (time.perf_counter() - start)


def main() -> None:
    """Alternate the two and print the ratio of each round."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.zarr"
        group = create_store(path, LAYOUT, EPISODES)
        shard = scenes(SHARD)
        for start in range(0, EPISODES, SHARD):
            for name, values in shard.items():
                group[name][start : start + SHARD] = values
        store = EpisodeStore(path)
        next(by_shards(store))
        rounds = [(rate(by_shards, store), rate(one_by_one, store)) for _ in range(ROUNDS)]
    ratios = [fast / slow for fast, slow in rounds]
    print(f"feeding batches of {BATCH} from {EPISODES:,} episodes of 96x96, one reader, {ROUNDS} rounds")
    print(f"{'whole shards, shuffled':32}{median(f for f, _ in rounds):12,.0f} episodes/s")
    print(f"{'single episodes':32}{median(s for _, s in rounds):12,.0f} episodes/s")
    print(f"{'ratio (must be 10, aim 30)':32}{median(ratios):12.0f} [{min(ratios):.0f} to {max(ratios):.0f}]")


if __name__ == "__main__":
    main()
