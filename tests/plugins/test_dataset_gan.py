"""DatasetGAN: features of pixels, the ensemble against plain networks, votes, doubt, stopping, sampling."""

import math
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from style_pairs import drop, run, stripes
from torch import nn

from pipeline.errors import UserError
from plugins.dataset_gan.annotation import PATIENCE
from plugins.dataset_gan.ensemble import Ensemble, disagreement, vote
from plugins.dataset_gan.features import Pixels, enlarged, stacked
from plugins.dataset_gan.model import build

CPU = torch.device("cpu")
TINY = {
    "height": 480,
    "width": 854,
    "objects": 1,
    "start": "pair",
    "max_size": 64,
    "base": 128,
    "most": 6,
    "latent": 8,
    "mapping": 2,
    "samples": 40,
    "batch": 2,
    "half_life": 10,
    "members": 3,
    "annotation_samples": 4,
    "candidates": 4,
}


def small(**changes):
    torch.manual_seed(0)
    return build(**TINY | changes)


def count(module):
    return sum(p.numel() for p in module.parameters())


def maps():
    torch.manual_seed(0)
    return stacked([torch.randn(1, c, h, w) for c, h, w in [(3, 2, 3), (4, 4, 6), (2, 4, 6), (2, 8, 12)]])


# Features.


def plain(found, height, width):
    """All features enlarged and concatenated (B, sum of C, height, width), as DatasetGAN stores them."""
    return torch.cat([F.interpolate(m, (height, width), mode="bilinear", align_corners=False) for m in found], 1)


def test_maps_of_one_size_lie_side_by_side():
    assert [m.shape for m in maps()] == [(1, 3, 2, 3), (1, 6, 4, 6), (1, 2, 8, 12)]


def test_features_of_pixels_are_those_of_the_enlarged_volume():
    found = Pixels(maps(), 8, 12)(torch.arange(96))
    torch.testing.assert_close(found, plain(maps(), 8, 12)[0].flatten(1).t())


def test_projecting_before_enlarging_is_projecting_after():
    weight = torch.randn(5, 11)
    torch.testing.assert_close(
        enlarged(maps(), weight, 8, 12), F.conv2d(plain(maps(), 8, 12), weight[..., None, None]), rtol=1e-4, atol=1e-5
    )


# The ensemble.


def plain_member(ensemble, member):
    """The same network as torch's own modules have it."""
    layers = []
    for number, (weight, bias) in enumerate(zip(ensemble.weights, ensemble.biases, strict=True)):
        linear = nn.Linear(weight.shape[2], weight.shape[1])
        linear.weight.data, linear.bias.data = weight[member].detach(), bias[member].detach()
        layers += [linear, nn.ReLU(), nn.BatchNorm1d(weight.shape[1])] if number < 2 else [linear]
    return nn.Sequential(*layers)


def test_members_are_plain_networks_in_training_and_after():
    torch.manual_seed(0)
    ensemble, features = Ensemble(11, 3, 2), torch.randn(2, 20, 11)
    image = maps()
    for member in range(2):
        network = plain_member(ensemble, member)
        torch.testing.assert_close(network(features[member]), plain_logits := ensemble(features)[member])
        assert plain_logits.shape == (20, 3)
        for norm, own in zip([network[2], network[5]], ensemble.norms, strict=True):
            norm.running_mean, norm.running_var = own.mean[member].clone(), own.variance[member].clone()
        network.eval()
        found = ensemble.finish(enlarged(image, ensemble.weights[0][member], 8, 12), member)
        expected = network(plain(image, 8, 12)[0].flatten(1).t()).t().view(1, 3, 8, 12)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_published_widths():
    with torch.device("meta"):
        two, many = Ensemble(4544, 2, 10), Ensemble(4544, 32, 10)
        assert [tuple(w.shape[1:]) for w in two.weights] == [(128, 4544), (32, 128), (2, 32)]
        assert [tuple(w.shape[1:]) for w in many.weights] == [(256, 4544), (128, 256), (32, 128)]
        whole = build(height=480, width=854, objects=1)
    assert whole.canvas.resolution == (512, 512)
    assert whole.ensemble.weights[0].shape == (10, 128, 4544)
    assert count(whole.generator) == 24_860_935


def test_the_majority_wins_and_equals_go_to_the_lowest():
    votes = torch.tensor([[0, 1], [1, 2], [1, 0], [2, 2]])  # members x pixels
    probabilities = F.one_hot(votes, 3).movedim(2, 1).float() * 0.4 + 0.2
    assert vote(probabilities).tolist() == [1, 2]
    assert vote(probabilities[[0, 1]]).tolist() == [0, 1]


