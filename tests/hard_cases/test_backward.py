"""Backward and the graph: seeds, repeated and failing calls, deep and wide graphs, modes, memory."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import operator
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from oracles import leaf

import tinygrad_edu as tg
from tinygrad_edu.modes import MODES


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def modes_end_with_the_test() -> Iterator[None]:
    """A mode that leaks fails the test that leaked it, not those that come after."""
    yield
    MODES.set(())


# ---- a result that is not a scalar, and no seed gradient ---------------------------------------------------------


@pytest.mark.parametrize("name", ["y", None])
def test_backward_of_a_non_scalar_needs_a_gradient(name: str | None) -> None:
    x = leaf([1.0, 2.0, 3.0], "x")
    y = x * x
    y.name = name
    with pytest.raises(tg.GradientError) as caught:
        y.backward()
    assert isinstance(caught.value, ValueError)
    text = str(caught.value)
    assert text.startswith("backward:")
    assert (name or "multiply") in text, "the tensor is called by its name, or by the op that made it"
    assert "(3,)" in text
    assert "not a scalar" in text
    assert x.grad is None


def test_what_the_message_suggests_for_a_non_scalar_works() -> None:
    x = leaf([1.0, 2.0, 3.0], "x")
    with pytest.raises(tg.GradientError) as caught:
        (x * x).named("y").backward()
    suggested = re.findall(r"\.\w+\(\)\.backward\(\)", str(caught.value))
    found = {}
    for code in suggested:
        x.zero_grad()
        eval(f"y{code}", {"y": x * x})
        found[code] = x.grad.tolist()
    assert found == {".sum().backward()": [2.0, 4.0, 6.0], ".mean().backward()": pytest.approx([2 / 3, 4 / 3, 2.0])}
    assert "gradient=" in str(caught.value)
    x.zero_grad()
    (x * x).backward(gradient=np.array([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [2.0, 40.0, 600.0]


def test_one_number_with_an_axis_is_not_a_scalar() -> None:
    x = leaf([3.0], "x")
    with pytest.raises(tg.GradientError, match=r"\(1,\)"):
        (x * x).backward()


def test_gradients_and_grad_of_a_non_scalar() -> None:
    x = leaf([1.0, 2.0], "x")
    with pytest.raises(tg.GradientError, match=r"(?s)y.*not a scalar.*\(2,\).*sum.*mean.*gradient="):
        tg.gradients((x * x).named("y"), x)
    with pytest.raises(tg.GradientError, match=r"(?s)\(2,\).*sum.*mean.*jacobian"):
        tg.grad(lambda t: t * t)([1.0, 2.0])


# ---- backward twice, and two losses that share a part ------------------------------------------------------------


def test_backward_twice_adds_the_same_amount() -> None:
    x = leaf(3.0, "x")
    loss = x * x
    loss.backward()
    assert x.grad == 6.0
    loss.backward()
    assert x.grad == 12.0
    x.zero_grad()
    loss.backward()
    assert x.grad == 6.0


def test_backward_twice_through_a_deep_interior() -> None:
    """An engine that keeps interior gradients counts them again in the second call: 18 instead of 12."""
    x = leaf([0.3, -0.7], "x")
    h = tg.tanh(x * x)
    h.retain_grad()
    loss = (h * h * h).sum()
    loss.backward()
    once, once_h = x.grad.copy(), h.grad.copy()
    loss.backward()
    t = np.tanh(x.data**2)
    np.testing.assert_allclose(once_h, 3 * t**2, rtol=1e-14)
    np.testing.assert_allclose(once, 3 * t**2 * (1 - t**2) * 2 * x.data, rtol=1e-14)
    np.testing.assert_array_equal(x.grad, 2 * once)
    np.testing.assert_array_equal(h.grad, 2 * once_h)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_losses_that_share_a_subgraph(order: tuple[int, int]) -> None:
    x, w = np.array([0.5, -1.0, 2.0]), leaf([0.3, 0.1, -0.4], "w")
    h = tg.tanh(w * x)
    losses = [(h * h).sum(), tg.exp(h).sum()]
    t = np.tanh(w.data * x)
    local = (1 - t * t) * x
    expected = [2 * t * local, np.exp(t) * local]
    losses[order[0]].backward()
    np.testing.assert_allclose(w.grad, expected[order[0]], rtol=1e-13)
    losses[order[1]].backward()
    np.testing.assert_allclose(w.grad, expected[0] + expected[1], rtol=1e-13)


# ---- the seed gradient -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1.0, np.ones(1), np.ones((3, 1)), np.ones((1, 3)), np.ones(2), [[1.0] * 3] * 3, np.ones(0)])
def test_a_seed_of_another_shape_is_refused(seed: Any) -> None:
    x = leaf([1.0, 2.0, 3.0], "x")
    y = (x * x).named("y")
    for call in (
        lambda: y.backward(seed),
        lambda: tg.gradients(y, x, gradient=seed),
        lambda: tg.vjp(lambda t: t * t, x)[1](seed),
    ):
        with pytest.raises(tg.ShapeError) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert str(np.shape(seed)) in str(caught.value)
        assert "(3,)" in str(caught.value)
        assert "must be equal" in str(caught.value)
    with pytest.raises(tg.ShapeError, match=r"backward.* y "):
        y.backward(seed)
    assert x.grad is None


def test_a_scalar_refuses_a_seed_with_an_axis() -> None:
    x = leaf(2.0, "x")
    with pytest.raises(tg.ShapeError, match=r"\(1,\).*\(\)"):
        (x * x).backward(np.ones(1))


@pytest.mark.parametrize(
    "seed", [[1, 2, 3], np.array([1, 2, 3]), np.float32([1, 2, 3]), tg.Tensor([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])]
)
def test_a_seed_of_the_right_shape_weighs_each_number(seed: Any) -> None:
    x = leaf([1.0, 10.0, 100.0], "x")
    (x * x).backward(seed)
    assert x.grad.tolist() == [2.0, 40.0, 600.0]
    assert x.grad.dtype == np.float64


# ---- nothing to differentiate ------------------------------------------------------------------------------------


def _no_grad_result() -> tg.Tensor:
    with tg.no_grad():
        return (leaf(2.0) * 3.0).named("y")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: tg.Tensor(1.0, name="y"), "constant"),
        (_no_grad_result, "multiply under no_grad"),
        (lambda: (tg.Tensor(1.0) * 2.0).named("y"), "requires_grad=True"),
        (lambda: (leaf(2.0).detach() * 2.0).named("y"), "requires_grad=True"),
        (lambda: leaf([1.0, 2.0]).argmax().named("y"), "argmax, which has no derivative"),
        (lambda: (leaf(2.0) > 1.0).named("y"), "greater, which has no derivative"),
        (lambda: leaf(2.0).astype(int).named("y"), "no derivative"),
        (lambda: tg.Tensor(3, name="y"), "constant"),
    ],
    ids=["constant", "no_grad", "of constants", "detached", "argmax", "comparison", "integer", "integer leaf"],
)
def test_backward_says_why_there_is_nothing_to_do(make: Callable[[], tg.Tensor], reason: str) -> None:
    with pytest.raises(tg.GradientError) as caught:
        make().backward()
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("backward: Tensor y")
    assert reason in str(caught.value)


def test_backward_of_an_unnamed_result_calls_it_by_its_op() -> None:
    with pytest.raises(tg.GradientError, match="exp"):
        tg.exp(tg.Tensor(1.0)).backward()


def test_backward_of_a_leaf_itself_gives_one() -> None:
    x = leaf(5.0, "x")
    x.backward()
    assert x.grad == 1.0


def test_gradients_by_something_that_y_does_not_depend_on() -> None:
    x, other = leaf(2.0, "x"), leaf(3.0, "other")
    with pytest.raises(tg.GradientError, match=r"(?s)other.*unused=\"zero\""):
        tg.gradients(x * x, [x, other])
    found = tg.gradients(x * x, [x, other], unused="zero")
    assert [g.item() for g in found] == [4.0, 0.0]


def test_grad_of_a_function_under_no_grad_is_never_a_silent_zero() -> None:
    """The derivative of x² at 3 is 6; an error is right too, 0 is not."""
    with tg.no_grad(), contextlib.suppress(tg.GradientError):
        assert tg.grad(lambda x: x * x)(3.0).item() == 6.0
        assert tg.hessian(lambda x: (x * x * x).sum())([2.0]).tolist() == [[12.0]]


# ---- an exception in the middle of backward ----------------------------------------------------------------------


class Fragile:
    """An identity whose derivative raises as often as it is told to."""

    def __init__(self, error: BaseException) -> None:
        self.left = 0
        self.error = error
        self.op = tg.elementwise("fragile", lambda x: x + 0.0, self.partial)

    def partial(self, y: Any, x: Any) -> Any:
        if self.left:
            self.left -= 1
            raise self.error
        return np.ones_like(x)


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), MemoryError(), StopIteration()], ids=repr)
@pytest.mark.parametrize("place", range(4))
def test_a_failing_backward_touches_no_leaf_and_can_be_retried(error: BaseException, place: int) -> None:
    """The op that fails is put at each place of the graph in turn: before and after other leaves are finished."""
    fragile = Fragile(error)
    a, b, c, d = (leaf([v, v + 1.0], n) for v, n in zip((2.0, 3.0, 5.0, 7.0), "abcd", strict=True))
    leaves = [a, b, c, d]
    spots = [fragile.op if i == place else (lambda t: t) for i in range(4)]
    loss = (spots[0](a * spots[1](b * spots[2](c))) + spots[3](d)).sum()
    expected = [b.data * c.data, a.data * c.data, a.data * b.data, np.ones(2)]

    fragile.left = 1
    with pytest.raises(type(error)):
        loss.backward()
    assert [t.grad for t in leaves] == [None] * 4

    loss.backward()
    for t, g in zip(leaves, expected, strict=True):
        np.testing.assert_array_equal(t.grad, g)

    before = [t.grad for t in leaves]
    fragile.left = 1
    with pytest.raises(type(error)):
        loss.backward()
    for t, kept, g in zip(leaves, before, expected, strict=True):
        assert t.grad is kept
        np.testing.assert_array_equal(t.grad, g)
    loss.backward()
    for t, g in zip(leaves, expected, strict=True):
        np.testing.assert_array_equal(t.grad, 2 * g)


def test_an_anomaly_in_the_middle_of_backward_touches_no_leaf() -> None:
    a, b = leaf([1.0, 4.0], "a"), leaf([2.0, 0.0], "b")
    loss = (a * a).sum() + tg.sqrt(b).sum()
    with tg.detect_anomaly(), np.errstate(divide="ignore"), pytest.raises(tg.AnomalyError):
        loss.backward()
    assert a.grad is None
    assert b.grad is None
    with np.errstate(divide="ignore"):
        loss.backward()
    assert a.grad.tolist() == [2.0, 8.0]
    assert b.grad.tolist() == [pytest.approx(0.5 / np.sqrt(2)), np.inf]


def test_a_gradient_that_cannot_be_added_touches_no_leaf() -> None:
    """A user who stored a gradient of another shape gets an error, and the other leaves stay as they were."""
    a, b, c = (leaf([1.0, 2.0], n) for n in "abc")
    b.grad = np.ones(7)
    with pytest.raises(ValueError, match=r"\(2,\)"):
        (a * b * c).sum().backward()
    assert a.grad is None
    assert c.grad is None
    b.grad = None
    (a * b * c).sum().backward()
    assert all(t.grad.tolist() == [1.0, 4.0] for t in (a, b, c))


# ---- each edge once per use --------------------------------------------------------------------------------------


def test_uses_of_one_tensor_add_up() -> None:
    x = leaf(3.0, "x")
    for y, slope in [
        (x * x, 6.0),
        (x + x, 2.0),
        (x - x, 0.0),
        (x / x, 0.0),
        (x**x, 27 * (np.log(3) + 1)),
        (x * x + x * x * x + x, 6.0 + 27.0 + 1.0),
        (tg.stack([x, x, x]).prod(), 27.0),
        (tg.matmul(tg.stack([x, x]), tg.stack([x, x])), 12.0),
        (tg.where(True, x, x), 1.0),
        (tg.maximum(x, x), 1.0),
    ]:
        x.zero_grad()
        y.backward()
        assert x.grad == pytest.approx(slope, rel=1e-14), y


def test_the_order_is_topological_not_just_backwards() -> None:
    """b = a + a, c = b + b: a wave from c that visits a as soon as it is met counts b half."""
    a = leaf(1.0, "a")
    b = a + a
    c = b + b
    c.backward()
    assert a.grad == 4.0
    a.zero_grad()
    b = a * 2.0
    skip = b + a
    (b * skip + a).backward()  # 2a · 3a + a
    assert a.grad == 13.0


def test_random_graphs_against_the_sum_over_all_paths() -> None:
    """y_i = Σ_(j<i) w_ij y_j: the sum over all paths from j to i of the products of weights is (1 − W)⁻¹_ij."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = 25
        weights = np.tril(rng.integers(-2, 3, (n, n)), -1).astype(float)
        weights[range(1, n), range(n - 1)] = 1.0  # every node is reached
        root = leaf(1.0, "y0")
        nodes = [root]
        for i in range(1, n):
            uses = [(j, weights[i, j]) for j in rng.permutation(i) if weights[i, j]]
            nodes.append(sum((nodes[j] * w for j, w in uses[1:]), nodes[uses[0][0]] * uses[0][1]))
        nodes[-1].backward()
        assert root.grad == pytest.approx(np.linalg.inv(np.eye(n) - weights)[n - 1, 0], rel=1e-9)


