"""Counts of J and F: equal to the plain ones on masks of all kinds, and facts that can be told by hand."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.evaluate.davis.counts import COUNTS, count, radius
from tests.evaluate.davis import plain_counts

Labels = NDArray[np.uint8]
EMPTY = np.zeros((480, 854), np.uint8)


def one(prediction: Labels, truth: Labels, **parameters: object) -> dict[str, int]:
    """Counts of a single object."""
    return dict(zip(COUNTS, count(prediction[None], truth[None], 1, **parameters)[0, 0].tolist(), strict=True))


def square(rows: slice, columns: slice, shape: tuple[int, int] = (480, 854)) -> Labels:
    labels = np.zeros(shape, np.uint8)
    labels[rows, columns] = 1
    return labels


def made_up(random: np.random.Generator) -> tuple[Labels, Labels, int]:
    """Two label maps of some objects: noise, blobs or unions of boxes, of any small size, with or without void."""
    shape, objects = tuple(random.integers(1, 200, 2)), int(random.integers(1, 6))
    kind = random.integers(3)
    if kind == 0:
        maps = random.integers(0, objects + 2, (2, *shape))
    elif kind == 1:
        scores = ndimage.gaussian_filter(random.normal(size=(2, objects + 1, *shape)), (0, 0, 4, 4))
        maps = np.stack([scores[0], scores[0] + random.uniform(0, 1.5) * scores[1]]).argmax(1)
    else:
        maps = np.zeros((2, *shape), int)
        for labels in maps:
            for number in random.integers(0, objects + 2, 6):
                (top, left), (height, width) = random.integers(0, shape), random.integers(0, shape)
                labels[top : top + height, left : left + width] = number
    prediction, truth = maps.astype(np.uint8)
    truth[random.random(shape) < random.choice([0, 0, 0.2])] = 255
    return prediction, truth, objects


@pytest.mark.parametrize("seed", range(4))
def test_every_count_equals_the_plain_one_on_made_up_masks(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(500):
        prediction, truth, objects = made_up(random)
        void = str(random.choice(["background", "ignored"]))
        found = count(prediction[None], truth[None], objects, void=void)[0]
        assert np.array_equal(found, plain_counts.count(prediction, truth, objects, void))


@pytest.mark.parametrize("reach", [1, 2, 13, 31, 32, 63, 64, 65, 130])
def test_any_tolerance_in_pixels(reach: int) -> None:
    random = np.random.default_rng(reach)
    for _ in range(5):
        prediction, truth, objects = made_up(random)
        found = count(prediction[None], truth[None], objects, tolerance=reach)[0]
        assert np.array_equal(found, plain_counts.count(prediction, truth, objects, reach=reach))


def test_the_plain_disk_is_scipys() -> None:
    random = np.random.default_rng(0)
    y, x = np.mgrid[-5:6, -5:6]
    for shape in ((40, 50), (3, 70), (1, 1)):
        edge = random.random(shape) < 0.02
        assert np.array_equal(plain_counts.dilated(edge, 5), ndimage.binary_dilation(edge, x**2 + y**2 <= 25))


def test_254_objects_and_frames_whose_bytes_lie_anywhere() -> None:
    volumes = np.random.default_rng(0).integers(0, 256, (2, 3, 37, 53)).astype(np.uint8)
    whole = count(*volumes, 254)
    assert whole.shape == (3, 254, 6)
    for frame, rows in enumerate(whole):
        assert np.array_equal(rows, plain_counts.count(*volumes[:, frame], 254))
    transposed = np.ascontiguousarray(volumes.swapaxes(2, 3)).swapaxes(2, 3)
    assert np.array_equal(count(*transposed, 254), whole)


@pytest.mark.mirror
def test_every_count_equals_the_plain_one_on_real_masks(davis_masks: Path) -> None:
    """Each frame's mask as the prediction of the one before and of the one six later, and objects of gold-fish moved."""
    checked = 0
    for name in ("blackswan", "bmx-trees", "dog"):
        files = sorted((davis_masks / name).glob("*.png"))
        labels = np.stack([np.asarray(Image.open(file)) > 0 for file in files[::4]]).astype(np.uint8)
        for prediction, truth in ((labels[1:], labels[:-1]), (labels[:-2], labels[2:])):
            found = count(prediction, truth, 1)
            for rows, p, t in zip(found, prediction, truth, strict=True):
                assert np.array_equal(rows, plain_counts.count(p, t, 1))
                checked += 1
    assert checked > 80
    fish = np.asarray(Image.open(davis_masks / "gold-fish" / "00000.png"))
    for shift in ((3, 2), (-9, 1)):
        moved = np.roll(fish, shift, (0, 1))
        assert np.array_equal(count(moved[None], fish[None], 5)[0], plain_counts.count(moved, fish, 5))


