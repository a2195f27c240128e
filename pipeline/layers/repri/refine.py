"""RePRI's inference (arXiv 2012.06166, section 3): a linear classifier for every task, refined on its own query.

The loss is the cross entropy of the supports, plus the divergence of the query's share of object from what is believed
of it (`pi`), plus the entropy of the query. Its gradient is written out: a step then costs two products with the
features, whatever the number of tasks side by side, none of which sees another.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-10
"""What is added to a probability before its logarithm is taken."""


@dataclass(frozen=True)
class Recipe:
    """The numbers of the authors' code."""

    temperature: float = 20.0
    """What cosines are multiplied by."""
    learning_rate: float = 0.025
    steps: int = 49
    update: int = 9
    """The step after which `pi` is estimated again, once, and its weight grows by one."""


@dataclass(frozen=True)
class Tasks:
    """T tasks of one object each, on features of unit length: M cells of all supports, then N of the query."""

    cells: Tensor
    """(T, C, M + N) float32."""
    truth: Tensor
    """(T, M) float32: 1 where the support's cell is object, 0 where it is not."""
    counted: Tensor
    """(T, M + N) float32: 0 for cells that are void or padding, which no loss sees."""
    weight: Tensor
    """(T,) of divergence and entropy, beside the cross entropy's 1: one over the number of shots."""


class Classifier(NamedTuple):
    """What every task learns."""

    weight: Tensor
    """(T, C)."""
    bias: Tensor
    """(T,): taken away from the logits."""


def refine(tasks: Tasks, recipe: Recipe) -> Classifier:
    """The classifier after all steps."""
    with torch.autocast(tasks.cells.device.type, enabled=False):
        classifier = initial(tasks, recipe)
        pi, divergence = share(tasks, classifier, recipe), tasks.weight
        for step in range(1, recipe.steps + 1):
            slope = gradient(tasks, classifier, pi, divergence, recipe)
            classifier = Classifier(
                classifier.weight - recipe.learning_rate * slope.weight,
                classifier.bias - recipe.learning_rate * slope.bias,
            )
            if step == recipe.update:
                pi, divergence = share(tasks, classifier, recipe), divergence + 1
        return classifier


def initial(tasks: Tasks, recipe: Recipe) -> Classifier:
    """The object's mean feature over all supports; the bias is the query's mean logit, padding included."""
    supports = tasks.truth.shape[1]
    inside = tasks.truth * tasks.counted[:, :supports]
    sums = torch.bmm(inside[:, None], tasks.cells[:, :, :supports].mT)[:, 0]
    weight = sums / (inside.sum(1, keepdim=True) + EPSILON)
    bias = recipe.temperature * cosines(tasks.cells[:, :, supports:], weight).mean(1)
    return Classifier(weight, bias)


def cosines(cells: Tensor, weight: Tensor) -> Tensor:
    """Cells (T, C, N) of unit length with weights (T, C) -> (T, N) float32, under autocast too."""
    with torch.autocast(cells.device.type, enabled=False):
        return torch.bmm(_unit(weight)[0][:, None], cells)[:, 0]


def share(tasks: Tasks, classifier: Classifier, recipe: Recipe) -> Tensor:
    """(T,) the mean probability of object over the query's cells that count."""
    supports = tasks.truth.shape[1]
    logits = recipe.temperature * cosines(tasks.cells[:, :, supports:], classifier.weight)
    counted = tasks.counted[:, supports:]
    return ((logits - classifier.bias[:, None]).sigmoid() * counted).sum(1) / (counted.sum(1) + EPSILON)


def gradient(tasks: Tasks, classifier: Classifier, pi: Tensor, divergence: Tensor, recipe: Recipe) -> Classifier:
    """Of each task's loss, by weight and bias; `pi` and its weight `divergence` are (T,)."""
    supports = tasks.truth.shape[1]
    unit, length = _unit(classifier.weight)
    cosine = torch.bmm(unit[:, None], tasks.cells)[:, 0]
    p = (recipe.temperature * cosine - classifier.bias[:, None]).sigmoid()
    by_support = _cross_entropy(p[:, :supports], tasks.truth)
    query = p[:, supports:]
    counted = tasks.counted[:, supports:]
    mean = (query * counted).sum(1, keepdim=True) / (counted.sum(1, keepdim=True) + EPSILON)
    by_query = divergence[:, None] * _divergence(mean, pi[:, None]) + tasks.weight[:, None] * _entropy(query)
    scale = tasks.counted / torch.cat([_total(tasks.counted[:, :supports]), _total(counted)], 1)
    slope = torch.cat([by_support, by_query], 1) * scale * p * (1 - p)
    # The cosine's derivative by the weight is (cell - cosine x unit) / length.
    along = torch.bmm(slope[:, None], tasks.cells.mT)[:, 0]
    across = along - (slope * cosine).sum(1, keepdim=True) * unit
    return Classifier(recipe.temperature * across / length, -slope.sum(1))


def _unit(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (T, C) at unit length, and their lengths (T, 1)."""
    length = torch.linalg.vector_norm(weight, dim=1, keepdim=True).clamp(min=1e-8)
    return weight / length, length


def _total(counted: Tensor) -> Tensor:
    """How many cells (T, n) count, as (T, n)."""
    return (counted.sum(1, keepdim=True) + EPSILON).expand_as(counted)


def _cross_entropy(p: Tensor, truth: Tensor) -> Tensor:
    """The derivative of -log(p + e) inside and of -log(1 - p + e) outside."""
    return (1 - truth) / (1 - p + EPSILON) - truth / (p + EPSILON)


def _entropy(p: Tensor) -> Tensor:
    """The derivative of -p log(p + e) - (1 - p) log(1 - p + e)."""
    q = 1 - p
    return (q + EPSILON).log() + q / (q + EPSILON) - (p + EPSILON).log() - p / (p + EPSILON)


def _divergence(mean: Tensor, pi: Tensor) -> Tensor:
    """The derivative, by the mean probability m, of m log(m / pi) + (1 - m) log((1 - m) / (1 - pi))."""
    rest, others = 1 - mean, 1 - pi
    inside = ((mean + EPSILON) / (pi + EPSILON)).log() + mean / (mean + EPSILON)
    return inside - ((rest + EPSILON) / (others + EPSILON)).log() - rest / (rest + EPSILON)
