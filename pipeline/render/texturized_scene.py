"""Whole scenes of texturized Omniglot: where characters lie, what covers what, and which texture shows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.counted import Stream, below, draw_distinct, uniform
from pipeline.render.glyph_maps import GlyphMaps, paint
from pipeline.render.jit import compiled
from pipeline.render.omniglot import SIDE
from pipeline.render.patch import copy_row, copy_spans, crop, place_within

ATTEMPTS = 1000
"""Scenes without any such target in a row after which one with a smaller target is kept."""


class Scene(NamedTuple):
    """How scenes are made."""

    characters: int
    background: bool
    patch: int
    released: bool
    moved: bool
    """Whether a texture larger than the scene is cropped at random, not in its centre."""
    visible: int
    """Pixels that must show of a target."""


class _Desk(NamedTuple):
    # Room for one scene of n characters; number 0 is the background.
    textures: NDArray[np.int64]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    seen: NDArray[np.int64]
    way: NDArray[np.int64]
    extent: NDArray[np.int64]
    """(side, 2): first and last (exclusive) column of a row that characters may have reached."""
    runs: NDArray[np.int32]
    """(side^2, 4): row, first and last (exclusive) column, and character."""


@compiled
def draw_way(stream: Stream, released: bool, side: int, way: NDArray[np.int64]) -> None:
    """Draw how a character lies in a scene, as the way back to its drawing (`glyph_maps.paint`).

    `released`: whole degrees, two factors of [0.5, 2) over the greater of them, a shift of [-100, 100) of 256 pixels
    along each axis. Else: any angle, one factor, a whole centre of 28 .. 228 along each axis.
    """
    unit, centre = side / 256.0, (SIDE - 1) / 2
    if released:
        angle = np.deg2rad(float(below(stream, 360)))
        first, second = uniform(stream, 0.5, 2.0), uniform(stream, 0.5, 2.0)
        along_y, along_x = first / max(first, second), second / max(first, second)
        at_y, at_x = unit * uniform(stream, 28.0, 228.0), unit * uniform(stream, 28.0, 228.0)
    else:
        angle = uniform(stream, 0.0, 2 * np.pi)
        along_y = along_x = uniform(stream, 0.5, 2.0)
        low, high = 28 * side // 256, 228 * side // 256
        at_y, at_x = float(low + below(stream, high - low + 1)), float(low + below(stream, high - low + 1))
    # Scene = turned drawing, scaled along the scene's axes, shifted; this is the way back.
    cos, sin = np.cos(angle), np.sin(angle)
    xx, xy = cos / (unit * along_x), sin / (unit * along_y)
    yx, yy = -sin / (unit * along_x), cos / (unit * along_y)
    x0, y0 = centre - xx * at_x - xy * at_y, centre - yx * at_x - yy * at_y
    for k, value in enumerate((xx, xy, x0, yx, yy, y0)):
        way[k] = int(np.floor(value * 65536.0 + 0.5))


@compiled
def _keep_run(desk: _Desk, count: int, row: int, start: int, stop: int, character: int) -> int:
    desk.runs[count, 0], desk.runs[count, 1], desk.runs[count, 2], desk.runs[count, 3] = row, start, stop, character
    desk.seen[character] += stop - start
    return count + 1


@compiled
def _find_runs(desk: _Desk, labels: NDArray[np.uint8]) -> int:
    # Runs of one character along the rows, and how many pixels of each character there are.
    count, words = 0, labels.view(np.uint64)  # eight pixels without ink are passed over at once
    desk.seen[:] = 0
    for row in range(labels.shape[0]):
        character, start, stop = 0, 0, 0
        for word in range(desk.extent[row, 0] >> 3, (desk.extent[row, 1] + 7) >> 3):
            stop = 8 * word + 8
            if character == 0 and words[row, word] == 0:
                continue
            for column in range(8 * word, stop):
                if labels[row, column] != character:
                    if character > 0:
                        count = _keep_run(desk, count, row, start, column, character)
                    character, start = labels[row, column], column
        if character > 0:
            count = _keep_run(desk, count, row, start, stop, character)
    return count


@compiled
def _choose_target(stream: Stream, seen: NDArray[np.int64], visible: int) -> int:
    # One of the characters of which at least `visible` pixels show; 0 where there is none.
    good = 0
    for k in range(1, len(seen)):
        good += seen[k] >= visible
    if good == 0:
        return 0
    left, target = below(stream, good), 0
    while left >= 0:
        target += 1
        left -= seen[target] >= visible
    return target


@compiled
def _scatter(stream: Stream, desk: _Desk, maps: GlyphMaps, scene: Scene, labels: NDArray[np.uint8]) -> tuple[int, int]:
    # Paint characters until enough of one shows; return how many runs they make, and the target.
    side, visible, count, target = labels.shape[0], scene.visible, 0, 0
    for attempt in range(ATTEMPTS):
        labels[:] = 0
        desk.extent[:, 0], desk.extent[:, 1] = side, 0
        for k in range(1, scene.characters + 1):
            draw_way(stream, scene.released, side, desk.way)
            paint(maps, below(stream, len(maps.starts)), desk.way, k, labels, desk.extent)
        count = _find_runs(desk, labels)
        target = _choose_target(stream, desk.seen, visible if attempt < ATTEMPTS - 1 else 1)
        if target > 0:
            break
    return count, target


@compiled
def render_scenes(
    keys: NDArray[np.uint64],
    textures: NDArray[np.uint8],
    maps: GlyphMaps,
    scene: Scene,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    targets: NDArray[np.uint8],
    patches: NDArray[np.uint8],
) -> None:
    """Draw the episodes of `keys` (B,) with `textures` (T, S, 3 S).

    Into `images` (B, s, 3 s), zeroed, `labels` (B, s, s), 1 to n and 0 for none, `targets` (B,), their numbers there,
    and `patches` (B, p, 3 p).
    """
    n, side, size = scene.characters, images.shape[1], textures.shape[1]
    room, way, extent = np.zeros((4, n + 1), np.int64), np.zeros(6, np.int64), np.zeros((side, 2), np.int64)
    runs, copied = np.empty((side * side, 4), np.int32), np.empty((side * side, 3), np.int64)
    desk = _Desk(room[0], room[1], room[2], room[3], way, extent, runs)
    stream, bank = np.empty(1, np.uint64), textures.reshape(-1)
    for sample in range(len(keys)):
        stream[0], image = keys[sample], images[sample]
        draw_distinct(stream, textures.shape[0], desk.textures[0 if scene.background else 1 :])
        for k in range(n + 1):
            desk.tops[k] = desk.lefts[k] = (size - side) // 2
            if scene.moved:
                desk.tops[k], desk.lefts[k] = place_within(stream, size, side)
        count, target = _scatter(stream, desk, maps, scene, labels[sample])
        targets[sample] = target
        for row in range(side if scene.background else 0):
            copy_row(textures[desk.textures[0], desk.tops[0] + row], 3 * desk.lefts[0], image[row], 0, 3 * side)
        for r in range(count):
            row, start, stop, k = desk.runs[r]
            pixel = (desk.textures[k] * size + desk.tops[k] + row) * size + desk.lefts[k] + start
            copied[r, 0], copied[r, 1], copied[r, 2] = 3 * pixel, 3 * (row * side + start), 3 * (stop - start)
        copy_spans(bank, image.reshape(-1), copied[:count])
        row, column = place_within(stream, side, scene.patch)
        crop(textures[desk.textures[target]], (desk.tops[target] + row, desk.lefts[target] + column), patches[sample])
