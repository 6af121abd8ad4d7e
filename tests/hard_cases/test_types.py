"""Types: what a Tensor holds, what it works with, and how Python and NumPy see it."""

from __future__ import annotations

import copy
import operator
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import leaf, slopes

import tinygrad_edu as tg

# ---- integers and booleans with requires_grad --------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [1, [1, 2], True, [True, False], np.arange(3), np.uint8([1]), np.int32(4)], ids=lambda d: repr(d)[:20]
)
def test_integers_and_booleans_have_no_gradient(data: Any) -> None:
    dtype = str(np.asarray(data).dtype)
    with pytest.raises(TypeError) as caught:
        tg.Tensor(data, requires_grad=True, name="k")
    assert re.match(rf"Tensor k holds {dtype}, which has no derivatives", str(caught.value))
    assert "give floats" in str(caught.value)
    (suggested,) = re.findall(r"dtype=\w+", str(caught.value))
    t = eval(f"tg.Tensor(data, requires_grad=True, name='k', {suggested})", {"tg": tg, "data": data})
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.grad, 2.0 * np.asarray(data))


def test_requires_grad_cannot_be_switched_on_for_integers() -> None:
    t = tg.Tensor([1, 2], name="k")
    with pytest.raises(TypeError, match="Tensor k holds int64"):
        t.requires_grad = True
    assert not t.requires_grad


def test_functions_that_differentiate_refuse_integers() -> None:
    for call in (
        lambda: tg.grad(lambda x: x * x)(3),
        lambda: tg.value_and_grad(lambda x: x * x)(np.int64(3)),
        lambda: tg.jacobian(lambda x: x * x)([1, 2]),
        lambda: tg.hessian(lambda x: (x * x).sum())([1, 2]),
        lambda: tg.vjp(lambda x: x * x, [1, 2]),
        lambda: tg.jvp(lambda x: x * x, [[1, 2]], [[1.0, 1.0]]),
    ):
        with pytest.raises(TypeError, match=r"(?s)argument 0 holds int64.*floats"):
            call()
    k = tg.Tensor([1, 2], name="k")
    with pytest.raises(tg.GradientError, match=r"Tensor k holds int64"):
        tg.gradients((k * 1.0).sum(), k)


def test_integers_are_constants_in_a_computation() -> None:
    w = leaf([1.0, 2.0])
    (w * tg.Tensor([3, 4]) + tg.Tensor([True, False])).sum().backward()
    assert w.grad.tolist() == [3.0, 4.0]


# ---- float32 with float64 ----------------------------------------------------------------------------------------

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "@": operator.matmul,
}
FLOATS = [np.float16, np.float32, np.float64]


@pytest.mark.parametrize("sign", BINARY)
@pytest.mark.parametrize("left", FLOATS)
@pytest.mark.parametrize("right", [*FLOATS, np.int8, np.int64, np.bool_])
def test_types_promote_as_in_numpy_and_gradients_have_the_dtype_of_their_leaf(sign: str, left: Any, right: Any) -> None:
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]], left), np.array([[1, 0], [1, 1]], right)
    if sign == "/" or (sign == "**" and right is np.bool_):
        b = np.ones((2, 2), right)
    if sign == "**" and right is np.bool_:
        pytest.skip("NumPy has no power with a boolean exponent for every float")
    for x, y in ((a, b), (b, a)) if sign != "**" else ((a, b),):
        s, t = (tg.Tensor(v, requires_grad=v.dtype.kind == "f") for v in (x, y))
        z = BINARY[sign](s, t)
        expected = BINARY[sign](x, y)
        assert z.dtype == expected.dtype
        np.testing.assert_array_equal(z.data, expected)
        z.sum().backward()
        for leaf_ in (s, t):
            if leaf_.requires_grad:
                assert leaf_.grad.dtype == leaf_.dtype
                assert np.isfinite(leaf_.grad).all()


