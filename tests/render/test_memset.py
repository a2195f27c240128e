"""Filling bytes inside compiled code, against slices."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.render.jit import compiled
from pipeline.render.memset import fill_bytes


@compiled
def fill(target: NDArray[np.uint8], start: int, value: int, count: int) -> None:
    fill_bytes(target, start, value, count)


@pytest.mark.parametrize("count", [0, 1, 7, 16, 129, 700])
def test_a_span_is_filled_and_nothing_beside_it(count: int) -> None:
    found, wanted = np.zeros(1000, np.uint8), np.zeros(1000, np.uint8)
    fill(found, 29, 200, count)
    wanted[29 : 29 + count] = 200
    assert np.array_equal(found, wanted)
