"""Reading label maps from PNGs: what Pillow and zlib read, and nothing of what is damaged or of another kind."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.evaluate.davis.inflate import inflate
from pipeline.evaluate.davis.png import decode

STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)


def packed(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """A raw deflate stream."""
    compressor = zlib.compressobj(level, wbits=-15, strategy=strategy)
    return compressor.compress(data) + compressor.flush()


def png(lines: NDArray[np.uint8], *, depth: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    """A PNG of filtered lines, each with its filter first."""
    height, width = lines.shape[0], lines.shape[1] - 1
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)),
        (b"IDAT", (stream := zlib.compress(lines.tobytes()))[:20]),
        (b"IDAT", stream[20:]),
        (b"IEND", b""),
    ]
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def texts(random: np.random.Generator) -> list[bytes]:
    """Data of all kinds: noise, few values, runs, repeated rows, nothing."""
    row = random.integers(0, 3, 855).astype(np.uint8)
    runs = np.repeat(random.integers(0, 256, 400), random.integers(1, 900, 400)).astype(np.uint8)
    skewed = random.geometric(0.3, 50_000).astype(np.uint8)  # its rare values have long codes
    few = random.integers(0, 4, 50_000).astype(np.uint8)
    noise = random.integers(0, 256, 70_000).astype(np.uint8)
    return [noise.tobytes(), few.tobytes(), runs.tobytes(), np.tile(row, 90).tobytes(), skewed.tobytes(), b"a", b""]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_streams_of_every_kind_come_out_as_they_went_in(level: int, strategy: int) -> None:
    for text in texts(np.random.default_rng(level)):
        out = np.empty(len(text), np.uint8)
        stream = np.frombuffer(packed(text, level, strategy), np.uint8)
        assert inflate(stream, out) == len(text)
        assert out.tobytes() == text
        assert inflate(stream, out[:-1]) == -1 or not text


def test_damaged_streams_end_in_minus_1_or_in_what_zlib_makes_of_them() -> None:
    random = np.random.default_rng(0)
    good = np.frombuffer(packed(texts(random)[4]), np.uint8)
    out, fine = np.empty(50_000, np.uint8), 0
    for _ in range(1500):
        changed = good[: random.integers(1, len(good))].copy() if random.random() < 0.3 else good.copy()
        changed[random.integers(0, min(len(changed), 300), 3)] = random.integers(0, 256, 3)
        stream = changed.tobytes()
        found = inflate(np.frombuffer(stream, np.uint8), out)
        try:
            wanted = zlib.decompress(stream, wbits=-15)
        except zlib.error:
            wanted = None
        if wanted is not None and len(wanted) <= len(out):
            fine += 1
            assert (found, out[:found].tobytes()) == (len(wanted), wanted)
        else:
            assert -1 <= found <= len(out)
    for _ in range(1500):
        inflate(np.frombuffer(random.bytes(random.integers(0, 200)), np.uint8), out)
    assert fine > 0


def test_every_filter_is_undone_as_pillow_does() -> None:
    random = np.random.default_rng(0)
    for values in (256, 2):
        lines = random.integers(0, values, (40, 34)).astype(np.uint8)
        lines[:, 0] = random.integers(0, 5, 40)
        data = png(lines)
        assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("mode", ["L", "P"])
def test_what_pillow_writes_is_read(mode: str) -> None:
    labels = np.kron(np.random.default_rng(0).integers(0, 255, (6, 7)), np.ones((9, 11))).astype(np.uint8)
    image, memory = Image.fromarray(labels), io.BytesIO()
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    image.save(memory, "PNG")
    assert np.array_equal(decode(memory.getvalue()), labels)


def test_pictures_of_another_kind_and_damaged_ones_are_left_to_pillow() -> None:
    lines = np.zeros((5, 8), np.uint8)
    good = png(lines)
    assert decode(good) is not None
    others = (png(lines, depth=4), png(lines, colour=2), png(lines, interlaced=1), good[:-20], good[:30], b"", b"JFIF")
    assert [decode(data) for data in others] == [None] * len(others)
    lines[2, 0] = 7  # no such filter
    assert decode(png(lines)) is None
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 0x40
        assert decode(bytes(damaged)) is None


@pytest.mark.mirror
def test_real_masks_are_read_as_pillow_reads_them(davis_masks: Path) -> None:
    files = sorted(davis_masks.glob("*/*.png"))[::3]
    assert len(files) > 50
    for file in files:
        assert np.array_equal(decode(file.read_bytes()), np.asarray(Image.open(file)))
