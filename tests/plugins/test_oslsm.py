"""OSLSM against its specification: counts, hashing, masking, fusion, rates, losses, and learning."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.errors import UserError
from pipeline.memory import Memory
from pipeline.segmenter import Batch, Frame, Supports
from plugins.oslsm.model import Oslsm, build
from plugins.oslsm.parameters import Hashing
from plugins.oslsm.pictures import prepared, support_pictures
from plugins.oslsm.training import pixel_loss, rate_groups

SMALL = {
    **{"width": 32, "support_side": 32, "hash_scale": 0.25, "samples": 40},
    **{"loss": "mean", "learning_rate": 0.01, "conditioning_rate": 1.0, "momentum": 0.9},
}
CPU = torch.device("cpu")


def small(**changes) -> Oslsm:
    torch.manual_seed(0)
    return build(**(SMALL | changes))


def full(**changes) -> Oslsm:
    with torch.device("meta"):
        return build(**changes)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def noise(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def frame(size=(48, 40), name="a", seed=0, count=1):
    """Noise with an object in a rectangle of its own."""
    masks = torch.zeros(count, *size, dtype=torch.uint8)
    masks[:, 8 + seed % 8 : 30, 6 : 28 + seed % 8] = 1
    return Frame(noise(count, 3, *size, seed=seed), masks, tuple(f"{name}/{b}" for b in range(count)))


def episode(seed=0, count=1):
    support, query = frame(name="s", seed=seed, count=count), frame((40, 56), "q", seed + 100, count)
    return Batch(Supports((support,), 1), (query,))


@torch.no_grad()
def predicted(network, supports, query):
    (found,) = network.predict(network.adapt(supports), [query])
    return found.probabilities


# Parameters and shapes (specification, 3.13 and tests 9, 10).


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({}, 272_618_088),
        ({"dilated": True}, 272_618_088),
        ({"param_head": "dense"}, 272_618_088 + 4_101_097),
        ({"support_input": "rgbm4"}, 272_618_088 + 64 * 9),
        ({"trunk": "alexnet_caffe"}, 117_833_448),
        ({"trunk": "alexnet_caffe", "classes": 771}, 117_833_448 - 229 * 4097),
    ],
)
def test_parameter_counts(changes, parameters):
    assert count(full(**changes)) == parameters


def test_parameters_of_the_branches():
    network = full()
    assert count(network.conditioning) == 138_357_544
    assert count(network.segmentation) == 134_260_544


@pytest.mark.parametrize(
    ("changes", "size", "cells"),
    [
        ({}, (500, 500), (18, 18)),
        ({}, (375, 500), (14, 18)),
        ({"dilated": True}, (500, 375), (63, 47)),
        ({"trunk": "alexnet_caffe"}, (500, 500), (16, 16)),
        ({"trunk": "alexnet"}, (500, 500), (16, 16)),
    ],
)
def test_shapes(changes, size, cells):
    network = full(**changes)
    with torch.device("meta"):
        found = network.segmentation.features(torch.zeros(1, 3, *size))
        theta = network.conditioning.classifier(torch.zeros(1, 3, 224, 224))
    assert found.shape == (1, 4096, *cells)
    assert theta.shape == (1, 1000)


@pytest.mark.parametrize("changes", [{}, {"dilated": True}, {"sigmoid": "before"}, {"trunk": "alexnet"}])
def test_probabilities_have_the_size_of_the_query(changes):
    network = small(**({"support_side": 64} | changes)).eval()
    found = predicted(network, Supports((frame(),), 1), frame((41, 70), "q", 3))
    assert found.shape == (1, 1, 41, 70)


def test_a_dilated_cell_lies_over_its_own_pixels():
    cells = torch.zeros(1, 1, 5, 5)
    cells[0, 0, 2, 1] = 1
    found = small(dilated=True).segmentation.enlarge(cells, 37, 39)[0, 0]
    rows, columns = (found == found.max()).nonzero(as_tuple=True)
    assert (rows.float().mean(), columns.float().mean()) == (8 * 2 + 3.5, 8 + 3.5)


# Hashing (test 13).


def test_hashing_is_a_matrix_with_one_sign_a_row():
    hashing = Hashing(1000, 4097, seed=0)
    matrix = hashing(torch.eye(1000)).T
    assert torch.equal((matrix != 0).sum(1), torch.ones(4097, dtype=torch.long))
    assert torch.equal(matrix.abs().sum(1), torch.ones(4097))
    assert not list(hashing.parameters())
    assert 5 < int((matrix.abs().sum(0) == 0).sum()) < 35  # about 17 scores feed nothing


def test_gradients_scatter_the_signs():
    hashing, scores = Hashing(50, 300, seed=1), torch.randn(2, 50, requires_grad=True)
    hashing(scores).sum().backward()
    wanted = torch.zeros(50).index_add(0, hashing.kappa, hashing.signs)
    assert torch.equal(scores.grad, wanted.expand(2, -1))


def test_the_draw_is_saved_and_has_a_generator_of_its_own():
    network = small()
    assert torch.equal(network.conditioning.head.kappa, build(**SMALL).conditioning.head.kappa)
    other = small(hash_seed=1)
    assert not torch.equal(network.conditioning.head.kappa, other.conditioning.head.kappa)
    other.load_weights(network.weights())
    assert torch.equal(network.conditioning.head.kappa, other.conditioning.head.kappa)
    assert torch.equal(network.conditioning.head.signs, other.conditioning.head.signs)


# Supports (tests 15 and 19).


@torch.no_grad()
def test_pixels_outside_the_mask_do_not_influence_theta():
    network, support = small().eval(), frame((32, 32))
    other = replace(support, images=torch.where(support.masks.unsqueeze(1) == 1, support.images, 255 - support.images))
    assert torch.equal(network.condition(support, 1), network.condition(other, 1))
    whole = small(support_input="rgbm4").eval()
    assert not torch.equal(whole.condition(support, 1), whole.condition(other, 1))


def test_a_masked_pixel_has_the_mean_colour():
    support = frame((32, 32))
    options = {"side": 32, "preparation": "torchvision", "void": "background"}
    masked = support_pictures(support, 1, source="masked", **options)
    four = support_pictures(support, 1, source="rgbm4", **options)
    assert torch.equal(masked, prepared(support.images, "torchvision") * support.masks.unsqueeze(1))
    assert torch.equal(four[:, :3] * four[:, 3:], masked)
    assert torch.equal(four[:, 3], support.masks.float())


def test_caffes_pictures_are_blue_first_and_not_scaled():
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    wanted = torch.tensor([-0.40787055, -0.45752459, 1 - 0.4810938]) * 255
    torch.testing.assert_close(prepared(red, "caffe").flatten(), wanted)


@pytest.mark.parametrize(("void", "pixels"), [("background", 4), ("ignore", 4), ("foreground", 7)])
def test_void_rules_of_a_support(void, pixels):
    masks = torch.tensor([[[1, 1, 255], [1, 1, 255], [0, 0, 255]]], dtype=torch.uint8)
    support = Frame(noise(1, 3, 3, 3), masks)
    found = support_pictures(support, 1, side=3, source="rgbm4", preparation="torchvision", void=void)
    assert int(found[:, 3].sum()) == pixels


def test_a_support_may_be_cut_to_its_object():
    masks = torch.zeros(2, 8, 9, dtype=torch.uint8)
    masks[0, 2, 3] = masks[0, 5, 7] = 1  # of the second support nothing is cut, since it shows no object
    support = Frame(torch.randint(256, (2, 3, 8, 9), dtype=torch.uint8), masks, ("a", "b"))
    options = {"side": 6, "source": "rgbm4", "preparation": "torchvision", "void": "background"}
    box = Frame(support.images[:1, :, 2:6, 3:8], masks[:1, 2:6, 3:8], ("a",))
    found = support_pictures(support, 1, crop=True, **options)
    assert found[:1].equal(support_pictures(box, 1, **options))
    assert found[1:].equal(support_pictures(support, 1, **options)[1:])
    assert not small(support_crop=True).condition(support, 1).equal(small().condition(support, 1))


def test_an_object_that_vanishes_in_resizing_is_one_line():
    masks = torch.zeros(1, 99, 99, dtype=torch.uint8)
    masks[0, 50, 51] = 1
    support = Frame(noise(1, 3, 99, 99), masks, ("2008_000001",))
    with pytest.raises(UserError, match="support 2008_000001 shows 1 pixels of its object, and none at 32x32: give"):
        small().adapt(Supports((support,), 1))


def test_a_batch_of_two_equals_two_of_one():
    network = small().eval()
    batch = episode(count=2)
    together = predicted(network, batch.supports, batch.queries[0])
    for b in range(2):
        part = batch.part(slice(b, b + 1))
        alone = predicted(network, part.supports, part.queries[0])
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-5, rtol=1e-5)


# Several supports (test 14) and several objects.


@torch.no_grad()
def test_several_supports_are_the_union_of_their_masks(monkeypatch):
    network, query = small().eval(), frame((40, 56), "q", 9)
    cells, thetas = torch.randn(1, 128, 3, 4), torch.randn(1, 5, 129)
    shown = torch.ones(1, 5, dtype=torch.bool)
    monkeypatch.setattr(network, "look", lambda _: cells)
    (found,) = network.predict([(thetas, shown)], [query])
    union = found.probabilities[:, 0] > 0.5
    maps = network.decide(cells, thetas, query).sigmoid() > 0.5
    assert torch.equal(union, maps.any(1))
    assert not torch.equal(union, maps[:, 0])


@torch.no_grad()
def test_a_support_without_the_object_says_nothing_about_it():
    network, query, shown = small().eval(), frame((40, 56), "q", 9), frame()
    empty = replace(shown, masks=torch.zeros_like(shown.masks), ids=("empty",))
    alone = predicted(network, Supports((shown,), 1), query)
    torch.testing.assert_close(predicted(network, Supports((empty, shown), 1), query), alone)
    assert not predicted(network, Supports((empty,), 1), query).any()


@torch.no_grad()
def test_logits_are_inner_products_then_upsampled():
    network, support, query = small().eval(), frame(), frame((40, 56), "q", 9)
    theta, cells = network.condition(support, 1)[0], network.look(query.images)[0]
    maps = torch.tensor([[float(theta[:-1] @ cell + theta[-1]) for cell in row.T] for row in cells.unbind(1)])
    weight = 1 - (torch.arange(64) - 31.5).abs() / 32
    large = F.conv_transpose2d(maps[None, None], torch.outer(weight, weight)[None, None], stride=32)
    wanted = large[..., 40:80, 40:96].sigmoid()
    torch.testing.assert_close(predicted(network, Supports((support,), 1), query), wanted, atol=1e-5, rtol=1e-5)


# What is remembered (test 35).


@pytest.mark.parametrize("changes", [{}, {"dilated": True}, {"param_head": "dense"}])
def test_what_is_remembered_changes_no_bit(changes, monkeypatch):
    network = small(**changes).eval()
    frames, queries = [frame(name=f"s{k}", seed=k) for k in range(3)], [frame((40, 56), f"q{k}", k) for k in range(2)]
    tasks = [(Supports(tuple(frames[:k]), 1), query) for k in (1, 3) for query in queries]
    plain = [predicted(network, *task) for task in tasks]
    passes = []
    for name in ("condition", "look"):
        inner = getattr(network, name)
        monkeypatch.setattr(network, name, lambda *given, name=name, inner=inner: passes.append(name) or inner(*given))
    network.memory = Memory(1 << 28)
    for task, wanted in zip(tasks, plain, strict=True):
        assert torch.equal(predicted(network, *task), wanted)
    assert sorted(passes) == ["condition"] * 3 + ["look"] * 2


def test_another_mask_of_the_same_image_is_not_taken_for_it():
    network, query, support = small().eval(), frame((40, 56), "q", 9), frame()
    network.memory = Memory(1 << 28)
    first = predicted(network, Supports((support,), 1), query)
    other = predicted(network, Supports((replace(support, masks=1 - support.masks),), 1), query)
    assert not torch.equal(first, other)


# Rates and losses (tests 23 and 24).


def test_every_parameter_has_one_rate():
    network = small()
    groups = rate_groups(network, 1e-10, 0.1, 2.0, 5e-4)
    assert [round(group["lr"] / 1e-10, 6) for group in groups] == [0.1, 0.2, 1.0, 2.0]
    assert [group["weight_decay"] for group in groups] == [5e-4, 0, 5e-4, 0]
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())
    assert all(p.ndim == 1 for group in groups[1::2] for p in group["params"])


def test_the_sum_at_a_small_rate_is_the_mean_at_a_larger():
    masks = (torch.rand(1, 20, 25, generator=torch.Generator().manual_seed(0)) > 0.6).to(torch.uint8)
    steps = []
    for reduction, rate in (("sum", 1e-10), ("mean", 1e-10 * 500)):
        logits = torch.zeros(1, 20, 25, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([logits], lr=rate, momentum=0.99)
        pixel_loss(logits, masks, void="background", reduction=reduction).backward()
        optimizer.step()
        steps.append(logits.detach())
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-12, atol=0)
    assert steps[0].abs().max() > 0


@pytest.mark.parametrize(
    ("void", "wanted"), [("background", (1, 2, 3)), ("foreground", (2, 1, 3)), ("ignore", (1, 1, 2))]
)
def test_void_rules_of_the_loss(void, wanted):
    logits, masks = torch.full((1, 1, 3), 2.0), torch.tensor([[[1, 0, 255]]], dtype=torch.uint8)
    objects, others, counted = wanted
    total = objects * F.softplus(torch.tensor(-2.0)) + others * F.softplus(torch.tensor(2.0))
    for reduction, value in (("sum", total), ("mean", total / counted)):
        torch.testing.assert_close(pixel_loss(logits, masks, void=void, reduction=reduction), value)


def test_pixels_of_the_object_may_count_more():
    logits, masks = torch.tensor([[[2.0, -1.0]]]), torch.tensor([[[1, 0]]], dtype=torch.uint8)
    wanted = 5 * F.softplus(torch.tensor(-2.0)) + F.softplus(torch.tensor(-1.0))
    found = pixel_loss(logits, masks, void="background", reduction="sum", object_weight=5.0)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dilated": True},
        {"param_head": "dense"},
        {"support_input": "rgbm4"},
        {"sigmoid": "before"},
        {"trunk": "alexnet", "support_side": 64},
        {"trunk": "alexnet_caffe", "width": 16, "support_side": 64, "preparation": "caffe"},
    ],
)
def test_every_part_learns(changes):
    network = small(**changes)
    (stage,) = network.stages
    metrics = stage._losses(episode())
    metrics["loss"].backward()
    assert metrics["loss"].isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert network.conditioning.classifier.fc8.weight.grad.any()
    assert network.segmentation.fc6.weight.grad.any()


# Repetition (test 31).


def stepped(batches, **changes):
    network = small(**changes)
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    torch.manual_seed(5)
    return network, [float(stage.step([batch], n)["loss"]) for n, batch in enumerate(batches)]


def test_ten_gradients_make_one_step():
    batches, start = [episode(seed) for seed in range(10)], small().state_dict()
    for count, moves in ((9, False), (10, True)):
        network, _ = stepped(batches[:count], accumulate=10)
        assert any(not torch.equal(p, start[name]) for name, p in network.named_parameters()) == moves


def test_the_same_seed_gives_the_same_losses():
    batches = [episode(seed) for seed in range(4)] * 5
    assert stepped(batches)[1] == stepped(batches)[1]


# Published weights.


def published(network):
    """Made-up tensors of torchvision's names for a network of any width."""
    generator = torch.Generator().manual_seed(1)
    classifier, made = network.conditioning.classifier, {}
    for name, layer in [*classifier.vgg.features.named_children()]:
        made[f"features.{name}"] = layer
    made |= {"classifier.0": classifier.fc6, "classifier.3": classifier.fc7, "classifier.6": classifier.fc8}
    return {
        f"{name}.{part}": torch.randn(own.shape, generator=generator)
        for name, layer in made.items()
        for part, own in layer.named_parameters()
    }


