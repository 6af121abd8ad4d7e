"""Folding: blocks that make no cycle, whole scopes where that can be, with the leaves that are theirs."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Container, Sequence
from graphlib import CycleError, TopologicalSorter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.graphs.fold import count_arrows, count_shown, fold_evenly, fold_scopes, groups_of, stands_for_leaf
from tinygrad_edu.graphs.nodes import Block
from tinygrad_edu.modes import Group
from tinygrad_edu.sweep import topological_order

Blocks = dict[int, Block]


def parameter(name: str, *shape: int) -> tg.Tensor:
    return tg.Tensor(np.ones(shape) / 2, requires_grad=True, name=name)


def layers(count: int, scoped: bool = True, width: int = 3) -> tg.Tensor:
    """tanh(h W + b), again and again."""
    h = tg.Tensor(np.ones((2, width)), name="x")
    for k in range(count):
        W, b = parameter(f"W{k}", width, width), parameter(f"b{k}", width)
        with tg.scope(f"layer {k}") if scoped else contextlib.nullcontext():
            h = tg.tanh(h @ W + b)
    return h.mean().named("L")


def in_scope(t: tg.Tensor, *groups: Group) -> tg.Tensor:
    t._scope = groups
    return t


def number_of(blocks: Blocks) -> int:
    return len({id(block) for block in blocks.values()})


def inside(blocks: Blocks, order: Sequence[tg.Tensor]) -> list[tuple[str, list[str]]]:
    """Each block's name, and the names or ops of what is in it, in topological order; unnamed leaves are constants."""
    found: dict[int, tuple[str, list[str]]] = {}
    for t in order:
        if id(t) in blocks:
            block = blocks[id(t)]
            found.setdefault(id(block), (block.name, []))[1].append(t.name or (t.op.name if t.inputs else "constant"))
    return list(found.values())


def units(order: Sequence[tg.Tensor], key: Callable[[tg.Tensor], int]) -> dict[int, set[int]]:
    """What each node of the folded graph is computed from."""
    uses: dict[int, set[int]] = {}
    for t in order:
        uses.setdefault(key(t), set()).update(key(x) for x in t.inputs if key(x) != key(t))
    return uses


def assert_no_cycle(order: Sequence[tg.Tensor], blocks: Blocks) -> None:
    TopologicalSorter(units(order, lambda t: id(blocks[id(t)]) if id(t) in blocks else id(t))).prepare()


def assert_true_blocks(order: Sequence[tg.Tensor], blocks: Blocks, keep: Container[int], inputs_inside: bool = False) -> None:
    """No cycle, nothing kept inside, all that is said of a block true, and each leaf in the block that alone uses it."""
    assert_no_cycle(order, blocks)
    assert blocks.keys() <= {id(t) for t in order}
    assert not [t for t in order if id(t) in keep and id(t) in blocks]
    for block in blocks.values():
        members = [t for t in order if blocks.get(id(t)) is block]
        assert block.operations == Counter(t.op.name for t in members if t.inputs)
        assert block.parameters == sum(t.data.size for t in members if not t.inputs and t.requires_grad)
    for leaf in [t for t in order if not t.inputs and id(t) not in keep]:
        users = [blocks.get(id(t)) for t in order if any(x is leaf for x in t.inputs)]
        alone = bool(users) and users[0] is not None and all(block is users[0] for block in users)
        is_input = leaf.name is not None and not leaf.requires_grad
        if alone and (inputs_inside or not is_input):
            assert blocks[id(leaf)] is users[0]
        else:
            assert id(leaf) not in blocks or not blocks[id(leaf)].operations, "but in one of leaves only"


# ---- random graphs ---------------------------------------------------------------------------------------------------


