"""gradcheck accepts right rules, and rejects wrong ones: mistakes are planted here, of every kind that people make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from op_samples import SAMPLES
from oracles import leaf

import tinygrad_edu as tg
from tinygrad_edu.check import GradcheckError, gradcheck
from tinygrad_edu.check.compare import compare
from tinygrad_edu.ops import OPS, Op

BOTH = ("reverse", "forward")


def numbers(*shape: int, seed: int = 0, name: str | None = None) -> tg.Tensor:
    return tg.Tensor(np.random.default_rng(seed).uniform(0.3, 1.7, shape), name=name)


def rejected(f: Callable[..., tg.Tensor], inputs: Any, **options: Any) -> GradcheckError:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, inputs, **options)
    assert isinstance(caught.value, AssertionError)
    assert not caught.value.report
    return caught.value


# ---- planted mistakes ------------------------------------------------------------------------------------------------

x34, w43, w33 = numbers(3, 4, name="x"), numbers(4, 3, seed=1, name="W"), numbers(3, 3, seed=2, name="V")


def rows_repeated(x: Any) -> Any:
    return np.broadcast_to(x, (3, *x.shape))


WRONG: dict[str, tuple[Op, list[tg.Tensor]]] = {
    "a sign": (tg.elementwise("tanh", np.tanh, lambda y, x: y * y - 1), [x34]),
    "a missing factor": (tg.elementwise("square", np.square, lambda y, x: x), [x34]),
    "a forgotten derivative": (tg.elementwise("times", lambda a, b: a * b, lambda y, a, b: b, None), [x34, x34]),
    "x where y is meant": (tg.elementwise("exp", np.exp, lambda y, x: x), [x34]),
    "the factors exchanged": (tg.elementwise("times", lambda a, b: a * b, lambda y, a, b: a, lambda y, a, b: b), [x34, x34 + 1]),
    "not transposed": (Op("product", np.matmul, [lambda g, y, a, b: g @ b, lambda g, y, a, b: a @ g]), [w33, w33 + 1]),
    "the wrong side": (Op("product", np.matmul, [lambda g, y, a, b: b.mT @ g, lambda g, y, a, b: a.mT @ g]), [w33, w33 + 1]),
    "reshaped, not transposed": (Op("turn", np.transpose, [lambda g, y, x: g.reshape(x.shape)]), [x34]),
    "a sum over the copies forgotten": (Op("rows", rows_repeated, [lambda g, y, x: g[0]]), [x34]),
    "a mean over the copies": (Op("rows", rows_repeated, [lambda g, y, x: g.mean(axis=0)]), [x34]),
    "not divided by n": (Op("mean", lambda x: np.mean(x), [lambda g, y, x: g + 0 * x]), [x34]),
    "summed over the wrong axis": (Op("rows", lambda x: x[None] + 0 * x[:, None], [lambda g, y, x: g.sum(axis=1)]), [w33]),
    "a diagonal for a Jacobian": (Op("softmax", OPS["softmax"].forward, [lambda g, y, x, axis: g * y * (1 - y)]), [x34]),
    "a thousandth too much": (tg.elementwise("sine", np.sin, lambda y, x: 1.001 * np.cos(x)), [x34]),
    "NaN": (tg.elementwise("sine", np.sin, lambda y, x: np.cos(x) * np.nan), [x34]),
}


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("directions", [None, 2])
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_rule_is_rejected(mistake: str, directions: int | None, mode: str) -> None:
    op, inputs = WRONG[mistake]
    params = {"axis": -1} if op.name == "softmax" else {}
    error = rejected(lambda *xs: op(*xs, **params), inputs, modes=[mode], directions=directions)
    assert f"{mode} mode, order 1" in str(error)
    assert all(row.order == 1 for row in error.report.rows)


class Spoiled(Op):
    """An op of the table with a mistake in what it hands to one argument."""

    def __init__(self, right: Op, argument: int, spoil: Callable[[Any], Any]) -> None:
        super().__init__(f"spoiled {right.name}", right.forward, ())
        self.right, self.argument, self.spoil = right, argument, spoil

    def vjp(self, i: int, g: Any, y: Any, args: Any, params: Any) -> Any:
        part = self.right.vjp(i, g, y, args, params)
        return self.spoil(part) if i == self.argument and part is not None else part


def one_entry(part: Any) -> Any:
    factor = np.ones(part.shape)
    factor[(-1,) * factor.ndim] = 0.99
    return part * factor


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.differentiable])
@given(data=st.data())
@settings(max_examples=3)
def test_a_mistake_in_any_op_of_the_table_is_rejected(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    floats = [i for i, a in enumerate(sample.args) if a.dtype.kind == "f"]
    argument = data.draw(st.sampled_from(floats))
    spoil = data.draw(st.sampled_from([one_entry, lambda part: part * 1.001, lambda part: -part]))
    op = Spoiled(OPS[name], argument, spoil)
    xs = [tg.Tensor(a) for a in sample.args]
    y = op(*xs, **sample.params)
    ones = np.ones(y.shape)
    right = tg.gradients(OPS[name](*xs, **sample.params), xs[argument], gradient=ones, unused="zero").numpy()
    # Here something of the spoiled entry must be left to see.
    assume(right.size and right[(-1,) * right.ndim] and np.any(right))
    for mode in BOTH:
        error = rejected(lambda *ts: op(*ts, **sample.params), sample.args, modes=[mode])
        wrong = {row.input for row in error.report.rows if row.wrong}
        assert wrong == {f"x{argument}" if len(sample.args) > 1 else "x"}


def values(x: Any) -> Any:
    """What a rule that leaves the record computes with."""
    return x.numpy() if isinstance(x, tg.Tensor) else x


DETACHED = {
    "the result": tg.elementwise("tanh", np.tanh, lambda y, x: 1 - values(y) ** 2),
    "the argument": tg.elementwise("cube", lambda x: x**3, lambda y, x: 3 * values(x) ** 2),
    "one factor of two": tg.elementwise("cube", lambda x: x**3, lambda y, x: 3 * x * values(x)),
    "for the other argument": tg.elementwise("times", lambda x: x * x, lambda y, x: values(x) + x),
}


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("detached", DETACHED)
def test_a_rule_that_detaches_is_right_at_first_order_and_rejected_at_second(detached: str, mode: str) -> None:
    op = DETACHED[detached]
    assert gradcheck(op, [x34], modes=[mode])
    error = rejected(op, [x34], modes=[mode], order=2)
    assert f"wrong derivative by x in 12 of 144 entries ({mode} mode, order 2)" in str(error)
    assert "∂dx[" in str(error)
    assert rejected(op, [x34], modes=[mode], order=2, directions=2)


def test_a_rule_that_calls_asarray_on_the_record_is_rejected_by_the_tensor_itself() -> None:
    op = tg.elementwise("tanh", np.tanh, lambda y, x: 1 - np.asarray(y) ** 2)
    assert gradcheck(op, [x34], modes=["reverse"])
    for options in ({"modes": ["forward"]}, {"modes": ["reverse"], "order": 2}):
        with pytest.raises(TypeError, match="would lose its gradient"):
            gradcheck(op, [x34], **options)


def test_a_mistake_of_third_order_is_rejected_at_third_order() -> None:
    # The derivative 4 x³ is recorded as 12 c² x − 8 c³ with the constant c = x: so are its value and slope, not its curvature.
    fourth = tg.elementwise("fourth", lambda x: x**4, lambda y, x: 12 * values(x) ** 2 * x - 8 * values(x) ** 3)
    assert gradcheck(fourth, [x34], order=2)
    assert "order 3" in str(rejected(fourth, [x34], order=3))


FORWARD_ONLY = {
    "g leaves the record": Op("exp", np.exp, [lambda g, y, x: values(g) * y]),
    "not linear in g": Op("exp", np.exp, [lambda g, y, x: np.abs(g) * np.sign(values(g)) * y]),
    "another rule for Tensors": Op("exp", np.exp, [lambda g, y, x: g * y * (1.1 if isinstance(g, tg.Tensor) else 1)]),
}


@pytest.mark.parametrize("mistake", FORWARD_ONLY)
def test_a_mistake_in_forward_mode_only_is_rejected_there(mistake: str) -> None:
    op = FORWARD_ONLY[mistake]
    assert gradcheck(op, [x34], modes=["reverse"])
    error = rejected(op, [x34])
    assert "forward mode, order 1" in str(error)
    assert {row.mode for row in error.report.rows if row.wrong} == {"forward"}


def test_a_recorded_backward_pass_with_other_numbers_is_rejected_even_where_its_derivative_is_consistent() -> None:
    op = FORWARD_ONLY["another rule for Tensors"]
    error = rejected(op, [x34], modes=["reverse"], order=2)
    assert {row.mode for row in error.report.rows if row.wrong} == {"recorded"}


def test_the_message_names_input_mode_entry_and_both_numbers() -> None:
    factor = np.ones((3, 4))
    factor[1, 2] = 3.0
    op = Op("times", lambda a, b: a * b, [lambda g, y, a, b: g * b, lambda g, y, a, b: g * a * factor])
    a, b = np.full((3, 4), 2.0), np.full((3, 4), 5.0)
    message = str(rejected(op, [a, tg.Tensor(b, name="W")]))
    assert message.splitlines()[:2] == [
        "gradcheck: wrong derivative by W in 1 of 144 entries (reverse mode, order 1).",
        "  ∂y[1, 2]/∂W[1, 2]: the engine gives 6, the differences give 2.",
    ]
    assert "WRONG in 1 of 144" in message
    (row,) = [row for row in rejected(op, [a, tg.Tensor(b, name="W")], modes=["forward"]).report.rows if row.wrong]
    assert (row.input, row.mode, row.engine) == ("W", "forward", 6.0)
    assert row.differences == pytest.approx(2.0, abs=1e-10)
    assert row.difference == pytest.approx(4.0, abs=1e-10)
    assert row.allowed < 1e-5


def test_the_largest_of_the_wrong_entries_is_shown_not_the_largest_difference() -> None:
    # 1e9 may be off by 1e3 · 1e-6; 1 may not be off by 0.5.
    op = Op("scaled", lambda x: x * np.array([1e9, 1.0]), [lambda g, y, x: g * np.array([1e9 + 100, 1.5])])
    assert "∂y[1]/∂x[1]: the engine gives 1.5, the differences give 1." in str(rejected(op, [np.ones(2)], atol=0.0))


# ---- right rules -----------------------------------------------------------------------------------------------------


def test_the_report_is_true_and_prints_as_a_table_with_a_row_for_each_input_and_mode() -> None:
    report = gradcheck(lambda x, W, k: tg.tanh(x @ W) * k, [x34, w43, 3], order=2)
    assert report
    rows = {(row.input, row.order, row.mode): row for row in report.rows}
    first = {(name, 1, mode) for name in "xW" for mode in (*BOTH, "recorded")}
    second = {(name, 2, mode) for name in "xWv" for mode in BOTH}
    assert set(rows) == first | second
    assert all(0 < row.difference < row.allowed < 1e-5 and row.wrong == 0 for row in report.rows)
    assert [row.entries for row in report.rows] == [9 * 12] * 6 + [24 * 12] * 4 + [24 * 9] * 2
    lines = str(report).splitlines()
    assert lines[0].split() == ["input", "order", "mode", "largest", "difference", "where"]
    assert lines[1].startswith("x      1      reverse   ")
    assert "∂y[" in lines[1]
    assert "/∂x[" in lines[1]
    assert str(report) == str(gradcheck(lambda x, W, k: tg.tanh(x @ W) * k, [x34, w43, 3], order=2))


def test_a_small_network_in_both_modes_to_third_order() -> None:
    def loss(W1: tg.Tensor, b1: tg.Tensor, U: tg.Tensor, c: tg.Tensor) -> tg.Tensor:
        x = np.array([[0.5, -1.0], [1.5, 0.2], [-0.3, 0.8]])
        y = np.array([1.0, 0.0, 1.0])
        return tg.binary_cross_entropy(tg.sigmoid(tg.tanh(x @ W1 + b1) @ U + c), y)

    parameters = [numbers(2, 3), numbers(3, seed=1), numbers(3, seed=2), 0.3]
    assert gradcheck(loss, parameters, order=2)
    assert gradcheck(loss, parameters, order=3, directions=2)


def test_the_inputs_may_be_one_array_numbers_and_float32_and_stay_as_they_were() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w", dtype=np.float32)
    seen = []

    def f(t: tg.Tensor) -> tg.Tensor:
        seen.append((t.dtype, t.name))
        return tg.tanh(t)

    assert gradcheck(f, w)
    assert set(seen) == {(np.dtype(np.float64), "w")}
    assert w.grad is None
    assert w.dtype == np.float32
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])
    assert gradcheck(tg.sin, np.ones((2, 2)))
    assert gradcheck(tg.multiply, [2.0, 3.0])
    assert gradcheck(tg.multiply, (2.0, [3.0, 4.0]))


def test_dims_reach_the_function() -> None:
    def f(t: tg.Tensor) -> tg.Tensor:
        assert t.dims == ("N", "F")
        return t * t

    assert gradcheck(f, [tg.Tensor(np.ones((2, 3)), dims="N F")])


def test_integers_and_booleans_are_passed_on_as_they_are_and_not_differentiated() -> None:
    mask, places, count = np.array([True, False, True]), tg.Tensor([2, 0]), 3

    def f(m: Any, x: tg.Tensor, at: Any, n: Any) -> tg.Tensor:
        assert m is mask
        assert at is places
        assert n is count
        return tg.where(m, x * n, x**2)[at]

    report = gradcheck(f, [mask, np.array([1.0, 2.0, 3.0]), places, count])
    assert [row.input for row in report.rows] == ["x1", "x1"]


def test_a_function_that_does_not_use_an_input_has_the_derivative_zero() -> None:
    assert gradcheck(lambda a, b: a * 2, [x34, w33], order=2)
    assert gradcheck(lambda a: tg.Tensor([1.0, 2.0]), [x34], order=2)
    assert gradcheck(lambda a: a, [x34], order=2)


def test_arrays_of_size_zero_have_no_entries() -> None:
    report = gradcheck(lambda a, b: tg.exp(a) * b, [np.zeros((0, 3)), np.ones(3)], order=2)
    assert report
    assert "no entries" in str(report)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_the_tolerance_follows_the_scale_of_the_function(scale: float) -> None:
    assert gradcheck(lambda x: tg.sin(x) * scale, [x34], order=2)
    wrong = tg.elementwise("sine", np.sin, lambda y, x: 1.0001 * np.cos(x))
    rejected(lambda x: wrong(x) * scale, [x34])


@pytest.mark.parametrize("x", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_the_step_follows_the_scale_of_the_point(x: float) -> None:
    assert gradcheck(tg.log, [x], order=2)
    assert gradcheck(tg.sin, [x])
    assert gradcheck(lambda t: tg.relu(t) + tg.relu(-2 * t), [[x, -x]])
    rejected(tg.elementwise("log", np.log, lambda y, x: 1.0001 / x), [x])


def test_a_function_that_refuses_points_outside_its_domain_is_checked_inside() -> None:
    def f(p: tg.Tensor) -> tg.Tensor:
        return tg.binary_cross_entropy(p, np.array([0.0, 1.0]))

    assert gradcheck(f, [[1e-4, 0.9999]])


def test_a_pole_or_an_overflow_one_step_away_is_stepped_around() -> None:
    with np.errstate(divide="ignore"):
        assert gradcheck(lambda x: 1 / x, [2.0**-10], order=2)
        assert gradcheck(lambda x: tg.log(tg.abs(x)), [[2.0**-10, -(2.0**-11)]])
    assert gradcheck(tg.exp, [709.78])


def test_a_derivative_that_cancels_to_nothing_is_accepted() -> None:
    assert gradcheck(lambda x: tg.softmax(x).sum(), [[1.0, 2.0, 3.0]], order=3)


def test_eps_is_the_step_and_grows_with_the_input() -> None:
    moved: list[Any] = []

    def f(x: tg.Tensor) -> tg.Tensor:
        moved.append(x.numpy() - [1.0, 1000.0])
        return x * x

    assert gradcheck(f, [[1.0, 1000.0]], eps=0.25)
    np.testing.assert_array_equal(np.max(np.abs(moved), axis=0), [0.25, 256.0])


def test_rtol_and_atol_widen_what_is_accepted() -> None:
    op = tg.elementwise("sine", np.sin, lambda y, x: 1.01 * np.cos(x))
    rejected(op, [x34], rtol=1e-3)
    assert gradcheck(op, [x34], rtol=0.02)
    rejected(op, [x34], atol=1e-4)
    assert gradcheck(op, [x34], atol=0.02)


# ---- large functions -------------------------------------------------------------------------------------------------


def test_a_large_jacobian_is_checked_along_directions_and_still_shows_one_wrong_entry() -> None:
    calls = []

    def f(x: tg.Tensor) -> tg.Tensor:
        calls.append(1)
        return tg.exp(x)

    x = np.linspace(-1.0, 1.0, 5000)
    report = gradcheck(f, [x])
    assert len(calls) < 100
    assert [row.entries for row in report.rows] == [64, 64]
    assert "u0ᵀ" in str(report) or "ᵀ J v" in str(report)
    factor = np.ones(5000)
    factor[1234] = 1.1
    rejected(Op("exp", np.exp, [lambda g, y, x: g * y * factor]), [x])


def test_other_seeds_choose_other_directions() -> None:
    def differences(seed: int) -> list[float]:
        return [row.engine for row in gradcheck(tg.exp, [x34], directions=2, seed=seed).rows]

    assert differences(0) == differences(0)
    assert differences(0) != differences(1)


# ---- no derivative, or nothing to check ------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [tg.relu, lambda t: tg.clip(t, 0.0, 2.0), lambda t: tg.where(t > 0, t, 0.0)])
def test_a_kink_is_named(f: Callable[..., tg.Tensor]) -> None:
    error = rejected(f, [[0.0, 1.0]])
    assert "f has a kink here, with slope 0 on the left and 1 on the right" in str(error)
    assert {row.wrong for row in error.report.rows} == {1}


def test_a_point_outside_the_domain_is_named() -> None:
    with np.errstate(all="ignore"):
        assert "not finite, or not defined" in str(rejected(tg.log, [[-1.0, 1.0]]))
        assert "not finite, or not defined" in str(rejected(tg.sqrt, [[0.0, 1.0]]))


def test_a_jump_puts_the_differences_in_doubt() -> None:
    step = Op("step", lambda x: np.where(x > 0, 1.0, 0.0) * x**0, [lambda g, y, x: g * 0])
    assert "in doubt" in str(rejected(step, [[0.0, 1.0]]))


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="no input holds floats"):
        gradcheck(tg.exp, [3, np.array([1, 2])])
    with pytest.raises(ValueError, match=r"modes .* are not known"):
        gradcheck(tg.exp, [1.0], modes=["backward"])
    with pytest.raises(ValueError, match=r"modes .* are not known"):
        gradcheck(tg.exp, [1.0], modes=[])
    with pytest.raises(ValueError, match="give 1 or more"):
        gradcheck(tg.exp, [1.0], order=0)
    with pytest.raises(ValueError, match="give 1 or more"):
        gradcheck(tg.exp, [1.0], directions=0)
    with pytest.raises(ValueError, match="larger than 0"):
        gradcheck(tg.exp, [1.0], eps=0.0)
    with pytest.raises(TypeError, match="gradcheck: input 1"):
        gradcheck(tg.exp, [1.0, "two"])
    with pytest.raises(TypeError, match="f returned a Tensor of int64"):
        gradcheck(tg.argmax, [[1.0, 2.0]])
    with pytest.raises(TypeError, match="f returned ndarray"):
        gradcheck(lambda x: x.numpy(), [1.0])
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="two values for the same inputs"):
        gradcheck(lambda x: x * rng.random(), [1.0])


def test_an_error_in_f_is_shown_as_it_is() -> None:
    with pytest.raises(tg.ShapeError, match="inner sizes differ"):
        gradcheck(tg.matmul, [x34, x34])


def test_under_no_grad_the_check_is_the_same() -> None:
    with tg.no_grad():
        report = gradcheck(tg.tanh, [x34], order=2)
    assert str(report) == str(gradcheck(tg.tanh, [x34], order=2))


def test_derivatives_of_a_function_that_takes_a_gradient_inside() -> None:
    assert gradcheck(tg.grad(lambda x: (tg.sin(x) * x).sum()), [np.linspace(0.1, 2.0, 4)], order=2)
    assert gradcheck(lambda x, y: tg.grad(lambda z: (tg.sin(z) * x * z).sum())(y), [[0.5, 1.0], [0.2, 2.0]], order=2)


def test_finite_differences_of_the_lesson_near_a_kink() -> None:
    """A step over the kink of relu would show a correct gradient as wrong."""
    w = leaf([3.4e-5, -0.5, 1.0], "w")
    L = (tg.relu(w) ** 2 * 0.5 + tg.relu(w) * 3).sum().named("L")
    (row,) = compare(L)
    assert row.numeric is not None
    assert row.numeric < 1e-9
