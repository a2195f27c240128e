"""MaskNet against its specification: counts, cells, what each stage trains, and that decisions see shapes alone."""

import pytest
import torch
from toys import random_batch

from pipeline.errors import UserError
from pipeline.layers.proposals import foreground
from plugins.masknet.model import build
from plugins.masknet.training import DiscriminatorLoss, ProposalLoss, negative_cells, positive_cells
from plugins.siamese_unet.model import build as build_unet

SMALL = {
    "features": 2,
    "proposal_samples": 40,
    "proposal_batch": 4,
    "discriminator_samples": 40,
    "discriminator_batch": 4,
}


def count(module):
    return sum(p.numel() for p in module.parameters())


def start():
    torch.manual_seed(7)
    return {"start": build_unet(features=2).weights()}


def small(**changes):
    given = {"weights": start()} | changes
    torch.manual_seed(0)
    return build(**(SMALL | given))


def episodes(batch=4, seed=0):
    return random_batch(supports=[(32, 32)], queries=[(96, 96)], batch=batch, seed=seed)


def test_parameter_counts():
    network = build()
    assert count(network.proposals) == 3_223_922
    assert count(network.discriminator) == 984_096
    assert count(network) == 4_208_402


def test_it_starts_from_the_siamese_unets_tensors():
    network, weights = small(), start()["start"]
    for name, tensor in network.proposals.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def test_positive_cells_are_floor_and_ceil_of_an_eighth_of_the_floored_centre():
    masks = torch.zeros(3, 96, 96, dtype=torch.uint8)
    masks[0, 20, 44] = 1  # x = 5.5, y = 2.5
    masks[1, 16, 80] = 1  # whole numbers: one cell four times
    masks[2, 95, 3] = 1  # a ceil of 12 is taken for 11
    cells = [{(c // 12, c % 12) for c in row} for row in positive_cells(masks).tolist()]
    assert cells == [{(2, 5), (2, 6), (3, 5), (3, 6)}, {(2, 10)}, {(11, 0), (11, 1)}]


def test_negative_cells_are_distinct_and_leave_positives_out_if_asked():
    positives = torch.arange(4).expand(300, -1)
    anywhere, elsewhere = (negative_cells(positives, 4, kind) for kind in ("any", "exclude"))
    assert all(len(set(row)) == 4 for row in anywhere.tolist())
    assert anywhere.lt(4).any()
    assert not elsewhere.lt(4).any()


def test_the_first_loss_sees_four_positive_and_four_empty_labels():
    network, batch = small(), episodes()
    torch.manual_seed(3)
    found = ProposalLoss(network, "any")(batch)["loss"]
    torch.manual_seed(3)
    (support,), (query,) = batch.supports.frames, batch.queries
    positives = positive_cells(query.masks)
    cells = torch.cat([positives, negative_cells(positives, 4, "any")], 1)
    scenes, target = network.proposals.look(query.images / 255), network.embed(support.images / 255)
    probability = foreground(network.proposals(target, scenes, cells))
    true = torch.cat([(query.masks == 1).unsqueeze(1).expand(-1, 4, -1, -1), torch.zeros(4, 4, 96, 96) > 0], 1)
    plain = -torch.where(true, probability.log(), (1 - probability).log()).mean()
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-4)


def test_the_second_stage_trains_the_discriminator_and_the_comparison_alone():
    network = small()
    propose, discriminate = network.stages
    propose.setup(torch.device("cpu"), torch.float32)
    propose.step([episodes()], 0)
    discriminate.setup(torch.device("cpu"), torch.float32)
    assert torch.equal(network.discriminator.e3.conv.weight, network.proposals.target.e3.conv.weight)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    discriminate.step([episodes()], 0)
    changed = {name.split(".")[0] for name, tensor in network.state_dict().items() if not before[name].equal(tensor)}
    assert changed == {"discriminator", "comparison"}


def test_the_first_stage_leaves_the_discriminator_alone():
    network = small()
    (propose, _), before = network.stages, network.discriminator.e1.conv.weight.clone()
    propose.setup(torch.device("cpu"), torch.float32)
    old = network.proposals.scene.e1.conv.weight.clone()
    propose.step([episodes()], 0)
    assert torch.equal(network.discriminator.e1.conv.weight, before)
    assert not torch.equal(network.proposals.scene.e1.conv.weight, old)


def test_decay_leaves_out_shifts_and_the_comparison():
    network = small()
    _, discriminate = network.stages
    discriminate.setup(torch.device("cpu"), torch.float32)
    decayed, exempt = discriminate.state()["optimizer"]["param_groups"]
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (1e-9, 0.0)
    assert (len(decayed["params"]), len(exempt["params"])) == (6, 7)  # six kernels; six shifts and w


@torch.no_grad()
def test_recolouring_the_scene_leaves_scores_unchanged_given_the_masks():
    network, masks = small(), torch.rand(2, 3, 96, 96) > 0.9
    target = network.embed(torch.rand(2, 3, 32, 32))
    first, second = (network.score(target, masks, torch.rand(2, 3, 96, 96)) for _ in range(2))
    assert torch.equal(first, second)
    seeing = small(crop_source="masked_scene")
    first, second = (seeing.score(target, masks, torch.rand(2, 3, 96, 96)) for _ in range(2))
    assert not torch.equal(first, second)


@torch.no_grad()
def test_the_answer_is_the_proposal_that_scores_highest():
    network, batch = small().eval(), episodes(2)
    (support,), (query,) = batch.supports.frames, batch.queries
    (prediction,) = network.predict(network.adapt(batch.supports), [query])
    pictures, target = query.images / 255, network.embed(support.images / 255)
    maps = foreground(network.proposals(target, network.proposals.look(pictures), torch.arange(144).expand(2, -1)))
    scores, which = network.score(target, maps > 0.3, pictures).max(1)
    torch.testing.assert_close(prediction.scores[:, 0], scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(prediction.probabilities[:, 0], maps[[0, 1], which], atol=1e-4, rtol=1e-4)


def test_standardized_crops_remember_the_scenes_of_their_training():
    network, batch = small(crop_values="standardized"), episodes()
    DiscriminatorLoss(network, "any")(batch)
    pixels = batch.queries[0].images.double()
    count, total, squares = network.scene_pixels
    assert float(total / count) == pytest.approx(float(pixels.mean()), rel=1e-6)
    assert float(squares / count - (total / count) ** 2) == pytest.approx(float(pixels.var(correction=0)), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": None}, "siamese_unet"),
        ({"weights": None, "proposal_samples": 0}, "trained masknet"),
        ({"proposal_samples": 0}, "trained masknet"),
    ],
)
def test_a_stage_without_the_weights_it_stands_on_is_a_mistake(changes, message):
    network = small(**changes)
    with pytest.raises(UserError, match=message):
        network.stages[0].setup(torch.device("cpu"), torch.float32)


def test_a_discriminator_alone_stands_on_a_trained_masknet():
    trained = small().weights()
    network = small(proposal_samples=0, weights={"proposals": trained}, crop_source="masked_scene")
    (stage,) = network.stages
    stage.setup(torch.device("cpu"), torch.float32)
    assert "first" in stage.step([episodes()], 0)


def test_the_rate_is_halved_at_two_three_and_four_of_five():
    network = small(proposal_samples=500, proposal_batch=1)
    stage = network.stages[0]
    factors = [stage._schedule(seen / 500) for seen in (0, 199, 200, 299, 300, 399, 400, 499)]
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