def test_sixty_doublings_cost_one_visit_per_edge() -> None:
    """2⁶⁰ paths, 120 edges."""
    visits = []

    def one(y: Any, a: Any, b: Any) -> Any:
        visits.append(1)
        return np.ones_like(y)

    double = tg.elementwise("double", operator.add, one, one)
    x = leaf(1.0, "x")
    y = x
    for _ in range(60):
        y = double(y, y)
    y.backward()
    assert x.grad == 2.0**60
    assert len(visits) == 120
    y = x
    for _ in range(60):
        y = y + y
    x.zero_grad()
    y.backward()
    assert x.grad == 2.0**60


# ---- depth and fan-in --------------------------------------------------------------------------------------------

DEEP = """
import copy, gc, json, pickle, sys, threading, weakref
import numpy as np
import tinygrad_edu as tg

found = {}

def run():
    x = tg.Tensor(0.5, requires_grad=True, name="x")
    y = x
    for i in range(1_000_000):
        y = y + 1.0
        if i in (0, 500_000):
            found[f"alive {i}"] = weakref.ref(y)
    found["value"] = y.item()
    y.backward()
    found["grad"] = x.grad.item()
    twin = copy.deepcopy(x)
    found["copy"] = [twin.item(), twin.grad.item(), twin.name, twin.requires_grad]
    found["pickle"] = pickle.loads(pickle.dumps(x)).item()
    for refuse in (copy.deepcopy, copy.copy, pickle.dumps):
        try:
            refuse(y)
        except TypeError:
            found["refused"] = found.get("refused", 0) + 1
    repr(y)
    del y
    for i in (0, 500_000):
        found[f"alive {i}"] = found[f"alive {i}"]() is not None

gc.disable()  # what is freed is freed by reference counting alone
threading.stack_size(256 * 1024)
sys.setrecursionlimit(200)
thread = threading.Thread(target=run)
thread.start()
thread.join()
print(json.dumps(found))
"""


