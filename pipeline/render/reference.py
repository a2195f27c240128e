"""What the renderers of textured scenes share: episodes of one reference patch and one scene, and their bank."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.episodes import ArraySpec, Layout
from pipeline.errors import UserError
from pipeline.manifest import read_manifest
from pipeline.render.textures import Textures, read_textures

PUBLISHED_SIDE = 256
"""Pixels of a published scene; smaller ones are the same, shrunk, reference patches included."""
LENGTH = 100_000_000
"""Episodes of a split: as many as anyone may ask for, since they are drawn, not taken from a list."""
SHARD = 100


def shrunk(patch: int, side: int) -> int:
    """Side of a reference in a scene of `side`, where published scenes have `patch`; `UserError` for a wrong one."""
    if side < 8 or side % 8:
        raise UserError(f"side={side}: the side of a scene is a multiple of 8 pixels (published: 256)")
    least = -(-PUBLISHED_SIDE // side)
    if not least <= patch <= PUBLISHED_SIDE:
        wrong = f"patch={patch}: in scenes of {side} pixels a reference is {least} to {PUBLISHED_SIDE}"
        raise UserError(f"{wrong}, in pixels of a published scene: a texture has no more (published: 16 to 128)")
    return patch * side // PUBLISHED_SIDE


def reference_layout(side: int, patch: int) -> Layout:
    """One support (patch, patch, 3) with a mask of ones, one query (side, side, 3) with a label map and its target."""
    return Layout(
        arrays={
            "support_images": ArraySpec((1, patch, patch, 3)),
            "support_masks": ArraySpec((1, -(-patch * patch // 8))),
            "query_images": ArraySpec((1, side, side, 3)),
            "query_labels": ArraySpec((1, side, side), fill=0),
            "query_targets": ArraySpec((1,), fill=0),
        },
        attributes={"objects": 1},
        shard=SHARD,
        chunk=25,
    )


def read_bank(renderer: str, sources: Mapping[str, Path], split: str, beside: str | None = None) -> Textures:
    """The textures of `split` in the one bank among `sources`, which may hold the source `beside`, too."""
    banks = [name for name in sources if name != beside]
    if len(banks) != 1:
        found = f"one bank of textures, not {len(banks)}"
        raise UserError(f"the renderer '{renderer}' needs {found}: name it under `banks` in suite.yaml")
    return read_textures(sources[banks[0]], split)


def check_sizes(textures: Textures, side: int, needed: int, split: str) -> None:
    """`UserError` unless scenes of `side` and `needed` different textures can be made of those of `split`."""
    if textures.side < side:
        small = f"side={side}: the textures of the bank have only {textures.side} pixels"
        raise UserError(f"{small}: lower `side`, or raise the bank's in suite.yaml")
    if textures.count < needed:
        few = f"a scene needs {needed} textures, but the split '{split}' has {textures.count}"
        raise UserError(f"{few}: ask for fewer in suite.yaml, or get more textures")


def stream_source(store: Path, attributes: Mapping[str, Any]) -> dict[str, Path]:
    """The banks behind a stream, by name; `UserError` where one has changed since the stream was written."""
    found = {}
    for name, path in attributes["banks"].items():
        manifest = read_manifest(Path(path))
        if manifest.digest != attributes["digests"][name]:
            raise UserError(f"the bank {path} is not the one that {store} was written for: run snakemake")
        found[name] = Path(path).with_suffix(".zarr")
    return found
