"""CollTex (Ustyuzhaninov, Michaelis, Brendel, Bethge 2018, section 2.1): collages of textures in Voronoi regions.

Support: a square crop of the texture of one region. Query: the collage, its mask the region. Textures are never moved:
a region shows its texture at the collage's own coordinates. Episode i is one function of the seed, the number of
regions, the split and i; reference patches of another size are cut from the same collages.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError, nearest
from pipeline.render.bits import set_span
from pipeline.render.counted import Stream, below, draw_distinct, episode_keys
from pipeline.render.jit import compiled
from pipeline.render.patch import Place, copy_spans, crop, place_apart, place_within
from pipeline.render.reference import LENGTH, check_sizes, read_bank, reference_layout, shrunk, stream_source
from pipeline.render.stream import Replay, read_stream
from pipeline.render.textures import Textures
from pipeline.render.voronoi import Anchors, Spans, reciprocals, row_cells, sort_anchors

REFERENCES = ("same", "disjoint")
"""Where the patch comes from: anywhere in the texture that fills the region, or from pixels nobody sees there."""


class Collage(NamedTuple):
    """How collages are made."""

    least: int
    """Fewest regions; every number up to `most` is as likely."""
    most: int
    patch: int
    """Pixels of the reference's side."""
    moved: bool
    """Whether a texture larger than the collage is cropped at random, not in its centre."""
    replacement: bool
    """Whether two regions may show one texture; the mask is then all of them."""
    disjoint: bool


class _Desk(NamedTuple):
    # Room for one collage of at most N regions.
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    textures: NDArray[np.int64]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    anchors: Anchors
    spans: Spans
    shown: NDArray[np.bool_]
    """Whether the k-th region belongs to the target."""
    copied: NDArray[np.int64]
    """(side * N, 3): what of the textures makes up the collage, as `copy_spans` takes it."""


