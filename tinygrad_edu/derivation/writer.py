"""``derive``: the derivation of gradients, step by step, from a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import GradientError
from ..graphs import Contribution, Graph, Node, pretty
from ..graphs.backward import differentiate
from ..graphs.fold import stands_for_leaf
from ..graphs.levels import Reading, read
from ..ops import Elementwise
from ..ops import rearrangement as r
from ..ops import tabulated as t_
from ..ops.tabulated import Tabulated
from ..sweep import topological_order
from ..tensor import Tensor
from .calculus import contracted, derivative, rule_as_derivative
from .derivation import Derivation, Section, Step
from .equation import _FORMS, Equations
from .evaluate import TooLargeError, evaluate
from .matrix import Axes, Matrix, NoMatrixFormError, exactly, symbols, to_matrix
from .notation import Fence, Letters, Name, Partial, Row, Sign, Space, Sub, Total, Word
from .notation import Node as Tree
from .printing import Names, letters_for, matrix_tree, shape_of, shapes_text, sum_tree
from .simplify import simplified
from .terms import Delta, Entry, Index, NoIndexFormError, Place, Sum, Symbol, at

MOST_NAMES = 12  # of values without names, in the remark about them
LONGEST = 12  # operations in one equation; a longer one is divided, and its parts get names


def derive(root: Tensor, wrt: Tensor | Sequence[Tensor] | None = None, *, latex: Mapping[str, str] | None = None) -> Derivation:
    r"""Derive gradients as one does by hand: chain rule in indices, deltas, contraction, matrix form; each line is checked.

    Parameters
    ----------
    root : Tensor
        A scalar result.
    wrt : Tensor or sequence of Tensors, optional
        What to differentiate by; by default every named tensor that requires a gradient, in the order of the sweep.
    latex : mapping, optional
        How a name is written in LaTeX, where it is not to be as the note writes it: ``{"W1": r"\mathbf{W}_1"}``.

    Returns
    -------
    Derivation
        It prints; ``.latex()``, ``.mathml()``, ``.markdown()`` and ``.html()`` are for pages, ``.steps`` is the data.

    Raises
    ------
    GradientError
        If the root is not a scalar, or does not depend on a tensor.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 2.0]] * 3, name="x", dims="N F")
    >>> w = tg.Tensor([0.5, -0.25], requires_grad=True, name="w", dims="F")
    >>> u = (x @ w).named("u")
    >>> L = (u * u).sum().named("L")
    >>> print(tg.derive(L, w).results["w"])
    ∂𝓛/∂w = xᵀ · ∂𝓛/∂u
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"derive: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if root.shape:
        problem = f"derive: {root._called()} has shape {root.shape}; a derivation starts from a single number."
        raise GradientError(f"{problem}\n  Try: its .sum() or .mean()")
    wanted = None if wrt is None else [wrt] if isinstance(wrt, Tensor) else list(wrt)
    if wanted is not None and not wanted:
        raise ValueError("derive: there is nothing to differentiate by.\n  Try: tg.derive(L), for all named gradients")
    for t in wanted or ():
        if not isinstance(t, Tensor):
            raise TypeError(f"derive: the gradient by {type(t).__name__} was asked for, not by a Tensor: {t!r:.80}")
    with np.errstate(all="ignore"):  # a 0/0 in the data is reported where it was computed
        return Derivation(*Deriver(root, wanted).sections(), names=dict(latex or {}))


@dataclass(frozen=True)
class _Part:
    """What one equation contributes to a gradient: in indices, and as an expression of arrays where there is one."""

    total: Sum | None
    matrix: Matrix | None
    tree: Tree
    line: Tree | None = None  # the equation of an entry, where there is nothing more


