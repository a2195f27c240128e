"""Pooled metrics against masks counted pixel by pixel, and the closed forms of trivial answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.evaluate.statistics import labels, overlap
from pipeline.report.aggregates import aggregate
from pipeline.report.pooled import class_ious
from pipeline.report.tally import PART
from pipeline.segmenter import Prediction

HALF = {"threshold": 0.5}


@dataclass
class Episode:
    """A truth of 0, 1 and 255, an answer of booleans, and where it belongs."""

    part: int
    kind: int
    truth: NDArray[np.uint8]
    answer: NDArray[np.bool_]


def episodes(seed: int, count: int = 12, parts: int = 2) -> list[Episode]:
    """Queries of any size, of two classes a part, with some void."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        part, shape = number % parts, draw.integers(3, 9, size=2)
        truth = draw.choice(np.array([0, 1, 255], np.uint8), p=[0.5, 0.4, 0.1], size=shape)
        made.append(Episode(part, int(1 + 5 * part + draw.integers(2)), truth, draw.random(shape) > 0.5))
    return made


def table(found: list[Episode]) -> dict[str, NDArray[Any]]:
    """What the statistic `overlap` keeps of them, as the report joins it."""
    rows: list[dict[str, int]] = []
    for number, each in enumerate(found):
        prediction = Prediction(torch.from_numpy(each.answer.astype(np.float32))[None, None])
        counts = overlap.measure(prediction, torch.from_numpy(each.truth)[None], 1, thresholds=[0.5])
        place = {"episode": number + each.part * PART, "part": each.part, "class": each.kind}
        rows.append({**place, **{name: int(value) for name, value in counts.items()}})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def plain(found: list[Episode]) -> tuple[int, int, int, int]:
    """TP, FP, FN, TN of all pixels but void, one by one."""
    counts = [0, 0, 0, 0]
    for each in found:
        for true, said in zip(each.truth.flat, each.answer.flat, strict=True):
            if true != 255:
                counts[0 if true and said else 1 if said else 2 if true else 3] += 1
    return counts[0], counts[1], counts[2], counts[3]


def of_parts(found: list[Episode]) -> list[list[Episode]]:
    return [[each for each in found if each.part == part] for part in sorted({each.part for each in found})]


def of_classes(found: list[Episode]) -> list[list[Episode]]:
    return [[each for each in found if each.kind == kind] for kind in sorted({each.kind for each in found})]


def mean_over(groups: list[list[Episode]], formula: Any) -> float:
    return float(np.mean([formula(*plain(group)) for group in groups]))


def iou(tp: int, fp: int, fn: int, tn: int) -> float:
    return tp / max(tp + fp + fn, 1)


def both(tp: int, fp: int, fn: int, tn: int) -> float:
    return (iou(tp, fp, fn, tn) + tn / max(tn + fp + fn, 1)) / 2


def value(name: str, found: list[Episode], **more: Any) -> float:
    return aggregate(name, {**HALF, **more}, table(found)).value


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_every_metric_equals_counting_pixels_one_by_one(seed: int) -> None:
    found = episodes(seed)
    folds = [of_classes(part) for part in of_parts(found)]
    wanted = {
        "class_iou": iou,
        "class_precision": lambda tp, fp, fn, tn: tp / max(tp + fp, 1),
        "class_recall": lambda tp, fp, fn, tn: tp / max(tp + fn, 1),
    }
    for name, formula in wanted.items():
        assert value(name, found) == pytest.approx(np.mean([mean_over(fold, formula) for fold in folds]))
    assert value("fb_iou", found) == pytest.approx(mean_over(of_parts(found), both))
    assert value("fb_iou", found, pooled=True) == pytest.approx(both(*plain(found)))
    assert value("positive_iou", found) == pytest.approx(mean_over(of_parts(found), iou))
    assert value("positive_iou", found, pooled=True) == pytest.approx(iou(*plain(found)))
    for kind, ratio in class_ious(table(found), 0.5).items():
        assert ratio == pytest.approx(iou(*plain([each for each in found if each.kind == kind])))


def counts(*rows: tuple[int, int, int, int], kinds: tuple[int, ...] = ()) -> dict[str, NDArray[Any]]:
    """Columns of `overlap` from (TP, FP, FN, TN) of one episode each."""
    tp, fp, fn, tn = np.array(rows).T
    place = {"episode": np.arange(len(rows)), "class": np.array(kinds or (1,) * len(rows))}
    return {**place, "tp@0.5": tp, "fp@0.5": fp, "positives": tp + fn, "pixels": tp + fp + fn + tn}


def test_pixels_are_pooled_before_they_are_divided() -> None:
    columns = counts((10, 5, 5, 80), (0, 0, 10, 90))
    tally = aggregate("class_iou", HALF, columns)
    assert tally.value == pytest.approx(10 / 30)  # the mean over images would be 0.25
    assert tally.single() == {0: 0.5, 1: 0.0}


