"""Decompression of deflate streams (RFC 1951), for label maps: long runs and repeated rows are filled and copied.

zlib takes most of the time of reading a mask, as it copies a match a few bytes at a time. Whatever is wrong with a
stream ends in -1; nothing is read or written beyond the arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled
from pipeline.render.memcpy import copy_bytes

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_FAST = 10
"""Bits of a code that is looked up at once; longer ones are rare."""
_LENGTH_BITS = np.array([0] * 8 + [k for k in range(1, 6) for _ in range(4)] + [0])
_LENGTHS = np.array([*(3 + np.cumsum(1 << _LENGTH_BITS) - (1 << _LENGTH_BITS))[:-1], 258])
_DISTANCE_BITS = np.array([0] * 4 + [k for k in range(1, 14) for _ in range(2)])
_DISTANCES = 1 + np.cumsum(1 << _DISTANCE_BITS) - (1 << _DISTANCE_BITS)
_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])


class Bits(NamedTuple):
    """How far a stream is read. A value, not a place in memory, so that compiled code keeps it in registers."""

    place: int
    """Bytes taken so far; there are zeros beyond the end."""
    ready: int
    """Bits held of them."""
    held: int
    """These bits, the next one lowest."""


class Code(NamedTuple):
    """A canonical Huffman code."""

    fast: Ints
    """(1 << _FAST,): symbol * 16 + length by the next bits; 0 where the code is longer."""
    counts: Ints
    """(16,) codes of each length."""
    symbols: Ints
    """In the order of their codes."""


@compiled
def inflate(data: Bytes, out: Bytes) -> int:
    """Decompress `data` into `out`; how many bytes came out, or -1 where the stream is damaged or `out` too short."""
    bits = Bits(0, 0, 0)
    literals, distances = _room(288), _room(32)
    filled, last = 0, 0
    while last == 0 and filled >= 0:
        last, bits = _take(_fill(data, bits), 1)
        kind, bits = _take(bits, 2)
        sound = kind == 1 and _fixed(literals, distances)
        if kind == 2:
            sound, bits = _dynamic(data, bits, literals, distances)
        if kind == 0:
            filled, bits = _stored(data, bits, out, filled)
        elif sound:
            filled, bits = _block(data, bits, literals, distances, out, filled)
        else:
            filled = -1
    return filled


@compiled
def _block(data: Bytes, bits: Bits, literals: Code, distances: Code, out: Bytes, filled: int) -> tuple[int, Bits]:
    """One compressed block; bytes in `out` by now, or -1.

    Codes are looked up here and not in `_symbol`, which to call takes longer than all the rest of a match.
    """
    near, far, mask = literals.fast, distances.fast, (1 << _FAST) - 1
    while True:
        bits = _fill(data, bits)  # 48 bits: enough for a length and a distance
        entry = near[bits.held & mask]
        if entry == 0:
            entry = _slow(bits.held, literals)
        bits, symbol = _drop(bits, entry & 15), entry >> 4
        if symbol == 256:
            return filled, bits
        if entry == 0 or symbol > 285 or bits.place - (bits.ready >> 3) > len(data):
            return -1, bits
        if symbol < 256:
            if filled >= len(out):
                return -1, bits
            out[filled] = symbol
            filled += 1
            continue
        more, bits = _take(bits, _LENGTH_BITS[symbol - 257])
        length = _LENGTHS[symbol - 257] + more
        entry = far[bits.held & mask]
        if entry == 0:
            entry = _slow(bits.held, distances)
        bits, symbol = _drop(bits, entry & 15), entry >> 4
        if entry == 0 or symbol > 29:
            return -1, bits
        more, bits = _take(bits, _DISTANCE_BITS[symbol])
        distance = _DISTANCES[symbol] + more
        if distance > filled or filled + length > len(out):
            return -1, bits
        _repeat(out, filled, distance, length)
        filled += length


@compiled
def _repeat(out: Bytes, filled: int, distance: int, length: int) -> None:
    """Append `length` bytes, each the one `distance` before it."""
    if distance >= length:
        copy_bytes(out, filled, out, filled - distance, length)
    elif distance == 1:
        out[filled : filled + length] = out[filled - 1]
    else:
        for i in range(filled, filled + length):
            out[i] = out[i - distance]


@compiled
def _stored(data: Bytes, bits: Bits, out: Bytes, filled: int) -> tuple[int, Bits]:
    """A block that is not compressed; bytes in `out` by now, or -1."""
    _, bits = _take(bits, bits.ready & 7)
    length, bits = _take(_fill(data, bits), 16)
    inverse, bits = _take(bits, 16)
    start = bits.place - (bits.ready >> 3)
    if length ^ inverse != 0xFFFF or filled + length > len(out) or start + length > len(data):
        return -1, bits
    copy_bytes(out, filled, data, start, length)
    return filled + length, Bits(start + length, 0, 0)


@compiled
def _fixed(literals: Code, distances: Code) -> bool:
    lengths = np.full(288, 8)
    lengths[144:256], lengths[256:280] = 9, 7
    return _build(literals, lengths) and _build(distances, np.full(30, 5))


@compiled
def _dynamic(data: Bytes, bits: Bits, literals: Code, distances: Code) -> tuple[bool, Bits]:
    """Read the codes of a block; whether they are sound."""
    first, bits = _take(_fill(data, bits), 5)
    second, bits = _take(bits, 5)
    count, bits = _take(bits, 4)
    first, second = first + 257, second + 1
    lengths, filled = np.zeros(320, np.int64), 0
    for k in range(count + 4):
        lengths[_ORDER[k]], bits = _take(_fill(data, bits), 3)
    sound = first <= 286 and second <= 30 and _build(literals, lengths[:19])
    lengths[:] = 0
    while sound and filled < first + second:
        symbol, bits = _symbol(_fill(data, bits), literals)
        length, extra, times = symbol, 0, 1
        if symbol >= 16:
            extra, bits = _take(bits, 2 if symbol == 16 else 3 if symbol == 17 else 7)
            times = extra + (11 if symbol == 18 else 3)
            length = lengths[filled - 1] if symbol == 16 and filled > 0 else 0
        sound = symbol >= 0 and filled + times <= first + second and (symbol != 16 or filled > 0)
        if sound:
            lengths[filled : filled + times] = length
            filled += times
    sound = sound and lengths[256] > 0 and _build(literals, lengths[:first])
    return sound and _build(distances, lengths[first : first + second]), bits


@compiled
def _room(symbols: int) -> Code:
    return Code(np.zeros(1 << _FAST, np.int64), np.zeros(16, np.int64), np.zeros(symbols, np.int64))


@compiled
def _build(code: Code, lengths: Ints) -> bool:
    """Make the code of these lengths (0: not used); whether there is one. It may be incomplete."""
    code.counts[:], code.fast[:] = 0, 0
    for length in lengths:
        code.counts[length] += 1
    code.counts[0], left = 0, 1
    for length in range(1, 16):
        left = 2 * left - code.counts[length]
        if left < 0:
            return False
    number, place = np.zeros(16, np.int64), np.zeros(16, np.int64)  # of each length's next code
    for length in range(1, 15):
        number[length + 1] = number[length] + code.counts[length] << 1
        place[length + 1] = place[length] + code.counts[length]
    for symbol in range(len(lengths)):
        length = lengths[symbol]
        if length > 0:
            code.symbols[place[length]] = symbol
            if length <= _FAST:
                for k in range(_reversed(number[length], length), 1 << _FAST, 1 << length):
                    code.fast[k] = symbol << 4 | length
            number[length] += 1
            place[length] += 1
    return True


@compiled
def _reversed(number: int, length: int) -> int:
    found = 0
    for k in range(length):
        found |= (number >> k & 1) << (length - 1 - k)
    return found


@compiled
def _symbol(bits: Bits, code: Code) -> tuple[int, Bits]:
    """The next symbol, or -1 where no code is like the next bits; 15 of them are held."""
    entry = _slow(bits.held, code)
    return (entry >> 4 if entry > 0 else -1), _drop(bits, entry & 15)


@compiled
def _slow(held: int, code: Code) -> int:
    """Symbol * 16 + length of the next code, bit by bit; 0 where there is none."""
    number, first, place = 0, 0, 0
    for length in range(1, 16):
        number |= held >> (length - 1) & 1
        if number - first < code.counts[length]:
            return int(code.symbols[place + number - first]) << 4 | length
        place += code.counts[length]
        first, number = first + code.counts[length] << 1, number << 1
    return 0


@compiled
def _take(bits: Bits, count: int) -> tuple[int, Bits]:
    """The next `count` bits, which are held."""
    return bits.held & ((1 << count) - 1), _drop(bits, count)


@compiled
def _drop(bits: Bits, count: int) -> Bits:
    return Bits(bits.place, bits.ready - count, bits.held >> count)


@compiled
def _fill(data: Bytes, bits: Bits) -> Bits:
    """Hold 48 bits or more."""
    place, count, held = bits.place, bits.ready, np.int64(bits.held)
    while count < 48:
        if place < len(data):
            held |= np.int64(data[place]) << count
        place, count = place + 1, count + 8
    return Bits(place, count, int(held))