@pytest.mark.parametrize("sign", [s for s in BINARY if s != "@"])
@pytest.mark.parametrize("number", [2, 2.0, True, np.float32(2), np.float64(2), np.int64(2), np.float16(2)], ids=repr)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_numbers_promote_as_in_numpy(sign: str, number: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    """A Python number adapts to float32, a NumPy number does not; in both orders."""
    op = BINARY[sign]
    array = np.full(shape, 3, dtype)[()]
    for f in (lambda x: op(x, number), lambda x: op(number, x)):
        t = tg.Tensor(array, requires_grad=True)
        y = f(t)
        assert isinstance(y, tg.Tensor)
        assert y.dtype == f(array).dtype
        np.testing.assert_array_equal(y.data, f(array))
        y.sum().backward()
        assert t.grad.dtype == dtype
        half = np.float16 in (dtype, type(number))
        np.testing.assert_allclose(t.grad, slopes(f, [np.full(shape, 3.0)], 0), rtol=2e-3 if half else 1e-5)


@pytest.mark.parametrize("small", [np.float16, np.float32, np.int8, np.uint8])
def test_a_float64_leaf_gets_a_float64_gradient_in_more_than_name(small: Any) -> None:
    """The other operand's type must not round the local derivative: 1 / float32(3) has 7 right digits."""
    b = np.array([3, 7], small)
    for f, slope in [
        (lambda t: t / b, lambda x, c: 1 / c),
        (lambda t: b / t, lambda x, c: -c / x**2),
        (lambda t: t * b, lambda x, c: c),
        (lambda t: t**b, lambda x, c: c * x ** (c - 1)),
        (lambda t: b**t, lambda x, c: c**x * np.log(c)),
        (lambda t: tg.where([True, True], t / b, b), lambda x, c: 1 / c),
    ]:
        t = leaf([1.5, 2.5])
        f(t).sum().backward()
        np.testing.assert_allclose(t.grad, slope(t.numpy(), b.astype(float)), rtol=1e-14)


JOINING: dict[str, Callable[..., Any]] = {
    "concatenate": lambda m, a, b: m.concatenate([a, b]),
    "stack": lambda m, a, b: m.stack([a, b]),
    "where": lambda m, a, b: m.where(np.array([True, False]), a, b),
    "maximum": lambda m, a, b: m.maximum(a, b),
    "minimum": lambda m, a, b: m.minimum(a, b),
    "dot": lambda m, a, b: m.dot(a, b),
    "matmul": lambda m, a, b: m.matmul(a, b),
    "outer": lambda m, a, b: m.outer(a, b),
    "einsum": lambda m, a, b: m.einsum("i,j->ij", a, b),
    "clip": lambda m, a, b: m.clip(a, b, b),
}


@pytest.mark.parametrize("name", JOINING)
@pytest.mark.parametrize(("left", "right"), [(np.float32, np.float64), (np.float64, np.float32), (np.float32, np.float32)])
def test_functions_of_two_arrays_promote_as_in_numpy(name: str, left: Any, right: Any) -> None:
    f = JOINING[name]
    a, b = np.array([1.0, 2.0], left), np.array([3.0, 1.0], right)
    s, t = tg.Tensor(a, requires_grad=True), tg.Tensor(b, requires_grad=True)
    y = f(tg, s, t)
    expected = f(np, a, b)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y.data, expected)
    y.sum().backward()
    assert (s.grad.dtype, t.grad.dtype) == (left, right)


# fmt: off
UNARY_NAMES = [
    "abs", "negative", "square", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh",
    "arctan", "sigmoid", "log_sigmoid", "softplus", "relu", "silu", "gelu", "selu", "leaky_relu", "elu", "celu",
    "sum", "mean", "max", "min", "prod", "var", "std", "norm", "cumsum", "sort", "softmax", "log_softmax",
    "logsumexp", "ravel", "transpose", "flip", "squeeze",
]
# fmt: on


@pytest.mark.parametrize("name", UNARY_NAMES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_every_function_keeps_float32(name: str, dtype: Any, shape: tuple[int, ...]) -> None:
    if not shape and name in ("sort", "softmax", "log_softmax", "cumsum"):
        pytest.skip("needs an axis")
    x = tg.Tensor(np.full(shape, 0.5, dtype), requires_grad=True)
    y = getattr(tg, name)(x)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype
    first = tg.gradients(getattr(tg, name)(x).sum(), x, create_graph=True)
    assert first.dtype == dtype


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_losses_keep_float32(loss: str) -> None:
    p = tg.Tensor(np.float32([0.2, 0.7]), requires_grad=True)
    y = getattr(tg, loss)(p, np.float32([0.0, 1.0]))
    assert y.dtype == np.float32
    y.backward()
    assert p.grad.dtype == np.float32


def test_one_leaf_used_in_both_precisions_adds_up_in_its_own() -> None:
    w = tg.Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    ((w * np.array([0.1, 0.2])).sum() + (w * np.float32(3.0)).sum()).backward()
    assert w.grad.dtype == np.float32
    np.testing.assert_allclose(w.grad, [3.1, 3.2], rtol=1e-6)


def test_a_foreign_byte_order_works() -> None:
    w = tg.Tensor(np.array([1.0, 2.0], ">f8"), requires_grad=True)
    (w * w).sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]


