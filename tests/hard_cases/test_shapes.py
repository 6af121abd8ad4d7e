"""Shapes and indexing: losses, matrix products, axes, indices, and arrays with unusual strides."""

from __future__ import annotations

import ast
import itertools
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import leaf, slopes

import tinygrad_edu as tg


def run_suggestion(error: BaseException, **names: Any) -> tg.Tensor:
    """Run the code after ``Try:`` with the tensors that the message names; it must give the shape that it promises."""
    found = re.search(r"Try: (.+?)   gives (\(.*\))$", str(error), re.MULTILINE)
    assert found, f"no suggestion in:\n{error}"
    result = eval(found[1], {"tg": tg, "np": np, **names})
    assert result.shape == ast.literal_eval(found[2])
    return result


def check_template(error: BaseException, op: str, *parts: Any) -> None:
    """The message begins with the operation and holds every name and shape."""
    text = str(error)
    assert text.startswith(f"{op}:"), text
    for part in parts:
        assert str(part) in text, (part, text)


# ---- a loss between (N, 1) and (N,) ------------------------------------------------------------------------------

LOSSES = ["mse", "binary_cross_entropy", "binary_cross_entropy_with_logits"]
COLUMN = [((4, 1), (4,)), ((4,), (4, 1)), ((1, 1), (1,)), ((4, 3, 1), (4, 3)), ((4, 3), (4, 3, 1)), ((1,), ()), ((), (1,))]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("first", "second"), COLUMN)
def test_a_loss_between_a_column_and_a_vector_is_refused_and_the_suggestion_works(
    loss: str, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    p, y = leaf(np.full(first, 0.5), "p"), tg.Tensor(np.ones(second), name="y")
    function = getattr(tg, loss)
    with pytest.raises(tg.ShapeError) as caught:
        function(p, y)
    assert isinstance(caught.value, ValueError)
    check_template(caught.value, loss, first, second, " p ", " y ", "must be equal")
    assert p.grad is None
    right = run_suggestion(caught.value, p=p, y=y)
    code = re.search(r"Try: (\w+)", str(caught.value))
    assert code
    function(*((right, y) if code[1] == "p" else (p, right))).backward()
    assert p.grad.shape == first


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_an_unnamed_prediction_says_what_made_it(loss: str) -> None:
    scores = leaf(np.full((4, 1), 0.5), "scores")
    with pytest.raises(tg.ShapeError) as caught:
        getattr(tg, loss)(tg.relu(scores), tg.Tensor(np.ones(4), name="y"))
    check_template(caught.value, loss, (4, 1), (4,), "result of relu", " y ")
    run_suggestion(caught.value, prediction=tg.relu(scores), y=tg.Tensor(np.ones(4)))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("first", "second"), [((4, 3), (3,)), ((4, 3), (4, 1)), ((4,), (3,)), ((4,), ()), ((2, 3), (3, 2)), ((0,), (0, 1))]
)
def test_a_loss_never_broadcasts(loss: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(tg.ShapeError) as caught:
        getattr(tg, loss)(leaf(np.full(first, 0.5), "p"), np.ones(second))
    check_template(caught.value, loss, first, second)


@pytest.mark.parametrize(
    "target", [np.ones((4, 1), int), np.ones((4, 1)), np.ones((1, 4), int), np.ones((3, 4)), np.array(1), np.ones(4)]
)
def test_cross_entropy_refuses_targets_of_another_shape(target: np.ndarray) -> None:
    z, y = leaf(np.zeros((4, 3)), "z"), tg.Tensor(target, name="y")
    with pytest.raises(tg.ShapeError) as caught:
        tg.cross_entropy(z, y)
    check_template(caught.value, "cross_entropy", " z ", " y ", (4, 3), target.shape, "class numbers", "probabilities")


@pytest.mark.parametrize("wrong", [3, -1])
def test_cross_entropy_refuses_a_class_that_does_not_exist(wrong: int) -> None:
    """NumPy would take -1 for the last class."""
    with pytest.raises(IndexError) as caught:
        tg.cross_entropy(leaf(np.zeros((2, 3)), "z"), [0, wrong])
    check_template(caught.value, "cross_entropy", " z ", "0 to 2")


# ---- matmul ------------------------------------------------------------------------------------------------------

FITTING = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((1, 3), (3, 1)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (6, 1, 3, 4)),
    ((6, 1, 2, 3), (1, 5, 3, 4)),
    ((2, 5, 2, 3), (3,)),
    ((3,), (2, 5, 3, 4)),
    ((1, 1, 2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((0,), (0,)),
    ((0,), (0, 4)),
    ((2, 0), (0,)),
    ((2, 0), (0, 4)),
    ((0, 3), (3, 4)),
    ((2, 3), (3, 0)),
    ((0, 3), (3,)),
    ((3,), (3, 0)),
    ((5, 2, 0), (0, 4)),
    ((0, 2, 3), (3, 4)),
    ((0, 2, 3), (1, 3, 4)),
    ((1, 2, 3), (0, 3, 4)),
    ((3,), (0, 3, 4)),
    ((0, 2, 3), (3,)),
]


@pytest.mark.parametrize(("left", "right"), FITTING)
def test_matmul_in_every_combination(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """The product is linear in each factor, so central differences with a large step are exact."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=left), rng.normal(size=right)
    g = rng.normal(size=np.shape(a @ b))
    expected = [slopes(lambda x, y: (x @ y) * g, [a, b], i, eps=1.0) for i in (0, 1)]
    for f in (operator.matmul, tg.matmul, np.matmul):
        s, t = leaf(a), leaf(b)
        y = f(s, t)
        np.testing.assert_allclose(y.data, a @ b, rtol=1e-14)
        assert y.shape == np.shape(a @ b)
        y.backward(g)
        np.testing.assert_allclose(s.grad, expected[0], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(t.grad, expected[1], rtol=1e-10, atol=1e-12)
        recorded = tg.gradients(f(s, t), [s, t], gradient=g, create_graph=True)
        for found, wanted in zip(recorded, expected, strict=True):
            np.testing.assert_allclose(found.data, wanted, rtol=1e-10, atol=1e-12)
    if left == right:  # the same tensor twice
        s = leaf(a)
        (s @ s).backward(g)
        np.testing.assert_allclose(s.grad, slopes(lambda x: (x @ x) * g, [a], 0, eps=1.0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("left", "right"), FITTING[:19])
def test_second_derivatives_of_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """f = Σ (a b)²/2: the derivative by a of (∂f/∂b · v) against differences of the first derivative."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=left), rng.normal(size=right)
    v = rng.normal(size=right)

    def by_b(x: np.ndarray) -> float:
        t = leaf(b)
        y = tg.matmul(x, t)
        (y * y * 0.5).sum().backward()
        return float(np.sum(t.grad * v))

    s, t = leaf(a), leaf(b)
    y = s @ t
    first = tg.gradients((y * y * 0.5).sum(), t, create_graph=True)
    (first * v).sum().backward()
    np.testing.assert_allclose(s.grad, slopes(by_b, [a], 0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("left", "right", "rule"),
    [
        ((2, 3), (2, 3), "the last axis of left is 3, the second-last of right is 2"),
        ((2, 3), (4, 3), "the last axis of left is 3, the second-last of right is 4"),
        ((3, 2), (3, 4), "the last axis of left is 2, the second-last of right is 3"),
        ((2, 3), (2,), "the last axis of left is 3, the only axis of right is 2"),
        ((3,), (4, 3), "the last axis of left is 3, the second-last of right is 4"),
        ((3,), (4,), "the last axis of left is 3, the only axis of right is 4"),
        ((5, 2, 3), (5, 2, 3), "the last axis of left is 3, the second-last of right is 2"),
        ((5, 2, 3), (2,), "the last axis of left is 3, the only axis of right is 2"),
        ((2, 3), (5, 4, 3), "the last axis of left is 3, the second-last of right is 4"),
        ((4, 5), (3, 4), "the last axis of left is 5, the second-last of right is 3"),
        ((2, 3, 4), (3, 4, 5), "(2,) and (3,) must be equal"),
        ((2, 6, 3, 4), (5, 4, 5), "(2, 6) and (5,) must be equal"),
    ],
)
@pytest.mark.parametrize("order", ["@", "function", "numpy"])
def test_matmul_that_does_not_fit(left: tuple[int, ...], right: tuple[int, ...], rule: str, order: str) -> None:
    a, b = leaf(np.ones(left), "a"), tg.relu(leaf(np.ones(right)))
    f = {"@": operator.matmul, "function": tg.matmul, "numpy": np.matmul}[order]
    with pytest.raises(tg.ShapeError) as caught:
        f(a, b)
    assert isinstance(caught.value, ValueError)
    check_template(caught.value, "matmul", left, right, " a ", "result of relu", rule)
    if "Try:" in str(caught.value):
        run_suggestion(caught.value, a=a, right=b)
    else:
        fits = [(a, b.mT if b.ndim > 1 else b), (a.mT if a.ndim > 1 else a, b), (b, a)]
        for x, y in fits:
            with pytest.raises(ValueError, match="matmul"):
                np.matmul(x.numpy(), y.numpy())


def test_the_message_of_the_contract() -> None:
    w, x = leaf(np.ones((2, 3)), "W"), tg.relu(leaf(np.ones((2, 3)))).named("x")
    with pytest.raises(tg.ShapeError) as caught:
        w @ x
    lines = str(caught.value).splitlines()
    assert lines[0] == "matmul: inner sizes differ"
    assert re.fullmatch(r"\s+left\s+W\s+\(2, 3\)", lines[1])
    assert re.match(r"\s+right\s+x\s+\(2, 3\)", lines[2])
    assert lines[3].strip() == "the last axis of left is 3, the second-last of right is 2: they must be equal."
    assert lines[4].strip() == "Try: W @ x.T   gives (2, 2)"
    assert len(lines) == 5


@pytest.mark.parametrize("name", ["lambda", "class", "not an identifier", "W@x", "", "None"])
def test_a_suggestion_is_code_also_for_tensors_with_odd_names(name: str) -> None:
    w, x = leaf(np.ones((2, 3)), name), leaf(np.ones((2, 3)), "x")
    with pytest.raises(tg.ShapeError) as caught:
        w @ x
    assert name in str(caught.value)
    run_suggestion(caught.value, left=w, x=x)


@pytest.mark.parametrize(
    "scalar", [2.0, np.float64(2.0), np.array(2.0), tg.Tensor(2.0)], ids=["float", "float64", "0-d", "tensor"]
)
def test_matmul_refuses_a_scalar(scalar: Any) -> None:
    x = leaf([1.0, 2.0, 3.0], "x")
    for f in (lambda: x @ scalar, lambda: scalar @ x, lambda: tg.matmul(scalar, x)):
        with pytest.raises(tg.ShapeError) as caught:
            f()
        check_template(caught.value, "matmul", " x ", "(3,)", "()", "at least one axis")
        run_suggestion(caught.value, x=x, left=scalar, right=scalar)


# ---- broadcasting ------------------------------------------------------------------------------------------------

SIGNS = ["+", "-", "*", "/", "**", "<", "<=", ">", ">=", "==", "!=", "&", "|"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("left", "right"), [((2, 3), (2,)), ((2,), (2, 3)), ((2, 3), (3, 2)), ((2, 3), (4, 5)), ((3,), (4,))])
def test_shapes_that_do_not_broadcast(sign: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = tg.Tensor(np.ones(left), name="a"), tg.Tensor(np.ones(right))
    with pytest.raises(tg.ShapeError) as caught:
        eval(f"a {sign} b", {"a": a, "b": b})
    assert isinstance(caught.value, ValueError)
    check_template(caught.value, str(caught.value).split(":")[0], " a ", left, right, "aligned from the last axis")
    if left != (2, 3) or right != (4, 5):
        result = run_suggestion(caught.value, a=a, right=b)
        assert result.op.name == str(caught.value).split(":")[0]


@pytest.mark.parametrize("name", ["maximum", "minimum", "add", "power", "leaky_relu", "elu"])
def test_functions_whose_shapes_do_not_broadcast(name: str) -> None:
    a, b = leaf(np.ones((2, 3)), "a"), leaf(np.ones(2), "b")
    with pytest.raises(tg.ShapeError) as caught:
        getattr(tg, name)(a, b)
    check_template(caught.value, name, " a ", " b ", (2, 3), (2,))
    assert run_suggestion(caught.value, a=a, b=b).op.name == name


def test_where_and_clip_whose_shapes_do_not_broadcast() -> None:
    a, b, c = leaf(np.ones(3), "a"), leaf(np.ones(2), "b"), tg.Tensor([True, False, True], name="c")
    for name, call in (("where", lambda: tg.where(c, a, b)), ("clip", lambda: tg.clip(a, b, 1.0))):
        with pytest.raises(tg.ShapeError) as caught:
            call()
        check_template(caught.value, name, " a ", " b ", "(3,)", "(2,)", "equal or 1")


@pytest.mark.parametrize("name", ["stack", "concatenate"])
def test_joining_names_the_tensor_that_does_not_fit(name: str) -> None:
    """Also when it comes late in a long list."""
    parts = [leaf(np.ones((2, 3)), f"part{i}") for i in range(9)]
    parts[7] = leaf(np.ones((2, 4)), "odd")
    with pytest.raises(tg.ShapeError) as caught:
        getattr(tg, name)(parts)
    check_template(caught.value, name, "no. 7", "odd", (2, 3), (2, 4), "must be equal")


def test_joining_nothing_and_scalars() -> None:
    for name in ("stack", "concatenate"):
        with pytest.raises(tg.ShapeError, match=rf"{name}: .*empty"):
            getattr(tg, name)([])
    with pytest.raises(tg.ShapeError) as caught:
        tg.concatenate([leaf(1.0, "a"), leaf(2.0, "b")])
    check_template(caught.value, "concatenate", " a ", " b ", "()")


@pytest.mark.parametrize("shape", [(4, 2), (5,), (-1, 4), (-1, -1), (0, -1)])
def test_reshape_that_does_not_fit(shape: tuple[int, ...]) -> None:
    x = leaf(np.ones((2, 3)), "x")
    with pytest.raises(tg.ShapeError) as caught:
        x.reshape(shape)
    check_template(caught.value, "reshape", " x ", (2, 3), shape, "multiply to 6")
    run_suggestion(caught.value, x=x)


@pytest.mark.parametrize(
    ("op", "call"),
    [
        ("broadcast_to", lambda x: tg.broadcast_to(x, (4, 4))),
        ("split", lambda x: tg.split(x, 4)),
        ("pad", lambda x: tg.pad(x, -1)),
        ("squeeze", lambda x: tg.squeeze(x, 0)),
        ("sliding_window_view", lambda x: tg.sliding_window_view(x, (5, 1))),
        ("trace", lambda x: tg.trace(x[0])),
        ("einsum", lambda x: tg.einsum("ij,jk->ik", x, x)),
        ("einsum", lambda x: tg.einsum("ijk->i", x)),
        ("einsum", lambda x: tg.einsum("ij->z", x)),
        ("einsum", lambda x: tg.einsum("ij", x, x)),
        ("matmul", lambda x: tg.dot(x, x)),
        ("transpose", lambda x: x.transpose(0, 0)),
        ("transpose", lambda x: x.transpose(0, 1, 2)),
    ],
)
def test_other_shape_errors_name_the_operation_the_tensor_and_its_shape(op: str, call: Any) -> None:
    with pytest.raises(ValueError, match=rf"(?s)^{op}\b.*\(.*3.*\)") as caught:
        call(leaf(np.ones((2, 3)), "x"))
    assert re.search(r"(x|result of getitem)", str(caught.value))


# ---- axes --------------------------------------------------------------------------------------------------------

A = np.random.default_rng(0).permutation(24).reshape(2, 3, 4) / 7.0 + 0.3
AXES: list[Any] = [None, 0, 1, 2, -1, -3, (0,), (0, 2), (-1, 0), (2, 1), (0, 1, 2), (), np.int64(1)]
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
    "var": np.var,
    "std": np.std,
    "norm": lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
    "logsumexp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", AXES, ids=lambda k: type(k).__name__)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_over_every_kind_of_axis(name: str, axis: Any, keepdims: bool) -> None:
    reference = REDUCTIONS[name]
    if name == "std" and isinstance(axis, tuple) and not axis:
        pytest.skip("the standard deviation of one number has a kink")
    t = leaf(A)
    y = getattr(tg, name)(t, axis=axis, keepdims=keepdims)
    expected = reference(A, axis=axis, keepdims=keepdims)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.data, expected, rtol=1e-13)
    g = np.random.default_rng(1).normal(size=y.shape)
    y.backward(g)
    np.testing.assert_allclose(
        t.grad,
        slopes(lambda x: reference(x, axis=axis, keepdims=keepdims) * g, [A], 0),
        rtol=1e-6,
        atol=1e-6 * np.abs(t.grad).max(),
    )
    if hasattr(tg.Tensor, name):
        method = getattr(leaf(A), name)(axis=axis, keepdims=keepdims)
        np.testing.assert_array_equal(method.data, y.data)


ALONG: dict[str, Callable[..., Any]] = {
    "cumsum": np.cumsum,
    "sort": np.sort,
    "flip": np.flip,
    "softmax": lambda x, axis: np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True),
    "log_softmax": lambda x, axis: x - np.log(np.exp(x).sum(axis=axis, keepdims=True)),
    "argmax": np.argmax,
    "argmin": np.argmin,
    "argsort": np.argsort,
}


@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, np.int64(1)], ids=lambda k: type(k).__name__)
def test_functions_along_every_kind_of_axis(name: str, axis: Any) -> None:
    t = leaf(A)
    y = getattr(tg, name)(t, axis=axis)
    expected = ALONG[name](A, axis=axis)
    np.testing.assert_allclose(y.data, expected, rtol=1e-13)
    assert y.shape == expected.shape
    if name.startswith("arg"):
        assert y.dtype.kind == "i"
        assert not y.requires_grad
        return
    g = np.random.default_rng(1).normal(size=y.shape)
    y.backward(g)
    np.testing.assert_allclose(t.grad, slopes(lambda x: ALONG[name](x, axis=axis) * g, [A], 0), rtol=1e-6, atol=1e-7)


