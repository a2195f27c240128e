"""Galleries: every file comes back bit by bit, in any number, and damage is named."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.episodes import ArraySpec
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, Picture, write_gallery


def png(array: np.ndarray) -> bytes:
    """`array` (H, W) or (H, W, 3) as a PNG."""
    packed = io.BytesIO()
    Image.fromarray(array).save(packed, "PNG")
    return packed.getvalue()


class Small:
    """Seven images of different sizes with random pixels."""

    facts = {"odd": 3}
    columns = {"area": ArraySpec((2,), "int32")}

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        sizes = [(8 + i, 12 - i) for i in range(7)]
        self.images = [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
        self.masks = [random.integers(0, 4, size, np.uint8) for size in sizes]
        self.names = [f"image{i}" for i in range(7)]

    def picture(self, index: int) -> Picture:
        area = np.array([self.masks[index].size, index])
        return Picture(png(self.images[index]), png(self.masks[index]), {"area": area})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The small gallery, written."""
    write_gallery(tmp_path / "images.zarr", Small())
    return tmp_path / "images.zarr"


@pytest.mark.parametrize("limit", [0, 600, 1 << 20])
def test_what_is_written_is_read_whatever_is_kept(path: Path, limit: int) -> None:
    small, store = Small(), GalleryStore(path, limit=limit)
    assert store.names == small.names
    assert store.columns["area"].tolist() == [[mask.size, i] for i, mask in enumerate(small.masks)]
    for index in [3, 0, 6, 3, 3, 1, 0]:
        image, mask = store.picture(index)
        assert np.array_equal(image, small.images[index])
        assert np.array_equal(mask, small.masks[index])
        assert not image.flags.writeable


def test_decoded_images_are_kept_up_to_the_bound(path: Path) -> None:
    store = GalleryStore(path, limit=1000)  # about 380 bytes each
    first = store.picture(0)[0]
    assert store.picture(0)[0] is first
    for index in (1, 2):
        store.picture(index)
    assert store.picture(0)[0] is not first


def test_grey_images_have_three_channels(tmp_path: Path) -> None:
    small = Small()
    small.images = [image[..., 0] for image in small.images]
    write_gallery(tmp_path / "grey.zarr", small)
    image, _ = GalleryStore(tmp_path / "grey.zarr").picture(2)
    assert np.array_equal(image, np.repeat(small.images[2][..., None], 3, axis=2))


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    small = Small()
    small.masks[4] = small.masks[4].T
    write_gallery(tmp_path / "wrong.zarr", small)
    with pytest.raises(UserError, match=r"mask of 'image4' .* differ in size: 8x12 and 12x8"):
        GalleryStore(tmp_path / "wrong.zarr").picture(4)


@pytest.mark.parametrize("lost", ["image_bytes/c", "mask_ends", "zarr.json"])
def test_a_damaged_gallery_says_so(path: Path, lost: str) -> None:
    shutil.rmtree(path / lost, ignore_errors=True)
    (path / lost).unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"missing or damaged .* delete it and run snakemake"):
        GalleryStore(path).picture(0)