def test_a_chain_of_a_million_operations() -> None:
    """In a process of its own, on a stack of 256 KiB and 200 Python frames: recursion anywhere would end it."""
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "value": 1_000_000.5,
        "grad": 1.0,
        "copy": [0.5, 1.0, "x", True],
        "pickle": 0.5,
        "refused": 3,
        "alive 0": False,
        "alive 500000": False,
    }


def test_a_deep_chain_with_a_recorded_backward_pass() -> None:
    x = leaf(1.0, "x")
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    first = tg.gradients(y * y, x, create_graph=True)  # y² = (1.0001ⁿ)² x²
    assert first.item() == pytest.approx(2 * 1.0001**40_000, rel=1e-9)
    assert tg.gradients(first, x).item() == pytest.approx(2 * 1.0001**40_000, rel=1e-9)


WIDE = 200_000


@pytest.mark.usefixtures("without_collector")
def test_fan_in_of_stack_and_concatenate() -> None:
    xs = [leaf(float(i % 7)) for i in range(WIDE)]
    weights = np.arange(WIDE) % 5 + 1.0
    loss = (tg.stack(xs) * weights).sum()
    assert loss.item() == float(np.sum(np.arange(WIDE) % 7 * weights))
    loss.backward()
    assert np.array_equal([x.grad for x in xs], weights)
    rows = [x.reshape(1) for x in xs]
    (tg.concatenate(rows) * weights).sum().backward()
    assert np.array_equal([x.grad for x in xs], 2 * weights)