TAKES_AN_AXIS = [*REDUCTIONS, *ALONG]
REARRANGE: dict[str, Callable[[tg.Tensor, Any], Any]] = {
    "squeeze": lambda x, axis: tg.squeeze(x, axis),
    "concatenate": lambda x, axis: tg.concatenate([x, x], axis),
    "swapaxes": lambda x, axis: tg.swapaxes(x, 0, axis),
    "moveaxis": lambda x, axis: tg.moveaxis(x, axis, 0),
    "split": lambda x, axis: tg.split(x, 1, axis),
    "repeat": lambda x, axis: tg.repeat(x, 2, axis),
    "take_along_axis": lambda x, axis: tg.take_along_axis(x, np.zeros((1, 1, 1), int), axis),
    "sliding_window_view": lambda x, axis: tg.sliding_window_view(x, 1, axis),
    "transpose": lambda x, axis: x.transpose(0, 1, axis),
}
WITH_AN_AXIS: dict[str, Callable[[tg.Tensor, Any], Any]] = {
    **{name: lambda x, axis, name=name: getattr(tg, name)(x, axis=axis) for name in TAKES_AN_AXIS},
    **REARRANGE,
}


@pytest.mark.parametrize("name", WITH_AN_AXIS)
@pytest.mark.parametrize("axis", [3, -4, 100])
def test_an_axis_that_does_not_exist_is_refused_at_once(name: str, axis: int) -> None:
    with pytest.raises(np.exceptions.AxisError) as caught:
        WITH_AN_AXIS[name](leaf(A, "x"), axis)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, IndexError)
    check_template(caught.value, name, f"axis {axis}", "x", "(2, 3, 4)", "0 to 2", "-1 to -3")


