"""SemanticGAN: parameters, which gradients reach what, its losses, resuming, and that it learns a pair."""

from copy import deepcopy

import pytest
import torch
from style_pairs import drop, run, stripes
from torch import nn

from pipeline.layers.style_gan.canvas import Canvas
from pipeline.layers.style_gan.generator import Made
from pipeline.layers.style_gan.training import Schedule
from plugins.semantic_gan.model import SemanticGan, build
from plugins.semantic_gan.training import Semantic

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
    "patch_width": 4,
    "samples": 40,
    "batch": 2,
    "half_life": 10,
}


def small(**changes):
    torch.manual_seed(0)
    return build(**TINY | changes)


def count(module):
    return sum(p.numel() for p in module.parameters())


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_published_parameters_at_512():
    with torch.device("meta"):
        model = build(height=480, width=854, objects=1)
    heads = sum(count(level.heads["mask"]) for level in model.generator.levels)
    assert model.canvas.resolution == (512, 512)
    assert model.size == (384, 640)
    assert count(model.generator) - heads == 30_276_583
    assert heads == sum(2 * c + 2 + 513 * c for c in (512, 512, 512, 512, 512, 256, 128, 64))
    assert count(model.critic) == 28_982_849


def guided(model, through):
    """Slopes of the pair critic's losses on the generator's image and mask."""
    model.stages[0].through_image = through
    model.stages[0].setup(CPU, torch.float32)
    images, masks = model.pair(stripes(model.size, 2)[0].queries[0])
    image, mask = (torch.randn(2, c, *model.size, requires_grad=True) for c in (3, 2))
    losses = model.stages[0].guide(images, masks, Made({"image": image, "mask": mask}, []))
    assert set(losses) == {"mask", "matching"}
    sum(losses.values()).backward()
    assert all(parameter.grad is None for parameter in model.pairs.parameters())
    assert all(parameter.requires_grad for parameter in model.pairs.parameters())
    return image.grad, mask.grad


def test_the_pair_critic_reaches_the_mask_and_only_on_demand_the_image():
    image, mask = guided(small(), through=False)
    assert image is None
    assert mask.abs().sum() > 0
    image, mask = guided(small(), through=True)
    assert image.abs().sum() > 0


class Judge(nn.Module):
    """Two scales, whose logits are a quarter and a half of the image."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.25))

    def forward(self, images, masks):
        assert masks.shape[1] == 2
        return [[self.weight * images], [2 * self.weight * images]]


def test_the_hinge_loss_is_averaged_over_scales():
    model = small()
    model.stages[0].pairs = model.pairs = Judge()
    model.stages[0].setup(CPU, torch.float32)
    made = Made({"image": torch.full((2, 3, 4, 4), -2.0), "mask": torch.zeros(2, 2, 4, 4)}, [])
    losses = model.stages[0].teach(torch.ones(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64), made)
    assert float(losses["pairs"].detach()) == (0.75 + 0.5 + 0.5 + 0) / 2


def test_an_update_moves_every_network():
    model = small()
    before = weights(model)
    metrics = run(model, 2)
    assert set(metrics) == {"critic", "pairs", "generator", "mask", "matching", "r1", "path"}
    assert all(torch.isfinite(value) for value in metrics.values())
    still = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert all(name.split(".")[-1].startswith(("noise", "strength", "u")) for name in still), still


def test_a_resumed_training_equals_an_uninterrupted_one_and_two_runs_are_equal():
    whole, first, second = small(), small(), small()
    run(whole, 2)
    run(first, 1)
    saved = (weights(first), deepcopy(first.stages[0].state()))
    drop(second)
    second.stages[0].setup(CPU, torch.float32)
    second.load_state_dict(saved[0])
    second.stages[0].load(saved[1])
    run(second, 1, done=2, setup=False)
    run(first, 1, done=2, setup=False)
    for other in (first, second):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in whole.state_dict().items())


def test_samples_need_the_published_weights_alone():
    model, other = small(objects=3), small(objects=3)
    drop(other)
    other.load_weights(model.weights())
    pairs = [list(m.sample(2, torch.Generator().manual_seed(1))) for m in (model, other)]
    for (image, mask), (again, mask_again) in zip(*pairs, strict=True):
        assert torch.equal(image, again)
        assert torch.equal(mask, mask_again)
    assert (image.shape, mask.shape) == ((3, *model.size), model.size)
    assert mask.max() <= 3


@pytest.mark.parametrize("start", ["pair", "square"])
def test_frames_have_the_size_of_the_pair_whatever_the_networks_make(start):
    model = small(start=start, max_size=64)
    ((image, mask),) = model.sample(1, torch.Generator().manual_seed(0))
    assert (image.shape[1:], mask.shape) == (model.size, model.size)


@pytest.mark.slow
def test_it_learns_where_the_object_is():
    torch.manual_seed(0)
    canvas = Canvas((8, 16), (2, 4), 2)
    model = SemanticGan(canvas=canvas, classes=2, base=256, most=12, latent=8, mapping=2, patch_width=8)
    schedule = Schedule(samples=400, batch=4, learning_rate=1e-2, half_life=20)
    model.stages = (Semantic(model, schedule, matching=10, through_image=False),)
    run(model, 60)
    truth = stripes(model.size, 1)[0].queries[0].masks[0].bool()
    found = [mask.bool() for _, mask in model.sample(4, torch.Generator().manual_seed(0))]
    ious = [float((mask & truth).sum() / (mask | truth).sum()) for mask in found]
    assert sum(ious) / 4 > 0.5
