"""Numbers: kinks, ties, zeros, very large scores, NaN and infinity, sums in float32, arrays without numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import leaf

import tinygrad_edu as tg


def gradient(f: Callable[[tg.Tensor], tg.Tensor], value: Any, dtype: Any = float) -> Any:
    """The gradient of Σ f by backward(); by gradients(create_graph=True) it must be the same."""
    x = leaf(value, dtype=dtype)
    f(x).sum().backward()
    again = tg.gradients(f(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(again.data, x.grad, rtol=1e-14, equal_nan=True)
    return x.grad.tolist()


# ---- kinks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_abs_and_relu_at_zero_have_the_subgradient_zero(zero: float) -> None:
    assert gradient(tg.abs, [-2.0, zero, 3.0]) == [-1.0, 0.0, 1.0]
    assert gradient(abs, zero) == 0.0
    assert gradient(tg.relu, [-2.0, zero, 3.0]) == [0.0, 0.0, 1.0]
    assert gradient(tg.relu, zero) == 0.0


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (tg.abs, "derivative 0 at 0"),
        (tg.relu, "derivative 0 at 0"),
        (tg.max, "split evenly"),
        (tg.min, "split evenly"),
        (tg.maximum, "half"),
        (tg.minimum, "half"),
        (tg.Tensor.max, "split evenly"),
        (tg.Tensor.min, "split evenly"),
        (tg.norm, "gradient at 0 is 0"),
        (tg.std, "gradient at a constant is 0"),
    ],
)
def test_the_docstring_says_which_subgradient(function: Any, words: str) -> None:
    assert words in function.__doc__


# ---- ties --------------------------------------------------------------------------------------------------------


def test_max_and_min_split_the_gradient_evenly() -> None:
    assert gradient(tg.max, [1.0, 3.0, 3.0, 2.0]) == [0.0, 0.5, 0.5, 0.0]
    assert gradient(tg.min, [1.0, 1.0, 3.0, 1.0]) == [1 / 3, 1 / 3, 0.0, 1 / 3]
    assert gradient(lambda x: x.max(axis=0), [[1.0, 3.0], [1.0, 2.0]]) == [[0.5, 1.0], [0.5, 0.0]]
    assert gradient(lambda x: x.max(axis=1, keepdims=True), [[3.0, 3.0], [1.0, 2.0]]) == [[0.5, 0.5], [0.0, 1.0]]
    assert gradient(lambda x: x.min(axis=(0, 1)), [[1.0, 1.0], [1.0, 1.0]]) == [[0.25, 0.25], [0.25, 0.25]]
    assert gradient(tg.max, [0.0, -0.0]) == [0.5, 0.5]
    assert gradient(lambda x: 3.0 * tg.max(x), [np.inf, 1.0]) == [3.0, 0.0]


def test_maximum_and_minimum_split_the_gradient_evenly() -> None:
    for f, expected in ((tg.maximum, ([0.0, 0.5, 1.0], [1.0, 0.5, 0.0])), (tg.minimum, ([1.0, 0.5, 0.0], [0.0, 0.5, 1.0]))):
        a, b = leaf([1.0, 2.0, 3.0]), leaf([3.0, 2.0, 1.0])
        f(a, b).sum().backward()
        assert (a.grad.tolist(), b.grad.tolist()) == expected
    assert gradient(lambda x: tg.maximum(x, x), 2.0) == 1.0
    assert gradient(lambda x: tg.maximum(x, 0.0), [0.0, 1.0]) == [0.5, 1.0]


def test_a_tie_hands_on_the_whole_gradient() -> None:
    """However many tie, the parts add up to what came in."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (4, 5, 6)).astype(float)
    for axis in (None, 0, 1, 2, (0, 2), (1, 2)):
        for f in (tg.max, tg.min):
            t = leaf(x)
            y = f(t, axis=axis)
            g = rng.normal(size=y.shape)
            y.backward(g)
            np.testing.assert_allclose(np.sum(t.grad, axis=axis), g, rtol=1e-13)
            kept = y.numpy() if axis is None else np.expand_dims(y.numpy(), axis)
            assert not t.grad[x != kept].any()


# ---- norm at 0, std of a constant --------------------------------------------------------------------------------


