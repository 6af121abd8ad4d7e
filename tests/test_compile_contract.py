"""``compile``: what a step promises about memory, parameters, errors and the program that it shows."""

from __future__ import annotations

import pickle
import runpy
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import leaf
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.compiler import CompiledStep, arrays, emit
from tinygrad_edu.compiler.plan import Place

NAMES = ("W1", "b1", "W2", "b2", "U", "c")


def network(seed: int = 0, n: int = 4, *widths: int) -> tuple[Callable[..., tg.Tensor], list[tg.Tensor], list[Any]]:
    """The note's network as a function of x and y, its parameters, and numbers for x and y."""
    values = note.network(n, *(widths or (2, 3, 3)), seed=seed)
    parameters = [values[name] for name in NAMES]
    W1, b1, W2, b2, U, c = parameters

    def loss(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        h1 = tg.tanh(x @ W1 + b1).named("h1")
        h2 = tg.sigmoid(h1 @ W2 + b2).named("h2")
        yhat = tg.sigmoid(h2 @ U + c).named("yhat")
        return tg.binary_cross_entropy(yhat, y).named("L")

    return loss, parameters, [values["x"].numpy(), values["y"].numpy()]


def copies(parameters: list[tg.Tensor]) -> dict[str, Any]:
    return {str(p.name): p.numpy() for p in parameters}


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_the_note_by_hand() -> None:
    loss, parameters, (x, y) = network()
    value, gradients = tg.compile(loss, wrt=parameters)(x, y)
    hand = note.by_hand({"x": x, "y": y, **copies(parameters)})
    np.testing.assert_allclose(value, hand["L"], rtol=1e-14)
    for name, g in zip(NAMES, gradients, strict=True):
        np.testing.assert_allclose(g, hand[name], rtol=1e-12, atol=1e-16)


def test_training_is_the_note_by_hand_with_its_update() -> None:
    loss, parameters, (x, y) = network()
    numbers = copies(parameters)
    step = tg.compile(loss, wrt=parameters, update=lambda w, g: w - 0.5 * g)
    for _ in range(20):
        hand = note.by_hand({"x": x, "y": y, **numbers})
        np.testing.assert_allclose(step(x, y), hand["L"], rtol=1e-12)
        numbers = {name: numbers[name] - 0.5 * hand[name] for name in NAMES}
    for p in parameters:
        np.testing.assert_allclose(p.numpy(), numbers[str(p.name)], rtol=1e-11)


def test_several_sizes_in_turn() -> None:
    loss, parameters, _ = network()
    step = tg.compile(loss, wrt=parameters)
    for n in (4, 7, 4, 1, 7, 4):
        other = note.network(n, seed=n)
        x, y = other["x"].numpy(), other["y"].numpy()
        value, gradients = step(x, y)
        hand = note.by_hand({"x": x, "y": y, **copies(parameters)})
        np.testing.assert_allclose([value, *gradients[1:2][0]], [hand["L"], *hand["b1"]], rtol=1e-12)
    assert "3 signatures" in repr(step)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_stay(dtype: Any) -> None:
    w = tg.Tensor(np.ones((3, 2), dtype), requires_grad=True, name="w")
    step = tg.compile(lambda x: (tg.tanh(x @ w) * 0.5).mean(), wrt=[w])
    value, (g,) = step(np.ones((4, 3), dtype))
    assert np.asarray(value).dtype == g.dtype == dtype


def test_float32_adds_up_exactly() -> None:
    x = np.ones((2**24 + 3, 1), np.float32)
    step = tg.compile(lambda x: (x * x).sum(), wrt=())
    assert step(x) == np.float32(2**24 + 3)
    step = tg.compile(lambda x: (x * x).sum(axis=0), wrt=())
    assert step(x) == np.float32(2**24 + 3)
    rng = np.random.default_rng(0)
    y = rng.random((3000, 5)).astype(np.float32)
    step = tg.compile(lambda y: (y * y).sum(axis=1, keepdims=True).mean(axis=0), wrt=())
    np.testing.assert_allclose(step(y), (y.astype(float) ** 2).sum(1).mean(), rtol=3e-7)


@pytest.mark.parametrize("n", [0, 1])
def test_no_examples(n: int) -> None:
    w = leaf(np.ones(3), "w")
    value, g = tg.compile(lambda x: ((x @ w) ** 2).sum(), wrt=w)(np.ones((n, 3)))
    assert value == 9.0 * n
    assert g.tolist() == [6.0 * n] * 3


def test_saturated_predictions() -> None:
    """Where sigmoid(u) is 0 or 1: 0 · log 0 counts as 0, and the gradient is that of the mathematics."""
    u = leaf([-1000.0, 1000.0, 0.5], "u")
    step = tg.compile(lambda y: tg.binary_cross_entropy(tg.sigmoid(u), y), wrt=u)
    value, g = step(np.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(value, np.log1p(np.exp(-0.5)) / 3, rtol=1e-14)
    np.testing.assert_allclose(g, [0.0, 0.0, (1 / (1 + np.exp(-0.5)) - 1) / 3], rtol=1e-14, atol=0)
    value, g = step(np.array([1.0, 0.0, 1.0]))
    assert value == np.inf
    np.testing.assert_allclose(g[:2], [-1 / 3, 1 / 3])


def test_a_probability_outside_of_0_to_1_is_refused_as_by_the_engine() -> None:
    step = tg.compile(lambda p, y: tg.binary_cross_entropy(p, y), wrt=())
    y = np.array([1.0, 0.0])
    step(np.array([0.5, 0.5]), y)
    with pytest.raises(ValueError, match=r"probability 1\.5 is not between 0 and 1"):
        step(np.array([0.5, 1.5]), y)
    assert step(np.array([0.5, 0.5]), y) == pytest.approx(np.log(2))


# ---- single numbers --------------------------------------------------------------------------------------------------

SCALARS: dict[str, Callable[[tg.Tensor], tg.Tensor]] = {
    "sigmoid far left": lambda x: tg.sigmoid(x * -1000.0),
    "division by 0": lambda x: 1 / (x - x) * 1.0,
    "log of 0": lambda x: tg.log(x - x),
    "root of a negative": lambda x: tg.sqrt(-x),
    "power of a negative": lambda x: (-x) ** 0.5,
    "overflow": lambda x: tg.exp(x * 1000.0) * x,
    "relu": lambda x: tg.relu(x) * tg.relu(-x),
    "softplus": lambda x: tg.softplus(x * 900.0) - tg.log_sigmoid(x * -900.0),
    "branches": lambda x: tg.where((x > 0) & (x < 1), x * x, -x) + tg.maximum(x, 0.2) + tg.abs(x),
    "silu": lambda x: tg.silu(x * -800.0),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("number", [0.75, -2.0])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_single_numbers_have_ieee_results(name: str, number: float) -> None:
    step = tg.compile(SCALARS[name], wrt=0)
    for x in (number, 0.5, number):
        value, g = step(x)
        right, expected = tg.value_and_grad(SCALARS[name])(x)
        np.testing.assert_allclose(float(value), right.item(), rtol=1e-12)
        np.testing.assert_allclose(float(g), expected.item(), rtol=1e-12)


def test_single_numbers_run_as_floats_of_python() -> None:
    w = leaf(0.5, "w")
    step = tg.compile(lambda x: tg.tanh(w * x) * w, wrt=w)
    value, g = step(2.0)
    assert type(value) is float
    assert type(g) is float
    assert "tanh(" in step.source
    assert "empty" not in step.source


def test_the_training_of_single_numbers() -> None:
    w, b, rate = leaf(2.0, "w"), leaf(-1.0, "b"), tg.Tensor(0.1, name="rate")
    step = tg.compile(
        lambda x: (tg.tanh(w * x + b) - 0.3) ** 2, wrt=[w, b], update=lambda p, g, v: (p - rate * v, 0.5 * v + g), slots=1
    )
    at, v = np.array([2.0, -1.0]), np.zeros(2)
    for k in range(5):
        y = np.tanh(at @ [0.5, 1.0])
        assert step(0.5) == pytest.approx((y - 0.3) ** 2, rel=1e-12)
        g = 2 * (y - 0.3) * (1 - y * y) * np.array([0.5, 1.0])
        at, v = at - rate.item() * v, 0.5 * v + g
        np.testing.assert_allclose([w.item(), b.item()], at, rtol=1e-12)
        np.testing.assert_allclose([t.item() for t in step.slots[0]], v, rtol=1e-12)
        rate.data = 0.1 / (k + 2)


@pytest.mark.parametrize("lines", [3, 10, 57])
def test_a_long_program_is_a_chain_of_functions(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "LONGEST_FUNCTION", lines)

    def f(x: tg.Tensor, w: tg.Tensor) -> tg.Tensor:
        for _ in range(20):
            x = tg.tanh(x * w + x)
        return x * w

    step = tg.compile(f, wrt=[0, 1])
    value, (dx, dw) = step(0.3, 0.7)
    right, (by_x, by_w) = tg.value_and_grad(f, (0, 1))(0.3, 0.7)
    np.testing.assert_allclose([value, dx, dw], [right.item(), by_x.item(), by_w.item()], rtol=1e-12)
    assert "def part_1():" in step.source
    loss, parameters, (x, y) = network()
    step = tg.compile(loss, wrt=parameters)
    value, gradients = step(x, y)
    np.testing.assert_allclose(gradients[0], note.by_hand({"x": x, "y": y, **copies(parameters)})["W1"], rtol=1e-12)


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_a_training_step_allocates_no_array() -> None:
    loss, parameters, (x, y) = network(0, 64, 16, 32, 32)
    step = tg.compile(loss, wrt=parameters, update=lambda w, g: w - 0.1 * g)
    for _ in range(3):
        step(x, y)
    tracemalloc.start()
    try:
        step(x, y)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            step(x, y)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 64 * 8 * 4, f"{peak} bytes: an activation takes {64 * 32 * 8}"


def test_results_are_never_overwritten() -> None:
    loss, parameters, (x, y) = network()
    step = tg.compile(loss, wrt=parameters)
    _value, gradients = step(x, y)
    kept = [np.copy(g) for g in gradients]
    again = step(2 * x, y)
    assert not any(np.shares_memory(a, b) for a in gradients for b in again[1])
    for g, before in zip(gradients, kept, strict=True):
        np.testing.assert_array_equal(g, before)


def test_reuse_gives_the_same_arrays_back() -> None:
    loss, parameters, (x, y) = network()
    step = tg.compile(loss, wrt=parameters, reuse=True)
    _, first = step(x, y)
    kept = np.copy(first[0])
    _, second = step(2 * x, y)
    assert all(a is b for a, b in zip(first[:5], second[:5], strict=True))
    assert not np.array_equal(first[0], kept)


def test_a_result_given_twice_has_two_arrays() -> None:
    w = leaf([1.0, 2.0], "w")
    _, (a, b) = tg.compile(lambda: (w * w).sum(), wrt=[w, w])()
    a[:] = 0
    assert b.tolist() == [2.0, 4.0]


def test_results_that_are_arguments_are_copies() -> None:
    x = np.array([1.0, 2.0])
    step = tg.compile(lambda x: x.reshape(2, 1).T, wrt=())
    y = step(x)
    assert y.tolist() == [[1.0, 2.0]]
    assert not np.shares_memory(x, y)
    w = leaf([1.0, 2.0], "w")
    _, g = tg.compile(lambda x: (w * x).sum(), wrt=w)(x)
    assert not np.shares_memory(x, g)


def test_two_steps_share_no_memory() -> None:
    loss, parameters, (x, y) = network()
    steps = [tg.compile(loss, wrt=parameters) for _ in range(2)]
    memories = []
    for step in steps:
        step(x, y)
        fast: Any = step._fast
        space = fast[0].__globals__["program"].__globals__
        memories.append([a for name, a in space.items() if isinstance(a, np.ndarray) and name in ("h1", "h2", "yhat")])
        assert len(memories[-1]) == 3
    assert not any(np.shares_memory(a, b) for a in memories[0] for b in memories[1])


@pytest.mark.parametrize("seed", range(20))
def test_arrays_that_are_alive_together_have_places_apart(seed: int) -> None:
    _, xs = program(seed)
    step = tg.compile(lambda *args: program(seed, list(args))[0], wrt=list(range(len(xs))))
    step(*[x.numpy() for x in xs])
    places = step.plan.places
    for i, p in enumerate(places):
        assert p.offset % 64 == 0
        assert p.offset + p.size <= step.plan.size
        for q in places[:i]:
            _apart(q, p)


def _apart(q: Place, p: Place) -> None:
    """In memory or in time; the one that dies where the other begins may be written over, place by place."""
    in_memory = q.offset + q.size <= p.offset or p.offset + p.size <= q.offset
    in_time = q.last < p.first or p.last < q.first
    taken_over = q.offset == p.offset and q.size == p.size and (q.last == p.first or p.last == q.first)
    assert in_memory or in_time or taken_over, (q, p)


def test_the_plan_reuses_memory_and_shows_itself() -> None:
    loss, parameters, (x, y) = network(0, 16, 4, 8, 8)
    step = tg.compile(loss, wrt=parameters)
    step(x, y)
    plan = step.plan
    assert plan.size < 0.5 * plan.size_without_reuse
    assert str(plan).splitlines()[0].startswith(f"{len(plan.places)} arrays in {plan.size:,} bytes")
    svg = plan.svg()
    assert svg.count("<rect") == len(plan.places) + 1
    assert "h1 (16, 8)" in svg


def test_the_picture_of_the_docs_is_the_plan() -> None:
    """After a change that is meant: python docs/build_gallery.py, and look at the picture."""
    docs = Path(__file__).parent.parent / "docs"
    plan = runpy.run_path(str(docs / "build_gallery.py"))["plan"]()
    assert plan.svg() == (docs / "pictures" / "plan.svg").read_text(encoding="utf-8")


def test_the_plan_is_written_whole_or_not_at_all(tmp_path: Any) -> None:
    step = tg.compile(lambda x: (tg.tanh(x) * x).sum(), wrt=0)
    step([1.0, 2.0])
    assert step.plan.save(tmp_path / "plan.svg").read_text(encoding="utf-8").startswith("<svg")
    with pytest.raises(OSError, match="there is no folder"):
        step.plan.save(tmp_path / "none" / "plan.svg")


# ---- parameters ------------------------------------------------------------------------------------------------------


def sgd(w: Any, g: Any) -> Any:
    return w - 0.1 * g


def test_a_record_keeps_the_numbers_it_was_computed_with() -> None:
    w = leaf([[1.0, 2.0], [3.0, 4.0]], "w")
    x = np.array([[1.0, -1.0]])
    step = tg.compile(lambda x: ((x @ w) ** 2).sum(), wrt=[w], update=sgd)
    step(x)
    before = w.numpy()
    L = ((tg.Tensor(x) @ w) ** 2).sum()
    seen, held = w.data, w.data[0]
    step(x)
    step(x)
    np.testing.assert_array_equal(seen, before)
    np.testing.assert_array_equal(held, before[0])
    L.backward()
    np.testing.assert_allclose(w.grad, x.T @ (2 * (x @ before)), rtol=1e-14)
    assert not np.array_equal(w.numpy(), before)


def test_what_a_tensor_shows_cannot_be_written() -> None:
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda: (w * w).sum(), wrt=[w], update=sgd)
    step()
    with pytest.raises(ValueError, match="cannot be changed in place"):
        w.data[0] = 5.0


def test_new_numbers_for_a_parameter_count() -> None:
    w, c = leaf([1.0, 2.0], "w"), leaf(3.0, "c")
    step = tg.compile(lambda: (w * w).sum() * c, wrt=[w, c], update=sgd)
    step()
    w.data = np.array([5.0, 0.0])
    c.data = 2.0
    assert step() == 50.0
    np.testing.assert_allclose(w.numpy(), [5.0 - 0.1 * 20.0, 0.0])
    np.testing.assert_allclose(c.item(), 2.0 - 0.1 * 25.0)


def test_memory_moves_only_when_somebody_looks() -> None:
    w, c = leaf(np.ones((2, 3)), "w"), leaf(0.5, "c")
    step = tg.compile(lambda x: ((x @ w) ** 2).mean() * c, wrt=[w, c], update=sgd)
    x = np.ones((4, 2))
    step(x)
    step(x)
    state: Any = step._state
    memory = state.chunks[0].flats[0].data.ctypes.data  # a name for the array itself would be somebody who looks
    for _ in range(5):
        step(x)
        assert state.chunks[0].flats[0].data.ctypes.data == memory
    kept = w.data
    step(x)
    assert state.chunks[0].flats[0].data.ctypes.data != memory
    assert kept.shape == (2, 3)


def test_two_steps_train_the_same_parameters_in_turn() -> None:
    w, b = leaf([1.0, -2.0], "w"), leaf(0.5, "b")
    first = tg.compile(lambda x: ((x * w + b) ** 2).sum(), wrt=[w, b], update=sgd)
    second = tg.compile(lambda x: tg.sin(x * w * b).sum(), wrt=[b, w], update=sgd)
    x, at, c = np.array([0.5, 1.5]), np.array([1.0, -2.0]), 0.5
    for _ in range(4):
        first(x)
        u = x * at + c
        at, c = at - 0.1 * 2 * u * x, c - 0.1 * np.sum(2 * u)
        second(x)
        k = np.cos(x * at * c)
        at, c = at - 0.1 * k * x * c, c - 0.1 * np.sum(k * x * at)
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)
        np.testing.assert_allclose(b.item(), c, rtol=1e-12)


def test_an_update_place_by_place_is_done_once_for_all() -> None:
    loss, parameters, (x, y) = network()
    step = tg.compile(loss, wrt=parameters, update=sgd)
    step(x, y)
    assert step.source.count("parameters") == 2
    assert "subtract(parameters" in step.source


UPDATES: dict[str, tuple[Callable[..., Any], int, Callable[..., Any]]] = {
    "clipped by its norm": (
        lambda w, g: w - 0.1 * g / tg.maximum(tg.norm(g), 0.05),
        0,
        lambda w, g: (w - 0.1 * g / np.maximum(np.sqrt(np.sum(g * g)), 0.05),),
    ),
    "decay of matrices only": (
        lambda w, g: w - 0.1 * (g + 0.3 * w) if w.ndim > 1 else w - 0.1 * g,
        0,
        lambda w, g: (w - 0.1 * (g + 0.3 * w) if w.ndim > 1 else w - 0.1 * g,),
    ),
    "momentum": (
        lambda w, g, v: (w - 0.1 * (0.9 * v + g), 0.9 * v + g),
        1,
        lambda w, g, v: (w - 0.1 * (0.9 * v + g), 0.9 * v + g),
    ),
    "adam": (
        lambda w, g, m, v, t: (
            w
            - 0.01
            * (0.9 * m + 0.1 * g)
            / (1 - 0.9 ** (t + 1))
            / (tg.sqrt((0.99 * v + 0.01 * g * g) / (1 - 0.99 ** (t + 1))) + 1e-8),
            0.9 * m + 0.1 * g,
            0.99 * v + 0.01 * g * g,
            t + 1,
        ),
        3,
        lambda w, g, m, v, t: (
            w
            - 0.01
            * (0.9 * m + 0.1 * g)
            / (1 - 0.9 ** (t + 1))
            / (np.sqrt((0.99 * v + 0.01 * g * g) / (1 - 0.99 ** (t + 1))) + 1e-8),
            0.9 * m + 0.1 * g,
            0.99 * v + 0.01 * g * g,
            t + 1,
        ),
    ),
    "the slot is the old parameter": (
        lambda w, g, old: (w - 0.1 * g + 0.01 * old, w),
        1,
        lambda w, g, old: (w - 0.1 * g + 0.01 * old, w),
    ),
    "nothing": (lambda w, g: w, 0, lambda w, g: (w,)),
    "the gradient itself": (lambda w, g: g, 0, lambda w, g: (g,)),
}


@pytest.mark.parametrize("name", UPDATES)
def test_update_rules(name: str) -> None:
    rule, slots, by_hand = UPDATES[name]
    loss, parameters, (x, y) = network(3)
    numbers = {key: (value, *(np.zeros_like(value) for _ in range(slots))) for key, value in copies(parameters).items()}
    step = tg.compile(loss, wrt=parameters, update=rule, slots=slots)
    for _ in range(6):
        hand = note.by_hand({"x": x, "y": y, **{key: value[0] for key, value in numbers.items()}})
        np.testing.assert_allclose(step(x, y), hand["L"], rtol=1e-10)
        numbers = {key: by_hand(value[0], hand[key], *value[1:]) for key, value in numbers.items()}
    for i, p in enumerate(parameters):
        for k, right in enumerate(numbers[str(p.name)]):
            found = p if not k else step.slots[k - 1][i]
            np.testing.assert_allclose(found.numpy(), right, rtol=1e-9, atol=1e-12)


def test_parameters_of_two_dtypes() -> None:
    a = tg.Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True, name="a")
    b = leaf([3.0, -1.0], "b")
    step = tg.compile(lambda: (a * a * b).sum(), wrt=[a, b], update=sgd)
    x, y = np.array([1.0, 2.0], np.float32), np.array([3.0, -1.0])
    for _ in range(3):
        assert step() == pytest.approx(np.sum(x * x * y), rel=1e-6)
        x, y = (x - np.float32(0.1) * (2 * x * y)).astype(np.float32), y - 0.1 * x * x
    assert a.dtype == np.float32
    np.testing.assert_allclose(a.numpy(), x, rtol=1e-5)
    np.testing.assert_allclose(b.numpy(), y, rtol=1e-5)


