"""Gradients of any node, and of functions: against formulas, finite differences, and each other, to any order."""

from __future__ import annotations

import gc
import math
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg

Array = np.ndarray[Any, np.dtype[Any]]


def central(f: Callable[[Array], Any], x: Array, h: float = 1e-5) -> Array:
    """The Jacobian of f at x by central differences, of shape ``f(x).shape + x.shape``."""
    columns = []
    for place in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[place] = h
        columns.append((np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * h))
    return np.stack(columns, axis=-1).reshape(np.shape(f(x)) + x.shape)


def close(ours: Any, expected: Any, rtol: float = 1e-12) -> None:
    assert isinstance(ours, tg.Tensor)
    assert ours.shape == np.shape(expected)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=rtol, atol=rtol)


# ---- gradients -------------------------------------------------------------------------------------------------------


def test_one_target_gives_a_tensor_several_give_a_list_in_their_order() -> None:
    x, w = tg.Tensor([1.0, 2.0], name="x"), tg.Tensor([3.0, 5.0], name="w")
    y = (x * x * w).sum()
    close(tg.gradients(y, x), [6.0, 20.0])
    found = tg.gradients(y, [w, x])
    assert isinstance(found, list)
    close(found[0], [1.0, 4.0])
    close(found[1], [6.0, 20.0])
    assert tg.gradients(y, []) == []


def test_targets_need_no_requires_grad_and_their_grad_is_left_alone() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    x.grad = before = np.array([7.0, 7.0])
    y = (x * tg.Tensor([1.0, 1.0])).sum()
    tg.gradients(y, x, create_graph=True)
    assert x.grad is before
    assert not tg.gradients(y, x).requires_grad


def test_the_same_target_twice_gives_two_gradients() -> None:
    x = tg.Tensor([1.0, 2.0])
    for record in (False, True):
        a, b = tg.gradients((x * x).sum(), [x, x], create_graph=record)
        assert a is not b
        close(a, [2.0, 4.0])
        close(b, [2.0, 4.0])
        assert a.named("a").name != b.name


def test_the_root_itself_is_a_target() -> None:
    x = tg.Tensor(3.0, requires_grad=True)
    y = x * x
    close(tg.gradients(y, y), 1.0)
    close(tg.gradients(x, x), 1.0)
    dy, dx = tg.gradients(y, [y, x])
    assert (dy.item(), dx.item()) == (1.0, 6.0)


def test_interior_targets_are_the_partial_derivatives_of_what_comes_after() -> None:
    x = tg.Tensor([0.5, -1.0], requires_grad=True)
    u = x * x
    v = tg.exp(u)
    y = (u * v).sum()
    du, dv, dx = tg.gradients(y, [u, v, x])
    e = np.exp(x.numpy() ** 2)
    close(dv, x.numpy() ** 2)
    close(du, e + x.numpy() ** 2 * e)
    close(dx, (e + x.numpy() ** 2 * e) * 2 * x.numpy())


def test_an_interior_target_can_be_differentiated_by_again() -> None:
    x = tg.Tensor(1.5)
    u = tg.sin(x)
    y = u * u * u
    first = tg.gradients(y, u, create_graph=True)
    close(first, 3 * math.sin(1.5) ** 2)
    close(tg.gradients(first, u), 6 * math.sin(1.5))
    close(tg.gradients(first, x), 6 * math.sin(1.5) * math.cos(1.5))


def test_a_target_used_again_after_the_interior_one() -> None:
    x = tg.Tensor(2.0)
    u = x * 3
    y = u * x
    du, dx = tg.gradients(y, [u, x])
    assert (du.item(), dx.item()) == (2.0, 12.0)


def test_gradient_weights_the_numbers_of_a_result_that_is_no_scalar() -> None:
    x = tg.Tensor([1.0, 2.0, 3.0])
    y = x * x
    with pytest.raises(tg.GradientError, match="not a scalar"):
        tg.gradients(y, x)
    close(tg.gradients(y, x, gradient=[1.0, 10.0, 100.0]), [2.0, 40.0, 600.0])
    with pytest.raises(tg.ShapeError, match="must be equal"):
        tg.gradients(y, x, gradient=1.0)
    with pytest.raises(tg.ShapeError, match="must be equal"):
        tg.gradients(y.sum(), x, gradient=[1.0, 1.0])


