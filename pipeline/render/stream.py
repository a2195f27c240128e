"""Streams: a train split kept as what replaying its jobs needs, instead of as episodes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.episodes import Arrays
from pipeline.errors import UserError
from pipeline.render.renderer import Renderer


class Replay:
    """A split that is rendered again whenever it is read; a training feeds from it as from an `EpisodeStore`."""

    def __init__(self, renderer: Renderer, length: int) -> None:
        """Replay the first `length` episodes of the renderer's split."""
        self.layout = renderer.layout
        self.attributes = dict(renderer.layout.attributes)
        self.length = length
        self.shard = renderer.layout.shard
        self._renderer = renderer

    @property
    def shards(self) -> int:
        """Number of shards, the last of which may be short."""
        return -(-self.length // self.shard)

    def read_shard(self, index: int) -> Arrays:
        """All episodes of shard `index`, drawn anew; the same bytes as those of the rendered store."""
        return self._renderer.shard(index, min(self.shard, self.length - index * self.shard))


def write_stream(path: Path, bank: Arrays, attributes: Mapping[str, Any]) -> None:
    """Write the arrays that replaying needs, whole, and the recipe: `split`, `parameters` and `episodes`."""
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.create_group(path, zarr_format=3, attributes=dict(attributes))
    for name, array in bank.items():
        codec = BloscCodec(cname="zstd", clevel=5, shuffle="shuffle")
        group.create_array(name, data=array, chunks=array.shape, compressors=codec)


def read_stream(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """What `write_stream` wrote: arrays and attributes; `UserError` where the store is missing or damaged."""
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        # By name: listing the group would warn of the timestamp that Snakemake leaves in folders.
        names = sorted(array.parent.name for array in path.glob("*/zarr.json"))
        return {name: group[name][...] for name in names}, dict(group.attrs)  # type: ignore[misc, index]
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"the stream {path} is missing or damaged ({error}): delete it and run snakemake") from None
