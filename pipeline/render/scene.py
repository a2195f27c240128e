"""Whole scenes of cluttered Omniglot: one compiled call replays one job of the published random stream.

The order of draws is that of the released generator (Michaelis et al. 2018), so that the bytes are the published ones:
class and drawer of the target; the distractors; one number for the empty test; the target in the scene; occluders; the
target alone. The two rejections differ, as they did there: a drawing without ink is dropped before its colour is drawn,
one whose crop is empty after.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled
from pipeline.render.mt19937 import STATE_SIZE, State, random_below, random_sample, seed_state, uniform
from pipeline.render.transform import CANVAS, UNIT, Drawn, Ink, draw_glyph, transform

Bytes = NDArray[np.uint8]
ATTEMPTS = 10_000
"""Rejections in a row after which a drawing counts as one that cannot be drawn."""
_TURN, _SHEAR, _OCTAVE = 20.0, 10.0, 1.0


class Pictures(NamedTuple):
    """What a job's pictures are drawn into; the first axis counts samples."""

    supports: Bytes
    """(N, 32, 32, 3), zeroed."""
    support_bits: Bytes
    """(N, 128): the support's ink, most significant bit first; zeroed."""
    scenes: Bytes
    """(N, 96, 96, 3), zeroed."""
    scene_bits: Bytes
    """(N, 1152): the target's ink in the scene; zeroed."""


class Traces(NamedTuple):
    """What only an oracle may see, drawn instead of pictures; M characters a scene. All arrays start zeroed."""

    instances: NDArray[np.uint16]
    """(N, 96, 96): k where the k-th drawn character shows, 0 background."""
    classes: NDArray[np.uint16]
    """(N, M): position in the split's sorted list of characters."""
    drawers: Bytes
    """(N, M): position among the character's 20 drawings."""
    boxes: Bytes
    """(N, M, 4): left, top, width, height of the cropped drawing."""
    colours: Bytes
    """(N, M, 3)."""
    visible: NDArray[np.uint16]
    """(N, M): pixels that nothing covers."""
    target: NDArray[np.uint16]
    """(N,): which k is the target, 0 in an empty scene."""


class Clutter(NamedTuple):
    """What a scene is made of."""

    characters: int
    """n: distractors and target together."""
    occluders: int
    """Characters pasted over the target; its mask is not reduced."""
    empty: float
    """Chance that the scene gets a random character instead of the target, and an all-zero mask."""


class Bank(NamedTuple):
    """A split's drawings."""

    bits: Bytes
    """(C, D, 128, 16): `glyphs.pack`."""
    boxes: Bytes
    """(C, D, 4): left, top, right, bottom of the ink; exclusive."""
    first_drawer: int
    """Position of drawing 0 among the character's 20."""


class Desk(NamedTuple):
    """Room to work in, so that no memory is asked for while drawing."""

    state: State
    ink: Ink
    table: NDArray[np.int32]
    colour: Bytes
    """(3,): the colour of the drawing at hand."""


@compiled
def _draw(desk: Desk, bits: Bytes, box: Bytes, base: float) -> Drawn:
    # One attempt; `base` 2 scales by half to double, base 1 not at all.
    state = desk.state
    degrees = uniform(state, -_TURN, _TURN), uniform(state, -_SHEAR, _SHEAR)
    scales = base ** uniform(state, -_OCTAVE, _OCTAVE), base ** uniform(state, -_OCTAVE, _OCTAVE)
    drawn = draw_glyph(bits, box, transform(degrees, scales), desk.ink, desk.table)
    if drawn[1] >= 0:
        for channel in range(3):
            desk.colour[channel] = int(255.0 * random_sample(state))
    return drawn


@compiled
def _draw_any(desk: Desk, bank: Bank) -> tuple[Drawn, int, int]:
    # A random drawing of the bank, its class and drawer; width 0 where none could be drawn.
    for _ in range(ATTEMPTS):
        which = random_below(desk.state, bank.bits.shape[0])
        drawer = random_below(desk.state, bank.bits.shape[1])
        drawn = _draw(desk, bank.bits[which, drawer], bank.boxes[which, drawer], 2.0)
        if drawn[1] > 0 and drawn[2] > 0:
            return drawn, which, drawer
    return (0, 0, 0), 0, 0


@compiled
def _draw_this(desk: Desk, bits: Bytes, box: Bytes, base: float) -> Drawn:
    for _ in range(ATTEMPTS):
        drawn = _draw(desk, bits, box, base)
        if drawn[1] > 0 and drawn[2] > 0:
            return drawn
    return 0, 0, 0