# ---- complex, objects, strings, None, ragged ---------------------------------------------------------------------

NOT_NUMBERS = {
    "complex": (1j, "complex"),
    "complex list": ([1.0, 2j], "list.*complex128"),
    "complex array": (np.array([1j]), "ndarray.*complex128"),
    "complex scalar": (np.complex64(1j), "complex64"),
    "object array": (np.array([1, None]), "ndarray.*object"),
    "string": ("abc", "str"),
    "number as a string": ("1.5", "str"),
    "bytes": (b"abc", "bytes"),
    "strings": (["a", "b"], "list.*U1"),
    "string array": (np.array(["1.5"]), "ndarray.*U3"),
    "None": (None, "NoneType"),
    "list with None": ([1.0, None], "list.*object"),
    "ragged": ([[1.0], [1.0, 2.0]], "list"),
    "ragged 0-d": ([[1.0, 2.0], 3.0], "list"),
    "huge int": ([10**30], "list.*object"),
    "dates": (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
    "record": (np.zeros(2, [("a", float)]), "ndarray"),
}


@pytest.mark.parametrize(("data", "words"), NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
@pytest.mark.parametrize("dtype", [None, float], ids=["as it is", "dtype=float"])
def test_what_is_not_a_number_is_refused(data: Any, words: str, dtype: Any) -> None:
    """With dtype=float too, where NumPy would make None a NaN, "1.5" a number and drop the imaginary part."""
    if dtype is float:
        words = words.split(".*")[0]  # the type of the operand; of its numbers when NumPy was free to choose it
        if words == "list" and isinstance(data[-1], int):
            pytest.skip("a float can hold the huge integer")
    with pytest.raises((TypeError, ValueError), match=rf"(?s)Tensor w.*{words}"):
        tg.Tensor(data, name="w", dtype=dtype)


@pytest.mark.parametrize("kind", ["object", "dict", "set", "generator", "function"])
def test_other_objects_are_refused(kind: str) -> None:
    data = {"object": object(), "dict": {"a": 1.0}, "set": {1.0}, "generator": (i for i in range(3)), "function": len}[kind]
    with pytest.raises(TypeError, match=rf"Tensor w: \w*{kind[:4]}"):
        tg.Tensor(data, name="w")
    x = leaf([1.0, 2.0], "x")
    with pytest.raises(TypeError, match=kind[:4]):
        tg.exp(data)
    for op in BINARY.values():
        with pytest.raises(TypeError):
            op(x, data)
        with pytest.raises(TypeError):
            op(data, x)


@pytest.mark.parametrize(("data", "words"), NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
@pytest.mark.parametrize("sign", ["+", "*", "@", "**"])
def test_an_operand_that_is_not_a_number_is_refused_in_both_orders(data: Any, words: str, sign: str) -> None:
    x = leaf([1.0, 2.0], "x")
    name = {"+": "add", "*": "multiply", "@": "matmul", "**": "power"}[sign]
    for call in (lambda: BINARY[sign](x, data), lambda: BINARY[sign](data, x), lambda: getattr(tg, name)(x, data)):
        with pytest.raises((TypeError, ValueError), match=rf"(?s){name}: .*{words}"):
            call()


def test_numbers_too_large_for_a_float_are_refused() -> None:
    x = leaf([1.0, 2.0], "x")
    for call in (lambda: x * 10**400, lambda: 10**400 * x, lambda: tg.Tensor([10**400], name="x")):
        with pytest.raises((TypeError, OverflowError)):
            call()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tg.power(-8.0, 0.5), np.nan),
        (lambda: tg.power(0.0, -1.0), np.inf),
        (lambda: tg.divide(1.0, 0.0), np.inf),
        (lambda: tg.divide(0.0, 0.0), np.nan),
        (lambda: tg.add(1, 2), 3),
        (lambda: tg.multiply(True, 2.5), 2.5),
    ],
)
def test_two_python_numbers_are_computed_as_numpy_does(call: Callable[[], tg.Tensor], expected: float) -> None:
    """Python raises ZeroDivisionError for 1.0 / 0.0 and makes (-8.0) ** 0.5 complex; a Tensor holds real numbers."""
    with np.errstate(all="ignore"):
        y = call()
    assert y.dtype.kind in "fiu"
    np.testing.assert_equal(y.item(), expected)