@pytest.mark.parametrize(("name", "limit"), [("stack", "0 to 3"), ("expand_dims", "0 to 3")])
@pytest.mark.parametrize("axis", [4, -5])
def test_a_new_axis_out_of_range_is_refused_at_once(name: str, limit: str, axis: int) -> None:
    x = leaf(A, "x")
    with pytest.raises(np.exceptions.AxisError) as caught:
        tg.stack([x, x], axis) if name == "stack" else tg.expand_dims(x, axis)
    check_template(caught.value, name, f"axis {axis}", "x", "(2, 3, 4)", limit)


@pytest.mark.parametrize("name", [*REDUCTIONS, "flip"])
@pytest.mark.parametrize("axis", [(0, 0), (0, -3), (1, 2, 1)])
def test_an_axis_that_comes_twice_is_refused_at_once(name: str, axis: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"(?s)duplicate|repeated|twice") as caught:
        WITH_AN_AXIS[name](leaf(A, "x"), axis)
    check_template(caught.value, name, "x", "(2, 3, 4)")


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [(0, 3), (-4,), (0, 1, 2, 3)])
def test_a_tuple_with_an_axis_that_does_not_exist(name: str, axis: tuple[int, ...]) -> None:
    with pytest.raises(np.exceptions.AxisError) as caught:
        WITH_AN_AXIS[name](leaf(A, "x"), axis)
    check_template(caught.value, name, "x", "(2, 3, 4)")


