"""ConSinGAN: shapes and counts of the specification (section 6.3), who learns how fast, resuming, learning."""

import pytest
import torch
import torch.nn.functional as F

from plugins.con_singan.generator import ConSinGanGenerator
from plugins.con_singan.model import build
from tests.plugins.single_image import CPU, fit, picture, published

SMALL = {"stages": 4, "min_size": 12, "max_size": 28, "features": 4, "frame": None}


def small(samples=3, **changes):
    torch.manual_seed(1)
    facts = SMALL | {"learning_rate": 5e-4, "together": 3, "slower": 0.1} | changes
    return build(height=48, width=64, objects=1, samples=samples, **facts)


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "finest", "stages"), [("con_singan", (141, 250), 6), ("con_singan-size640", (360, 640), 8)]
)
def test_published_networks(name, finest, stages):
    model = build(height=480, width=854, objects=1, **published(name))
    assert model.sizes[-1] == finest
    assert [(stage.name, stage.samples, stage.batch) for stage in model.stages] == [
        (f"stage{k}", 2000, 1) for k in range(stages)
    ]
    assert model.size == (384, 640)
    assert count(model.generator.head, model.generator.body[0]) == 112576
    model.generator.grow()
    assert count(model.generator.body[1]) == 110784
    assert count(model.generator.tail) == 1731
    assert count(model.critic) == 113153


def test_every_stage_gives_its_size_and_noise_is_wider_by_what_the_convolutions_take():
    sizes = ((12, 15), (14, 19), (20, 25))
    generator = ConSinGanGenerator(sizes, width=4)
    generator.grow()
    generator.grow()
    shapes = generator.shapes()
    assert shapes == [(1, 3, 12, 15), (1, 4, 20, 25), (1, 4, 26, 31)]
    noise = [torch.randn(shape) for shape in shapes]
    for number, size in enumerate(sizes):
        made = generator(noise[: number + 1])
        assert made.shape == (1, 3, *size)
        assert made.abs().max() <= 1


def test_a_stage_adds_to_the_enlarged_features():
    generator = ConSinGanGenerator(((12, 15), (14, 19)), width=4)
    generator.grow()
    first, second = (torch.randn(shape) for shape in generator.shapes())
    generator.amplitudes[1] = 0.3

    def larger(features, height, width):
        return F.interpolate(features, (height, width), mode="bicubic", align_corners=True)

    head = generator.head(F.pad(first, (1, 1, 1, 1)))
    coarse = generator.body[0](F.pad(larger(head, 14, 17), (2, 2, 2, 2)))
    fine = generator.body[1](larger(coarse, 20, 25) + 0.3 * second) + larger(coarse, 14, 19)
    wanted = torch.tanh(generator.tail(F.pad(fine, (1, 1, 1, 1))))
    torch.testing.assert_close(generator([first, second]), wanted)


def test_a_new_stage_is_a_copy_of_the_last_with_weights_of_its_own():
    generator = ConSinGanGenerator(((12, 15),) * 2, width=4)
    generator.grow()
    first, second = (stage[0][0].weight for stage in generator.body)
    assert torch.equal(first, second)
    assert first.data_ptr() != second.data_ptr()


@pytest.mark.parametrize(
    ("number", "rates"),
    [
        (0, {"tail": 1, "head": 1, "body.0": 1}),
        (1, {"tail": 1, "head": 0.1, "body.0": 0.1, "body.1": 1}),
        (2, {"tail": 1, "head": 0.01, "body.0": 0.01, "body.1": 0.1, "body.2": 1}),
        (3, {"tail": 1, "body.1": 0.01, "body.2": 0.1, "body.3": 1}),
    ],
)
def test_the_last_three_stages_learn_the_older_the_slower_and_the_head_with_the_first(number, rates):
    model = small()
    for stage in model.stages[: number + 1]:
        stage.setup(CPU, torch.float32)
    owners = {id(p): name for name, p in model.generator.named_parameters()}
    found = {}
    for group in model.stages[number]._rivals.generator.param_groups:
        for parameter in group["params"]:
            name = owners[id(parameter)].split(".")
            found[".".join(name[: 2 if name[0] == "body" else 1])] = group["lr"] / 5e-4
    assert found == pytest.approx(rates)
    learning = {id(p) for p in model.generator.parameters() if p.requires_grad}
    assert learning == {id(p) for p in model.stages[number]._rivals.parameters}


def test_the_coarsest_image_is_what_it_reconstructs_from():
    model, batch = small(), picture((21, 28))
    fit(model, batch, stop=(1, 1))
    assert torch.equal(model.fixed()[0], model.level(batch.queries[0].images, 0))
    assert model.fixed()[1].std() > 0.9
    assert float(model.generator.amplitudes[0]) == 1
    assert 0 < float(model.generator.amplitudes[1]) < 0.2


@pytest.mark.parametrize("killed", [(0, 2), (1, 0), (3, 1)])
def test_resumed_training_ends_with_the_same_weights(killed):
    whole, cut, resumed = small(), small(), small()
    fit(whole, picture((21, 28)))
    saved, _ = fit(cut, picture((21, 28)), stop=killed)
    torch.manual_seed(99)
    fit(resumed, picture((21, 28)), saved=saved)
    wanted, found = whole.state_dict(), resumed.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[k], found[k]) for k in wanted)


def test_published_weights_sample_the_same_in_a_new_model_at_the_size_asked_for():
    model, other = small(frame=[30, 50]), small(frame=[30, 50])
    fit(model, picture((30, 50)))
    other.load_weights(model.weights())
    for (image, mask), (again, _) in zip(
        model.sample(2, torch.Generator().manual_seed(3)),
        other.sample(2, torch.Generator().manual_seed(3)),
        strict=True,
    ):
        assert image.shape == (3, 30, 50)
        assert mask.shape == (30, 50)
        assert torch.equal(image, again)


@pytest.mark.slow
def test_it_learns_to_reconstruct_the_image():
    model = small(samples=60, stages=2, min_size=22, max_size=32, features=8, learning_rate=1e-3)
    _, metrics = fit(model, picture((24, 32)))
    first = metrics["stage0"][0]["reconstruction"]
    for stage, steps in metrics.items():
        assert sum(step["reconstruction"] for step in steps[-5:]) / 5 < 0.5 * first, stage