# ---- a list that contains tensors --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [list, tuple])
@pytest.mark.parametrize("values", [(1.0, 2.0), ([1.0, 2.0], [3.0, 4.0])])
def test_a_list_of_tensors_is_refused_and_stack_works(wrap: Any, values: Any) -> None:
    parts = wrap(leaf(v) for v in values)
    with pytest.raises(TypeError, match=r"(?s)Tensor w.*contains Tensors.*lose") as caught:
        tg.Tensor(parts, name="w")
    (suggested,) = re.findall(r"tg\.stack", str(caught.value))
    y = eval(suggested, {"tg": tg})(parts)
    assert y.shape == np.shape(values)
    (y * y).sum().backward()
    assert [p.grad.tolist() for p in parts] == [(2 * np.array(v)).tolist() for v in values]


def test_lists_that_hold_tensors_anywhere_are_refused() -> None:
    s = leaf(1.0)
    for data in ([1.0, s], [[1.0], [s]], [[[s]]], (s, 1.0), [(s,), (2.0,)]):
        with pytest.raises(TypeError, match="stack"):
            tg.Tensor(data)
        with pytest.raises(TypeError, match="stack"):
            leaf([1.0, 2.0]) + data
    x = leaf([1.0, 2.0])
    y = tg.stack([1.0, s])
    assert y.requires_grad
    with pytest.raises(TypeError, match=r"Tensor already"):
        tg.Tensor(x)
    held = np.empty(2, object)
    held[0], held[1] = x, s
    with pytest.raises(TypeError):
        tg.Tensor(held)
    for make in (np.array, np.asarray, np.stack):
        try:
            made = make([x, x])
        except TypeError:
            continue
        assert isinstance(made, tg.Tensor)


ENDLESS = """
import tinygrad_edu as tg
endless = [1.0]
endless.append(endless)
try:
    tg.Tensor(endless)
except (TypeError, ValueError):
    print("refused")
"""


def test_a_list_that_holds_itself_is_refused() -> None:
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=10, check=False)
    assert done.stdout.strip() == "refused", done.stderr


# ---- ndarray op Tensor, NumPy functions --------------------------------------------------------------------------

OPERANDS: dict[str, Any] = {
    "vector": np.array([1.5, 2.0, 0.5]),
    "matrix": np.array([[1.5, 2.0, 0.5], [1.0, 3.0, 2.5]]),
    "0-d": np.array(1.5),
    "float64": np.float64(1.5),
    "float32": np.float32(1.5),
    "int64": np.int64(2),
    "integers": np.array([1, 2, 3]),
    "booleans": np.array([True, False, True]),
    "list": [1.5, 2.0, 0.5],
    "tuple": (1.5, 2.0, 0.5),
    "int": 2,
    "float": 1.5,
}


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**"])
@pytest.mark.parametrize("other", OPERANDS.values(), ids=OPERANDS.keys())
def test_operators_with_arrays_and_numbers_record_in_both_orders(sign: str, other: Any) -> None:
    op, x = BINARY[sign], np.array([1.0, 2.0, 3.0])
    plain = np.asarray(other) if isinstance(other, (list, tuple)) else other
    for f in (lambda t, o: op(t, o), lambda t, o: op(o, t)):
        if sign in ("/", "**") and plain is OPERANDS["booleans"]:
            continue
        t = leaf(x)
        y = f(t, other)
        assert type(y) is tg.Tensor
        np.testing.assert_allclose(y.data, f(x, plain), rtol=1e-15)
        y.sum().backward()
        np.testing.assert_allclose(t.grad, slopes(lambda v, f=f: f(v, plain), [x], 0), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((2, 3)), np.arange(3.0)),
        (np.arange(3.0), np.ones((3, 2))),
        (np.arange(3.0), np.arange(3.0)),
        (np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)),
        (np.arange(24.0).reshape(4, 2, 3), np.arange(12.0).reshape(3, 4)),
    ],
)
def test_the_matrix_product_of_an_ndarray_and_a_tensor_is_recorded(a: np.ndarray, b: np.ndarray) -> None:
    """``x @ W`` with plain data x is the first line of every model."""
    for left, right in ((a, leaf(b)), (leaf(a), b), (a.tolist(), leaf(b)), (leaf(a), b.tolist())):
        y = left @ right
        assert type(y) is tg.Tensor
        np.testing.assert_array_equal(y.data, a @ b)
        y.sum().backward()
        which = 0 if isinstance(left, tg.Tensor) else 1
        found = (left if which == 0 else right).grad
        np.testing.assert_allclose(found, slopes(np.matmul, [a, b], which), rtol=1e-6, atol=1e-8)
    for y in (np.matmul(a, leaf(b)), np.matmul(leaf(a), b)):
        assert type(y) is tg.Tensor
        assert y.requires_grad


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_in_both_orders(sign: str) -> None:
    op = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}[sign]
    x = np.array([1.0, 2.0, 3.0])
    for other in (np.array([3.0, 2.0, 1.0]), np.float64(2.0), np.array(2.0), 2, 2.0):
        for y, expected in ((op(leaf(x), other), op(x, other)), (op(other, leaf(x)), op(other, x))):
            assert type(y) is tg.Tensor
            assert y.dtype == np.bool_
            assert not y.requires_grad
            assert y.tolist() == expected.tolist()


