"""Extended supports: synthetic pairs of the very episode, standard augmentation, seeds; episodes that fail."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import random_batch

from pipeline.errors import UserError
from pipeline.evaluate.extend import Extension
from pipeline.evaluate.film import label_frames
from pipeline.evaluate.job import EvaluateJob
from pipeline.evaluate.score import Pictures
from pipeline.evaluate.scoring import Scoring
from pipeline.evaluate.tally import tally_of
from pipeline.pairs import PairFacts, PairWriter, Samples, key_of
from pipeline.segmenter import VOID, Prediction, Segmenter
from pipeline.synthesize.fit import failed

CPU = torch.device("cpu")


def job(**more) -> EvaluateJob:
    values = {
        "system": "toy", "plugin": "toy", "trained_on": None, "tested_on": "davis16-val", "augmentation": "none",
        "train_parameters": {}, "evaluate_parameters": {}, "model": None, "data": "d.json", "episodes": 2, "shots": [1],
        "statistics": {"overlap": {"thresholds": [0.5]}}, "batch": 1, "pictures": 1, "kept": "video", "seed": 0,
        "threads": 1, "precision": "float32", "device": "cpu",
    }  # fmt: skip
    return EvaluateJob(**values | more)


def episode(name="davis16/dog/00000@64"):
    batch = random_batch(supports=[(24, 32)], queries=[(24, 32)] * 3, batch=1)
    frames = tuple(replace(frame, ids=(name,)) for frame in batch.supports.frames)
    return replace(batch, supports=replace(batch.supports, frames=frames), classes=torch.tensor([[1]]))


@pytest.fixture
def pairs(tmp_path):
    (tmp_path / "seed0").mkdir()
    writer = PairWriter(tmp_path / "seed0" / "pairs.zarr")
    images = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    facts = PairFacts(name=key_of("davis16/dog/00000", [1]), objects=1, size=(8, 8))
    writer.add(Samples(facts, images, np.ones((4, 8, 8), np.uint8), np.array([1, 3])))
    writer.add(failed(key_of("davis16/cat/00000", [1]), "the loss is nan"))
    return (tmp_path / "seed0.json").as_posix()


def test_the_pairs_that_the_filter_kept_extend_their_own_episode(pairs):
    extended = Extension(job(synthetic=pairs, augmentation="osmis"), CPU)([0], episode()).supports
    assert [frame.origin for frame in extended.extra] == ["synthetic"] * 2
    assert extended.extra[0].images.shape == (1, 3, 8, 8)
    assert int(extended.extra[1].images[0, 0, 0, 0]) == 3 * 8 * 8 * 3 % 256
    assert not extended.standard
    assert extended.first(1).extra == extended.extra


def test_seeds_are_of_the_run_and_the_support():
    def seed(run, name, number=0):
        return Extension(job(seed=run, standard=True), CPU)([number], episode(name)).supports.seed

    assert seed(0, "dog") == seed(0, "dog", 7)
    assert len({seed(0, "dog"), seed(0, "cat"), seed(1, "dog")}) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("davis16/cow/00000", "holds no pairs made of davis16/cow/00000#1"),
        ("davis16/cat/00000", "no synthetic pairs of davis16/cat/00000#1: the loss is nan"),
    ],
)
def test_what_has_no_pairs_is_one_line(pairs, name, message):
    with pytest.raises(UserError, match=message):
        Extension(job(synthetic=pairs), CPU)([0], episode(name))


class Ones(Segmenter):
    trunk = "none"

    def adapt(self, supports):
        if "cat" in supports.frames[0].ids[0]:
            raise UserError("no cats")
        return supports.objects

    def predict(self, state, queries):
        for query in queries:
            yield Prediction(torch.ones(1, state, *query.images.shape[-2:]))


def test_one_video_fails_and_the_others_go_on():
    tally = tally_of({"overlap": {"thresholds": [0.5]}}, [1], Pictures(1, "video"), "toy")
    scoring = Scoring(job(), Ones(), CPU, 0, tally)
    scoring.add([0], episode("davis16/cat/00000"))
    scoring.add([1], episode("davis16/dog/00000"))
    scoring.add([2], UserError("frame 3 is no picture"))
    assert tally.outcome() == {
        "names": ["cat", "dog", "2"],
        "failed": {0: "no cats", 2: "frame 3 is no picture"},
        "status": "ok",
        "reason": "no cats",
    }
    assert set(tally.scorers[1].columns["overlap"]["episode"]) == {1}
    again = tally_of({"overlap": {"thresholds": [0.5]}}, [1], Pictures(1, "video"), "toy")
    again.unpack(tally.pack(1.0))
    assert again.outcome() == tally.outcome()


def test_one_failed_pair_marks_the_episodes_of_its_support_and_the_others_go_on(pairs):
    statistics = {"overlap": {"thresholds": [0.5]}}
    tally = tally_of(statistics, [1], Pictures(1), "toy")
    scoring = Scoring(job(synthetic=pairs, kept="nothing"), Ones(), CPU, 0, tally)
    scoring.add([1], episode("davis16/cat/00000@417"))
    scoring.add([0], episode("davis16/dog/00000@417"))
    assert tally.outcome() == {
        "names": ["davis16/dog/00000", "davis16/cat/00000"],
        "failed": {1: "no synthetic pairs of davis16/cat/00000#1: the loss is nan"},
        "status": "ok",
        "reason": "no synthetic pairs of davis16/cat/00000#1: the loss is nan",
    }
    assert set(tally.scorers[1].columns["overlap"]["episode"]) == {0}


class Greedy(Ones):
    """Runs out of memory on all but dogs, holding a tensor."""

    def adapt(self, supports):
        if "dog" not in supports.frames[0].ids[0]:
            large = torch.zeros(9)
            self.held = weakref.ref(large)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return supports.objects


def test_a_video_beyond_the_devices_memory_fails_alone_and_nothing_of_it_stays(monkeypatch):
    segmenter, freed = Greedy(), []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(segmenter.held() is None))
    tally = tally_of({"overlap": {"thresholds": [0.5]}}, [1], Pictures(1, "video"), "toy")
    scoring = Scoring(job(), segmenter, CPU, 1 << 20, tally)
    scoring.add([0], episode("davis16/shooting/00000"))
    assert (freed, segmenter.memory) == ([True], None)
    scoring.add([1], episode())
    assert set(tally.scorers[1].columns["overlap"]["episode"]) == {1}
    assert tally.failed == {
        0: "out of memory on the device at frames of 32x24 pixels: bound memory more tightly in "
        "plugins/toy/plugin.yaml (of stm: memory_frames, longer), or set device=cpu"
    }


def test_without_videos_too_little_memory_is_one_line():
    scoring = Scoring(job(kept="nothing"), Greedy(), CPU, 0, tally_of({}, [1], Pictures(0), "toy"))
    with pytest.raises(UserError, match="out of memory on the device at frames of 32x24 pixels"):
        scoring.add([0], episode("coco/cat"))


def test_a_frame_without_annotation_is_shown_and_not_scored():
    batch = episode()
    first, second, third = batch.queries
    batch = replace(batch, queries=(first, replace(second, masks=torch.full_like(second.masks, VOID)), third))
    tally = tally_of({"overlap": {"thresholds": [0.5]}}, [1], Pictures(1, "video"), "toy")
    Scoring(job(), Ones(), CPU, 0, tally).add([0], batch)
    assert tally.scorers[1].columns["overlap"]["query"] == [0, 2]
    assert [name for name in tally.shown if "video" in name] == [f"0/video000{q}" for q in range(3)]


@pytest.mark.parametrize("by_support", [False, True])
def test_rows_name_their_support_where_many_episodes_share_it(by_support):
    tally = tally_of({"overlap": {"thresholds": [0.5]}}, [1], Pictures(1), "toy")
    scoring = Scoring(job(kept="nothing", by_support=by_support), Ones(), CPU, 0, tally)
    for number, name in enumerate(["coco/a@417", "coco/b@417"]):
        scoring.add([number], episode(name))
    found = tally.scorers[1].columns["overlap"].get("support")
    assert found == (["coco/a#1"] * 3 + ["coco/b#1"] * 3 if by_support else None)


def test_frames_of_videos_carry_labels():
    found = label_frames(
        torch.full((1, 3, 4, 4), 9, dtype=torch.uint8),
        torch.tensor([0.2, 0.9, 0.6])[None, :, None, None].expand(1, 3, 4, 4),
    )
    assert found.shape == (1, 4, 4, 4)
    assert (found[..., 3] == 2).all()