@pytest.mark.usefixtures("without_collector")
def test_fan_in_of_the_python_sum() -> None:
    xs = [leaf(1.0) for _ in range(WIDE)]
    total = sum(xs)
    assert total.item() == WIDE
    total.backward()
    assert all(x.grad == 1.0 for x in xs)


@pytest.mark.usefixtures("without_collector")
def test_fan_out_one_leaf_used_many_times() -> None:
    x = leaf(0.5, "x")
    tg.stack([x] * WIDE).sum().backward()
    assert x.grad == WIDE
    y = x
    x.zero_grad()
    for _ in range(20_000):
        y = y + x
    y.backward()
    assert x.grad == 20_001.0


# ---- no reference cycles -----------------------------------------------------------------------------------------


def _nothing(loss: tg.Tensor, w: tg.Tensor) -> None:
    pass


def _retained(loss: tg.Tensor, w: tg.Tensor) -> None:
    loss.inputs[0].retain_grad()
    loss.backward()


def _second_order(loss: tg.Tensor, w: tg.Tensor) -> None:
    first = tg.gradients(loss, w, create_graph=True)
    first.sum().backward()


def _failing_forward(loss: tg.Tensor, w: tg.Tensor) -> None:
    with pytest.raises(tg.ShapeError):
        loss.inputs[0] + tg.Tensor(np.ones((5, 7)))
    with pytest.raises(IndexError):
        loss.inputs[0][99]