def test_tolerances_of_the_three_sizes_of_davis() -> None:
    assert [radius(480, width) for width in (854, 910, 1152)] == [8, 9, 10]
    assert radius(480, 854, tolerance=3) == 3


def test_truth_against_itself_matches_every_pixel() -> None:
    found = one(*2 * [square(slice(100, 150), slice(30, 99))])
    assert found["intersection"] == found["union"] == 50 * 69
    assert found["predicted"] == found["precise"] == found["boundary"] == found["recalled"] == 2 * (50 + 69)


def test_empty_masks_count_nothing() -> None:
    assert one(EMPTY, EMPTY) == dict.fromkeys(COUNTS, 0)
    found = one(square(slice(10, 20), slice(10, 20)), EMPTY)
    assert (found["predicted"], found["precise"], found["boundary"]) == (40, 0, 0)


def test_a_full_frame_has_no_boundary() -> None:
    assert one(EMPTY + 1, EMPTY + 1)["boundary"] == 0


@pytest.mark.parametrize(("shift", "share"), [(8, 1), (9, 0)])
def test_a_line_is_matched_within_8_pixels(shift: int, share: int) -> None:
    upper, lower = square(slice(0, 200), slice(0, 854)), square(slice(0, 200 + shift), slice(0, 854))
    found = one(upper, lower)
    assert found["predicted"] == found["boundary"] == 854
    assert (found["precise"], found["recalled"]) == (854 * share, 854 * share)


def test_a_shifted_square_within_tolerance_is_matched_whole() -> None:
    found = one(square(slice(100, 150), slice(100, 150)), square(slice(108, 158), slice(100, 150)))
    assert (found["precise"], found["recalled"]) == (found["predicted"], found["boundary"])


def test_void_pixels_are_of_no_mask_where_they_are_ignored_and_else_background() -> None:
    truth, prediction = square(slice(100, 150), slice(100, 150)), square(slice(50, 150), slice(100, 150))
    truth[50:100, 100:150] = 255
    ignored = one(prediction, truth, void="ignored")
    assert ignored["intersection"] == ignored["union"] == 50 * 50
    assert ignored["precise"] == ignored["predicted"] == ignored["boundary"] == ignored["recalled"] == 200
    assert one(prediction, truth)["union"] == 100 * 50


def test_merged_objects_are_all_ids_or_255_where_a_truth_has_none() -> None:
    random = np.random.default_rng(0)
    prediction, truth = random.choice([0, 1, 2, 255], (2, 3, 21, 34)).astype(np.uint8)
    truth[1] = random.choice([0, 255], (21, 34))
    masks = np.stack([np.isin(truth[0], [1, 2]), truth[1] == 255, np.isin(truth[2], [1, 2])]).astype(np.uint8)
    assert np.array_equal(count(prediction, truth, 1, merged=True), count(np.minimum(prediction, 1), masks, 1))


def test_maps_of_unlike_size_and_too_many_objects_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sizes \(1, 2, 3\) and \(1, 3, 2\)"):
        count(np.zeros((1, 2, 3), np.uint8), np.zeros((1, 3, 2), np.uint8), 1)
    with pytest.raises(ValueError, match="254 are the most"):
        count(EMPTY[None], EMPTY[None], 255)
