"""The supervised stage: schedules, accumulation, half precision, several ranks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toys import random_batch

from pipeline.system import build_system
from pipeline.train.supervised import halved_at

BATCH = {"supports": [(8, 8)], "queries": [(24, 24)], "batch": 20}


@pytest.mark.parametrize(("epochs", "halvings"), [(20, (10, 15, 17)), (5, (2, 3, 4))])
def test_the_rate_halves_at_the_published_epochs(epochs, halvings):
    schedule = halved_at(epochs, *halvings)
    rates = [schedule(epoch / epochs) for epoch in range(epochs)]
    for epoch, rate in enumerate(rates):
        assert rate == 0.5 ** sum(epoch >= h for h in halvings)
    assert schedule(halvings[0] / epochs - 1e-6) == 1


def step(accumulate=1, dtype=torch.float32):
    model = build_system("toy_trained", {}, {}, 0)
    (stage,) = model.stages
    stage._accumulate = accumulate
    stage.setup(torch.device("cpu"), dtype)
    metrics = stage.step([random_batch(**BATCH)], 0)
    return model, metrics


def test_accumulation_takes_the_same_step():
    (whole, loss), (parts, loss4) = step(), step(accumulate=4)
    torch.testing.assert_close(loss["loss"], loss4["loss"])
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_bfloat16_trains_float32_weights():
    model, metrics = step(dtype=torch.bfloat16)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert torch.isfinite(metrics["loss"])


def test_several_updates_in_one_call_equal_single_calls():
    batches = [random_batch(**BATCH, seed=s) for s in range(3)]
    models = []
    for groups in ([batches], [[b] for b in batches]):
        model = build_system("toy_trained", {}, {}, 0)
        model.stages[0].setup(torch.device("cpu"), torch.float32)
        for number, group in enumerate(groups):
            model.stages[0].step(group, number * 20 * len(group))
        models.append(model)
    for a, b in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_two_ranks_train_what_one_trains(tmp_path):
    script = Path(__file__).with_name("two_ranks.py")
    folders = [script.parents[2], script.parents[1], script.parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "OMP_NUM_THREADS": "1"}
    for ranks in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        subprocess.run([*command, script, tmp_path / str(ranks)], check=True, capture_output=True, env=environment)
    one, two = (torch.load(tmp_path / f"{ranks}.pt", weights_only=True) for ranks in (1, 2))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-4, rtol=1e-3)
