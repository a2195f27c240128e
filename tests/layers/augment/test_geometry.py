"""Geometry: equal to the published steps done plainly; whole-pixel maps exact; one map for image, mask and level."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.augment import geometry
from pipeline.layers.augment.draws import Draws
from pipeline.layers.augment.geometry import inverse_maps, rescaled, rotations, warp_images, warp_masks
from tests.layers.augment.plain_warp import warp

CPU = torch.device("cpu")


def affine(linear: list[list[float]], offset: list[float]) -> torch.Tensor:
    return torch.cat((torch.tensor(linear), torch.tensor(offset)[:, None]), 1)[None]


def drawn(count: int, size: tuple[int, int], strength: float = 1.0) -> torch.Tensor:
    return inverse_maps(Draws(count=count, strength=strength, device=CPU), size, blit=True, general=True)


@pytest.mark.parametrize("seed", range(4))
def test_a_warp_equals_the_published_steps_done_plainly(seed: int):
    torch.manual_seed(seed)
    noise, maps = torch.randn(1, 1, 48, 64), drawn(1, (48, 64))
    made = warp_images(noise, maps)[0, 0].numpy()
    plain = warp(noise[0, 0].numpy().astype(np.float64), maps[0].numpy().astype(np.float64), 150)
    y, x = torch.meshgrid(torch.arange(48) - 23.5, torch.arange(64) - 31.5, indexing="ij")
    places = maps[0] @ torch.stack((x, y, torch.ones(48, 64))).flatten(1)
    reach = torch.tensor([[31.5], [23.5]]) - 9  # both filters together span up to 3 + 3 pixels, times the scale
    inside = (places.abs() < reach).all(0).view(48, 64).numpy()
    assert inside.mean() > 0.1
    assert np.allclose(made[inside], plain[inside], atol=1e-4)
    assert np.abs(made - plain).mean() < 0.07  # where mirrored, the filter runs the other way round


def test_the_map_is_the_inverse_of_the_published_product():
    torch.manual_seed(0)
    maps = drawn(20, (24, 40))
    torch.manual_seed(0)
    draws, sides = Draws(count=20, strength=1.0, device=CPU), torch.tensor([40.0, 24.0])
    flip, quarters, whole = geometry._blit(draws, sides)
    scale, before, stretch, after, shift = geometry._general(draws, sides)
    for k in range(20):
        product = np.eye(3)
        for step in (
            np.diag([1 - 2 * flip[k, 0], 1, 1]), turn(quarters[k, 0]), move(whole[k]),
            np.diag([2 ** scale[k, 0], 2 ** scale[k, 0], 1]), turn(before[k, 0]),
            np.diag([2 ** stretch[k, 0], 2 ** -stretch[k, 0], 1]), turn(after[k, 0]), move(shift[k]),
        ):  # fmt: skip
            product = step @ product
        assert np.allclose(maps[k], np.linalg.inv(product)[:2], atol=1e-4)


def turn(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])


def move(shift: torch.Tensor) -> np.ndarray:
    return np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])


def test_the_identity_keeps_images_and_masks():
    pictures, same = torch.rand(2, 3, 12, 20), affine([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]).expand(2, 2, 3)
    torch.testing.assert_close(warp_images(pictures, same), pictures, atol=2e-5, rtol=0)
    torch.testing.assert_close(warp_masks(pictures, same), pictures, atol=2e-6, rtol=0)


def test_flips_quarter_turns_and_whole_shifts_move_masks_exactly_and_fill_by_reflection():
    picture = torch.rand(1, 1, 12, 20)
    flip = warp_masks(picture, affine([[-1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]))
    torch.testing.assert_close(flip, picture.flip(3), atol=1e-5, rtol=0)
    shift = warp_masks(picture, affine([[1.0, 0.0], [0.0, 1.0]], [3.0, -2.0]))
    around = np.pad(picture[0, 0].numpy(), 20, mode="reflect")
    torch.testing.assert_close(shift[0, 0], torch.from_numpy(around[18:30, 23:43]), atol=1e-5, rtol=0)
    quarter = warp_masks(picture, torch.cat((rotations(torch.tensor([[math.pi / 2]])), torch.zeros(1, 2, 1)), 2))
    expected = np.rot90(around)[np.s_[:, :]]  # (60, 52); its middle
    torch.testing.assert_close(quarter[0, 0], torch.from_numpy(expected[24:36, 16:36].copy()), atol=1e-5, rtol=0)


def test_masks_stay_a_partition_of_unity():
    torch.manual_seed(0)
    masks = torch.softmax(torch.randn(30, 4, 12, 20) * 3, 1)
    warped = warp_masks(masks, drawn(30, (12, 20)))
    torch.testing.assert_close(warped.sum(1), torch.ones(30, 12, 20), atol=1e-5, rtol=0)
    assert warped.min() >= 0


def test_image_and_mask_stay_aligned():
    torch.manual_seed(0)
    masks = blobs(20, 96, 160)
    maps = drawn(20, (96, 160))
    seen, warped = warp_images(masks * 2 - 1, maps), warp_masks(masks, maps)
    assert (seen.argmax(1) == warped.argmax(1)).float().mean() > 0.99


def blobs(count: int, height: int, width: int) -> torch.Tensor:
    """One-hot masks (B, 3, H, W) of random round shapes."""
    field = F.interpolate(torch.randn(count, 3, 4, 6), size=(height, width), mode="bicubic")
    return F.one_hot(field.argmax(1), 3).movedim(3, 1).float()


def test_a_lower_level_is_warped_as_the_full_image_is():
    torch.manual_seed(0)
    full, maps = F.interpolate(torch.randn(10, 3, 4, 6), size=(64, 96), mode="bicubic"), drawn(10, (64, 96))
    lower = F.avg_pool2d(full, 4)
    expected = F.avg_pool2d(warp_images(full, maps), 4)
    error = (warp_images(lower, rescaled(maps, 0.25)) - expected).abs().mean()
    assert error < 0.07 * expected.std()  # the outermost pixels, where each is mirrored, lie apart
    assert error < (warp_images(lower, maps) - expected).abs().mean() / 5  # shifts not rescaled
