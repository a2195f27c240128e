"""NumPy's legacy `RandomState` (MT19937), compiled, so that a whole job draws from it without leaving compiled code.

The state is an array of 625 uint32: the 624 words of Matsumoto and Nishimura's generator (ACM TOMACS 8(1), 1998), and
the number of words already used. Arithmetic is in int64, since numba widens it anyway.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled

State = NDArray[np.uint32]
STATE_SIZE = 625

_WORDS, _SHIFT = 624, 397
_UPPER, _LOWER, _TWIST = 0x80000000, 0x7FFFFFFF, 0x9908B0DF


@compiled
def seed_state(state: State, seed: int) -> None:
    """What `RandomState(seed)` does for an integer seed in [0, 2**32)."""
    value = seed
    for i in range(_WORDS):
        state[i] = value
        value = (1812433253 * (value ^ (value >> 30)) + i + 1) & 0xFFFFFFFF
    state[_WORDS] = _WORDS


@compiled
def _refill(state: State) -> None:
    for i in range(_WORDS):
        following, partner = i + 1, i + _SHIFT
        if following == _WORDS:
            following = 0
        if partner >= _WORDS:
            partner -= _WORDS
        bits = (np.int64(state[i]) & _UPPER) | (np.int64(state[following]) & _LOWER)
        state[i] = np.int64(state[partner]) ^ (bits >> 1) ^ (_TWIST * (bits & 1))
    state[_WORDS] = 0


@compiled
def random_word(state: State) -> int:
    """The next 32 bits."""
    if state[_WORDS] == _WORDS:
        _refill(state)
    position = np.int64(state[_WORDS])
    state[_WORDS] = position + 1
    word = np.int64(state[position])
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C5680
    word ^= (word << 15) & 0xEFC60000
    return int(word ^ (word >> 18))


@compiled
def random_sample(state: State) -> float:
    """`RandomState.random_sample()`: 53 bits in [0, 1)."""
    high = random_word(state) >> 5
    low = random_word(state) >> 6
    return (high * 67108864.0 + low) / 9007199254740992.0


@compiled
def uniform(state: State, low: float, high: float) -> float:
    """`RandomState.uniform(low, high)`."""
    return low + (high - low) * random_sample(state)


@compiled
def random_below(state: State, count: int) -> int:
    """`RandomState.randint(0, count)` for count up to 2**32: masked rejection; a single choice consumes nothing."""
    most = count - 1
    if most == 0:
        return 0
    mask = most
    for shift in (1, 2, 4, 8, 16):
        mask |= mask >> shift
    while True:
        value = random_word(state) & mask
        if value <= most:
            return value