def test_an_update_may_use_an_argument_and_a_tensor() -> None:
    w, rate = leaf([1.0, 2.0], "w"), tg.Tensor(0.1, name="rate")
    kept: list[tg.Tensor] = []

    def loss(x: tg.Tensor, scale: tg.Tensor) -> tg.Tensor:
        kept[:] = [scale]
        return (w * x).sum()

    step = tg.compile(loss, wrt=[w], update=lambda p, g: p - rate * kept[0] * g)
    at, x = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for scale in (1.0, 0.5, 2.0):
        rate.data = 0.2 / scale**2
        step(x, scale)
        at = at - 0.2 / scale**2 * scale * x
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)


def test_a_failed_first_call_leaves_the_parameters_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    w = leaf([1.0, 2.0], "w")
    wrong = {**arrays.UFUNCS, tg.ops.OPS["sin"]: np.cos}
    monkeypatch.setattr(arrays, "UFUNCS", wrong)
    with pytest.raises(tg.CompileError, match="the program and the engine differ by"):
        tg.compile(lambda: tg.sin(w).sum(), wrt=[w], update=sgd)()
    assert w.tolist() == [1.0, 2.0]


# ---- arguments -------------------------------------------------------------------------------------------------------


def test_what_may_be_given() -> None:
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda x: (w * x).sum(), wrt=w)
    right = [3.0, 4.0]
    for x in ([3.0, 4.0], (3.0, 4.0), np.array([3.0, 4.0]), tg.Tensor([3.0, 4.0]), np.array([4.0, 3.0])[::-1]):
        assert step(x)[1].tolist() == right
    assert step(np.array([3, 4]))[1].tolist() == right
    assert step(np.array([[3.0, 4.0], [1.0, 1.0]], order="F"))[1].tolist() == [4.0, 5.0]