@st.composite
def records(draw: st.DrawFn, scopes: int) -> tuple[list[tg.Tensor], list[int], set[int]]:
    """A topological order, the scope of each tensor in it (-1 for none), and some tensors to keep."""
    size = draw(st.integers(1, 14))
    groups = [Group(f"s{i}") for i in range(scopes)]
    made = [tg.Tensor(1.0, name="x"), tg.Tensor(1.0, requires_grad=True, name="w"), tg.Tensor(1.0)]
    label = {id(t): -1 for t in made}
    for _ in range(size):
        used = draw(st.lists(st.integers(0, len(made) - 1), min_size=1, max_size=3))
        scope = draw(st.integers(-1, scopes - 1))
        t = tg.stack([made[i] for i in used]).sum() if len(used) > 2 else tg.tanh(made[used[0]])
        t = tg.add(made[used[0]], made[used[-1]]) if len(used) == 2 else t
        for new in (t, *t.inputs) if len(used) > 2 else (t,):
            label[id(new)] = scope
            if scope >= 0:
                in_scope(new, groups[scope])
        made.append(t)
    used_ids = {id(x) for t in made for x in t.inputs}
    order = topological_order([t for t in made if id(t) not in used_ids])
    chance = draw(st.sampled_from([0, 0, 1]))
    keep = {id(t) for t in order if chance and draw(st.integers(0, 3)) == 0}
    return order, [label[id(t)] for t in order], keep


def most_visits(order: Sequence[tg.Tensor], inner: Container[int]) -> int:
    """How often, at most, a path enters these results: every path is walked."""
    users: dict[int, list[tg.Tensor]] = {id(t): [] for t in order}
    for t in order:
        for x in dict.fromkeys(t.inputs):
            users[id(x)].append(t)
    most = 0
    stack = [(t, int(id(t) in inner)) for t in order]
    while stack:
        t, visits = stack.pop()
        most = max(most, visits)
        stack += [(u, visits + (id(u) in inner and id(t) not in inner)) for u in users[id(t)]]
    return most


@settings(max_examples=150)
@given(records(scopes=3))
def test_no_folding_of_scopes_makes_a_cycle(record: tuple[list[tg.Tensor], list[int], set[int]]) -> None:
    order, labels, keep = record
    blocks = fold_scopes(order, keep=keep)
    assert_true_blocks(order, blocks, keep)
    for t, label in zip(order, labels, strict=True):
        if t.inputs:
            assert (id(t) in blocks) == (label >= 0 and id(t) not in keep)
            if id(t) in blocks:
                assert blocks[id(t)].name.split()[0] == f"s{label}"


@settings(max_examples=150)
@given(records(scopes=1))
def test_a_single_scope_is_as_many_blocks_as_paths_enter_it(record: tuple[list[tg.Tensor], list[int], set[int]]) -> None:
    order, labels, keep = record
    inner = {id(t) for t, label in zip(order, labels, strict=True) if label == 0 and id(t) not in keep}
    assert number_of(fold_scopes(order, keep=keep)) == most_visits(order, inner)


@settings(max_examples=300)
@given(records(scopes=3))
def test_scopes_that_need_not_be_divided_are_whole(record: tuple[list[tg.Tensor], list[int], set[int]]) -> None:
    order, labels, _ = record
    pieces = Counter(block.name.split()[0] for block in {id(b): b for b in fold_scopes(order).values()}.values())
    label = {id(t): n for t, n in zip(order, labels, strict=True)}
    try:
        TopologicalSorter(units(order, lambda t: label[id(t)] if label[id(t)] >= 0 else id(t))).prepare()
    except CycleError:
        for n in range(3):  # none is in fewer pieces than it must be
            assert pieces[f"s{n}"] >= most_visits(order, {key for key, value in label.items() if value == n})
    else:
        assert pieces == {f"s{n}": 1 for n in {*labels} - {-1}}


