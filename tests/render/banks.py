"""Small banks of textures in the layout of the stage texturize."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import ArraySpec, Layout, create_store
from pipeline.manifest import Manifest, digest_tree, write_json
from pipeline.render.textures import Textures

SIDE = 64


def noise(count: int, side: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    """Textures (count, side, side, 3) whose red channel is the texture's own number, 1 and up, and the rest noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(1, count + 1)[:, None, None]
    return pixels


def held(pixels: NDArray[np.uint8]) -> Textures:
    """Textures in memory, without a bank."""
    return Textures(pixels.reshape(*pixels.shape[:2], -1))


def write_bank(path: Path, count: int = 40, side: int = SIDE, seed: int = 0) -> Path:
    """A bank `<path>.zarr` of `noise` with its manifest; return the store."""
    store, pixels = path.with_suffix(".zarr"), noise(count, side, seed)
    names = [f"category{i % 3}/texture_{i:04}.jpg" for i in range(count)]
    arrays = {"textures": ArraySpec(pixels.shape[1:])}
    layout = Layout(arrays=arrays, attributes={"names": names, "side": side}, shard=16, chunk=8)
    create_store(store, layout, count)["textures"][:] = pixels  # type: ignore[index]
    manifest = Manifest(kind="store", digest=digest_tree(store), recipe={}, code="sha256:0")
    write_json(path.with_suffix(".json"), manifest.model_dump())
    return store
