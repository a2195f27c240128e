"""Updates that gather gradients of batches of different sizes, and a kill in their middle."""

import copy

import pytest
import torch
from torch import nn

from pipeline.segmenter import Batch, Frame, Supports
from pipeline.train.accumulated import Accumulated

CPU = torch.device("cpu")


class MeanColour(nn.Module):
    """Learns the mean of the queries' values."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def forward(self, batch):
        return {"loss": ((self.value - batch.queries[0].images.float()) ** 2).mean()}


def batches(count):
    """Queries of growing size, each of one value."""
    return [Batch(Supports((), 1), (Frame(torch.full((1, 3, 2, 2 + n), n)),)) for n in range(count)]


def stage(**changes):
    torch.manual_seed(0)
    losses = MeanColour()
    made = Accumulated(
        losses,
        **{"name": "colour", "samples": 12, "batch": 1, "accumulate": 3} | changes,
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.25, momentum=0.5),
    )
    made.setup(CPU, torch.float32)
    return losses, made


def test_an_update_takes_the_mean_of_its_batches():
    losses, made = stage()
    found = made.step(batches(2), 0)
    assert float(found["loss"]) == pytest.approx((0 + 1) / 2)
    assert float(losses.value.detach()) == 0  # two of three
    made.step(batches(3)[2:], 2)
    assert float(losses.value.detach()) == pytest.approx(0.25 * 2 * (0 + 1 + 2) / 3)


def test_batches_of_one_size_update_as_one_large_batch():
    losses, made = stage()
    whole, large = MeanColour(), torch.stack([torch.full((3, 2, 2), n).float() for n in range(3)])
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.25, momentum=0.5)
    for _ in range(2):
        made.step([Batch(Supports((), 1), (Frame(part[None]),)) for part in large], 0)
        optimizer.zero_grad()
        ((whole.value - large) ** 2).mean().backward()
        optimizer.step()
    torch.testing.assert_close(losses.value, whole.value)


def test_a_stage_resumes_between_two_updates_as_if_it_had_not_stopped():
    losses, made = stage()
    made.step(batches(4), 0)
    state, values = copy.deepcopy(made.state()), copy.deepcopy(losses.state_dict())
    made.step(batches(6)[4:], 4)
    again, resumed = stage()
    again.load_state_dict(values)
    resumed.load(state)
    resumed.step(batches(6)[4:], 4)
    assert torch.equal(again.value, losses.value)


def test_the_rate_follows_the_schedule():
    _, made = stage(schedule=lambda seen: 1 - seen)
    made.step(batches(6), 0)
    assert made._optimizer.param_groups[0]["lr"] == pytest.approx(0.25 * (1 - 5 / 12))
