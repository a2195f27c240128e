"""HSNet: parameters, 4-D convolutions and correlations written plainly, votes, frozen backbones."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toys import random_batch

from pipeline.memory import Memory
from pipeline.segmenter import Supports
from plugins.hsnet.model import build, enlarged, voted
from plugins.hsnet.pyramids import pyramid
from plugins.hsnet.squeeze import CentrePivot, Learner, hypercorrelation

CPU = torch.device("cpu")


def small(**changes):
    torch.manual_seed(0)
    return build(**{"width": 8, "side": 64, "samples": 20, "accumulate": 2} | changes)


def episode(**changes):
    return random_batch(**{"supports": [(64, 64)], "queries": [(50, 60)], "batch": 1} | changes)


def count(module):
    return sum(p.numel() for p in module.parameters())


# Parameters and shapes.


@pytest.mark.parametrize(
    ("layers", "parameters"), [((1, 3, 3), 2_570_018), ((1, 4, 2), 2_570_018), ((3, 6, 4), 2_573_794)]
)
def test_the_learner_has_2_6_million_parameters(layers, parameters):
    with torch.device("meta"):
        assert count(Learner(layers, (16, 64, 128))) == parameters


def test_parameters_of_both_parts():
    network = build()
    assert (count(network.pyramid), count(network.learner)) == (14_714_688, 2_570_018)


@pytest.mark.parametrize(
    ("backbone", "shapes"),
    [
        ("vgg16", [[(64, 12)], [(64, 25)] * 3, [(64, 50)] * 3]),
        ("squeezenet", [[(64, 12)], [(48, 25)] * 2 + [(64, 25)] * 2, [(32, 50)] * 2]),
    ],
)
def test_maps_of_400_pixels(backbone, shapes):
    with torch.device("meta"):
        network = pyramid(backbone, width=8, weights=None)
        maps = network.to("meta")(torch.zeros(1, 3, 400, 400))
    assert [[(m.shape[1], m.shape[-1]) for m in level] for level in maps] == shapes
    assert network.layers == tuple(map(len, shapes))


def test_logits_of_400_pixels_have_a_quarter_of_the_side():
    with torch.device("meta"):
        learner = Learner((1, 3, 3), (4, 8, 16))
        sides = [(1, 12), (3, 25), (3, 50)]
        assert learner([torch.zeros(1, n, s, s, s, s) for n, s in sides]).shape == (1, 2, 100, 100)


# The formulas, written plainly.


@torch.no_grad()
def test_maps_of_the_vgg_are_taken_before_their_relu():
    network = pyramid("vgg16", width=8, weights=None)
    layers, at = [], {17: [], 19: [], 21: [], 24: [], 26: [], 28: []}
    for number in range(31):
        if number in (4, 9, 16, 23, 30):
            layers.append(nn.MaxPool2d(2))
        else:
            layers.append(network.vgg.features[str(number)] if str(number) in network.vgg.features else nn.ReLU())
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images / 255 - mean[:, None, None]) / deviation[:, None, None]
    for number, layer in enumerate(layers):
        x = layer(x)
        at[number] = x
    found = network(images)
    for level, numbers in zip(found, ([30], [24, 26, 28], [17, 19, 21]), strict=True):
        for own, number in zip(level, numbers, strict=True):
            torch.testing.assert_close(own, at[number], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_hypercorrelation_holds_the_cosine_of_every_pair_of_places():
    torch.manual_seed(0)
    queries, supports = [[torch.randn(2, 5, h, w) for _ in range(2)] for h, w in ((3, 4), (2, 3))]
    found = hypercorrelation(queries, supports)
    assert found.shape == (2, 2, 3, 4, 2, 3)
    for layer in range(2):
        for h, w, i, j in [(0, 0, 0, 0), (2, 3, 1, 2), (1, 2, 0, 1)]:
            cosine = F.cosine_similarity(queries[layer][:, :, h, w], supports[layer][:, :, i, j])
            torch.testing.assert_close(found[:, layer, h, w, i, j], cosine.clamp(min=0), atol=1e-4, rtol=1e-4)


def plain_centre_pivot(layer, x):
    """One place at a time: the kernel over the query at the support's place, and over the support at the query's."""
    s, r = layer.stride, layer.query.kernel_size[0] // 2
    padded = F.pad(x, (r, r, r, r, r, r, r, r))
    b, _, h, w, i, j = x.shape
    found = x.new_zeros(b, layer.query.out_channels, h, w, -(-i // s), -(-j // s))
    for p in range(h):
        for q in range(w):
            for m in range(found.shape[4]):
                for n in range(found.shape[5]):
                    around = padded[:, :, p : p + 2 * r + 1, q : q + 2 * r + 1, m * s + r, n * s + r]
                    other = padded[:, :, p + r, q + r, m * s : m * s + 2 * r + 1, n * s : n * s + 2 * r + 1]
                    found[:, :, p, q, m, n] = (
                        torch.einsum("bcyx,ocyx->bo", around, layer.query.weight)
                        + torch.einsum("bcyx,ocyx->bo", other, layer.support.weight)
                        + layer.query.bias
                        + layer.support.bias
                    )
    return found


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 4)])
def test_a_centre_pivot_convolution_equals_its_plain_form(kernel, stride):
    torch.manual_seed(0)
    layer, x = CentrePivot(2, 3, kernel, stride), torch.randn(2, 2, 3, 4, 5, 3)
    torch.testing.assert_close(layer(x), plain_centre_pivot(layer, x), atol=1e-5, rtol=1e-4)


def test_votes_by_hand():
    # Votes of three supports: 3, 2, 1 and 0; half of the most is 1.5.
    said = torch.tensor([[[[0.9, 0.8, 0.7, 0.1]]], [[[0.9, 0.6, 0.5, 0.2]]], [[[0.6, 0.5, 0.2, 0.4]]]])
    assert voted(said).tolist() == [[[1, 1, 0, 0]]]
    assert voted(said[1:]).tolist() == [[[1, 1, 0, 0]]]  # 2, 1: exactly half suffices
    assert voted(torch.full((3, 1, 1, 2), 0.4)).tolist() == [[[0, 0]]]


# Segmenting.


@torch.no_grad()
def test_equal_shots_vote_as_one_shot_does():
    network, batch = small().eval(), episode()
    (one,) = network.predict(network.adapt(batch.supports), batch.queries)
    thrice = replace(batch.supports, frames=batch.supports.frames * 3)
    (three,) = network.predict(network.adapt(thrice), batch.queries)
    assert torch.equal(three.probabilities, (one.probabilities > 0.5).float())


@torch.no_grad()
def test_the_query_alone_does_not_decide():
    network, batch = small().eval(), episode(supports=[(64, 64), (64, 64)])
    found = [
        next(network.predict(network.adapt(Supports((frame,), 1)), batch.queries)).probabilities
        for frame in batch.supports.frames
    ]
    assert not torch.allclose(*found, atol=1e-4)


@torch.no_grad()
def test_places_outside_the_mask_do_not_correlate():
    network, batch = small(), episode()
    (support,) = batch.supports.frames
    maps = network.look(support.images)
    mask = torch.zeros(1, 64, 64)
    mask[:, :32] = 1
    seen = []
    network.learner.forward = lambda correlations: seen.extend(correlations) or correlations[0].new_zeros(1, 2, 4, 4)
    network.compare(maps, maps, mask)
    fine = seen[2].sum((1, 2, 3, 5))[0]  # by the support's rows
    assert (fine[:4] > 0).all()
    assert (fine[5:] == 0).all()


@torch.no_grad()
def test_remembered_results_are_the_same_bit_for_bit():
    batch = episode(supports=[(64, 64), (40, 56)])
    alone, remembering = small().eval(), small().eval()
    remembering.memory = Memory(1 << 30)
    for shots in (1, 2):
        found = [
            next(network.predict(network.adapt(batch.supports.first(shots)), batch.queries)).probabilities
            for network in (alone, remembering)
        ]
        assert torch.equal(*found)
    assert remembering.memory.misses == 5  # maps of three images, logits of two pairs


# Training.


def stepped(network, batch, steps):
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    torch.manual_seed(1)
    return [float(stage.step([batch, batch], 0)["loss"]) for _ in range(steps)]


@pytest.mark.parametrize(("otherwise", "learns"), [("trained", True), ("frozen", False)])
def test_a_backbone_without_weights_is_trained_or_frozen(otherwise, learns):
    network = small(otherwise=otherwise)
    before = {name: p.clone() for name, p in network.named_parameters()}
    stepped(network, episode(), 1)
    changed = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert any(name.startswith("learner") for name in changed)
    assert any(name.startswith("pyramid") for name in changed) == learns
    assert network.trunk == "scratch"


@pytest.mark.parametrize("backbone", ["vgg16", "squeezenet"])
def test_a_pretrained_backbone_is_frozen_and_stays_known_as_such(backbone):
    plain = build(backbone=backbone)
    inner = plain.pyramid.vgg if backbone == "vgg16" else plain.pyramid.network
    prefix = "features" if backbone == "vgg16" else ""
    weights = {name: torch.ones_like(p) for name, p in inner.features.named_parameters(prefix=prefix)}
    loaded = build(backbone=backbone, weights={"trunk": weights})
    loaded.stages[0].setup(CPU, torch.float32)
    assert (plain.trunk, loaded.trunk, loaded.trains_trunk) == ("scratch", "pretrained", False)
    assert all(p.requires_grad for p in loaded.learner.parameters())
    plain.load_weights(loaded.weights())
    assert plain.trunk == "pretrained"


def test_every_parameter_gets_a_finite_gradient():
    network = small()
    network.stages[0]._losses(episode(void=True))["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(("void", "same"), [("background", True), ("ignore", False)])
def test_void_rules_of_training(void, same):
    network, batch = small(void_train=void), episode(void=True)
    query = batch.queries[0]
    clear = replace(query, masks=query.masks.masked_fill(query.masks == 255, 0))
    losses = [network.stages[0]._losses(replace(batch, queries=(q,)))["loss"].item() for q in (query, clear)]
    assert (losses[0] == losses[1]) == same


def test_logits_reach_from_corner_to_corner():
    logits = torch.randn(1, 2, 5, 5)
    corners = enlarged(logits, (33, 41))[..., [0, -1], :][..., [0, -1]]
    torch.testing.assert_close(corners, logits[..., [0, -1], :][..., [0, -1]])


def rectangles(count):
    """Masks (count, 64, 64) of one rectangle each."""
    masks = torch.zeros(count, 64, 64)
    for mask in masks:
        height, width = torch.randint(16, 32, (2,)).tolist()
        top, left = (int(torch.randint(0, 64 - length, ())) for length in (height, width))
        mask[top : top + height, left : left + width] = 1
    return masks


def noisy_maps(masks, means):
    """Features (B, 16, ., .) of the background's and the object's mean, which differ between episodes."""
    shares = [F.adaptive_avg_pool2d(masks.unsqueeze(1), side) for side in (4, 4, 8)]
    plain = [share * means[:, 1, :, None, None] + (1 - share) * means[:, 0, :, None, None] for share in shares]
    return [[x + 0.3 * torch.randn_like(x) for _ in range(layers)] for x, layers in zip(plain, (1, 3, 3), strict=True)]


@pytest.mark.slow
def test_the_learner_segments_by_correlations_it_has_never_seen():
    torch.manual_seed(0)
    network, learner, ious = small(), Learner((1, 3, 3), (4, 8, 16)), []
    network.learner = learner
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.01)
    for _ in range(200):
        means, support, query = torch.randn(4, 2, 16), rectangles(4), rectangles(4)
        logits = enlarged(network.compare(noisy_maps(query, means), noisy_maps(support, means), support), (64, 64))
        loss = F.cross_entropy(logits, query.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found, true = logits[:, 1] > logits[:, 0], query == 1
        ious.append(float((found & true).sum() / (found | true).sum()))
    assert sum(ious[-30:]) / 30 > 0.6


@pytest.mark.slow
def test_overfits_an_episode_and_its_mask_matters():
    network, batch = small(learning_rate=0.01, accumulate=1), episode(queries=[(64, 64)])
    stepped(network, batch, 50)
    network.eval()
    (support,) = batch.supports.frames
    true = batch.queries[0].masks == 1

    def iou(mask):
        with torch.no_grad():
            (found,) = network.predict(network.adapt(Supports((replace(support, masks=mask),), 1)), batch.queries)
        said = found.probabilities[:, 0] > 0.5
        return float((said & true).sum() / (said | true).sum())

    assert iou(support.masks) > 0.9
    assert iou(1 - support.masks) < iou(support.masks) - 0.1