def test_groups_of_arrays() -> None:
    def loss(p: dict[str, tg.Tensor], pair: tuple[tg.Tensor, tg.Tensor], x: tg.Tensor) -> tg.Tensor:
        return ((x @ p["w"] + p["b"]) * pair[0] - pair[1]).sum()

    step = tg.compile(loss, wrt=2)
    for _ in range(2):
        value, g = step({"w": np.ones(2), "b": 1.0}, (np.array(2.0), np.array(1.0)), np.array([[1.0, 2.0]]))
        assert (value, g.tolist()) == (7.0, [[2.0, 2.0]])


def test_settings_are_part_of_the_signature() -> None:
    step = tg.compile(lambda x, *, power: (x**power).sum(), wrt=0)
    assert step([1.0, 2.0], power=2)[1].tolist() == [2.0, 4.0]
    assert step([1.0, 2.0], power=3)[1].tolist() == [3.0, 12.0]
    assert step([1.0, 2.0], power=2)[1].tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="must be hashable: power"):
        step([1.0, 2.0], power={2})


def test_the_default_is_every_parameter() -> None:
    w, b = leaf([1.0, 2.0], "w"), leaf(0.5, "b")
    step = tg.compile(lambda x: (x * w).sum() * b)
    _value, gradients = step([1.0, 1.0])
    assert [t.name for t in step.wrt if isinstance(t, tg.Tensor)] == ["w", "b"]
    assert [np.asarray(g).tolist() for g in gradients] == [[0.5, 0.5], 3.0]
    with pytest.raises(tg.GradientError, match="its arguments are data"):
        tg.compile(lambda x: (x * x).sum())([1.0, 2.0])