@pytest.mark.parametrize("name", WITH_AN_AXIS)
@pytest.mark.parametrize("axis", [1.0, "0", [0]], ids=lambda k: type(k).__name__)
def test_an_axis_that_is_not_an_integer_is_refused_at_once(name: str, axis: Any) -> None:
    if axis == [0] and name in ("moveaxis", "flip"):
        pytest.skip("takes a list of axes")
    with pytest.raises((TypeError, ValueError)):
        WITH_AN_AXIS[name](leaf(A[:1], "x"), axis)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, (), 0, -1, (0,), 1])
def test_reductions_of_a_scalar(name: str, axis: Any) -> None:
    """As NumPy: some accept axis 0 of a scalar. What is accepted in the forward pass must have a gradient."""
    try:
        expected = REDUCTIONS[name](np.array(1.5), axis=axis, keepdims=False)
    except np.exceptions.AxisError:
        expected = None
    x = leaf(1.5, "x")
    try:
        y = getattr(tg, name)(x, axis=axis)
    except np.exceptions.AxisError as error:
        refused: Exception | None = error
    else:
        refused = None
    if refused is not None:
        assert axis not in (None, ())
        check_template(refused, name, "x", "()")
        return
    assert expected is not None
    np.testing.assert_allclose(y.data, expected, rtol=1e-15)
    y.backward()
    np.testing.assert_allclose(x.grad, 0.0 if name in ("var", "std") else 1.0, atol=1e-15)


