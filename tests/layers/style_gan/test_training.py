"""The stage: what an update does and leaves alone, resuming, equal runs, and that it learns one image."""

import pytest
import torch
from style_pairs import drop, run, stripes

from pipeline.errors import UserError
from pipeline.layers.style_gan.canvas import Canvas
from pipeline.layers.style_gan.synthesizer import StyleGan
from pipeline.layers.style_gan.training import Adversarial, Schedule

CPU = torch.device("cpu")


class Images(StyleGan):
    def sample(self, count, generator):
        raise NotImplementedError


def model(channels=(8, 8, 6), latent=8, start=(2, 4), **schedule):
    torch.manual_seed(0)
    canvas = Canvas((start[0] << 2, start[1] << 2), start, len(channels) - 1)
    network = Images(canvas=canvas, channels=channels, latent=latent, mapping=2, heads={"image": 3})
    network.stages = (Adversarial(network, Schedule(**{"samples": 400, "batch": 4, "half_life": 40} | schedule)),)
    return network


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_an_update_moves_all_networks_and_reports_finite_losses():
    network = model()
    before = weights(network)
    metrics = run(network, 2)
    assert set(metrics) == {"critic", "generator", "r1", "path"}
    assert all(torch.isfinite(value) for value in metrics.values())
    still = {name for name, value in network.state_dict().items() if torch.equal(value, before[name])}
    assert all("noise" in name or "strength" in name for name in still), still
    assert all(parameter.requires_grad for parameter in network.critic.parameters())


def test_penalties_are_lazy():
    network, seen = model(r1_every=4, path_every=2), []
    for updates in range(1, 6):
        metrics = run(network, 1, done=4 * (updates - 1), setup=updates == 1)
        seen.append((float(metrics["r1"]), float(metrics["path"])))
    r1, path = zip(*seen, strict=True)
    assert r1[0] == r1[1] == r1[2] == r1[3] != r1[4]
    assert path[0] == path[1] != path[2] == path[3] != path[4]


def test_a_resumed_training_equals_an_uninterrupted_one():
    whole = model()
    run(whole, 6)
    first = model()
    run(first, 3)
    saved = (weights(first), first.stages[0].state())
    second = model(latent=8)
    drop(second)
    second.stages[0].setup(CPU, torch.float32)
    second.load_state_dict(saved[0])
    second.stages[0].load(saved[1])
    run(second, 3, done=12, setup=False)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_the_average_keeps_half_of_old_weights_over_a_half_life():
    assert Schedule(samples=1, half_life=80).decay(8) ** 10 == pytest.approx(0.5)


def test_two_runs_are_equal():
    found = []
    for _ in range(2):
        network = model()
        run(network, 3)
        found.append(weights(network))
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_a_batch_of_views_trains_as_a_batch_of_copies():
    found = []
    for copies in (False, True):
        network = model().double()
        network.stages[0].setup(CPU, torch.float32)
        (batch,) = stripes((8, 16), 4, copies=copies)
        images, masks = network.pair(batch.queries[0])
        assert len(images) == (4 if copies else 1)
        torch.manual_seed(1)
        network.stages[0].make = lambda count, net=network: (
            net.generator(torch.ones(count, 6, 8).double(), None),
            None,
        )
        network.stages[0]._teach_critics(images.double(), masks, 4)
        found.append(weights(network.critic))
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-6, atol=1e-8)


def test_bfloat16_trains_and_float16_is_refused():
    network = model()
    network.stages[0].setup(CPU, torch.bfloat16)
    metrics = run(network, 1, setup=False)
    assert all(torch.isfinite(value) for value in metrics.values())
    with pytest.raises(UserError, match="bfloat16"):
        network.stages[0].setup(CPU, torch.float16)


def test_published_weights_are_the_average_alone():
    network = model()
    assert {name.split(".")[0] for name in network.weights()} == {"average"}
    other = model()
    drop(other)
    other.load_weights(network.weights())
    assert torch.equal(other.average.constant, network.average.constant)
    with pytest.raises(KeyError, match=r"average\.constant"):
        other.load_weights({n: v for n, v in network.weights().items() if n != "average.constant"})


def test_frames_are_bytes_at_the_size_of_the_pair():
    network = model()
    network.size = (6, 20)
    image, mask = network.frame(torch.full((3, 8, 16), 2.0), torch.ones(8, 16, dtype=torch.int64))
    assert image.dtype == mask.dtype == torch.uint8
    assert (image.shape, mask.shape) == ((3, 6, 20), (6, 20))
    assert image.eq(255).all()
    assert mask.eq(1).all()


@pytest.mark.slow
def test_it_learns_one_image():
    network = model(channels=(12, 12, 8), learning_rate=1e-2, half_life=20)
    (batch,) = stripes((8, 16), 4)
    real = network.pair(batch.queries[0])[0]
    error = []
    for updates in (0, 75):
        run(network, updates)
        made = network.average(network.average.truncated(torch.randn(16, 8), 1, 0), None).heads["image"]
        error.append(float((made - real).square().mean()))
    assert error[1] < 0.4 * error[0]