def test_a_dict_of_parameters_gives_a_dict_of_gradients() -> None:
    p = {"w": leaf([1.0, 2.0]), "b'": leaf(0.5)}
    value, gradients = tg.compile(lambda x: (x * p["w"]).sum() * p["b'"], wrt=p)([1.0, 1.0])
    assert value == 1.5
    assert {k: np.asarray(g).tolist() for k, g in gradients.items()} == {"w": [0.5, 0.5], "b'": 3.0}


def test_arrays_by_keyword_are_data() -> None:
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda x, *, y, power=1: ((x * w) ** power * y).sum(), wrt=w)
    for k in range(4):
        y = np.array([k, 1.0])
        assert step([3.0, 4.0], y=y)[1].tolist() == [3.0 * k, 4.0]
        assert step([3.0, 4.0], y=tg.Tensor(y), power=2)[1].tolist() == [18.0 * k, 64.0]
    assert "2 signatures" in repr(step)


def test_a_setting_that_changes_at_every_call_is_spoken_of() -> None:
    step = tg.compile(lambda x, scale: (x * scale).sum(), wrt=0)
    for k in range(7):
        step([1.0, 2.0], scale=1.0 / (k + 1))
    with pytest.warns(UserWarning, match="8 programs that differ only in a setting \\(scale\\)"):
        step([1.0, 2.0], scale=0.5001)
    step([1.0, 2.0], scale=0.5002)


