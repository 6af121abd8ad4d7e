"""``compile``: programs that once gave a wrong result, or could easily give one. Each is compared with the engine."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import leaf
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu.compiler import CompiledStep, blocks, emit
from tinygrad_edu.ops import OPS
from tinygrad_edu.tensor import apply

Function = Callable[..., tg.Tensor]

silent = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what NumPy says about the engine's infinities


def same_value(f: Function, *arrays: Any, rtol: float = 1e-12) -> None:
    """The program's value is the engine's, and of its dtype."""
    found, right = np.asarray(tg.compile(f, wrt=(), check=False)(*arrays)), f(*map(tg.Tensor, arrays)).numpy()
    assert found.dtype == right.dtype
    np.testing.assert_allclose(found, right, rtol=rtol)


def same_gradient(f: Function, *arrays: Any, rtol: float = 1e-9) -> None:
    """The program's value, and its gradients by all arguments, are the engine's."""
    wrt = tuple(range(len(arrays)))
    value, gradients = tg.compile(f, wrt=wrt, check=False)(*arrays)
    right, expected = tg.value_and_grad(f, wrt)(*arrays)
    np.testing.assert_allclose(value, right.numpy(), rtol=rtol)
    for g, e in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(g, e.numpy(), rtol=rtol, atol=1e-12)


def small_blocks(monkeypatch: pytest.MonkeyPatch, start: int = 64, block: int = 128) -> None:
    monkeypatch.setattr(blocks, "FROM", start)
    monkeypatch.setattr(blocks, "BLOCK", block)


def run_all(*work: Callable[[], object]) -> None:
    """Run these at the same time, each in a thread."""
    threads = [threading.Thread(target=w, daemon=True) for w in work]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive(), "it waits for a lock"


# ---- memory that two values share ------------------------------------------------------------------------------------


def test_a_mask_does_not_inherit_the_memory_of_numbers() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        a, b = tg.sin(x), tg.cos(x)
        m = a > 0.1
        k = b > 0.2
        y = m * a
        z = k * b
        return (y * z + a * b + tg.exp(y)).sum()

    same_gradient(f, np.linspace(-3, 3, 1000))


def test_a_mask_that_is_used_up_does_not_leave_its_memory_to_numbers() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        m = x > 0.1
        b = tg.cos(x)
        c = tg.exp(x)
        y = m * b
        return (y * c + b * c).sum() + (y + b + c).sum()

    same_value(f, np.linspace(-3, 3, 1000))


REUSED: dict[str, Function] = {
    "concatenate": lambda x: tg.concatenate([x[1:], x[:1]]),
    "flip": lambda x: tg.flip(x),
    "where": lambda x: tg.where(np.array([True, False, True, False]), x[::-1], x * 2.0),
    "softplus": lambda x: tg.softplus(x[::-1]),
    "cumsum": lambda x: tg.cumsum(x[::-1], axis=0),
}


@pytest.mark.parametrize("name", REUSED)
def test_reused_results_may_be_the_next_arguments(name: str) -> None:
    f = REUSED[name]
    step = tg.compile(f, wrt=(), reuse=True)
    x = np.array([1.0, 2.0, 3.0, 4.0])
    right = tg.Tensor(x)
    for _ in range(3):
        x, right = step(x), f(right)
        np.testing.assert_allclose(x, right.numpy(), rtol=1e-12)


def test_a_reused_gradient_may_be_the_next_argument() -> None:
    def f(x: tg.Tensor) -> tg.Tensor:
        return (x * tg.flip(x) * np.array([1.0, 2.0, 3.0])).sum()

    step = tg.compile(f, wrt=0, reuse=True)
    x = np.array([0.5, 1.0, -0.25])
    right = x.copy()
    for _ in range(3):
        _, x = step(x)
        right = tg.grad(f)(right).numpy()
        np.testing.assert_allclose(x, right, rtol=1e-12)


def test_an_op_of_ones_own_may_give_back_its_operand() -> None:
    rev = tg.elementwise("rev", lambda x: x, -1)

    def f(x: tg.Tensor) -> tg.Tensor:
        a = tg.sin(x)
        b = rev(a)
        c = tg.exp(a)
        return (b * c + tg.cos(b) * a).sum() + (rev(c) * b).sum()

    same_gradient(f, np.linspace(-1, 1, 50))


def test_an_op_of_ones_own_may_give_back_an_argument_as_the_result() -> None:
    rev = tg.elementwise("rev", lambda x: x, -1)
    x = np.array([1.0, 2.0])
    y = tg.compile(rev, wrt=())(x)
    assert y.tolist() == [1.0, 2.0]
    assert not np.shares_memory(x, y)


def test_an_op_of_ones_own_may_give_back_the_parameter_in_an_update() -> None:
    rev = tg.elementwise("rev", lambda x: x, -1)
    w, b = leaf([1.0, 2.0], "w"), leaf([3.0, 4.0], "b")
    step = tg.compile(lambda: (w * b).sum(), wrt=[w, b], update=lambda w, g, old: (w - 0.1 * g + 0.01 * old, rev(w)), slots=1)
    at, c, old_w, old_b = w.numpy(), b.numpy(), np.zeros(2), np.zeros(2)
    for _ in range(3):
        step()
        at, c, old_w, old_b = at - 0.1 * c + 0.01 * old_w, c - 0.1 * at + 0.01 * old_b, at, c
        for t, right in zip([w, b, *step.slots[0]], [at, c, old_w, old_b], strict=True):
            np.testing.assert_allclose(t.numpy(), right, rtol=1e-12)


# ---- parameters and their update -------------------------------------------------------------------------------------


def test_only_a_single_number_is_given_anew() -> None:
    w, c = leaf([1.0, 2.0], "w"), leaf(3.0, "c")
    step = tg.compile(lambda: (w * w).sum() * c, wrt=[w, c], update=lambda w, g: w - 0.1 * g)
    step()
    step()
    c.data = 2.0
    at = w.numpy()
    assert step() == pytest.approx((at @ at) * 2.0)
    np.testing.assert_allclose(c.item(), 2.0 - 0.1 * (at @ at))


def test_signatures_in_turn_train_the_same_parameters() -> None:
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda x: ((x @ w) ** 2).sum(), wrt=[w], update=lambda w, g: w - 0.01 * g)
    at = w.numpy()
    for k in range(12):
        x = np.full((k % 3 + 1, 2), 0.3)
        if k % 4 == 3:
            at = at + 1.0
            w.data = at
        assert step(x) == pytest.approx(np.sum((x @ at) ** 2))
        at = at - 0.01 * x.T @ (2 * (x @ at))
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)


def test_every_slot_that_is_read_is_the_old_one() -> None:
    w, b = leaf([[1.0, 2.0], [3.0, -1.0]], "w"), leaf([1.0, 2.0], "b")

    def rule(w: tg.Tensor, g: tg.Tensor, old: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        return w - 0.1 * g / tg.maximum(tg.norm(g), 0.05) + 0.1 * old, w

    step = tg.compile(lambda: ((w @ b) ** 2).sum(), wrt=[w, b], update=rule, slots=1)
    W, B = w.numpy(), b.numpy()
    old_W, old_B = np.zeros_like(W), np.zeros_like(B)
    for _ in range(3):
        u = W @ B
        by_W, by_B = np.outer(2 * u, B), W.T @ (2 * u)
        step()
        W, old_W = W - 0.1 * by_W / np.linalg.norm(by_W) + 0.1 * old_W, W
        B, old_B = B - 0.1 * by_B / np.linalg.norm(by_B) + 0.1 * old_B, B
        for t, right in zip([w, b, *step.slots[0]], [W, B, old_W, old_B], strict=True):
            np.testing.assert_allclose(t.numpy(), right, rtol=1e-10)


CHOICES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "one": (lambda w, g: tg.where(g > 1.0, w, g), lambda w, g: np.where(g > 1.0, w, g)),
    "two": (
        lambda w, g: tg.where(g > 1.0, w * 1.0, g) + tg.where(g < 2.0, g, w),
        lambda w, g: np.where(g > 1.0, w, g) + np.where(g < 2.0, g, w),
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_an_update_that_chooses(name: str) -> None:
    rule, by_hand = CHOICES[name]
    w = leaf([1.0, -0.2, 0.5], "w")
    step = tg.compile(lambda: (w * w * w).sum(), wrt=[w], update=rule)
    at = w.numpy()
    for _ in range(3):
        step()
        at = by_hand(at, 3 * at * at)
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)


def test_a_tensor_that_the_update_uses_for_some_parameters_is_read_at_every_call() -> None:
    w, b, decay = leaf([[1.0, 2.0]], "w"), leaf([1.0, 2.0], "b"), tg.Tensor(0.5, name="decay")
    step = tg.compile(lambda: (w * b).sum(), wrt=[b, w], update=lambda w, g: w - decay * w if w.ndim > 1 else w - 0.1 * g)
    W, B = w.numpy(), b.numpy()
    for number in (0.5, 0.25, 0.125):
        decay.data = number
        step()
        W, B = W - number * W, B - 0.1 * W[0]
        np.testing.assert_allclose(w.numpy(), W, rtol=1e-12)
        np.testing.assert_allclose(b.numpy(), B, rtol=1e-12)


@pytest.mark.parametrize("draw", [lambda rng: rng.normal(), lambda rng: rng.normal(size=2)])
def test_random_numbers_in_an_update_are_refused(draw: Callable[[np.random.Generator], Any]) -> None:
    rng = np.random.default_rng(0)
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda: (w * w).sum(), wrt=[w], update=lambda w, g: w - 0.1 * g + draw(rng))
    with pytest.raises(tg.CompileError, match="random numbers"):
        step()
    assert w.tolist() == [1.0, 2.0]


SHAPES: dict[str, list[Any]] = {
    "arrays": [[1.0, 2.0], [[0.5], [2.0]]],
    "arrays and numbers": [[1.0, 2.0], 0.5, 2.0],
    "numbers": [1.0, 0.5],
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("where", ["function", "update"])
@pytest.mark.parametrize("by_norm", [False, True])
def test_an_error_inside_of_a_running_program_leaves_all_parameters_as_they_were(kind: str, where: str, by_norm: bool) -> None:
    broken = False

    def forward(x: Any) -> Any:
        if broken:
            raise OSError("broken")
        return x * 1.0

    op = tg.elementwise("fragile", forward, 1)
    parameters = [leaf(value, f"w{n}") for n, value in enumerate(SHAPES[kind])]

    def f(x: tg.Tensor) -> tg.Tensor:
        loss = tg.Tensor(0.0)
        for w in parameters:
            loss = loss + (w * w * x).sum()
        return op(loss) if where == "function" else loss

    def rule(w: tg.Tensor, g: tg.Tensor, v: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        v = 0.5 * v + (g / tg.norm(g.reshape(-1)) if by_norm else g)
        new = w - 0.1 * v
        return (op(new) if where == "update" else new), v

    step = tg.compile(f, wrt=parameters, update=rule, slots=1)
    step(1.0)
    step(1.0)
    before = [t.numpy() for t in (*parameters, *step.slots[0])]
    broken = True
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            step(1.0)
        for t, right in zip([*parameters, *step.slots[0]], before, strict=True):
            np.testing.assert_array_equal(t.numpy(), right)
    broken = False
    run_all(lambda: step(1.0))  # another thread, which would wait for the lock
    n = len(parameters)
    for w, old, v in zip(parameters, before[:n], before[n:], strict=True):
        g = 2 * old
        right = old - 0.1 * (0.5 * v + (g / np.sqrt(np.sum(g * g)) if by_norm else g))
        np.testing.assert_allclose(w.numpy(), right, rtol=1e-12)


# ---- threads ---------------------------------------------------------------------------------------------------------


def counted(size: int) -> tuple[tg.Tensor, CompiledStep]:
    """A parameter that every call makes less by one."""
    w = leaf(np.zeros(size), "w")
    return w, tg.compile(lambda x: (w * x).sum(), wrt=[w], update=lambda w, g: w - 1.0 + 0.0 * g)


def test_threads_train_without_losing_a_step() -> None:
    w, step = counted(50000)
    step(1.0)

    def work() -> None:
        for _ in range(150):
            step(1.0)

    run_all(work, work, work, work)
    assert w.numpy().min() == w.numpy().max() == -601.0


def test_threads_begin_together_without_losing_a_step() -> None:
    for _ in range(5):
        w, step = counted(500)
        barrier = threading.Barrier(4)

        def work(barrier: threading.Barrier = barrier, step: CompiledStep = step) -> None:
            barrier.wait()
            for _ in range(20):
                step(1.0)

        run_all(work, work, work, work)
        assert w.numpy().min() == w.numpy().max() == -80.0


def test_new_signatures_in_another_thread_lose_no_step() -> None:
    w, step = counted(500)
    step(1.0)
    done = threading.Event()
    calls = [1]

    def train() -> None:
        while not done.is_set():
            step(1.0)
            calls[0] += 1

    def others() -> None:
        try:
            for n in range(1, 31):
                step(np.ones((n, 1)))
        finally:
            done.set()

    run_all(train, others)
    assert calls[0] > 1
    assert w.numpy().min() == w.numpy().max() == -(calls[0] + 30.0)


# ---- what is not followed by gradients -------------------------------------------------------------------------------


def without_recording(x: tg.Tensor) -> tg.Tensor:
    with tg.no_grad():
        k = tg.exp(x)
    return (x * k).sum()


def first_order(x: tg.Tensor) -> tg.Tensor:
    (g,) = tg.gradients(tg.sin(x).sum(), [x])
    return (x * g).sum()


DETACHED: dict[str, tuple[Function, Callable[[Any], Any]]] = {
    "detach": (lambda x: (x * x.detach()).sum(), lambda x: x),
    "detach of a result": (lambda x: (x * tg.exp(x).detach()).sum(), np.exp),
    "no_grad": (without_recording, np.exp),
    "gradients": (first_order, np.cos),
}


@pytest.mark.parametrize("name", DETACHED)
@pytest.mark.parametrize("x", [0.7, [1.0, 2.0, 4.0]])
def test_detached_numbers_are_followed(name: str, x: Any) -> None:
    f, factor = DETACHED[name]
    step = tg.compile(f, wrt=0)
    for k in (1.0, 3.0, -0.5):
        at = np.array(x) * k
        value, g = step(at)
        right, expected = tg.value_and_grad(f)(at)
        np.testing.assert_allclose(value, right.numpy(), rtol=1e-12)
        np.testing.assert_allclose(g, expected.numpy(), rtol=1e-12)
        np.testing.assert_allclose(g, factor(at), rtol=1e-12)


@pytest.mark.parametrize("number", [0.7, [1.0, 2.0]])
def test_a_detached_parameter_is_followed(number: Any) -> None:
    w = leaf(number, "w")
    step = tg.compile(lambda x: (w * w.detach() * x).sum(), wrt=w)
    for k in (1.0, 3.0, -0.5):
        w.data = at = np.array(number) * k
        value, g = step(2.0)
        np.testing.assert_allclose(value, np.sum(2.0 * at * at), rtol=1e-12)
        np.testing.assert_allclose(g, 2.0 * at, rtol=1e-12)


def test_a_detached_parameter_is_followed_while_it_is_trained() -> None:
    w = leaf([1.0, 2.0], "w")
    step = tg.compile(lambda: (w * w.detach()).sum(), wrt=[w], update=lambda w, g: w - 0.1 * g)
    at = w.numpy()
    for _ in range(3):
        assert step() == pytest.approx(at @ at)
        at = at - 0.1 * at
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)


DETACHED_RULES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "gradient": (lambda w, g: w - 0.1 * g.detach(), lambda w, g: w - 0.1 * g),
    "parameter": (lambda w, g: w.detach() - 0.1 * g, lambda w, g: w - 0.1 * g),
    "both": (lambda w, g: w.detach() - 0.1 * g.detach(), lambda w, g: w - 0.1 * g),
    "norm": (
        lambda w, g: w - 0.1 * g.detach() / tg.norm(w.detach().reshape(-1)),
        lambda w, g: w - 0.1 * g / np.sqrt(np.sum(w * w)),
    ),
}


@pytest.mark.parametrize("name", DETACHED_RULES)
@pytest.mark.parametrize("number", [0.7, [1.0, 2.0]])
def test_detached_numbers_of_an_update_are_followed(name: str, number: Any) -> None:
    rule, by_hand = DETACHED_RULES[name]
    w = leaf(number, "w")
    step = tg.compile(lambda: (w * w).sum(), wrt=[w], update=rule)
    at = w.numpy()
    for _ in range(3):
        assert step() == pytest.approx(np.sum(at * at))
        at = by_hand(at, 2 * at)
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("called_before", [False, True])
def test_a_step_inside_of_a_compiled_function_is_refused(called_before: bool) -> None:
    inner = tg.compile(lambda x: (x * x).sum(), wrt=())
    x = np.array([1.0, 2.0])
    if called_before:
        inner(x)
        inner(x)
    with pytest.raises(tg.CompileError, match="called inside"):
        tg.compile(lambda x: (x * inner(x)).sum(), wrt=0)(x)
    assert inner(x) == 5.0


def test_a_computed_mask_as_an_index_is_refused() -> None:
    with pytest.raises(tg.CompileError, match="mask"):
        tg.compile(lambda x: x[x > 1.5].sum(), wrt=0)(np.array([1.0, 2.0, 3.0]))


def test_a_given_mask_as_an_index_is_refused() -> None:
    with pytest.raises(tg.CompileError, match="mask"):
        tg.compile(lambda x, m: x[m].sum(), wrt=0)(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))


def test_a_constant_mask_is_an_index() -> None:
    mask = np.array([True, False, True])
    same_gradient(lambda x: (x[mask] ** 2).sum(), np.array([1.0, 2.0, 3.0]))


def test_what_was_computed_before_the_function_is_refused() -> None:
    w = leaf([1.0, 2.0], "w")
    h = w * 2
    with pytest.raises(tg.CompileError, match="computed before"):
        tg.compile(lambda x: (h * x).sum())(1.0)
    with pytest.raises(tg.CompileError, match="computed before"):
        tg.compile(lambda x: (h * w * x).sum(), wrt=w)(1.0)


def test_an_error_of_the_first_call_leaves_it_open_what_to_differentiate_by() -> None:
    w, b = leaf([1.0, 2.0], "w"), leaf([3.0, 4.0], "b")

    def f(x: tg.Tensor, *, fails: bool) -> tg.Tensor:
        if fails:
            raise OSError(f"nothing but {(w * x).shape}")
        return (b * x).sum()

    step = tg.compile(f)
    with pytest.raises(OSError, match="nothing but"):
        step(2.0, fails=True)
    with pytest.raises(ValueError, match="first call"):
        _ = step.wrt
    assert step(2.0, fails=False)[1][0].tolist() == [2.0, 2.0]
    assert step.wrt == (b,)


def test_a_first_result_that_is_no_scalar_leaves_it_open_what_to_differentiate_by() -> None:
    w, b = leaf([1.0, 2.0], "w"), leaf([3.0, 4.0], "b")
    step = tg.compile(lambda x: x * w if x.ndim else (x * b).sum())
    with pytest.raises(tg.GradientError, match="not a scalar"):
        step([1.0, 1.0])
    with pytest.raises(ValueError, match="first call"):
        _ = step.wrt
    assert step(2.0)[1][0].tolist() == [2.0, 2.0]
    assert step.wrt == (b,)


def test_an_update_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to update"):
        tg.compile(lambda x: x.sum(), wrt=(), update=lambda w, g: w - g)


# ---- signatures ------------------------------------------------------------------------------------------------------


def test_dtypes_of_one_shape_in_turn() -> None:
    step = tg.compile(lambda x: x * 0.5, wrt=())
    for dtype in (np.float64, np.float32, np.int64, np.float64, np.float32):
        x: Any = np.ones(3, dtype)
        assert step(x).dtype == (x * 0.5).dtype


def test_two_dtypes_of_the_same_integers() -> None:
    step = tg.compile(lambda x: x * 2 + 1, wrt=())
    for dtype in (np.longlong, np.int64, np.ulonglong, np.uint64, np.longlong):
        for _ in range(2):
            assert step(np.arange(3).astype(dtype)).tolist() == [1, 3, 5]


def test_a_setting_left_out() -> None:
    step = tg.compile(lambda x, *, power=1: (x**power).sum(), wrt=0)
    x = np.array([1.0, 2.0])
    assert [step(x, power=2)[0], step(x)[0], step(x, power=2)[0], step(x)[0]] == [5.0, 3.0, 5.0, 3.0]


def test_settings_that_are_equal_but_of_three_types() -> None:
    step = tg.compile(lambda x, *, k: x * k, wrt=())
    x = np.array([1, 0, 1], bool)
    for k in (True, 1, 1.0):
        assert step(x, k=k).dtype == (x * k).dtype


def test_settings_that_are_equal_but_of_two_precisions() -> None:
    step = tg.compile(lambda x, *, k: x * k, wrt=())
    x = np.array([1.0, 3.0], np.float32)
    for k in (np.float32(0.5), np.float64(0.5), np.float32(0.5), 0.5):
        assert step(x, k=k).dtype == (x * k).dtype


@silent
def test_the_settings_zero_and_minus_zero() -> None:
    step = tg.compile(lambda x, *, k: x / k, wrt=())
    for k in (0.0, -0.0, 0.0):
        assert step(np.array([1.0, 2.0]), k=k).tolist() == [np.copysign(np.inf, k)] * 2


def test_a_list_and_a_tuple_are_two_settings() -> None:
    step = tg.compile(lambda x, *, k: x[k] * 2.0, wrt=())
    x = np.arange(9.0).reshape(3, 3)
    for key in ([1, 2], (1, 2), [1, 2]):
        np.testing.assert_array_equal(step(x, k=key), x[key] * 2.0)


def test_the_number_of_an_argument_may_be_numpys() -> None:
    value, g = tg.compile(lambda x, y: (x * y).sum(), wrt=np.int64(1))([1.0, 2.0], [3.0, 4.0])  # type: ignore[arg-type]  # NumPy's number
    assert (value, g.tolist()) == (11.0, [1.0, 2.0])


TAKEN = ["float16", "float32", "float64", "part", "part_1", "shared"]


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("lines", [5, 2000])
def test_parameters_with_names_of_the_program(name: str, dtype: Any, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "LONGEST_FUNCTION", lines)
    w, v = leaf([1.0, 2.0], name, dtype), leaf(0.5, name, dtype)
    step = tg.compile(lambda x: (tg.tanh(w * x) * tg.sin(x) + w * 0.5).mean() * v, wrt=[w, v], update=lambda w, g: w - 0.5 * g)
    x = np.array([0.5, 1.5], dtype)
    at, c = np.array([1.0, 2.0]), 0.5
    for _ in range(3):
        t, s = np.tanh(at * x), np.sin(x.astype(float))
        m = np.mean(t * s + at * 0.5)
        np.testing.assert_allclose(float(step(x)), m * c, rtol=1e-2 if dtype == np.float16 else 1e-5)
        at, c = at - 0.5 * ((1 - t * t) * x * s + 0.5) / 2 * c, c - 0.5 * m
    assert w.dtype == v.dtype == dtype
    np.testing.assert_allclose(w.numpy(), at, rtol=1e-2 if dtype == np.float16 else 1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("lines", [3, 2000])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_arguments_with_names_of_the_program(dtype: Any, lines: int, shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "LONGEST_FUNCTION", lines)

    def f(float16: tg.Tensor, float32: tg.Tensor, part: tg.Tensor, shared: tg.Tensor, part_1: tg.Tensor) -> tg.Tensor:
        return (tg.tanh(float16 * float32) * tg.sin(part) + tg.exp(shared) * part_1 * 0.5).sum()

    arrays = [np.full(shape, k / 4, dtype)[()] for k in range(1, 6)]
    value, gradients = tg.compile(f, wrt=range(5))(*arrays)
    right, expected = tg.value_and_grad(f, tuple(range(5)))(*arrays)
    rtol = 1e-2 if dtype == np.float16 else 1e-5
    np.testing.assert_allclose(value, right.numpy(), rtol=rtol)
    for g, e in zip(gradients, expected, strict=True):
        assert np.asarray(g).dtype == e.dtype
        np.testing.assert_allclose(g, e.numpy(), rtol=rtol)


# ---- long programs, and programs in blocks ---------------------------------------------------------------------------


@silent
@pytest.mark.parametrize("lines", range(1, 24))
def test_saturated_predictions_in_parts(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "LONGEST_FUNCTION", lines)
    u = leaf([-1000.0, 1000.0, 0.5], "u")

    def f(y: tg.Tensor) -> tg.Tensor:
        return tg.binary_cross_entropy(tg.sigmoid(u), y) * tg.tanh(u[2])

    step = tg.compile(f, wrt=u, check=False)
    for y in (np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0])):
        np.testing.assert_allclose(step(y)[0], f(tg.Tensor(y)).item(), rtol=1e-12)


def test_blocks_follow_memory_that_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)
    w = leaf(np.linspace(0, 1, 100), "w")
    step = tg.compile(lambda: (w * w).sum(), wrt=[w], update=lambda w, g, v: (w - 0.1 * (0.9 * v + g), 0.9 * v + g), slots=1)
    at, v = w.numpy(), np.zeros(100)
    for k in range(6):
        step()
        v = 0.9 * v + 2 * at
        at = at - 0.1 * v
        np.testing.assert_allclose(w.numpy(), at, rtol=1e-12)
        if k % 2:
            at = at + 1.0
            w.data = at
    assert " in blocks" in step.source


def test_blocks_of_a_square_and_its_transpose(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)

    def f(x: tg.Tensor) -> tg.Tensor:
        h = tg.tanh(x * 2.0)
        return tg.sin(tg.exp(h * 0.5) + h.T * tg.cos(h.T)).sum()

    same_gradient(f, np.arange(900.0).reshape(30, 30) / 500 - 1)


def test_blocks_of_two_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)

    def f(x: tg.Tensor) -> tg.Tensor:
        a, b = tg.sin(x), tg.cos(x)
        m = (a > 0.1) & (b > 0.2)
        k = (a < 0.5) | (b < 0.9)
        y = m * tg.exp(a)
        z = k * b
        q = (y > z) & m
        return (y * z + a * b + tg.exp(y) * q).sum()

    same_gradient(f, np.linspace(-3, 3, 1000))


def test_blocks_with_single_numbers_in_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)

    def f(a: tg.Tensor, s: tg.Tensor) -> tg.Tensor:
        h = tg.tanh(a * s * 2.0)
        return (tg.sin(h * s) + tg.cos(h)).sum() * tg.tanh(h.sum() * 1e-6)

    a, s = np.linspace(-1, 1.5, 1000), np.array([0.3])
    same_gradient(f, a, s)
    step = tg.compile(f, wrt=[0, 1])
    step(a, s)
    assert " in blocks" in step.source


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_in_blocks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, 8, 32)
    if seed % 3 == 0:
        monkeypatch.setattr(emit, "LONGEST_FUNCTION", 7)
    result, leaves = program(seed)
    expected = tg.gradients(result, leaves, unused="zero")
    step = tg.compile(lambda *args: program(seed, list(args))[0], wrt=list(range(len(leaves))), check=False)
    for _ in range(2):
        value, gradients = step(*[x.numpy() for x in leaves])
        np.testing.assert_allclose(value, result.item(), rtol=1e-12)
        for g, e in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(g, e.numpy(), rtol=1e-10, atol=1e-13)


# ---- identities that hold only sometimes -----------------------------------------------------------------------------

SIMPLIFIED: dict[str, tuple[Function, Any]] = {
    # numbers merge only where nothing overflows
    "two large factors": (lambda x: (x * 1e200) * 1e200, [0.0, 1e-250, 2.0]),
    "two small factors": (lambda x: (x * 1e-200) * 1e-200, [0.0, 1e-250, 2.0, 1e300]),
    "a divisor without a reciprocal": (lambda x: x / 1e-310, [0.0, 1e-250, 2.0]),
    "zero times infinity": (lambda x: (x * 0.0) * np.inf, [0.0, 1e-250, 2.0]),
    "two large factors, float32": (lambda x: (x * 1e30) * 1e30, np.zeros(2, np.float32)),
    "two small factors, float32": (lambda x: (x * 1e-30) * 1e-30, np.full(2, 1e38, np.float32)),
    "a divisor without a reciprocal, float32": (lambda x: x / 1e-40, np.full(2, 1e-5, np.float32)),
    "minus a large factor, float32": (lambda x: -(x * 1e30) * 1e30, np.zeros(2, np.float32)),
    # numbers of a narrow type
    "int8 factors": (lambda x: np.int8(100) * (np.int8(100) * x), [1.0, 2.0]),
    "uint8 factors": (lambda x: np.uint8(100) * (np.uint8(100) * x), [1.0, 2.0]),
    "int8 and its negative": (lambda x: -(np.int8(-128) * x), [1.0, 2.0]),
    "uint8 times a negative": (lambda x: np.uint8(3) * -x, [1.0, 2.0]),
    "an int8 divisor": (lambda x: x / np.int8(3), [1.0, 2.0]),
    "a uint8 divisor": (lambda x: x / np.uint8(3), [1.0, 2.0]),
    "an int8 power": (lambda x: x ** np.int8(-3), [1.0, 2.0]),
    "a uint8 power": (lambda x: x ** np.uint8(3), [1.0, 2.0]),
    "int8 factors of float32": (lambda x: np.int8(100) * (np.int8(100) * x), np.ones(2, np.float32)),
    "uint8 minus an array": (lambda x: np.uint8(3) - x, [1.0, 5.0]),
    "uint8 plus a negative": (lambda x: np.uint8(3) + -x, [1.0, 5.0]),
    "a float32 divisor": (lambda x: x / tg.Tensor(np.float32(3)), [1.0, 2.0]),
    "a float32 factor": (lambda x: tg.Tensor(np.float32(0.1)) * (0.1 * x), [1.0, 2.0]),
    "integers that wrap around": (lambda x: 100 * (100 * x), np.array([1, 2, 3], np.int8)),
    "integers that wrap around, negative": (lambda x: -(100 * x) * 100, np.array([1, 2, 3], np.int8)),
    "true times true": (lambda x: (x * True) * True, np.array([1, 2])),
    # sums
    "a small factor of a sum, float16": (lambda x: (x * 0.001).sum(), np.full(100, 1000.0, np.float16)),
    "a mean, float16": (lambda x: x.mean(), np.full(100, 1000.0, np.float16)),
    "a large factor of a sum, float32": (lambda x: (x * 1e30).sum(), np.array([1e8, 1.0, -1e8], np.float32)),
    "a sum of large numbers, float32": (lambda x: (x * 2.0).sum(), np.append(np.float32(2**24), np.ones(59999, np.float32))),
    # exp x / sum exp x
    "a softmax that overflows": (lambda z: tg.exp(z - tg.log(tg.exp(z).sum(keepdims=True))), [800.0, 1.0]),
    "a softmax": (lambda z: tg.exp(z - tg.log(tg.exp(z).sum(keepdims=True))), [3.0, 1.0]),
    "a shifted softmax": (lambda z: tg.softmax(z) + tg.exp(tg.log_softmax(z)), [800.0, 1.0]),
    # small integers
    "uint8 and a negative number": (lambda x: x > -1, np.array([0, 1, 255], np.uint8)),
    "uint8 and a large number": (lambda x: x < 300, np.array([0, 1, 255], np.uint8)),
    "an axis of NumPy's": (lambda x: x.T.sum(axis=np.int64(0)), np.arange(6.0).reshape(2, 3)),
    "a choice of nan": (lambda x: tg.where(x > 0, x, float("nan")), [1.0, -1.0, 2.0]),
}


@silent
@pytest.mark.parametrize("name", SIMPLIFIED)
def test_what_is_simplified_is_the_same(name: str) -> None:
    f, x = SIMPLIFIED[name]
    array = np.asarray(x)
    rtol = {2: 2e-3, 4: 1e-6}.get(array.dtype.itemsize, 1e-12)
    same_value(f, array, rtol=rtol)


SIMPLE: dict[str, Function] = {
    "x * 1.0": lambda x: x * 1.0,
    "x + 0.0": lambda x: x + 0.0,
    "x * float64": lambda x: x * np.float64(1.0),
    "x / 1": lambda x: x / 1,
    "x * 1": lambda x: x * 1,
    "x ** 1.0": lambda x: x**1.0,
    "x - 0": lambda x: x - 0,
    "mean of one": lambda x: x[:1].mean(),
}


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize("dtype", [np.int64, np.float32, bool])
def test_what_does_nothing_keeps_the_dtype(name: str, dtype: Any) -> None:
    same_value(SIMPLE[name], np.array([1, 0, 1], dtype))


def test_the_gradient_of_bce_is_short_only_for_its_own_pieces() -> None:
    xdivy = OPS["xdivy"]

    def f(u: tg.Tensor, y: tg.Tensor, z: tg.Tensor) -> tg.Tensor:
        p = tg.sigmoid(u)
        d = apply(xdivy, 1 - z, 1 - p) - apply(xdivy, y, p)
        return 0.5 * d * (p * (1 - p))

    same_value(f, np.array([0.3, -1.2, 2.0]), np.array([0.2, 0.9, 0.4]), np.array([0.7, 0.1, 0.6]))


def test_exp_of_a_difference_of_two_arrays() -> None:
    def f(a: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
        return tg.exp(a - tg.log(tg.exp(b).sum(axis=0, keepdims=True)))

    same_value(f, np.array([1.0, 2.0]), np.array([0.5, -1.0]))


@pytest.mark.parametrize(("p", "q"), [((1, 2, 0), (1, 2, 0)), ((1, 2, 0), (0, 2, 1)), ((2, 0, 1), (1, 0, 2))])
def test_transposes_in_turn(p: tuple[int, ...], q: tuple[int, ...]) -> None:
    x = np.arange(27.0).reshape(3, 3, 3)
    step = tg.compile(lambda x: x.transpose(p).transpose(q), wrt=(), check=False)
    np.testing.assert_array_equal(step(x), x.transpose(p).transpose(q))


def test_reshape_of_a_transposed_result() -> None:
    same_gradient(lambda x: (tg.sin(x).T.reshape(-1) * np.arange(6.0)).sum(), np.arange(6.0).reshape(2, 3))


def test_where_with_numbers_as_conditions() -> None:
    same_value(lambda c, x: tg.where(c, x, 2 * x), np.array([0.0, 2.0, -1.0]), np.ones(3))


NUMBERS: dict[str, Function] = {
    "maximum": lambda x: tg.maximum(x, 0.2) * 1.0,
    "maximum of a number": lambda x: tg.maximum(0.2, x) * 1.0,
    "minimum": lambda x: tg.minimum(x, 0.2) * 1.0,
    "relu": lambda x: tg.relu(x) * 1.0,
    "sign": lambda x: apply(OPS["sign"], x) * 1.0,
}


@silent
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("x", [np.nan, -0.5, 0.5])
def test_single_numbers_that_are_nan(name: str, x: float) -> None:
    same_value(NUMBERS[name], x)


@silent
@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.0, 2.0), (1.0, 0.0), (3.0, 2.0)])
def test_a_quotient_of_zeros_is_zero(a: float, b: float) -> None:
    same_value(lambda a, b: apply(OPS["xdivy"], a, b) * 1.0, a, b)


def test_sums_of_float16_do_not_lose_ones() -> None:
    ones = np.ones(4000, np.float16)
    assert tg.compile(lambda x: (x * 1.0).sum(), wrt=())(ones) == 4000
    assert tg.compile(lambda x: tg.cumsum(x * 1.0, axis=0), wrt=())(ones)[-1] == 4000


# ---- the comparison of the first call --------------------------------------------------------------------------------


def test_rounding_errors_that_cancel_are_no_error() -> None:
    x = (1000 + np.random.default_rng(0).normal(size=1000)).astype(np.float32)
    value, g = tg.compile(lambda x: (x - x.mean()).sum(), wrt=0)(x)
    assert abs(value) < 1.0
    assert g.shape == (1000,)


def test_a_variance_that_cancels_is_no_error() -> None:
    x = 1e6 + np.random.default_rng(0).normal(size=1000)
    value = tg.compile(lambda x: (x * x).mean() - x.mean() ** 2, wrt=())(x)
    assert value == pytest.approx(np.var(x), abs=0.1)


def test_results_that_are_nan_are_compared() -> None:
    y = tg.compile(lambda x: tg.where(x > 0, x, float("nan")), wrt=())(np.array([1.0, -1.0]))
    np.testing.assert_array_equal(y, [1.0, np.nan])


# ---- the life of a step ----------------------------------------------------------------------------------------------


def plain_step() -> CompiledStep:
    return tg.compile(lambda x: (tg.tanh(x) * tg.exp(x)).sum(), wrt=0)


def training_step() -> CompiledStep:
    w, c = leaf([1.0, 2.0, 3.0], "w"), leaf(0.5, "c")
    return tg.compile(
        lambda x: (tg.tanh(w * x) * c).sum(), wrt=[w, c], update=lambda w, g, v: (w - 0.1 * v, 0.9 * v + g), slots=1
    )


def references(make: Callable[[], CompiledStep]) -> list[weakref.ref[Any]]:
    """Weak references to a step that has run, and to each array of its program."""
    step = make()
    for n in (3, 1, 3):
        step(np.linspace(0, 1, n))
    fast: Any = step._fast
    space = fast[0].__globals__["program"].__globals__
    arrays = [x for x in space.values() if isinstance(x, np.ndarray)]
    assert arrays
    return [weakref.ref(step), *(weakref.ref(x) for x in arrays)]


@pytest.mark.parametrize("make", [plain_step, training_step])
@pytest.mark.parametrize("lines", [3, 2000])
def test_a_step_is_freed_without_the_garbage_collector(
    make: Callable[[], CompiledStep], lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emit, "LONGEST_FUNCTION", lines)
    gc.collect()
    gc.disable()
    try:
        left = [r for r in references(make) if r() is not None]
    finally:
        gc.enable()
    assert not left


def test_the_second_run_finds_constants_that_come_from_the_arguments() -> None:
    """A look at private parts is refused by no guard, but differs on other numbers."""
    with pytest.raises(tg.CompileError, match="a constant in it is another"):
        tg.compile(lambda x: (x * x._data[0]).sum(), wrt=0)([1.0, 3.0])
    with pytest.raises(tg.CompileError, match="a constant in it is another"):
        tg.compile(lambda x: x * float(x._data), wrt=0)(2.0)


def test_a_softmax_of_one_array_under_the_sum_of_another() -> None:
    def f(a: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
        z, other = a - a.max(axis=0, keepdims=True), b - b.max(axis=0, keepdims=True)
        return tg.exp(z - tg.log(tg.exp(other).sum(axis=0, keepdims=True)))

    a, b = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    found = tg.compile(f, wrt=(), check=False)(a, b)
    np.testing.assert_allclose(found, f(tg.Tensor(a), tg.Tensor(b)).numpy(), rtol=1e-12)


def test_zero_over_infinity_is_zero_in_numbers_too() -> None:
    step = tg.compile(lambda a, b: apply(OPS["xdivy"], a, b) * 1.0, wrt=(), check=False)
    assert step(0.0, np.inf) == 0.0
