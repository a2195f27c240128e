"""Made-up clips in DAVIS's layout: textured shapes that move over a textured, moving background, with exact masks.

What tells a shape from what it moves over is its texture alone: all textures have the same histogram in every channel
(`dtd.texture`). A shape carries its texture with it; it is an ellipse whose axes breathe.
Frames are PNGs where DAVIS has JPEGs, so that the bytes are the same on every machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from pipeline.download.samples.dtd import texture

FOLDER, SIZE = "DAVIS", "480p"
"""What the official archive unpacks to, and how it names this size, whatever the frames' height."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """One sequence."""

    name: str
    images: Pixels
    """(T, H, W, 3)."""
    masks: Pixels
    """(T, H, W): 0 background, 1..O objects; a later object hides an earlier one."""


@dataclass(frozen=True)
class _Shape:
    # A texture, and in whole pixels where its centre is in frame 0, how far it goes each frame, and half its size.
    texture: Pixels
    place: tuple[int, int]
    step: tuple[int, int]
    half: tuple[int, int]
    away: int = 0
    """How much farther to the left it is in the middle of the clip: enough to be out of the picture, or nothing."""


def clip(
    random: Generator, name: str, *, frames: int, width: int, height: int, objects: int = 1, leaves: bool = False
) -> Clip:
    """A clip of `frames` frames (height, width) with `objects` shapes, drawn from `random` alone.

    With `leaves`, the first shape leaves the picture to the left and is back at the end.
    """
    side = max(width, height)
    turn = int(random.integers(180))
    textures = [texture(random, turn + 180 * k // (objects + 1), 5.0 + 2.5 * (k % 3), side) for k in range(objects + 1)]
    shapes = [_shape(random, textures[k], k, objects, width, height) for k in range(1, objects + 1)]
    if leaves:
        shapes[0] = replace(shapes[0], away=2 * width)
    drift = (int(random.integers(1, 3)), int(random.integers(-2, 3)))
    images = np.empty((frames, height, width, 3), np.uint8)
    masks = np.zeros((frames, height, width), np.uint8)
    for t in range(frames):
        images[t] = _moved(textures[0], drift[0] * t, drift[1] * t)[:height, :width]
        for number, shape in enumerate(shapes, start=1):
            gone = shape.away * min(t, frames - 1 - t) // max(1, frames - 1)
            _draw(images[t], masks[t], shape, number, t, gone)
    return Clip(name, images, masks)


def write(target: Path, lists: Mapping[str, Sequence[Clip]], values: Sequence[int], year: int) -> None:
    """Write clips below `target`/DAVIS; object k has the grey value `values`[k] in its mask (`values`[0]: background).

    `ImageSets/<year>/<list>.txt` names the sequences of each list, and `ImageSets/480p/<list>.txt` every frame beside
    its mask.
    """
    table = np.zeros(256, np.uint8)
    table[: len(values)] = values
    for name, clips in lists.items():
        lines = [line for each in clips for line in _write(target / FOLDER, each, table)]
        for kind, text in ((SIZE, lines), (str(year), [f"{each.name}\n" for each in clips])):
            listed = target / FOLDER / "ImageSets" / kind / f"{name}.txt"
            listed.parent.mkdir(parents=True, exist_ok=True)
            listed.write_text("".join(text))


def _write(folder: Path, each: Clip, table: Pixels) -> Iterator[str]:
    places = [Path(kind) / SIZE / each.name for kind in ("JPEGImages", "Annotations")]
    for place in places:
        (folder / place).mkdir(parents=True)
    for t, (image, mask) in enumerate(zip(each.images, each.masks, strict=True)):
        names = [place / f"{t:05}.png" for place in places]
        for name, pixels in zip(names, (image, table[mask]), strict=True):
            Image.fromarray(pixels).save(folder / name, compress_level=0)
        yield " ".join(f"/{name.as_posix()}" for name in names) + "\n"


def _shape(random: Generator, pixels: Pixels, number: int, objects: int, width: int, height: int) -> _Shape:
    """Shapes start side by side, each in its share of the width, and go towards the middle."""
    half = width // (3 + objects), height * 3 // 8
    left = (2 * number - 1) * width // (2 * objects)
    place = left if objects > 1 else width * 3 // 8, height // 2 + int(random.integers(-2, 3))
    direction = 1 if place[0] < width // 2 else -1
    return _Shape(pixels, place, (direction * int(random.integers(1, 3)), int(random.integers(-1, 2))), half)


def _draw(image: Pixels, mask: Pixels, shape: _Shape, number: int, t: int, gone: int) -> None:
    x, y = (start + step * t for start, step in zip(shape.place, shape.step, strict=True))
    x -= gone
    breath = abs(t % 8 - 4) - 2
    across, down = shape.half[0] + breath, shape.half[1] - breath
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    inside = ((columns - x) * down) ** 2 + ((rows - y) * across) ** 2 <= (across * down) ** 2
    image[inside] = _moved(shape.texture, x, y)[: mask.shape[0], : mask.shape[1]][inside]
    mask[inside] = number


def _moved(pixels: Pixels, right: int, down: int) -> Pixels:
    # Textures are periodic: what leaves on one side comes in on the other.
    return np.roll(pixels, (down, right), axis=(0, 1))
