"""Omniglot's drawings from the official archives, packed or unpacked (Lake, Salakhutdinov, Tenenbaum 2015).

The order is the published one: alphabets, characters and drawings by plain sorting of their names; a drawing's position
in its character's folder is its drawer, 0 to 19.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError

SIDE = 105
"""Pixels of a drawing's side."""
DRAWERS = 20
PARTS = {"background": 964, "evaluation": 659}
"""The two parts of Omniglot, and how many characters the complete one has."""

Part = Literal["background", "evaluation"]
Glyphs = NDArray[np.uint8]
"""(characters, drawings, 105, 105): 1 ink, 0 paper."""


@dataclass(frozen=True)
class Characters:
    """Part of Omniglot, by name; the pictures are read later, and only those asked for."""

    alphabets: tuple[tuple[tuple[str, ...], ...], ...]
    """Alphabet -> character -> names of its 20 drawings."""
    open: Callable[[str], bytes]
    """The bytes behind a drawing's name."""

    @property
    def size(self) -> int:
        """How many characters."""
        return sum(len(alphabet) for alphabet in self.alphabets)

    def read(self, alphabets: slice, drawers: range) -> Glyphs:
        """The drawings of some alphabets by some drawers; `UserError` naming a file that is no such picture."""
        chosen = [character for alphabet in self.alphabets[alphabets] for character in alphabet]
        glyphs = np.empty((len(chosen), len(drawers), SIDE, SIDE), np.uint8)
        for row, names in zip(glyphs, chosen, strict=True):
            for glyph, drawer in zip(row, drawers, strict=True):
                glyph[:] = _decode(names[drawer], self.open(names[drawer]))
        return glyphs


def read_omniglot(source: Path, part: Part) -> Characters:
    """List one part of Omniglot below `source`: the folder `images_<part>`, or `images_<part>.zip`.

    `UserError` where neither is there, or where a character lacks drawings.
    """
    name = f"images_{part}"
    if (source / name).is_dir():
        files = sorted(path.relative_to(source).as_posix() for path in (source / name).glob("*/*/*.png"))
        return _arrange(source / name, files, lambda file: (source / file).read_bytes())
    archive = source / f"{name}.zip"
    if not archive.is_file():
        raise UserError(f"no Omniglot in {source}: neither {name}/ nor {name}.zip; run `snakemake download`")
    try:
        opened = zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive} is damaged ({error}): delete it and run `snakemake download`") from None
    files = [file for file in opened.namelist() if file.count("/") == 3 and file.endswith(".png")]
    return _arrange(archive, files, opened.read)


def _arrange(where: Path, files: list[str], read: Callable[[str], bytes]) -> Characters:
    found: dict[str, dict[str, list[str]]] = {}
    for file in files:
        _, alphabet, character, _ = file.split("/")
        found.setdefault(alphabet, {}).setdefault(character, []).append(file)
    for alphabet, characters in found.items():
        for character, names in characters.items():
            if len(names) != DRAWERS:
                lacking = f"{alphabet}/{character} in {where} has {len(names)} drawings instead of {DRAWERS}"
                raise UserError(f"{lacking}: delete {where} and run `snakemake download`")
    if not found:
        raise UserError(f"{where} holds no drawings (alphabet/character/*.png): delete it and run `snakemake download`")
    return Characters(
        tuple(tuple(tuple(sorted(found[a][c])) for c in sorted(found[a])) for a in sorted(found)),
        read,
    )


def _decode(name: str, data: bytes) -> Glyphs:
    # The files have dark ink on white paper, one bit a pixel.
    remedy = "delete the source and run `snakemake download`"
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.size != (SIDE, SIDE):
                raise UserError(f"{name} is {image.width}x{image.height} pixels instead of {SIDE}x{SIDE}: {remedy}")
            glyph = ~np.asarray(image.convert("1", dither=Image.Dither.NONE))
    except OSError as error:
        raise UserError(f"{name} is no picture ({error}): {remedy}") from None
    if not glyph.any():
        raise UserError(f"{name} has no ink: {remedy}")
    return glyph.astype(np.uint8)