def test_both_branches_start_from_the_classifier_and_say_so():
    network = small(support_side=224)
    weights = published(network)
    network.load_published(weights, "zeros")
    assert torch.equal(network.conditioning.classifier.fc8.weight, weights["classifier.6.weight"])
    assert torch.equal(network.segmentation.fc6.weight.flatten(1), weights["classifier.0.weight"])
    assert network.trunk == "pretrained"
    again = small(support_side=224)
    assert again.trunk == "scratch"
    again.load_weights(network.weights())
    assert again.trunk == "pretrained"


def test_filters_of_the_mask_start_at_zero():
    weights = published(small(support_side=224))
    network = small(support_side=224, support_input="rgbm4")
    network.load_published(weights, "zeros")
    first = network.conditioning.classifier.vgg.features["0"].weight
    assert torch.equal(first[:, :3], weights["features.0.weight"])
    assert not first[:, 3:].any()


def test_weights_of_another_size_are_one_line():
    network = small(support_side=224)
    weights = published(network)
    del weights["classifier.6.bias"]
    with pytest.raises(UserError, match=r"not those of torchvision's VGG-16: classifier\.6\.bias"):
        network.load_published(weights, "zeros")


def test_a_narrow_network_does_without_them():
    assert small(weights={"trunk": {}}).trunk == "scratch"


