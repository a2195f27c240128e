"""The real pair takes the size of the fakes as Pillow would resize it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from measures.pairs import pair_of
from PIL import Image

from pipeline.errors import UserError


def test_the_real_pair_is_resized_as_pillow_does():
    pair = pair_of(1)
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (50, 90, 3), np.uint8), rng.integers(0, 3, (50, 90), np.uint8)
    big = replace(pair, real=(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(mask)))
    found, ids = big.fitted()
    wanted = np.array(Image.fromarray(image).resize((64, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(found.permute(1, 2, 0).numpy().astype(int) - wanted).max() <= 1
    assert ids.numpy().tolist() == np.array(Image.fromarray(mask).resize((64, 32), Image.Resampling.NEAREST)).tolist()


def test_no_fakes_are_one_line():
    pair = pair_of(1)
    with pytest.raises(UserError, match="no synthesized images to measure"):
        replace(pair, fakes=(pair.fakes[0][:0], pair.fakes[1][:0])).fitted()