def test_two_readings_of_fb_iou_differ() -> None:
    """A small fold that is perfect beside a large one that is not."""
    columns = counts((1, 0, 0, 1), (50, 50, 50, 50)) | {"part": np.array([0, 1]), "episode": np.array([0, PART])}
    mean = aggregate("fb_iou", HALF, columns).value
    pooled = aggregate("fb_iou", {**HALF, "pooled": True}, columns).value
    assert mean == pytest.approx((1 + 1 / 3) / 2)
    assert pooled == pytest.approx(51 / 151)


def test_panet_counts_an_image_only_where_its_truth_has_the_label() -> None:
    columns = counts((4, 1, 1, 4), (0, 6, 0, 4), (8, 0, 2, 0))  # the second shows nothing, the third nothing else
    assert aggregate("panet_binary", HALF, columns).value == pytest.approx((12 / 16 + 8 / 16) / 2)
    assert aggregate("fb_iou", HALF, columns).value == pytest.approx((12 / 22 + 8 / 18) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_trivial_answers_score_what_the_masks_say(seed: int) -> None:
    found = episodes(seed)
    for each in found:
        each.truth[0, :2] = 0, 1  # neither empty nor full
        each.answer[:] = False
    background = mean_over(of_parts(found), lambda tp, fp, fn, tn: tn / (fn + tn))
    assert value("class_iou", found) == 0
    assert value("fb_iou", found) == pytest.approx(background / 2)
    assert value("class_precision", found) == 0
    for each in found:
        each.answer[:] = True
    shares = [mean_over(of_classes(part), lambda tp, fp, fn, tn: tp / (tp + fp)) for part in of_parts(found)]
    assert value("class_iou", found) == value("class_precision", found) == pytest.approx(np.mean(shares))
    assert value("class_recall", found) == 1
    assert value("fb_iou", found) == pytest.approx(value("positive_iou", found) / 2)


def test_the_truth_scores_100_whatever_void_says() -> None:
    found = episodes(1)
    for each in found:
        each.truth[0, :2] = 0, 1
        each.answer = each.truth > 0  # void called object: it is not scored
    for name in ("class_iou", "class_precision", "class_recall", "fb_iou", "positive_iou", "panet_binary"):
        assert value(name, found) == 1


def test_the_order_of_episodes_does_not_matter() -> None:
    columns = table(episodes(2, count=40))
    order = np.random.default_rng(0).permutation(40)
    mixed = {name: column[order] for name, column in columns.items()}
    for name in ("class_iou", "fb_iou", "panet_binary"):
        straight, shuffled = (aggregate(name, HALF, each) for each in (columns, mixed))
        assert straight.value == shuffled.value
        assert np.array_equal(straight.sums, shuffled.sums)
        assert straight.sums.dtype == np.int64


def test_large_sums_lose_no_pixel() -> None:
    rows = [(2**24 + 1, 1, 0, 0)] * 60  # float32 would lose the odd one
    assert aggregate("class_iou", HALF, counts(*rows)).sums.sum(axis=0)[0] == 60 * (2**24 + 1)


def test_a_class_that_is_not_drawn_again_does_not_count() -> None:
    tally = aggregate("class_iou", HALF, counts((1, 1, 0, 0), (1, 0, 0, 0), kinds=(1, 2)))
    times = np.array([[1.0, 1.0], [2.0, 0.0]])
    assert tally.finish(times @ tally.sums).tolist() == [0.75, 0.5]


def test_a_mean_over_classes_needs_classes() -> None:
    columns = {name: column for name, column in counts((1, 0, 0, 0)).items() if name != "class"}
    with pytest.raises(UserError, match="the split has none"):
        aggregate("class_iou", HALF, columns)


def label_columns(probabilities: Any, truth: Any) -> dict[str, NDArray[Any]]:
    """Rows of one query with two objects, classes 6 and 9."""
    found = labels.measure(
        Prediction(torch.tensor([probabilities])), torch.tensor([truth], dtype=torch.uint8), 2, threshold=0.5
    )
    columns = {name: values.flatten().numpy() for name, values in found.items()}
    return {**columns, "episode": np.zeros(2, int), "class": np.array([6, 9])}


def test_label_maps_take_the_likeliest_object_where_there_is_any() -> None:
    first, second = [[0.9, 0.6], [0.4, 0.7]], [[0.2, 0.8], [0.45, 0.7]]
    columns = label_columns([first, second], [[1, 2], [2, 0]])  # labels: 1, 2, background, 1 (a tie goes to the first)
    assert [columns[name].tolist() for name in ("tp", "fp", "fn")] == [[1, 1], [1, 0], [0, 1]]
    assert [columns[f"background_{name}"].tolist() for name in ("tp", "fp", "fn")] == [[0, 0], [1, 0], [1, 0]]
    assert aggregate("label_iou", {"background": False}, columns).value == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert aggregate("label_iou", {"background": True}, columns).value == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)


def test_all_background_finds_no_object_and_void_is_not_scored() -> None:
    nothing = [[0.1, 0.5], [0.2, 0.3]]
    columns = label_columns([nothing, nothing], [[1, 0], [0, 255]])
    assert aggregate("label_iou", {"background": False}, columns).value == 0
    assert aggregate("label_iou", {"background": True}, columns).value == pytest.approx((2 / 3) / 3)