class Deriver:
    """Derives the gradients of one root.

    Attributes
    ----------
    reading : Reading
        The graph that the derivation is of, with a node for everything that it names.
    tensors : dict
        The tensor of each node, by its place.
    closed : dict
        The gradients found so far, in indices.
    forms : dict
        For each gradient found so far, what each equation contributes, as an expression of arrays, or None.
    distributions : set
        The names of the tensors that a simplification needs to sum to 1.
    """

    def __init__(
        self, root: Tensor, wanted: Sequence[Tensor] | None, every_operation: bool = False, longest: int = LONGEST
    ) -> None:
        self.order = topological_order([root])
        self.root = root
        missing = [t for t in wanted or () if all(t is not known for known in self.order)]
        apart = _to_be_named(self.order, longest) | {id(t) for t in wanted or ()}
        if every_operation:
            apart = {id(t) for t in self.order if t.inputs}
        self.reading: Reading = read([root], "named", apart=apart, loss=root)
        self.wanted = wanted
        if missing:
            raise _no_path(root, missing[0], self.reading)
        if not root.requires_grad and wanted is None:
            raise GradientError(f"derive: {root._called()} was computed from nothing that requires a gradient.")
        # All gradients, whatever was asked for: the way to it is derived, too.
        self.graph: Graph = differentiate(root, "named", by_all=True, stored=False, apart=apart)
        places = self.reading.places
        self.tensors = {places[id(t)]: t for t in self.order if id(t) in places and not stands_for_leaf(t)}
        self.names = [node.name for node in self.reading.graph]
        self.twins = {node.gradient_of: node for node in self.graph if node.gradient_of is not None}
        self.known = {id(t): self._symbol(t, places[id(t)]) for t in self.order if id(t) in places}
        root_name = self.names[places[id(root)]]
        self.incoming = {
            i: Symbol(root_name, twin.value, gradient_of=self.names[i], dims=self.reading.graph.nodes[i].dims)
            for i, twin in self.twins.items()
            if i is not None
        }
        self.root_name = root_name
        self.closed: dict[int, tuple[Axes, Sum]] = {}
        self.forms: dict[int, tuple[Matrix | None, ...]] = {}
        self.distributions: set[str] = set()
        self.equations = Equations(self.known, self.reading.dims)

    def _symbol(self, t: Tensor, place: int) -> Symbol:
        node = self.reading.graph.nodes[place]
        value = t._data if stands_for_leaf(t) else node.value
        return Symbol(node.name, np.asarray(value), dims=node.dims)

    def sections(self) -> tuple[tuple[Section, ...], tuple[str, ...]]:
        """One section for each gradient, and what is to be said before them."""
        wanted = None if self.wanted is None else {self.reading.places[id(t)] for t in self.wanted}
        needed = self._needed(wanted)
        found = []
        for place, twin in self.twins.items():
            if place is None or not twin.contributions or place not in needed:
                continue
            section = self._section(place, twin)
            if wanted is None or place in wanted:
                found.append(section)
        if wanted is not None:
            for place in wanted:
                if place not in self.twins or not self.twins[place].contributions:
                    raise _no_path(self.root, self.tensors[place], self.reading)
        invented = [node.name for node in self.reading.graph if node.automatic and node.op is not None and node.kind != "loss"]
        nodes = self.reading.graph.nodes
        leaves = [node for node in nodes if node.automatic and node.op is None and (node.shape or node.kind == "parameter")]
        called = [*invented, *(node.name for node in leaves)]
        shown = called if len(called) <= MOST_NAMES else [*called[: MOST_NAMES - 1], "…", called[-1]]
        remarks = [f"Without a name of their own, values are called {', '.join(map(pretty, shown))} here."] if called else []
        equations = [f"{pretty(self.names[i])} = {nodes[i].formula}" for i in needed if self.names[i] in invented]
        equations += [f"{pretty(node.name)} is the {node.kind} of shape {shape_of(node.shape, False)}" for node in leaves]
        more = [f"… and {len(equations) - MOST_NAMES} more"] if len(equations) > MOST_NAMES else []
        return tuple(found), (*remarks, *equations[:MOST_NAMES], *more)

    def _needed(self, wanted: set[int] | None) -> list[int]:
        """The gradients to derive, in the order of the sweep: of all that requires one, or those that simplify others."""
        ids = [i for i in self.twins if i is not None]
        if wanted is None:
            return [i for i in ids if self.tensors[i].requires_grad and i != self.reading.places[id(self.root)]]
        above = set(wanted)
        for i in reversed(ids):
            if i in above:
                above |= {c.use.target for c in self.twins[i].contributions}
        return [i for i in ids if i in above]

    def _section(self, place: int, twin: Node) -> Section:
        t = self.tensors[place]
        by_target: dict[int, list[Contribution]] = {}
        for c in twin.contributions:
            by_target.setdefault(c.use.target, []).append(c)
        steps: list[Step] = []
        parts: list[_Part] = []
        axes = self.equations.indices(t)
        for target, own in by_target.items():
            part, found = self._part(t, place, axes, target, own)
            steps += [replace(step, use=self.names[target]) for step in found] if len(by_target) > 1 else found
            parts.append(part)
        self.forms[place] = tuple(part.matrix for part in parts)
        left: Tree = Partial(Name(self.root_name), Name(self.names[place]))
        closed = Sum()
        for known in parts:
            closed = Sum() if known.total is None else closed + known.total
        if all(part.total is not None for part in parts):
            self.closed[place] = (axes, closed)
        tree = parts[0].tree
        if len(parts) > 1:
            row: list[Tree] = []
            for part in parts:
                negative = isinstance(part.tree, Row) and part.tree.parts[0] == Sign("−")
                shown = Fence(part.tree) if part.matrix is not None and part.matrix.kind == "spread" else part.tree
                row += [shown] if negative or not row else [Sign("+"), shown]
            tree = Row(tuple(row))
            value = sum(np.asarray(c.value, float) for c in twin.contributions)
            if all(part.matrix is not None for part in parts):
                arrays = [_shaped(part.matrix, t.shape) for part in parts if part.matrix is not None]
                value = sum(np.where(np.isnan(a) & ~np.isnan(twin.value), 0.0, a) for a in arrays)
            elif place in self.closed:
                ij = [i for i in axes if i is not None]
                names = letters_for(self.names, ij)
                left, tree = self._gradient(place, ij, names), sum_tree(closed, names)
                found = _try(lambda: evaluate(closed, ij))
                value = value if found is None else np.reshape(found, t.shape)
            words = (
                f"{pretty(self.names[place])} is used in {len(parts)} equations: its gradient is the sum of what they contribute"
            )
            steps.append(Step("sum", words, Row((left, Sign("="), tree)), _difference(value, twin.value)))
        reused = tuple(dict.fromkeys(self.names[i] for c in twin.contributions for i in c.reused))
        result: Tree = Row((left, Sign("="), tree))
        if len(parts) == 1 and parts[0].line is not None:
            result = parts[0].line
        if len(parts) == 1 and parts[0].matrix is not None:
            used = (s.name for s in symbols(parts[0].matrix) if not s.gradient_of)
            reused = tuple(dict.fromkeys(name for name in used if name in self.names))
        return Section(self.names[place], tuple(steps), result, reused, shape_of(t.shape, False), self._letters(place))

    def _letters(self, place: int) -> str:
        node = self.reading.graph.nodes[place]
        return shape_of(tuple(Index(n, d) for n, d in zip(node.shape, node.dims, strict=True)), True)

    def _part(self, t: Tensor, place: int, axes: Axes, target: int, own: Sequence[Contribution]) -> tuple[_Part, list[Step]]:
        """The steps for the use of t in one equation."""
        y = self.tensors[target]
        engine = sum(np.asarray(c.value, float) for c in own)
        rows = self.equations.indices(y)
        ij, kl = [i for i in axes if i is not None], [i for i in rows if i is not None]
        names = letters_for(self.names, ij, kl)
        try:
            return self._by_indices(t, place, axes, target, rows, names, engine)
        except NoIndexFormError as reason:
            return self._as_registered(place, target, own, engine, str(reason))

    def _as_registered(
        self, place: int, target: int, own: Sequence[Contribution], engine: Any, reason: str
    ) -> tuple[_Part, list[Step]]:
        """An op that does not say itself in indices: its rule as it is registered."""
        node = self.reading.graph.nodes[target]
        forward = Row((Name(self.names[target]), Sign("="), Word(node.formula)))
        rule = Word(" + ".join(c.formula for c in own))
        left = Partial(Name(self.root_name), Name(self.names[place]))
        steps = [
            Step("forward", f"The forward equation has no form in indices here ({reason})", forward),
            Step("registered", "Its rule, as it is registered", Row((left, Sign("="), rule))),
        ]
        return _Part(None, None, rule), steps

    def _by_indices(
        self, t: Tensor, place: int, axes: Axes, target: int, rows: Axes, names: Names, engine: Any
    ) -> tuple[_Part, list[Step]]:
        y = self.tensors[target]
        by = self.known[id(t)]
        ij, kl = [i for i in axes if i is not None], [i for i in rows if i is not None]
        forward = self.equations.right_side(y, [None if i is None else at(i) for i in rows])
        raw, words = self._local(t, y, by, forward, ij, kl)
        local = contracted(raw)
        is_root = y is self.root
        g = self.incoming[target]
        product = local if is_root else Sum.of(Entry(g, tuple(at(i) for i in kl))).distributed(local)
        total = contracted(Sum(tuple(replace(term, over=(*term.over, *kl)) for term in product.terms)))

        left = self._gradient(place, ij, names)
        entry_y = _indexed(self.names[target], kl, names)
        entry_t = _indexed(self.names[place], ij, names)
        jacobian = Partial(entry_y, entry_t)
        steps = []
        if not is_root:
            upper = self._gradient(target, kl, names)
            chain: Tree = Row((upper, Space(), Sign("·"), jacobian))
            chain = Total("".join(names[i] for i in kl), chain) if kl else chain
            steps.append(Step("chain", "Chain rule", Row((left, Sign("="), chain))))
        equation = Row((entry_y, Sign("="), sum_tree(forward, names)))
        steps.append(Step("forward", f"Forward{_outside(forward)}", equation, self._check(forward, kl, y._data)))
        checked = self._check_local(raw, local, None if is_root else g, kl, ij, engine)
        steps.append(self._local_step(jacobian, raw, local, names, words, checked))
        survive = _survivors(local, kl, ij, names)
        if survive:
            steps.append(Step("survives", survive, None))
        steps.append(
            Step(
                "contraction",
                f"Contraction{_outside(total)}",
                Row((left, Sign("="), sum_tree(total, names))),
                self._check(total, ij, engine),
            )
        )
        part = self._matrix_steps(place, t, axes, total, names, engine, steps)
        closed = simplified(total, {self.incoming[i]: form for i, form in self.closed.items()})
        if closed is not None:
            line = Row((left, Sign("="), sum_tree(closed.total, names)))
            self.distributions |= set(closed.distributions)
            words = _conditions("Simplified", closed.conditions)
            steps.append(Step("simplified", words, line, self._check(closed.total, ij, engine)))
            part = self._matrix_steps(place, t, axes, closed.total, names, engine, steps)
        return part, steps

    def _local(self, t: Tensor, y: Tensor, by: Symbol, forward: Sum, ij: Sequence[Index], kl: Sequence[Index]) -> tuple[Sum, str]:
        """The local derivative: by the product rule, or for an op with a known Jacobian from its rule."""
        targets = [at(i) for i in ij]
        if isinstance(y.op, Tabulated) and y.op is not t_.bce:
            total = Sum()
            seed = Symbol("g", np.ones(y.shape))
            for i, x in enumerate(y.inputs):
                if self.known.get(id(x)) is by:
                    axes_t = iter(targets)
                    axes = [None if n == 1 else next(axes_t) for n in x.shape]
                    rule = self.equations.rule(y, i, seed, axes)
                    total = total + rule_as_derivative(rule, seed, [at(j) for j in kl])
            return contracted(total), f"Local derivative, the known one of {y.op.symbol}"
        named = {}
        single = forward.terms[0] if len(forward.terms) == 1 else None
        if single is not None and len(single.factors) == 1 and not single.over and single.coefficient == 1:  # y = tanh(u)
            named = {single.factors[0][0]: Sum.of(Entry(self.known[id(y)], tuple(at(i) for i in kl)))}
        return derivative(forward, by, targets, named), "Local derivative"

    def _check_local(
        self, raw: Sum, local: Sum, g: Symbol | None, kl: Sequence[Index], ij: Sequence[Index], engine: Any
    ) -> float | None:
        """The dense Jacobian, before and after the deltas were used, times the incoming gradient, against the engine."""
        axes = [*kl, *ij]
        dense = _try(lambda: (evaluate(raw, axes), evaluate(local, axes)))
        if dense is None:
            return None
        gradient = np.ones(()) if g is None else np.reshape(g.array, [i.size for i in kl])
        product = np.asarray(np.tensordot(gradient, np.where(np.isnan(dense[1]), 0.0, dense[1]), len(kl)))
        expected = np.reshape(engine, product.shape)
        # 0 times inf, in a dense Jacobian, says nothing.
        pairs = [(np.asarray(a), np.asarray(b)) for a, b in (dense, (product, expected))]
        return max(_difference(a[told], b[told]) for a, b in pairs for told in [np.isfinite(a) & np.isfinite(b)])

    def _local_step(self, jacobian: Tree, raw: Sum, local: Sum, names: Names, words: str, checked: float | None) -> Step:
        first = sum_tree(raw, dict(names))
        row: list[Tree] = [jacobian, Sign("="), first]
        if local != raw:
            row += [Sign("="), sum_tree(local, dict(names))]
        return Step("local", words, Row(tuple(row)), checked)

    def _matrix_steps(self, place: int, t: Tensor, axes: Axes, total: Sum, names: Names, engine: Any, steps: list[Step]) -> _Part:
        left = Partial(Name(self.root_name), Name(self.names[place]))
        try:
            matrix = exactly(to_matrix(total, axes), self._axes(t, axes))
        except NoMatrixFormError as reason:
            entries = sum_tree(total, names)
            line = Row((self._gradient(place, [i for i in axes if i is not None], names), Sign("="), entries))
            steps.append(Step("indices", f"Matrix notation ends here, because {reason}: it stays in indices", None))
            return _Part(total, None, Row((Word("with entries"), Space(), entries)), line)
        tree = matrix_tree(matrix)
        value = _try(matrix.evaluate)
        difference = None if value is None else _difference(value, engine)
        steps.append(Step("matrix", "Matrix form", Row((left, Sign("="), tree)), difference))
        letters, numbers = (f"{shape_of(axes, mode)} = {shapes_text(matrix, mode)}" for mode in (True, False))
        fits = value is not None and np.shape(value) == t.shape
        shown = letters if letters == numbers else f"{letters},  {numbers}"
        steps.append(Step("shape", "Shapes", Row((Word(shown), Space(), Sign("✓" if fits or value is None else "≠")))))
        return _Part(total, matrix, tree)

    def _axes(self, t: Tensor, axes: Axes) -> Axes:
        """The axes of t, with None for those of size 1."""
        own = iter([i for i in axes if i is not None])
        return tuple(None if n == 1 else next(own) for n in t.shape)

    def _gradient(self, place: int, indices: Sequence[Index], names: Names) -> Tree:
        return Partial(Name(self.root_name), _indexed(self.names[place], indices, names))

    def _check(self, total: Sum, indices: Sequence[Index], expected: Any) -> float | None:
        value = _try(lambda: evaluate(total, indices))
        return None if value is None else _difference(value, np.reshape(expected, np.shape(value)))


