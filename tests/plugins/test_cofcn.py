"""co-FCN against its specification: counts of three shapes, the formulas written plainly, memory, rates, learning."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from toys import random_batch

from pipeline.layers.two_way import rate_groups
from pipeline.layers.vgg import DEVIATION, normalized
from pipeline.layers.vgg16 import Vgg16
from pipeline.memory import Memory
from pipeline.segmenter import Batch, Supports
from plugins.cofcn.heads import Fused
from plugins.cofcn.model import CoFcn, build
from plugins.cofcn.training import PixelLoss
from tests.plugins.two_squares import episode

SHAPES = {
    "sg_one": {},
    "concatenate": {"fusion": "concatenate"},
    "revolver": {"shape": "revolver", "deviation": 0.05},
    "guided": {"shape": "guided", "deviation": 0.05},
}
PASCAL = {"supports": [(40, 56)] * 2, "queries": [(50, 60)], "batch": 1}


def small(name="sg_one", **changes) -> CoFcn:
    torch.manual_seed(0)
    network = build(**({"width": 16, "samples": 10} | SHAPES[name] | changes))
    torch.nn.init.normal_(network.head.score.weight)  # the release starts it at 0, which would hide all else
    return network.eval()


def full(monkeypatch, **changes) -> CoFcn:
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: False)
    with torch.device("meta"):
        return build(**changes)


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


# Parameters and shapes.


def test_parameters_of_sg_ones_shape(monkeypatch):
    network = full(monkeypatch)
    assert count(network.query) + count(network.support) == 34_150_144
    assert count(network) == 34_150_144 + 1_026
    assert count(full(monkeypatch, fusion="concatenate")) == 34_150_144 + 2_050


def test_parameters_of_the_released_shapes(monkeypatch):
    assert count(full(monkeypatch, shape="revolver")) == 42_407_938
    assert count(full(monkeypatch, shape="guided")) == 21_729_602


@pytest.mark.parametrize(("shape", "cells"), [("sg_one", (47, 63)), ("revolver", (11, 15))])
def test_cells_of_a_picture_of_375x500(shape, cells, monkeypatch):
    network = full(monkeypatch, shape=shape)
    assert network.look(torch.zeros(1, 3, 375, 500, dtype=torch.uint8, device="meta")).shape[2:] == cells


@torch.no_grad()
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [(20, 40), (65, 33)])
def test_logits_have_the_size_of_the_query(name, size):
    batch = random_batch(supports=[(32, 47)], queries=[size], batch=1)
    (support,), (query,) = batch.supports.frames, batch.queries
    assert small(name)(query.images, support.images, support.masks).shape == (1, 2, *size)


# The formulas, written plainly.


@torch.no_grad()
def test_sg_ones_shape_multiplies_the_mean_of_the_supports_map_into_the_querys():
    network, batch = small(), random_batch(**PASCAL)
    (support, _), (query,) = batch.supports.frames, batch.queries
    inside = (support.masks == 1).float()
    maps = network.support.stream(torch.cat([normalized(support.images), torch.stack([1 - inside, inside], 1)], 1))
    found, score = network.look(query.images), network.head.score
    cells = torch.zeros(1, 2, *found.shape[2:])
    for y in range(found.shape[2]):
        for x in range(found.shape[3]):
            cells[0, :, y, x] = score.weight[:, :, 0, 0] @ (found[0, :, y, x] * maps[0].mean((1, 2))) + score.bias
    plain = F.interpolate(cells, (50, 60), mode="bilinear")
    torch.testing.assert_close(network(query.images, support.images, support.masks), plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_concatenation_puts_the_support_first():
    head = Fused(2, "concatenate")
    maps, vector = torch.randn(1, 2, 3, 4), torch.randn(1, 2)
    plain = head.score(torch.cat([vector[:, :, None, None].expand(-1, -1, 3, 4), maps], 1))
    torch.testing.assert_close(head(maps, vector, (3, 4)), plain)


def test_the_releases_annotation_is_grown_by_five_pixels_and_has_128_grey_levels():
    network = small("revolver")
    inside = torch.zeros(1, 30, 30, dtype=torch.bool)
    inside[0, 10:12, 20] = True
    void = torch.zeros_like(inside)
    void[0, 12:26, 2:20] = True
    maps = network.support.annotate(torch.zeros(1, 3, 30, 30, dtype=torch.uint8), inside, ~inside & ~void)[0, 3:]
    plain = torch.full((2, 30, 30), -128.0)
    for channel, mask in enumerate((~inside & ~void, inside)):
        for y, x in mask[0].nonzero().tolist():
            plain[channel, max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6] = 128
    torch.testing.assert_close(maps * 255 * sum(DEVIATION) / 3, plain)
    assert (plain[0] == -128).any()


@torch.no_grad()
def test_the_guides_are_means_inside_and_outside_of_the_object():
    network, batch = small("guided"), random_batch(supports=[(96, 80)], queries=[(50, 60)], void=True, batch=1)
    (support,) = batch.supports.frames
    maps = network.look(support.images)
    vectors = network.condition(support.images, support.masks, 1, maps)
    large = F.interpolate(maps, (96, 80), mode="bilinear")[0]
    plain = [large[:, support.masks[0] == value].mean(1) for value in (1, 0)]
    torch.testing.assert_close(vectors[0], torch.cat(plain), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_release_says_one_half_before_its_first_step():
    torch.manual_seed(0)
    network, batch = build(shape="revolver", width=16).eval(), random_batch(**PASCAL)
    (found,) = network.predict(network.adapt(batch.supports), batch.queries)
    assert (found.probabilities == 0.5).all()


# Shots, absent objects, memory.


@torch.no_grad()
@pytest.mark.parametrize("name", SHAPES)
def test_shots_are_averaged(name):
    network, batch = small(name), random_batch(**PASCAL)
    first, second = batch.supports.frames

    def vector(*frames):
        return network.adapt(Supports(frames, 1))[0][0]

    torch.testing.assert_close(vector(first, second), (vector(first) + vector(second)) / 2)
    torch.testing.assert_close(vector(first, first, first, first, first), vector(first))


@torch.no_grad()
def test_an_object_that_no_support_shows_has_probability_0():
    network, batch = small(), random_batch(**PASCAL)
    (found,) = network.predict(network.adapt(replace(batch.supports, objects=2)), batch.queries)
    assert (found.probabilities[:, 1] == 0).all()
    assert (found.probabilities[:, 0] > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_remembered_is_equal_to_the_bit_and_computed_once(name, monkeypatch):
    network, passes = small(name), []
    block = Vgg16.block
    monkeypatch.setattr(Vgg16, "block", lambda vgg, n, x: (passes.append(n) if n == 1 else None) or block(vgg, n, x))
    batch = random_batch(supports=[(40, 56)] * 5, queries=[(50, 60)], batch=2)

    def run():
        passes.clear()
        shots = (network.predict(network.adapt(batch.supports.first(k)), batch.queries) for k in (1, 5))
        return [next(iter(found)).probabilities for found in shots], len(passes)

    alone, many = run()
    network.memory = Memory(2**30)
    for expected in (2 * 6, 0):
        kept, few = run()
        assert all(torch.equal(*pair) for pair in zip(alone, kept, strict=True))
        assert (many, few) == (2 * 8, expected)


# Training.


def test_void_is_left_out_of_the_loss():
    network, batch = small(), random_batch(supports=[(40, 56)], queries=[(50, 60)], void=True, batch=1)
    (support,), (query,) = batch.supports.frames, batch.queries
    chances = network(query.images, support.images, support.masks).softmax(1)
    plain = -torch.stack([chances[0, value][query.masks[0] == value].log().sum() for value in (0, 1)]).sum()
    counted = (query.masks != 255).sum()
    torch.testing.assert_close(PixelLoss(network, "ignore")(batch)["loss"], plain / counted)
    assert counted == 48 * 60


def test_void_may_count_as_background():
    network, batch = small().eval(), random_batch(supports=[(40, 56)], queries=[(50, 60)], void=True, batch=1)
    cleared = [
        replace(f, masks=f.masks.masked_fill(f.masks == 255, 0)) for f in (*batch.supports.frames, *batch.queries)
    ]
    plain = Batch(Supports((cleared[0],), 1), (cleared[1],))
    assert PixelLoss(network, "background")(batch)["loss"] == PixelLoss(network, "ignore")(plain)["loss"]


def test_every_parameter_is_in_one_group_with_sg_ones_rates():
    network = small()
    groups = rate_groups(network, 1.0, {"conv": 10}, 2)
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in network.parameters())
    sizes = {group["lr"]: len(group["params"]) for group in groups}
    assert sizes == {1: 2 * 13 + 1, 2: 2 * 13 + 1, 10: 2, 20: 2}
    assert [group["lr"] for group in rate_groups(small("revolver"), 1.0, {"conv": 1}, 1)] == [1]


def test_the_released_shapes_have_a_schedule_of_their_own():
    own, released = (small(name, released_samples=5).stages[0] for name in ("sg_one", "revolver"))
    for stage in (own, released):
        stage.setup(torch.device("cpu"), torch.float32)
    assert (own.samples, released.samples) == (10, 5)
    assert [len(stage._optimizer.param_groups) for stage in (own, released)] == [4, 1]


@pytest.mark.parametrize("name", SHAPES)
def test_every_parameter_learns(name):
    network = small(name).train()
    PixelLoss(network, "ignore")(episode(0, 1))["loss"].backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


def test_published_weights_are_taken_up_and_known():
    weights = {name: torch.randn_like(p) for name, p in Vgg16().named_parameters()}
    network = build(shape="revolver", extra_inputs="mean", weights={"trunk": weights})
    assert network.trunk == "pretrained"
    for name, tensor in network.query.vgg.named_parameters():
        assert torch.equal(tensor, weights[name])
    first = network.support.stream.vgg.features["0"].weight
    assert torch.equal(first[:, :3], weights["features.0.weight"])
    assert torch.equal(first[:, 3:], weights["features.0.weight"].mean(1, keepdim=True).expand(-1, 2, -1, -1))
    again = build(shape="revolver")
    assert again.trunk == "scratch"
    again.load_weights(network.weights())
    assert again.trunk == "pretrained"


def test_a_narrow_network_does_without_the_weights():
    assert small(weights={"trunk": {}}).trunk == "scratch"


def trained(pairs, steps):
    """One update an episode, in turn; the network and the losses."""
    torch.manual_seed(0)
    network = build(width=8, samples=steps, learning_rate=1e-4).train()
    (stage,) = network.stages
    stage.setup(torch.device("cpu"), torch.float32)
    losses = [float(stage.step([pairs[n % len(pairs)]], n)["loss"]) for n in range(steps)]
    return network.eval(), losses


def test_two_runs_are_equal():
    pairs = [episode(0, 1)]
    assert trained(pairs, 8)[1] == trained(pairs, 8)[1]


def test_overfits_two_episodes_that_the_masks_of_their_supports_decide():
    # The same two pictures in both; squares of 20 pixels in cells of 8, so that outlines stay coarse.
    pairs = [episode(0, 1), episode(1, 1)]
    assert torch.equal(pairs[0].queries[0].images, pairs[1].queries[0].images)
    network, _ = trained(pairs, 300)
    with torch.no_grad():
        maps = [next(iter(network.predict(network.adapt(p.supports), p.queries))).probabilities[0] for p in pairs]
    found, true = (torch.cat(x) for x in ([m > 0.5 for m in maps], [p.queries[0].masks == 1 for p in pairs]))
    ious = (found & true).sum((1, 2)) / (found | true).sum((1, 2))
    assert ious.min() > 0.75
    exchanged = (found & true.flip(0)).sum() / (found | true.flip(0)).sum()
    assert exchanged < 0.1