# ---- indexing ----------------------------------------------------------------------------------------------------

B = np.arange(60.0).reshape(3, 4, 5)
MASK = B % 7 < 3
KEYS: dict[str, Any] = {
    "int": 1,
    "negative": -1,
    "numpy int": np.int64(2),
    "uint8": np.uint8(1),
    "ints": (1, -2, 3),
    "nothing": (),
    "ellipsis": ...,
    "None": None,
    "slice": slice(1, 3),
    "step": slice(None, None, 2),
    "backwards": slice(None, None, -1),
    "backwards step": (slice(None), slice(3, 0, -2)),
    "beyond": slice(1, 100),
    "empty slice": slice(2, 1),
    "slices": (slice(1), slice(None), slice(1, 4, 2)),
    "int and slice": (0, slice(1, 3)),
    "ellipsis first": (..., 2),
    "ellipsis between": (1, ..., slice(None, None, -1)),
    "ellipsis for nothing": (0, 1, 2, ...),
    "new axes": (None, 0, None, slice(1, 3), None),
    "None at the end": (..., None),
    "list": [0, 2],
    "duplicates": [0, 0, 2],
    "duplicates and negative": [2, -1, 2, 0],
    "array": np.array([1, 1, 0]),
    "0-d array": np.array(1),
    "2-d array": np.array([[0, 1], [2, 0]]),
    "uint8 array": np.array([0, 2], np.uint8),
    "empty list": [],
    "empty array": np.array([], int),
    "range": range(2),
    "nested list": [[0, 1], [1, 0]],
    "two lists": ([0, 2, 2], [1, 3, 3]),
    "three lists": ([0, 2, 0], [1, 3, 1], [4, 4, 4]),
    "broadcast lists": ([[0], [2]], [1, 3, 1]),
    "list after slice": (slice(None), [0, 3, 3]),
    "lists around a slice": ([0, 1, 1], slice(None), [2, 2, 2]),
    "int around a slice": (0, slice(None), [1, 1]),
    "list and int": ([0, 1, 1], 2),
    "int and list": (1, [0, 0]),
    "list and None": ([0, 0, 1], None, slice(2)),
    "None between lists": ([0, 0], None, [1, 1]),
    "list and ellipsis": ([0, 0], ..., [1, 1]),
    "list in the middle": (slice(1), [3, 3], slice(None, None, 2)),
    "mask": MASK,
    "mask of two axes": MASK[:, :, 0],
    "mask of one axis": np.array([True, False, True]),
    "mask as a list": [True, False, True],
    "mask after slice": (slice(None), np.array([True, False, False, True])),
    "mask at the end": (..., np.array([True, False, True, False, True])),
    "mask and int": (np.array([True, False, True]), 1),
    "mask and list": (np.array([True, False, True]), [0, 3]),
    "mask and slice": (MASK[:, :, 0], slice(1, 3)),
    "mask and ellipsis": (np.array([True, True, False]), ..., 0),
    "empty mask": np.zeros((3, 4, 5), bool),
    "True": True,
    "False": False,
    "numpy True": np.True_,
    "True and int": (True, 1),
    "tensor": tg.Tensor([0, 0, 2]),
    "tensor mask": tg.Tensor(MASK),
    "0-d tensor": tg.Tensor(1),
    "tensors": (tg.Tensor([0, 1]), tg.Tensor([[2], [2]])),
    "tensor in a slice": slice(tg.Tensor(1), tg.Tensor(3)),
}


