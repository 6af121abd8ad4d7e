"""Every op of the table, written out number by number: the same values, and by the plain chain rule the same gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from op_samples import SAMPLES

import tinygrad_edu as tg
from tinygrad_edu.graphs.scalar import Number, write_sheet
from tinygrad_edu.graphs.scalarized import scalarized
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


def test_what_is_made_of_indices_and_conditions_is_data() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    k = tg.Tensor([3, 0], name="k")
    mask = (w > 1.5).astype(float).named("mask")
    for data, name in ((mask, "mask"), (k.astype(float), None)):
        L = (data * w).sum().named("L")
        graph = tg.graph(L, level="scalar")
        assert [node.op.name for node in graph if node.op] == ["multiply", "multiply", "add"]
        found = tg.backward_graph(L, level="scalar")
        np.testing.assert_array_equal([found[f"dL/dw[{i}]"].value for i in range(2)], data.numpy())
        np.testing.assert_array_equal(tg.scalar_gradients(L, w)[0], data.numpy())
        if name:
            assert [(n.name, n.kind) for n in graph if n.name.startswith(name)] == [("mask[0]", "input"), ("mask[1]", "input")]
    assert scalarized(mask.sum()).item() == 1.0


def test_indices_that_were_given_new_numbers() -> None:
    w, k = tg.Tensor([1.0, 2.0], requires_grad=True, name="w"), tg.Tensor([4, 0], name="k")
    y = (k * w).sum()
    k.data = np.array([5, 6])
    total = y * (k * w).sum()  # 4 w₀ (5 w₀ + 6 w₁)
    np.testing.assert_allclose(tg.scalar_gradients(total, w)[0], [4 * 17 + 4 * 5, 4 * 6])


def test_what_has_no_numbers() -> None:
    z = tg.Tensor(np.zeros((0, 3)), requires_grad=True, name="z")
    for empty in (z.max(axis=1), z.min(axis=1), z.mean(axis=1), z.sum(axis=1), z * 2, tg.softmax(z, axis=1)):
        assert len(tg.graph(empty, level="scalar")) <= 1  # the 2
    (gradient,) = tg.scalar_gradients(z.sum(), z)
    assert gradient.shape == (0, 3)
    with np.errstate(all="ignore"):
        nothing = z.mean()
    with pytest.raises(TypeError, match=r'mean cannot be expanded.*\n  Try: level="op"'):
        tg.graph(nothing, level="scalar")


def test_an_op_of_the_user_that_fails_on_single_numbers_is_named() -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        if x.dtype == object:
            raise KeyError("not this")
        return x * 1

    odd = tg.ops.Op("odd", forward, [lambda g, y, x: g])
    y = odd(tg.Tensor([1.0], requires_grad=True))
    with pytest.raises(TypeError, match=r'odd cannot be expanded.*\n  Try: level="op"'):
        tg.graph(y, level="scalar")


def test_only_one_float_has_a_record_of_single_numbers() -> None:
    w, k = tg.Tensor([1.0, 2.0], requires_grad=True, name="w"), tg.Tensor([1, 2], name="k")
    with pytest.raises(ValueError, match=r"Tensor w is float64 of shape \(2,\).*\n  Try"):
        scalarized(w)
    with pytest.raises(ValueError, match=r"int64 of shape \(\).*\n  Try"):
        scalarized(k.sum())
    with pytest.raises(ValueError, match=r"sum of nothing.*\n  Try: level=\"op\""):
        tg.backward_graph(w[:0].sum().named("L"), level="scalar")


@pytest.mark.parametrize(
    ("equation", "shapes", "nodes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], {"multiply": 24, "add": 16}),
        ("ij->", [(2, 3)], {"add": 5}),
        ("ii->i", [(3, 3)], {}),
        ("ij,ij,j->i", [(2, 3), (2, 3), (3,)], {"multiply": 12, "add": 4}),
        ("ij,jk->ik", [(2, 1), (3, 2)], {"multiply": 12, "add": 8}),  # the axis of size 1 is repeated
        ("i,i->", [(0,), (0,)], {}),
    ],
)
def test_an_einsum_has_a_node_for_each_product_and_each_sum(
    equation: str, shapes: list[tuple[int, ...]], nodes: dict[str, int]
) -> None:
    rng = np.random.default_rng(0)
    leaves = [tg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]
    y = tg.einsum(equation, *leaves)
    made = [node.op.name for node in tg.graph(y, level="scalar") if node.op]
    assert {name: made.count(name) for name in made} == nodes
    total = (y * y).sum()
    for g, scalar in zip(tg.gradients(total, leaves), tg.scalar_gradients(total, leaves), strict=True):
        np.testing.assert_allclose(g.numpy(), scalar, rtol=1e-12)


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ii->i", [(0, 3)], r"operand no. 0\n.*\n  its axis 1 has size 3, but i is 0 before"),
        ("ii->i", [(2, 3)], r"operand no. 0\n.*\n  its axis 1 has size 3, but i is 2 before"),
        ("ii->i", [(1, 3)], r"operand no. 0\n.*\n  its axis 1 has size 3, but i is 1 before"),
        ("ij,jk->ik", [(2, 2), (3, 2)], r"operand no. 1\n.*\n.*\n  its axis 0 has size 3, but j is 2 before"),
        ("...i,...i->...", [(2, 2), (3, 2)], r"operand no. 1"),
    ],
)
def test_a_letter_of_an_einsum_has_one_size(equation: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(tg.ShapeError, match=message):
        tg.einsum(equation, *map(np.ones, shapes))
