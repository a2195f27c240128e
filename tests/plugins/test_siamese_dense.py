"""Siamese dense matching: counts, the metric against its formula, pairs, subsampling, training, and what is remembered."""

import pytest
import torch

from pipeline.memory import Memory
from pipeline.segmenter import Batch, Frame, Supports
from plugins.siamese_dense.model import Metric, build

CPU = torch.device("cpu")
SMALL = {"width": 32, "side": 96}


def small(**changes):
    torch.manual_seed(0)
    return build(**(SMALL | changes))


def shown(name="a", size=(48, 56), seed=0, void=False):
    """Noise with a bright rectangle, which is the object."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 60, (1, 3, *size), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(1, *size, dtype=torch.uint8)
    images[:, 0, :, 16:] += 150
    masks[:, :, 16:] = 1
    if void:
        masks[:, :8] = 255
    return Frame(images, masks, (name,))


def batch(**more):
    return Batch(Supports((shown("s", seed=1, **more),), 1), (shown("q", (40, 64), seed=2, **more),))


def predicted(network, frames, query):
    with torch.no_grad():
        (found,) = network.eval().predict(network.adapt(Supports(tuple(frames), 1)), [query])
    return found.probabilities


def test_parameter_counts():
    with torch.device("meta"):
        network = build()
    assert sum(p.numel() for p in network.features.parameters()) == 134_260_544
    assert sum(p.numel() for p in network.metric.parameters()) == 4_097


def test_the_metric_and_its_gradients_are_those_of_the_formula():
    torch.manual_seed(0)
    metric = Metric(40)
    torch.nn.init.normal_(metric.alpha)
    torch.nn.init.normal_(metric.beta)
    queries, supports = torch.randn(7, 40, requires_grad=True), torch.randn(5, 40, requires_grad=True)
    plain = ((queries[:, None] - supports).abs() * metric.alpha).sum(2) + metric.beta
    weights, inputs = torch.randn(7, 5), [queries, supports, metric.alpha, metric.beta]
    fast = metric(queries, supports)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)
    for found, wanted in zip(
        torch.autograd.grad((fast * weights).sum(), inputs),
        torch.autograd.grad((plain * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_a_new_metric_finds_the_nearest_cell():
    cells = torch.rand(9, 40)
    assert torch.equal(Metric(40)(cells + 0.001, cells).argmax(1), torch.arange(9))


def test_each_query_cell_takes_the_label_of_its_most_similar_cell():
    network, support, query = small(), shown("s", seed=1), shown("q", (40, 64), seed=2)
    found = predicted(network, [support], query)
    with torch.no_grad():
        cells, given = (network.look(frame) for frame in (query, support))
        labels = network.labels(support, (4, 4)).flatten()
        near = (cells.flatten(1).T[:, None] - given.flatten(1).T).abs().sum(2).argmin(1)
    plain = network.features.grid.spread(labels[near].float().view(1, 4, 4), (40, 64), (96, 96), "bilinear")
    torch.testing.assert_close(found[0], plain)
    assert torch.equal(predicted(network, [query], query)[0, 0] > 0.5, _blocks(network, query))


def _blocks(network, frame):
    """An image that is its own support gets its own labels."""
    labels = network.labels(frame, (4, 4))[None].float()
    return network.features.grid.spread(labels, frame.images.shape[-2:], (96, 96), "bilinear")[0] > 0.5


@pytest.mark.parametrize(("shots", "kept"), [(1, 16), (2, 10), (5, 24)])
def test_of_several_supports_30_percent_of_the_cells_are_kept(shots, kept):
    network = small()
    frames = tuple(shown(f"image{n}", seed=n) for n in range(shots))
    with torch.no_grad():
        (first,), (second,) = (network.adapt(Supports(frames, 1)) for _ in range(2))
    assert len(first.cells) == kept
    assert torch.equal(first.cells, second.cells)


def test_training_compares_half_of_the_cells_of_either_image(monkeypatch):
    network, seen = small(), []
    forward = network.metric.forward
    monkeypatch.setattr(network.metric, "forward", lambda q, s: seen.append((len(q), len(s))) or forward(q, s))
    network.stages[0]._losses(batch())
    assert seen == [(8, 8)]


@pytest.mark.parametrize(("void", "kept"), [("background", 16), ("ignore", 12)])
def test_void_cells_are_background_or_left_out(void, kept):
    network = small(void_train=void, pair_share=1.0)
    frame = shown(void=True)
    frame.masks[:, :16] = 255  # the first of four rows of cells
    cells, labels = network.stages[0]._losses._drawn(torch.rand(128, 4, 4), frame)
    assert len(cells) == len(labels) == kept
    assert set(labels.tolist()) == {0, 1}


def test_nothing_is_dropped_while_training():
    network = small().train()
    frame = shown()
    with torch.no_grad():
        assert torch.equal(network.look(frame), network.look(frame))


def test_learns_a_pair():
    network = small(width=16, samples=40, learning_rate=0.01, metric_rate=0.001)
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    torch.manual_seed(0)
    losses = [float(stage.step([batch()], n)["loss"]) for n in range(30)]
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])


def test_a_pretrained_trunk_stays_known_as_such():
    network = small()
    weights = network.weights() | {"features.pretrained": torch.tensor(True)}
    assert network.trunk == "scratch"
    network.load_weights(weights)
    assert network.trunk == "pretrained"


def test_remembered_features_change_no_bit():
    network, query = small(), shown("q", (40, 64), seed=9)
    frames = [shown(f"image{n}", seed=n) for n in range(3)]
    plain = [predicted(network, frames[:k], query) for k in (1, 3)]
    network.memory = Memory(1 << 30)
    for wanted, k in zip(plain, (1, 3), strict=True):
        assert torch.equal(predicted(network, frames[:k], query), wanted)
    assert (network.memory.hits, network.memory.misses) == (2, 4)