def _failing_backward(loss: tg.Tensor, w: tg.Tensor) -> None:
    with pytest.raises(tg.ShapeError):
        loss.backward(np.ones(3))


def _under_modes(loss: tg.Tensor, w: tg.Tensor) -> None:
    with tg.no_grad(), tg.detect_anomaly():
        loss.backward()


def _looked_at(loss: tg.Tensor, w: tg.Tensor) -> None:
    repr(loss), loss.data, loss.numpy(), list(loss.inputs[0].ravel()), loss.detach(), f"{loss:.3f}"


@pytest.mark.parametrize(
    "use",
    [
        _nothing,
        lambda loss, w: loss.backward(),
        _retained,
        _second_order,
        _failing_forward,
        _failing_backward,
        _under_modes,
        _looked_at,
    ],
    ids=["forward", "backward", "retained", "second order", "failed forward", "failed backward", "modes", "looked at"],
)
@pytest.mark.usefixtures("without_collector")
def test_dropping_the_loss_frees_the_graph(use: Callable[[tg.Tensor, tg.Tensor], None]) -> None:
    w = leaf(np.ones((3, 2)), "w")
    x = np.ones((4, 3))
    u = tg.matmul(x, w)
    h = tg.tanh(u)
    picked = h[[0, 0, 2]].reshape(-1)
    squares = tg.stack([picked, picked * picked])
    loss = squares.mean()
    use(loss, w)
    traces = [weakref.ref(t) for t in (u, h, picked, squares, loss, *squares.inputs)]
    assert all(trace() is not None for trace in traces)
    del u, h, picked, squares, loss
    assert [trace() for trace in traces] == [None] * len(traces)