def test_norm_at_zero() -> None:
    assert gradient(tg.norm, [0.0, 0.0]) == [0.0, 0.0]
    assert gradient(tg.norm, 0.0) == 0.0
    assert gradient(lambda x: tg.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]]) == [[0.0, 0.0], [0.6, 0.8]]
    assert gradient(lambda x: tg.norm(x * 0.0), [1.0, 2.0]) == [0.0, 0.0]


@pytest.mark.parametrize("constant", [2.0, 0.0, 0.1, 1e8 + 0.1, -3.3])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_std_of_a_constant(constant: float, n: int) -> None:
    x = leaf([constant] * n)
    y = x.std()
    assert y.item() == pytest.approx(0.0, abs=1e-15 * max(1.0, abs(constant)))
    y.backward()
    np.testing.assert_allclose(x.grad, np.zeros(n), atol=1e-15)
    rows = gradient(lambda t: t.std(axis=1), [[constant] * 2, [1.0, 3.0]])
    np.testing.assert_allclose(rows, [[0.0, 0.0], [-0.5, 0.5]], atol=1e-15)


def test_std_away_from_a_constant() -> None:
    x = np.array([1.0, 2.0, 4.0, 9.0])
    for ddof in (0, 1):
        found = gradient(lambda t, ddof=ddof: t.std(ddof=ddof), x)
        np.testing.assert_allclose(found, (x - x.mean()) / (np.std(x, ddof=ddof) * (4 - ddof)), rtol=1e-14)


# ---- prod with zeros ---------------------------------------------------------------------------------------------


def others(x: np.ndarray, *without: int) -> float:
    return float(np.prod([v for i, v in enumerate(x) if i not in without]))


