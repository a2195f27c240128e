"""Copying bytes inside compiled code, against slices."""

import numpy as np
import pytest

from pipeline.render.patch import copy_row, copy_spans


@pytest.mark.parametrize("count", [0, 1, 7, 16, 127, 128, 129, 700])
def test_a_row_is_copied_byte_for_byte_and_nothing_beside_it(count: int) -> None:
    source = np.random.default_rng(count).integers(1, 256, 1000, np.uint8)
    found, wanted = np.zeros(1000, np.uint8), np.zeros(1000, np.uint8)
    copy_row(source, 13, found, 29, 29 + count)
    wanted[29 : 29 + count] = source[13 : 13 + count]
    assert np.array_equal(found, wanted)


def test_spans_are_copied_each_to_its_place() -> None:
    source, found = np.arange(1, 201, dtype=np.uint8), np.zeros(50, np.uint8)
    copy_spans(source, found, np.array([[10, 0, 20], [150, 20, 1], [0, 21, 0], [100, 40, 10]]))
    assert found.tolist() == [*range(11, 31), 151, *[0] * 19, *range(101, 111)]
