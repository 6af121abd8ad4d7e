"""Every op of the table, by iterating the table: values, derivatives of first and second order, types, index notation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd
import autograd.numpy
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from op_references import REFERENCES
from op_samples import SAMPLES, Sample

import tinygrad_edu as tg
from tinygrad_edu.check import gradcheck
from tinygrad_edu.ops import OPS, Elementwise

Array = np.ndarray[Any, np.dtype[Any]]

DIFFERENTIABLE = [name for name, op in OPS.items() if op.differentiable]
DISCRETE = [name for name, op in OPS.items() if not op.differentiable]
CONTRACTIONS = [name for name, op in OPS.items() if getattr(op, "equation", None) is not None]

# astype has tests of its own wherever types are asserted.
TYPED = [name for name in DIFFERENTIABLE if name != "astype"]
ELEMENTWISE = [name for name in TYPED if isinstance(OPS[name], Elementwise)]
# Those that can have two arguments with a gradient.
SEVERAL = [
    name
    for name in TYPED
    if sum(p is not None for p in getattr(OPS[name], "partials", OPS[name].rules)) > 1
    or name in ("einsum", "concatenate", "stack")
]

each_op = pytest.mark.parametrize("name", list(OPS))
each_differentiable_op = pytest.mark.parametrize("name", DIFFERENTIABLE)


def draw(data: st.DataObject, name: str) -> Sample:
    return data.draw(SAMPLES[name])


def floats(sample: Sample) -> list[int]:
    """Which arguments are differentiated."""
    return [i for i, a in enumerate(sample.args) if a.dtype.kind == "f"]


def leaves(sample: Sample, dtype: Any = np.float64) -> list[tg.Tensor]:
    """The arguments as Tensors, floats of this type and requiring a gradient."""
    xs = []
    for a in sample.args:
        if a.dtype.kind == "f":
            xs.append(tg.Tensor(a, requires_grad=True, dtype=dtype))
        else:  # int64 would promote float32 to float64, as it does in NumPy
            xs.append(tg.Tensor(a, dtype=np.int16 if a.dtype.kind == "i" else None))
    return xs


def directions(sample: Sample, y: Any, seed: int) -> tuple[Array, list[Array], list[Array]]:
    """A random weight for each number of y, and two random directions for each float argument."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=np.shape(y))
    one, two = ([rng.normal(size=sample.args[i].shape) for i in floats(sample)] for _ in range(2))
    return weights, one, two


def with_floats(sample: Sample, values: Sequence[Any]) -> list[Any]:
    """The arguments with other numbers in the place of the floats."""
    args: list[Any] = list(sample.args)
    for i, value in zip(floats(sample), values, strict=True):
        args[i] = value
    return args


def curved(y: Any, weights: Array) -> Any:
    """A number whose second derivative is not 0 even where y is linear: Σ weights ∗ (y + y²)."""
    return (weights * (y + y * y)).sum()


def first_order(name: str, sample: Sample, weights: Array, create_graph: bool = False) -> tuple[list[tg.Tensor], list[tg.Tensor]]:
    """The leaves of floats, and the gradients of ``curved`` by them."""
    xs = leaves(sample)
    targets = [xs[i] for i in floats(sample)]
    total = curved(OPS[name](*xs, **sample.params), weights)
    return targets, tg.gradients(total, targets, create_graph=create_graph, unused="zero")


def second_order(name: str, sample: Sample, weights: Array, along: list[Array]) -> list[tg.Tensor]:
    """The gradients of Σ along ∗ (gradient of ``curved``)."""
    targets, first = first_order(name, sample, weights, create_graph=True)
    total = sum(((g * d).sum() for g, d in zip(first, along, strict=True)), start=tg.Tensor(0.0))
    return tg.gradients(total, targets, unused="zero")


def inner(arrays: Sequence[Any], others: Sequence[Any]) -> Any:
    return sum((np.asarray(a.data if isinstance(a, tg.Tensor) else a) * b).sum() for a, b in zip(arrays, others, strict=True))


def central(f: Callable[[float], float], h: float = 1e-5) -> float:
    """``(f(h) − f(−h)) / 2h``."""
    return (f(h) - f(-h)) / (2 * h)


def moved_by(sample: Sample, t: float, along: list[Array]) -> Sample:
    moved = [sample.args[i] + t * d for i, d in zip(floats(sample), along, strict=True)]
    return Sample(tuple(np.asarray(a) for a in with_floats(sample, moved)), sample.params)


def test_every_op_has_a_sample_and_a_reference() -> None:
    assert set(SAMPLES) == set(OPS), "tests/op_samples.py: a strategy for each op of the table, and no other"
    assert set(REFERENCES) == set(OPS), "tests/op_references.py: a formula for each op of the table, and no other"