def test_the_derivative_by_the_seed_is_the_jacobian_times_a_vector() -> None:
    x, seed = tg.Tensor([1.0, 2.0]), tg.Tensor([5.0, 7.0], requires_grad=True)
    pulled = tg.gradients(x * x, x, gradient=seed, create_graph=True)
    close(pulled, [10.0, 28.0])
    close(tg.gradients(pulled, seed, gradient=[1.0, 10.0]), [2.0, 40.0])


@pytest.mark.parametrize("record", [False, True])
def test_an_unused_target_is_an_error_that_names_it_or_zero_when_asked(record: bool) -> None:
    x, z = tg.Tensor([1.0, 2.0], name="x"), tg.Tensor(np.ones((2, 3), np.float32), name="z")
    y = (x * x).sum().named("y")
    with pytest.raises(tg.GradientError, match="Tensor y does not depend on Tensor z"):
        tg.gradients(y, [x, z], create_graph=record)
    dx, dz = tg.gradients(y, [x, z], create_graph=record, unused="zero")
    close(dx, [2.0, 4.0])
    close(dz, np.zeros((2, 3)))
    assert dz.dtype == np.float32
    close(tg.gradients(y, tg.Tensor(1.0), unused="zero"), 0.0)


def test_what_goes_through_an_op_without_derivative_counts_as_unused() -> None:
    x = tg.Tensor([1.0, 2.0], name="x")
    y = (tg.argmax(x) * 2.0).sum()
    with pytest.raises(tg.GradientError, match="does not depend"):
        tg.gradients(y, x)
    close(tg.gradients((x > 1.5) * 1.0 + x, x, gradient=[1.0, 1.0]), [1.0, 1.0])


def test_detach_stops_the_gradient() -> None:
    x = tg.Tensor(3.0)
    close(tg.gradients(x * x.detach(), x), 3.0)
    with pytest.raises(tg.GradientError):
        tg.gradients((x * x).detach() * 1.0, x)


def test_wrong_arguments_are_refused() -> None:
    x = tg.Tensor([1.0, 2.0], name="x")
    y = (x * x).sum()
    with pytest.raises(TypeError, match="not a Tensor"):
        tg.gradients(y, [x, np.ones(2)])
    with pytest.raises(tg.GradientError, match="no derivatives"):
        tg.gradients(y, tg.Tensor([1, 2]))
    with pytest.raises(tg.GradientError, match="no derivatives"):
        tg.gradients(tg.Tensor(1) * 2, x)
    with pytest.raises(ValueError, match="unused"):
        tg.gradients(y, x, unused="none")


# ---- a leaf that is given new numbers between forward and backward ---------------------------------------------------


def test_a_rebound_leaf_does_not_change_gradients_of_any_order_of_the_earlier_forward_pass() -> None:
    x = tg.Tensor([2.0, -1.0], requires_grad=True, name="x")
    old = x.numpy()
    y = (tg.exp(x) * x**3).sum()
    x.data = [10.0, 20.0]
    e = np.exp(old)
    first = tg.gradients(y, x, create_graph=True)
    close(first, e * (old**3 + 3 * old**2))
    x.data = [-5.0, 0.0]
    second = tg.gradients(first.sum(), x, create_graph=True)
    close(second, e * (old**3 + 6 * old**2 + 6 * old))
    x.data = [1.0, 1.0]
    close(tg.gradients(second.sum(), x), e * (old**3 + 9 * old**2 + 18 * old + 6))


def test_a_rebound_leaf_counts_with_each_value_in_its_own_part_of_the_graph() -> None:
    w = tg.Tensor(2.0, requires_grad=True)
    before = w * w * w
    w.data = 5.0
    total = before * w
    # before = a³ and total = a³ b at a = 2, b = 5: both parts belong to the leaf.
    first = tg.gradients(total, w, create_graph=True)
    close(first, 3 * 4 * 5 + 8)
    close(tg.gradients(first, w), 6 * 2 * 5 + 2 * 3 * 4)