SAME: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (np.tanh, lambda t: tg.tanh(t)),
    "exp": (np.exp, lambda t: t.exp()),
    "log": (np.log, lambda t: t.log()),
    "sqrt": (np.sqrt, lambda t: t.sqrt()),
    "abs": (np.abs, lambda t: abs(t)),
    "negative": (np.negative, lambda t: -t),
    "square": (np.square, lambda t: t * t),
    "power": (lambda t: np.power(t, 3), lambda t: t**3),
    "add": (lambda t: np.add(t, 1.0), lambda t: t + 1.0),
    "divide": (lambda t: np.divide(1.0, t), lambda t: 1.0 / t),
    "maximum": (lambda t: np.maximum(t, 2.0), lambda t: tg.maximum(t, 2.0)),
    "sum": (np.sum, lambda t: t.sum()),
    "sum axis": (lambda t: np.sum(t, axis=0), lambda t: t.sum(axis=0)),
    "sum keepdims": (lambda t: np.sum(t, 1, keepdims=True), lambda t: t.sum(1, keepdims=True)),
    "mean": (lambda t: np.mean(t, axis=(0, 1)), lambda t: t.mean((0, 1))),
    "max": (lambda t: np.max(t, axis=1), lambda t: t.max(axis=1)),
    "amin": (np.amin, lambda t: t.min()),
    "prod": (np.prod, lambda t: t.prod()),
    "var": (lambda t: np.var(t, ddof=1), lambda t: t.var(ddof=1)),
    "std": (lambda t: np.std(t, axis=0), lambda t: t.std(axis=0)),
    "cumsum": (lambda t: np.cumsum(t, axis=1), lambda t: t.cumsum(axis=1)),
    "where": (lambda t: np.where(np.array([True, False]), t, 0.0), lambda t: tg.where([True, False], t, 0.0)),
    "where b": (lambda t: np.where(np.array([True, False]), 1.0, t), lambda t: tg.where([True, False], 1.0, t)),
    "reshape": (lambda t: np.reshape(t, (4,)), lambda t: t.reshape(4)),
    "ravel": (np.ravel, lambda t: t.ravel()),
    "transpose": (np.transpose, lambda t: t.T),
    "transpose axes": (lambda t: np.transpose(t, (0, 1)), lambda t: t.transpose(0, 1)),
    "swapaxes": (lambda t: np.swapaxes(t, 0, 1), lambda t: t.swapaxes(0, 1)),
    "moveaxis": (lambda t: np.moveaxis(t, 0, 1), lambda t: t.T),
    "squeeze": (lambda t: np.squeeze(t[None]), lambda t: t[None].squeeze()),
    "expand_dims": (lambda t: np.expand_dims(t, 1), lambda t: t[:, None]),
    "broadcast_to": (lambda t: np.broadcast_to(t, (3, 2, 2)), lambda t: tg.broadcast_to(t, (3, 2, 2))),
    "concatenate": (lambda t: np.concatenate([t, np.ones((1, 2))]), lambda t: tg.concatenate([t, np.ones((1, 2))])),
    "stack": (lambda t: np.stack([t, t], axis=1), lambda t: tg.stack([t, t], axis=1)),
    "split": (lambda t: np.split(t, 2)[1], lambda t: t[1:]),
    "pad": (lambda t: np.pad(t, 1), lambda t: tg.pad(t, 1)),
    "flip": (np.flip, lambda t: t[::-1, ::-1]),
    "repeat": (lambda t: np.repeat(t, 2, axis=0), lambda t: t[[0, 0, 1, 1]]),
    "tile": (lambda t: np.tile(t, (2, 1)), lambda t: tg.concatenate([t, t])),
    "dot": (lambda t: np.dot(t, t), lambda t: t.dot(t)),
    "matmul": (lambda t: np.matmul(t, t), lambda t: t @ t),
    "outer": (lambda t: np.outer(t, t), lambda t: tg.outer(t, t)),
    "einsum": (lambda t: np.einsum("ij,jk->ik", t, t), lambda t: t @ t),
    "trace": (np.trace, lambda t: t.trace()),
    "norm": (np.linalg.norm, lambda t: tg.norm(t)),
    "sort": (lambda t: np.sort(t, axis=0), lambda t: tg.sort(t, axis=0)),
    "clip": (lambda t: np.clip(t, 1.0, 2.0), lambda t: t.clip(1.0, 2.0)),
    "take_along_axis": (
        lambda t: np.take_along_axis(t, np.array([[0], [1]]), 1),
        lambda t: tg.take_along_axis(t, np.array([[0], [1]]), 1),
    ),
    "sliding windows": (lambda t: np.lib.stride_tricks.sliding_window_view(t, 2, 1), lambda t: tg.sliding_window_view(t, 2, 1)),
}


