"""FCN-32s of the base classes and FG-BG: counts, shapes, void rules, the recipe, published weights, what is remembered."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.errors import UserError
from pipeline.layers.fcn_classifier import PixelLoss, caffe_groups
from pipeline.memory import Memory
from pipeline.segmenter import Batch, Frame, Supports
from plugins.fcn.model import build as build_fcn
from plugins.fg_bg.model import build as build_fg_bg

CPU = torch.device("cpu")


def images(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=generator)


def semantic(seed=0):
    """An image of 48x56 pixels with classes 3 and 15 and a void band."""
    masks = torch.zeros(1, 48, 56, dtype=torch.uint8)
    masks[:, 4:24, 4:30], masks[:, 30:40, 10:50], masks[:, :2] = 3, 15, 255
    return Batch(Supports((), 15), (Frame(images(48, 56, seed=seed), masks, ("a",)),))


def predicted(network, frame, objects):
    with torch.no_grad():
        (found,) = network.eval().predict(network.adapt(Supports((), objects)), [frame])
    return found.probabilities


@pytest.mark.parametrize(("build", "parameters"), [(build_fcn, 134_326_096), (build_fg_bg, 134_268_738)])
def test_parameter_counts(build, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == parameters


@pytest.mark.parametrize("side", [None, 96])
@pytest.mark.parametrize("size", [(48, 56), (70, 33)])
def test_probabilities_have_the_size_of_the_query_and_start_even(side, size):
    frame = Frame(images(*size))
    assert torch.equal(predicted(build_fcn(width=64, side=side), frame, 15), torch.full((1, 15, *size), 1 / 16))
    assert torch.equal(predicted(build_fg_bg(width=64, side=side), frame, 3), torch.full((1, 3, *size), 0.5))


def test_fcn_is_asked_for_the_classes_it_knows():
    with pytest.raises(UserError, match="fcn knows 15 classes, not 16: evaluate it on the classes"):
        build_fcn(width=64).adapt(Supports((), 16))


@pytest.mark.parametrize(
    ("binary", "void", "wanted"),
    [
        (False, "background", [0, 3, 15, 0]),
        (False, "ignore", [0, 3, 15, 255]),
        (True, "background", [0, 1, 1, 0]),
        (True, "ignore", [0, 1, 1, 255]),
    ],
)
def test_labels_under_the_void_rules(binary, void, wanted):
    losses = PixelLoss(build_fg_bg(width=64), reduction="mean", void=void, binary=binary)
    assert losses.labels(torch.tensor([[[0, 3, 15, 255]]], dtype=torch.uint8)).tolist() == [[wanted]]


@pytest.mark.parametrize("void", ["background", "ignore"])
def test_the_sum_is_the_mean_times_the_pixels_that_count(void):
    network, batch = build_fcn(width=64).eval(), semantic()
    torch.nn.init.normal_(network.score.weight)
    total, mean = (PixelLoss(network, reduction=how, void=void)(batch)["loss"] for how in ("sum", "mean"))
    pixels = 48 * 56 - (2 * 56 if void == "ignore" else 0)
    torch.testing.assert_close(total, mean * pixels)
    labels = batch.queries[0].masks.long()
    if void == "ignore":
        torch.testing.assert_close(mean, F.cross_entropy(network.logits(batch.queries[0]), labels, ignore_index=255))


def test_biases_have_twice_the_rate_and_no_decay():
    network = build_fcn(width=64)
    weights, biases = caffe_groups(network.named_parameters(), 1e-10, 5e-4)
    assert (weights["lr"], weights["weight_decay"]) == (1e-10, 5e-4)
    assert (biases["lr"], biases["weight_decay"]) == (2e-10, 0)
    named = {id(p): name for name, p in network.named_parameters()}
    assert all(named[id(p)].endswith("bias") for p in biases["params"])
    assert len(weights["params"]) == len(biases["params"]) == 16
    assert len({*map(id, weights["params"]), *map(id, biases["params"])}) == len(named)


@pytest.mark.slow
@pytest.mark.parametrize("build", [build_fcn, build_fg_bg])
def test_overfits_an_image(build):
    torch.manual_seed(0)
    network = build(width=16, side=160, samples=60, learning_rate=0.01, momentum=0.9, reduction="mean")
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    batch = semantic()
    losses = [float(stage.step([batch], n)["loss"]) for n in range(60)]
    assert losses[-1] < 0.6 * losses[0]


def test_a_pretrained_trunk_is_known_as_such_and_stays_so():
    with torch.device("meta"):
        network = build_fcn()
        named = dict(network.extractor.vgg.features.named_parameters(prefix="features"))
        trunk = {name: torch.empty_like(p) for name, p in named.items()}
        trunk |= {"classifier.0.weight": torch.empty(4096, 25088), "classifier.0.bias": torch.empty(4096)}
        trunk |= {"classifier.3.weight": torch.empty(4096, 4096), "classifier.3.bias": torch.empty(4096)}
        assert build_fcn().trunk == "scratch"
        assert build_fcn(weights={"trunk": trunk}).trunk == "pretrained"
    narrow = build_fcn(width=64, weights={"trunk": {}})
    weights = narrow.weights() | {"pretrained": torch.tensor(True)}
    assert narrow.trunk == "scratch"
    narrow.load_weights(weights)
    assert narrow.trunk == "pretrained"


def test_scores_are_remembered_and_change_no_bit():
    network, frame = build_fg_bg(width=64), semantic().queries[0]
    torch.nn.init.normal_(network.score.weight)
    plain = predicted(network, frame, 1)
    network.memory = Memory(1 << 20)
    for _ in range(2):
        assert torch.equal(predicted(network, frame, 1), plain)
    assert (network.memory.hits, network.memory.misses) == (1, 1)
