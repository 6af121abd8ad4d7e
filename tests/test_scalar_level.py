"""Every op of the table, written out number by number: the same values, and by the plain chain rule the same gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from op_samples import SAMPLES

import tinygrad_edu as tg
from tinygrad_edu.graphs.scalar import Number, write_sheet
from tinygrad_edu.ops import OPS
from tinygrad_edu.record import record


@pytest.mark.parametrize("name", OPS)
@given(data=st.data())
def test_the_scalar_level_equals_the_engine(name: str, data: st.DataObject) -> None:
    op = OPS[name]
    sample = data.draw(SAMPLES[name])
    leaves = [tg.Tensor(a, requires_grad=a.dtype.kind == "f", name=f"x{i}") for i, a in enumerate(sample.args)]
    y = record(op, tuple(leaves), sample.params)
    _, arrays = write_sheet([y])
    expanded = arrays[id(y)]
    values = np.array([x.value if isinstance(x, Number) else x for x in np.ravel(expanded)], dtype=float).reshape(y.shape)
    np.testing.assert_allclose(values, y.numpy(), rtol=1e-12, atol=1e-13)
    if not y.requires_grad or not y.size:
        return
    weights = np.random.default_rng(0).normal(size=y.shape)
    total = (y * weights).sum()
    total.backward()
    floats = [t for t in leaves if t.requires_grad]
    for leaf, scalar in zip(floats, tg.scalar_gradients(total, floats), strict=True):
        np.testing.assert_allclose(np.zeros(leaf.shape) if leaf.grad is None else leaf.grad, scalar, rtol=1e-12, atol=1e-12)


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=2, max_size=6))
def test_ties_split_evenly_on_both_levels(numbers: list[float]) -> None:
    x = tg.Tensor(numbers, requires_grad=True)
    total = x.max() + 2 * x.min() + tg.maximum(x[0], x[1])
    total.backward()
    np.testing.assert_allclose(x.grad, tg.scalar_gradients(total, [x])[0], rtol=1e-13)


def test_an_op_of_the_user_is_expanded_too() -> None:
    cube = tg.elementwise("cube", lambda x: x * x * x, lambda y, x: 3 * x * x)
    x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    total = (cube(x) @ cube(x)).sum()
    total.backward()
    np.testing.assert_allclose(x.grad, tg.scalar_gradients(total, [x])[0], rtol=1e-13)


def test_the_oracle_finds_a_mistake_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    matmul = OPS["matmul"]
    a, b = (tg.Tensor(np.random.default_rng(i).normal(size=(2, 2)), requires_grad=True) for i in range(2))
    total = (a @ b).sum()
    monkeypatch.setattr(matmul, "rules", (lambda g, y, a, b: g @ b, matmul.rules[1]))  # the transpose is forgotten
    total.backward()
    by_scalars = tg.scalar_gradients(total, [a, b])
    assert not np.allclose(a.grad, by_scalars[0])
    np.testing.assert_allclose(b.grad, by_scalars[1])
