"""Video by texture (Ustyuzhaninov, Michaelis, Brendel, Bethge 2018, section 6.6): patches of frame 1 find the object.

An episode is a later frame of one sequence with its mask. All episodes of a sequence have the same supports, squares of
its first frame: of the object with masks of ones, and in turn of the background with masks of zeros, one of each kind a
shot. The paper says neither where its patches lie nor how large frames are. Here the longer side is a setting, the
other follows to the next multiple of 16, and patches lie as `object_places` and `background_places` say.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays, ArraySpec, Layout, pack_masks
from pipeline.errors import UserError
from pipeline.render.davis import Sequence, find_sequence, read_frame, read_object
from pipeline.render.patch import Place

UNIT = 16
"""Sides of frames are multiples of it: VGG halves them four times."""
SHARD = 10


class TextureVideo:
    """Renderer of one sequence: as many episodes as it has frames after the first."""

    def __init__(self, sequence: Sequence, *, longer: int, patch: int, patches: int) -> None:
        """Frames of longer side `longer`, and `patches` squares of side `patch` of each kind."""
        self._sequence, self._size = sequence, frame_size(read_frame(sequence.frames[0]).shape[:2], longer)
        self._supports = _supports(*self._frame(0), patch, patches)
        width, height = self._size
        self.length = len(sequence.frames) - 1
        self.facts: Mapping[str, int] = {"frames": len(sequence.frames), "width": width, "height": height}
        self.layout = Layout(
            arrays={
                "support_images": ArraySpec((2 * patches, patch, patch, 3)),
                "support_masks": ArraySpec((2 * patches, -(-patch * patch // 8))),
                "query_images": ArraySpec((1, height, width, 3)),
                "query_masks": ArraySpec((1, width * height // 8)),
            },
            attributes={"objects": 1, "ways": 2},
            shard=SHARD,
            chunk=SHARD,
        )

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` episodes of shard `index`: frames from `index` * SHARD + 1 on."""
        frames, masks = zip(*(self._frame(index * SHARD + 1 + row) for row in range(count)), strict=True)
        shown = {name: np.repeat(array[None], count, axis=0) for name, array in self._supports.items()}
        return {**shown, "query_images": np.stack(frames)[:, None], "query_masks": pack_masks(np.stack(masks)[:, None])}

    def _frame(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        frames, masks = self._sequence.frames, self._sequence.masks
        return read_frame(frames[number], self._size), read_object(masks[number], self._size)


def renderer(
    *, split: str, sources: Mapping[str, Path], longer: int, patch: int = 64, patches: int = 1
) -> TextureVideo:
    """Renderer of the sequence that the split is named after, `_` for DAVIS's `-`; `sources["davis2016"]` is a folder.

    `longer` and `patch` are pixels. `UserError` for values out of range, and where the first frame shows no object.
    """
    if "davis2016" not in sources:
        raise UserError("the renderer 'texture_video' needs the source 'davis2016': add it in suite.yaml")
    if longer < UNIT or longer % UNIT:
        raise UserError(f"longer={longer}: the longer side of a frame is a multiple of {UNIT} pixels (256 to 480)")
    if patches < 1:
        raise UserError(f"patches={patches}: the object and its background are shown by one patch each, or more")
    sequence = find_sequence(sources["davis2016"], split.replace("_", "-"))
    return TextureVideo(sequence, longer=longer, patch=patch, patches=patches)


def frame_size(shape: tuple[int, ...], longer: int) -> tuple[int, int]:
    """Width and height of a frame (H, W) whose longer side becomes `longer`: the nearest multiples of 16."""
    height, width = shape
    return tuple(max(UNIT, round(length * longer / max(shape) / UNIT) * UNIT) for length in (width, height))  # type: ignore[return-value]


def object_places(mask: NDArray[np.uint8], patch: int, count: int) -> list[Place]:
    """Where the squares lie that hold most of the object: the fullest first, of equal ones the one nearest its centre.

    Each next one is the fullest of those at least half a side away, in rows or columns, from all before it; where none
    is left, of all. So a small object gives squares that show its surroundings too.
    """
    held = _counts(mask, patch)
    away = _squares(held.shape, _centre(mask), patch)
    chosen: list[Place] = []
    for _ in range(count):
        free = _apart(held.shape, chosen, -(-patch // 2))
        allowed = free if free.any() else np.ones_like(free)
        fullest = allowed & (held == held[allowed].max())
        chosen.append(_first(np.where(fullest, -away, -np.inf)))
    return chosen


def background_places(mask: NDArray[np.uint8], patch: int, count: int) -> list[Place]:
    """Where the squares lie that hold least of the object: first the one nearest to its centre, which surrounds it.

    Each next one is, of these, the farthest from all before it.
    """
    held = _counts(mask, patch)
    least = held == held.min()
    chosen = [_first(np.where(least, -_squares(held.shape, _centre(mask), patch), -np.inf))]
    while len(chosen) < count:
        middles = [(row + (patch - 1) / 2, column + (patch - 1) / 2) for row, column in chosen]
        near = np.min([_squares(held.shape, middle, patch) for middle in middles], axis=0)
        chosen.append(_first(np.where(least, near, -np.inf)))
    return chosen


def _supports(image: NDArray[np.uint8], mask: NDArray[np.uint8], patch: int, patches: int) -> Arrays:
    """Images (2 P, p, p, 3) and packed masks of patches of the object and of the background, in turn."""
    if patch > min(mask.shape):
        raise UserError(f"patch={patch}: the frames have only {mask.shape[1]}x{mask.shape[0]} pixels; lower it")
    if not mask.any():
        raise UserError("the first frame shows no object, so that no patch of it can be cut: leave the sequence out")
    pairs = zip(object_places(mask, patch, patches), background_places(mask, patch, patches), strict=True)
    images = np.stack([image[y : y + patch, x : x + patch] for pair in pairs for y, x in pair])
    masks = np.zeros((2 * patches, patch, patch), np.uint8)
    masks[::2] = 1
    return {"support_images": images, "support_masks": pack_masks(masks)}


def _counts(mask: NDArray[np.uint8], patch: int) -> NDArray[np.int64]:
    """Object pixels of the square at every place, (H - p + 1, W - p + 1)."""
    sums = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows = sums[patch:] - sums[:-patch]
    return np.asarray(rows[:, patch:] - rows[:, :-patch])


def _centre(mask: NDArray[np.uint8]) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(rows.mean()), float(columns.mean())


def _squares(shape: tuple[int, ...], centre: tuple[float, float], patch: int) -> NDArray[np.float64]:
    """Squared distance of `centre` from the middle of the square at every place."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    found: NDArray[np.float64] = (rows + (patch - 1) / 2 - centre[0]) ** 2 + (
        columns + (patch - 1) / 2 - centre[1]
    ) ** 2
    return found


def _apart(shape: tuple[int, ...], chosen: list[Place], least: int) -> NDArray[np.bool_]:
    """Places at least `least` pixels from all `chosen` ones in rows or in columns."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    free = np.ones(shape, np.bool_)
    for top, left in chosen:
        free &= (abs(rows - top) >= least) | (abs(columns - left) >= least)
    return free


def _first(values: NDArray[Any]) -> Place:
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)
