"""CollTex (Ustyuzhaninov, Michaelis, Brendel, Bethge 2018, section 2.1): collages of textures in Voronoi regions.

Support: a square crop of the texture of one region. Query: the collage, labelled by its regions, 1 to N. Textures are
never moved: a region shows its texture at the collage's own coordinates. Episode i is one function of the seed, the
number of regions, the split and i; reference patches of another size are cut from the same collages.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError, nearest
from pipeline.render.counted import Stream, below, draw_distinct, episode_keys
from pipeline.render.jit import compiled
from pipeline.render.memset import fill_bytes
from pipeline.render.patch import Place, copy_spans, crop, place_apart, place_within
from pipeline.render.prefetch import prefetch
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
    """Whether two regions may show one texture; both then have the label of the first."""
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
    labels: NDArray[np.int64]
    """What the k-th region is called: k + 1, or as the first one of the same texture."""
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
        regions = f"colltex-{self._collage.least}-{self._collage.most}"
        keys = episode_keys(self._seed, regions, self._split, index * self.layout.shard, count)
        side, patch = self._side, self._collage.patch
        arrays["support_masks"][:] = np.packbits(np.ones(patch * patch, np.uint8))
        images = arrays["query_images"].reshape(count, side, 3 * side)
        labels, targets = arrays["query_labels"][:, 0], arrays["query_targets"][:, 0]
        patches = arrays["support_images"].reshape(count, patch, 3 * patch)
        for part in self._textures.blocks(count):
            drawn = (images[part], labels[part], targets[part], patches[part])
            render_collages(keys[part], self._textures.pixels, self._collage, *drawn)
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
        desk.labels[k] = k + 1
        if collage.moved:
            desk.tops[k], desk.lefts[k] = place_within(stream, size, side)
        for j in range(k if collage.replacement else 0):
            if desk.textures[j] == desk.textures[k]:  # one texture, one crop, one label
                desk.tops[k], desk.lefts[k], desk.labels[k] = desk.tops[j], desk.lefts[j], desk.labels[j]
    filled = sort_anchors(desk.x[:n], desk.y[:n], desk.anchors)
    return filled, desk.anchors.region[below(stream, filled)]


@compiled
def _place(
    stream: Stream, desk: _Desk, collage: Collage, labels: NDArray[np.uint8], target: int, side: int, size: int
) -> Place:
    # Where the patch lies in its whole texture.
    top, left = desk.tops[target], desk.lefts[target]
    if not collage.disjoint:
        row, column = place_within(stream, side, collage.patch)
        return top + row, left + column
    visible = np.zeros((size, size), np.uint8)
    for row in range(side):
        for column in range(side):
            visible[top + row, left + column] = labels[row, column] == desk.labels[target]
    return place_apart(stream, visible, collage.patch)


@compiled
def _cut_up(
    desk: _Desk, filled: int, bank: NDArray[np.uint8], labels: NDArray[np.uint8], size: int, over: NDArray[np.float64]
) -> int:
    # List which bytes of the bank go where in the collage, ask for them, and label its pixels; return how many spans.
    count, side, anchors, spans, flat = 0, len(labels), desk.anchors, desk.spans, labels.reshape(-1)
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
            prefetch(bank, copied[0], copied[2])
            fill_bytes(flat, row * side + start, desk.labels[k], stop - start)
    return count


@compiled
def render_collages(
    keys: NDArray[np.uint64],
    textures: NDArray[np.uint8],
    collage: Collage,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    targets: NDArray[np.uint8],
    patches: NDArray[np.uint8],
) -> None:
    """Draw the episodes of `keys` (B,) with `textures` (T, S, 3 S).

    Into `images` (B, s, 3 s), `labels` (B, s, s), `targets` (B,), their numbers there, and `patches` (B, p, 3 p).
    """
    n, side, size = collage.most, images.shape[1], textures.shape[1]
    room, copied = np.empty((11, n), np.int64), np.empty((side * n, 3), np.int64)
    anchors, spans = Anchors(room[0], room[1], room[2]), Spans(room[3], room[4])
    desk = _Desk(room[5], room[6], room[7], room[8], room[9], anchors, spans, room[10], copied)
    over, stream, bank = reciprocals(side), np.empty(1, np.uint64), textures.reshape(-1)
    for sample in range(len(keys)):
        stream[0], shown = keys[sample], labels[sample]
        filled, target = _choose(stream, desk, collage, textures.shape[0], side, size)
        targets[sample] = desk.labels[target]
        count = _cut_up(desk, filled, bank, shown, size, over)
        copy_spans(bank, images[sample].reshape(-1), desk.copied[:count])
        place = _place(stream, desk, collage, shown, target, side, size)
        crop(textures[desk.textures[target]], place, patches[sample])
