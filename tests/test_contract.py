"""One contract for every plugin there is, toys and real ones: a tiny episode of each family goes through."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import TOYS, random_batch

from pipeline.closure import ROOT
from pipeline.pairs import Pair
from pipeline.plugin import PluginFacts, find_plugins, systems
from pipeline.segmenter import Segmenter
from pipeline.settings import Profile
from pipeline.synthesize.fit import PairBatches
from pipeline.system import build_system

EVERY = find_plugins(ROOT / "plugins") | find_plugins(TOYS)
# What takes part only where a user gives something cannot be built without; it has tests of its own.
PLUGINS: dict[str, PluginFacts] = {
    name: facts for name, facts in EVERY.items() if any(enters.given is None for enters in facts.enters)
}
PROFILE: Profile = "sample"
SEGMENTERS = [s for s in systems(PLUGINS, PROFILE) if s.facts.kind == "segmenter"]
SYNTHESIZERS = [s for s in systems(PLUGINS, PROFILE) if s.facts.kind == "synthesizer"]

PAIR = {"height": 48, "width": 80, "objects": 2}
"""What the stage `synthesize` tells a synthesizer of its pair."""

FAMILIES = {
    "clutter": {"supports": [(32, 32)], "queries": [(96, 96)]},
    "texture": {"supports": [(64, 64)], "queries": [(128, 128)], "whole_support": True},
    "pascal": {"supports": [(40, 56), (64, 48)], "queries": [(50, 60)], "void": True},
    "video": {"supports": [(48, 80)], "queries": [(48, 80)] * 5, "objects": 3},
    "background_only": {"supports": [(32, 32), (32, 32)], "queries": [(64, 64)], "empty_support": True},
    "n_way": {"supports": [(40, 40)] * 5, "queries": [(40, 40)], "objects": 5, "one_each": True},
}


def episodes(system, family):
    """A tiny batch; queries carry their mask where the system declares the oracle field `truth`, and then alone."""
    batch = random_batch(**FAMILIES[family])
    shown = "truth" in system.facts.oracle
    return replace(batch, queries=tuple(replace(q, oracle={"truth": q.masks} if shown else {}) for q in batch.queries))


def built(system, seed):
    given = PAIR if system.facts.kind == "synthesizer" else {}
    return build_system(system.plugin, system.train | system.evaluate | given, {}, seed)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("system", SEGMENTERS, ids=lambda s: s.name)
def test_segments_a_tiny_episode_of_each_family(system, family):
    objects = FAMILIES[family].get("objects", 1)
    segmenter = build_system(system.plugin, system.train | system.evaluate, {}, seed=0).eval()
    batch = episodes(system, family)
    with torch.no_grad():
        state = segmenter.adapt(batch.supports)
        predictions = list(segmenter.predict(state, iter(batch.queries)))
    assert len(predictions) == len(batch.queries)
    for query, prediction in zip(batch.queries, predictions, strict=True):
        shape = (len(query.images), objects)
        if prediction.probabilities is not None:
            assert prediction.probabilities.shape == (*shape, *query.images.shape[-2:])
            assert prediction.probabilities.min() >= 0
            assert prediction.probabilities.max() <= 1
        assert prediction.scores is None or prediction.scores.shape == shape
        assert prediction.centres is None or prediction.centres.shape == (*shape, 2)
        assert any(p is not None for p in (prediction.probabilities, prediction.scores, prediction.centres))


@pytest.mark.parametrize("system", SEGMENTERS, ids=lambda s: s.name)
def test_a_batch_says_what_single_episodes_say(system):
    segmenter = build_system(system.plugin, system.train | system.evaluate, {}, seed=0).eval()
    batch = episodes(system, "clutter")
    with torch.no_grad():
        (together,) = segmenter.predict(segmenter.adapt(batch.supports), iter(batch.queries))
        for b in range(2):
            one = batch.part(slice(b, b + 1))
            (alone,) = segmenter.predict(segmenter.adapt(one.supports), iter(one.queries))
            if together.probabilities is not None:
                torch.testing.assert_close(together.probabilities[b : b + 1], alone.probabilities, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("system", SEGMENTERS, ids=lambda s: s.name)
def test_a_query_is_not_looked_at_before_its_turn(system):
    segmenter = build_system(system.plugin, system.train | system.evaluate, {}, seed=0).eval()
    batch = episodes(system, "video")
    seen = 0

    def queries():
        nonlocal seen
        for query in batch.queries:
            seen += 1
            yield query

    with torch.no_grad():
        for number, _ in enumerate(segmenter.predict(segmenter.adapt(batch.supports), queries()), start=1):
            assert seen == number


@pytest.mark.parametrize("system", list(systems(PLUGINS, PROFILE)), ids=lambda s: s.name)
def test_facts_agree_with_the_model(system):
    model = built(system, 0)
    assert isinstance(model, Segmenter) == (system.facts.kind == "segmenter")
    assert bool(model.stages) == system.facts.trained
    assert (model.trunk == "none") == (not list(model.parameters()))
    names = [stage.name for stage in model.stages]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("system", list(systems(PLUGINS, PROFILE)), ids=lambda s: s.name)
def test_initial_weights_are_one_function_of_the_seed(system):
    first, second = (built(system, 3) for _ in range(2))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


@pytest.mark.parametrize("system", SYNTHESIZERS, ids=lambda s: s.name)
def test_a_synthesizer_fits_a_pair_and_gives_pairs_of_its_size(system):
    model = built(system, 0)
    height, width = model.size
    (batch,) = PairBatches([pair()], model.size, torch.device("cpu"))(model.stages[0], 0, 1)
    assert batch.queries[0].images.shape == (model.stages[0].batch, 3, height, width)
    for stage in model.stages:
        stage.setup(torch.device("cpu"), torch.float32)
    made = list(model.eval().sample(2, torch.Generator().manual_seed(0)))
    again = list(model.sample(2, torch.Generator().manual_seed(0)))
    for (image, mask), (image2, mask2) in zip(made, again, strict=True):
        assert image.shape == (3, height, width)
        assert mask.shape == (height, width)
        assert image.dtype == mask.dtype == torch.uint8
        assert mask.max() <= (PAIR["objects"] if model.masks else 0)
        assert torch.equal(image, image2)
        assert torch.equal(mask, mask2)


@pytest.mark.parametrize("system", SYNTHESIZERS, ids=lambda s: s.name)
def test_a_synthesizer_takes_up_what_it_published(system):
    model, fresh = built(system, 0), built(system, 1)
    for stage in model.stages:
        stage.setup(torch.device("cpu"), torch.float32)
    fresh.load_weights({name: tensor.clone() for name, tensor in model.weights().items()})
    one, two = (list(m.eval().sample(1, torch.Generator().manual_seed(0))) for m in (model, fresh))
    assert torch.equal(one[0][0], two[0][0])


def pair():
    image = np.zeros((PAIR["height"], PAIR["width"], 3), np.uint8)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[10:30, 10:30], mask[20:40, 50:70] = 1, 2
    image[mask > 0] = 200
    return Pair("pair", image, mask)


def test_no_list_names_plugins():
    named = {path.parent.name for path in (ROOT / "plugins").glob("*/plugin.yaml")}
    for path in [
        ROOT / "Snakefile",
        ROOT / "dvc.yaml",
        *ROOT.glob("pipeline/*.py"),
        *ROOT.glob("pipeline/*/suite.yaml"),
    ]:
        if path.is_file():
            code = "\n".join(
                line for line in Path(path).read_text().splitlines() if '"""' not in line and "`" not in line
            )
            assert not [name for name in named if re.search(rf"\b{name}\b", code)], path
