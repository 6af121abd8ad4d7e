"""Folding: which tensors of a large record are shown together, as one block.

The graph with one node per block must have no cycle. So a block is never left and entered again: no value that is
computed from it outside is used in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import count, pairwise
from math import prod
from typing import NamedTuple

from ..modes import Group
from ..ops import Contraction
from ..ops.contraction import einsum
from ..ops.elementwise import identity
from ..tensor import Tensor
from .names import Namer
from .nodes import Block

Path = tuple[tuple[str, int], ...]
OUTSIDE = -1  # the number of no block


def groups_of(order: Sequence[Tensor]) -> dict[int, Path]:
    """The scopes that each tensor belongs to, by id: names and numbers, the outermost first.

    A result is in the scopes that it was computed in; a parameter or a constant in those that all its uses share; an
    input, which was given with a name and requires no gradient, in none. The number tells entries apart. Tensors in no
    scope are left out.

    Parameters
    ----------
    order : sequence of Tensors
        A topological order, with the leaves.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.sweep import topological_order
    >>> x, w = tg.Tensor(3.0, name="x"), tg.Tensor(2.0, requires_grad=True, name="w")
    >>> with tg.scope("layer"):
    ...     y = (w * x).named("y")
    >>> groups = groups_of(topological_order([y]))
    >>> [groups.get(id(t)) for t in (x, w, y)]
    [None, (('layer', 0),), (('layer', 0),)]
    """
    parts = _take_apart(order)
    paths: dict[tuple[Group, ...], Path] = {(): ()}
    numbers: dict[Group, int] = {}
    found: dict[int, Path] = {}
    shared: dict[int, Path] = {}  # what all uses of a leaf have in common
    for t in parts.results:
        scopes = getattr(t, "_scope", ())
        if scopes not in paths:
            paths[scopes] = tuple([(group.name, numbers.setdefault(group, len(numbers))) for group in scopes])
        path = found[id(t)] = paths[scopes]
        for x in t.inputs:
            if not x.inputs or id(x) in parts.stand_ins:
                key = parts.stand_ins.get(id(x), id(x))
                before = shared.setdefault(key, path)
                if before is not path:
                    shared[key] = tuple([a for a, b in zip(before, path, strict=False) if a == b])
    found |= {id(leaf): shared.get(id(leaf), ()) for leaf in parts.leaves if not _is_input(leaf)}
    found |= {key: found[leaf] for key, leaf in parts.stand_ins.items() if leaf in found}
    return {key: path for key, path in found.items() if path}


def fold_scopes(order: Sequence[Tensor], names: Container[str] | None = None, keep: Container[int] = ()) -> dict[int, Block]:
    """Each scope as one block: for the id of each tensor inside, its block.

    The leaves that only one block uses are inside it, inputs are not. A scope that is left and entered again, as by a
    generator, is several blocks: "layer 1" and "layer 1 (2)". Every entry into a scope has a Block object of its own,
    whatever its name.

    Parameters
    ----------
    order : sequence of Tensors
        A topological order, with the leaves.
    names : container of str, optional
        The scopes to fold: the outermost entries of these names. By default the outermost of all.
    keep : container of ids
        The tensors that stay outside, such as the roots.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.sweep import topological_order
    >>> x, w = tg.Tensor(3.0, name="x"), tg.Tensor(2.0, requires_grad=True, name="w")
    >>> with tg.scope("layer"):
    ...     h = tg.tanh(w * x)
    >>> L = (h * h).named("L")
    >>> blocks = fold_scopes(topological_order([L]), keep={id(L)})
    >>> blocks[id(h)]
    Block(name='layer', operations={'multiply': 1, 'tanh': 1}, parameters=1)
    >>> blocks[id(w)] is blocks[id(h)], id(x) in blocks, id(L) in blocks
    (True, False, False)
    """
    parts = _take_apart(order, keep)
    chosen: dict[tuple[Group, ...], Group | None] = {(): None}
    groups: list[Group | None] = []
    for t in parts.results:
        scopes = getattr(t, "_scope", ())
        if scopes not in chosen:
            chosen[scopes] = next((group for group in scopes if names is None or group.name in names), None)
        groups.append(None if id(t) in keep else chosen[scopes])
    pieces: dict[tuple[Group, int], list[Tensor]] = {}
    for t, group, turn in zip(parts.results, groups, _turns(parts.results, groups), strict=True):
        if group is not None:
            pieces.setdefault((group, turn), []).append(t)
    entries: Counter[Group] = Counter()
    titles = []
    for group, _ in pieces:
        entries[group] += 1
        titles.append(group.name if entries[group] == 1 else f"{group.name} ({entries[group]})")
    return _blocks(parts, titles, _with_leaves(parts, list(pieces.values())))


def fold_evenly(order: Sequence[Tensor], most: int, keep: Container[int] = ()) -> dict[int, Block]:
    """A long record in some ``most`` blocks of about equal length: for the id of each tensor inside, its block.

    Each block is a run of consecutive results, cut where few values are alive: in a layered network, between layers. A
    run of one result is no block. The leaves that only one block uses are inside it; inputs are only when there are more
    than ``most // 4``. Where more than ``most`` parameters, inputs or constants are left over, they are one block too.

    Parameters
    ----------
    order : sequence of Tensors
        A topological order, with the leaves.
    most : int
        How many runs there may be. Each result that is kept and used later divides a run, and may add one.
    keep : container of ids
        The tensors that stay outside, such as the roots.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.sweep import topological_order
    >>> x = tg.Tensor(1.0, requires_grad=True, name="x")
    >>> y = x
    >>> for i in range(12):
    ...     y = tg.tanh(y).named(f"h{i}")
    >>> blocks = fold_evenly(topological_order([y]), most=2)
    >>> list(dict.fromkeys(block.name for block in blocks.values()))
    ['h0 … h5', 'h6 … h11']
    """
    parts = _take_apart(order, keep)
    runs = _runs(parts.results, most, keep)
    names = _names_of_runs(order, parts, runs)
    contents = _with_leaves(parts, runs, most // 4)
    inside = {id(t) for members in contents for t in members}
    left: dict[str, list[Tensor]] = {}
    for leaf in parts.leaves:
        if id(leaf) not in inside:
            kind = "parameters" if leaf._requires_grad else "inputs" if _is_input(leaf) else "constants"
            left.setdefault(kind, []).append(leaf)
    for kind, leaves in left.items():
        if len(leaves) > max(most, 1):
            names.append(f"{len(leaves)} {kind}")
            contents.append(leaves)
    return _blocks(parts, names, contents)


def count_shown(order: Sequence[Tensor], level: str) -> int:
    """About how many nodes the picture of a topological order would have, without building its graph.

    Bare numbers are none: they stand in formulas. On the level "scalar" there is a node for each number of a leaf or a
    result, and for each product and sum of a contraction; what only moves numbers has none.

    Parameters
    ----------
    order : sequence of Tensors
        A topological order, with the leaves.
    level : {"named", "op", "scalar"}
        As for ``tg.graph``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.sweep import topological_order
    >>> x, w = tg.Tensor([1.0, 2.0], name="x"), tg.Tensor([3.0, 4.0], name="w")
    >>> order = topological_order([tg.tanh(x @ w).named("y")])
    >>> [count_shown(order, level) for level in ("named", "op", "scalar")]
    [3, 4, 8]
    """
    parts = _take_apart(order)
    if level == "scalar":
        return _count_numbers(parts)
    if level == "op":
        return len(parts.results) + len(_given(parts))
    return len(_named(parts, _uses(parts)))


def count_arrows(order: Sequence[Tensor]) -> int:
    """How many arrows the picture on the level "named" would have: one equation may use a value hundreds of times."""
    parts = _take_apart(order)
    uses = _uses(parts)
    nodes = _named(parts, uses)
    return sum([n for key, n in uses.items() if key in nodes or key in parts.stand_ins])


def _uses(parts: _Parts) -> Counter[int]:
    return Counter([id(x) for t in parts.results for x in t.inputs])


def _given(parts: _Parts) -> set[int]:
    return {id(t) for t in parts.leaves if t.name is not None or t._requires_grad or t.shape}


def _named(parts: _Parts, uses: Counter[int]) -> set[int]:
    return _given(parts) | {id(t) for t in parts.results if t.name is not None or uses.get(id(t)) != 1}


def stands_for_leaf(t: Tensor) -> bool:
    """Whether a node only stands for a leaf with the value it had before it was given new numbers."""
    return t.op is identity and bool(t.inputs) and not t.inputs[0].inputs and t.name == t.inputs[0].name


class _Parts(NamedTuple):
    """A topological order taken apart; ``stand_ins`` has, by the id of a node that stands for a leaf, the leaf's id."""

    results: list[Tensor]
    leaves: list[Tensor]
    stand_ins: dict[int, int]


