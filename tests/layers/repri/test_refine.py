"""RePRI's inference: the gradient that is written out against autograd, 49 steps, one update of pi, independent tasks."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.repri import refine as module
from pipeline.layers.repri.refine import Classifier, Recipe, Tasks, cosines, initial, refine, share
from tests.layers.repri.plain import infer

RECIPE = Recipe()


def drawn(count: int = 4, *, supports: int = 60, queries: int = 50, channels: int = 16, shots: int = 1) -> Tasks:
    """Tasks whose objects look a little alike in support and query; a tenth of the cells do not count."""
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(count, channels, supports + queries, generator=generator)
    inside = (torch.rand(count, supports + queries, generator=generator) < 0.3).float()
    look = torch.randn(count, channels, 1, generator=generator)
    cells = F.normalize((normal + look * inside[:, None]).relu(), dim=1)
    counted = (torch.rand(count, supports + queries, generator=generator) < 0.9).float()
    return Tasks(cells, inside[:, :supports], counted, torch.full((count,), 1 / shots))


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("steps", [1, 9, 10, 49])
def test_all_tasks_at_once_are_each_by_itself_with_autograd(steps: int, shots: int) -> None:
    tasks = drawn(shots=shots)
    found = refine(tasks, replace(RECIPE, steps=steps))
    for number in range(4):
        plain = infer(tasks, number, steps=steps)
        torch.testing.assert_close(found.weight[number], plain.weight, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(found.bias[number], plain.bias, atol=2e-4, rtol=1e-4)


def test_the_loss_falls_between_updates_of_pi() -> None:
    losses = infer(drawn(), 0).losses
    assert losses[8] < losses[0]
    assert losses[48] < losses[9]


def test_49_steps_with_one_update_of_pi_after_the_9th_and_its_weight_from_1_to_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = list[tuple[float, float]]()
    gradient = module.gradient

    def counted(tasks: Tasks, classifier: Classifier, pi: torch.Tensor, divergence: torch.Tensor, recipe: Recipe):
        steps.append((float(pi[0]), float(divergence[0])))
        return gradient(tasks, classifier, pi, divergence, recipe)

    monkeypatch.setattr(module, "gradient", counted)
    tasks = drawn(1)
    refine(tasks, RECIPE)
    assert len(steps) == 49
    assert [weight for _, weight in steps] == [1.0] * 9 + [2.0] * 40
    first, second = steps[0][0], steps[9][0]
    assert [pi for pi, _ in steps] == [first] * 9 + [second] * 40
    assert first == pytest.approx(float(share(tasks, initial(tasks, RECIPE), RECIPE)))
    after_nine = refine(tasks, replace(RECIPE, steps=9))
    assert second == pytest.approx(float(share(tasks, after_nine, RECIPE)))
    assert first != second


def test_the_first_classifier_is_the_object_s_mean_and_the_query_s_mean_logit() -> None:
    tasks = drawn(1)
    found = initial(tasks, RECIPE)
    inside = (tasks.truth[0] * tasks.counted[0, :60]).bool()
    mean = tasks.cells[0, :, :60][:, inside].mean(1)
    torch.testing.assert_close(found.weight[0], mean)
    logits = 20 * F.cosine_similarity(tasks.cells[0, :, 60:], mean[:, None], dim=0)
    torch.testing.assert_close(found.bias[0], logits.mean())  # of all cells, counted or not
    torch.testing.assert_close(20 * cosines(tasks.cells[:, :, 60:], found.weight)[0], logits)


def test_no_task_sees_another() -> None:
    tasks = drawn()
    together = refine(tasks, RECIPE)
    others = replace(tasks, cells=tasks.cells.clone(), truth=tasks.truth.clone())
    others.cells[1:], others.truth[1:] = others.cells[1:].flip(1), 1 - others.truth[1:]
    changed = refine(others, RECIPE)
    assert torch.equal(together.weight[0], changed.weight[0])
    assert torch.equal(together.bias[0], changed.bias[0])
    assert not torch.equal(together.weight[1], changed.weight[1])


@pytest.mark.parametrize("part", ["support", "query"])
def test_what_is_padding_leaves_no_trace_but_in_the_first_bias(part: str) -> None:
    tasks = drawn(2)
    tasks.counted[:, 50:60] = tasks.counted[:, 100:] = 0
    places = slice(50, 60) if part == "support" else slice(100, 110)
    cells = tasks.cells.clone()
    cells[:, :, places] = F.normalize(torch.rand(2, 16, 10), dim=1)
    changed = replace(tasks, cells=cells)
    start = initial(tasks, RECIPE)
    for fixed in (tasks, changed):
        torch.testing.assert_close(initial(fixed, RECIPE).weight, start.weight)
    pi = torch.full((2,), 0.3)
    slopes = [module.gradient(each, start, pi, torch.ones(2), RECIPE) for each in (tasks, changed)]
    torch.testing.assert_close(slopes[0].weight, slopes[1].weight)
    torch.testing.assert_close(slopes[0].bias, slopes[1].bias)


def test_a_task_without_an_object_stays_finite() -> None:
    tasks = drawn(2)
    tasks.truth[0] = 0
    found = refine(tasks, RECIPE)
    assert found.weight.isfinite().all()
    assert found.bias.isfinite().all()
