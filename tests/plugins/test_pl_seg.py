"""The reconstruction of PL+SEG: its formulas written plainly, what it remembers, its CRF, and learning."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from toys import random_batch

from pipeline.layers.vgg16 import Vgg16
from pipeline.memory import Memory
from pipeline.segmenter import Batch, Supports
from plugins.pl_seg.crf import Kernels, refine
from plugins.pl_seg.layers import Trunk8, similarities
from plugins.pl_seg.model import PlSeg, build
from plugins.pl_seg.training import JointLoss
from tests.plugins.two_squares import episode

PASCAL = {"supports": [(40, 56)] * 2, "queries": [(50, 60)], "batch": 1}
KERNELS = Kernels(4, 30, 13, 2, 20)


def small(**changes) -> PlSeg:
    torch.manual_seed(0)
    return build(**({"width": 16, "samples": 10} | changes)).eval()


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


# Parameters and shapes.


def test_parameter_counts(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: False)
    with torch.device("meta"):
        network = build()
    parts = [network.learner, network.segmentor, network.fusion]
    assert [count(part) for part in parts] == [14_714_688, 14_714_688 + 1_179_904, 295_175]
    assert count(network) == 30_904_455


@torch.no_grad()
@pytest.mark.parametrize(("side", "cells"), [((375, 500), (47, 63)), ((17, 8), (3, 1))])
def test_one_cell_stands_for_eight_pixels(side, cells):
    assert Trunk8(width=16)(torch.zeros(1, 3, *side)).shape == (1, 32, *cells)


# The formulas, written plainly.


def test_similarities_are_a_softmax_over_negative_distances():
    torch.manual_seed(0)
    embeddings, prototypes = torch.randn(2, 5, 3, 4), torch.randn(2, 2, 5)
    found = similarities(embeddings, prototypes, 20).softmax(1)
    for b in range(2):
        units = [p / p.norm() for p in prototypes[b]]
        for y in range(3):
            for x in range(4):
                cell = embeddings[b, :, y, x] / embeddings[b, :, y, x].norm()
                far = [math.exp(-10 * float((cell - unit).square().sum())) for unit in units]
                assert found[b, :, y, x].tolist() == pytest.approx([f / sum(far) for f in far], rel=1e-3)


@torch.no_grad()
def test_each_class_is_scored_by_the_same_weights_and_both_are_fused():
    fusion = small().fusion
    torch.nn.init.normal_(fusion.fuse.weight)
    features, similarity = torch.randn(2, 16, 4, 5), torch.rand(2, 2, 4, 5)
    scores = [fusion.score(F.relu(fusion.conv(features * similarity[:, n : n + 1]))) for n in (0, 1)]
    torch.testing.assert_close(fusion(features, similarity), fusion.fuse(torch.cat(scores, 1)))


@torch.no_grad()
def test_prototypes_are_means_of_the_background_and_the_object_without_void():
    network, batch = small(), random_batch(supports=[(40, 56)], queries=[(50, 60)], void=True, batch=1)
    (support,) = batch.supports.frames
    embeddings = network.embed(support.images)
    large = F.interpolate(embeddings, (40, 56), mode="bilinear")[0]
    plain = torch.stack([large[:, support.masks[0] == value].mean(1) for value in (0, 1)])
    torch.testing.assert_close(network.prototypes(embeddings, support.masks, 1)[0], plain, atol=1e-5, rtol=1e-4)


# Shots, absent objects, memory.


@torch.no_grad()
def test_shots_are_averaged():
    network, batch = small(), random_batch(**PASCAL)
    first, second = batch.supports.frames

    def prototypes(*frames):
        return network.adapt(Supports(frames, 1))[0][0]

    torch.testing.assert_close(prototypes(first, second), (prototypes(first) + prototypes(second)) / 2)
    torch.testing.assert_close(prototypes(first, first, first, first, first), prototypes(first))


@torch.no_grad()
@pytest.mark.parametrize("crf", [False, True])
def test_an_object_that_no_support_shows_has_probability_0(crf):
    network, batch = small(crf=crf), random_batch(**PASCAL)
    (found,) = network.predict(network.adapt(replace(batch.supports, objects=2)), batch.queries)
    assert (found.probabilities[:, 1] == 0).all()
    assert (found.probabilities[:, 0] > 0).all()


@torch.no_grad()
def test_what_is_remembered_is_equal_to_the_bit_and_computed_once(monkeypatch):
    network, passes = small(), []
    block = Vgg16.block
    monkeypatch.setattr(Vgg16, "block", lambda vgg, n, x: (passes.append(n) if n == 1 else None) or block(vgg, n, x))
    batch = random_batch(supports=[(40, 56)] * 5, queries=[(50, 60)], batch=2)

    def run():
        passes.clear()
        shots = (network.predict(network.adapt(batch.supports.first(k)), batch.queries) for k in (1, 5))
        return [next(iter(found)).probabilities for found in shots], len(passes)

    alone, many = run()
    network.memory = Memory(2**30)
    for expected in (2 * (5 + 2), 0):
        kept, few = run()
        assert all(torch.equal(*pair) for pair in zip(alone, kept, strict=True))
        assert (many, few) == (2 * (1 + 2 + 5 + 2), expected)


# The CRF.


def plain_mean_field(probabilities, image, kernels, iterations):
    """Equations 1 to 3 pixel by pixel, both labels kept apart; kernels divided by their sum over all pixels."""
    height, width = probabilities.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    scale = max(height, width) / 500
    colours = image.double()

    def gaussian(away, deviation):
        return math.exp(-away / (2 * deviation**2))

    near, alike = {}, {}
    for i in places:
        for j in places:
            away = (i[0] - j[0]) ** 2 + (i[1] - j[1]) ** 2
            unlike = float((colours[:, i[0], i[1]] - colours[:, j[0], j[1]]).square().sum())
            near[i, j] = gaussian(away, kernels.smoothness_pixels * scale)
            alike[i, j] = gaussian(away, kernels.appearance_pixels * scale) * gaussian(unlike, kernels.appearance_grey)
    first = {i: (1 - float(probabilities[i]), float(probabilities[i])) for i in places}
    now = dict(first)
    for _ in range(iterations):
        then = {}
        for i in places:
            energy = [-math.log(p) for p in first[i]]
            for weight, kernel in ((kernels.appearance_weight, alike), (kernels.smoothness_weight, near)):
                total = sum(kernel[i, j] for j in places)
                for label in (0, 1):
                    energy[label] += weight * sum(kernel[i, j] * now[j][1 - label] for j in places) / total
            likely = [math.exp(-e) for e in energy]
            then[i] = likely[0] / sum(likely), likely[1] / sum(likely)
        now = then
    return torch.tensor([[now[y, x][1] for x in range(width)] for y in range(height)])


def noisy(height, width, seed=0):
    """A picture whose left half is dark and right half light, and uncertain probabilities of the right half."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.full((3, height, width), 60, dtype=torch.uint8)
    image[:, :, width // 2 :] = 190
    image += torch.randint(0, 8, image.shape, generator=generator, dtype=torch.uint8)
    right = (torch.arange(width) >= width // 2).float().expand(height, width)
    noise = torch.rand(height, width, generator=generator) - 0.5
    return (0.3 + 0.4 * right + 0.8 * noise).clamp(0.02, 0.98), image, right.bool()


def test_with_cells_of_one_pixel_it_is_the_plain_mean_field():
    probabilities, image, _ = noisy(6, 7)
    kernels = KERNELS._replace(appearance_pixels=250, smoothness_pixels=100)
    found = refine(probabilities, image, kernels, iterations=3, grid=7)
    torch.testing.assert_close(found, plain_mean_field(probabilities, image, kernels, 3), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("grid", [40, 10])
def test_it_follows_the_outlines_of_colours(grid):
    probabilities, image, right = noisy(30, 40)
    kernels = KERNELS._replace(appearance_weight=10, appearance_pixels=100)
    found = refine(probabilities, image, kernels, iterations=5, grid=grid) > 0.5
    assert ((probabilities > 0.5) == right).float().mean() < 0.9
    assert torch.equal(found, right)


def test_without_weights_it_changes_nothing():
    probabilities, image, _ = noisy(9, 5)
    kernels = KERNELS._replace(appearance_weight=0, smoothness_weight=0)
    torch.testing.assert_close(refine(probabilities, image, kernels, iterations=3, grid=4), probabilities)


@torch.no_grad()
def test_the_variant_refines_what_the_base_predicts():
    batch = random_batch(**PASCAL)
    base, refined = small(), small(crf=True, crf_grid=16)
    (before,), (after,) = (n.predict(n.adapt(batch.supports), batch.queries) for n in (base, refined))
    plain = refine(before.probabilities[0, 0], batch.queries[0].images[0], refined.kernels, iterations=5, grid=16)
    assert torch.equal(after.probabilities[0, 0], plain)


# Training.


def test_the_loss_is_that_of_both_parts_without_void():
    network, batch = small(), random_batch(supports=[(40, 56)], queries=[(50, 60)], void=True, batch=1)
    (support,), (query,) = batch.supports.frames, batch.queries
    plain = []
    for logits in network(query.images, support.images, support.masks):
        chances = logits.softmax(1)
        wrong = [-chances[0, value][query.masks[0] == value].log().sum() for value in (0, 1)]
        plain.append(sum(wrong) / (48 * 60))
    found = JointLoss(network, 0.5, "ignore")(batch)
    torch.testing.assert_close(found["loss"], plain[0] + 0.5 * plain[1])


def test_void_may_count_as_background():
    network, batch = small().eval(), random_batch(supports=[(40, 56)], queries=[(50, 60)], void=True, batch=1)
    cleared = [
        replace(f, masks=f.masks.masked_fill(f.masks == 255, 0)) for f in (*batch.supports.frames, *batch.queries)
    ]
    plain = Batch(Supports((cleared[0],), 1), (cleared[1],))
    assert JointLoss(network, 1, "background")(batch)["loss"] == JointLoss(network, 1, "ignore")(plain)["loss"]


def test_every_parameter_learns():
    network = small().train()
    JointLoss(network, 1, "ignore")(episode(0, 1))["loss"].backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_published_weights_are_taken_up_and_known():
    weights = {name: torch.randn_like(p) for name, p in Vgg16().named_parameters()}
    network = build(weights={"trunk": weights})
    assert network.trunk == "pretrained"
    for trunk in (network.learner, network.segmentor[0]):
        for name, tensor in trunk.vgg.named_parameters():
            assert torch.equal(tensor, weights[name])
    again = build()
    assert again.trunk == "scratch"
    again.load_weights(network.weights())
    assert again.trunk == "pretrained"
    assert small(weights={"trunk": {}}).trunk == "scratch"


@pytest.mark.slow
def test_overfits_two_episodes_that_the_masks_of_their_supports_decide():
    # The same two pictures in both; squares of 20 pixels in cells of 8, so that outlines stay coarse.
    pairs = [episode(0, 1), episode(1, 1)]
    assert torch.equal(pairs[0].queries[0].images, pairs[1].queries[0].images)
    torch.manual_seed(0)
    network = build(width=8, samples=200, learning_rate=3e-4).train()
    (stage,) = network.stages
    stage.setup(torch.device("cpu"), torch.float32)
    for n in range(200):
        stage.step([pairs[n % 2]], n)
    network.eval()
    with torch.no_grad():
        maps = [next(iter(network.predict(network.adapt(p.supports), p.queries))).probabilities[0] for p in pairs]
    found, true = (torch.cat(x) for x in ([m > 0.5 for m in maps], [p.queries[0].masks == 1 for p in pairs]))
    assert ((found & true).sum((1, 2)) / (found | true).sum((1, 2))).min() > 0.7
    assert (found & true.flip(0)).sum() / (found | true.flip(0)).sum() < 0.1
