"""Mutation: what a user changes after the forward pass never changes a gradient silently."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import leaf

import tinygrad_edu as tg

# ---- the user changes the ndarray that was passed in -------------------------------------------------------------

MAKERS = {
    "contiguous": lambda: np.array([[1.0, 2.0], [3.0, 4.0]]),
    "transposed": lambda: np.array([[1.0, 3.0], [2.0, 4.0]]).T,
    "slice": lambda: np.arange(16.0).reshape(4, 4)[1:3, 1:3],
    "reversed": lambda: np.array([[4.0, 3.0], [2.0, 1.0]])[::-1, ::-1],
    "float32": lambda: np.float32([[1.0, 2.0], [3.0, 4.0]]),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_tensor_owns_a_copy(make: Callable[[], np.ndarray]) -> None:
    array = make()
    before = array.copy()
    w = tg.Tensor(array, requires_grad=True, name="w")
    loss = (w * w).sum()
    array[...] = -100.0
    np.testing.assert_array_equal(w.data, before)
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * before)


def test_a_zero_d_array_is_copied() -> None:
    array = np.array(3.0)
    w = tg.Tensor(array, requires_grad=True)
    loss = w * w
    array[...] = 100.0
    loss.backward()
    assert w.grad == 6.0


@pytest.mark.parametrize(
    "compute",
    [
        lambda w, a: w * a,
        lambda w, a: a * w,
        lambda w, a: tg.multiply(a, w),
        lambda w, a: np.multiply(w, a),
        lambda w, a: tg.einsum("i,i->i", w, a),
    ],
    ids=["right", "left", "function", "ufunc", "einsum"],
)
def test_an_operand_is_copied_too(compute: Callable[[tg.Tensor, np.ndarray], tg.Tensor]) -> None:
    """The array that was multiplied by is what the gradient is made of."""
    w, a = leaf([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0])
    y = compute(w, a)
    a[...] = np.nan
    y.sum().backward()
    assert w.grad.tolist() == [5.0, 6.0, 7.0]


def test_matmul_operand_where_mask_index_and_loss_target_are_copied() -> None:
    w = leaf([[1.0, 2.0], [3.0, 4.0]])
    x, mask, index, target = np.array([[1.0, 10.0]]), np.array([True, False]), np.array([1, 1]), np.array([[0.0, 0.0]])
    u = tg.matmul(x, w)
    chosen = tg.where(mask, u, 0.0)
    picked = w[index]
    loss = tg.mse(chosen, target) + picked.sum()
    for array in (x, mask, index, target):
        array[...] = 0
    loss.backward()
    # mse: (1/2) (u00² + 0), u00 = 31, so ∂/∂w_i0 = 31 x_i; the row 1 was picked twice.
    assert w.grad.tolist() == [[31.0, 0.0], [310.0 + 2.0, 2.0]]


def test_the_seed_gradient_is_copied() -> None:
    w, seed = leaf([1.0, 2.0]), np.array([1.0, 10.0])
    (w + 0.0).backward(seed)
    seed[...] = 0.0
    assert w.grad.tolist() == [1.0, 10.0]


def test_lists_that_change_between_forward_and_backward() -> None:
    w, row = leaf([1.0, 2.0]), [3.0, 4.0]
    parts = [w, w * 2.0]
    y = (w * row).sum() + tg.stack(parts).sum() + w[[0, 0]].sum()
    row[:] = [0.0, 0.0]
    parts.clear()
    y.backward()
    assert w.grad.tolist() == [3.0 + 3.0 + 2.0, 4.0 + 3.0]


# ---- the user writes into tensor.data ----------------------------------------------------------------------------


def _refusals() -> dict[str, Callable[[tg.Tensor], Any]]:
    return {
        "item": lambda t: operator.setitem(t.data, 0, 5.0),
        "slice": lambda t: operator.setitem(t.data, slice(None), 5.0),
        "ellipsis": lambda t: operator.setitem(t.data, ..., 5.0),
        "mask": lambda t: operator.setitem(t.data, t.data > 0, 5.0),
        "view": lambda t: operator.setitem(t.data[1:], 0, 5.0),
        "transpose": lambda t: operator.setitem(t.data.T, 0, 5.0),
        "reshape": lambda t: operator.setitem(t.data.reshape(3, 1), 0, 5.0),
        "fill": lambda t: t.data.fill(5.0),
        "sort": lambda t: t.data.sort(),
        "put": lambda t: t.data.put(0, 5.0),
        "flat": lambda t: operator.setitem(t.data.flat, 0, 5.0),
        "out": lambda t: np.add(1.0, 1.0, out=t.data),
        "copyto": lambda t: np.copyto(t.data, 5.0),
        "asarray": lambda t: operator.setitem(np.asarray(t.data), 0, 5.0),
        "flags": lambda t: t.data.setflags(write=True),
        "iand": lambda t: operator.iand(t.data.view(np.int64), 0),
    }


@pytest.mark.parametrize("write", _refusals().values(), ids=_refusals().keys())
@pytest.mark.parametrize("kind", ["leaf", "result", "constant"])
def test_writing_into_data_is_refused(write: Callable[[tg.Tensor], Any], kind: str) -> None:
    w = leaf([3.0, 1.0, 2.0], "w")
    t = {"leaf": w, "result": w * 1.0, "constant": tg.Tensor([3.0, 1.0, 2.0])}[kind]
    loss = (w * t).sum()
    with pytest.raises(ValueError, match=r"read-only|cannot be changed in place|cannot set WRITEABLE|own its data"):
        write(t)
    assert t.tolist() == [3.0, 1.0, 2.0]
    loss.backward()
    assert w.grad.tolist() == {"constant": [3.0, 1.0, 2.0]}.get(kind, [6.0, 2.0, 4.0])


@pytest.mark.parametrize("write", ["item", "slice", "mask", "view"])
def test_the_refusal_says_how_to_assign_and_that_works(write: str) -> None:
    t = leaf([3.0, 1.0, 2.0], "w")
    with pytest.raises(ValueError, match="cannot be changed in place") as caught:
        _refusals()[write](t)
    suggestions = re.findall(r"(?:Try:|or:)\s+(.+?)\s{2,}", str(caught.value))
    assert len(suggestions) == 2
    names = {"tg": tg, "t": t, "new_values": [7.0, 8.0, 9.0], "mask": [True, False, False], "a": 5.0}
    for code in suggestions:
        exec(code, names)
    assert t.tolist() == [7.0, 8.0, 9.0]
    assert names["t2"].tolist() == [5.0, 8.0, 9.0]
    names["t2"].sum().backward()
    assert t.grad.tolist() == [0.0, 1.0, 1.0]


IN_PLACE = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "**=": operator.ipow,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
}


@pytest.mark.parametrize("write", IN_PLACE.values(), ids=IN_PLACE.keys())
def test_every_in_place_operator_on_data_assigns_new_numbers_or_says_how(write: Callable[[Any, Any], Any]) -> None:
    """``w.data -= step`` is how everyone writes gradient descent: the leaf gets new numbers, the old record keeps its own."""
    w = leaf([3.0, 1.0, 2.0], "w")
    loss = (w * w).sum()
    plain = np.array([3.0, 1.0, 2.0])
    try:
        w.data = write(w.data, 2.0)
    except ValueError as error:
        expected, text = plain, str(error)
    else:
        expected, text = write(plain.copy(), 2.0), "t.data ="
    assert "t.data =" in text
    np.testing.assert_array_equal(w.data, expected)
    loss.backward()
    assert w.grad.tolist() == [6.0, 2.0, 4.0]


def test_the_step_of_gradient_descent_also_for_a_scalar() -> None:
    for w in (leaf(3.0), leaf([3.0])):
        loss = (w * w).sum()
        old = w.data
        w.data -= 0.5
        w.data *= 2.0
        assert w.data.ravel().tolist() == [5.0]
        assert old.ravel().tolist() == [3.0]
        assert w.data.shape == w.shape
        loss.backward()
        assert w.grad.ravel().tolist() == [6.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.copy(),
        lambda d: np.zeros_like(d),
        lambda d: np.empty_like(d),
        lambda d: d.astype(np.float32),
        lambda d: d.flatten(),
        lambda d: d[[0, 1, 2]],
        lambda d: np.sort(d),
        lambda d: np.array(d),
        lambda d: d + 0.0,
        lambda d: np.roll(d, 1),
    ],
    ids=["copy", "zeros_like", "empty_like", "astype", "flatten", "take", "sort", "array", "sum", "roll"],
)
def test_a_copy_of_data_is_an_ordinary_array(make: Callable[[np.ndarray], np.ndarray]) -> None:
    """A momentum buffer, a copy to compare with: they belong to the user."""
    w = leaf([3.0, 1.0, 2.0])
    mine = make(w.data)
    alias = mine
    mine[0] = 7.0
    mine[...] = 1.0
    mine += 1.0
    assert alias is mine
    assert mine.tolist() == [2.0, 2.0, 2.0]
    assert w.tolist() == [3.0, 1.0, 2.0]


def test_the_numbers_given_out_by_numpy_and_tolist_are_copies() -> None:
    w = leaf([3.0, 1.0])
    loss = (w * w).sum()
    for array in (w.numpy(), loss.inputs[0].numpy(), np.array(w.detach())):
        array[...] = 0.0
    w.tolist()[0] = 0.0
    loss.backward()
    assert w.grad.tolist() == [6.0, 2.0]


# ---- a parameter is rebound between forward and backward ---------------------------------------------------------


@pytest.mark.parametrize("rebind", ["assign", "in place", "twice", "back to equal numbers"])
def test_the_gradient_belongs_to_the_values_of_the_forward_pass(rebind: str) -> None:
    w, v = leaf([1.0, 2.0], "w"), leaf([3.0, 4.0], "v")
    loss = (w * w * w * v).sum()
    if rebind == "assign":
        w.data = np.array([100.0, 100.0])
    elif rebind == "in place":
        w.data -= 50.0
    elif rebind == "twice":
        w.data, v.data = [0.0, 0.0], [0.0, 0.0]
        w.data = [9.0, 9.0]
    else:
        w.data = [0.0, 0.0]
        w.data = [1.0, 2.0]
    loss.backward()
    assert w.grad.tolist() == [9.0, 48.0]
    assert v.grad.tolist() == [1.0, 8.0]


def test_the_second_derivative_belongs_to_the_forward_pass_too() -> None:
    w = leaf([1.0, 2.0], "w")
    loss = (w * w * w).sum()
    w.data = [10.0, 20.0]
    first = tg.gradients(loss, w, create_graph=True)
    assert first.tolist() == [3.0, 12.0]
    w.data = [-1.0, -2.0]
    second = tg.gradients(first.sum(), w, create_graph=True)
    assert second.tolist() == [6.0, 12.0]
    assert tg.gradients(second.sum(), w).tolist() == [6.0, 6.0]
    first.sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]


def test_two_forward_passes_before_and_after_a_step() -> None:
    w = leaf(2.0, "w")
    before = w * w * w
    w.data = 5.0
    after = w * w * w
    (before + after).backward()
    assert w.grad == 3 * 4.0 + 3 * 25.0
    assert tg.gradients(before, w).item() == 12.0
    assert tg.gradients(after, w).item() == 75.0


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (tg.exp, np.exp),
        (tg.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (tg.log, lambda x: 1 / x),
        (tg.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (lambda x: x**3, lambda x: 3 * x**2),
        (lambda x: 1 / x, lambda x: -1 / x**2),
        (lambda x: tg.maximum(x, 1.0), lambda x: (x > 1) * 1.0),
        (lambda x: tg.prod(x), lambda x: np.prod(x) / x),
        (lambda x: tg.norm(x), lambda x: x / np.sqrt(np.sum(x * x))),
        (lambda x: tg.logsumexp(x), lambda x: np.exp(x) / np.exp(x).sum()),
        (lambda x: tg.max(x), lambda x: (x == x.max()) * 1.0),
        (lambda x: tg.sort(x)[0], lambda x: (x == x.min()) * 1.0),
    ],
)
def test_no_rule_reads_the_numbers_of_now(function: Any, slope: Callable[[np.ndarray], np.ndarray]) -> None:
    start = np.array([0.5, 2.0, 1.5])
    w = leaf(start)
    loss = function(w).sum()
    w.data = [5.0, 0.25, 7.0]
    loss.backward()
    np.testing.assert_allclose(w.grad, slope(start), rtol=1e-14)


# ---- what can be assigned to data --------------------------------------------------------------------------------


def test_assigning_another_shape_is_refused() -> None:
    w = leaf([[1.0, 2.0]], "w")
    for value in (1.0, [1.0, 2.0], [[1.0], [2.0]], np.ones((1, 3))):
        with pytest.raises(tg.ShapeError) as caught:
            w.data = value
        assert all(part in str(caught.value) for part in ("Tensor w", "(1, 2)", str(np.shape(value))))
    assert w.tolist() == [[1.0, 2.0]]


def test_only_a_leaf_can_be_assigned() -> None:
    w = leaf([1.0, 2.0], "w")
    y = (w * w).named("y")
    with pytest.raises(ValueError, match=r"Tensor y.*multiply.*only a leaf"):
        y.data = [1.0, 2.0]


@pytest.mark.parametrize(
    "value", [None, "3", b"3", 2j, np.array(2j), np.array(None), object(), [1.0, [2.0]]], ids=lambda v: repr(v)[:20]
)
@pytest.mark.parametrize("start", [1.0, [1.0]], ids=["scalar", "vector"])
def test_what_is_not_a_number_cannot_be_assigned(value: Any, start: Any) -> None:
    """NumPy turns None into NaN, "3" into 3.0 and 2j into 0.0 when a dtype is asked for."""
    w = leaf(start, "w")
    if w.shape and not isinstance(value, list):
        value = np.array([value]) if isinstance(value, np.ndarray) else [value]
    with pytest.raises((TypeError, ValueError), match=r"w: (list|ndarray|NoneType|str|bytes|complex|object)"):
        w.data = value
    assert w.numpy().ravel().tolist() == [1.0]


def test_assigning_a_tensor_is_refused_and_the_suggestion_works() -> None:
    w = leaf([1.0, 2.0], "w")
    step = w * 0.5
    with pytest.raises(TypeError, match="w") as caught:
        w.data = step
    suggested = re.findall(r"\.\w+\(\)", str(caught.value))
    assert suggested
    w.data = eval(f"step{suggested[-1]}", {"step": step})
    assert w.tolist() == [0.5, 1.0]


def test_assigned_numbers_are_copied_and_take_the_dtype_of_the_leaf() -> None:
    w = tg.Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    new = np.array([3, 4])
    w.data = new
    new[...] = 0
    assert w.tolist() == [3.0, 4.0]
    assert w.dtype == np.float32


# ---- x += 1, x[i] = v --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_place", "plain"),
    [
        (operator.iadd, operator.add),
        (operator.isub, operator.sub),
        (operator.imul, operator.mul),
        (operator.itruediv, operator.truediv),
        (operator.ipow, operator.pow),
    ],
)
def test_in_place_operators_make_a_new_tensor(in_place: Callable[[Any, Any], Any], plain: Callable[[Any, Any], Any]) -> None:
    x, twin = leaf([1.0, 2.0], "x"), leaf([1.0, 2.0])
    alias = x
    y = in_place(x, 3.0)
    assert y is not x
    assert x is alias
    assert x.tolist() == [1.0, 2.0]
    assert y.tolist() == plain(twin, 3.0).tolist()
    y.sum().backward()
    plain(twin, 3.0).sum().backward()
    np.testing.assert_array_equal(x.grad, twin.grad)


def test_accumulation_in_a_loop_keeps_the_gradient() -> None:
    x = leaf([1.0, 2.0, 3.0], "x")
    total = 0.0
    for t in x:
        total += t * t
    total.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("key", [0, slice(None), ..., (0,), [0, 1], np.array([True, False]), None])
@pytest.mark.parametrize("kind", ["leaf", "result"])
def test_item_assignment_is_refused_with_the_functional_alternative(key: Any, kind: str) -> None:
    w = leaf([1.0, 2.0], "w")
    t = w if kind == "leaf" else (w * 1.0).named("t")
    with pytest.raises(TypeError) as caught:
        t[key] = 5.0
    text = str(caught.value)
    assert f"Tensor {t.name}" in text
    assert "tg.where(mask, a, t)" in text
    assert t.tolist() == [1.0, 2.0]
    y = eval("tg.where(mask, a, t)", {"tg": tg, "mask": [True, False], "a": 5.0, "t": t})
    assert y.tolist() == [5.0, 2.0]
    y.sum().backward()
    assert w.grad.tolist() == [0.0, 1.0]


def test_item_assignment_in_place_and_deletion_are_refused() -> None:
    x = leaf([1.0, 2.0], "x")
    with pytest.raises(TypeError, match="Tensor x"):
        x[0] += 1.0
    with pytest.raises((TypeError, AttributeError)):
        del x[0]
    assert x.tolist() == [1.0, 2.0]


# ---- ndarray += Tensor -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "@"])
@pytest.mark.parametrize("tracked", [True, False])
def test_an_ndarray_does_not_swallow_a_tensor(sign: str, tracked: bool) -> None:
    """The suggestion is run: it must be the operator that the user wrote."""
    a = np.eye(2) + 1.0
    t = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=tracked, name="t")
    with pytest.raises(TypeError) as caught:
        exec(f"a {sign}= t", {"a": a, "t": t})
    text = str(caught.value)
    assert "lose its gradient" in text
    np.testing.assert_array_equal(a, np.eye(2) + 1.0)
    assert f"a = a {sign} t" in text
    names = {"a": a, "t": t}
    exec(f"a = a {sign} t", names)
    assert isinstance(names["a"], tg.Tensor)
    assert names["a"].requires_grad is tracked
    np.testing.assert_array_equal(names["a"].data, eval(f"a {sign} b", {"a": a, "b": t.data}))


def test_writing_a_tracked_tensor_into_an_ndarray_is_refused() -> None:
    a, t = np.ones(2), leaf([1.0, 2.0], "t")
    with pytest.raises(TypeError, match=r"(?s)Tensor t.*lose its gradient.*numpy\(\)"):
        a[:] = t
    with pytest.raises(TypeError, match=r"lose its gradient"):
        np.add(a, t, out=a)
    assert a.tolist() == [1.0, 1.0]
    a[:] = t.numpy()
    assert a.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("sign", ["+", "-", "*", "/"])
def test_an_update_in_place_under_no_grad_is_refused(sign: str) -> None:
    """It would bind the name to a new constant, and the training would silently stand still."""
    names = {"tg": tg, "p": tg.Tensor([1.0, 2.0], requires_grad=True, name="p")}
    with tg.no_grad(), pytest.raises(TypeError, match=rf"Tensor p \{sign}= .*under no_grad(?s:.*)t\.data \{sign}="):
        exec(f"p {sign}= 0.5", names)
    exec(f"p {sign}= 0.5", names)
    assert names["p"].requires_grad
