"""Opening a train split: its rendered store, or, for a stream, the renderer that replays its jobs; with oracle data."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.episodes import Arrays
from pipeline.errors import UserError
from pipeline.manifest import read_manifest
from pipeline.train.feed import Shards


class WithOracle:
    """A split whose episodes carry oracle data from stores of their own, as arrays `oracle_<field>`."""

    def __init__(self, split: Shards, oracles: Mapping[str, Shards]) -> None:
        """`oracles` are cut into the shards of `split`; each holds an array of its field's name."""
        self.length, self.shard = split.length, split.shard
        self._split, self._oracles = split, oracles

    def read_shard(self, index: int) -> Arrays:
        """All episodes of shard `index`, with their oracle data."""
        shown = {f"oracle_{field}": oracle.read_shard(index)[field] for field, oracle in self._oracles.items()}
        return self._split.read_shard(index) | shown


def open_split(manifest: Path, renderer: str | None) -> tuple[Shards, Mapping[str, Any]]:
    """Shards and attributes of the split that `manifest` describes; `renderer` is the module that replays a stream."""
    kind = read_manifest(manifest).kind
    store = manifest.with_suffix(".zarr")
    if kind == "stream":
        if renderer is None:
            raise UserError(f"{manifest} is a stream, but the job names no renderer: run snakemake with stream=true")
        replay = importlib.import_module(f"pipeline.render.{renderer}").replay(store)
        return replay, replay.layout.attributes
    from pipeline.episodes import EpisodeStore

    split = EpisodeStore(store)
    return split, split.attributes