def test_alexnet_has_no_other_forms():
    with pytest.raises(UserError, match="trunk=alexnet has neither a dilated nor a 4-channel form: choose trunk=vgg16"):
        small(trunk="alexnet", dilated=True)


# Learning (tests 30 and 33).


def halves(size=64):
    """Two episodes with one query: its left half has the support's texture in one, its right half in the other."""
    stripes = (torch.arange(size) // 4 % 2 * 200).to(torch.uint8).expand(size, size)
    textures = [torch.stack([stripes] * 3), torch.stack([255 - stripes.T // 2, stripes.T, stripes.T])]
    query = textures[0].clone()
    query[:, :, size // 2 :] = textures[1][:, :, size // 2 :]
    found = []
    for k, texture in enumerate(textures):
        mask = torch.zeros(1, size, size, dtype=torch.uint8)
        mask[..., k * size // 2 : (k + 1) * size // 2] = 1
        support = Frame(texture[None], torch.ones(1, size, size, dtype=torch.uint8), (f"s{k}",))
        found.append(Batch(Supports((support,), 1), (Frame(query[None], mask, ("q",)),)))
    return found


def iou(network, supports, query):
    found, true = predicted(network, supports, query)[:, 0] > 0.5, query.masks == 1
    return float((found & true).sum() / (found | true).sum())


@pytest.mark.slow
def test_overfits_two_episodes_and_listens_to_the_support():
    rates = {"learning_rate": 0.01, "conditioning_rate": 0.1, "momentum": 0.0, "hash_scale": 1 / 16}
    network, episodes = small(support_side=64, **rates).eval(), halves()  # without dropout
    (stage,) = network.stages
    stage.setup(CPU, torch.float32)
    for n in range(120):
        stage.step(episodes, 2 * n)
    scores = [iou(network, e.supports, e.queries[0]) for e in episodes]
    exchanged = [iou(network, e.supports, o.queries[0]) for e, o in zip(episodes, episodes[::-1], strict=True)]
    assert min(scores) > 0.95
    assert max(exchanged) < min(scores) - 0.1
