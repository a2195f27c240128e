"""The light augmentation: image and mask move alike, as often and as far as it says, and nothing is left bare."""

import pytest
import torch

from pipeline.measures.light_augmentation import augmented


def columns_and_rows(count):
    """Images whose red is the row and whose green the column; the mask is the column."""
    y, x = torch.meshgrid(torch.arange(40), torch.arange(80), indexing="ij")
    image = torch.stack([y, x, x]).to(torch.uint8)
    return image.expand(count, 3, 40, 80), x.to(torch.uint8).expand(count, 40, 80)


def test_image_and_mask_move_alike():
    images, masks = augmented(*columns_and_rows(50), torch.Generator().manual_seed(0))
    assert images.dtype == masks.dtype == torch.uint8
    assert torch.equal(images[:, 1], masks)


def test_moves_are_as_frequent_and_as_far_as_published():
    images, _ = augmented(*columns_and_rows(6000), torch.Generator().manual_seed(0))
    top, left = images[:, 0, :, 0].long(), images[:, 1, 0].long()
    plain, turned = torch.arange(40), torch.arange(79, -1, -1)
    assert float((top != plain).any(1).float().mean()) == pytest.approx(0.3, abs=0.02)
    still = (left == torch.arange(80)).all(1) | (left == turned).all(1)
    assert float(still.float().mean()) == pytest.approx(0.7, abs=0.02)
    # In the middle, which no shift reaches, columns ascend where there is no flip.
    assert float((left[:, 41] < left[:, 40]).float().mean()) == pytest.approx(0.15, abs=0.015)
    shifts = (top[:, 20] - 20)[(top != plain).any(1)]
    assert shifts.abs().min() == 0.05 * 40
    assert shifts.abs().max() == 0.30 * 40
    assert 0.45 < float((shifts > 0).float().mean()) < 0.55


def test_bared_borders_mirror_what_is_beside_them():
    images, _ = augmented(*columns_and_rows(200), torch.Generator().manual_seed(0))
    top = images[:, 0, :, 0].long()
    down = next(row for row in top if int(row[20]) == 20 - 7)
    assert down.tolist() == [*range(6, -1, -1), *range(33)]
    up = next(row for row in top if int(row[20]) == 20 + 7)
    assert up.tolist() == [*range(7, 40), *range(39, 32, -1)]
