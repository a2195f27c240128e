"""SinGAN: shapes and counts of the specification (section 6.2), growth, resumed training, and that it learns."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.single_image.synthesizer import draw
from plugins.singan.generator import SinGanGenerator
from plugins.singan.model import build
from tests.plugins.single_image import CPU, fit, picture, published

SMALL = {"min_size": 12, "max_size": 28, "factor": 0.75, "features": 4, "widest": 16, "frame": None}


def small(samples=3, **changes):
    torch.manual_seed(1)
    return build(height=48, width=64, objects=1, samples=samples, **SMALL | {"learning_rate": 5e-4} | changes)


@pytest.mark.parametrize(
    ("name", "finest", "widths"),
    [
        ("singan", (141, 250), [32] * 4 + [64] * 4),
        ("singan-size640", (360, 640), [32] * 4 + [64] * 4 + [128] * 3),
    ],
)
def test_published_networks(name, finest, widths):
    model = build(height=480, width=854, objects=1, **published(name))
    assert model.sizes[-1] == finest
    assert [(stage.name, stage.samples, stage.batch) for stage in model.stages] == [
        (f"scale{k}", 2000, 1) for k in range(len(widths))
    ]
    assert model.size == (384, 640)
    for _ in widths[1:]:
        model.grow()
    counts = {32: (29763, 29185), 64: (114819, 113665), 128: (450819, 448513)}
    for scale, width in zip(model.generator.scales, widths, strict=True):
        assert sum(p.numel() for p in scale.parameters()) == counts[width][0]
    assert sum(p.numel() for p in model.critic.parameters()) == counts[widths[-1]][1]


def test_noise_is_one_channel_at_the_coarsest_scale_and_three_above():
    model = small()
    model.grow()
    assert model.generator.shapes() == [(1, 1, *model.sizes[0]), (1, 3, *model.sizes[1])]


def test_a_scale_adds_to_what_it_is_fed_which_is_padded_with_zeros_once():
    generator = SinGanGenerator(((12, 15),), width=4, widest=16).eval()
    noise, before = torch.randn(1, 1, 12, 15), torch.randn(1, 3, 12, 15)
    fed = F.pad((before + noise).expand(1, 3, 12, 15), (5, 5, 5, 5))
    torch.testing.assert_close(generator.refine(0, noise, before), before + torch.tanh(generator.scales[0](fed)))
    assert float(generator([noise]).detach().abs().max()) <= 1


def test_a_new_scale_starts_from_the_weights_below_it_where_the_width_is_the_same():
    generator = SinGanGenerator(((12, 15),) * 5, width=4, widest=16)
    for _ in range(4):
        generator.grow()
    first, fourth, fifth = (generator.scales[k].head[0].weight for k in (0, 3, 4))
    assert torch.equal(first, fourth)
    assert fifth.shape[0] == 2 * first.shape[0]


def test_only_the_newest_scale_learns_and_its_noise_is_a_tenth_of_the_error():
    model, batch = small(), picture((21, 28))
    fit(model, batch, stop=(1, 0))
    before = {k: v.clone() for k, v in model.generator.state_dict().items()}
    model.train()
    real = model.level(batch.queries[0].images, 1)
    model.generator.eval()
    with torch.no_grad():
        error = F.mse_loss(model.generator.before(model.fixed()[:1]), real).sqrt()
    model.stages[1].step([batch], 0)
    after = model.generator.state_dict()
    assert all(torch.equal(after[k], before[k]) for k in before if k.startswith("scales.0."))
    assert not torch.equal(after["scales.1.tail.weight"], before["scales.1.tail.weight"])
    assert float(after["amplitudes"][0]) == 1
    assert float(after["amplitudes"][1]) == pytest.approx(0.1 * float(error))


def test_reconstruction_uses_the_fixed_noise_and_zeros():
    model = small()
    model.grow()
    assert torch.equal(model.fixed()[0], model.anchor)
    assert not model.fixed()[1].any()


@dataclass
class Killed:
    stage: int
    done: int


@pytest.mark.parametrize("killed", [Killed(0, 2), Killed(1, 0), Killed(2, 1)])
def test_resumed_training_ends_with_the_same_weights(killed):
    whole, cut, resumed = small(), small(), small()
    fit(whole, picture((21, 28)))
    saved, _ = fit(cut, picture((21, 28)), stop=(killed.stage, killed.done))
    torch.manual_seed(99)
    fit(resumed, picture((21, 28)), saved=saved)
    assert len(whole.generator.scales) == 4
    wanted, found = whole.state_dict(), resumed.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[k], found[k]) for k in wanted)


def test_published_weights_sample_the_same_in_a_new_model_at_the_size_asked_for():
    model, other = small(frame=[30, 50]), small(frame=[30, 50])
    fit(model, picture((30, 50)))
    assert all(not name.startswith(("critic", "anchor")) for name in model.weights())
    other.load_weights(model.weights())
    for (image, mask), (again, _) in zip(
        model.sample(2, torch.Generator().manual_seed(3)),
        other.sample(2, torch.Generator().manual_seed(3)),
        strict=True,
    ):
        assert image.shape == (3, 30, 50)
        assert (image.dtype, mask.dtype) == (torch.uint8, torch.uint8)
        assert mask.shape == (30, 50)
        assert not mask.any()
        assert torch.equal(image, again)


def test_samples_differ_and_follow_the_generator():
    model = small()
    fit(model, picture((21, 28)))
    first, second = (image for image, _ in model.sample(2, torch.Generator().manual_seed(0)))
    assert not torch.equal(first, second)
    assert torch.equal(first, next(model.sample(1, torch.Generator().manual_seed(0)))[0])
    assert not model.masks


def test_noise_comes_from_the_cpu_generator_or_the_global_one():
    torch.manual_seed(5)
    (wanted,) = draw([(1, 1, 3, 4)], CPU)
    (found,) = draw([(1, 1, 3, 4)], CPU, torch.Generator().manual_seed(5))
    assert torch.equal(wanted, found)


@pytest.mark.slow
def test_it_learns_to_reconstruct_the_image():
    model = small(samples=30, min_size=22, max_size=32, features=8, learning_rate=1e-3)
    _, metrics = fit(model, picture((24, 32)))
    first = metrics["scale0"][0]["reconstruction"]
    for scale, steps in metrics.items():
        assert sum(step["reconstruction"] for step in steps[-5:]) / 5 < 0.4 * first, scale