@pytest.mark.parametrize("name", SAME)
def test_numpy_functions_are_recorded_like_ours(name: str) -> None:
    theirs, ours = SAME[name]
    x = np.array([[1.3, 2.2], [0.4, 1.7]])
    s, t = leaf(x), leaf(x)
    y, z = theirs(s), ours(t)
    assert type(y) is tg.Tensor
    np.testing.assert_allclose(y.data, theirs(x), rtol=1e-14)
    np.testing.assert_allclose(y.data, z.data, rtol=1e-14)
    weights = np.arange(1.0, y.size + 1).reshape(y.shape)
    y.backward(weights)
    z.backward(weights)
    np.testing.assert_allclose(s.grad, t.grad, rtol=1e-14)
    np.testing.assert_allclose(s.grad, slopes(lambda v: theirs(v) * weights, [x], 0), rtol=1e-6, atol=1e-7)


def test_numpy_functions_that_only_look() -> None:
    t = leaf([[1.0, 2.0, 3.0]])
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((1, 3), 2, 3)
    assert np.allclose(t, [[1.0, 2.0, 3.0]])
    assert np.array_equal(t, t)
    assert np.any(t > 2.0)
    assert not np.all(t > 2.0)
    assert np.argmax(t).item() == 2
    assert np.argsort(t).tolist() == [[0, 1, 2]]
    assert np.zeros_like(t).tolist() == [[0.0, 0.0, 0.0]]
    assert np.ones_like(t).tolist() == [[1.0, 1.0, 1.0]]


UFUNCS_RECORDED = {op.numpy for op in tg.ops.OPS.values()}
UFUNCS = sorted({f for f in vars(np).values() if isinstance(f, np.ufunc)}, key=lambda f: f.__name__)
DISPATCHED = sorted(
    {
        (f"{room.__name__}.{name}", f)
        for room in (np, np.linalg, np.fft, np.lib.stride_tricks)
        for name, f in vars(room).items()
        if not name.startswith("_") and hasattr(f, "_implementation")
    },
    key=lambda pair: pair[0],
)


def _detached(result: Any) -> bool:
    """Whether a float array came out: the numbers of a tracked Tensor without its record, or Tensors as objects."""
    if isinstance(result, (list, tuple)):
        return any(_detached(part) for part in result)
    return isinstance(result, (np.ndarray, np.floating)) and result.dtype.kind in "fO"


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_every_ufunc_is_recorded_or_refused(ufunc: np.ufunc) -> None:
    x = leaf([[0.25, 0.5], [0.75, 0.125]], "x")
    if ufunc in UFUNCS_RECORDED:
        y = ufunc(*[x] * ufunc.nin)
        assert type(y) is tg.Tensor
        np.testing.assert_allclose(y.data, ufunc(*[x.numpy()] * ufunc.nin), rtol=1e-14)
        assert y.requires_grad is y.op.differentiable
    else:
        with pytest.raises(TypeError, match=ufunc.__name__):
            ufunc(*[x] * ufunc.nin)
    for method in ("reduce", "accumulate", "outer", "at", "reduceat"):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            getattr(ufunc, method)(x, x)
    with pytest.raises(TypeError, match=r"lose its gradient|not recorded"):
        ufunc(*[x] * ufunc.nin, out=tuple([np.ones((2, 2))] * ufunc.nout))


def test_a_function_that_is_not_recorded_is_called_by_its_whole_name() -> None:
    with pytest.raises(TypeError, match=r"^np\.linalg\.svd is not recorded"):
        np.linalg.svd(leaf([[1.0, 2.0], [3.0, 4.0]], "x"))


