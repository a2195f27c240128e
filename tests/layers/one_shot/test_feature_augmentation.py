"""Feature augmentation: fractions, released quirks, and that no object is ever cut."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.one_shot.attention import attended
from pipeline.layers.one_shot.content_augmentation import augment_content
from pipeline.layers.one_shot.discriminator import Discriminator, FeatureAugmentation
from pipeline.layers.one_shot.layout_augmentation import augment_layout
from pipeline.layers.one_shot.masked_layout import (
    Scene,
    augment_masked_layout,
    mix_background,
    move_objects,
    paste_object,
    swap_background,
)
from pipeline.layers.one_shot.rectangles import bounds, draw
from tests.layers.one_shot import plain_augmentation

CPU = torch.device("cpu")


def scene(batch=5, size=(24, 40), objects=3, channels=6):
    """Features that tell class and sample, and masks with an object in each of some corners.

    The second of each pair lacks the first object, so that its partner's finds room there.
    """
    masks = torch.zeros(batch, objects + 1, *size)
    for b in range(batch):
        for n in range(b % 2, objects):
            top, left = 2 + 7 * n, 3 + 9 * n + b
            masks[b, n + 1, top : top + 4, left : left + 5] = 1
            masks[b, n + 1, top, left] = 0  # not a rectangle
    masks[:, 0] = 1 - masks[:, 1:].sum(1)
    features = torch.zeros(batch, channels, *size)
    features[:, : objects + 1] = masks
    features[:, -1] = torch.arange(batch)[:, None, None]
    return features, masks


def many(function, *arguments, tries=60, **settings):
    torch.manual_seed(0)
    return [function(*arguments, **settings) for _ in range(tries)]


# Content.


def test_one_way_mixing_changes_the_first_of_a_pair_and_swapping_both():
    vectors = torch.arange(5.0)[:, None].expand(5, 100)
    for one_way in (True, False):
        for found in many(augment_content, vectors, probability=1.0, one_way=one_way):
            kept = ~(found == 0).all(0)  # dropped for all; sample 0 alone is zero anyway
            assert (found[4] == 4)[kept].all()
            changed = found != vectors
            assert ((changed[1] & kept).any() or (changed[3] & kept).any()) == (not one_way)
            for pair in (0, 2):
                share = int((found[pair] == pair + 1).sum())
                assert share <= 30
                if not one_way:
                    assert torch.equal(found[pair : pair + 2, kept].sum(0), vectors[pair : pair + 2, kept].sum(0))


def test_dropped_channels_are_10_to_30_percent_and_the_same_for_all():
    shares = []
    for found in many(augment_content, torch.ones(5, 100), probability=1.0, one_way=True, tries=200):
        assert all(torch.equal(found[0], row) for row in found)
        shares.append(int((found[0] == 0).sum()))
    assert min(shares) >= 10
    assert max(shares) <= 30
    assert min(shares) < 13
    assert max(shares) > 27


def test_mixed_channels_are_10_to_30_percent():
    vectors, shares = torch.arange(5.0)[:, None].expand(5, 100), []
    for found in many(augment_content, vectors, probability=0.5, one_way=True, tries=400):
        if (found[4] == 4).all():  # nothing is dropped
            shares += [int((found[pair] != pair).sum()) for pair in (0, 2)]
    mixed = [share for share in shares if share]
    assert 50 < len(mixed) < len(shares)
    assert 10 <= min(mixed) < 13
    assert 27 < max(mixed) <= 30


def test_only_the_background_rows_of_the_pooled_vectors_change_and_never_those_of_fakes():
    torch.manual_seed(0)
    augmentation = FeatureAugmentation(content=1.0, layout=1.0)
    network = Discriminator(blocks=5, low_level=2, channels=3, width=8, augmentation=augmentation).eval()
    features, cells = torch.randn(4, 32, 24, 40), scene(batch=4, objects=2)[1]
    fake, real = (network._pooled(features, cells, real) for real in (False, True))
    assert torch.equal(fake, attended(features, cells).flatten(0, 1))
    assert torch.equal(fake[4:], real[4:])
    assert not torch.equal(fake[:4], real[:4])
    assert network._laid_out(features, cells, False) is features
    assert not torch.equal(network._laid_out(features, cells, True), features)


# Rectangles.


def test_rectangles_take_a_tenth_to_a_half_of_a_side_and_never_the_last_row_or_column():
    torch.manual_seed(0)
    one, two = draw((20_000,), (24, 40), CPU)
    for r in (one, two):
        assert int(r.top.min()) == 0
        assert int(r.left.min()) == 0
        assert int(r.bottom.max()) == 23
        assert int(r.right.max()) == 39
    assert torch.equal(one.bottom - one.top, two.bottom - two.top)
    assert torch.equal(one.right - one.left, two.right - two.left)
    heights = (one.bottom - one.top).unique()
    assert (int(heights[0]), int(heights[-1])) == (1, 12)  # at the border corners are cut towards zero


def test_bounds_of_regions():
    regions = torch.zeros(2, 6, 7, dtype=torch.bool)
    regions[0, 2, 3], regions[0, 4, 1] = True, True
    boxes = bounds(regions)
    assert [int(side[0]) for side in boxes] == [2, 5, 1, 4]
    assert not boxes.cover((6, 7))[1].any()


# Layout.


def test_without_masks_pairs_exchange_one_rectangle():
    features = torch.arange(5.0)[:, None, None, None].expand(5, 2, 12, 20)
    for found in many(augment_layout, features, probability=1.0):
        for pair in (0, 2):
            a, b = found[pair, 0] != pair, found[pair + 1, 0] != pair + 1
            assert torch.equal(a, b)
            rows, columns = a.any(1).sum(), a.any(0).sum()
            assert int(a.sum()) == int(rows * columns) > 0
        assert (found[4] == 4).all()


@pytest.mark.parametrize("quirks", [True, False])
def test_every_foreground_cell_keeps_the_feature_of_its_class(quirks):
    features, masks = scene()
    both = torch.cat([features, masks], 1)
    moved = set()
    for seed in range(60):
        torch.manual_seed(seed)
        augmented = augment_masked_layout(features, masks, probability=0.7, quirks=quirks)
        torch.manual_seed(seed)
        found, before = Scene(both, 6), masks
        for number, step in enumerate((
            lambda s: mix_background(s, 0.7, quirks=quirks),
            lambda s: swap_background(s, 0.7),
            lambda s: paste_object(s, 0.7),
            lambda s: move_objects(s, 0.7, first_only=quirks),
        )):  # fmt: skip
            found = step(found)
            assert torch.equal(found.both[:, :4], found.masks)  # the features are the classes
            moved |= {number} if not torch.equal(found.masks, before) else set()
            before = found.masks
        assert torch.equal(found.both[:, :6], augmented)
    assert moved >= {2, 3}


def test_no_rectangle_cuts_an_object_and_what_is_pasted_is_whole():
    torch.manual_seed(0)
    field = F.interpolate(torch.randn(5, 4, 3, 4), size=(24, 40), mode="bicubic")
    field[:, 0] += 1.5  # objects of any shape on much background
    masks = F.one_hot(field.argmax(1), 4).movedim(-1, 1).float()
    given, pasted = Scene(torch.cat([torch.rand(5, 1, 24, 40), masks], 1), 1), 0
    for step in (lambda s: mix_background(s, 1.0, quirks=False), lambda s: swap_background(s, 1.0)):
        found = many(step, given)
        assert all(torch.equal(f.masks[:, 1:], masks[:, 1:]) for f in found)
        assert sum(not torch.equal(f.both, given.both) for f in found) > 30
    for found in many(paste_object, given, 1.0):
        for a, b in ((0, 1), (2, 3)):
            (kinds,) = (found.masks[b, 1:] != masks[b, 1:]).flatten(1).any(1).nonzero(as_tuple=True)
            if len(kinds):
                (kind,) = kinds + 1
                pasted += 1
                assert torch.equal(found.masks[b, kind], masks[b, kind] + masks[a, kind])
    assert pasted > 10


def test_whole_objects_move_and_none_is_cut():
    features, masks = scene(objects=1)
    area = int(masks[0, 1].sum())
    areas = {int(f[b, 1].sum()) for f in many(augment_masked_layout, features, masks, probability=0.7, quirks=False)
             for b in range(5)}  # fmt: skip
    assert areas - {0} <= {area, 2 * area, 3 * area}
    assert 2 * area in areas


def test_released_quirk_moves_objects_of_the_first_sample_alone():
    features, masks = scene()
    for first_only in (True, False):
        moved = torch.zeros(5, dtype=torch.bool)
        for found in many(move_objects, Scene(torch.cat([features, masks], 1), 6), 1.0, first_only=first_only):
            moved |= (found.masks != masks).flatten(1).any(1)
        assert moved.tolist() == ([True] + [False] * 4 if first_only else [True] * 5)


def test_released_quirk_asks_another_sample_whether_a_rectangle_touches_an_object():
    features, masks = scene(objects=1)
    masks[1:, 0], masks[1:, 1] = 0, 1  # every other sample is all object
    both = torch.cat([features, masks], 1)
    fixed = many(mix_background, Scene(both, 6), 1.0, False)
    assert all(torch.equal(found.both[1:], both[1:]) for found in fixed)
    quirky = many(mix_background, Scene(both + torch.rand_like(both) * 1e-4, 6), 1.0, True)
    assert any(not torch.equal(found.both[1], quirky[0].both[1]) for found in quirky)


def test_an_object_removed_and_doubled_at_once_is_a_duplicate():
    features, masks = scene(batch=1, objects=1)
    for found in many(move_objects, Scene(torch.cat([features, masks], 1), 6), 1.0, first_only=True):
        assert int(found.masks[0, 1].sum()) in (int(masks[0, 1].sum()), 2 * int(masks[0, 1].sum()))
        assert torch.equal(found.masks[0, 1] * masks[0, 1], masks[0, 1])


def test_an_object_that_is_removed_leaves_background():
    features, masks = scene(batch=1, objects=1)
    gone = [
        found
        for found in many(move_objects, Scene(torch.cat([features, masks], 1), 6), 0.5, first_only=True, tries=200)
        if not found.masks[0, 1].any()
    ]
    assert gone
    assert all((found.masks[0, 0] == 1).all() for found in gone)


def test_a_probability_of_zero_is_the_identity():
    features, masks = scene()
    assert torch.equal(augment_masked_layout(features, masks, probability=0.0, quirks=True), features)
    assert torch.equal(augment_layout(features, probability=0.0), features)
    vectors = torch.randn(5, 40)
    assert torch.equal(augment_content(vectors, probability=0.0, one_way=True), vectors)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("objects", [0, 1])
def test_small_batches_and_masks_without_objects(batch, objects):
    features, masks = scene(batch=batch, objects=max(1, objects))
    found = augment_masked_layout(features, masks[:, : objects + 1], probability=1.0, quirks=True)
    assert found.shape == features.shape
    augment_content(torch.randn(batch, 30), probability=1.0, one_way=True)
    augment_layout(features, probability=1.0)


def test_gradients_reach_the_features():
    features, masks = scene()
    features.requires_grad_()
    augment_masked_layout(features, masks, probability=1.0, quirks=False).sum().backward()
    assert float(features.grad.sum()) == features.numel()


# Equal to loops and conditions on the same draws.


def both_ways(fast, slow):
    for seed in range(25):
        torch.manual_seed(seed)
        found = fast()
        torch.manual_seed(seed)
        assert torch.equal(found, slow())


@pytest.mark.parametrize("quirks", [True, False])
@pytest.mark.parametrize(("batch", "objects"), [(5, 3), (4, 1)])
def test_masked_layout_equals_loops_and_conditions(quirks, batch, objects):
    masks = scene(batch=batch, objects=objects)[1].double()
    features = torch.randn(batch, 3, 24, 40).double()
    both_ways(
        lambda: augment_masked_layout(features, masks, probability=0.6, quirks=quirks),
        lambda: plain_augmentation.masked_layout(features, masks, 0.6, quirks),
    )


@pytest.mark.parametrize("one_way", [True, False])
def test_content_and_layout_equal_loops_and_conditions(one_way):
    vectors, features = torch.randn(5, 40).double(), torch.randn(5, 3, 12, 20).double()
    both_ways(
        lambda: augment_content(vectors, probability=0.6, one_way=one_way),
        lambda: plain_augmentation.content(vectors, 0.6, one_way),
    )
    both_ways(lambda: augment_layout(features, probability=0.6), lambda: plain_augmentation.layout(features, 0.6))
