"""The training stage: equal to the plain iteration in float64, to itself when interrupted, and it learns."""

import copy
import random

import numpy as np
import pytest
import torch

from pipeline.errors import UserError
from pipeline.layers.one_shot.average import averaged, follow
from pipeline.segmenter import Batch, Frame, Supports
from plugins.osmis.model import build
from tests.layers.one_shot.plain_training import plainly

CPU = torch.device("cpu")
UNREAD = ("heads.0.", "heads.1.", "heads.2.")
"""Of a generator of 48x64 pixels: coarse images that no discriminator sees."""
SETTINGS = {"generator_width": 4, "discriminator_width": 8, "average": 0.9, "bernoulli_samples": 6, "augment": "none"}


def pair(size=(48, 64), copies=3):
    """A red square on a green ground that turns blue to the right."""
    image = torch.zeros(3, *size)
    image[1], image[2] = 120, torch.linspace(50, 200, size[1])
    mask = torch.zeros(size, dtype=torch.uint8)
    mask[10:30, 20:44] = 1
    image[:, mask == 1] = torch.tensor([220.0, 60, 30])[:, None]
    images = image.to(torch.uint8)[None].expand(copies, -1, -1, -1)
    return Batch(Supports((), 1), (Frame(images, mask[None].expand(copies, -1, -1)),))


def model(**changes):
    torch.manual_seed(0)
    return build(**{"height": 48, "width": 64, "objects": 1, "batch": 3} | SETTINGS | changes)


def run(stage, first, last, batch):
    for number in range(first, last):
        torch.manual_seed(number)
        metrics = stage.step([batch], number * stage.batch)
    return metrics


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("supervision", ["mca", "none"])
def test_iterations_equal_plain_ones_in_float64(supervision):
    fast = model(supervision=supervision, harden=False).stages[0]
    plain = plainly(fast.model)
    for stage in (fast, plain):
        stage.setup(CPU, torch.float32)
    batch = pair()
    a, b = (run(stage, 0, 3, batch) for stage in (fast, plain))  # Bernoulli draws in two, then the greatest channel
    for name, value in b.items():
        torch.testing.assert_close(a[name], value, rtol=1e-7, atol=1e-9)
    unread = tuple(f"{part}.{head}" for part in ("generator", "average") for head in UNREAD)
    for (name, value), other in zip(fast.model.state_dict().items(), plain.model.state_dict().values(), strict=True):
        if name.startswith(unread):  # the plain generator makes the coarse images that nobody reads
            continue
        torch.testing.assert_close(value, other, rtol=1e-5, atol=1e-6, msg=name)


def test_an_interrupted_training_goes_on_to_the_same_weights_and_two_runs_are_identical():
    batch = pair()
    whole, again, second = model(augment="ada"), model(augment="ada"), model(augment="ada")
    for one in (whole, again, second):
        one.stages[0].setup(CPU, torch.float32)
    run(whole.stages[0], 0, 6, batch)
    random.seed(1)  # Python's and NumPy's own generators, which the reference drew from unseeded, play no part
    np.random.seed(1)
    run(again.stages[0], 0, 3, batch)
    saved = copy.deepcopy((again.state_dict(), again.stages[0].state()))
    second.load_state_dict(saved[0])
    second.stages[0].load(saved[1])
    for one in (again, second):
        run(one.stages[0], 3, 6, batch)
        assert all(
            torch.equal(a, b) for a, b in zip(whole.state_dict().values(), one.state_dict().values(), strict=True)
        )


def test_fake_masks_are_drawn_in_the_first_iterations_alone():
    stage, drawn = model(bernoulli_samples=9).stages[0], []
    stage.setup(CPU, torch.float32)
    stage._update = lambda real, bernoulli: drawn.append(bernoulli) or {}
    for done in (0, 6):
        stage.step([pair(), pair()], done)
    assert drawn == [True, True, True, False]


def test_real_objects_weigh_as_equation_6_has_it_of_the_single_mask_where_nothing_is_augmented():
    stage, given = model().stages[0], []
    stage.setup(CPU, torch.float32)
    loss, frame = stage._loss, pair().queries[0]
    stage._loss = lambda *arguments: given.append(arguments) or loss(*arguments)
    found = stage._judged(stage._real(frame), "real", bernoulli=False)["content"]
    ((verdict, _, _),) = given
    inverse = 1 / torch.stack([(frame.masks[0] == i).float().mean() for i in range(2)])
    alpha, total = inverse / inverse.sum(), 0.0
    for logits in verdict.content:
        each = -logits.log_softmax(1).view(2, 3, 3)  # object, sample, class
        total = total + sum(alpha[i] * each[i, :, i].mean() for i in range(2))
    blocks = len(verdict.low_level) + len(verdict.layout)
    torch.testing.assert_close(found, total / (2 * blocks))


