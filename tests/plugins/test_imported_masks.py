"""Masks made elsewhere: found by names, scored as they are, and refused in one line where they are wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import UserError
from pipeline.segmenter import Frame, Prediction, Supports
from plugins.imported_masks.model import build

NAME = "2010_001448-2010_005888-2009_002888.png"
MASK = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)


def frame(name: str) -> Frame:
    return Frame(torch.zeros(1, 3, 2, 3, dtype=torch.uint8), torch.zeros(1, 2, 3, dtype=torch.uint8), (name,))


def predicted(folder: Path, shots: int = 2) -> Prediction:
    """Of the query 2010_001448 from two supports; the same images have other names in other frames."""
    supports = Supports((frame("voc/2010_005888"), frame("voc/2009_002888")), 1).first(shots)
    segmenter = build(folder=str(folder))
    (found,) = segmenter.predict(segmenter.adapt(supports), [frame("voc/2010_001448@500")])
    return found


@pytest.mark.parametrize("mode", ["L", "1"])
def test_a_mask_is_found_by_its_images_and_scored_as_it_is(tmp_path: Path, mode: str) -> None:
    Image.fromarray(MASK.astype(bool) if mode == "1" else MASK).save(tmp_path / NAME)
    found = predicted(tmp_path).probabilities
    assert found is not None
    assert found.tolist() == [[MASK.tolist()]]
    with pytest.raises(UserError, match=r"2010_001448-2010_005888\.png is missing: make it"):
        predicted(tmp_path, shots=1)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.fromarray(MASK * 255), "holds the value 255: write 1 on the object and 0 elsewhere"),
        (Image.fromarray(MASK.T.copy()), "has 2x3 pixels, and is scored in 3x2: warp it"),
        (Image.new("RGB", (3, 2)), "is a picture of mode RGB: write one channel"),
        (b"\x89PNG", "cannot be read .*: write it again"),
    ],
)
def test_a_wrong_mask_is_one_line(tmp_path: Path, picture: Image.Image | bytes, message: str) -> None:
    if isinstance(picture, bytes):
        (tmp_path / NAME).write_bytes(picture)
    else:
        picture.save(tmp_path / NAME)
    with pytest.raises(UserError, match=message) as caught:
        predicted(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pascal_masks=.*/none: there is no such folder; name the one"):
        build(folder=str(tmp_path / "none"))