def plain(key: Any) -> Any:
    """The key as NumPy would be given it."""
    if isinstance(key, tuple):
        return tuple(plain(k) for k in key)
    if isinstance(key, slice):
        return slice(*(k.item() if isinstance(k, tg.Tensor) else k for k in (key.start, key.stop, key.step)))
    return key.numpy() if isinstance(key, tg.Tensor) else key


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_indexing_in_every_form(key: Any) -> None:
    """The gradient of place p is the sum of what came in wherever p was picked: counted with np.bincount."""
    places = np.arange(B.size).reshape(B.shape)[plain(key)]
    t = leaf(B)
    y = t[key]
    assert y.shape == np.shape(places)
    np.testing.assert_array_equal(y.data, B[plain(key)])
    g = np.random.default_rng(0).normal(size=y.shape)
    expected = np.bincount(np.ravel(places), np.ravel(g), B.size).reshape(B.shape)
    y.backward(g)
    np.testing.assert_allclose(t.grad, expected, rtol=1e-14)
    assert t.grad.flags.writeable

    recorded = tg.gradients((t[key] * t[key] * g).sum(), t, create_graph=True)
    np.testing.assert_allclose(recorded.data, 2 * B * expected, rtol=1e-13, atol=1e-13)
    v = np.random.default_rng(1).normal(size=B.shape)
    second = tg.gradients((recorded * v).sum(), t)
    np.testing.assert_allclose(second.data, 2 * v * expected, rtol=1e-13, atol=1e-13)

    flipped = leaf(B[::-1, :, ::-1])[::-1, :, ::-1]  # a view is indexed like any other
    np.testing.assert_array_equal(flipped[key].data, y.data)