@compiled
def _paste(image: Bytes, desk: Desk, count: int, left: int, top: int) -> None:
    # Pillow's paste: what lies outside the image is clipped.
    red, green, blue = desk.colour
    for k in range(count):
        x, y = (desk.ink[k] & 255) + left, (desk.ink[k] >> 8) + top
        if x >= 0 and y >= 0 and x < image.shape[1] and y < image.shape[0]:
            image[y, x, 0] = red
            image[y, x, 1] = green
            image[y, x, 2] = blue


@compiled
def _paste_bits(bits: Bytes, side: int, desk: Desk, count: int, left: int, top: int) -> None:
    for k in range(count):
        x, y = (desk.ink[k] & 255) + left, (desk.ink[k] >> 8) + top
        if x >= 0 and y >= 0 and x < side and y < side:
            bits[(y * side + x) >> 3] |= 128 >> ((y * side + x) & 7)


@compiled
def _put(
    desk: Desk,
    drawn: Drawn,
    who: tuple[int, int, int, int, bool],
    pictures: Pictures | None,
    traces: Traces | None,
) -> None:
    # Paste a drawing at a random place; `who`: sample, order, class, drawer, whether it is the target.
    count, width, height = drawn
    left, top = random_below(desk.state, CANVAS - width + 1), random_below(desk.state, CANVAS - height + 1)
    sample, order, which, drawer, target = who
    if pictures is not None:
        _paste(pictures.scenes[sample], desk, count, left, top)
        if target:
            _paste_bits(pictures.scene_bits[sample], CANVAS, desk, count, left, top)
    if traces is not None:
        for k in range(count):
            traces.instances[sample, (desk.ink[k] >> 8) + top, (desk.ink[k] & 255) + left] = order + 1
        traces.classes[sample, order] = which
        traces.drawers[sample, order] = drawer
        for channel in range(3):  # one by one: assigning the slice would compile numba's message on wrong shapes
            traces.colours[sample, order, channel] = desk.colour[channel]
        box = traces.boxes[sample, order]
        box[0], box[1], box[2], box[3] = left, top, width, height
        if target:
            traces.target[sample] = order + 1


@compiled
def _scatter(
    desk: Desk, bank: Bank, sample: int, start: int, stop: int, pictures: Pictures | None, traces: Traces | None
) -> bool:
    # Random characters, the start-th to before the stop-th of the scene; False where one could not be drawn.
    for order in range(start, stop):
        drawn, which, drawer = _draw_any(desk, bank)
        if drawn[1] == 0:
            return False
        _put(desk, drawn, (sample, order, which, drawer + bank.first_drawer, False), pictures, traces)
    return True


@compiled
def _render_sample(
    desk: Desk, bank: Bank, clutter: Clutter, sample: int, pictures: Pictures | None, traces: Traces | None
) -> bool:
    which = random_below(desk.state, bank.bits.shape[0])
    drawer = random_below(desk.state, bank.bits.shape[1])
    bits, box = bank.bits[which, drawer], bank.boxes[which, drawer]
    last = clutter.characters - 1
    if not _scatter(desk, bank, sample, 0, last, pictures, traces):
        return False
    if random_sample(desk.state) < clutter.empty:
        if not _scatter(desk, bank, sample, last, last + 1, pictures, traces):
            return False
    else:
        drawn = _draw_this(desk, bits, box, 2.0)
        if drawn[1] == 0:
            return False
        _put(desk, drawn, (sample, last, which, drawer + bank.first_drawer, True), pictures, traces)
    if not _scatter(desk, bank, sample, last + 1, last + 1 + clutter.occluders, pictures, traces):
        return False
    drawn = _draw_this(desk, bits, box, 1.0)
    if pictures is not None:
        left, top = (UNIT - drawn[1]) // 2, (UNIT - drawn[2]) // 2
        _paste(pictures.supports[sample], desk, drawn[0], left, top)
        _paste_bits(pictures.support_bits[sample], UNIT, desk, drawn[0], left, top)
    return drawn[1] > 0


@compiled
def render_job(
    seed: int, count: int, bank: Bank, clutter: Clutter, pictures: Pictures | None, traces: Traces | None
) -> bool:
    """Replay the first `count` samples of the job that `seed` starts, into `pictures`, `traces` or both.

    False where a drawing is so small that it was rejected `ATTEMPTS` times in a row.
    """
    desk = Desk(
        np.empty(STATE_SIZE, np.uint32),
        np.empty(CANVAS * CANVAS + 1, np.int32),
        np.empty((4, CANVAS), np.int32),
        np.empty(3, np.uint8),
    )
    seed_state(desk.state, seed)
    for sample in range(count):
        if not _render_sample(desk, bank, clutter, sample, pictures, traces):
            return False
        if traces is not None:
            visible = traces.visible[sample]
            for instance in traces.instances[sample].flat:
                if instance > 0:
                    visible[instance - 1] += 1
    return True