def test_gradients_reach_all_of_the_generator_through_the_augmentation():
    stage = model(augment="ada", augment_strength=1.0, diversity=0.0).stages[0]
    stage.setup(CPU, torch.float32)
    stage._generator_step(2, bernoulli=True)
    read = {name: p for name, p in stage.model.generator.named_parameters() if not name.startswith(UNREAD)}
    assert "mask.weight" in read
    assert all(float(p.grad.abs().sum()) > 0 for p in read.values())


def test_several_batches_a_step_are_as_many_iterations():
    one, other = model().stages[0], model().stages[0]
    for stage in (one, other):
        stage.setup(CPU, torch.float32)
    torch.manual_seed(0)
    one.step([pair(), pair()], 0)
    torch.manual_seed(0)
    for done in (0, 3):
        other.step([pair()], done)
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    )


def test_the_generators_step_leaves_the_discriminator_without_gradients():
    stage = model().stages[0]
    stage.setup(CPU, torch.float32)
    stage._generator_step(2, bernoulli=True)
    assert all(p.grad is None and p.requires_grad for p in stage.model.discriminator.parameters())


@pytest.mark.parametrize("changes", [
    {"supervision": "dm"}, {"supervision": "dm", "dm_detach": "image"}, {"norm": "batch"}, {"norm": "instance"},
    {"adversary": "hinge"}, {"adversary": "wgan"}, {"loss_weights": "paper"}, {"diversity": 0.0}, {"average": 0.0},
    {"feature_augmentation": 0.0}, {"quirks": False}, {"reuse_fake": True}, {"augment": "ada"}, {"augment": "reduced"},
    {"low_level": 1}, {"low_level": 4},
], ids=str)  # fmt: skip
def test_every_option_takes_steps(changes):
    stage = model(**{"patch_width": 4} | changes).stages[0]
    stage.setup(CPU, torch.float32)
    before = [p.clone() for p in stage.model.parameters()]
    metrics = run(stage, 0, 2, pair())
    assert all(torch.isfinite(value) for value in metrics.values())
    moved = [not torch.equal(a, b) for a, b in zip(before, stage.model.parameters(), strict=True)]
    assert sum(moved) > 0.8 * len(moved)
    image, mask = next(stage.model.sample(1, torch.Generator().manual_seed(0)))
    assert (image.shape, mask.shape) == ((3, 48, 64), (48, 64))


def test_bfloat16_keeps_weights_and_losses_in_float32():
    stage = model(augment="ada").stages[0]
    stage.setup(CPU, torch.bfloat16)
    metrics = run(stage, 0, 2, pair())
    assert {value.dtype for value in metrics.values()} == {torch.float32}
    assert {p.dtype for p in stage.model.parameters()} == {torch.float32}
    assert all(torch.isfinite(value) for value in metrics.values())
    with pytest.raises(UserError, match="float16"):
        stage.setup(CPU, torch.float16)


def test_the_average_follows_every_entry_and_copies_at_a_decay_of_zero():
    generator = model().generator
    average = averaged(generator)
    with torch.no_grad():
        for value in generator.state_dict().values():
            value.add_(1.0)
    follow(average, generator, 0.75)
    for a, b in zip(average.state_dict().values(), generator.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b - 0.75)
    follow(average, generator, 0.0)
    assert all(
        torch.equal(a, b) for a, b in zip(average.state_dict().values(), generator.state_dict().values(), strict=True)
    )


@pytest.mark.slow
def test_it_learns_two_colours_and_where_they_belong():
    gan, batch = model(rate=5e-4, batch=4, bernoulli_samples=600), pair(copies=4)
    gan.stages[0].setup(CPU, torch.float32)
    first = run(gan.stages[0], 0, 1, batch)
    last = run(gan.stages[0], 1, 150, batch)
    assert last["real_loss"] < 0.8 * first["real_loss"]
    with torch.no_grad():
        gan.average.settle()
        made = gan.average.eval()(torch.randn(32, 64))
    ground, thing = (
        (made.images[0] * made.masks[:, i : i + 1]).sum((0, 2, 3)) / made.masks[:, i].sum() for i in range(2)
    )
    assert ground[0] + 0.2 < max(ground[1], ground[2])  # red is lacking in the background
    assert thing[0] > ground[0] + 0.05