@settings(max_examples=150)
@given(records(scopes=1), st.integers(1, 8))
def test_no_even_folding_makes_a_cycle(record: tuple[list[tg.Tensor], list[int], set[int]], most: int) -> None:
    order, _, keep = record
    blocks = fold_evenly(order, most, keep)
    inputs = [t for t in order if t.name == "x" and id(t) not in keep]
    assert_true_blocks(order, blocks, keep, inputs_inside=len(inputs) > most // 4)
    divided = sum(1 for t in order if t.inputs and id(t) in keep and any(x is t for u in order for x in u.inputs))
    runs = {id(b): b for b in blocks.values() if b.operations}
    assert len(runs) <= most + divided
    assert all(sum(b.operations.values()) > 1 for b in runs.values())
    alone = [t for t in order if t.inputs and id(t) not in keep and id(t) not in blocks]
    assert len(runs) + len(alone) <= most + divided


# ---- scopes ----------------------------------------------------------------------------------------------------------


def test_layers_become_blocks_with_their_own_parameters() -> None:
    L = layers(2)
    order = topological_order([L])
    blocks = fold_scopes(order, keep={id(L)})
    assert inside(blocks, order) == [
        ("layer 0", ["W0", "matmul", "b0", "add", "tanh"]),
        ("layer 1", ["W1", "matmul", "b1", "add", "tanh"]),
    ]
    assert {b.name: (b.operations, b.parameters) for b in blocks.values()} == {
        name: ({"matmul": 1, "add": 1, "tanh": 1}, 9 + 3) for name in ("layer 0", "layer 1")
    }
    assert {t.name for t in order if id(t) not in blocks} == {"x", "L"}, "inputs and roots stay outside"


def test_a_root_in_a_scope_stays_outside() -> None:
    x, w = tg.Tensor([1.0, 2.0], name="x"), parameter("w", 2)
    with tg.scope("loss"):
        L = tg.mean((w * x - 1) ** 2).named("L")
    blocks = fold_scopes(order := topological_order([L]), keep={id(L)})
    assert id(L) not in blocks
    assert inside(blocks, order)[0][1][-1] == "power"
    w2 = fold_scopes(topological_order([w, L]), keep={id(w), id(L)})
    assert id(w) not in w2, "a leaf that is a root, too"
    assert next(iter(w2.values())).parameters == 0


def test_a_parameter_used_twice_inside_is_counted_once() -> None:
    w, b = parameter("w", 5), parameter("b")
    with tg.scope("layer"):
        y = w * w + tg.exp(w) + b
    (block,) = {id(b): b for b in fold_scopes(topological_order([y])).values()}.values()
    assert block.parameters == 5 + 1
    assert block.operations == {"multiply": 1, "exp": 1, "add": 2}


def test_a_parameter_of_two_scopes_stays_outside() -> None:
    E, W = parameter("E", 3, 2), parameter("W", 2, 2)
    x = tg.Tensor(np.ones((4, 3)), name="x")
    with tg.scope("embed"):
        h = x @ E
    with tg.scope("decode"):
        y = tg.tanh(h @ W) @ E.T
    order = topological_order([y])
    blocks = fold_scopes(order)
    assert id(E) not in blocks
    assert {b.name: b.parameters for b in blocks.values()} == {"embed": 0, "decode": 4}
    assert groups_of(order)[id(W)] == (("decode", 1),)
    assert id(E) not in groups_of(order)


def test_constants_go_where_they_are_used_and_inputs_nowhere() -> None:
    x, unnamed = tg.Tensor(np.ones(3), name="x"), tg.Tensor(np.ones(3))
    with tg.scope("norm"):
        y = (x - unnamed) / 2
    order = topological_order([y])
    assert inside(fold_scopes(order), order) == [("norm", ["constant", "subtract", "constant", "divide"])]
    two = y.inputs[1]
    assert {id(unnamed), id(two)} < fold_scopes(order).keys()
    assert groups_of(order)[id(two)] == (("norm", 0),)
    assert id(x) not in groups_of(order)


def test_a_scope_that_is_left_and_entered_again_is_two_blocks() -> None:
    layer, x = Group("layer"), parameter("x")
    a = in_scope(tg.tanh(x), layer)
    outside = tg.exp(a)
    b = in_scope(tg.sin(outside), layer)
    free = in_scope(tg.cos(x), layer)
    y = b + free
    order = topological_order([y])
    blocks = fold_scopes(order)
    assert_no_cycle(order, blocks)
    assert inside(blocks, order) == [("layer", ["x", "tanh", "cos"]), ("layer (2)", ["sin"])]


@pytest.mark.parametrize("swap", [False, True])
def test_scopes_that_use_parts_of_each_other(swap: bool) -> None:
    # Each could be one block, if the other was not: a → b and b2 → a2. The one that is begun first is divided.
    A, B, x = Group("A"), Group("B"), tg.Tensor(1.0, name="x")
    a, b2 = in_scope(tg.tanh(x), A), in_scope(tg.sin(x), B)
    b, a2 = in_scope(tg.exp(a), B), in_scope(tg.cos(b2), A)
    order = topological_order([a2 + b] if swap else [b + a2])
    blocks = fold_scopes(order)
    assert_no_cycle(order, blocks)
    assert sorted(name for name, _ in inside(blocks, order)) == (["A", "B", "B (2)"] if swap else ["A", "A (2)", "B"])


def test_a_result_waits_for_all_that_it_uses() -> None:
    # m and z could be one part of A only if o and q were not one block: o → m, z → q.
    A, B = Group("A"), Group("B")
    a = in_scope(tg.tanh(parameter("x")), A)
    o = in_scope(tg.exp(a), B)
    z = in_scope(tg.sin(tg.cos(a)), A)
    m, q = in_scope(a + o, A), in_scope(tg.square(z), B)
    order = topological_order([m, q])
    blocks = fold_scopes(order)
    assert_no_cycle(order, blocks)
    assert blocks[id(m)] is not blocks[id(z)] or blocks[id(o)] is not blocks[id(q)]


def test_forward_and_backward_in_the_same_scopes() -> None:
    groups = [Group(f"layer {k}") for k in range(40)]
    forward = [parameter("x")]
    for group in groups:
        forward.append(in_scope(tg.tanh(in_scope(tg.exp(forward[-1]), group)), group))
    back = forward[-1]
    for k in range(39, -1, -1):
        back = in_scope(in_scope(back * forward[k + 1], groups[k]) + forward[k], groups[k])
    order = topological_order([back])
    blocks = fold_scopes(order, keep={id(back)})
    assert_no_cycle(order, blocks)
    assert [name for name, _ in inside(blocks, order)[:40]] == [f"layer {k}" for k in range(40)]
    # The innermost layer goes straight from forward to backward: it is not left.
    assert [name for name, _ in inside(blocks, order)[40:]] == [f"layer {k} (2)" for k in range(38, -1, -1)]


def test_nested_scopes_fold_at_the_chosen_depth() -> None:
    x, w, v = tg.Tensor(1.0, name="x"), parameter("w"), parameter("v")
    with tg.scope("encoder"):
        with tg.scope("layer"):
            h = tg.tanh(w * x)
        with tg.scope("layer"), tg.scope("detail"):
            h = tg.sin(h * v)
        h = tg.exp(h) + v
    order = topological_order([tg.square(h).named("L")])
    blocks = fold_scopes(order)
    assert [(name, len(members)) for name, members in inside(blocks, order)] == [("encoder", 8)]
    blocks = fold_scopes(order, names={"layer"})
    assert inside(blocks, order) == [("layer", ["w", "multiply", "tanh"]), ("layer", ["multiply", "sin"])]
    assert inside(fold_scopes(order, names={"layer", "encoder", "detail"}), order) == inside(fold_scopes(order), order)
    assert inside(fold_scopes(order, names={"detail"}), order) == [("detail", ["multiply", "sin"])]
    assert fold_scopes(order, names={"decoder"}) == {}
    groups = groups_of(order)
    encoder = ("encoder", 0)
    by_op = {t.op.name: groups.get(id(t)) for t in order if t.inputs}
    assert by_op == {
        "tanh": (encoder, ("layer", 1)),
        "multiply": (encoder, ("layer", 2), ("detail", 3)),
        "sin": (encoder, ("layer", 2), ("detail", 3)),
        "exp": (encoder,),
        "add": (encoder,),
        "square": None,
    }
    assert groups[id(w)] == (encoder, ("layer", 1))
    assert groups[id(v)] == (encoder,), "what all its uses share"
    assert id(x) not in groups


def test_every_step_of_a_loop_is_a_block() -> None:
    W, h = parameter("W", 3, 3), tg.Tensor(np.ones(3), name="h0")
    xs = [tg.Tensor(np.ones(3), name=f"x{k}") for k in range(5)]
    for x in xs:
        with tg.scope("step"):
            h = tg.tanh(W @ h + x)
    order = topological_order([h.sum().named("L")])
    blocks = fold_scopes(order)
    assert inside(blocks, order) == [("step", ["matmul", "add", "tanh"])] * 5
    assert number_of(blocks) == 5, "blocks of one name are told apart as objects"
    assert {t.name for t in order if id(t) not in blocks} == {"W", "h0", "L", *(x.name for x in xs)}
    assert [groups_of(order).get(id(t)) for t in order if t.op is not None and t.op.name == "tanh"] == [
        (("step", k),) for k in range(5)
    ]


def test_what_stands_for_a_leaf_goes_with_it() -> None:
    w = parameter("w", 3)
    with tg.scope("layer"):
        y = (w * w * w).sum()
        w.data = np.zeros(3)
        (g,) = tg.gradients(y, [w], create_graph=True)
    order = topological_order([g])
    stand_ins = [t for t in order if t.inputs and stands_for_leaf(t)]
    assert stand_ins, "the leaf has new numbers: without that there is nothing to check"
    blocks, groups = fold_scopes(order), groups_of(order)
    for t in stand_ins:
        assert blocks[id(t)] is blocks[id(w)]
        assert groups[id(t)] == groups[id(w)] == (("layer", 0),)
    assert "identity" not in blocks[id(w)].operations
    assert blocks[id(w)].parameters == 3
    assert not {id(w), *map(id, stand_ins)} & fold_scopes(order, keep={id(w)}).keys()
    assert not {id(w), *map(id, stand_ins)} & fold_scopes(order, keep={id(stand_ins[0])}).keys()


def test_a_use_of_what_stands_for_a_leaf_is_a_use_of_the_leaf() -> None:
    w, v = parameter("w", 3), parameter("v", 3)
    with tg.scope("layer"):
        y = w * v
    w.data = np.zeros(3)
    (g,) = tg.gradients(y.sum(), [v], create_graph=True)  # outside of the scope it uses w as it was
    order = topological_order([g, y])
    assert any(t.inputs and stands_for_leaf(t) for t in order)
    blocks, groups = fold_scopes(order), groups_of(order)
    assert id(v) in blocks
    assert not [t for t in order if t.name == "w" and (id(t) in blocks or id(t) in groups)]


# ---- even runs -------------------------------------------------------------------------------------------------------


def alive_before(order: Sequence[tg.Tensor], t: tg.Tensor) -> int:
    """How many results are computed before t and used from t on."""
    results = [u for u in order if u.inputs]
    at = next(i for i, u in enumerate(results) if u is t)
    later = {id(x) for u in results[at:] for x in u.inputs}
    return sum(1 for u in results[:at] if id(u) in later)


def firsts(order: Sequence[tg.Tensor], blocks: Blocks) -> list[tg.Tensor]:
    found: dict[int, tg.Tensor] = {}
    for t in order:
        if t.inputs and id(t) in blocks:
            found.setdefault(id(blocks[id(t)]), t)
    return list(found.values())


def test_a_chain_is_cut_evenly() -> None:
    y = parameter("x")
    for i in range(100):
        y = tg.tanh(y).named(f"h{i}")
    blocks = fold_evenly(order := topological_order([y]), most=8)
    assert number_of(blocks) == 8
    assert all(id(t) in blocks for t in order)
    sizes = [block.operations["tanh"] for block in {id(b): b for b in blocks.values()}.values()]
    assert sum(sizes) == 100
    assert {*sizes} == {12, 13}
    assert [blocks[id(order[i])].name for i in (1, 100)] == ["h0 … h11", "h87 … h99"]
    assert blocks[id(order[0])].parameters == 1


@pytest.mark.parametrize("most", [3, 7, 10])
def test_cuts_are_where_few_values_are_alive(most: int) -> None:
    h = tg.Tensor(np.ones((2, 3)), name="x")
    for k in range(20):  # inside a layer its input is still alive, for the sum at its end
        h = h + tg.tanh(tg.exp(h @ parameter(f"W{k}", 3, 3)) @ parameter(f"V{k}", 3, 3))
    order = topological_order([h])
    blocks = fold_evenly(order, most)
    starts = firsts(order, blocks)
    assert len(starts) == most
    assert max(alive_before(order, t) for t in order if t.inputs) == 2
    assert [alive_before(order, t) for t in starts] == [0] + [1] * (most - 1)
    assert {t.op.name for t in starts} == {"matmul"}


@pytest.mark.parametrize("seed", range(8))
def test_no_cut_near_the_even_one_is_better(seed: int) -> None:
    random = np.random.default_rng(seed)
    made = [parameter("w")]
    for _ in range(150):  # mostly a chain: some values live on
        i, j = len(made) - 1, max(0, len(made) - 1 - int(random.geometric(0.1)))
        made.append(made[i] * made[j] if random.random() < 0.3 else tg.tanh(made[i]))
    order, most = topological_order(made[-1:]), 5
    results = [t for t in order if t.inputs]
    starts = firsts(order, fold_evenly(order, most))
    assert len(starts) == most
    for k, start in enumerate(starts[1:], 1):
        even, third = len(results) * k // most, len(results) // most // 3
        near = results[even - third : even + third + 1]
        assert any(t is start for t in near)
        assert alive_before(order, start) == min(alive_before(order, t) for t in near)


def test_cuts_of_a_plain_network_are_before_its_layers() -> None:
    L = layers(50, scoped=False)
    blocks = fold_evenly(order := topological_order([L]), most=9, keep={id(L)})
    assert [t.op.name for t in firsts(order, blocks)] == ["matmul"] * 9
    assert sum(b.parameters for b in {id(b): b for b in blocks.values()}.values()) == 50 * (9 + 3)
    assert {t.name for t in order if id(t) not in blocks} == {"x", "L"}


def test_a_cut_is_after_a_name() -> None:
    y = parameter("x")
    for i in range(30):
        y = tg.sin(tg.exp(tg.tanh(y))).named(f"h{i}")
    blocks = fold_evenly(order := topological_order([y]), most=4)
    assert [t.op.name for t in firsts(order, blocks)] == ["tanh"] * 4


def test_names_of_runs() -> None:
    y = parameter("x")
    for i in range(12):
        y = tg.tanh(y)
        if i in (4, 6, 7):
            y = y.named("h")
    order = topological_order([y])
    assert [name for name, _ in inside(fold_evenly(order, 3), order)] == ["around h", "h#2 … h#3", "4 operations"]


def test_few_inputs_stay_outside_and_many_do_not() -> None:
    def record(count: int) -> list[tg.Tensor]:
        y = parameter("w")
        for i in range(24):
            y = tg.tanh(y + tg.Tensor(1.0, name=f"x{i}") if i < count else y)
        return topological_order([y])

    def outside(order: list[tg.Tensor]) -> int:
        blocks = fold_evenly(order, most=8)
        return sum(1 for t in order if t.name is not None and t.name.startswith("x") and id(t) not in blocks)

    assert outside(record(2)) == 2
    assert outside(record(3)) == 0


def test_kept_results_divide_runs() -> None:
    y = parameter("x")
    made = []
    for _ in range(40):
        y = tg.tanh(y)
        made.append(y)
    side = tg.exp(made[30])
    order = topological_order([made[10], y, side])
    keep = {id(made[10]), id(y), id(side)}
    blocks = fold_evenly(order, 2, keep)
    assert_no_cycle(order, blocks)
    assert not keep & blocks.keys()
    assert blocks[id(made[9])] is not blocks[id(made[11])]
    assert blocks[id(made[29])] is blocks[id(made[31])], "a kept result that nobody uses divides nothing"
    assert all(id(t) in blocks or id(t) in keep for t in order)


def test_what_is_too_many_leaves_becomes_a_block() -> None:
    leaves = [tg.Tensor(float(i), requires_grad=True) for i in range(1000)]
    L = tg.stack(leaves).sum().named("L")
    order = topological_order([L])
    blocks = fold_evenly(order, 20, {id(L)})
    assert Counter(block.name for block in blocks.values()) == {"1000 parameters": 1000}
    assert blocks[id(leaves[0])].parameters == 1000
    assert_no_cycle(order, blocks)
    few = fold_evenly(topological_order([tg.stack(leaves[:20]).sum()]), 20)
    assert all(id(t) not in few for t in leaves)


@pytest.mark.parametrize("most", [0, 1, 2, 1000])
def test_any_number_of_blocks(most: int) -> None:
    L = layers(5, scoped=False)
    blocks = fold_evenly(topological_order([L]), most)
    assert number_of(blocks) == {0: 1, 1: 1, 2: 2, 1000: 0}[most]
    assert fold_evenly([], most) == fold_scopes([]) == groups_of([]) == {}
    w = parameter("w")
    assert fold_evenly([w], most, {id(w)}) == fold_scopes([w], keep={id(w)}) == {}


# ---- counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["named", "op"])
def test_the_count_is_that_of_the_graph(level: str) -> None:
    w = parameter("w", 3)
    x = tg.Tensor(2.0, name="x")  # a named number is drawn, a bare one is written
    roots = [note.network()["L"], layers(3), (w * w).sum() + 2 * tg.exp(w)[1], tg.stack([w, 2 * w]).mean(), (x * 3 + 4) / x]
    roots.append(w * tg.Tensor(np.ones(3)))
    for L in roots:
        shown = [node for node in tg.graph(L, level=level) if not (node.kind == "constant" and node.automatic and not node.shape)]
        assert count_shown(topological_order([L]), level) == len(shown)


def test_arrows_are_counted_with_all_their_uses() -> None:
    w, v = parameter("w"), parameter("v")
    y = w
    for _ in range(100):
        y = y * w + v  # one equation, in which w is 101 times and v 100 times
    order = topological_order([y.named("y")])
    graph = tg.graph(y, level="named")
    assert (len(graph), len(graph.edges)) == (3, 201)
    assert count_shown(order, "named") == 3
    assert count_arrows(order) == 201
    assert count_shown(order, "op") == 202
    total = v * w
    for _ in range(99):
        total = total + v * w
    w.data = 3.0  # in the gradient, what stands for w as it was is used 100 times
    (g,) = tg.gradients(total, [v], create_graph=True)
    edges = tg.graph(g.named("g"), level="named").edges
    assert count_arrows(topological_order([g])) == len(edges) >= 100


def test_the_count_of_numbers() -> None:
    x, W, v = parameter("x", 4, 2), parameter("W", 2, 3), parameter("v", 3)
    # 4·3·2 products and 4·3·1 sums, 4·3 tanh, 4·3 products and 4·2 sums, 3 sums of 4 numbers
    L = ((tg.tanh(x @ W)) @ v).sum()
    expected = (8 + 6 + 3) + (24 + 12) + 12 + (12 + 8) + 3
    assert count_shown(topological_order([L]), "scalar") == expected == len(tg.graph(L, level="scalar"))
    moved = (x @ W).T.reshape(-1)  # moving numbers makes none
    assert count_shown(topological_order([moved]), "scalar") == 8 + 6 + 24 + 12 == len(tg.graph(moved, level="scalar"))
    E = tg.einsum("nf,fd->nd", x, W)
    assert count_shown(topological_order([E]), "scalar") == 8 + 6 + 24 + 12 == len(tg.graph(E, level="scalar"))


def test_the_count_of_numbers_of_repeated_batches() -> None:
    a, b = parameter("a", 2, 1, 3, 4), parameter("b", 5, 4, 2)
    order = topological_order([a @ b])
    products = 2 * 5 * 3 * 4 * 2
    assert count_shown(order, "scalar") == 24 + 40 + products + (products - 2 * 5 * 3 * 2)


# ---- all of it -------------------------------------------------------------------------------------------------------


def test_the_same_record_folds_the_same() -> None:
    made = []  # what is kept alive takes other ids

    def facts() -> list[object]:
        scopes = [Group(f"s{i}") for i in range(3)]
        L = layers(30)
        for i in range(60):  # three scopes that use parts of each other
            L = in_scope(tg.tanh(L + i), scopes[i * i % 7 % 3])
        made.append(L)
        order = topological_order([L])
        groups = groups_of(order)
        return [
            inside(fold_scopes(order, keep={id(L)}), order),
            inside(fold_evenly(order, 7, {id(L)}), order),
            [groups.get(id(t)) for t in order],
        ]

    assert facts() == facts() == facts()


def test_a_hundred_thousand_operations_without_recursion() -> None:
    y = parameter("x")
    for k in range(50):
        with tg.scope(f"part {k}"):
            for _ in range(2000):
                y = tg.tanh(y)
    order = topological_order([y])
    assert len(groups_of(order)) == len(order)
    assert number_of(fold_scopes(order, keep={id(y)})) == 50
    assert number_of(fold_evenly(order, 40, {id(y)})) == 40
    assert count_shown(order, "op") == count_shown(order, "scalar") == 100_001
    assert count_shown(order, "named") == 2


def test_thousands_of_turns_between_two_scopes() -> None:
    A, B, y = Group("A"), Group("B"), parameter("x")
    for i in range(4000):
        y = in_scope(tg.tanh(y), B if i % 2 else A)
    order = topological_order([y])
    blocks = fold_scopes(order)
    assert number_of(blocks) == 4000
    assert blocks[id(y)].name == "B (2000)"


def test_the_check_for_cycles_finds_one() -> None:
    a = tg.tanh(parameter("x"))
    c = tg.exp(tg.sin(a))
    block = Block("bad", {}, 0)
    with pytest.raises(CycleError):
        assert_no_cycle(topological_order([c]), {id(a): block, id(c): block})