@pytest.mark.parametrize(("name", "function"), DISPATCHED, ids=[name for name, _ in DISPATCHED])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_numpy_function_loses_the_record(name: str, function: Any, count: int) -> None:
    """Whatever is not recorded raises TypeError: never an object array, never floats without their gradient."""
    x = leaf([[0.25, 0.5], [0.75, 0.125]], "x")
    calls = [lambda v: function(*[v] * count), lambda v: function([v] * count)]
    if count > 1:
        calls.append(lambda v: function(v, *[1] * (count - 1)))
        calls.append(lambda v: function(v, *[np.ones((2, 2))] * (count - 1)))
    for call in calls:
        try:
            result = call(x)
        except (TypeError, ValueError, IndexError):
            continue
        except AttributeError:  # NumPy's own, for what is not an array
            with pytest.raises(AttributeError):
                call(x.numpy())
            continue
        assert not _detached(result), (name, result)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: np.arcsin(x), "np.arcsin"),
        (lambda x: np.add.reduce(x), "np.add.reduce"),
        (lambda x: np.add(x, 1.0, dtype=np.float32), "np.add.*dtype="),
        (lambda x: np.add(x, 1.0, casting="unsafe"), "np.add.*casting="),
        (lambda x: np.median(x), "np.median"),
        (lambda x: np.roll(x, 1), "np.roll"),
        (lambda x: np.sum(x, dtype=np.float32), "sum.*dtype"),
        (lambda x: np.sum(x, out=np.zeros(())), "sum.*out"),
        (lambda x: np.max(x, initial=0.0), "max.*initial"),
    ],
)
def test_what_numpy_cannot_do_here_is_named_and_the_way_out_works(call: Callable[[Any], Any], words: str) -> None:
    x = leaf([0.25, 0.5], "x")
    with pytest.raises(TypeError, match=words) as caught:
        call(x)
    assert "Try:" not in str(caught.value) or "t.numpy()" in str(caught.value)
    call(x.numpy())


def test_a_tracked_tensor_does_not_become_an_ndarray() -> None:
    x = leaf([1.0, 2.0], "x")
    for call in (
        lambda: np.array(x),
        lambda: np.asarray(x),
        lambda: np.array([x, x]),
        lambda: np.array([1.0, x[0]]),
        lambda: np.asarray(x, dtype=np.float32),
        lambda: np.random.default_rng(0).permutation(x),
        lambda: np.ascontiguousarray(x),
    ):
        with pytest.raises(TypeError, match=r"(?s)lose its gradient.*numpy\(\).*data|not recorded"):
            call()
    assert np.array(x.numpy()).tolist() == [1.0, 2.0]
    assert np.asarray(x.detach()).tolist() == [1.0, 2.0]
    assert np.asarray(tg.Tensor([1, 2])).tolist() == [1, 2]
    assert np.ones(3)[tg.Tensor([0, 2])].tolist() == [1.0, 1.0]


def test_a_foreign_type_gets_its_turn() -> None:
    """NotImplemented, so that the other operand's reflected operator is asked."""

    class Other:
        def __radd__(self, left: Any) -> str:
            return "theirs"

        def __rmatmul__(self, left: Any) -> str:
            return "theirs"

        def __eq__(self, left: object) -> Any:
            return "theirs"

        __hash__ = None

    x = leaf([1.0])
    assert (x + Other(), x @ Other(), x == Other()) == ("theirs",) * 3


# ---- bool, in, hash, iteration, conversion -----------------------------------------------------------------------


def test_truth_is_numpys() -> None:
    for value in (0.0, 2.0, [0.0], [[3.0]], True, False, np.nan, -0.0):
        assert bool(tg.Tensor(value)) is bool(np.array(value))
    for value in ([1.0, 2.0], [[1.0], [2.0]], []):
        with pytest.raises(ValueError, match=r"(?s)truth value.*Tensor t.*\(.*\).*ambiguous") as caught:
            bool(tg.Tensor(value, name="t"))
        for code in re.findall(r"\.\w+\(\)\.\w+\(\)", str(caught.value)):
            assert eval(f"t{code}", {"t": tg.Tensor(value)}) in (True, False)
    with pytest.raises(ValueError, match="ambiguous"):
        _ = leaf([1.0, 2.0]) > 1.0 or True


def test_membership() -> None:
    t, u, other = leaf([1.0, 2.0], "t"), leaf([1.0, 2.0], "u"), leaf([[1.0, 2.0, 3.0]])
    assert t in [t, u]
    assert 1.0 in t
    assert 5.0 not in t
    assert t[0] in t
    with pytest.raises(ValueError, match="ambiguous"):  # as in NumPy
        _ = t in [u]
    with pytest.raises(ValueError, match=r"do not broadcast|ambiguous"):
        _ = t in [other]
    assert any(t is x for x in [u, t])


