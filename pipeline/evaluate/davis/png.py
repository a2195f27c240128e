"""Reading label maps from PNGs many times as fast as a general reader does: 8-bit palettes or greys, not interlaced."""

import struct
import threading
import zlib

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.davis.inflate import Bytes, inflate
from pipeline.render.jit import compiled
from pipeline.render.memcpy import copy_bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_EVERY_BYTE = np.uint64(0x0101010101010101)


def decode(data: bytes) -> NDArray[np.uint8] | None:
    """The bytes (H, W) of a picture's pixels; None for a PNG of another kind, a damaged one, or no PNG at all."""
    parts = _parts(data)
    if parts is None:
        return None
    width, height, packed = parts
    raw = _scratch(height * (width + 1))
    if inflate(np.frombuffer(packed, np.uint8, offset=2), raw) != len(raw):
        return None
    pixels = np.empty((height, width), np.uint8)
    return pixels if _unfilter(raw, pixels) else None


class _Scratch(threading.local):
    """Bytes of a thread that are used again and again: asking the system for fresh ones takes as long as decoding."""

    bytes = np.empty(0, np.uint8)


_SCRATCH = _Scratch()


def _scratch(size: int) -> Bytes:
    if len(_SCRATCH.bytes) < size:
        _SCRATCH.bytes = np.empty(size, np.uint8)
    return _SCRATCH.bytes[:size]


def _parts(data: bytes) -> tuple[int, int, bytes] | None:
    """Width, height and the zlib stream, where header, checksums and sizes are as they should be."""
    if not data.startswith(_SIGNATURE):
        return None
    place, header, packed, kind = len(_SIGNATURE), b"", [], b""
    while kind != b"IEND":
        if place + 12 > len(data):
            return None
        size, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + size]
        if data[place + 8 + size : place + 12 + size] != struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))):
            return None
        header = body if kind == b"IHDR" else header
        packed += [body] if kind == b"IDAT" else []
        place += 12 + size
    stream = b"".join(packed)
    if len(header) != 13 or len(stream) < 6 or stream[0] & 15 != 8 or stream[1] & 32:
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if depth != 8 or colour not in (_GREY, _PALETTE) or interlaced or width * height == 0:
        return None
    if height * (width + 1) > 1032 * len(stream):  # deflate packs no tighter: the size is a lie
        return None
    return width, height, stream


@compiled
def _unfilter(raw: Bytes, pixels: NDArray[np.uint8]) -> bool:
    """Undo the filter of each row (PNG specification, section 9); whether all are known."""
    height, width = pixels.shape
    above, words = np.zeros(width, np.uint8), np.zeros((width + 7) >> 3, np.uint64)
    for y in range(height):
        line, row, kind = raw[y * (width + 1) + 1 : (y + 1) * (width + 1)], pixels[y], raw[y * (width + 1)]
        if kind == 0:
            copy_bytes(row, 0, line, 0, width)
        elif kind == 1:
            _add_left(line, row, words)
        elif kind == 2:
            for x in range(width):
                row[x] = line[x] + above[x]
        elif kind == 3:
            _add_mean(line, above, row)
        elif kind == 4:
            _add_paeth(line, above, row)
        else:
            return False
        above = row
    return True


@compiled
def _add_left(line: Bytes, row: Bytes, words: NDArray[np.uint64]) -> None:
    """Sum up, in `words`, where eight pixels like the one before are one zero."""
    room, left = words.view(np.uint8), 0
    copy_bytes(room, 0, line, 0, len(line))
    for k in range(len(words)):
        if words[k] == 0:
            words[k] = np.uint64(left) * _EVERY_BYTE
        else:
            for x in range(8 * k, 8 * k + 8):
                left = (left + room[x]) & 255
                room[x] = left
    copy_bytes(row, 0, room, 0, len(row))


@compiled
def _add_mean(line: Bytes, above: Bytes, row: Bytes) -> None:
    left = np.int64(0)
    for x in range(len(row)):
        left = (line[x] + (left + above[x] >> 1)) & 255
        row[x] = left


@compiled
def _add_paeth(line: Bytes, above: Bytes, row: Bytes) -> None:
    a, c = np.int64(0), np.int64(0)
    for x in range(len(row)):
        b = np.int64(above[x])
        nearest = b
        if a != c:  # else, as nearly everywhere in a mask, the estimate b + (a - c) is b itself
            to_left, to_above, to_both = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            if to_left <= to_above and to_left <= to_both:
                nearest = a
            elif to_above > to_both:
                nearest = c
        a, c = (line[x] + nearest) & 255, b
        row[x] = a