@each_op
@given(data=st.data())
def test_value_is_that_of_the_formula_in_numpy(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    y = OPS[name](*leaves(sample), **sample.params)
    expected = REFERENCES[name](np, *sample.args, **sample.params)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-14)


@each_differentiable_op
@given(data=st.data())
@settings(max_examples=16)
def test_gradcheck_of_first_and_second_order(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    assert gradcheck(lambda *xs: OPS[name](*xs, **sample.params), sample.args, order=2)


@each_differentiable_op
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_first_order_along_a_direction_is_the_central_difference_of_the_forward(
    name: str, data: st.DataObject, seed: int
) -> None:
    sample = draw(data, name)
    op = OPS[name]
    weights, along, _ = directions(sample, op.forward(*sample.args, **sample.params), seed)
    _, first = first_order(name, sample, weights)

    def f(t: float) -> float:
        return float(curved(op.forward(*moved_by(sample, t, along).args, **sample.params), weights))

    assert_close(inner(first, along), central(f), [g.numpy() for g in first])


@each_differentiable_op
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_second_order_along_a_direction_is_the_central_difference_of_the_gradient(
    name: str, data: st.DataObject, seed: int
) -> None:
    sample = draw(data, name)
    weights, along, other = directions(sample, OPS[name].forward(*sample.args, **sample.params), seed)
    second = second_order(name, sample, weights, along)

    def f(t: float) -> float:
        return float(inner(first_order(name, moved_by(sample, t, other), weights)[1], along))

    assert_close(inner(second, other), central(f), [g.numpy() for g in second])


def assert_close(ours: Any, differences: float, parts: list[Array]) -> None:
    scale = 1.0 + sum(float(np.sum(np.abs(p))) for p in parts)
    assert abs(ours - differences) <= 1e-6 * scale, (ours, differences)


@pytest.mark.filterwarnings("ignore:Output seems independent")  # where nothing of an argument was chosen
@each_differentiable_op
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_first_and_second_order_equal_those_of_hips_autograd(name: str, data: st.DataObject, seed: int) -> None:
    sample = draw(data, name)
    reference = REFERENCES[name]
    weights, along, _ = directions(sample, reference(np, *sample.args, **sample.params), seed)

    def f(xs: tuple[Any, ...]) -> Any:
        y = reference(autograd.numpy, *with_floats(sample, xs), **sample.params)
        return autograd.numpy.sum(weights * (y + y * y))

    def f_along(xs: tuple[Any, ...]) -> Any:
        return sum(autograd.numpy.sum(g * d) for g, d in zip(autograd.grad(f)(xs), along, strict=True))

    xs = tuple(np.asarray(sample.args[i]) for i in floats(sample))
    for ours, theirs in zip(first_order(name, sample, weights)[1], autograd.grad(f)(xs), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-11)
    for ours, theirs in zip(second_order(name, sample, weights, along), autograd.grad(f_along)(xs), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-11)


# ---- types -----------------------------------------------------------------------------------------------------------


def grad_types(y: tg.Tensor, targets: list[tg.Tensor]) -> list[Any]:
    """The types of the gradients, plain and recorded, which must agree."""
    plain = tg.gradients(y, targets, gradient=np.ones(y.shape), unused="zero")
    recorded = tg.gradients(y, targets, gradient=np.ones(y.shape), unused="zero", create_graph=True)
    assert [g.dtype for g in plain] == [g.dtype for g in recorded]
    return [g.dtype for g in plain]


@pytest.mark.parametrize("name", TYPED)
@given(data=st.data())
def test_float32_stays_float32_and_so_do_its_gradients(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    xs, exact = leaves(sample, np.float32), leaves(sample)
    y, y_exact = (OPS[name](*t, **sample.params) for t in (xs, exact))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), y_exact.numpy(), rtol=1e-4, atol=1e-5)
    targets = [xs[i] for i in floats(sample)]
    assert grad_types(y, targets) == [np.float32] * len(targets)
    y.backward(np.ones(y.shape))
    y_exact.backward(np.ones(y.shape))
    for i in floats(sample):
        assert xs[i].grad.dtype == np.float32
        np.testing.assert_allclose(xs[i].grad, exact[i].grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SEVERAL)