@pytest.mark.usefixtures("without_collector")
def test_a_training_loop_leaves_nothing_behind() -> None:
    w = leaf(np.ones((3, 2)), "w")
    kept = []
    for _ in range(5):
        loss = tg.tanh(tg.matmul(np.ones((4, 3)), w)).sum()
        kept.append(weakref.ref(loss.inputs[0]))
        w.zero_grad()
        loss.backward()
        w.data = w.data - 0.1 * w.grad
    del loss
    assert [trace() for trace in kept] == [None] * 5


# ---- modes never leak --------------------------------------------------------------------------------------------

W = leaf(2.0, "w")


def records() -> bool:
    return (W * W).requires_grad


@contextlib.contextmanager
def frozen() -> Iterator[None]:
    with tg.no_grad():
        yield


@contextlib.contextmanager
def frozen_by_a_stack() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(tg.no_grad())
        yield


@contextlib.contextmanager
def frozen_twice() -> Iterator[None]:
    with frozen(), frozen_by_a_stack():
        yield


class Frozen:
    """A context manager written by hand."""

    def __enter__(self) -> None:
        self.mode = tg.no_grad()
        self.mode.__enter__()

    def __exit__(self, *why: Any) -> None:
        self.mode.__exit__(*why)


MANAGERS = [tg.no_grad, frozen, frozen_by_a_stack, frozen_twice, Frozen]


@pytest.mark.parametrize("manager", MANAGERS)
def test_no_grad_holds_inside_and_ends_outside(manager: Callable[[], Any]) -> None:
    with manager():
        assert not records()
        with manager():
            assert not records()
        assert not records()
    assert records()
    with pytest.raises(KeyError), manager():
        raise KeyError
    assert records()


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_suspended_generator_does_not_reach_its_caller(manager: Callable[[], Any]) -> None:
    def steps() -> Iterator[bool]:
        with manager():
            yield records()
            yield records()
        yield records()

    walk = steps()
    assert next(walk) is False
    assert records()
    assert next(walk) is False
    assert records()
    assert next(walk) is True
    assert records()


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_generator_that_is_dropped_takes_its_mode_along(manager: Callable[[], Any]) -> None:
    def steps() -> Iterator[bool]:
        with manager():
            while True:
                yield records()

    walk = steps()
    assert next(walk) is False
    del walk
    assert records()
    first, second = steps(), steps()
    assert [next(first), next(second), next(first)] == [False] * 3
    first.close()
    assert records()
    assert next(second) is False
    second.close()
    assert records()


def test_a_generator_inside_no_grad_of_its_caller() -> None:
    def steps() -> Iterator[bool]:
        while True:
            yield records()

    walk = steps()
    with tg.no_grad():
        assert next(walk) is False
    assert next(walk) is True
    lazily = (records() for _ in range(2))
    with tg.no_grad():
        assert next(lazily) is False
    assert next(lazily) is True


def test_yield_from_keeps_the_mode_of_the_outer_generator() -> None:
    def inner() -> Iterator[bool]:
        yield records()
        yield records()

    def outer() -> Iterator[bool]:
        with tg.no_grad():
            yield from inner()
        yield from inner()

    walk = outer()
    assert [(next(walk), records()) for _ in range(4)] == [(False, True)] * 2 + [(True, True)] * 2


def test_exit_stack() -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(tg.no_grad())
        stack.enter_context(frozen())
        assert not records()
    assert records()
    with contextlib.ExitStack() as stack:
        stack.enter_context(tg.no_grad())
        kept = stack.pop_all()
    assert not records()
    kept.close()
    assert records()