def _take_apart(order: Sequence[Tensor], keep: Container[int] = ()) -> _Parts:
    """The parts, without the leaves to keep: a leaf is kept, too, when what stands for it is."""
    results, leaves, stand_ins = [], [], {}
    for t in order:
        if not t.inputs:
            leaves.append(t)
        elif t.op is identity and stands_for_leaf(t):
            stand_ins[id(t)] = id(t.inputs[0])
        else:
            results.append(t)
    kept = {leaf for key, leaf in stand_ins.items() if key in keep}
    return _Parts(results, [t for t in leaves if id(t) not in keep and id(t) not in kept], stand_ins)


def _is_input(leaf: Tensor) -> bool:
    return leaf.name is not None and not leaf._requires_grad


# ---- scopes without cycles -------------------------------------------------------------------------------------------


def _turns(results: Sequence[Tensor], groups: Sequence[Group | None]) -> list[int]:
    """For each result the number of a turn: what is of one group and has one turn is a piece, and pieces make no cycle.

    In topological order, all of a group has its turn together, when everything that it uses had one. When it is nobody's
    turn, because groups wait for each other, or one for itself, the one that was begun first is divided: what can be
    computed of it has a turn, and the rest later.
    """
    ends = {group: i for i, group in enumerate(groups)}
    place = {id(t): i if group is None else ends[group] for i, (t, group) in enumerate(zip(results, groups, strict=True))}
    if all(place.get(id(x), 0) <= place[id(t)] for t in results for x in t.inputs):
        return [0] * len(results)  # where each ends is a topological order: so it is mostly, and found several times faster
    place = {id(t): i for i, t in enumerate(results)}
    users: list[list[int]] = [[] for _ in results]
    waits = [1] * len(results)  # for the inputs that had no turn yet, and for a first look
    for i, t in enumerate(results):
        for x in t.inputs:
            if id(x) in place:
                users[place[id(x)]].append(i)
                waits[i] += 1
    told = list(reversed(range(len(results))))  # those that wait for one less
    missing = Counter(groups)
    begun: dict[Group, list[int]] = {}  # what can be computed of the groups whose turn has not come
    complete: list[Group] = []
    turns = [0] * len(results)
    for turn in count(1):
        while told:
            i = told.pop()
            waits[i] -= 1
            if waits[i]:
                continue
            group = groups[i]
            if group is not None:
                begun.setdefault(group, []).append(i)
                missing[group] -= 1
                if not missing[group]:
                    complete.append(group)
            told += users[i] if group is None else [user for user in users[i] if groups[user] is group]
        if not begun:
            break
        group = complete.pop() if complete else next(iter(begun))
        members = begun.pop(group)
        for i in members:
            turns[i] = turn
        told += [user for i in members for user in users[i] if groups[user] is not group]
    return turns


