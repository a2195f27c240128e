"""An evaluation that is killed goes on where it was, and counts what it would have counted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import random_batch

from pipeline.evaluate.__main__ import evaluate
from pipeline.evaluate.job import EvaluateJob
from pipeline.evaluate.score import Pictures
from pipeline.evaluate.tally import Shelf, Tally, tally_of
from pipeline.scores import read_scores
from pipeline.segmenter import Prediction

BATCHES = [random_batch(supports=[(16, 16)] * 2, queries=[(24, 20)], objects=2, void=True, seed=s) for s in range(4)]


def empty() -> Tally:
    statistics = {"overlap": {"thresholds": [0.5]}, "centre_distance": {"threshold": 0.5}}
    return tally_of(statistics, (1, 2), Pictures(3, "supports"), "toy")


def count(tally: Tally, number: int) -> None:
    """Add a batch of two episodes; half a batch finds nothing, which has no distance."""
    batch = BATCHES[number]
    (query,) = batch.queries
    found = torch.rand(2, 2, 24, 20, generator=torch.Generator().manual_seed(number))
    found[0] *= number % 2
    prediction, episodes = Prediction(found), [tally.done, tally.done + 1]
    tally.pictures.add_supports(episodes, batch.supports.frames, masks=True)
    for scorer in tally.scorers.values():
        scorer.add(episodes, 0, prediction, query.masks, 2)
    tally.pictures.add_query(episodes, 0, query, prediction)
    tally.worst.add(episodes, batch, prediction)
    tally.done += 2


def counted(tally: Tally) -> tuple[object, ...]:
    columns = {shots: scorer.columns for shots, scorer in tally.scorers.items()}
    shown = {name: array.tolist() for name, array in tally.shown.items()}
    return tally.done, columns, tally.worst.rank, shown


@pytest.mark.parametrize("killed", [1, 2, 3])
def test_what_is_unpacked_goes_on_as_what_was_packed(killed):
    whole, first, second = empty(), empty(), empty()
    for number in range(4):
        count(whole, number)
    for number in range(killed):
        count(first, number)
    second.unpack(first.pack(12.5))
    assert second.seconds == 12.5
    for number in range(killed, 4):
        count(second, number)
    assert counted(second) == counted(whole)
    assert all(array.dtype == np.uint8 for array in second.shown.values())


def test_nothing_is_packed_and_unpacked():
    tally = empty()
    tally.unpack(empty().pack(0))
    assert counted(tally) == counted(empty())


def test_a_shelf_keeps_the_tally_of_the_same_work_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("GLIMPSE_CHECKPOINT_SECONDS", "0")
    tally, same, other = empty(), empty(), empty()
    count(tally, 0)
    Shelf(tmp_path, "same").save(tally)
    Shelf(tmp_path, "same").load(same)
    Shelf(tmp_path, "other").load(other)
    assert counted(same) == counted(tally)
    assert same.seconds > 0
    assert other.done == 0
    Shelf(tmp_path, "same").clear()
    assert not list(tmp_path.iterdir())


def test_a_shelf_waits_between_two_savings(tmp_path, monkeypatch):
    monkeypatch.setenv("GLIMPSE_CHECKPOINT_SECONDS", "60")
    Shelf(tmp_path, "same").save(empty())
    assert not list(tmp_path.iterdir())


class KilledError(Exception):
    """What stands for a kill."""


@pytest.mark.slow
def test_a_killed_evaluation_counts_what_an_undisturbed_one_does(finished_miniature, tmp_path, monkeypatch):
    monkeypatch.chdir(finished_miniature.path)
    monkeypatch.setenv("GLIMPSE_CHECKPOINT_SECONDS", "0")
    path = Path("results/scores/sample/toy_trained/clutter-n4/clutter-n4-test_one_shot/none/seed0.json")
    job = EvaluateJob.model_validate(read_scores(path).recipe | {"batch": 4, "pictures": 10})
    whole, trunk = evaluate(job, torch.device("cpu"))
    numbers = iter(range(9))

    class Killed(Shelf):
        def save(self, tally):
            super().save(tally)
            if next(numbers) == 1:
                raise KilledError

    with pytest.raises(KilledError):
        evaluate(job, torch.device("cpu"), shelf=Killed(tmp_path, "same"))
    again, trunk_again = evaluate(job, torch.device("cpu"), shelf=Killed(tmp_path, "same"))
    assert next(numbers) == 5  # two batches of four episodes before, three of five after
    assert counted(again) == counted(whole)
    assert (again.done, trunk_again) == (20, trunk)