def test_dtypes_that_are_equal_but_other_objects() -> None:
    step = tg.compile(lambda x: (x * x).sum(), wrt=0)
    for x in (pickle.loads(pickle.dumps(np.array([1.0, 2.0]))), np.array([1.0, 2.0], ">f8"), np.array([1.0, 2.0])):
        for _ in range(2):
            assert step(x)[1].tolist() == [2.0, 4.0]


def test_gradients_inside_of_the_function() -> None:
    w = leaf(0.7, "w")

    def f(x: tg.Tensor) -> tg.Tensor:
        slope: tg.Tensor = tg.grad(lambda t: (tg.sin(t) * w).sum())(x)
        return (slope * slope).sum()

    x = np.array([0.3, 1.2])
    value, (by_x, by_w) = tg.compile(f, wrt=[0, w])(x)
    np.testing.assert_allclose(value, np.sum((0.7 * np.cos(x)) ** 2), rtol=1e-12)
    np.testing.assert_allclose(by_x, -2 * 0.49 * np.cos(x) * np.sin(x), rtol=1e-12)
    np.testing.assert_allclose(by_w, 2 * 0.7 * np.sum(np.cos(x) ** 2), rtol=1e-12)


def test_what_is_printed_inside_has_no_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        print(x, x.sum())
        return (x * W).sum()

    tg.compile(f, wrt=[W])([1.5, 2.5])
    shown = capsys.readouterr().out
    assert "shape=(2,)" in shown
    assert "1.5" not in shown