class CollTex:
    """Renderer of one split."""

    length = LENGTH

    def __init__(self, textures: Textures, *, split: str, side: int, collage: Collage, seed: int) -> None:
        """Draw collages (side, side, 3) of `textures`."""
        self.facts: Mapping[str, int] = {"textures": textures.count}
        self.layout = reference_layout(side, collage.patch)
        self._textures, self._split, self._side, self._collage, self._seed = textures, split, side, collage, seed

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` episodes of shard `index`."""
        arrays = {name: np.empty((count, *spec.shape), spec.dtype) for name, spec in self.layout.arrays.items()}
        arrays["query_masks"][:] = 0  # all else is written whole
        regions = f"colltex-{self._collage.least}-{self._collage.most}"
        keys = episode_keys(self._seed, regions, self._split, index * self.layout.shard, count)
        side, patch = self._side, self._collage.patch
        arrays["support_masks"][:] = np.packbits(np.ones(patch * patch, np.uint8))
        images = arrays["query_images"].reshape(count, side, 3 * side)
        masks = arrays["query_masks"].reshape(count, side, side // 8)
        patches = arrays["support_images"].reshape(count, patch, 3 * patch)
        for part in self._textures.blocks(count):
            render_collages(keys[part], self._textures.pixels, self._collage, images[part], masks[part], patches[part])
        return arrays

    def bank(self) -> Arrays:
        """Nothing: the textures are read from their bank again."""
        return {}


def renderer(
    *,
    split: str,
    sources: Mapping[str, Path],
    side: int,
    regions: int | Sequence[int],
    patch: int,
    replacement: bool = False,
    reference: str = "same",
    seed: int = 0,
) -> CollTex:
    """Renderer of `split` (`train` or `test`): collages of side `side` with `regions` regions, or from one to another.

    `patch` is the reference's side, in pixels of a published collage of 256. `sources` holds one bank of textures, the
    path of its store. `UserError` for values out of range.
    """
    collage = _check(regions, shrunk(patch, side), reference, replacement, moved=split == "train")
    textures = read_bank("colltex", sources, split)
    check_sizes(textures, side, 1 if replacement else collage.most, split)
    return CollTex(textures, split=split, side=side, collage=collage, seed=seed)


def replay(store: Path) -> Replay:
    """The stream whose recipe lies at `store`; it reads the textures from their bank."""
    _, attributes = read_stream(store)
    drawn = renderer(split=attributes["split"], sources=stream_source(store, attributes), **attributes["parameters"])
    return Replay(drawn, attributes["episodes"])


def _check(regions: int | Sequence[int], patch: int, reference: str, replacement: bool, *, moved: bool) -> Collage:
    least, most = (regions, regions) if isinstance(regions, int) else (regions[0], regions[-1])
    if not 1 <= least <= most <= 255:
        raise UserError(f"regions={regions}: a collage has 1 to 255 regions (published: 2 to 20)")
    if reference not in REFERENCES:
        raise UserError(f"reference={reference}: it is no kind of patch; {nearest(reference, REFERENCES)}")
    return Collage(least, most, patch, moved, replacement, reference == "disjoint")


@compiled
def _choose(stream: Stream, desk: _Desk, collage: Collage, count: int, side: int, size: int) -> tuple[int, int]:
    # Draw a collage: how many of its regions are not empty, and which one is the target.
    n = collage.least + below(stream, collage.most - collage.least + 1)
    for k in range(n):
        desk.x[k], desk.y[k] = below(stream, side), below(stream, side)
    if not collage.replacement:
        draw_distinct(stream, count, desk.textures[:n])
    for k in range(n):
        if collage.replacement:
            desk.textures[k] = below(stream, count)
        desk.tops[k] = desk.lefts[k] = (size - side) // 2
        if collage.moved:
            desk.tops[k], desk.lefts[k] = place_within(stream, size, side)
        for j in range(k if collage.replacement else 0):
            if desk.textures[j] == desk.textures[k]:  # one texture, one crop
                desk.tops[k], desk.lefts[k] = desk.tops[j], desk.lefts[j]
    filled = sort_anchors(desk.x[:n], desk.y[:n], desk.anchors)
    target = desk.anchors.region[below(stream, filled)]
    for k in range(n):
        desk.shown[k] = desk.textures[k] == desk.textures[target]
    return filled, target


@compiled
def _place(
    stream: Stream, desk: _Desk, collage: Collage, bits: NDArray[np.uint8], target: int, side: int, size: int
) -> Place:
    # Where the patch lies in its whole texture.
    top, left = desk.tops[target], desk.lefts[target]
    if not collage.disjoint:
        row, column = place_within(stream, side, collage.patch)
        return top + row, left + column
    visible = np.zeros((size, size), np.uint8)
    for row in range(side):
        for column in range(side):
            visible[top + row, left + column] = (bits[row, column >> 3] >> (7 - (column & 7))) & 1
    return place_apart(stream, visible, collage.patch)


@compiled
def _cut_up(desk: _Desk, filled: int, mask: NDArray[np.uint8], side: int, size: int, over: NDArray[np.float64]) -> int:
    # List which bytes of which texture go where in the collage, and mark the target's pixels; return how many spans.
    count, anchors, spans = 0, desk.anchors, desk.spans
    for row in range(side):
        cells = row_cells(anchors, filled, row, side, over, spans)
        for c in range(cells):
            start = spans.start[c]
            stop = spans.start[c + 1] if c + 1 < cells else side
            k = anchors.region[spans.anchor[c]]
            pixel = (desk.textures[k] * size + desk.tops[k] + row) * size + desk.lefts[k] + start
            copied = desk.copied[count]
            copied[0], copied[1], copied[2] = 3 * pixel, 3 * (row * side + start), 3 * (stop - start)
            count += 1
            if desk.shown[k]:
                set_span(mask[row], start, stop)
    return count


@compiled
def render_collages(
    keys: NDArray[np.uint64],
    textures: NDArray[np.uint8],
    collage: Collage,
    images: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    patches: NDArray[np.uint8],
) -> None:
    """Draw the episodes of `keys` (B,) with `textures` (T, S, 3 S).

    Into `images` (B, s, 3 s), packed `masks` (B, s, s / 8), zeroed, and `patches` (B, p, 3 p).
    """
    n, side, size = collage.most, images.shape[1], textures.shape[1]
    room, shown, copied = np.empty((10, n), np.int64), np.empty(n, np.bool_), np.empty((side * n, 3), np.int64)
    anchors, spans = Anchors(room[0], room[1], room[2]), Spans(room[3], room[4])
    desk = _Desk(room[5], room[6], room[7], room[8], room[9], anchors, spans, shown, copied)
    over, stream, bank = reciprocals(side), np.empty(1, np.uint64), textures.reshape(-1)
    for sample in range(len(keys)):
        stream[0], mask = keys[sample], masks[sample]
        filled, target = _choose(stream, desk, collage, textures.shape[0], side, size)
        count = _cut_up(desk, filled, mask, side, size, over)
        copy_spans(bank, images[sample].reshape(-1), desk.copied[:count])
        place = _place(stream, desk, collage, mask, target, side, size)
        crop(textures[desk.textures[target]], place, patches[sample])