@pytest.mark.parametrize(
    "x", [[2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 5.0], [0.0], [0.0] * 5, [2.0, 3.0, 0.0, 5.0, 7.0, -1.0, 4.0], [1.5, -2.0]]
)
def test_prod_with_zeros(x: list[float]) -> None:
    n = len(x)
    assert tg.prod(x).item() == np.prod(x)
    np.testing.assert_allclose(gradient(tg.prod, x), [others(x, i) for i in range(n)], rtol=1e-14)
    second = [[0.0 if i == j else others(x, i, j) for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(tg.hessian(tg.prod)(np.array(x)).data, second, rtol=1e-14)


def test_prod_with_zeros_along_an_axis() -> None:
    x = np.array([[2.0, 0.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, 1.0], [4.0, 5.0, 0.0]])
    for axis, table in ((1, x), (0, x.T), (-1, x)):
        expected = np.array([[others(row, i) for i in range(len(row))] for row in table])
        found = np.array(gradient(lambda t, axis=axis: t.prod(axis=axis), x))
        np.testing.assert_allclose(found if axis else found.T, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient(lambda t: t.prod(axis=(0, 1)), x), np.zeros((4, 3)))


# ---- |u| = 1000 --------------------------------------------------------------------------------------------------

U = [-1000.0, -1.0, 0.0, 1.0, 1000.0]
SIGMOID = [0.0, 1 / (1 + math.e), 0.5, 1 / (1 + math.exp(-1)), 1.0]

LARGE: dict[str, tuple[Callable[..., tg.Tensor], list[float], list[float]]] = {
    "sigmoid": (tg.sigmoid, SIGMOID, [s * (1 - s) for s in SIGMOID]),
    "softplus": (tg.softplus, [0.0, math.log1p(math.exp(-1)), math.log(2), math.log1p(math.e), 1000.0], SIGMOID),
    "log_sigmoid": (
        tg.log_sigmoid,
        [-1000.0, -math.log1p(math.e), -math.log(2), -math.log1p(math.exp(-1)), 0.0],
        SIGMOID[::-1],
    ),
    "tanh": (
        tg.tanh,
        [-1.0, math.tanh(-1), 0.0, math.tanh(1), 1.0],
        [0.0, 1 - math.tanh(1) ** 2, 1.0, 1 - math.tanh(1) ** 2, 0.0],
    ),
    "silu": (
        tg.silu,
        [0.0, -SIGMOID[1], 0.0, SIGMOID[3], 1000.0],
        [0.0, SIGMOID[1] - SIGMOID[1] * (1 - SIGMOID[1]), 0.5, SIGMOID[3] + SIGMOID[3] * (1 - SIGMOID[3]), 1.0],
    ),
    "elu": (tg.elu, [-1.0, math.expm1(-1), 0.0, 1.0, 1000.0], [0.0, math.exp(-1), 1.0, 1.0, 1.0]),
    "celu": (
        lambda u: tg.celu(u, 2.0),
        [-2.0, 2 * math.expm1(-0.5), 0.0, 1.0, 1000.0],
        [0.0, math.exp(-0.5), 1.0, 1.0, 1.0],
    ),
    "bce, y=0": (
        lambda u: tg.binary_cross_entropy_with_logits(u, np.zeros(5)) * 5.0,
        [0.0, math.log1p(math.exp(-1)), math.log(2), math.log1p(math.e), 1000.0],
        SIGMOID,
    ),
    "bce, y=1": (
        lambda u: tg.binary_cross_entropy_with_logits(u, np.ones(5)) * 5.0,
        [1000.0, math.log1p(math.e), math.log(2), math.log1p(math.exp(-1)), 0.0],
        [s - 1 for s in SIGMOID],
    ),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_gradients_at_a_thousand(name: str, dtype: Any) -> None:
    """Warnings are errors in these tests, so nothing overflows on the way either."""
    function, values, slopes = LARGE[name]
    tolerance = 1e-14 if dtype is np.float64 else 1e-6
    y = function(tg.Tensor(np.array(U, dtype)))
    np.testing.assert_allclose(y.data, values if y.shape else sum(values), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gradient(function, U, dtype), slopes, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name", ["sigmoid", "softplus", "log_sigmoid", "tanh", "silu", "gelu", "elu", "celu", "selu", "relu", "leaky_relu", "arctan"]
)
@pytest.mark.parametrize("u", [-1000.0, -710.0, -100.0, 100.0, 710.0, 1000.0])
def test_first_and_second_derivatives_stay_finite(name: str, u: float) -> None:
    for dtype in (np.float64, np.float32):
        x = leaf(u, dtype=dtype)
        y = getattr(tg, name)(x)
        first = tg.gradients(y, x, create_graph=True)
        second = tg.gradients(first, x, unused="zero")
        assert np.isfinite([y.item(), first.item(), second.item()]).all(), (y, first, second)


def test_small_probabilities_keep_their_digits() -> None:
    for u in (-40.0, -100.0, -700.0):
        assert tg.sigmoid(u).item() == pytest.approx(math.exp(u), rel=1e-14)
        assert tg.softplus(u).item() == pytest.approx(math.exp(u), rel=1e-14)
        assert gradient(tg.sigmoid, u) == pytest.approx(math.exp(u), rel=1e-14)
        assert gradient(tg.softplus, u) == pytest.approx(math.exp(u), rel=1e-14)
        assert gradient(tg.log_sigmoid, -u) == pytest.approx(math.exp(u), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_softmax_and_its_kin_at_a_thousand(dtype: Any) -> None:
    low, tie = [1000.0, 0.0, -1000.0], [1000.0, 1000.0]

    def array(v: Any) -> tg.Tensor:
        return tg.Tensor(np.array(v, dtype))

    tolerance = 1e-13 if dtype is np.float64 else 1e-6
    assert tg.softmax(array(low)).tolist() == [1.0, 0.0, 0.0]
    assert tg.softmax(array(tie)).tolist() == [0.5, 0.5]
    assert tg.log_softmax(array(low)).tolist() == [0.0, -1000.0, -2000.0]
    assert tg.log_softmax(array(tie)).tolist() == pytest.approx([-math.log(2)] * 2, rel=tolerance)
    assert tg.logsumexp(array(low)).item() == 1000.0
    assert tg.logsumexp(array(tie)).item() == pytest.approx(1000 + math.log(2), rel=tolerance)
    assert tg.logsumexp(array([-1000.0, -1000.0])).item() == pytest.approx(-1000 + math.log(2), rel=tolerance)
    assert tg.logsumexp(array([-1000.0, -1000.0]), keepdims=True).shape == (1,)

    assert gradient(lambda x: tg.softmax(x)[0], low, dtype) == [0.0, 0.0, 0.0]
    assert gradient(lambda x: tg.softmax(x)[0], tie, dtype) == [0.25, -0.25]
    assert gradient(lambda x: tg.log_softmax(x)[0], low, dtype) == [0.0, 0.0, 0.0]
    assert gradient(lambda x: tg.log_softmax(x)[2], low, dtype) == [-1.0, 0.0, 1.0]
    assert gradient(lambda x: tg.log_softmax(x)[0], tie, dtype) == [0.5, -0.5]
    assert gradient(tg.logsumexp, low, dtype) == [1.0, 0.0, 0.0]
    assert gradient(tg.logsumexp, tie, dtype) == [0.5, 0.5]
    for axis in (0, 1, None):
        found = gradient(lambda x, axis=axis: tg.logsumexp(x, axis=axis), [low, low], dtype)
        part = [1.0, 0.0, 0.0] if axis == 1 else None
        expected = [part, part] if part else [[0.5] * 3] * 2 if axis == 0 else [[0.5, 0.0, 0.0]] * 2
        assert found == expected


def test_cross_entropy_at_a_thousand() -> None:
    logits = [[1000.0, -1000.0], [1000.0, -1000.0]]
    for target in ([0, 1], [[1.0, 0.0], [0.0, 1.0]]):
        z = leaf(logits)
        loss = tg.cross_entropy(z, target)
        assert loss.item() == 1000.0
        loss.backward()
        assert z.grad.tolist() == [[0.0, 0.0], [0.5, -0.5]]


def test_binary_cross_entropy_where_the_probability_is_right_to_the_last_digit() -> None:
    """0 · log 0 counts as 0: a sigmoid that was rounded to 0 or 1 on the right side costs nothing."""
    for y, u in ((1.0, 1000.0), (0.0, -1000.0)):
        x = leaf([u])
        loss = tg.binary_cross_entropy(tg.sigmoid(x), [y])
        assert loss.item() == 0.0
        loss.backward()
        assert x.grad.tolist() == [0.0]
    p = leaf([1.0, 0.0, 0.5])
    tg.binary_cross_entropy(p, [1.0, 0.0, 0.5]).backward()
    np.testing.assert_allclose(p.grad, [-1 / 3, 1 / 3, 0.0], atol=1e-16)


@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("u", [-30.0, -1.0, 0.0, 2.0, 30.0])
def test_both_forms_of_the_cross_entropy_agree(u: float, y: float) -> None:
    a, b = leaf([u]), leaf([u])
    one, two = tg.binary_cross_entropy(tg.sigmoid(a), [y]), tg.binary_cross_entropy_with_logits(b, [y])
    # 1 - sigmoid(30) keeps three digits: that is what the second form is for
    assert one.item() == pytest.approx(two.item(), rel=1e-2 if u > 20 else 1e-9)
    one.backward()
    two.backward()
    np.testing.assert_allclose(a.grad, b.grad, rtol=1e-2 if u > 20 else 1e-9, atol=1e-13)
    assert b.grad[0] == pytest.approx(1 / (1 + math.exp(-u)) - y, abs=1e-15)


def test_probabilities_outside_zero_to_one_are_refused() -> None:
    for p, y, word in (([1.5], [1.0], "probability 1.5"), ([-0.1], [0.0], "probability -0.1"), ([0.5], [2.0], "target 2.0")):
        with pytest.raises(ValueError, match=rf"(?s){word}.*between 0 and 1"):
            tg.binary_cross_entropy(leaf(p, "p"), y)


# ---- IEEE results, and detect_anomaly ----------------------------------------------------------------------------


def test_without_detect_anomaly_the_results_are_ieees() -> None:
    with np.errstate(all="ignore"):
        x = leaf([0.0, 4.0])
        y = tg.where(x > 0, tg.sqrt(x), 0.0)
        assert y.tolist() == [0.0, 2.0]
        y.sum().backward()
        np.testing.assert_equal(x.grad, [np.nan, 0.25])  # 0 · ∞, as IEEE says; the inner where below avoids it
        x.zero_grad()
        safe = tg.where(x > 0, x, 1.0)
        tg.where(x > 0, tg.sqrt(safe), 0.0).sum().backward()
        np.testing.assert_equal(x.grad, [0.0, 0.25])
        np.testing.assert_equal(tg.log(leaf([0.0, -1.0, 1.0])).data, [-np.inf, np.nan, 0.0])
        assert gradient(tg.log, [0.0, 2.0]) == [np.inf, 0.5]
        a, b = leaf([0.0, 1.0, -1.0]), leaf([0.0, 0.0, 0.0])
        y = a / b
        np.testing.assert_equal(y.data, [np.nan, np.inf, -np.inf])
        y.sum().backward()
        np.testing.assert_equal(a.grad, [np.inf] * 3)
        np.testing.assert_equal(b.grad, [np.nan, -np.inf, np.inf])


@pytest.mark.parametrize(
    "zero", [0, 0.0, np.float64(0), np.int64(0), np.zeros(3)], ids=["int", "float", "float64", "int64", "array"]
)
def test_division_by_zero_has_an_ieee_gradient_whatever_the_zero_is(zero: Any) -> None:
    with np.errstate(all="ignore"):
        x = leaf([1.0, -1.0, 0.0])
        y = x / zero
        np.testing.assert_equal(y.data, [np.inf, -np.inf, np.nan])
        y.sum().backward()
        np.testing.assert_equal(x.grad, [np.inf] * 3)
        np.testing.assert_equal(tg.gradients((x / zero).sum(), x, create_graph=True).data, [np.inf] * 3)
        scalar = leaf(1.0)
        assert (scalar / zero).sum().item() == np.inf


def test_the_ieee_result_warns_as_numpy_does() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        tg.log(leaf(0.0))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        tg.sqrt(leaf(-1.0))


X = [[1.0, 0.0, 4.0], [0.0, -1.0, 9.0]]


@pytest.mark.parametrize(
    ("call", "op", "names", "value", "place", "operands"),
    [
        (lambda x: tg.log(x), "log", ["x"], "-inf", "[0, 1]", "0.0"),
        (lambda x: tg.sqrt(x), "sqrt", ["x"], "nan", "[1, 1]", "-1.0"),
        (lambda x: 1.0 / x, "divide", ["x"], "inf", "[0, 1]", "1.0, 0.0"),
        (lambda x: x / x, "divide", ["x"], "nan", "[0, 1]", "0.0, 0.0"),
        (lambda x: tg.log(tg.relu(x)), "log", ["result of relu"], "-inf", "[0, 1]", "0.0"),
        (lambda x: tg.where(x > 0, tg.log(x), 0.0), "log", ["x"], "-inf", "[0, 1]", "0.0"),
        (lambda x: x * tg.Tensor([1.0, np.nan, 2.0], name="v"), "multiply", ["x", "v"], "nan", "[0, 1]", "0.0, nan"),
        (lambda x: (x * 1e308) * 10.0, "multiply", ["x"], "inf", "[0, 2]", "4.0, 1e+308"),
        (lambda x: x @ tg.Tensor([[1.0], [1.0], [np.inf]], name="W"), "matmul", ["x", "W"], "inf", "[0, 0]", ""),
        (lambda x: tg.exp(x * 1000.0), "exp", ["result of multiply"], "inf", "[0, 0]", "1000.0"),
        (lambda x: x[1, 1] ** 0.5, "power", ["result of getitem"], "nan", "", "-1.0, 0.5"),
        (lambda x: tg.log(x[0, 1].named("s")), "log", ["s"], "-inf", "", "0.0"),
    ],
)
def test_detect_anomaly_names_the_operation_the_tensor_and_the_first_bad_element(
    call: Any, op: str, names: list[str], value: str, place: str, operands: str
) -> None:
    x = leaf(X, "x")
    with np.errstate(all="ignore"), tg.detect_anomaly(), pytest.raises(tg.AnomalyError) as caught:
        call(x)
    assert isinstance(caught.value, FloatingPointError)
    text = str(caught.value)
    assert text.startswith(f"{op}: the result is {value}")
    assert place in text.splitlines()[0]
    for name in names:
        assert re.search(rf"(^|\s){name}(\s|$)", text), (name, text)
    assert operands in text
    with np.errstate(all="ignore"):
        call(x)


def test_detect_anomaly_does_not_blame_an_operand_that_is_not_there() -> None:
    """flip moves the NaN from place 0 to place 1; what stands at place 1 of its operand is an innocent 7.0."""
    x = tg.Tensor([np.nan, 7.0], name="x")
    square = tg.Tensor([[np.nan, 7.0], [7.0, 7.0]], name="A")
    with tg.detect_anomaly():
        for call in (lambda: tg.flip(x), lambda: square[::-1], lambda: square.T @ tg.Tensor(np.eye(2)), lambda: tg.sort(x)):
            with pytest.raises(tg.AnomalyError, match="nan") as caught:
                call()
            assert "operands are 7.0" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "op", "name", "value", "place"),
    [
        (lambda x: tg.sqrt(x).named("r"), "sqrt", "x", "inf", "[1]"),
        (lambda x: tg.where(x > 0, tg.sqrt(x), 0.0), "sqrt", "x", "nan", "[1]"),
        (lambda x: x**0.5, "power", "x", "inf", "[1]"),
        (lambda x: tg.sqrt((x * 2.0).named("double")), "sqrt", "double", "inf", "[1]"),
    ],
)
def test_detect_anomaly_in_the_backward_pass(call: Any, op: str, name: str, value: str, place: str) -> None:
    x = leaf([4.0, 0.0], "x")
    with np.errstate(all="ignore"), tg.detect_anomaly():
        loss = call(x).sum()
        for sweep in (loss.backward, lambda: tg.gradients(loss, x)):
            with pytest.raises(tg.AnomalyError) as caught:
                sweep()
            first = str(caught.value).splitlines()[0]
            assert first.startswith(f"{op}: its gradient for {name} is {value} at {place}")
            assert "backward pass" in str(caught.value)
    assert x.grad is None


def test_detect_anomaly_leaves_finite_numbers_alone_and_ends() -> None:
    with tg.detect_anomaly():
        x = leaf([1.0, 4.0], "x")
        loss = (tg.sqrt(x) * tg.log(x) / x).sum()
        loss.backward()
        assert (x > 2.0).tolist() == [False, True]
        assert (tg.Tensor([1, 2]) + 1).tolist() == [2, 3]
        assert (tg.Tensor(np.zeros(0)) + 1.0).shape == (0,)
    assert np.isfinite(x.grad).all()
    with np.errstate(all="ignore"):
        assert tg.log(leaf(0.0)).item() == -np.inf

    @tg.detect_anomaly()
    def look() -> tg.Tensor:
        return tg.log(leaf(0.0, "x"))

    with np.errstate(all="ignore"), pytest.raises(tg.AnomalyError, match="log"):
        look()


# ---- pow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [2, 2.0, np.float64(2), np.array([2.0] * 4), [2.0] * 4], ids=lambda e: type(e).__name__)
def test_power_with_a_negative_base(exponent: Any) -> None:
    assert gradient(lambda a: a**exponent, [-2.0, -0.5, 0.0, 3.0]) == [-4.0, -1.0, 0.0, 6.0]


def test_power_with_whole_exponents_of_both_signs() -> None:
    a = np.array([-2.0, -1.0, 0.5, 3.0])
    for b in (-3, -2, -1, 0, 1, 2, 3):
        expected = b * a ** (b - 1.0)
        np.testing.assert_allclose(gradient(lambda t, b=b: t**b, a), expected, rtol=1e-14)
        np.testing.assert_allclose(gradient(lambda t, b=b: t ** float(b), a), expected, rtol=1e-14)
        np.testing.assert_allclose(gradient(lambda t, b=b: t ** np.full(4, b), a), expected, rtol=1e-14)
        np.testing.assert_allclose(gradient(lambda t, b=b: t ** tg.Tensor(float(b)), a), expected, rtol=1e-14)


@pytest.mark.parametrize("kind", ["number", "array", "tensor"])
def test_power_at_zero(kind: str) -> None:
    """No warning either: the flat places are not computed as 0 · ∞."""

    def exponent(b: float) -> Any:
        return {"number": b, "array": np.array([b]), "tensor": tg.Tensor([b])}[kind]

    for b, value, slope in ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (2.0, 0.0, 0.0), (3.0, 0.0, 0.0), (1.5, 0.0, 0.0)):
        assert (tg.Tensor([0.0]) ** exponent(b)).tolist() == [value]
        assert gradient(lambda a, b=b: a ** exponent(b), [0.0]) == [slope]
    with np.errstate(all="ignore"):
        assert gradient(lambda a: a ** exponent(0.5), [0.0]) == [np.inf]
        assert gradient(lambda a: a ** exponent(-1.0), [0.0]) == [-np.inf]
    assert tg.hessian(lambda a: (a ** exponent(2.0)).sum())([0.0]).tolist() == [[2.0]]


def test_the_exponent_has_a_gradient_where_it_is_defined() -> None:
    with np.errstate(all="ignore"):
        a, b = leaf([0.0, 0.0, 2.0, 2.0, 1e-300, -2.0, -8.0]), leaf([2.0, 0.5, 0.0, 3.0, 1.0, 2.0, 1 / 3])
        (a**b).sum().backward()
        expected = [0.0, 0.0, np.log(2), 8 * np.log(2), 1e-300 * np.log(1e-300), np.nan, np.nan]
        np.testing.assert_allclose(b.grad, expected, rtol=1e-14)
        assert a.grad[0] == 0.0
        assert a.grad[5] == -4.0
        zero, none = leaf(0.0), leaf(0.0)
        (zero**none).backward()
        assert zero.grad == 0.0
        assert not np.isnan(none.grad)
    assert gradient(lambda b: 2.0**b, [-1.0, 0.0, 2.0]) == pytest.approx([0.5 * np.log(2), np.log(2), 4 * np.log(2)])
    assert gradient(lambda b: 0.0**b, [1.0, 2.5]) == [0.0, 0.0]
    assert gradient(lambda b: 0**b, [1.0, 2.5]) == [0.0, 0.0]


def test_a_constant_exponent_costs_no_warning_for_a_negative_base() -> None:
    """The logarithm of the base is only taken when the exponent's gradient is asked for."""
    a = leaf([-2.0, 3.0])
    (a ** tg.Tensor([2.0, 3.0])).sum().backward()
    assert a.grad.tolist() == [-4.0, 27.0]


# ---- sums of many float32 ----------------------------------------------------------------------------------------

MANY = 20_000_000  # beyond 2²⁴, where a running sum in float32 stands still


def test_a_sum_of_twenty_million_float32_ones() -> None:
    for shape, axis in (((MANY, 2), 0), ((MANY,), None)):
        ones = np.broadcast_to(np.float32(1), shape)
        x = tg.Tensor(ones)
        for y, expected in ((x.sum(axis=axis), MANY), (x.mean(axis=axis), 1.0)):
            assert y.dtype == np.float32
            np.testing.assert_allclose(y.data, expected, rtol=1e-6)


def test_un_broadcasting_twenty_million_float32_ones() -> None:
    bias, scalar = leaf([0.0, 0.0], dtype=np.float32), leaf(1.0, dtype=np.float32)
    ones = np.broadcast_to(np.float32(1), (MANY, 2))
    (bias + ones).backward(ones)
    assert bias.grad.dtype == np.float32
    np.testing.assert_allclose(bias.grad, [MANY, MANY], rtol=1e-6)
    (scalar * ones[:, 0]).backward(ones[:, 0])
    np.testing.assert_allclose(scalar.grad, MANY, rtol=1e-6)


# ---- arrays without numbers --------------------------------------------------------------------------------------

EMPTY = [(0,), (0, 3), (3, 0), (2, 0, 3)]


@pytest.mark.parametrize("shape", EMPTY)
def test_the_sum_and_the_product_of_nothing(shape: tuple[int, ...]) -> None:
    for name, value in (("sum", 0.0), ("prod", 1.0)):
        for axis in (None, *range(len(shape)), tuple(range(len(shape)))):
            for keepdims in (False, True):
                x = leaf(np.zeros(shape))
                y = getattr(x, name)(axis=axis, keepdims=keepdims)
                expected = getattr(np, name)(np.zeros(shape), axis=axis, keepdims=keepdims)
                assert y.shape == np.shape(expected)
                assert (y.numpy() == value).all()
                assert y.requires_grad
                y.backward(np.ones(y.shape))
                assert x.grad.shape == shape


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_the_mean_of_nothing_is_nan_with_a_warning(name: str) -> None:
    for shape, axis in (((0,), None), ((0, 3), 0), ((2, 0), 1), ((0, 3), None)):
        x = leaf(np.zeros(shape))
        with pytest.warns(RuntimeWarning) as warned:
            y = getattr(x, name)(axis=axis)
        assert any(re.search("empty slice|freedom|invalid value", str(w.message)) for w in warned)
        assert y.shape == np.zeros(shape).sum(axis=axis).shape
        assert np.isnan(y.numpy()).all()
        with np.errstate(all="ignore"):
            y.backward(np.ones(y.shape))
        assert x.grad.shape == shape
    x = leaf(np.zeros((0, 3)))
    y = getattr(x, name)(axis=1)
    assert y.shape == (0,)
    y.sum().backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "logsumexp", "softmax", "log_softmax"])