def test_hash_is_identity() -> None:
    t, twin = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    assert hash(t) == hash(t)
    assert len({t, twin, t}) == 2
    assert {t: "a", twin: "b"}[twin] == "b"
    before = hash(t)
    t.data = [5.0, 6.0]
    assert hash(t) == before


def test_iteration_and_length() -> None:
    t = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    a, b = t
    (a * b).sum().backward()
    assert t.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert len(t) == 2
    assert list(tg.Tensor(np.zeros((0, 3)))) == []
    for call in (iter, len, list, tuple, sum, max):
        with pytest.raises(TypeError, match="0-d"):
            call(leaf(1.0))


def test_conversion_to_python_numbers() -> None:
    s = leaf(2.5, "s")
    assert (float(s), int(s), complex(s), f"{s:.3f}", s.item()) == (2.5, 2, 2.5 + 0j, "2.500", 2.5)
    assert float(leaf([[2.5]])) == 2.5
    for call in (float, int, lambda t: t.item(), lambda t: f"{t:.2f}"):
        with pytest.raises(ValueError, match=r"Tensor t.*\(2,\).*one number"):
            call(leaf([1.0, 2.0], "t"))
    assert operator.index(tg.Tensor(3)) == 3
    assert [10, 20, 30][tg.Tensor(1)] == 20
    assert range(tg.Tensor(3)) == range(3)
    for t in (s, tg.Tensor([1]), tg.Tensor(True)):
        with pytest.raises(TypeError, match="integer"):
            operator.index(t)


# ---- copy, deepcopy, pickle --------------------------------------------------------------------------------------

COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy}
COPIES |= {f"pickle {p}": lambda t, p=p: pickle.loads(pickle.dumps(t, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("data", [2.0, [1.0, 2.0], np.ones((2, 3), np.float32), np.zeros((0, 3)), [1, 2], [True], 7])
def test_leaves_make_the_round_trip(duplicate: Callable[[Any], Any], data: Any) -> None:
    dtype = np.asarray(data).dtype
    t = tg.Tensor(data, requires_grad=dtype.kind == "f", name="t", dims=tuple("abc"[: np.ndim(data)]))
    if t.requires_grad:
        (t * t).sum().backward()
    twin = duplicate(t)
    assert twin is not t
    assert type(twin) is tg.Tensor
    assert (twin.name, twin.dims, twin.requires_grad, twin.dtype, twin.shape) == ("t", t.dims, t.requires_grad, dtype, t.shape)
    np.testing.assert_array_equal(twin.data, t.data)
    assert twin.is_leaf
    if t.requires_grad:
        np.testing.assert_array_equal(twin.grad, t.grad)
        assert not np.shares_memory(twin.grad, t.grad)
        twin.grad += 1.0
        (twin * 3.0).sum().backward()
        np.testing.assert_array_equal(t.grad, 2.0 * np.asarray(data))
        twin.data = twin.data * 0.0
        np.testing.assert_array_equal(t.data, data)


def test_a_leaf_that_occurs_twice_stays_one() -> None:
    t = leaf([1.0, 2.0])
    for duplicate in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        model = duplicate({"encoder": t, "decoder": t})
        assert model["encoder"] is model["decoder"]
        assert model["encoder"] is not t


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("name", ["y", None])
def test_a_result_is_refused_with_a_reason(duplicate: Callable[[Any], Any], name: str | None) -> None:
    y = leaf([1.0, 2.0]) * 2.0
    y.name = name
    with pytest.raises(TypeError, match=r"(?s)result \(of multiply\).*not copied or pickled") as caught:
        duplicate(y)
    assert (name or "") in str(caught.value)
    assert ".detach()" in str(caught.value)
    assert duplicate(y.detach()).tolist() == [2.0, 4.0]
    with pytest.raises(TypeError):
        copy.deepcopy([y])


def test_what_was_computed_under_no_grad_is_a_leaf_in_every_respect() -> None:
    """is_leaf says so: it has no record that a copy could lose."""
    with tg.no_grad():
        t = leaf([1.0, 2.0]) * 2.0
    assert t.is_leaf
    for duplicate in COPIES.values():
        assert duplicate(t).tolist() == [2.0, 4.0]
    t.data = [5.0, 6.0]
    t.requires_grad = True
    (t * t).sum().backward()
    assert t.grad.tolist() == [10.0, 12.0]