def _to_be_named(order: Sequence[Tensor], longest: int) -> set[int]:
    """The results that get a name of their own: where an equation would be too long, and around ops of a special form."""
    found: set[int] = set()
    size: dict[int, int] = {}
    for t in order:
        if not t.inputs or stands_for_leaf(t):
            continue
        special = not isinstance(t.op, Elementwise) and (t.op not in _FORMS or t.op in (r.concatenate, r.pad))
        if t.op is r.reshape:
            special = [n for n in t.shape if n != 1] != [n for n in t.inputs[0].shape if n != 1]
        if special:
            found |= {id(x) for x in t.inputs if x.inputs and x.dtype.kind == "f"}
            found.add(id(t))
        size[id(t)] = 1 + sum(size.get(id(x), 0) for x in t.inputs if id(x) not in found and x.name is None)
        if size[id(t)] > longest:
            found.add(id(t))
    return found


def _indexed(name: str, indices: Sequence[Index], names: Names) -> Tree:
    text = "".join(names[i] for i in indices)
    return Sub(Name(name), Letters(text)) if text else Name(name)


def _survivors(local: Sum, rows: Sequence[Index], columns: Sequence[Index], names: Names) -> str:
    """Which indices survive: those that every term's deltas say are equal."""
    found: list[set[tuple[str, str]]] = []
    for term in local.terms:
        pairs = set()
        for factor, _ in term.factors:
            if isinstance(factor, Delta) and isinstance(factor.left, Place) and isinstance(factor.right, Place):
                left, right = factor.left.index, factor.right.index
                if left in rows and right in columns:
                    pairs.add((names[left], names[right]))  # type: ignore[index]  # in rows and columns: not None
        found.append(pairs)
    common = set.intersection(*found) if found else set()
    if not common:
        return ""
    texts = [f"{a} = {b}" for a, b in sorted(common)]
    return f"Only {' and '.join(texts)} survive{'s' if len(texts) == 1 else ''}"


