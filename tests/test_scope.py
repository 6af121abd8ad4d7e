"""``scope`` marks what is computed inside as one group, and changes nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.modes import MODES, Group, scopes
from tinygrad_edu.sweep import topological_order

W = tg.Tensor(2.0, requires_grad=True, name="w")


def groups(t: tg.Tensor) -> tuple[Group, ...]:
    return getattr(t, "_scope", ())


def here() -> list[str]:
    """The names of the groups that an operation is in, and the same asked without one."""
    names = [group.name for group in groups(W * W)]
    assert names == [group.name for group in scopes()]
    return names


@pytest.fixture(autouse=True)
def _no_mode_is_left_on() -> Iterator[None]:
    assert MODES.get() == ()
    yield
    assert MODES.get() == ()


# ---- what is marked ----------------------------------------------------------------------------------------------


def test_what_is_recorded_inside_is_marked_and_nothing_else() -> None:
    x = tg.Tensor([1.0, 2.0])
    before = x * 2
    with tg.scope("layer 1"):
        leaf = tg.Tensor(3.0)
        h = tg.tanh(x * leaf)
        constant = h.detach()
    after = h * 2
    assert [[g.name for g in groups(t)] for t in (x, before, leaf, h, h.inputs[0], constant, after)] == [
        [], [], [], ["layer 1"], ["layer 1"], [], [],
    ]  # fmt: skip
    assert groups(h)[0] is groups(h.inputs[0])[0]
    assert not hasattr(after, "_scope")  # the slot is not even set


def test_scopes_nest() -> None:
    with tg.scope("net"):
        outer = W * 1
        with tg.scope("layer 1"):
            inner = W * 2
            with tg.no_grad():
                assert groups(W * W) == ()  # not recorded: a leaf
            with tg.enable_grad(), tg.detect_anomaly():
                same = W * 3
        again = W * 4
    assert [g.name for g in groups(inner)] == ["net", "layer 1"]
    assert groups(same) == groups(inner)
    assert groups(outer) == groups(again) == groups(inner)[:1]


def test_every_entry_is_a_group_of_its_own() -> None:
    seen = []
    for _ in range(3):
        with tg.scope("cell"):
            seen.append(groups(W * W)[0])
            assert groups(W * W)[0] is seen[-1]
    one = tg.scope("cell")
    with one:
        seen.append(groups(W * W)[0])
        with one:
            assert here() == ["cell", "cell"]
            seen.append(groups(W * W)[-1])
        assert groups(W * W) == (seen[3],)
    with one:
        seen.append(groups(W * W)[0])
    assert len({id(group) for group in seen}) == len(seen) == 6
    assert [group.name for group in seen] == ["cell"] * 6
    assert len(set(seen)) == 6  # never equal either


def test_a_decorated_function_is_a_new_group_in_every_call() -> None:
    @tg.scope("block")
    def block(x: tg.Tensor, depth: int = 0) -> tg.Tensor:
        """Double."""
        return block(x, depth - 1) + x if depth else x * 2

    a, b = block(W), block(W)
    assert [g.name for g in groups(a)] == [g.name for g in groups(b)] == ["block"]
    assert groups(a)[0] is not groups(b)[0]
    deep = block(W, depth=2)
    assert [len(groups(t)) for t in (deep, deep.inputs[0], deep.inputs[0].inputs[0])] == [1, 2, 3]
    assert groups(deep.inputs[0].inputs[0])[:1] == groups(deep)
    assert (block.__name__, block.__doc__) == ("block", "Double.")
    assert here() == []


def test_an_exception_ends_the_scope() -> None:
    @tg.scope("f")
    def fails() -> None:
        raise KeyError

    with tg.scope("outer"):
        with pytest.raises(KeyError), tg.scope("inner"):
            raise KeyError
        assert here() == ["outer"]
        with pytest.raises(KeyError):
            fails()
        with pytest.raises(tg.ShapeError), tg.scope("wrong"):
            tg.Tensor([1.0, 2.0]) @ tg.Tensor([1.0])
        assert here() == ["outer"]
    assert here() == []


@pytest.mark.parametrize("name", ["", "<b>", "a\nb", "x" * 20_000, "\ud800"])
def test_any_text_is_a_name(name: str) -> None:
    with tg.scope(name):
        assert groups(W * W)[0].name == name


@pytest.mark.parametrize("name", [1, None, b"layer", ["layer"], W, len])
def test_a_name_that_is_not_text_is_refused(name: Any) -> None:
    with pytest.raises(TypeError) as caught:
        tg.scope(name)
    first, suggestion = str(caught.value).split("\n")
    assert first.startswith(f"scope: the name is {type(name).__name__}, not text: ")
    with eval(suggestion.removeprefix("  Try: "), {"tg": tg}):  # what is suggested works
        assert here() == ["layer 1"]


def test_a_decorated_generator_is_refused() -> None:
    def steps() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match=r"(?s)scope: steps is a generator.*with tg\.scope\('layer 1'\):"):
        tg.scope("layer 1")(steps)


def test_a_group_does_not_change() -> None:
    with tg.scope("a"):
        (group,) = scopes()
    with pytest.raises(AttributeError):
        group.name = "b"  # type: ignore[misc]  # that is what is tested


# ---- what is not changed -----------------------------------------------------------------------------------------


def network(around: Callable[[str], Any]) -> tuple[list[Any], tg.Tensor, list[tg.Tensor]]:
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 3)))
    leaves = [tg.Tensor(rng.normal(size=s), requires_grad=True) for s in ((3, 5), (5,), (5, 2), (2,))]
    w1, b1, w2, b2 = leaves
    with around("net"):
        with around("layer 1"):
            h = tg.tanh(x @ w1 + b1)
        with around("layer 2"):
            u = tg.sigmoid(h @ w2 + b2)
    loss = (u * u).mean()
    loss.backward()
    slope = tg.gradients(loss, w1, create_graph=True)
    curve = tg.gradients((slope * slope).sum(), w2)
    return [loss.data, *(t.grad for t in leaves), slope.data, curve.data], loss, leaves


def test_numbers_and_gradients_are_the_same() -> None:
    plain, _, _ = network(lambda name: contextlib.nullcontext())
    marked, loss, leaves = network(tg.scope)
    for a, b in zip(plain, marked, strict=True):
        np.testing.assert_array_equal(a, b)
    names = {tuple(g.name for g in groups(t)) for t in topological_order([loss])}
    assert names == {(), ("net", "layer 1"), ("net", "layer 2")}
    # And against finite differences: the oracle knows nothing of scopes.
    assert tg.gradcheck(lambda a: tg.scope("check")(lambda: tg.tanh(a * a).sum())(), [leaves[0].numpy()])


def test_a_sweep_inside_a_scope() -> None:
    with tg.scope("forward"):
        y = (W * W * W).named("y")
    with tg.scope("gradient"):
        w = tg.Tensor(3.0, requires_grad=True)
        (w * w).backward()
        assert w.grad == 6.0
        first = tg.gradients(y, W, create_graph=True)
        assert tg.gradients(first, W).item() == 12.0
    outside = tg.gradients(y, W, create_graph=True)
    assert (first.item(), outside.item()) == (12.0, 12.0)
    forward = set(topological_order([y]))
    backward = [[t for t in topological_order([g]) if t.inputs and t not in forward] for g in (first, outside)]
    assert {tuple(g.name for g in groups(t)) for t in backward[0]} == {("gradient",)}
    assert {groups(t) for t in backward[1]} == {()}
    assert len(backward[0]) == len(backward[1]) > 2


def test_no_grad_and_detect_anomaly_hold_inside_and_around() -> None:
    with tg.no_grad(), tg.scope("a"):
        assert not (W * W).requires_grad
        with tg.enable_grad():
            assert here() == ["a"]
    with tg.scope("a"), tg.no_grad():
        y = W * W
        assert y.is_leaf
        assert not y.requires_grad
        assert groups(y) == ()
    with tg.detect_anomaly(), tg.scope("a"), pytest.raises(tg.AnomalyError):
        1 / tg.Tensor(0.0)
    with tg.scope("a"), pytest.warns(RuntimeWarning, match="divide"):
        1 / tg.Tensor([0.0])


def test_copies_and_pickles() -> None:
    with tg.scope("a"):
        leaf = tg.Tensor([1.0, 2.0], requires_grad=True, name="leaf", dims="N")
        y = leaf * 2
        with tg.no_grad():
            plain = leaf * 3
        for t in (leaf, plain):
            for twin in (copy.copy(t), copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
                assert twin.tolist() == t.tolist()
                assert (twin.name, twin.dims, twin.requires_grad) == (t.name, t.dims, t.requires_grad)
                assert groups(twin) == ()
        with pytest.raises(TypeError, match="a record is not copied or pickled"):
            copy.copy(y)


# ---- threads, tasks, generators ----------------------------------------------------------------------------------


def test_threads_do_not_share_a_scope() -> None:
    inside, outside = threading.Event(), threading.Event()
    seen = {}
    one = tg.scope("one object")

    def work() -> None:
        seen["before"] = here()
        with one:
            seen["inside"] = groups(W * W)
            inside.set()
            outside.wait(10)
            assert groups(W * W) == seen["inside"]
        seen["after"] = here()

    with tg.scope("mine"):
        thread = threading.Thread(target=work)
        thread.start()
        inside.wait(10)
        assert here() == ["mine"]
        with one:
            assert here() == ["mine", "one object"]
            mine = scopes()
            outside.set()
            thread.join()
            assert scopes() == mine
    assert [g.name for g in seen["inside"]] == ["one object"]
    assert seen["inside"][0] not in mine
    assert seen["before"] == seen["after"] == []


def test_tasks_that_interleave() -> None:
    async def task(name: str, pauses: int) -> list[list[str]]:
        seen = []
        with tg.scope(name):
            for _ in range(pauses):
                await asyncio.sleep(0)
                seen.append(here())
        return [*seen, here()]

    async def main() -> list[list[list[str]]]:
        with tg.scope("main"):
            return await asyncio.gather(task("a", 2), task("b", 3))

    assert asyncio.run(main()) == [
        [["main", "a"]] * 2 + [["main"]],
        [["main", "b"]] * 3 + [["main"]],
    ]


def test_a_generator_keeps_its_scope_to_itself() -> None:
    def steps() -> Iterator[tuple[Group, ...]]:
        with tg.scope("walk"):
            yield scopes()
            yield groups(W * W)
        yield scopes()

    walk = steps()
    first = next(walk)
    assert [g.name for g in first] == ["walk"]
    assert here() == []
    with tg.scope("elsewhere"):
        assert next(walk) == first  # its own group, where it was opened, whoever asks for the next step
        assert here() == ["elsewhere"]
        assert [g.name for g in next(walk)] == ["elsewhere"]
    assert next(walk, None) is None


def test_generators_in_each_other() -> None:
    def inner() -> Iterator[list[str]]:
        yield here()
        with tg.scope("inner"):
            yield here()
            yield here()

    def outer() -> Iterator[list[str]]:
        with tg.scope("outer"):
            yield from inner()
            walk = inner()
            next(walk), next(walk)
            yield here()  # the suspended walk does not count
            walk.close()
            yield here()

    with tg.scope("main"):
        assert list(outer()) == [
            ["main", "outer"],
            ["main", "outer", "inner"],
            ["main", "outer", "inner"],
            ["main", "outer"],
            ["main", "outer"],
        ]


def test_a_generator_that_is_dropped_takes_its_scope_along() -> None:
    def steps() -> Iterator[list[str]]:
        with tg.scope("walk"):
            while True:
                yield here()

    first, second = steps(), steps()
    assert [next(first), next(second), here()] == [["walk"], ["walk"], []]
    del first
    assert next(second) == ["walk"]
    second.close()
    assert MODES.get() == ()


def test_context_managers_that_are_made_of_scopes() -> None:
    @contextlib.contextmanager
    def layer(name: str) -> Iterator[None]:
        with tg.scope("layer"), tg.scope(name):
            yield

    with layer("a"):
        assert here() == ["layer", "a"]
        with contextlib.ExitStack() as stack:
            stack.enter_context(layer("b"))
            stack.enter_context(tg.scope("c"))
            assert here() == ["layer", "a", "layer", "b", "c"]
        assert here() == ["layer", "a"]


def test_a_group_has_the_same_groups_around_it_wherever_it_is_seen() -> None:
    """Else a picture could not draw it in one place."""

    def steps() -> Iterator[tuple[Group, ...]]:
        with tg.scope("walk"):
            while True:
                yield groups(W * W)

    with tg.scope("first"):
        walk = steps()
        inside = next(walk)
    outside = next(walk)
    with tg.scope("second"):
        elsewhere = next(walk)
    assert [g.name for g in inside] == ["first", "walk"]
    assert inside == outside == elsewhere
    walk.close()


# ---- nothing is kept alive ---------------------------------------------------------------------------------------


class Witness:
    """Something in a frame that can be asked whether the frame is gone."""


def test_a_record_keeps_no_frame_and_no_mode_alive() -> None:
    kept: list[tg.Tensor] = []
    witnesses: list[weakref.ref[Any]] = []

    def steps() -> Iterator[None]:
        witness = Witness()
        witnesses.append(weakref.ref(witness))
        mode = tg.scope("walk")
        witnesses.append(weakref.ref(mode))
        with mode:
            kept.append(W * W)
            yield

    def function() -> None:
        witness = Witness()
        witnesses.append(weakref.ref(witness))
        with tg.scope("call"):
            kept.append(W * W)

    gc.collect()
    gc.disable()
    try:
        walk = steps()
        next(walk)
        walk.close()
        del walk
        function()
        assert [ref() for ref in witnesses] == [None] * 3
        assert [[g.name for g in groups(t)] for t in kept] == [["walk"], ["call"]]
        record = weakref.ref(kept.pop())
        assert record() is None  # and a record is freed without the collector
    finally:
        gc.enable()


def test_there_are_no_reference_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with tg.scope("net"), tg.scope("layer"):
                y = tg.tanh(W * W)
                tg.gradients(y, W, create_graph=True)
        del y
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_group_refers_to_its_name_only() -> None:
    with tg.scope("net"):
        y = W * W
    (group,) = groups(y)
    assert [r for r in gc.get_referents(group) if not isinstance(r, type)] == ["net"]
    with tg.scope("a"):
        first, second = W * 1, W * 2
    assert groups(first) is groups(second)  # one tuple for all nodes of an entry
