"""The compiled generator against NumPy's own."""

import numpy as np
import pytest

from pipeline.render.mt19937 import STATE_SIZE, State, random_below, random_sample, seed_state, uniform


def seeded(seed: int) -> State:
    state = np.empty(STATE_SIZE, np.uint32)
    seed_state(state, seed)
    return state


@pytest.mark.parametrize("seed", [0, 1, 2301871561, 2**32 - 1])
def test_doubles_are_numpys(seed: int) -> None:
    state, numpy = seeded(seed), np.random.RandomState(seed)
    assert [random_sample(state) for _ in range(1500)] == numpy.random_sample(1500).tolist()


@pytest.mark.parametrize("count", [1, 2, 10, 96, 97, 352, 964, 65536, 2**31 + 1, 2**32])
def test_integers_are_numpys_and_one_choice_consumes_nothing(count: int) -> None:
    state, numpy = seeded(7), np.random.RandomState(7)
    assert [random_below(state, count) for _ in range(700)] == [numpy.randint(0, count) for _ in range(700)]
    assert random_sample(state) == numpy.random_sample()


def test_uniform_is_numpys() -> None:
    state, numpy = seeded(3), np.random.RandomState(3)
    assert [uniform(state, -20.0, 20.0) for _ in range(50)] == [numpy.uniform(-20, 20) for _ in range(50)]