@given(data=st.data(), narrow=st.integers(0, 2))
def test_float32_with_float64_is_promoted_and_each_gradient_has_its_leafs_type(
    name: str, data: st.DataObject, narrow: int
) -> None:
    sample = draw(data, name)
    several = floats(sample)
    assume(len(several) > 1)
    chosen = several[narrow % len(several)]
    xs = [
        tg.Tensor(a, requires_grad=a.dtype.kind == "f", dtype=np.float32 if i == chosen else None)
        for i, a in enumerate(sample.args)
    ]
    y = OPS[name](*xs, **sample.params)
    assert y.dtype == np.float64
    assert grad_types(y, [xs[i] for i in several]) == [np.float32 if i == chosen else np.float64 for i in several]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_astype_gives_the_gradient_back_in_the_leafs_type(dtype: Any) -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True, dtype=np.float32)
    y = x.astype(dtype)
    assert y.dtype == dtype
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(data=st.data())
def test_python_numbers_adapt_to_float32(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    first = floats(sample)[0]
    x = tg.Tensor(sample.args[first], requires_grad=True, dtype=np.float32)
    y = OPS[name](*(x if i == first else np.ravel(a)[0].item() for i, a in enumerate(sample.args)))
    assert y.dtype == np.float32
    assert grad_types(y, [x]) == [np.float32]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_of_nothing_is_nothing_and_so_is_its_gradient(name: str) -> None:
    partials = OPS[name].partials
    shapes = [(0, 1), (1, 3), (3,)] if len(partials) > 1 else [(0, 3)]
    xs = [
        tg.Tensor(np.full(shape, True if partial is None else 0.5), requires_grad=partial is not None)
        for partial, shape in zip(partials, shapes, strict=False)
    ]
    y = OPS[name](*xs)
    assert y.shape == (0, 3)
    for x in xs:
        if x.requires_grad:
            g = tg.gradients(y.sum(), x)
            assert g.shape == x.shape
            np.testing.assert_array_equal(g.numpy(), np.zeros(x.shape))


# ---- what a record says ----------------------------------------------------------------------------------------------


@each_op
@given(data=st.data())
def test_the_record_holds_the_op_its_inputs_and_its_index_notation(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    xs = leaves(sample)
    y = OPS[name](*xs, **sample.params)
    assert y.op is OPS[name]
    assert y.op.name == name
    assert [a is b for a, b in zip(y.inputs, xs, strict=True)] == [True] * len(xs)
    assert dict(y.params) == sample.params
    assert y.requires_grad == (name in DIFFERENTIABLE and any(x.requires_grad for x in xs))
    notation = y.op.indices([x.shape for x in xs], sample.params)
    assert isinstance(notation, str)
    assert notation.strip()
    assert y.op.symbol.strip()


@pytest.mark.parametrize("name", [name for name in DISCRETE if not name.startswith("logical")])
@given(data=st.data())
def test_a_discrete_op_passes_no_gradient_on(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    assume(floats(sample))
    xs = leaves(sample)
    x = xs[floats(sample)[0]]
    y = OPS[name](*xs, **sample.params)
    assert not y.requires_grad
    with pytest.raises(tg.GradientError):
        tg.gradients((y * 1.0).sum(), x)
    assert not tg.gradients((y * 1.0).sum(), x, unused="zero").numpy().any()


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if op.numpy is not None])
@given(data=st.data())
def test_numpys_own_function_called_with_tensors_is_recorded(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    xs = leaves(sample)
    y = OPS[name].numpy(*xs, **sample.params)  # type: ignore[misc]
    assert isinstance(y, tg.Tensor)
    assert y.op is OPS[name]
    np.testing.assert_array_equal(y.numpy(), OPS[name](*xs, **sample.params).numpy())


@pytest.mark.parametrize("name", CONTRACTIONS)
@given(data=st.data())
@settings(max_examples=30)
def test_the_equation_of_a_contraction_is_its_forward(name: str, data: st.DataObject) -> None:
    sample = draw(data, name)
    op = OPS[name]
    y = op.forward(*sample.args, **sample.params)
    equation = op.equation(*(a.shape for a in sample.args), **sample.params)
    operands = []
    for term, a in zip(equation.split("->")[0].split(","), sample.args, strict=True):
        # An axis of size 1 that is repeated by broadcasting carries no letter.
        extra = a.ndim - len(term)
        gone = tuple(axis for axis, n in enumerate(a.shape) if n == 1)[:extra]
        operands.append(a.reshape(tuple(n for axis, n in enumerate(a.shape) if axis not in gone)))
        assert operands[-1].ndim == len(term)
    value = np.einsum(equation, *operands)
    if name == "mean":
        value = value / (sample.args[0].size / np.size(y))
    np.testing.assert_allclose(value.reshape(np.shape(y)), y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 0.0, 2.0, -1, -2.0, 0.5])
def test_powers_with_a_plain_number_to_the_fourth_order(exponent: float) -> None:
    base = [0.5, 2.0, *([-1.5] if exponent % 1 == 0 else []), *([0.0] if exponent >= 0 and exponent % 1 == 0 else [])]
    x = tg.Tensor(base, requires_grad=True)
    y = x**exponent
    factor, k = 1.0, exponent
    for _ in range(4):
        y = tg.gradients(y.sum(), x, create_graph=True, unused="zero")
        factor, k = factor * k, k - 1
        expected = factor * np.array(base) ** k if factor else np.zeros(len(base))
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-13)
