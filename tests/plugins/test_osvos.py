"""OSVOS: its parameters and the published network written plainly, its loss, its parent, and fine-tuning."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from toys import random_batch

from pipeline.errors import UserError
from pipeline.layers.bilinear import enlarged
from pipeline.segmenter import Frame
from plugins.osvos.model import build
from plugins.osvos.network import TRUNKS, Network
from plugins.osvos.online import Online, Pairs
from plugins.osvos.training import balanced, groups, side_weight
from tests.plugins.plain_osvos import PlainOsvos, bilinear, cropped

CPU = torch.device("cpu")


def small(**changes):
    torch.manual_seed(0)
    given = {"width": 16, "samples": 8, "accumulate": 2, "learning_rate": 1e-5}
    online = {"passes": 4, "online_batch": 2, "online_rate": 1e-5}
    return build(**given | online | changes).eval()


def supports(**changes):
    batch = random_batch(supports=[(24, 32)], queries=[(24, 32)], batch=1)
    return replace(batch.supports, **changes), batch.queries[0]


def count(module):
    return sum(p.numel() for p in module.parameters())


def lively(network):
    """New convolutions large enough to tell apart, biases too."""
    for name, tensor in network.named_parameters():
        if not name.startswith("trunk."):
            torch.nn.init.normal_(tensor, std=0.05)
    return network


# The network.


def test_parameters_of_every_part():
    network = Network(TRUNKS["vgg16"](1, None))
    plain = PlainOsvos(network)
    parts = (network.trunk, network.side, network.score, network.fuse, plain.up, plain.up_score)
    assert [count(part) for part in parts] == [14_714_688, 202_816, 68, 65, 348_160, 1_360]
    assert count(plain) == 15_267_157


@pytest.mark.parametrize("size", [(32, 48), (37, 53), (30, 17)])
def test_logits_are_those_of_the_network_as_published(size):
    network = lively(small().network)
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        sides = network.sides(images)
        found = [*network.scored(sides, images), network.fused(sides, images)]
        for own, plain in zip(found, PlainOsvos(network)(images), strict=True):
            torch.testing.assert_close(own, plain[:, 0], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("stride", [2, 4, 8, 16])
def test_bilinear_kernels_enlarge_a_constant_and_a_ramp(stride):
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    for cells in (torch.ones(1, 1, 6, 6), ramp, ramp.mT):
        length, inner = 6 * stride, slice(stride, -stride)
        wanted = F.interpolate(cells, scale_factor=float(stride), mode="bilinear")
        first = TRUNKS["vgg16"](32, None).first(length, 6, stride)
        for found in (
            cropped(bilinear(1, stride)(cells), length, length),
            enlarged(cells, (length, length), stride, (first, first)),
        ):
            torch.testing.assert_close(found[..., inner, inner], wanted[..., inner, inner])


def test_squeezenets_sides_have_the_strides_of_vggs():
    trunk = TRUNKS["squeezenet"](8, None)
    maps = trunk(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    assert [tuple(x.shape[1:]) for x in maps] == [(8, 32, 48), (16, 16, 24), (32, 8, 12), (64, 4, 6)]


# The loss and the groups.


def test_balanced_loss_of_a_case_by_hand():
    logits = torch.zeros(2, 2, 2)
    objects = torch.tensor([[[1, 0], [0, 0]], [[1, 1], [1, 0]]]).bool()
    ln2 = torch.log(torch.tensor(2.0))
    torch.testing.assert_close(balanced(logits, objects), (3 / 4 * 1 + 1 / 4 * 3) * ln2 * torch.ones(2))
    logits[0, 0, 0] = 100.0  # the object is found: what is left are the others at a quarter each
    torch.testing.assert_close(balanced(logits, objects)[0], 3 / 4 * ln2)


def test_rates_are_a_tenth_for_scores_and_a_hundredth_for_fusing_and_twice_for_biases():
    network = small().network
    named = {id(p): name for name, p in network.named_parameters()}
    found = {named[id(g["params"][0])]: (g["lr"], g["weight_decay"]) for g in groups(network, 1.0, 0.5, scores=True)}
    assert set(found) == set(named.values())
    assert found["trunk.vgg.features.0.weight"] == found["side.0.weight"] == (1, 0.5)
    assert found["side.0.bias"] == (2, 0)
    assert found["score.3.weight"] == (0.1, 0.5)
    assert found["fuse.weight"] == (0.01, 0.5)
    assert found["fuse.bias"] == (0.02, 0)
    online = [named[id(g["params"][0])] for g in groups(network, 1.0, 0.5, scores=False)]
    assert set(found) - set(online) == {name for name in found if name.startswith("score.")}


# The parent.


def test_weight_of_the_side_losses_falls_with_the_epochs():
    assert [side_weight(epoch / 240) for epoch in (0, 1, 120, 239)] == pytest.approx([1, 239 / 240, 0.5, 1 / 240])


def test_a_static_stage_comes_first_where_asked_for_and_the_weight_falls_over_both():
    segmenter = small(static_samples=4)
    assert [(s.name, s.samples, s.data) for s in segmenter.stages] == [
        ("static", 4, ("static/train",)),
        ("parent", 8, ("davis16_train/train",)),
    ]
    parent = segmenter.stages[1]
    parent.setup(CPU, torch.float32)
    parent.step([random_batch(supports=[(24, 32)], queries=[(24, 32)], batch=1)], done=2)
    assert parent._parent.sides == pytest.approx(0.5)


def test_the_loss_is_the_fused_one_and_weighted_sides():
    segmenter = small()
    (stage,) = segmenter.stages
    batch = random_batch(supports=[(24, 32)], queries=[(24, 32)], batch=1)
    found = []
    for weight in (0.0, 1.0, 0.25):
        torch.manual_seed(3)
        stage._parent.sides = torch.tensor(weight)
        found.append({name: float(value.detach()) for name, value in stage._parent(batch).items()})
    assert found[0]["loss"] == found[0]["fused"]
    sides = found[1]["loss"] - found[1]["fused"]
    assert sides > 0
    assert found[2]["loss"] == pytest.approx(found[2]["fused"] + sides / 4)


# Fine-tuning.


def pairs(number=5, standard=False):
    random = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (number, 3, 24, 32), dtype=torch.uint8, generator=random)
    masks = torch.zeros(number, 24, 32, dtype=torch.uint8)
    for n in range(number):
        masks[n, n : n + 8, 4 : 10 + 2 * n] = 1
    return Pairs(images, masks, originals=1, standard=standard, seed=0)


def test_an_update_of_five_passes_equals_five_accumulated_one_by_one(monkeypatch):
    network, given = lively(small().network), pairs()
    chosen = torch.tensor([0, 3, 0, 2, 4])
    monkeypatch.setattr(Online, "picks", lambda *_: chosen)
    tuned = Online(5, 5, 1e-6, 0.9, 2e-4, 0.5)(network, given, 1)
    plain = small().network
    plain.load_state_dict(network.state_dict())
    optimizer = torch.optim.SGD(groups(plain, 1e-6, 2e-4, scores=False), momentum=0.9)
    for n in chosen.tolist():
        (balanced(plain(given.images[n : n + 1]), given.masks[n : n + 1] == 1).sum() / 5).backward()
    optimizer.step()
    for own, other, before in zip(tuned.parameters(), plain.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(own - before, other - before, atol=1e-7, rtol=1e-3)


def test_half_of_the_passes_see_the_original_or_all_pairs_are_as_likely():
    given, random = pairs(), torch.Generator()
    half = Online(5000, 5, 1, 0, 0, 0.5).picks(given, random.manual_seed(0))
    assert half.shape == (5000,)
    assert abs((half == 0).float().mean() - 0.5) < 0.03
    assert set(half.tolist()) == set(range(5))
    uniform = Online(5000, 5, 1, 0, 0, None).picks(given, random.manual_seed(0))
    assert abs((uniform == 0).float().mean() - 0.2) < 0.03


@torch.no_grad()
def predicted(segmenter, given, query):
    (prediction,) = segmenter.predict(segmenter.adapt(given), iter([query]))
    return prediction.probabilities


def test_adapting_leaves_the_parent_as_it_is_and_follows_the_seed():
    segmenter = small()
    before = {name: tensor.clone() for name, tensor in segmenter.state_dict().items()}
    given, query = supports(standard=True, seed=1)
    first, second = (predicted(segmenter, given, query) for _ in range(2))
    other = predicted(segmenter, replace(given, seed=2), query)
    for name, tensor in segmenter.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_standard_augmentation_and_synthetic_pairs_change_what_is_learnt():
    segmenter = small(passes=12)
    given, query = supports()
    mask = torch.zeros(1, 40, 56, dtype=torch.uint8)
    mask[:, 10:30, 5:20] = 1
    extra = Frame(mask[:, None].expand(1, 3, 40, 56) * 90, mask, origin="synthetic")
    found = [
        predicted(segmenter, replace(given, standard=standard, extra=(extra,) * some), query)
        for standard in (False, True)
        for some in (0, 2)
    ]
    for n, one in enumerate(found):
        assert not any(torch.equal(one, other) for other in found[:n])


def test_bfloat16_steps_change_the_weights_and_stay_close():
    segmenter, still = (small(passes=8, online_rate=rate) for rate in (1e-5, 0.0))
    given, query = supports()
    lively(segmenter.network)
    still.load_state_dict(segmenter.state_dict())
    untouched, plain = predicted(still, given, query), predicted(segmenter, given, query)
    with torch.autocast("cpu", torch.bfloat16):
        half = predicted(segmenter, given, query)
    assert half.dtype == torch.float32
    moved = (plain - untouched).abs().mean()
    assert moved > 0.02
    assert (plain - half).abs().mean() < 0.2 * moved


def test_a_diverging_network_is_an_error_of_one_line():
    given, query = supports()
    with pytest.raises(UserError, match=r"object 1 is .* lower online_rate"):
        predicted(small(online_rate=1e30, passes=8), given, query)


def test_frames_are_seen_at_their_longer_side_and_answered_at_their_own():
    segmenter, seen = small(longer=16), []
    segmenter.network.trunk.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[-2:])))
    given, query = supports()
    assert predicted(segmenter, given, query).shape == (1, 1, 24, 32)
    assert set(seen) == {(12, 16)}