def test_the_example_of_duplicates() -> None:
    x = leaf([1.0, 2.0, 3.0])
    (x[[0, 0, 2]] * [1.0, 10.0, 100.0]).sum().backward()
    assert x.grad.tolist() == [11.0, 0.0, 100.0]


def test_indexing_a_scalar() -> None:
    for key in ((), ..., None, (None, ..., None), True, np.array(True)):
        x = leaf(2.0)
        y = x[key]
        assert y.shape == np.array(2.0)[key].shape
        y.sum().backward()
        assert x.grad == 1.0
    with pytest.raises(IndexError, match="getitem"):
        leaf(2.0)[0]


def test_an_index_that_changes_after_the_forward_pass() -> None:
    x, key = leaf([1.0, 2.0, 3.0]), np.array([0, 0])
    y = x[key]
    key[:] = 2
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "key",
    [
        3,
        -4,
        np.int64(3),
        [0, 3],
        [-4],
        np.array([[0], [7]]),
        (0, 4),
        (slice(None), 4),
        (..., 5),
        (0, 0, 0, 0),
        (..., ...),
        [True, False],
        np.ones((3, 5), bool),
        (slice(None), [True, False]),
        ([0, 1], [0, 1, 2]),
        tg.Tensor([3]),
        tg.Tensor(3),
    ],
    ids=lambda k: type(k).__name__,
)
def test_an_index_out_of_range_is_refused_at_once(key: Any) -> None:
    with pytest.raises(IndexError):
        B[plain(key)]
    with pytest.raises(IndexError) as caught:
        leaf(B, "x")[key]
    check_template(caught.value, "getitem", "x", "(3, 4, 5)")


@pytest.mark.parametrize(
    "key",
    [1.0, "a", [1.0], np.array([1.0]), np.float64(1), 1j, object(), tg.Tensor([1.0]), tg.Tensor(1.0), [None], ["a"], {}, 2**70],
    ids=lambda k: repr(k)[:9],
)
def test_what_is_not_an_index_is_refused(key: Any) -> None:
    with pytest.raises(IndexError) as caught:
        leaf(B, "x")[key]
    check_template(caught.value, "getitem")
    assert "integer" in str(caught.value)


def test_ragged_lists_and_zero_steps_are_refused() -> None:
    with pytest.raises((ValueError, IndexError), match="getitem"):
        leaf(B, "x")[[[0, 1], [1]]]
    with pytest.raises(ValueError, match=r"(?s)getitem.*zero.*x"):
        leaf(B, "x")[::0]