def _outside(total: Sum) -> str:
    """The words that a formula with shifted places needs."""
    shifted = outside = False
    for entry in total.entries():
        sizes = [n for n in np.shape(entry.of.array) if n != 1]
        for place, size in zip(entry.places, sizes, strict=True):
            if isinstance(place, Place) and place.index is None:
                shifted = True
                ends = [n * (i.size - 1) for i, n in place.parts]
                low, high = (place.offset + sum(pick(0, end) for end in ends) for pick in (min, max))
                outside = outside or low < 0 or high >= size
            elif isinstance(place, Place) and place.index is not None and place.index.size > size:
                shifted = outside = True
    words = ", counting from 0" if shifted else ""
    return f"{words}, where an entry outside of its tensor is 0" if outside else words


def _conditions(words: str, conditions: Sequence[str]) -> str:
    return f"{words}, because {' and '.join(conditions)}" if conditions else words


def _shaped(matrix: Matrix, shape: tuple[int, ...]) -> Any:
    value = np.asarray(matrix.evaluate())
    return value.reshape(shape)


def _try(work: Any) -> Any:
    try:
        return work()
    except TooLargeError:
        return None


def _difference(a: Any, b: Any) -> float:
    """The largest difference, relative where large numbers are expected; NaN where the engine has NaN."""
    left, right = np.asarray(a, float), np.asarray(b, float)
    if left.shape != right.shape:
        return float("inf")
    if np.isnan(right).any():
        return float("nan")
    # Where a rule says that 0/0 counts as 0, as at a norm of 0, the formula says nothing.
    same = (left == right) | (np.isnan(left) & (right == 0))
    apart = np.where(same, 0.0, np.abs(left - right))
    largest = float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0.0))
    scale = float(np.max(np.abs(right), initial=0.0))
    return largest / scale if 1 < scale < float("inf") else largest


def _no_path(root: Tensor, t: Tensor, reading: Reading) -> GradientError:
    if t is root:
        return GradientError(f"derive: the gradient of {root._called()} by itself is 1: there is nothing to derive.")
    nodes = (node for node in reading.graph if node.value is not None and not node.automatic and node.name != root.name)
    known = ", ".join(pretty(node.name) for node in nodes)
    advice = f"\n  Try: one of {known[:200]}" if known else ""
    return GradientError(f"derive: {root._called()} does not depend on {t._called()}.{advice}")