def test_jensen_shannon_by_hand():
    apart = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])
    assert float(disagreement(apart)) == pytest.approx(math.log(2))
    assert float(disagreement(apart[[0, 0]])) == 0
    half = torch.tensor([[[0.5], [0.5]], [[1.0], [0.0]]])  # H(3/4, 1/4) - ln 2 / 2
    assert float(disagreement(half)) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25) - math.log(2) / 2)


# Labels.


def test_the_candidate_nearest_to_the_pair_is_labelled_with_its_mask():
    model = small()
    run(model, 1)
    run(model, 1, stage=1)
    (batch,) = stripes(model.size, 1)
    real, masks = model.pair(batch.queries[0])
    _, labels = model.stages[1]._label(batch, choose=False)
    assert torch.equal(labels, masks.flatten())
    torch.manual_seed(3)
    model.stages[1]._label(batch, choose=True)
    torch.manual_seed(3)
    errors = [float((model.made(z)[0] - real).square().mean()) for z in torch.randn(4, 8).split(1)]
    torch.manual_seed(3)
    assert torch.equal(model.latent, torch.randn(4, 8)[torch.tensor(errors).argmin()])


def test_annotating_leaves_the_generator_and_stops_members_one_by_one():
    model = small()
    run(model, 1)
    before = {name: value.clone() for name, value in model.average.state_dict().items()}
    run(model, 1, stage=1)
    stage = model.stages[1]
    stage._stale[:] = torch.tensor([0, PATIENCE + 1, 0])
    kept = [value.clone() for value in (*model.ensemble.parameters(), *model.ensemble.buffers())]
    run(model, 1, stage=1, done=5, setup=False)
    for old, new in zip(kept, (*model.ensemble.parameters(), *model.ensemble.buffers()), strict=True):
        assert torch.equal(old[1], new[1])
        assert not torch.equal(old[0], new[0])
    assert all(torch.equal(value, before[name]) for name, value in model.average.state_dict().items())
    stage._stale[:] = PATIENCE + 1
    kept = [value.clone() for value in model.ensemble.parameters()]
    assert float(run(model, 1, stage=1, done=6, setup=False)["stopped"]) == 1
    assert all(torch.equal(old, new) for old, new in zip(kept, model.ensemble.parameters(), strict=True))


def test_a_resumed_annotation_equals_an_uninterrupted_one():
    whole, second = small(), small()
    run(whole, 1)
    run(whole, 1, stage=1)
    saved = ({name: value.clone() for name, value in whole.state_dict().items()}, deepcopy(whole.stages[1].state()))
    second.stages[1].setup(CPU, torch.float32)
    drop(second)
    second.load_state_dict(saved[0])
    second.stages[1].load(saved[1])
    for model in (whole, second):
        run(model, 1, stage=1, done=4, setup=False)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in whole.state_dict().items())


# Sampling.


def test_samples_are_one_function_of_the_generator_and_the_published_weights():
    model, other = small(), small()
    drop(other)
    other.load_weights(model.weights())
    assert {name.split(".")[0] for name in model.weights()} == {"average", "ensemble", "latent"}
    pairs = [list(m.sample(3, torch.Generator().manual_seed(1))) for m in (model, other)]
    for (image, mask), (again, mask_again) in zip(*pairs, strict=True):
        assert torch.equal(image, again)
        assert torch.equal(mask, mask_again)
    assert image.shape == (3, *model.size)
    assert mask.shape == model.size
    assert image.dtype == mask.dtype == torch.uint8


def test_the_least_certain_are_discarded():
    model = small(discard=0.5)
    torch.manual_seed(0)
    for tensor in model.ensemble.weights:
        tensor.data.normal_()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        every = [model._sample(generator) for _ in range(4)]
    kept = list(model.sample(2, torch.Generator().manual_seed(1)))
    sure = sorted(sorted(range(4), key=lambda n: every[n][1])[:2])
    assert [torch.equal(every[n][0][0], image) for n, (image, _) in zip(sure, kept, strict=True)] == [True, True]


def test_not_all_samples_can_be_discarded():
    with pytest.raises(UserError, match="discard is 1"):
        small(discard=1)


@pytest.mark.slow
def test_the_ensemble_learns_the_mask_of_the_labelled_image():
    model = small()
    run(model, 1)
    run(model, 4, stage=1)
    (batch,) = stripes(model.size, 1)
    with torch.no_grad():
        found = vote(model.labelled(model.made(model.latent[None])[1]))
    truth = batch.queries[0].masks[0].bool()
    iou = (found.bool() & truth).sum() / (found.bool() | truth).sum()
    assert float(iou) > 0.9
