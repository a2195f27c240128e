"""Textures in the making: bytes in a mapped file and a ledger of what is done, so that a killed run goes on.

A texture is written first and its line in the ledger after it. Whoever finds the line finds the texture whole.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays, ArraySpec, Layout
from pipeline.errors import UserError
from pipeline.manifest import digest_text
from pipeline.progress import ProgressLine

SHARD, CHUNK = 64, 16
"""Textures of a shard and of an inner chunk."""


@dataclass(frozen=True)
class Photo:
    """A photo of the source."""

    name: str
    """`banded/banded_0002.jpg`, below the folder of categories."""
    path: Path


@dataclass(frozen=True)
class Made:
    """A finished texture."""

    pixels: NDArray[np.uint8]
    """(S, S, 3)."""
    converted: str = ""
    """What the photo was, where it was no plain RGB."""
    loss: float | None = None
    """Relative loss that was reached, of the bytes as they are; None for a photo."""
    iterations: int = 0
    """Evaluations that it took."""


class Shelf:
    """A place for the texture of every photo; safe to fill from several threads."""

    def __init__(
        self, work: Path, photos: list[Photo], side: int, *, synthesized: bool, recipe: str, line: ProgressLine
    ) -> None:
        """Take up what an earlier process left in `work`, if it had the same `recipe`: a text of all that decides."""
        self.photos, self.side, self.synthesized, self.recipe = photos, side, synthesized, recipe
        self._ledger, self._pixels, self._recipe = work / "ledger.jsonl", work / "textures.raw", work / "shelf"
        self._lock, self._line = threading.Lock(), line
        shape = (len(photos), side, side, 3)
        if not self._recipe.is_file() or self._recipe.read_text() != digest_text(recipe):
            self.clear()
            np.memmap(self._pixels, np.uint8, "w+", shape=shape)
            self._recipe.write_text(digest_text(recipe))
        self._textures = np.memmap(self._pixels, np.uint8, "r+", shape=shape)
        self._lines = {int(line["index"]): line for line in _lines(self._ledger)}

    @property
    def todo(self) -> list[int]:
        """Photos whose texture is still to be made."""
        return [index for index in range(len(self.photos)) if index not in self._lines]

    @property
    def made(self) -> int:
        """Textures that are done."""
        return len(self._made())

    @property
    def left_out(self) -> dict[str, str]:
        """Photo -> why it has no texture."""
        return self._noted("left_out")

    @property
    def converted(self) -> dict[str, str]:
        """Photo -> what it was before it became RGB."""
        return self._noted("converted")

    def put(self, index: int, texture: Made) -> None:
        """Take the texture of photo `index`."""
        self._textures[index] = texture.pixels
        found = {"converted": texture.converted, "loss": texture.loss, "iterations": texture.iterations}
        self._write(index, {key: value for key, value in found.items() if value})

    def leave_out(self, index: int, reason: str) -> None:
        """Go on without photo `index`, and say so."""
        print(f"{self.photos[index].name} is left out: {reason}", flush=True)
        self._write(index, {"left_out": reason})

    def renderer(self, attributes: Mapping[str, Any]) -> "Bank":
        """The finished textures as `write_store` takes them; `UserError` where there is none."""
        made = self._made()
        if not made:
            name, reason = next(iter(self.left_out.items()))
            raise UserError(f"none of the {len(self.photos)} photos can be read ({name}: {reason}); get them again")
        lines = [self._lines[index] for index in made]
        names = [self.photos[index].name for index in made]
        numbers: Arrays = {}
        if self.synthesized:
            numbers["loss"] = np.array([line.get("loss", 0.0) for line in lines], np.float32)
            numbers["iterations"] = np.array([line.get("iterations", 0) for line in lines], np.int32)
        return Bank(self._textures, made, numbers, {"names": names, "side": self.side, **attributes})

    def clear(self) -> None:
        """Throw all away."""
        for path in (self._recipe, self._ledger, self._pixels):
            path.unlink(missing_ok=True)

    def _made(self) -> list[int]:
        return [index for index in sorted(self._lines) if "left_out" not in self._lines[index]]

    def _noted(self, key: str) -> dict[str, str]:
        return {self.photos[i].name: str(line[key]) for i, line in sorted(self._lines.items()) if key in line}

    def _write(self, index: int, line: dict[str, Any]) -> None:
        with self._lock:
            with self._ledger.open("a") as ledger:
                ledger.write(json.dumps({"index": index, **line}) + "\n")
            self._lines[index] = {"index": index, **line}
            self._line.show(len(self._lines), {})


class Bank:
    """A finished bank as a renderer: texture i is row i."""

    facts: Mapping[str, int] = {}

    def __init__(
        self, textures: NDArray[np.uint8], rows: list[int], numbers: Arrays, attributes: Mapping[str, Any]
    ) -> None:
        """`rows` of `textures` (T, S, S, 3) in order, with `numbers`, each (len(rows),), beside them."""
        self.length = len(rows)
        arrays = {"textures": ArraySpec(textures.shape[1:])}
        arrays |= {name: ArraySpec((), array.dtype.name) for name, array in numbers.items()}
        self.layout = Layout(arrays=arrays, attributes=attributes, shard=SHARD, chunk=CHUNK)
        self._textures, self._rows, self._numbers = textures, rows, numbers

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` textures of shard `index`."""
        chosen = slice(index * SHARD, index * SHARD + count)
        found = {name: array[chosen] for name, array in self._numbers.items()}
        return {"textures": np.asarray(self._textures[self._rows[chosen]]), **found}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a ledger; a killed process may have left half of the last one."""
    text = path.read_text() if path.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]
