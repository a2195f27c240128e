"""Episodes from a gallery: the right masks under every void rule, in every frame, beside one another where they fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import UserError
from pipeline.gallery import Picture, write_gallery
from pipeline.table import Table, TableReader, fitted, longer, objects_of
from tests.test_gallery import png

SIZES = [(20, 30), (30, 20), (16, 16), (20, 30)]


class Scenes:
    """Four images; their masks hold classes 7 and 9 in halves, and a row of void."""

    facts: Mapping[str, int] = {}
    columns: Mapping[str, Any] = {}
    names = ["a", "b", "c", "d"]

    def picture(self, index: int) -> Picture:
        height, width = SIZES[index]
        image = np.full((height, width, 3), 40 * (index + 1), np.uint8)
        mask = np.full((height, width), 7, np.uint8)
        mask[height // 2 :] = 9
        mask[0] = 255
        mask[:, 0] = 0
        return Picture(png(image), png(mask))


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """The four, written as a gallery named `scenes`."""
    write_gallery(tmp_path / "scenes" / "images.zarr", Scenes())
    return tmp_path / "scenes" / "images.zarr"


def reader(gallery: Path, **choices: Any) -> TableReader:
    table = Table(gallery, lambda first, last: {}, 1, supports=1, queries=1, objects=1, **choices)
    return TableReader(table.layout.attributes)


def rows(supports: list[list[int]], queries: list[list[int]], classes: list[list[int]]) -> dict[str, np.ndarray]:
    return {"supports": np.array(supports), "queries": np.array(queries), "classes": np.array(classes)}


@pytest.mark.parametrize(("void", "top"), [("keep", 255), ("background", 0), ("foreground", 1)])
def test_masks_show_the_class_under_each_void_rule(gallery: Path, void: str, top: int) -> None:
    batch = reader(gallery, void=void).batch(rows([[0]], [[1]], [[9]]))
    mask = batch.supports.frames[0].masks[0]
    assert mask[0].tolist() == [0] + [top] * 29
    assert mask[1:10].sum() == 0
    assert mask[10:, 1:].eq(1).all()
    assert batch.supports.objects == 1
    assert batch.classes.tolist() == [[9]]
    assert batch.queries[0].images.shape == (1, 3, 30, 20)
    assert batch.queries[0].images.unique().tolist() == [80]
    assert batch.queries[0].ids == ("scenes/b",)


def test_several_classes_become_objects_in_order(gallery: Path) -> None:
    batch = reader(gallery).batch(rows([[0, 2]], [[1, -1]], [[9, 7, 0]]))
    assert batch.supports.objects == 2
    assert len(batch.supports.frames) == 2
    assert len(batch.queries) == 1
    assert sorted(batch.queries[0].masks.unique().tolist()) == [0, 1, 2, 255]
    assert batch.queries[0].masks[0, 5, 5] == 2


def test_void_of_a_support_may_be_the_object_of_its_way_and_that_of_a_query_is_not(gallery: Path) -> None:
    batch = reader(gallery, ways=2, support_void="way").batch(rows([[0, 2, 3]], [[1]], [[9, 7]]))
    assert [frame.masks[0, 0, 1:].unique().tolist() for frame in batch.supports.frames] == [[1], [2], [1]]
    assert batch.queries[0].masks[0, 0, 1:].unique().tolist() == [255]


def test_episodes_without_supports_are_queries_alone(gallery: Path) -> None:
    batch = reader(gallery).batch(rows([[-1]], [[0]], [[7]]))
    assert batch.supports.frames == ()


def test_frames_are_warped_each_to_its_side(gallery: Path) -> None:
    warping = reader(gallery, fit=24, support_fit=16)
    assert warping.one_size
    batch = warping.batch(rows([[0], [1]], [[2], [3]], [[7], [9]]))
    assert batch.supports.frames[0].images.shape == (2, 3, 16, 16)
    assert batch.queries[0].masks.shape == (2, 24, 24)
    assert batch.queries[0].ids == ("scenes/c@24", "scenes/d@24")


def test_a_square_is_padded_with_void(gallery: Path) -> None:
    batch = reader(gallery, fit="square").batch(rows([[0]], [[0]], [[7]]))
    query = batch.queries[0]
    assert query.images.shape == (1, 3, 30, 30)
    assert query.masks[0, 20:].eq(255).all()
    assert query.images[0, :, 20:].eq(0).all()
    assert batch.supports.frames[0].images.shape == (1, 3, 20, 30)


def test_warping_takes_the_nearest_pixel_of_a_mask() -> None:
    mask = torch.arange(16, dtype=torch.uint8).reshape(4, 4)
    image = mask.expand(3, 4, 4)
    warped_image, warped_mask = fitted(image, mask, 2)
    assert warped_mask.tolist() == [[5, 7], [13, 15]]
    assert warped_image[0].tolist() == [[2, 4], [10, 12]]  # halves of 2.5, 4.5, ... go to the even number


@pytest.mark.parametrize(
    ("size", "inside"),
    [((480, 640), (312, 416)), ((640, 427), (416, 272)), ((417, 417), (416, 416)), ((20, 900), (8, 416))],
)
def test_repri_s_frame_holds_a_longer_side_of_416_of_417_pixels(size: tuple[int, int], inside: tuple[int, int]) -> None:
    image, mask = torch.full((3, *size), 200, dtype=torch.uint8), torch.ones(size, dtype=torch.uint8)
    image, mask = fitted(image, mask, longer(417))
    assert image.shape[1:] == mask.shape == (417, 417)
    padded = torch.ones(417, 417, dtype=torch.bool)
    padded[: inside[0], : inside[1]] = False
    assert (mask == torch.where(padded, 255, 1)).all()
    assert (image == torch.where(padded, 0, 200)).all()


def test_different_sizes_do_not_go_side_by_side(gallery: Path) -> None:
    with pytest.raises(UserError, match="images of different sizes cannot go side by side: set batch: 1"):
        reader(gallery).batch(rows([[0], [1]], [[2], [3]], [[7], [7]]))
    with pytest.raises(UserError, match="different numbers of frames or objects"):
        reader(gallery).batch(rows([[0, 1], [1, -1]], [[2], [3]], [[7], [7]]))


def test_a_place_that_is_no_class_stays_background() -> None:
    assert objects_of(np.array([3, 1]), "keep").nonzero()[0].tolist() == [1, 3, 255]


def test_ignored_values_are_void() -> None:
    assert objects_of(np.array([3]), "keep", [2, 5])[[0, 1, 2, 3, 5, 255]].tolist() == [0, 0, 255, 1, 255, 255]
    assert objects_of(np.array([3]), "background", [2])[[2, 255]].tolist() == [255, 0]
