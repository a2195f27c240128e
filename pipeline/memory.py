"""What a segmenter remembers of images while it is evaluated: results by key, bounded in bytes, the oldest forgotten.

Images recur in PASCAL-5i, COCO-20i and DAVIS: a query of one episode is a support of others. With the weights fixed, a
network's maps of an image are computed once and found again; bit-equal, for they are the same tensors.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from torch import Tensor

Found = TypeVar("Found")
SMALL = 16 << 10
"""Bytes up to which a value is small: vectors of 4,096 channels are."""


class Memory:
    """Least recently used first out; a value is a tensor, or nested tuples, lists and dicts of tensors.

    Small values, the vector of a support for example, are forgotten last: they cost as much to make as the maps they
    come from, and a thousand of them take less room than one map.
    """

    def __init__(self, limit: int) -> None:
        """Hold at most `limit` bytes of tensors; a value larger than that is never kept."""
        self._limit, self._bytes = limit, 0
        self._large: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._small: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self.hits, self.misses = 0, 0

    def recall(self, key: Hashable, compute: Callable[[], Found]) -> Found:
        """The value of `key`; `compute` makes it where it is not, or no longer, there."""
        for kept in (self._large, self._small):
            if key in kept:
                self.hits += 1
                kept.move_to_end(key)
                found: Found = kept[key][0]
                return found
        self.misses += 1
        value = compute()
        size = _bytes(value)
        if size <= self._limit:
            (self._small if size <= SMALL else self._large)[key] = value, size
            self._bytes += size
            while self._bytes > self._limit:
                self._bytes -= (self._large or self._small).popitem(last=False)[1][1]
        return value


def fingerprint(tensor: Tensor) -> bytes:
    """16 bytes that are equal for equal tensors: what a mask is remembered by."""
    plain = tensor.detach().cpu().contiguous()
    return hashlib.blake2b(
        plain.numpy().tobytes(), digest_size=16, person=str(tuple(plain.shape)).encode()[:16]
    ).digest()


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(_bytes(part) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(_bytes(part) for part in value)
    return 0