# ---- even runs -------------------------------------------------------------------------------------------------------


def _runs(results: Sequence[Tensor], most: int, keep: Container[int]) -> list[list[Tensor]]:
    """About ``most`` runs of two or more consecutive results."""
    last: dict[int, int] = {}  # where each value is used last
    for i, t in enumerate(results):
        last[id(t)] = i
        for x in t.inputs:
            last[id(x)] = i
    stretches: list[list[int]] = [[]]  # what may be one run
    for i, t in enumerate(results):
        if id(t) not in keep:
            stretches[-1].append(i)
        elif last[id(t)] != i:
            stretches.append([])
    costs = _costs_of_cuts(results, Counter([last[id(t)] for t in results]))
    total = sum(map(len, stretches))
    found = []
    for stretch in stretches:
        runs = max(1, len(stretch) * max(most, 1) // max(total, 1))
        cuts = [0, *(_best_cut(stretch, costs, k, runs) for k in range(1, runs)), len(stretch)]
        found += [[results[i] for i in stretch[start:end]] for start, end in pairwise(cuts) if end - start > 1]
    return found


def _costs_of_cuts(results: Sequence[Tensor], dying: Mapping[int, int]) -> list[int]:
    """For each result, what a cut before it costs: first of all the values that are alive there.

    ``dying[i]`` is how many results have their last use at place i. Between places with as many values, a cut is better
    after a value with a name, and before a contraction, with which a layer begins.
    """
    costs, alive, unnamed = [], 0, True
    for i, t in enumerate(results):
        costs.append(3 * alive + unnamed + (not isinstance(t.op, Contraction)))
        alive += 1 - dying[i]
        unnamed = t.name is None
    return costs


def _best_cut(stretch: Sequence[int], costs: Sequence[int], k: int, runs: int) -> int:
    """The cheapest place near k / runs of the stretch; of several the nearest."""
    even, reach = len(stretch) * k // runs, len(stretch) // (3 * runs)
    return min(range(even - reach, even + reach + 1), key=lambda place: (costs[stretch[place]], abs(place - even), place))


def _names_of_runs(order: Sequence[Tensor], parts: _Parts, runs: Sequence[Sequence[Tensor]]) -> list[str]:
    """The first and the last name inside, or how many operations there are."""
    namer = Namer({t.name for t in order if t.name is not None})
    names = {id(t): namer.unique(t.name) for t in order if t.name is not None and id(t) not in parts.stand_ins}
    found = []
    for run in runs:
        inside = [names[id(t)] for t in run if id(t) in names]
        around = f"around {inside[0]}" if inside else f"{len(run)} operations"
        found.append(f"{inside[0]} … {inside[-1]}" if len(inside) > 1 else around)
    return found


# ---- what is in a block ----------------------------------------------------------------------------------------------


def _with_leaves(parts: _Parts, runs: Sequence[Sequence[Tensor]], most_inputs: int | None = None) -> list[list[Tensor]]:
    """Each run, and the leaves that nothing else uses. Inputs are among them only if there are more than ``most_inputs``."""
    run_of = {id(t): k for k, run in enumerate(runs) for t in run}
    user: dict[int, int] = {}  # of each leaf: the only run that uses it
    for t in parts.results:
        k = run_of.get(id(t), OUTSIDE)
        for x in t.inputs:
            if not x.inputs or id(x) in parts.stand_ins:
                key = parts.stand_ins.get(id(x), id(x))
                if user.setdefault(key, k) != k:
                    user[key] = OUTSIDE
    few_inputs = most_inputs is None or sum(map(_is_input, parts.leaves)) <= most_inputs
    contents = [list(run) for run in runs]
    for leaf in parts.leaves:
        k = user.get(id(leaf), OUTSIDE)
        if k != OUTSIDE and not (few_inputs and _is_input(leaf)):
            contents[k].append(leaf)
    return contents


def _blocks(parts: _Parts, names: Sequence[str], contents: Sequence[Sequence[Tensor]]) -> dict[int, Block]:
    """The block of each tensor that is in one, by id; what stands for a leaf goes with it."""
    found: dict[int, Block] = {}
    for name, members in zip(names, contents, strict=True):
        operations: dict[str, int] = {}
        for t in members:
            if t.inputs:
                operations[t.op.name] = operations.get(t.op.name, 0) + 1
        parameters = sum([t.size for t in members if not t.inputs and t._requires_grad])
        found |= dict.fromkeys([id(t) for t in members], Block(name, operations, parameters))
    return found | {key: found[leaf] for key, leaf in parts.stand_ins.items() if leaf in found}


# ---- the size of the scalar level ------------------------------------------------------------------------------------


def _count_numbers(parts: _Parts) -> int:
    total = sum([t.size for t in parts.leaves])
    known: dict[tuple[object, ...], int] = {}
    for t in parts.results:
        if t.op.kind == "contraction":
            key = (t.op, *[x.shape for x in t.inputs], *t.params.values())
            if key not in known:
                known[key] = _count_products(t)
            total += known[key]
        elif t.op.kind != "rearrangement":  # which only moves numbers
            total += t.size
    return total


def _count_products(t: Tensor) -> int:
    """The products and the sums of a contraction."""
    shapes = [x.shape for x in t.inputs]
    equation = t.params["equation"] if t.op is einsum else t.op.equation and t.op.equation(*shapes, **t.params)
    if not equation:
        return t.size
    inputs, output = equation.split("->")
    summed: dict[str, int] = {}
    for term, shape in zip(inputs.split(","), shapes, strict=True):
        # From the last axis on: an axis that is repeated to fit the others has no letter, and comes first.
        summed |= {letter: n for letter, n in zip(term[::-1], shape[::-1], strict=False) if letter not in output}
    terms = t.size * prod(summed.values())
    return terms * (len(shapes) - 1) + max(terms - t.size, 0)