def test_no_grad_in_a_thread_stays_there() -> None:
    inside, outside = threading.Event(), threading.Event()
    seen = []

    def work() -> None:
        with tg.no_grad():
            inside.set()
            outside.wait(10)
            seen.append(records())
        seen.append(records())

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    assert records()
    outside.set()
    thread.join()
    assert seen == [False, True]
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(records()))
        thread.start()
        thread.join()
    assert seen[-1] is True


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_threads_that_leave_in_the_order_they_entered(shared: bool) -> None:
    """Two threads, one no_grad object or two: who leaves first must not take the other's entry."""
    one = tg.no_grad()
    turns = [threading.Event() for _ in range(3)]
    seen = {}

    def first() -> None:
        with one if shared else tg.no_grad():
            turns[0].set()
            turns[1].wait(10)
        seen["first"] = records()
        turns[2].set()

    def second() -> None:
        turns[0].wait(10)
        with one if shared else tg.no_grad():
            turns[1].set()
            turns[2].wait(10)
            seen["second inside"] = records()
        seen["second"] = records()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"first": True, "second inside": False, "second": True}


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_tasks_that_interleave(shared: bool) -> None:
    one = tg.no_grad()

    async def task(seen: list[bool], pauses: int) -> None:
        with one if shared else tg.no_grad():
            for _ in range(pauses):
                await asyncio.sleep(0)
            seen.append(records())
        seen.append(records())

    async def bystander(seen: list[bool]) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
            seen.append(records())

    async def main() -> list[list[bool]]:
        seen: list[list[bool]] = [[], [], []]
        await asyncio.gather(task(seen[0], 2), task(seen[1], 3), bystander(seen[2]))
        return seen

    assert asyncio.run(main()) == [[False, True], [False, True], [True] * 4]
    assert records()


def test_a_task_inherits_the_mode_of_its_maker() -> None:
    async def child() -> bool:
        await asyncio.sleep(0)
        return records()

    async def main() -> list[bool]:
        with tg.no_grad():
            inside = asyncio.create_task(child())
            called = await child()
        return [await inside, called, await child()]

    assert asyncio.run(main()) == [False, False, True]


def test_asynchronous_generators_and_context_managers() -> None:
    async def steps() -> Any:
        with tg.no_grad():
            yield records()
            await asyncio.sleep(0)
            yield records()

    @contextlib.asynccontextmanager
    async def frozen_later() -> Any:
        with tg.no_grad():
            await asyncio.sleep(0)
            yield

    async def main() -> list[Any]:
        seen: list[Any] = [(inside, records()) async for inside in steps()]
        half = steps()
        seen.append((await anext(half), records()))
        await half.aclose()
        seen.append(records())
        async with frozen_later():
            await asyncio.sleep(0)
            seen.append(records())
        seen.append(records())
        return seen

    assert asyncio.run(main()) == [(False, True)] * 3 + [True, False, True]


def test_enable_grad_inside_no_grad() -> None:
    with tg.no_grad():
        with tg.enable_grad():
            assert records()
            with tg.no_grad():
                assert not records()
            assert records()
        assert not records()

        @tg.enable_grad()
        def step() -> bool:
            return records()

        assert step()
        assert not records()
    assert records()

    def steps() -> Iterator[bool]:
        with tg.enable_grad():
            while True:
                yield records()

    with tg.no_grad():
        walk = steps()
        assert next(walk) is True
        assert not records()
        walk.close()
        assert not records()


def test_one_no_grad_object_entered_twice() -> None:
    one = tg.no_grad()
    with one:
        with one:
            assert not records()
        assert not records()
    assert records()


def test_one_no_grad_object_in_two_suspended_generators() -> None:
    one = tg.no_grad()

    def steps() -> Iterator[bool]:
        with one:
            while True:
                yield records()

    first, second = steps(), steps()
    assert [next(first), next(second)] == [False, False]
    first.close()
    assert next(second) is False
    assert records()
    second.close()
    assert records()


def test_decorator() -> None:
    @tg.no_grad()
    def look(a: int, *, b: int) -> tuple[int, bool]:
        """Look."""
        return a + b, records()

    assert look(1, b=2) == (3, False)
    assert look.__name__ == "look"
    assert look.__doc__ == "Look."
    assert records()

    @frozen()
    def look_again() -> bool:
        return records()

    assert look_again() is False
    assert look_again() is False
    assert records()


