"""The small-object filter on masks made by hand (spec 2.4 and test 8)."""

import numpy as np
import pytest

from pipeline.render.grid_points import LEAST, grid_points, pixels


def plain(mask: np.ndarray, cls: int) -> int:
    """Pad by 15, up to whole cells, and look at index 16 of each cell of 32."""
    height, width = (32 * -(-(side + 30) // 32) for side in mask.shape)
    padded = np.zeros((height, width), np.uint8)
    padded[15 : 15 + mask.shape[0], 15 : 15 + mask.shape[1]] = mask == cls
    return int(padded[16::32, 16::32].sum())


@pytest.mark.parametrize(("rows", "kept"), [(33, False), (34, False), (65, False), (66, True)])
def test_an_object_on_two_points_is_too_small_and_one_on_three_is_not(rows: int, kept: bool) -> None:
    mask = np.zeros((120, 100), np.uint8)
    mask[:rows, 30:40] = 7  # the column 33, and of the rows 1, 33 and 65 those that it reaches
    assert (grid_points(mask)[7] >= LEAST) == kept


@pytest.mark.parametrize("shape", [(375, 500), (500, 334), (33, 34), (2, 2), (1, 97)])
def test_points_are_those_of_the_padded_mask(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(shape[0]).choice([0, 1, 20, 255], size=shape).astype(np.uint8)
    assert [grid_points(mask)[cls] for cls in (1, 20)] == [plain(mask, cls) for cls in (1, 20)]


def test_void_is_no_class() -> None:
    assert pixels(np.array([[0, 255], [20, 20]], np.uint8)).tolist() == [1, *[0] * 19, 2]
