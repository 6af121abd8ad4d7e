"""Every public function, by iterating ``tinygrad_edu.functions.__all__``: value, derivatives, and NumPy's protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from function_samples import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import functions
from tinygrad_edu.check import gradcheck

INTEGERS = ("argmax", "argmin", "argsort")
each_function = pytest.mark.parametrize("name", functions.__all__)


def test_every_public_function_has_cases_and_is_public() -> None:
    assert set(CASES) == set(functions.__all__), "tests/function_samples.py: a strategy for each public function"
    assert all(getattr(tg, name) is getattr(functions, name) for name in functions.__all__)


def listed(y: Any) -> Sequence[Any]:
    return y if isinstance(y, list) else [y]


def assert_same(ours: Any, expected: Any) -> None:
    assert len(listed(ours)) == len(listed(expected))
    for a, b in zip(listed(ours), listed(expected), strict=True):
        assert isinstance(a, tg.Tensor)
        assert a.shape == np.shape(b)
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-14)


@each_function
@given(data=st.data())
@settings(max_examples=20)
def test_value_is_numpys_for_tensors_arrays_and_lists(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    expected = case.numpy(*case.args)
    tensors = [tg.Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") for a in case.args]
    assert_same(case.ours(*tensors), expected)
    assert_same(case.ours(*case.args), expected)
    if all(np.size(a) for a in case.args):  # a nested list cannot say the shape (0, 2), nor that an empty one is of integers
        assert_same(case.ours(*(a.tolist() for a in map(np.asarray, case.args))), expected)


@each_function
@given(data=st.data())
def test_numpys_function_called_with_tensors_is_ours(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    if not case.protocol:
        return
    tensors = [tg.Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f") for a in case.args]
    y = case.numpy(*tensors)
    assert_same(y, case.numpy(*case.args))
    assert [t.requires_grad for t in listed(y)] == [t.requires_grad for t in listed(case.ours(*tensors))]


@pytest.mark.parametrize("name", [name for name in functions.__all__ if name not in INTEGERS])
@given(data=st.data())
def test_gradcheck_of_first_and_second_order(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])

    def one(*xs: Any) -> tg.Tensor:
        y = case.ours(*xs)
        return tg.concatenate([part.ravel() for part in y]) if isinstance(y, list) else y

    # Along directions where the full Jacobian of the gradient is large: that of first order is checked in full.
    size = sum(np.size(a) for a in case.args)
    assert gradcheck(one, case.args)
    assert gradcheck(one, case.args, order=2, directions=3 if size > 8 else None)


@pytest.mark.parametrize("name", [name for name in functions.__all__ if name not in INTEGERS])
@given(data=st.data())
def test_float32_stays_float32_and_so_do_its_gradients(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    args = [np.asarray(a) for a in case.args]
    args = [a.astype(np.int16) if a.dtype.kind == "i" else a for a in args]  # int64 promotes float32 to float64, as in NumPy
    xs = [tg.Tensor(a, dtype=np.float32, requires_grad=True) if a.dtype.kind == "f" else tg.Tensor(a) for a in args]
    for y, expected in zip(listed(case.ours(*xs)), listed(case.numpy(*args)), strict=True):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-3, atol=1e-4)
        y.backward(np.ones(y.shape))
    assert {x.grad.dtype for x in xs if x.requires_grad} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", INTEGERS)
@given(data=st.data())
def test_places_are_integers_without_gradient(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    places = case.ours(tg.Tensor(case.args[0], requires_grad=True))
    assert places.dtype.kind == "i"
    assert not places.requires_grad


# ---- corners ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["mean", "median", "maximum", "minimum", "linear_ramp", "empty", "nonsense"])
@pytest.mark.parametrize("width", [0, 1])
def test_pad_refuses_the_modes_that_do_not_repeat_numbers(mode: str, width: int) -> None:
    with pytest.raises(ValueError, match=mode):
        tg.pad([1.0, 2.0, 4.0], width, mode=mode)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3), (3, 1)])
def test_sort_without_an_axis_is_that_of_the_flattened_array(shape: tuple[int, ...]) -> None:
    x = np.array([3.0, 1.0, 2.0, 6.0, 4.0, 5.0])[: np.prod(shape)].reshape(shape)
    np.testing.assert_array_equal(tg.sort(x, axis=None).numpy(), np.sort(x, axis=None))
    assert gradcheck(lambda t: tg.sort(t, axis=None), [x], order=2)


@pytest.mark.parametrize("f", [tg.std, tg.norm])
def test_the_kink_of_a_deviation_or_norm_of_zero_has_finite_derivatives_of_any_order(f: Any) -> None:
    x = tg.Tensor(np.zeros(3), requires_grad=True)
    first = tg.gradients(f(x), x, create_graph=True)
    second = tg.gradients(first[0], x, unused="zero")
    np.testing.assert_array_equal(first.numpy(), np.zeros(3))
    assert np.isfinite(second.numpy()).all()


def test_clip_of_integers_stays_integer() -> None:
    whole = tg.clip(tg.Tensor([-3, 0, 9]), 0, None)
    assert whole.dtype.kind == "i"
    assert whole.tolist() == [0, 0, 9]


def test_take_along_axis_refuses_indices_of_another_rank() -> None:
    with pytest.raises(ValueError, match=r"dimensions|axes"):
        tg.take_along_axis(np.ones((2, 3)), [0, 1], axis=0)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((6, 2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((), (2, 3))]
)
def test_the_method_dot_is_numpys(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=left), rng.normal(size=right)
    for value in (tg.Tensor(a).dot(b), tg.dot(a, b), np.dot(tg.Tensor(a), b)):
        np.testing.assert_allclose(value.numpy(), np.dot(a, b), rtol=1e-13)
    assert tg.gradcheck(lambda x, y: x.dot(y), [a, b])


def test_dot_of_sizes_that_differ_says_so() -> None:
    with pytest.raises(tg.ShapeError, match="inner sizes differ"):
        tg.Tensor(np.ones((2, 3))).dot(np.ones((5, 4, 4)))
