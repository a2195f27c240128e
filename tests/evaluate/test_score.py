"""Scoring: columns row by row, shots, blind queries, pictures."""

from dataclasses import replace

import pytest
import torch
from toys import random_batch

from pipeline.errors import UserError
from pipeline.evaluate.score import Pictures, Scorer, predict
from pipeline.segmenter import Prediction
from pipeline.system import build_system

BATCH = random_batch(supports=[(32, 32), (16, 16)], queries=[(24, 24)] * 2, objects=2)


def test_rows_are_episode_query_object():
    scorer = Scorer({"overlap": {"thresholds": [0.3]}}, "toy")
    query = BATCH.queries[0]
    for q in range(2):
        scorer.add([10, 11], q, Prediction(torch.rand(2, 2, 24, 24)), query.masks, 2)
    columns = scorer.columns["overlap"]
    assert columns["episode"] == [10, 10, 11, 11] * 2
    assert columns["query"] == [0] * 4 + [1] * 4
    assert columns["object"] == [1, 2] * 4
    assert all(len(column) == 8 for column in columns.values())


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (Prediction(torch.rand(2, 24, 24)), r"probabilities of shape \(2, 24, 24\), not \(2, 2, 24, 24\)"),
        (Prediction(torch.rand(1, 2, 24, 24)), r"probabilities of shape \(1, 2, 24, 24\), not"),
        (Prediction(torch.full((2, 2, 24, 24), torch.nan)), "probabilities from nan to nan"),
        (Prediction(torch.rand(2, 2, 24, 24) * 255), "probabilities from 0.* they lie in"),
        (Prediction(torch.rand(2, 2, 24, 24), centres=torch.rand(2, 2)), r"centres of shape \(2, 2\), not \(2, 2, 2\)"),
        (Prediction(torch.rand(2, 2, 24, 24), scores=torch.rand(2)), r"scores of shape \(2,\), not \(2, 2\)"),
    ],
)
def test_a_prediction_of_another_shape_or_range_names_the_system(prediction, message):
    scorer = Scorer({"overlap": {"thresholds": [0.3]}}, "toy")
    with pytest.raises(UserError, match=f"toy predicts {message}"):
        scorer.add([0, 1], 0, prediction, BATCH.queries[0].masks, 2)


def test_a_plugin_that_returns_its_prediction_is_told_to_yield():
    segmenter = build_system("toy_untrained", {}, {}, 0)
    segmenter.predict = lambda state, queries: Prediction()
    with pytest.raises(UserError, match=r"toy_untrained.*predict gives a Prediction; it must yield"):
        list(predict(segmenter, BATCH, 1))


def test_fewer_shots_are_the_first_supports():
    segmenter = build_system("toy_untrained", {}, {}, 0)
    one = [p.probabilities for _, p in predict(segmenter, BATCH, 1)]
    alone = random_batch(supports=[(32, 32)], queries=[(24, 24)] * 2, objects=2).supports
    state = segmenter.adapt(type(alone)(BATCH.supports.frames[:1], 2))
    for found, wanted in zip(one, segmenter.predict(state, iter(BATCH.queries)), strict=True):
        assert torch.equal(found, wanted.probabilities)


def test_a_shot_of_an_n_way_choice_shows_every_class():
    batch = random_batch(supports=[(16, 16)] * 6, queries=[(24, 24)], objects=3, one_each=True)
    supports = replace(batch.supports, ways=3)
    assert len(supports.first(1).frames) == 3
    assert len(supports.first(2).frames) == 6
    segmenter = build_system("toy_untrained", {}, {}, 0)
    scorer = Scorer({"choice": {}}, "toy")
    scenes = [replace(f, masks=(f.masks > 0).to(f.masks.dtype) * 2) for f in supports.frames[1:2]]  # query = support 2
    for q, (query, prediction) in enumerate(
        predict(segmenter, replace(batch, supports=supports, queries=tuple(scenes)), 1)
    ):
        scorer.add([0, 1], q, prediction, query.masks, 3)
    assert scorer.columns["choice"]["correct"] == [1, 1]


def test_queries_arrive_without_their_masks():
    segmenter = build_system("toy_untrained", {}, {}, 0)
    seen = []
    original = segmenter.predict
    segmenter.predict = lambda state, queries: original(state, (seen.append(q.masks) or q for q in queries))
    list(predict(segmenter, BATCH, 2))
    assert seen == [None, None]


def test_a_missing_answer_is_named():
    scorer = Scorer({"choice": {}}, "toy")
    with pytest.raises(UserError, match="toy predicts no scores, which the statistic 'choice' needs"):
        scorer.add([0, 1], 0, Prediction(torch.rand(2, 2, 24, 24)), BATCH.queries[0].masks, 2)


def test_pictures_keep_the_first_episodes_only():
    pictures = Pictures(3)
    for first in (0, 2):
        pictures.add_supports([first, first + 1], BATCH.supports.frames)
        pictures.add_query([first, first + 1], 0, BATCH.queries[0], Prediction(torch.rand(2, 2, 24, 24)))
    assert {name.split("/")[0] for name in pictures.arrays} == {"0", "1", "2"}
    assert pictures.arrays["2/prediction0"].shape == (2, 24, 24)
    assert pictures.arrays["0/support1"].shape == (16, 16, 3)
