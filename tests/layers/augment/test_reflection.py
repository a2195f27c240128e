"""Reflection: what numpy's pad and folding by hand give, also far beyond an image's own size."""

import numpy as np
import pytest
import torch

from pipeline.layers.augment.reflection import fold, reflect_pad


@pytest.mark.parametrize("margin", [0, 1, 4, 21])
def test_padding_is_numpys_reflection_for_any_margin(margin: int):
    image = torch.arange(15.0).view(1, 1, 3, 5)
    expected = np.pad(image[0, 0].numpy(), margin, mode="reflect")
    assert np.array_equal(reflect_pad(image, margin)[0, 0].numpy(), expected)


def test_folding_mirrors_until_inside():
    places = torch.tensor([0.0, 2.0, 2.5, -2.5, 6.0, 7.0, -6.5])
    assert fold(places, 2.0).tolist() == [0.0, 2.0, 1.5, -1.5, -2.0, -1.0, 1.5]
