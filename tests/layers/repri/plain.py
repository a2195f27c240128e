"""RePRI's inference for one task, written as its paper and code have it, with autograd and the cosine of torch."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.repri.refine import Tasks

EPSILON = 1e-10


class Plain(NamedTuple):
    """What a task ends with, and what happened on the way."""

    weight: Tensor
    bias: Tensor
    pis: list[float]
    """At every step."""
    divergences: list[float]
    """Weight of the divergence at every step."""
    losses: list[float]


def infer(tasks: Tasks, number: int, *, steps: int = 49, update: int = 9, rate: float = 0.025) -> Plain:
    """Task `number` of `tasks`, by itself."""
    shots = tasks.truth.shape[1]
    support, query = tasks.cells[number, :, :shots].contiguous(), tasks.cells[number, :, shots:].contiguous()
    truth, valid = tasks.truth[number], tasks.counted[number, :shots]
    seen = tasks.counted[number, shots:]
    weight = (truth * valid * support).sum(1) / ((truth * valid).sum() + EPSILON)
    bias = (20 * F.cosine_similarity(query, weight[:, None], dim=0)).mean()
    weight, bias = weight.clone().requires_grad_(True), bias.clone().requires_grad_(True)
    optimizer = torch.optim.SGD([weight, bias], lr=rate)
    lam_kl = lam_h = float(tasks.weight[number])

    def probability(cells: Tensor) -> Tensor:
        return torch.sigmoid(20 * F.cosine_similarity(cells, weight[:, None], dim=0) - bias)

    def mean(values: Tensor, counted: Tensor) -> Tensor:
        return (values * counted).sum() / (counted.sum() + EPSILON)

    def of_two(p: Tensor) -> Tensor:
        return torch.stack([1 - p, p])

    pi = of_two(mean(probability(query), seen).detach())
    found = Plain(weight, bias, [], [], [])
    for step in range(1, steps + 1):
        p_s, p_q = probability(support), probability(query)
        one_hot = of_two(truth)
        cross_entropy = mean(-(one_hot * (of_two(p_s) + EPSILON).log()).sum(0), valid)
        p_hat = torch.stack([mean(p, seen) for p in of_two(p_q)])
        divergence = (p_hat * ((p_hat + EPSILON) / (pi + EPSILON)).log()).sum()
        entropy = mean(-(of_two(p_q) * (of_two(p_q) + EPSILON).log()).sum(0), seen)
        loss = cross_entropy + lam_kl * divergence + lam_h * entropy
        found.pis.append(float(pi[1]))
        found.divergences.append(lam_kl)
        found.losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == update:
            pi, lam_kl = of_two(mean(probability(query), seen).detach()), lam_kl + 1
    return found._replace(weight=weight.detach(), bias=bias.detach())
