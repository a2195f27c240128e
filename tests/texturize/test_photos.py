"""Photos: every kind of picture, and those that are none."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.texturize.photos import UnreadableError, find_photos, load


def picture(shape: tuple[int, ...] = (40, 60, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def test_the_centre_square_is_cut_out(tmp_path: Path) -> None:
    pixels = picture()
    found, was = load(saved(tmp_path / "a.png", Image.fromarray(pixels)), 32)
    assert was == ""
    assert np.array_equal(found, pixels[4:36, 14:46])


@pytest.mark.parametrize("shape", [(10, 30, 3), (30, 10, 3), (31, 32, 3), (1, 1, 3)])
def test_a_small_photo_is_enlarged_until_its_short_side_is_enough(tmp_path: Path, shape: tuple[int, ...]) -> None:
    flat = np.full(shape, (10, 200, 30), np.uint8)
    found, _ = load(saved(tmp_path / "a.png", Image.fromarray(flat)), 32)
    assert found.shape == (32, 32, 3)
    assert (found == (10, 200, 30)).all()


def grey_16() -> Image.Image:
    return Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40)


def transparent_palette() -> Image.Image:
    image = Image.fromarray(picture()).quantize(8)
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    ("image", "suffix", "was"),
    [
        (Image.fromarray(picture((40, 40))), ".png", "grey"),
        (Image.fromarray(picture((40, 40))), ".jpg", "grey"),
        (Image.fromarray(picture((40, 40)) > 9), ".png", "black and white"),
        (Image.fromarray(picture()).quantize(8), ".png", "paletted"),
        (Image.fromarray(picture()).convert("CMYK"), ".jpg", "CMYK"),
        (grey_16(), ".png", "16 bits"),
        (Image.fromarray(picture((40, 40, 4))), ".png", "transparent"),
        (Image.fromarray(picture((40, 40, 2))), ".png", "transparent"),
        (transparent_palette(), ".png", "transparent"),
    ],
)
def test_every_kind_becomes_rgb_and_is_named(tmp_path: Path, image: Image.Image, suffix: str, was: str) -> None:
    found, named = load(saved(tmp_path / f"a{suffix}", image), 32)
    assert (found.shape, found.dtype, named) == ((32, 32, 3), np.uint8, was)
    assert len(np.unique(found)) > 1


def test_grey_of_16_bits_loses_its_lower_half(tmp_path: Path) -> None:
    found, _ = load(saved(tmp_path / "a.png", grey_16()), 40)
    assert np.array_equal(found, np.repeat((np.arange(1600).reshape(40, 40) * 40 // 256)[..., None], 3, axis=2))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, 16:, 3] = 255
    found, _ = load(saved(tmp_path / "a.png", Image.fromarray(pixels)), 32)
    assert (found[:, :16] == 255).all()
    assert (found[:, 16:] == 0).all()


def bomb() -> bytes:
    """A PNG that says it has 10^10 pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("kind", ["text", "empty", "cut png", "cut jpeg", "bomb", "floats"])
def test_what_is_no_picture_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jpg"
    whole = saved(tmp_path / ("b.png" if "png" in kind else "b.jpg"), Image.fromarray(picture())).read_bytes()
    Image.fromarray(picture((40, 40)).astype(np.float32)).save(tmp_path / "c.tiff")
    cut, floats = whole[: len(whole) // 2], (tmp_path / "c.tiff").read_bytes()
    path.write_bytes({"text": b"no", "empty": b"", "bomb": bomb(), "floats": floats}.get(kind, cut))
    with pytest.raises(UnreadableError) as refused:
        load(path, 32)
    assert str(tmp_path) not in str(refused.value)
    assert len(str(refused.value)) > 8


def test_photos_are_found_in_both_layouts_in_the_order_of_their_names(tmp_path: Path) -> None:
    for base in ("images", "dtd/images"):
        for name in ("b/b_2.jpg", "a/a_1.PNG", "a/.a.jpg", "a/notes.txt"):
            path = tmp_path / base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert [photo.name for photo in find_photos(tmp_path)] == ["a/a_1.PNG", "b/b_2.jpg"]


def test_a_source_without_photos_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no photos \(images/<category>/<name>.jpg\): get the source again"):
        find_photos(tmp_path)
