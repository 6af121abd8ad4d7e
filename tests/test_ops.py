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

each_op = pytest.mark.parametrize("name", list(OPS))
each_differentiable_op = pytest.mark.parametrize("name", DIFFERENTIABLE)


def draw(data: st.DataObject, name: str) -> Sample:
    return data.draw(SAMPLES[name])


def floats(sample: Sample) -> list[int]:
    """Which arguments are differentiated."""
    return [i for i, a in enumerate(sample.args) if a.dtype.kind == "f"]


def leaves(sample: Sample, dtype: Any = np.float64) -> list[tg.Tensor]:
    """The arguments as Tensors, floats of this type and requiring a gradient."""
    return [
        tg.Tensor(a, requires_grad=True, dtype=dtype) if a.dtype.kind == "f" else tg.Tensor(a) for a in sample.args
    ]


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


def first_order(name: str, sample: Sample, weights: Array, create_graph: bool = False) -> tuple[list[tg.Tensor], list[tg.Tensor]]:
    """The leaves of floats and the gradients of Σ weights ∗ y by them."""
    xs = leaves(sample)
    targets = [xs[i] for i in floats(sample)]
    y = OPS[name](*xs, **sample.params)
    return targets, tg.gradients(y, targets, gradient=weights, create_graph=create_graph, unused="zero")


def second_order(name: str, sample: Sample, weights: Array, along: list[Array]) -> list[tg.Tensor]:
    """The gradients of Σ along ∗ (gradient of Σ weights ∗ y)."""
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
@settings(max_examples=25)
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
        return float(np.sum(weights * op.forward(*moved_by(sample, t, along).args, **sample.params)))

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
    assert abs(ours - differences) <= 1e-7 * scale, (ours, differences)


@each_differentiable_op
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_first_and_second_order_equal_those_of_hips_autograd(name: str, data: st.DataObject, seed: int) -> None:
    sample = draw(data, name)
    reference = REFERENCES[name]
    weights, along, _ = directions(sample, reference(np, *sample.args, **sample.params), seed)

    def f(xs: tuple[Any, ...]) -> Any:
        return autograd.numpy.sum(weights * reference(autograd.numpy, *with_floats(sample, xs), **sample.params))

    def f_along(xs: tuple[Any, ...]) -> Any:
        return sum(autograd.numpy.sum(g * d) for g, d in zip(autograd.grad(f)(xs), along, strict=True))

    xs = tuple(np.asarray(sample.args[i]) for i in floats(sample))
    for ours, theirs in zip(first_order(name, sample, weights)[1], autograd.grad(f)(xs), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-11)
    for ours, theirs in zip(second_order(name, sample, weights, along), autograd.grad(f_along)(xs), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-11)