def test_the_maximum_of_nothing_is_refused(name: str) -> None:
    for shape, axis in (((0,), 0), ((0, 3), 0), ((3, 0), 1)):
        with pytest.raises(ValueError, match=r"empty|zero-size|no numbers") as caught:
            getattr(tg, name)(leaf(np.zeros(shape), "x"), axis=axis)
        text = str(caught.value)
        assert text.startswith(f"{name}:")
        assert str(shape) in text
        assert re.search(r"\sx\s", text)
    x = leaf(np.zeros((0, 3)))
    y = getattr(tg, name)(x, axis=1)
    assert y.shape[0] == 0
    if y.requires_grad:
        y.sum().backward()
        assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("shape", EMPTY)
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 1.0,
        lambda x: x * x,
        lambda x: 1.0 / x,
        lambda x: tg.exp(x),
        lambda x: tg.sigmoid(x),
        lambda x: tg.where(x > 0, x, 0.0),
        lambda x: x**2,
        lambda x: tg.norm(x),
        lambda x: x.reshape(-1) if 0 in x.shape[:1] else x.ravel(),
        lambda x: x.T,
        lambda x: x[..., None],
        lambda x: x[::-1],
        lambda x: x[x > 0],
        lambda x: x[[]],
        lambda x: tg.concatenate([x, x]),
        lambda x: tg.stack([x, x], axis=1),
        lambda x: tg.pad(x, 1),
        lambda x: tg.flip(x),
        lambda x: tg.cumsum(x),
        lambda x: tg.sort(x, axis=0),
        lambda x: tg.repeat(x, 2),
        lambda x: tg.tile(x, 2),
        lambda x: tg.broadcast_to(x, (4, *x.shape)),
        lambda x: tg.outer(x, x),
        lambda x: tg.einsum("...,...->...", x, x),
        lambda x: x.astype(np.float32),
    ],
)
def test_operations_on_nothing_give_a_gradient_of_the_right_empty_shape(function: Any, shape: tuple[int, ...]) -> None:
    x = leaf(np.zeros(shape))
    y = function(x)
    y.backward(np.ones(y.shape))
    assert x.grad.shape == shape
    assert x.grad.dtype == np.float64
    assert tg.gradients(function(x).sum(), x, create_graph=True).shape == shape


def test_a_bias_that_was_added_to_nothing_has_the_gradient_zero() -> None:
    b, w = leaf([1.0, 2.0, 3.0]), leaf(np.ones((2, 3)))
    (tg.matmul(np.zeros((0, 2)), w) + b).sum().backward()
    assert b.grad.tolist() == [0.0] * 3
    assert w.grad.tolist() == [[0.0] * 3] * 2


def test_losses_of_nothing_are_nan_with_a_warning() -> None:
    for loss, shape, target in (
        (tg.mse, (0,), np.zeros(0)),
        (tg.binary_cross_entropy, (0,), np.zeros(0)),
        (tg.binary_cross_entropy_with_logits, (0,), np.zeros(0)),
        (tg.cross_entropy, (0, 3), np.zeros(0, int)),
    ):
        x = leaf(np.zeros(shape))
        with pytest.warns(RuntimeWarning, match="empty slice|invalid value"):
            y = loss(x, target)
        assert np.isnan(y.item())
        with np.errstate(all="ignore"):
            y.backward()
        assert x.grad.shape == shape
