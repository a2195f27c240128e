"""Texturized cluttered Omniglot (Ustyuzhaninov, Michaelis, Brendel, Bethge 2018, section 2.2).

Characters filled with a texture each on black, or on one more texture; later ones cover earlier ones. Support: a square
crop of the target's texture. Query: the scene, labelled by who shows where, 1 to n, 0 for none. Textures are aligned
to the scene and do not move with the characters. Episode i is one function of the seed, the data set, the split and i.

Two geometries. `released`, as the authors' generator: a turn, a squeeze of one axis of the scene by up to 4 and a
shift; strokes become about twice as wide. `paper`, as the text says: a turn, one scale of 1/2 to 2 and a shift.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError, nearest
from pipeline.render.counted import episode_keys
from pipeline.render.glyph_maps import Kind, make_maps
from pipeline.render.glyphs import pack
from pipeline.render.held_out import split_rows
from pipeline.render.omniglot import read_omniglot
from pipeline.render.reference import (
    LENGTH,
    PUBLISHED_SIDE,
    check_sizes,
    read_bank,
    reference_layout,
    shrunk,
    stream_source,
)
from pipeline.render.stream import Replay, read_stream
from pipeline.render.textures import Textures
from pipeline.render.texturized_scene import Scene, render_scenes

KINDS: dict[str, Kind] = {"released": "distance", "paper": "coverage"}
"""Geometry -> the maps its characters are sampled from."""
VISIBLE = 50
"""Pixels of a published scene that must show of a target."""


class TexturizedOmniglot:
    """Renderer of one split."""

    length = LENGTH

    def __init__(
        self, textures: Textures, drawings: NDArray[np.uint8], *, split: str, side: int, scene: Scene, seed: int
    ) -> None:
        """Draw scenes (side, side, 3) of characters, packed as (C, D, 128, 16), filled with `textures`."""
        characters, drawers, *packed = drawings.shape
        self.facts: Mapping[str, int] = {
            "textures": textures.count,
            "characters": characters,
            "drawings": characters * drawers,
        }
        self.layout = reference_layout(side, scene.patch)
        self._maps = make_maps(drawings.reshape(-1, *packed), KINDS["released" if scene.released else "paper"])
        self._textures, self._drawings, self._split, self._side = textures, drawings, split, side
        self._scene, self._seed = scene, seed

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` episodes of shard `index`."""
        arrays = {name: np.empty((count, *spec.shape), spec.dtype) for name, spec in self.layout.arrays.items()}
        arrays["query_images"][:] = 0  # all else is written whole
        side, patch = self._side, self._scene.patch
        name = f"texturized_omniglot-{self._scene.characters}" + ("-background" if self._scene.background else "")
        arrays["support_masks"][:] = np.packbits(np.ones(patch * patch, np.uint8))
        keys = episode_keys(self._seed, name, self._split, index * self.layout.shard, count)
        images = arrays["query_images"].reshape(count, side, 3 * side)
        labels, targets = arrays["query_labels"][:, 0], arrays["query_targets"][:, 0]
        patches = arrays["support_images"].reshape(count, patch, 3 * patch)
        for part in self._textures.blocks(count):
            drawn = (images[part], labels[part], targets[part], patches[part])
            render_scenes(keys[part], self._textures.pixels, self._maps, self._scene, *drawn)
        return arrays

    def bank(self) -> Arrays:
        """The packed drawings; the textures are read from their bank again."""
        return {"drawings": self._drawings}


def renderer(
    *,
    split: str,
    sources: Mapping[str, Path],
    side: int,
    characters: int,
    patch: int,
    background: bool = False,
    geometry: str = "released",
    seed: int = 0,
) -> TexturizedOmniglot:
    """Renderer of `split` (`train` or `test`): scenes of side `side` with `characters` characters.

    `patch` is the reference's side, in pixels of a published scene of 256. `sources["omniglot"]` holds the official
    archives or folders, the other one is a bank of textures, the path of its store. `UserError` for values out of
    range.
    """
    if "omniglot" not in sources:
        raise UserError("the renderer 'texturized_omniglot' needs the source 'omniglot': add it in suite.yaml")
    scene = _check(characters, background, patch, geometry, side, moved=split == "train")
    textures = _read_textures(sources, split, scene, side)
    drawings = read_characters(sources["omniglot"], split)
    return TexturizedOmniglot(textures, drawings, split=split, side=side, scene=scene, seed=seed)


def replay(store: Path) -> Replay:
    """The stream whose drawings and recipe lie at `store`; it reads the textures from their bank."""
    arrays, attributes = read_stream(store)
    split, drawings = attributes["split"], arrays["drawings"]
    values: dict[str, Any] = {"background": False, "geometry": "released", "seed": 0} | attributes["parameters"]
    side, seed = values.pop("side"), values.pop("seed")
    scene = _check(**values, side=side, moved=split == "train")
    textures = _read_textures(stream_source(store, attributes), split, scene, side)
    drawn = TexturizedOmniglot(textures, drawings, split=split, side=side, scene=scene, seed=seed)
    return Replay(drawn, attributes["episodes"])


def read_characters(source: Path, split: str) -> NDArray[np.uint8]:
    """The packed drawings of a split, (C, 20, 128, 16): of both parts of Omniglot, by all drawers."""
    names, drawings = [], []
    for part in ("background", "evaluation"):
        found = read_omniglot(source, part)
        names += [name.rpartition("/")[0] for alphabet in found.alphabets for name, *_ in alphabet]
        drawings.append(pack(found.read(slice(None), range(20))))
    return np.concatenate(drawings)[split_rows(names, split)]


def _read_textures(sources: Mapping[str, Path], split: str, scene: Scene, side: int) -> Textures:
    textures = read_bank("texturized_omniglot", sources, split, beside="omniglot")
    check_sizes(textures, side, scene.characters + scene.background, split)
    return textures


def _check(characters: int, background: bool, patch: int, geometry: str, side: int, *, moved: bool) -> Scene:
    if not 1 <= characters <= 254:
        raise UserError(f"characters={characters}: a scene holds 1 to 254 characters (published: 4 to 32)")
    if geometry not in KINDS:
        raise UserError(f"geometry={geometry}: it is unknown; {nearest(geometry, KINDS)}")
    visible = max(1, VISIBLE * side * side // PUBLISHED_SIDE**2)
    return Scene(characters, background, shrunk(patch, side), geometry == "released", moved, visible)
