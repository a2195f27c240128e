"""Standard augmentation: image and mask stay together, draws stay in their ranges, borders are as asked."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.layers.standard import augmented, drawn


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fixed(monkeypatch: pytest.MonkeyPatch, warp: list[list[float]]) -> None:
    monkeypatch.setattr("pipeline.layers.standard.drawn", lambda count, _: torch.tensor([warp] * count).double())


def test_flip_turn_and_scale_are_drawn_in_their_ranges() -> None:
    warps = drawn(4000, generator())
    flips = warps.det() < 0
    assert abs(flips.double().mean() - 0.5) < 0.03
    scales = 1 / warps.det().abs().sqrt()
    angles = torch.atan2(warps[:, 1, 0], warps[:, 1, 1]) * 180 / math.pi
    for values, least, most in ((scales, 0.75, 1.25), (angles, -30, 30)):
        assert least <= values.min() < least + 0.02 * (most - least)
        assert most - 0.02 * (most - least) < values.max() <= most
        assert abs(values.mean() - (least + most) / 2) < 0.02 * (most - least)


@pytest.mark.parametrize(
    ("warp", "change"),
    [
        ([[1.0, 0], [0, 1]], lambda t: t),
        ([[-1.0, 0], [0, 1]], lambda t: t.flip(-1)),
        ([[0.0, 1], [-1, 0]], lambda t: t.rot90(-1, (-2, -1))),
    ],
)
def test_what_needs_no_interpolation_is_exact(monkeypatch: pytest.MonkeyPatch, warp, change) -> None:
    fixed(monkeypatch, warp)
    images = torch.randint(0, 256, (2, 3, 9, 9), dtype=torch.uint8, generator=generator())
    masks = torch.randint(0, 4, (2, 9, 9), dtype=torch.uint8, generator=generator())
    found = augmented(images, masks, generator())
    assert torch.equal(found[0], change(images))
    assert torch.equal(found[1], change(masks))


def test_beyond_the_edge_lie_border_and_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(monkeypatch, [[2.0, 0], [0, 2.0]])  # half the size
    images, masks = torch.full((1, 3, 16, 16), 200, dtype=torch.uint8), torch.ones(1, 16, 16, dtype=torch.uint8)
    image, mask = augmented(images, masks, generator(), border=(10, 20, 30), outside=255)
    assert image[0, :, 0, 0].tolist() == [10, 20, 30]
    assert image[0, :, 8, 8].tolist() == [200, 200, 200]
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[4:12, 4:12] = True
    assert torch.equal(mask[0] == 1, inside)
    assert (mask[0][~inside] == 255).all()


def test_image_and_mask_stay_together() -> None:
    mask = torch.zeros(40, 1, 64, 48, dtype=torch.uint8)
    mask[:, :, 10:40, 8:30] = 1
    images, masks = augmented((mask * 255).expand(-1, 3, -1, -1), mask[:, 0], generator(1))
    assert ((images[:, 0] > 127) == masks.bool()).float().mean() > 0.99


def test_draws_depend_on_the_generator_alone() -> None:
    images, masks = torch.randint(0, 256, (3, 3, 20, 20), dtype=torch.uint8), torch.ones(3, 20, 20, dtype=torch.uint8)
    first, second = (augmented(images, masks, generator(5)) for _ in range(2))
    assert all(map(torch.equal, first, second))
    other: tuple[Tensor, Tensor] = augmented(images, masks, generator(6))
    assert not torch.equal(first[0], other[0])
