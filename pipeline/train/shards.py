"""Opening a train split: its rendered store, or, for a stream, the renderer that replays its jobs."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.manifest import read_manifest
from pipeline.train.feed import Shards


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