def test_the_decorator_works_on_recursive_functions_and_methods() -> None:
    class Model:
        @tg.no_grad()
        def predict(self, depth: int) -> list[bool]:
            return [records(), *(self.predict(depth - 1) if depth else [])]

    assert Model().predict(3) == [False] * 4
    assert records()


def _generator() -> Iterator[int]:
    yield 1


async def _coroutine() -> None:
    pass


async def _asynchronous_generator() -> Any:
    yield 1


@pytest.mark.parametrize("function", [_generator, _coroutine, _asynchronous_generator])
def test_a_decorated_generator_would_run_outside_the_mode_and_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match=rf"(?s)no_grad.*{function.__name__}.*with tg\.no_grad\(\):"):
        tg.no_grad()(function)


def test_backward_works_under_no_grad() -> None:
    x = leaf(3.0, "x")
    loss = x * x
    with tg.no_grad():
        loss.backward()
        assert tg.gradients(loss, x).item() == 6.0
    assert x.grad == 6.0


def test_detect_anomaly_does_not_leak_out_of_a_generator() -> None:
    def steps() -> Iterator[None]:
        with tg.detect_anomaly():
            yield

    walk = steps()
    next(walk)
    with np.errstate(divide="ignore"):
        assert tg.log(tg.Tensor(0.0)).item() == -np.inf
    walk.close()


# ---- gradients never share memory --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a + b,
        lambda a, b: a - (-b),
        lambda a, b: a + b.reshape(3, 2).reshape(2, 3),
        lambda a, b: a + b.T.T,
        lambda a, b: tg.where(np.ones((2, 3), bool), a, 0.0) + b[:, :],
        lambda a, b: tg.concatenate([a, b])[:2] + tg.concatenate([a, b])[2:],
        lambda a, b: tg.stack([a, b]).sum(0),
        lambda a, b: tg.broadcast_to(a, (2, 3)) + b.astype(float),
        lambda a, b: (a + 0.0) + (0.0 + b),
    ],
    ids=["add", "subtract", "reshape", "transpose", "slice", "concatenate", "stack", "broadcast", "chain"],
)
def test_two_parents_never_share_a_gradient_array(combine: Callable[[tg.Tensor, tg.Tensor], tg.Tensor]) -> None:
    a, b = leaf(np.ones((2, 3)), "a"), leaf(np.ones((2, 3)), "b")
    y = combine(a, b)
    y.retain_grad()
    seed = np.arange(6.0).reshape(2, 3)
    y.backward(seed)
    held = {"a": a.grad, "b": b.grad, "y": y.grad, "seed": seed, "a.data": a.data, "b.data": b.data}
    for name, array in held.items():
        for other, it in held.items():
            assert name == other or not np.shares_memory(array, it), (name, other)
    for t in (a, b, y):
        assert t.grad.flags.writeable
        np.testing.assert_array_equal(t.grad, np.arange(6.0).reshape(2, 3))
    a.grad *= 0.0
    b.grad += 100.0
    y.grad[...] = -1.0
    seed[...] = 7.0
    np.testing.assert_array_equal(a.grad, np.zeros((2, 3)))
    np.testing.assert_array_equal(b.grad, np.arange(6.0).reshape(2, 3) + 100.0)
    for t in (a, b):
        t.zero_grad()
    y.backward(np.ones((2, 3)))
    np.testing.assert_array_equal(a.grad, np.ones((2, 3)))
    np.testing.assert_array_equal(b.grad, np.ones((2, 3)))


def test_a_gradient_that_was_kept_does_not_change_with_the_next_backward() -> None:
    x = leaf([1.0, 2.0], "x")
    loss = (x * x).sum()
    loss.backward()
    kept = x.grad
    loss.backward()
    assert kept.tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [4.0, 8.0]


def test_a_gradient_is_an_ndarray_of_the_leafs_shape() -> None:
    scalar, vector = leaf(2.0), leaf([1.0, 2.0])
    (scalar * vector).sum().backward()
    for t in (scalar, vector):
        assert type(t.grad) is np.ndarray
        assert t.grad.shape == t.shape
