"""Rates of the two optimizers: a tenth from 80 % of the steps on."""

import pytest
from torch import nn

from pipeline.layers.single_image.rivals import Rivals


@pytest.mark.parametrize(("done", "factor"), [(0, 1), (1599, 1), (1600, 0.1), (1999, 0.1)])
def test_rates_fall_to_a_tenth_at_step_1600_of_2000(done, factor):
    young, old, critic = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)
    groups = [{"params": young.parameters(), "lr": 5e-4}, {"params": old.parameters(), "lr": 5e-5}]
    rivals = Rivals(groups, critic, learning_rate=5e-4)
    rivals.follow(1999, 2000)
    rivals.follow(done, 2000)
    assert [g["lr"] for g in rivals.generator.param_groups] == pytest.approx([5e-4 * factor, 5e-5 * factor])
    assert [g["lr"] for g in rivals.critic.param_groups] == pytest.approx([5e-4 * factor])
    assert len(rivals.parameters) == 4
