"""Spectral norm: equal to one kernel after another, a singular value of one, gradients through it."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.one_shot.spectral_norm import SpectralConv2d, convolutions, normalised, settle


def some():
    torch.manual_seed(0)
    shapes = [(4, 6, 3), (4, 6, 3), (6, 2, 1), (4, 6, 3), (3, 5, 3)]
    return torch.nn.ModuleList(SpectralConv2d(*shape) for shape in shapes).double()


def plain_kernel(part):
    """Algorithm 1 of the paper on one kernel; updates its u and v."""
    matrix = part.weight.flatten(1)
    with torch.no_grad():
        part.v.copy_(F.normalize(matrix.T @ part.u, dim=0, eps=1e-12))
        part.u.copy_(F.normalize(matrix @ part.v, dim=0, eps=1e-12))
    return part.weight / torch.dot(part.u.clone(), matrix @ part.v.clone())


def test_batched_power_iterations_equal_single_ones_and_their_gradients():
    fast, plain = some(), some()
    for _ in range(3):
        with normalised(convolutions(fast), update=True):
            kernels = [part.kernel for part in fast]
        singles = [plain_kernel(part) for part in plain]
        for a, b in zip(kernels, singles, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
    for kernel in (kernels, singles):
        sum((k**3).sum() for k in kernel).backward()
    for a, b in zip(fast.parameters(), plain.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-10, atol=1e-13)
    for a, b in zip(fast.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


def test_the_largest_singular_value_comes_to_one():
    parts = convolutions(some())
    for _ in range(200):
        with normalised(parts, update=True):
            kernels = [part.kernel.detach() for part in parts]
    sigmas = torch.stack([torch.linalg.matrix_norm(k.flatten(1), 2) for k in kernels])
    torch.testing.assert_close(sigmas, torch.ones_like(sigmas), rtol=0, atol=2e-3)


def test_settling_is_exact_and_evaluation_leaves_u_and_v_alone():
    parts = convolutions(some())
    settle(parts)
    before = [part.u.clone() for part in parts]
    with normalised(parts, update=False):
        for part in parts:
            assert float(torch.linalg.matrix_norm(part.kernel.detach().flatten(1), 2)) == pytest.approx(1, abs=1e-12)
    assert all(torch.equal(a, part.u) for a, part in zip(before, parts, strict=True))


def test_a_kernel_outside_a_forward_pass_is_refused():
    with pytest.raises(RuntimeError, match="outside"):
        some()[0](torch.zeros(1, 4, 3, 3).double())