# ---- higher orders ---------------------------------------------------------------------------------------------------

t = np.tanh
POINTS = np.array([-1.3, -0.2, 0.0, 0.7, 2.1])
DERIVATIVES: dict[str, tuple[Callable[..., tg.Tensor], list[Callable[[Array], Array]]]] = {
    "tanh": (
        tg.tanh,
        [
            lambda x: 1 - t(x) ** 2,
            lambda x: -2 * t(x) * (1 - t(x) ** 2),
            lambda x: (6 * t(x) ** 2 - 2) * (1 - t(x) ** 2),
            lambda x: 8 * t(x) * (2 - 3 * t(x) ** 2) * (1 - t(x) ** 2),
        ],
    ),
    "sin": (tg.sin, [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]),
    "exp": (lambda x: tg.exp(2 * x), [lambda x, k=k: 2**k * np.exp(2 * x) for k in range(1, 5)]),
    "power": (lambda x: x**4, [lambda x: 4 * x**3, lambda x: 12 * x**2, lambda x: 24 * x, lambda x: 24 + 0 * x]),
    "quotient": (lambda x: 1 / (x + 3), [lambda x, k=k: (-1) ** k * math.factorial(k) / (x + 3) ** (k + 1) for k in range(1, 5)]),
    "log": (lambda x: tg.log(x + 3), [lambda x, k=k: -((-1) ** k) * math.factorial(k - 1) / (x + 3) ** k for k in range(1, 5)]),
    "softplus": (
        tg.softplus,
        [
            lambda x: (1 + t(x / 2)) / 2,
            lambda x: (1 - t(x / 2) ** 2) / 4,
            lambda x: -t(x / 2) * (1 - t(x / 2) ** 2) / 4,
            lambda x: (3 * t(x / 2) ** 2 - 1) * (1 - t(x / 2) ** 2) / 8,
        ],
    ),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_the_first_four_derivatives_by_recorded_sweeps(name: str) -> None:
    f, derivatives = DERIVATIVES[name]
    x = tg.Tensor(POINTS)
    y = f(x)
    for derivative in derivatives:
        y = tg.gradients(y.sum(), x, create_graph=True, unused="zero")
        close(y, derivative(POINTS))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_the_first_four_derivatives_by_nested_grad(name: str) -> None:
    f, derivatives = DERIVATIVES[name]
    for derivative in derivatives:
        f = tg.grad(f)
        for x in POINTS:
            close(f(x), derivative(np.array(x)))


def test_the_fourth_derivative_is_the_central_difference_of_the_third() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        return tg.tanh(x * tg.sin(x)) / (1 + x * x)

    third = tg.grad(tg.grad(tg.grad(f)))
    for x in (-0.8, 0.3, 1.2):
        close(tg.grad(third)(x), central(lambda p: third(p).numpy(), np.array(x)), rtol=1e-7)


def test_mixed_partial_derivatives_commute() -> None:
    def f(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        return tg.sin(x * y) * tg.exp(y)

    x, y = 0.7, 0.4
    expected = np.exp(y) * ((1 + y) * np.cos(x * y) - x * y * np.sin(x * y))
    close(tg.grad(tg.grad(f, 0), 1)(x, y), expected)
    close(tg.grad(tg.grad(f, 1), 0)(x, y), expected)


# ---- nesting without perturbation confusion --------------------------------------------------------------------------


@pytest.mark.parametrize("x", [1.0, -2.5])
def test_an_inner_derivative_takes_the_outer_variable_for_a_constant(x: float) -> None:
    close(tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(x), 1.0)
    close(tg.grad(lambda x: x * tg.grad(lambda y: x * y)(x))(x), 2 * x)
    close(tg.grad(lambda x: tg.grad(lambda y: x * y * y)(x))(x), 4 * x)
    close(tg.grad(lambda x: tg.grad(lambda y: tg.grad(lambda z: x * y * z * z)(y))(x))(x), 8 * x)


@pytest.mark.parametrize("x", [1.0, -2.5])
def test_the_same_with_jvp_inside_and_outside(x: float) -> None:
    def slope(f: Callable[..., tg.Tensor], at: Any) -> tg.Tensor:
        return tg.jvp(f, [at], [1.0])[1]

    close(slope(lambda x: x * slope(lambda y: x + y, 1.0), x), 1.0)
    close(slope(lambda x: x * slope(lambda y: x * y, x), x), 2 * x)
    close(tg.grad(lambda x: x * slope(lambda y: x * y, x))(x), 2 * x)
    close(slope(lambda x: x * tg.grad(lambda y: x * y)(x), x), 2 * x)
    close(slope(lambda x: slope(lambda y: slope(lambda z: z**3 * x, y), x), x), 12 * x)


def test_an_inner_gradient_of_what_the_outer_variable_does_not_reach_is_a_constant_of_it() -> None:
    close(tg.grad(lambda x: tg.grad(lambda y: y * y)(3.0) * x)(5.0), 6.0)
    close(tg.grad(lambda x: tg.grad(lambda y: y * y)(3.0) + 0 * x)(5.0), 0.0)


def test_a_tensor_of_the_outside_is_differentiated_through_the_inner_gradient() -> None:
    w = tg.Tensor(3.0, requires_grad=True)
    slope = tg.grad(lambda x: w * w * x**3)(2.0)  # 3 w² x²
    slope.backward()
    np.testing.assert_allclose(w.grad, 6 * 3.0 * 4)


def test_grad_of_a_tensor_that_requires_one_stays_connected_to_it() -> None:
    x = tg.Tensor(2.0, requires_grad=True)
    slope = tg.grad(lambda z: z**3)(x)
    assert x.grad is None
    slope.backward()
    np.testing.assert_allclose(x.grad, 12.0)


# ---- functions of arrays ---------------------------------------------------------------------------------------------


def test_value_and_grad_gives_both_and_passes_the_other_arguments_on() -> None:
    def f(x: tg.Tensor, n: int, *, scale: float = 1.0) -> tg.Tensor:
        assert isinstance(n, int)
        return scale * (x**n).sum()

    y, dx = tg.value_and_grad(f)([1.0, 2.0], 3, scale=10.0)
    close(y, 90.0)
    close(dx, [30.0, 120.0])
    close(tg.grad(f)(np.array([1.0, 2.0], np.float32), 2), [2.0, 4.0])
    assert tg.grad(f)(np.array([1.0, 2.0], np.float32), 2).dtype == np.float32


def test_argnums_choose_the_arguments() -> None:
    def f(a: tg.Tensor, b: tg.Tensor, c: tg.Tensor) -> tg.Tensor:
        return a * b**2 * c**3

    close(tg.grad(f, 1)(2.0, 3.0, 5.0), 2 * 2 * 3 * 125)
    close(tg.grad(f, -1)(2.0, 3.0, 5.0), 2 * 9 * 3 * 25)
    several = tg.grad(f, (2, 0))(2.0, 3.0, 5.0)
    assert isinstance(several, list)
    close(several[0], 2 * 9 * 75)
    close(several[1], 9 * 125)
    assert len(tg.grad(f, [0])(2.0, 3.0, 5.0)) == 1
    with pytest.raises(ValueError, match="argnums 3"):
        tg.grad(f, 3)(2.0, 3.0, 5.0)


def test_the_same_argument_chosen_twice_has_its_gradient_twice() -> None:
    for dx in tg.grad(lambda x: x * x, (0, 0))(3.0):
        close(dx, 6.0)
    for dx in tg.grad(lambda x: x * x, (0, -1))(3.0):
        close(dx, 6.0)


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_a_dict_of_arrays_gives_a_dict_of_gradients(kind: Any) -> None:
    parameters = kind(W=np.array([[1.0, 2.0], [3.0, 4.0]]), b=np.array([0.5, -0.5]), unused=np.ones(3))
    x = np.array([2.0, -1.0])

    def loss(p: dict[str, tg.Tensor], x: Any) -> tg.Tensor:
        assert list(p) == ["W", "b", "unused"]
        return ((x @ p["W"] + p["b"]) ** 2).sum()

    y, found = tg.value_and_grad(loss)(parameters, x)
    r = x @ parameters["W"] + parameters["b"]
    close(y, (r**2).sum())
    assert isinstance(found, kind)
    assert list(found) == ["W", "b", "unused"]
    close(found["W"], np.outer(x, 2 * r))
    close(found["b"], 2 * r)
    close(found["unused"], np.zeros(3))


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_or_tuple_of_arrays_gives_one_of_gradients(kind: Any) -> None:
    arrays = kind([np.array([1.0, 2.0]), tg.Tensor(3.0), np.ones((2, 2))])

    def f(parts: Any, factor: tg.Tensor) -> tg.Tensor:
        assert isinstance(parts, kind)
        a, b, c = parts
        return (a * a).sum() * b * factor + c.sum()

    found, factor = tg.grad(f, (0, 1))(arrays, 2.0)
    assert isinstance(found, kind)
    close(found[0], [12.0, 24.0])
    close(found[1], 10.0)
    close(found[2], np.ones((2, 2)))
    close(factor, 15.0)


def test_second_derivatives_with_containers() -> None:
    def f(p: dict[str, tg.Tensor]) -> tg.Tensor:
        return (p["a"] ** 3).sum() * p["b"]

    def sum_of_slopes(p: dict[str, tg.Tensor]) -> tg.Tensor:
        found = tg.grad(f)(p)
        return found["a"].sum() + found["b"]

    found = tg.grad(sum_of_slopes)({"a": np.array([1.0, 2.0]), "b": np.array(5.0)})
    close(found["a"], [30.0 + 3.0, 60.0 + 12.0])
    close(found["b"], 3.0 * (1 + 4))


def test_grad_of_a_function_without_derivative_or_scalar_value() -> None:
    close(tg.grad(lambda x: 3.0)(np.ones(2)), np.zeros(2))
    close(tg.grad(lambda x: x)(2.0), 1.0)
    with pytest.raises(tg.GradientError, match="not a scalar"):
        tg.grad(lambda x: x * x)([1.0, 2.0])
    with pytest.raises(TypeError, match="no derivatives"):
        tg.grad(lambda x: x * x)(3)
    with pytest.raises(TypeError, match="no derivatives"):
        tg.grad(lambda p: p["a"] * 1.0)({"a": 3})


def test_vjp_is_the_transposed_jacobian_times_a_vector_for_every_primal() -> None:
    A, b = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([0.1, -0.2, 0.3])
    y, pull = tg.vjp(lambda A, b: tg.tanh(A @ b), A, b)
    slope = 1 - np.tanh(A @ b) ** 2
    close(y, np.tanh(A @ b))
    for v in ([1.0, 0.0], [2.0, -3.0]):
        dA, db = pull(v)
        close(dA, np.outer(v * slope, b))
        close(db, A.T @ (v * slope))
    with pytest.raises(tg.ShapeError):
        pull(1.0)


def test_jvp_is_the_jacobian_times_a_vector_of_all_tangents() -> None:
    A, b = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([0.1, -0.2, 0.3])
    dA, db = np.ones((2, 3)) * [1.0, -1.0, 2.0], np.array([1.0, 0.5, -2.0])
    y, dy = tg.jvp(lambda A, b: tg.tanh(A @ b), [A, b], [dA, db])
    close(y, np.tanh(A @ b))
    close(dy, (1 - np.tanh(A @ b) ** 2) * (dA @ b + A @ db))
    with pytest.raises(ValueError, match="one tangent for each primal"):
        tg.jvp(lambda a: a, [1.0], [])
    with pytest.raises(tg.ShapeError, match="tangent 0"):
        tg.jvp(lambda a: a, [1.0], [[1.0]])


def test_jvp_where_nothing_depends_on_the_input_is_zero() -> None:
    y, dy = tg.jvp(lambda x: tg.Tensor([1.0, 2.0]), [3.0], [1.0])
    close(y, [1.0, 2.0])
    close(dy, [0.0, 0.0])
    places, none = tg.jvp(tg.argsort, [[3.0, 1.0]], [[1.0, 1.0]])
    assert places.tolist() == [1, 0]
    close(none, [0.0, 0.0])


def softmax(x: Array) -> Array:
    return np.asarray(np.exp(x) / np.exp(x).sum())


def test_jacobians_of_known_functions() -> None:
    x = np.array([0.5, -1.0, 2.0])
    A = np.arange(6.0).reshape(2, 3)
    close(tg.jacobian(lambda x: A @ x)(x), A)
    close(tg.jacobian(tg.softmax)(x), np.diag(softmax(x)) - np.outer(softmax(x), softmax(x)))
    close(tg.jacobian(lambda x: (x * x).sum())(x), 2 * x)
    close(tg.jacobian(lambda x, y: tg.outer(x, y), 1)(x, [1.0, 2.0]), x[:, None, None] * np.eye(2))
    close(tg.jacobian(lambda x: x.T)(A), np.einsum("ik,jl->ijlk", np.eye(3), np.eye(2)))
    close(tg.jacobian(lambda x: x * 2)(3.0), 2.0)
    assert tg.jacobian(lambda x: x[:0])(x).shape == (0, 3)


def test_the_jacobian_has_the_gradients_in_its_rows_and_the_jvps_in_its_columns() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        return tg.tanh(x @ np.array([[1.0, -0.5], [0.3, 2.0]])) * x.sum()

    x = np.array([[0.2, -0.7], [1.1, 0.4]])
    J = tg.jacobian(f)(x).numpy()
    _, pull = tg.vjp(f, x)
    for place in np.ndindex(2, 2):
        unit = np.zeros((2, 2))
        unit[place] = 1.0
        close(pull(unit)[0], J[place])
        close(tg.jvp(f, [x], [unit])[1], J[(..., *place)])
    np.testing.assert_allclose(J, central(lambda p: f(tg.Tensor(p)).numpy(), x), rtol=1e-8, atol=1e-9)


# ---- second derivatives of a network ---------------------------------------------------------------------------------

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(5, 3)), np.array([1.0, 0.0, 0.0, 1.0, 1.0])
SHAPES = {"W1": (3, 4), "b1": (4,), "U": (4,), "c": ()}
SIZE = sum(math.prod(s) for s in SHAPES.values())
THETA = RNG.normal(size=SIZE) * 0.7


def network(theta: tg.Tensor) -> tg.Tensor:
    """The cross entropy of a two-layer network, as a function of all its parameters on one axis."""
    p, at = {}, 0
    for name, shape in SHAPES.items():
        p[name] = theta[at : at + math.prod(shape)].reshape(shape)
        at += math.prod(shape)
    return tg.binary_cross_entropy(tg.sigmoid(tg.tanh(X @ p["W1"] + p["b1"]) @ p["U"] + p["c"]), Y)


def by_hand(theta: Array) -> Array:
    """The gradient of the network, by the formulas of backpropagation in NumPy."""
    W1, b1, U, c = theta[:12].reshape(3, 4), theta[12:16], theta[16:20], theta[20]
    h = np.tanh(X @ W1 + b1)
    du = (1 / (1 + np.exp(-(h @ U + c))) - Y) / len(Y)
    dz = np.outer(du, U) * (1 - h * h)
    return np.concatenate([(X.T @ dz).ravel(), dz.sum(0), h.T @ du, [du.sum()]])


def test_the_gradient_of_a_network_is_that_of_the_formulas() -> None:
    close(tg.grad(network)(THETA), by_hand(THETA))


def test_the_hessian_of_a_network_is_the_central_difference_of_the_gradient_by_hand() -> None:
    H = tg.hessian(network)(THETA)
    close(H, central(by_hand, THETA), rtol=1e-8)
    np.testing.assert_allclose(H.numpy(), H.numpy().T, rtol=1e-10, atol=1e-14)


def test_hessian_vector_products_in_every_nesting() -> None:
    v = np.random.default_rng(8).normal(size=SIZE)
    expected = tg.hessian(network)(THETA).numpy() @ v
    close(tg.jvp(tg.grad(network), [THETA], [v])[1], expected)
    close(tg.vjp(tg.grad(network), THETA)[1](v)[0], expected)
    close(tg.grad(lambda t: (tg.grad(network)(t) * v).sum())(THETA), expected)
    close(tg.grad(lambda t: tg.jvp(network, [t], [v])[1])(THETA), expected)
    close(tg.grad(lambda t: tg.vjp(network, t)[1](1.0)[0] @ v)(THETA), expected)


def test_a_third_derivative_of_a_network_along_directions() -> None:
    u, v = np.random.default_rng(9).normal(size=(2, SIZE))

    def curvature(theta: Any) -> tg.Tensor:
        return tg.jvp(lambda t: tg.jvp(network, [t], [v])[1], [theta], [v])[1]

    third = tg.jvp(curvature, [THETA], [u])[1]
    expected = central(lambda s: curvature(THETA + s * u).numpy(), np.array(0.0))
    close(third, expected, rtol=1e-7)


def test_hessian_by_one_of_several_arguments_and_of_a_matrix() -> None:
    A = np.array([[2.0, 1.0], [0.5, 3.0]])
    close(tg.hessian(lambda k, x: k * (x @ A @ x), 1)(2.0, [1.0, -1.0]), 2 * (A + A.T))
    H = tg.hessian(lambda M: (M @ M).trace())(A)
    close(H, 2 * np.einsum("il,jk->ijkl", np.eye(2), np.eye(2)))


def test_jacobian_of_a_hessian_is_the_third_derivative() -> None:
    T = tg.jacobian(tg.hessian(lambda x: (x**4).sum() + x[0] * x[1] * x[2]))([1.0, 2.0, 3.0]).numpy()
    expected = np.zeros((3, 3, 3))
    for i in range(3):
        expected[i, i, i] = 24.0 * (i + 1)
    for i, j, k in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        expected[i, j, k] = 1.0
    np.testing.assert_allclose(T, expected, rtol=1e-12, atol=1e-12)


@given(seed=st.integers(0, 2**16), n=st.integers(1, 4))
def test_vjp_and_jvp_are_transposes_of_each_other(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    A, x, v, u = rng.normal(size=(n, 3)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=n)

    def f(x: tg.Tensor) -> tg.Tensor:
        return tg.softplus(A @ tg.sin(x)) * x.sum()

    forward = float(u @ tg.jvp(f, [x], [v])[1].numpy())
    reverse = float(tg.vjp(f, x)[1](u)[0].numpy() @ v)
    assert forward == pytest.approx(reverse, rel=1e-11, abs=1e-12)


# ---- what a gradient leaves behind -----------------------------------------------------------------------------------


def test_a_recorded_gradient_names_its_ops_and_the_plain_one_is_a_constant() -> None:
    x = tg.Tensor([0.5, 1.0], requires_grad=True)
    y = tg.tanh(x).sum()
    plain, recorded = tg.gradients(y, x), tg.gradients(y, x, create_graph=True)
    assert plain.is_leaf
    assert recorded.op is not None
    assert recorded.requires_grad
    np.testing.assert_array_equal(plain.numpy(), recorded.numpy())


def test_a_graph_of_second_order_is_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = tg.Tensor([0.5, 1.0], requires_grad=True)
        y = tg.tanh(x * x).sum()
        first = tg.gradients(y, x, create_graph=True)
        second = tg.gradients(first.sum(), x, create_graph=True)
        watched = [weakref.ref(node) for node in (y, first, second)]
        del y, first, second
        assert [ref() for ref in watched] == [None] * 3
    finally:
        gc.enable()


def test_gradients_are_found_under_no_grad_where_a_record_exists() -> None:
    x = tg.Tensor(3.0, requires_grad=True)
    y = x * x
    with tg.no_grad():
        close(tg.gradients(y, x), 6.0)
        close(tg.grad(lambda z: z**3)(2.0), 12.0)
        close(tg.grad(tg.grad(lambda z: z**3))(2.0), 12.0)
        made_inside = x * x
    with pytest.raises(tg.GradientError, match="does not depend"):
        tg.gradients(made_inside, x)
