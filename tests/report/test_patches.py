"""Classification by segmented share: the 30 % rule, which patch is chosen on which images, and what the page shows."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.manifest import write_json
from pipeline.report.job import Cell, Metric
from pipeline.report.patch_rows import patch_rows
from pipeline.report.patches import image_accuracy, patch_accuracy, ranking, segmented, trained_threshold
from pipeline.report.shown import Patches
from pipeline.report.strips import uri
from tests.report.miniature import cell

GIVEN = {"threshold": 0.9, "share": 0.3}


def columns(answers: list[tuple[int, int, int, bool, bool]]) -> dict[str, np.ndarray]:
    """Rows of (episode, query, class, whether the image is of the class, whether the answer is right)."""
    episode, query, kind, of_class, right = (np.array(values) for values in zip(*answers, strict=True))
    said = of_class == right
    return {
        "episode": episode,
        "query": query,
        "class": kind,
        "pixels": np.full(len(episode), 1000),
        "positives": 1000 * of_class,
        "tp@0.9": 500 * (said & of_class),
        "fp@0.9": 500 * (said & ~of_class),
    }


def table(train: dict[int, tuple[int, int]], test: dict[int, tuple[int, int]], patches: int) -> dict[str, np.ndarray]:
    """Four episodes a patch, two of its class: so many right ones (of the class, of others) in training and in test."""
    rows = []
    for patch in train:
        for round_ in range(4):
            for query, right in enumerate((train[patch], test[patch])):
                of_class = round_ % 2 == 0
                kind = 1 + patch % 2
                rows.append(
                    (patch + patches * round_, query, kind, of_class, round_ // 2 < right[0 if of_class else 1])
                )
    return columns(rows)


@pytest.mark.parametrize(("pixels", "answer"), [(250, False), (300, False), (301, True), (435, True), (149, False)])
def test_more_than_thirty_percent_is_positive(pixels: int, answer: bool) -> None:
    rows = {"pixels": np.array([1000]), "tp@0.9": np.array([pixels]), "fp@0.9": np.array([0])}
    assert segmented(rows, 0.9, 0.3).tolist() == [answer]


def test_image_accuracy_is_the_share_of_right_answers() -> None:
    rows = columns([(0, 0, 1, True, True), (1, 0, 1, False, False), (2, 0, 2, True, True), (3, 0, 2, False, True)])
    assert image_accuracy(rows, **GIVEN).value == 0.75


def test_the_best_patch_is_chosen_on_training_images_and_reported_on_test_images() -> None:
    train = {0: (2, 2), 2: (1, 1), 1: (0, 1), 3: (2, 1)}  # patches 0 and 2 are of class 1, 1 and 3 of class 2
    test = {0: (1, 1), 2: (2, 2), 1: (2, 2), 3: (1, 0)}
    rows = table(train, test, 4)
    values = {
        pick: patch_accuracy(rows, **GIVEN, patches=4, pick=pick).value  # type: ignore[arg-type]
        for pick in ("best", "mean", "worst")
    }
    assert values == {"best": (0.5 + 0.25) / 2, "mean": (0.75 + 0.625) / 2, "worst": (1 + 1) / 2}
    ranks = ranking(rows, **GIVEN, patches=4)
    assert [(rank.kind, rank.number, rank.train, rank.test) for rank in ranks] == [
        (1, 0, 1, 0.5),
        (1, 2, 0.5, 1),
        (2, 3, 0.75, 0.25),
        (2, 1, 0.25, 1),
    ]


def test_without_a_threshold_the_best_on_training_images_is_taken() -> None:
    train = {0: (2, 2), 2: (1, 1), 1: (0, 1), 3: (2, 1)}
    rows = table(train, {0: (1, 1), 2: (2, 2), 1: (2, 2), 3: (1, 0)}, 4)
    rows |= {name.replace("0.9", "0.5"): rows[name] for name in ("tp@0.9", "fp@0.9")}
    rows |= {name: np.zeros(len(rows["episode"]), int) for name in ("tp@0.9", "fp@0.9")}  # nothing is as likely
    given = {"share": 0.3, "patches": 4}
    assert trained_threshold(rows, **given) == 0.5  # type: ignore[arg-type]
    found = patch_accuracy(rows, threshold=None, pick="best", **given)  # type: ignore[arg-type]
    assert found.value == patch_accuracy(rows, threshold=0.5, pick="best", **given).value == 0.375  # type: ignore[arg-type]
    assert patch_accuracy(rows, threshold=0.9, pick="best", **given).value == 0.5  # type: ignore[arg-type]
    assert ranking(rows, threshold=None, **given) == ranking(rows, threshold=0.5, **given)  # type: ignore[arg-type]


def test_saying_no_to_all_is_chance_in_every_resample() -> None:
    tally = patch_accuracy(
        table(dict.fromkeys(range(4), (0, 2)), dict.fromkeys(range(4), (0, 2)), 4), **GIVEN, patches=4, pick="best"
    )
    drawn = np.random.default_rng(0).multinomial(16, np.full(16, 1 / 16), size=50) @ tally.sums
    values = tally.finish(drawn)
    assert tally.value == 0.5
    assert set(values[~np.isnan(values)]) == {0.5}


def test_a_row_shows_the_best_and_the_worst_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = Cell(**(cell("net", 4, "accuracy", 1) | {"scores": [["net.json"]]}))
    rows = table({0: (2, 2), 2: (0, 0), 1: (0, 1), 3: (2, 1)}, dict.fromkeys(range(4), (1, 1)), 4)
    listed = {name: values.tolist() for name, values in rows.items()}
    scores = {"recipe": {}, "code": "", "inputs": {}, "complete": True, "weights": "none"}
    write_json(Path("net.json"), {**scores, "statistics": {1: {"overlap": listed}}})
    np.savez_compressed("net.npz", **{f"{p + 4 * (p % 3)}/shown": np.full((2, 2, 3), p, np.uint8) for p in range(4)})
    metric = Metric(statistic="overlap", aggregate="patch_accuracy", parameters={**GIVEN, "patches": 4, "pick": "best"})
    plot = Patches(kind="patches", title="Patches", track=asked.track, metric="accuracy")
    found = patch_rows(plot, [asked], metric)
    assert [(row.kind, [p.train for p in row.best], [p.train for p in row.worst]) for row in found] == [
        (1, [1], [0]),
        (2, [0.75], [0.25]),
    ]
    assert found[0].best[0].picture == uri(np.zeros((2, 2, 3), np.uint8))
