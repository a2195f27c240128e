"""Cells: labels at their centres, answers spread over pixels, nearest neighbours against a plain search."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.cells import Grid, nearest

FCN = Grid(stride=32, first=12.5)


def test_labels_are_the_pixels_at_the_centres():
    mask = torch.arange(500 * 500).view(500, 500)
    found = FCN.labels(mask, (16, 16), (500, 500))
    assert found.shape == (16, 16)
    assert int(found[0, 0]) == 13 * 500 + 13
    assert int(found[15, 3]) == (13 + 480) * 500 + 13 + 96


def test_labels_of_a_mask_of_another_size_lie_at_the_same_places():
    small = torch.zeros(50, 100, dtype=torch.uint8)
    small[:, 50:] = 1
    large = F.interpolate(small[None, None], (500, 500), mode="nearest")[0, 0]
    assert torch.equal(*(FCN.labels(mask, (16, 16), (500, 500)) for mask in (small, large)))


def test_cells_beyond_the_image_read_the_border():
    mask = torch.arange(10).repeat(10, 1)
    assert Grid(8, -4).labels(mask, (3, 3), (10, 10))[0].tolist() == [0, 4, 9]


def test_a_cell_peaks_at_its_centre_and_reaches_the_next_one():
    grid = Grid(stride=4, first=3)
    maps = torch.zeros(1, 3, 4)
    maps[0, 1, 2] = 1
    found = grid.spread(maps, (14, 18), (14, 18), "bilinear")[0]
    assert float(found[7, 11]) == 1
    assert found[7].tolist() == [0] * 8 + [0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0, 0]
    torch.testing.assert_close(found, found[:, 11:12] * found[7:8])


def test_spreading_is_interpolation_where_cells_tile_the_image():
    maps = torch.rand(2, 4, 5)
    grid = Grid(stride=8, first=3.5)
    wanted = F.interpolate(maps[None], (32, 40), mode="bilinear")[0]
    torch.testing.assert_close(grid.spread(maps, (32, 40), (32, 40), "bilinear"), wanted)
    wanted = F.interpolate(maps[None], (64, 50), mode="bilinear")[0]
    torch.testing.assert_close(grid.spread(maps, (64, 50), (32, 40), "bilinear"), wanted)
    wanted = F.interpolate(maps[None], (32, 40), mode="nearest")[0]
    torch.testing.assert_close(grid.spread(maps, (32, 40), (32, 40), "nearest"), wanted)


@pytest.mark.parametrize("how", ["bilinear", "nearest"])
def test_ones_stay_ones_everywhere(how):
    torch.testing.assert_close(FCN.spread(torch.ones(1, 16, 16), (375, 500), (500, 500), how), torch.ones(1, 375, 500))


def test_nearest_neighbours_equal_a_plain_search(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    queries, supports = (10 + torch.randn(n, 64, generator=generator) for n in (23, 17))
    plain = torch.tensor([min(range(17), key=lambda s: float((q - supports[s]).square().sum())) for q in queries])
    assert torch.equal(nearest(queries, supports), plain)
    monkeypatch.setattr("pipeline.layers.cells.CHUNK", 40)
    assert torch.equal(nearest(queries, supports), plain)
