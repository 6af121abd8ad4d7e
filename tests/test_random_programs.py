"""Random programs of many ops: the engine against the scalar chain rule and against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.check.compare import finite_differences

# Each step takes tensors of the pool and gives a new one. Domains are kept smooth: nothing near a kink or a pole.
UNARY: list[Callable[[tg.Tensor], tg.Tensor]] = [
    tg.tanh,
    tg.sigmoid,
    tg.softplus,
    tg.arctan,
    tg.sin,
    tg.silu,
    lambda t: tg.exp(-t * t),
    lambda t: tg.log(t * t + 1.5),
    lambda t: tg.sqrt(t * t + 0.7),
    lambda t: 1.0 / (t * t + 2.0),
    lambda t: t**3 * 0.1,
    lambda t: tg.softmax(t, axis=-1) if t.ndim else t,
    lambda t: tg.logsumexp(t, axis=-1) if t.ndim else t,
    lambda t: tg.cumsum(t, axis=0) if t.ndim else t,
    lambda t: tg.flip(t),
    lambda t: t.T,
    lambda t: t.reshape(-1),
    lambda t: t.sum(axis=0) if t.ndim else t,
    lambda t: t.mean(axis=-1, keepdims=True) if t.ndim else t,
    lambda t: tg.stack([t, 2 * t]) if t.ndim < 3 else t,
    lambda t: t[..., 0] if t.ndim else t,
    lambda t: t[[0, 0, -1]] if t.ndim else t,
    lambda t: tg.pad(t, 1) if t.ndim and t.size < 30 else t,
    lambda t: tg.norm(t, axis=0) + t.sum() if t.ndim else t,
    lambda t: tg.tile(t, 2) if t.ndim and t.size < 30 else t,
    lambda t: t.var() * t,
]


def combine(rng: np.random.Generator, a: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
    """One of the binary operations that fits these shapes."""
    fitting: list[Callable[[], tg.Tensor]] = []
    if a.ndim and b.ndim and a.shape[-1] == (b.shape[-2] if b.ndim > 1 else b.shape[0]) and max(a.ndim, b.ndim) < 3:
        fitting += [lambda: tg.tanh(a @ b)] * 3
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        pass
    else:
        fitting += [lambda: a + b, lambda: a * b, lambda: a - b, lambda: a / (b * b + 1.0), lambda: tg.where(a > 0.3, a, b)]
    if a.ndim == b.ndim == 1:
        fitting += [lambda: tg.outer(a, b), lambda: tg.concatenate([a, b])]
    if not fitting:
        return a.sum() * b
    return fitting[rng.integers(len(fitting))]()


def program(seed: int, given: list[tg.Tensor] | None = None) -> tuple[tg.Tensor, list[tg.Tensor]]:
    """A scalar result of some thirty operations, and the leaves that it was computed from: the given ones, or its own."""
    rng = np.random.default_rng(seed)
    shapes = [(), (2,), (3,), (2, 3), (3, 2), (1, 3), (2, 1)]
    leaves = [tg.Tensor(rng.normal(size=s) * 0.8, requires_grad=True, name=f"w{i}") for i, s in enumerate(shapes)]
    leaves = leaves if given is None else given
    pool = list(leaves)
    for _ in range(30):
        a = pool[rng.integers(len(pool))]
        one = rng.random() < 0.5
        new = UNARY[rng.integers(len(UNARY))](a) if one else combine(rng, a, pool[rng.integers(len(pool))])
        if new.size <= 60:
            pool.append(new)
    result = tg.tanh(sum((t.mean() for t in pool[len(leaves) :]), start=tg.Tensor(0.0)) * 0.1)
    return result, leaves


@pytest.mark.parametrize("seed", range(40))
def test_engine_equals_the_scalar_chain_rule_and_finite_differences(seed: int) -> None:
    result, leaves = program(seed)
    result.backward()
    used = [t for t in leaves if t.grad is not None]
    assert len(used) >= 3, "a program that uses almost nothing checks almost nothing"
    for leaf, scalar in zip(used, tg.scalar_gradients(result, used), strict=True):
        np.testing.assert_allclose(leaf.grad, scalar, rtol=1e-12, atol=1e-14)
    for leaf in used:
        places = list(np.ndindex(*leaf.shape))
        numeric = finite_differences(result, leaf, places)
        np.testing.assert_allclose(np.array([leaf.grad[p] for p in places]), numeric, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_the_recorded_backward_pass_gives_the_same_numbers(seed: int) -> None:
    result, leaves = program(seed)
    plain = tg.gradients(result, leaves, unused="zero")
    recorded = tg.gradients(result, leaves, unused="zero", create_graph=True)
    for a, b in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("seed", range(6))
def test_second_derivatives_of_random_programs(seed: int) -> None:
    result, leaves = program(seed)
    w = next(t for t in leaves if t.shape == (2, 3))
    (first,) = tg.gradients(result, [w], unused="zero", create_graph=True)
    if not first.requires_grad:
        pytest.skip("this program does not use that leaf")
    direction = np.random.default_rng(seed).normal(size=w.shape)
    along = (first * direction).sum()
    second = tg.gradients(along, w, unused="zero").numpy()
    places = list(np.ndindex(*w.shape))
    numeric = finite_differences(along, w, places)
    np.testing.assert_allclose([second[p] for p in places], numeric, rtol=1e-6, atol=1e-8)
