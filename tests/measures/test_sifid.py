"""SIFID: the nuclear norm gives the matrix root's trace, and an image is at no distance from itself."""

import pytest
import torch
from measures.pairs import pair_of
from measures.plain_sifid import plain_distance

from pipeline.errors import UserError
from pipeline.measures.features import feature_net
from pipeline.measures.sifid import Reference, sifid, sifid_of


@pytest.mark.parametrize(
    ("fake", "real"),
    [((5, 9, 11), (5, 9, 11)), ((40, 3, 5), (40, 3, 5)), ((6, 2, 2), (6, 5, 7))],
    ids=["more cells", "more channels", "one of each"],
)
def test_equals_the_matrix_root(fake, real):
    generator = torch.Generator().manual_seed(0)
    fakes, truth = torch.rand(3, *fake, generator=generator) ** 2, torch.rand(1, *real, generator=generator)
    found = sifid([fakes], Reference([truth]))
    assert found[:, 0].tolist() == pytest.approx([plain_distance(maps, truth[0]) for maps in fakes], abs=1e-6)


@pytest.mark.parametrize("shape", [(5, 9, 11), (40, 3, 5)])
def test_of_the_real_image_is_zero(shape):
    maps = torch.rand(1, *shape).relu()
    maps[:, 2:4] = 0  # channels that see nothing: the covariance has no inverse
    assert float(sifid([maps], Reference([maps]))) == pytest.approx(0, abs=1e-12)


def test_shifting_all_cells_adds_the_squared_shift():
    maps = torch.rand(1, 4, 6, 6)
    shift = torch.tensor([1.0, 0, 2, 0])[:, None, None]
    assert float(sifid([maps + shift], Reference([maps]))) == pytest.approx(5, abs=1e-5)


def test_scaling_all_deviations_is_their_squared_difference():
    # Gaussians of the same shape: tr S (1 - a)^2, and the mean's distance.
    maps = torch.rand(1, 4, 6, 6, dtype=torch.float64)
    centred = maps - maps.mean((2, 3), keepdim=True)
    variance = float(centred.square().sum() / 35)
    assert float(sifid([3 * centred], Reference([centred]))) == pytest.approx(4 * variance)


def test_four_layers_whatever_the_batch():
    pair, net = pair_of(3), feature_net(None, "random")
    found = sifid_of(pair.fakes[0], pair.real[0], net)
    assert found.shape == (3, 4)
    assert found.dtype == torch.float64
    torch.testing.assert_close(sifid_of(pair.fakes[0], pair.real[0], net, batch=1), found)
    assert sifid_of(pair.real[0][None], pair.real[0], net).abs().max() < 1e-9


def test_too_small_images_are_one_line():
    images = torch.zeros(1, 3, 40, 8, dtype=torch.uint8)
    with pytest.raises(UserError, match="images of 8x40 pixels are too small for RandomTaps: it needs 16 a side"):
        sifid_of(images, images[0], feature_net(None, "random"))