def test_an_object_that_is_an_integer_for_python_is_an_index() -> None:
    class Second:
        def __index__(self) -> int:
            return 1

    x = leaf(B)
    np.testing.assert_array_equal(x[Second()].data, B[1])
    np.testing.assert_array_equal(x[Second() : 3].data, B[1:3])


# ---- unusual memory ----------------------------------------------------------------------------------------------


def _read_only() -> np.ndarray:
    array = np.arange(12.0).reshape(3, 4)
    array.flags.writeable = False
    return array


STRIDES: dict[str, Callable[[], np.ndarray]] = {
    "transposed": lambda: np.arange(12.0).reshape(4, 3).T,
    "column order": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "every second": lambda: np.arange(48.0).reshape(6, 8)[::2, ::2],
    "negative": lambda: np.arange(12.0).reshape(3, 4)[::-1, ::-1],
    "negative step": lambda: np.arange(48.0).reshape(6, 8)[::-2, ::-2],
    "read-only": _read_only,
    "repeated": lambda: np.broadcast_to(np.arange(4.0), (3, 4)),
    "windows": lambda: np.lib.stride_tricks.sliding_window_view(np.arange(6.0), 4),
    "unaligned": lambda: np.frombuffer(b"\0" + np.arange(12.0).tobytes(), np.uint8)[1:].view(float).reshape(3, 4),
    "matrix subclass": lambda: np.ma.array(np.arange(12.0).reshape(3, 4)),
}


@pytest.mark.parametrize("make", STRIDES.values(), ids=STRIDES.keys())
def test_arrays_with_unusual_memory_are_accepted(make: Callable[[], np.ndarray]) -> None:
    array = make()
    numbers = np.array(array)
    before = array.tobytes()
    x, w = leaf(array, "x"), leaf(np.arange(8.0).reshape(4, 2))
    loss = (tg.tanh(x @ w * 0.01) * 0.5).sum() + (x * array).sum() + (x[:, ::-2] * x.T[::-2].T).sum()
    loss.backward()

    def formula(v: np.ndarray) -> float:
        return np.sum(np.tanh(v @ w.numpy() * 0.01) * 0.5) + np.sum(v * numbers) + np.sum(v[:, ::-2] ** 2)

    np.testing.assert_allclose(loss.item(), formula(numbers), rtol=1e-13)
    np.testing.assert_allclose(x.grad, slopes(formula, [numbers], 0, 1e-5), rtol=1e-6, atol=1e-6)
    assert array.tobytes() == before
    assert array.flags.writeable == make().flags.writeable


@pytest.mark.parametrize("make", STRIDES.values(), ids=STRIDES.keys())
def test_a_seed_gradient_with_unusual_memory(make: Callable[[], np.ndarray]) -> None:
    seed = make()
    x = leaf(np.ones((3, 4)))
    (x + 0.0).backward(seed)
    np.testing.assert_array_equal(x.grad, seed)
    assert x.grad.flags.writeable
    x.grad += 1.0


def test_results_that_are_views_work_like_others() -> None:
    """transpose, slices, broadcast_to and windows share memory with their operand; everything after them must not care."""
    x = leaf(np.arange(12.0).reshape(3, 4))
    views = {
        "transpose": lambda t: t.T,
        "slice": lambda t: t[::-1, ::2],
        "reshape": lambda t: t.T.reshape(-1),
        "broadcast": lambda t: tg.broadcast_to(t, (2, 3, 4)),
        "flip": lambda t: tg.flip(t, 0),
        "windows": lambda t: tg.sliding_window_view(t, (2, 2)),
        "swapaxes": lambda t: t.swapaxes(0, 1)[:, None],
    }
    for (one, f), (two, h) in itertools.product(views.items(), views.items()):
        if f(x).ndim < 2 or (two == "windows" and f(x).ndim != 2) or (two == "slice" and f(x).ndim < 2):
            continue
        if two in ("broadcast",) and f(x).shape != (3, 4):
            continue
        x.zero_grad()
        y = h(f(x))
        places = h(f(tg.Tensor(np.arange(12).reshape(3, 4)))).numpy()
        np.testing.assert_array_equal(y.data, x.numpy().ravel()[places], err_msg=f"{one}, {two}")
        g = np.random.default_rng(0).normal(size=y.shape)
        y.backward(g)
        np.testing.assert_allclose(x.grad.ravel(), np.bincount(places.ravel(), g.ravel(), 12), rtol=1e-13)