def test_equal_sums_over_axes_are_one() -> None:
    step = tg.compile(lambda x: (x.sum(-1) * x.sum(1) * x.sum((1,)) * x.mean(axis=-1)).sum() + x.sum() + x.sum((0, 1)), wrt=())
    step(np.ones((3, 4)))
    assert step.source.count(".dot(") == 3


def test_only_what_is_asked_for_is_computed() -> None:
    loss, parameters, (x, y) = network()
    step = tg.compile(loss, wrt=parameters[4:5])
    step(x, y)
    assert "dL_dU" in step.source
    assert "W2_T" not in step.source
    value = tg.compile(loss, wrt=())(x, y)
    assert value == pytest.approx(note.by_hand({"x": x, "y": y, **copies(parameters)})["L"])


def test_what_occurs_twice_is_computed_once() -> None:
    step = tg.compile(lambda x: (tg.tanh(x) * tg.tanh(x)).sum() + tg.exp(tg.tanh(x)).sum(), wrt=0)
    step([1.0, 2.0])
    assert step.source.count("tanh(") == 1
    assert step.source.count("exp(") == 1


def test_under_no_grad_it_is_the_same() -> None:
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda: (w * w).sum(), wrt=w)
    with tg.no_grad():
        assert step()[1].tolist() == [2.0, 4.0]


def test_threads_wait_for_each_other() -> None:
    w = leaf(np.linspace(-1, 1, 2000), "w")
    step = tg.compile(lambda x: (tg.tanh(x * w) * w).sum(), wrt=w)
    wrong: list[float] = []

    def work(k: int) -> None:
        x = np.full(2000, float(k))
        t = np.tanh(x * w._data)
        right = t + w._data * x * (1 - t * t)
        wrong.extend(float(np.max(np.abs(step(x)[1] - right))) for _ in range(200))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert len(wrong) == 800
    assert max(wrong) < 1e-12


# ---- errors ----------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
COUNTS: list[int] = []


def counting(x: tg.Tensor) -> tg.Tensor:
    COUNTS.append(1)
    return (x * float(len(COUNTS))).sum()


W = leaf([1.0, 2.0], "W")


def backwards(x: tg.Tensor) -> tg.Tensor:
    y = (W * x).sum()
    y.backward()
    return y


def rebinding(x: tg.Tensor) -> tg.Tensor:
    y = (W * x).sum()
    W.data = np.array([1.0, 2.0])
    return y


WRONG: dict[str, tuple[Callable[[], CompiledStep], type[Exception], str]] = {
    "a branch on a number": (
        lambda: tg.compile(lambda x: x.sum() if x.sum() > 0 else -x.sum(), 0),
        tg.CompileError,
        "numbers of the result of greater are read",
    ),
    "item": (lambda: tg.compile(lambda x: x.sum() * x[0].item()), tg.CompileError, "are read inside"),
    "data": (lambda: tg.compile(lambda x: (x * (x.data > 0)).sum()), tg.CompileError, "numbers of Tensor x are read"),
    "numpy": (lambda: tg.compile(lambda x: (x * x.numpy()).sum()), tg.CompileError, "tg.where"),
    "random numbers": (
        lambda: tg.compile(lambda x: (x * RNG.normal(size=2)).sum()),
        tg.CompileError,
        "a constant in it is another",
    ),
    "a count": (lambda: tg.compile(counting), tg.CompileError, "a constant in it is another"),
    "another graph": (
        lambda: tg.compile(lambda x: tg.sin(x).sum() if RNG.normal() > 0 else x.sum() * RNG.normal()),
        tg.CompileError,
        "another computation|is another",
    ),
    "new numbers inside": (lambda: tg.compile(rebinding), tg.CompileError, "given new numbers inside"),
    "no Tensor": (lambda: tg.compile(lambda x: 3.0), tg.CompileError, "gives float, not a Tensor"),
    "backward inside": (lambda: tg.compile(backwards, 0), tg.CompileError, r"backward\(\) is called inside"),
    "no scalar": (lambda: tg.compile(lambda x: x * 2, 0), tg.GradientError, r"shape \(2,\), not a scalar"),
    "not used": (lambda: tg.compile(lambda x: x.sum(), wrt=[W]), tg.GradientError, "does not use Tensor W"),
    "no such argument": (
        lambda: tg.compile(lambda x: x.sum(), wrt=3),
        ValueError,
        "names argument 3; the function was called with 1",
    ),
    "wrt of another type": (lambda: tg.compile(lambda x: x.sum(), wrt="x"), TypeError, "wrt holds str"),  # type: ignore[arg-type]  # the mistake
    "update of an argument": (lambda: tg.compile(lambda x: x.sum(), wrt=0, update=sgd), ValueError, "not for its arguments"),
    "nothing to update": (lambda: tg.compile(lambda x: x.sum(), update=sgd), tg.GradientError, "arguments are data"),
    "update of another shape": (
        lambda: tg.compile(lambda x: (x * W).sum(), update=lambda w, g: w.sum()),
        tg.CompileError,
        r"Tensor W of shape \(2,\) one of shape \(\)",
    ),
    "update without a slot": (
        lambda: tg.compile(lambda x: (x * W).sum(), update=lambda w, g, v: w - g, slots=1),
        tg.CompileError,
        "a tuple of the new parameter and 1 new slots",
    ),
    "slots without update": (lambda: tg.compile(lambda x: x.sum(), slots=1), ValueError, "slots belong to an update"),
    "no function": (lambda: tg.compile(3), TypeError, "a function is needed, not int"),  # type: ignore[arg-type]  # the mistake
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes(case: str) -> None:
    make, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        make()([1.0, 2.0])


def test_integers_have_no_gradient() -> None:
    with pytest.raises(tg.GradientError, match="holds int64, which has no derivatives"):
        tg.compile(lambda x: (x * 0.5).sum(), wrt=0)([1, 2])


def test_before_the_first_call() -> None:
    step = tg.compile(lambda x: x.sum())
    for ask in (lambda: step.source, lambda: step.plan, lambda: step.wrt):
        with pytest.raises(ValueError, match="first call"):
            ask()


def test_an_error_of_the_function_is_its_own() -> None:
    with pytest.raises(tg.ShapeError, match="matmul: inner sizes differ"):
        tg.compile(lambda x: (x @ W).sum())(np.ones((2, 3)))


def test_reading_numbers_is_forbidden_only_while_it_records() -> None:
    step = tg.compile(lambda x: (x * W).sum(), wrt=W)
    step([1.0, 2.0])
    assert W.data.tolist() == [1.0, 2.0]
    assert bool((W > 0).all())


def test_the_same_text_in_another_process() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_compile_contract as t; import tinygrad_edu as tg\n"
        "f, p, (x, y) = t.network(); s = tg.compile(f, wrt=p); s(x, y); print(s.source, end='')"
    )
    loss, parameters, (x, y) = network()
    step = tg.compile(loss, wrt=parameters)
    step(x, y)
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout == step.source


@pytest.mark.parametrize(
    "name", ["class", "import os", "add", "program", "x", '"; import os #', "a\nb", "λ", "", "t1", "w" * 300]
)
def test_any_name_becomes_a_name_of_python(name: str) -> None:
    w, v = tg.Tensor([1.0, 2.0], requires_grad=True, name=name), tg.Tensor(2.0, requires_grad=True, name=name)
    value, gradients = tg.compile(lambda x: (w * x).sum() * v, wrt=[w, v])([3.0, 4.0])
    assert (value, gradients[0].tolist(), float(gradients[1])) == (22.0, [6.0, 8.0], 11.0)
    step = tg.compile(lambda x: (w * x).sum() * v, wrt=[w, v], update=sgd)
    assert step([3.0, 4.0]) == 22.0
    assert "import os" not in step.source
