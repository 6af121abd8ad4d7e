"""Mistakes one makes in a gradient, each as the array that it would give: found from the record alone, for any network.

The gradient of a value is a sum over its uses, and each use hands back a product of what comes from above with a local
derivative. A mistake changes one such product. What arrives below is linear in it, so the consequence of a mistake is the
right gradient plus the sweep of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import numpy as np

from ..errors import AnomalyError
from ..graphs import pretty
from ..graphs.backward import leaves_to_differentiate
from ..graphs.levels import read
from ..graphs.names import pretty_gradient
from ..modes import enable_grad
from ..ops import Contraction, Elementwise, Op, Tabulated
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import tabulated as t_
from ..ops.op import Rule
from ..record import LITERALS
from ..sweep import depending_on, onto, sweep, topological_order
from ..tensor import Tensor
from .diagnoses import Diagnosis

Array = Any
WORK = 20_000_000  # numbers that trying mistakes may compute, for one gradient; for all of many, ten times as many
PER_NODE = 2000  # what a node costs beside its numbers
LARGEST_TABLE = 200_000  # numbers in a product that was not summed
LONGEST = 30  # characters of an expression that stands for a value without a name
MOST_USES = 40  # of one value, up to which each is tried alone
_ACTIVATIONS = (e.tanh, e.sigmoid, e.relu, e.sin, e.cos)  # whose derivatives are taken for each other
_PASSES = frozenset((e.add, e.identity))  # the gradient of the result is that of the operand


@dataclass(frozen=True)
class Part:
    """What one use hands back: as the rule gives it, and summed to the value's shape."""

    node: Tensor
    i: int
    raw: Array
    part: Array


@dataclass(frozen=True)
class Backward:
    """One sweep: the gradient of every value, and the parts that it is the sum of, by the value's id."""

    gradients: Mapping[int, Array]
    parts: Mapping[int, Sequence[Part]]


class Recorded:
    """A record, made ready for trying mistakes on it: its order, its names, and its sweep with other numbers."""

    def __init__(self, root: Tensor) -> None:
        self.root = root
        self.work = WORK
        self.order = topological_order([root])
        self.active = depending_on(self.order, leaves_to_differentiate(self.order, by_all=True))
        reading = read([root], "named", loss=root, order=self.order)
        self.letters, self.texts = reading.dims, reading.texts
        by_place: dict[int, Tensor] = {}
        for t in self.order:
            if id(t) in reading.places:
                by_place.setdefault(reading.places[id(t)], t)
        self.names = {id(by_place[node.id]): node.name for node in reading.graph}
        self.tensors = {node.name: by_place[node.id] for node in reading.graph}
        self.values = {node.name: np.asarray(node.value) for node in reading.graph}
        self.root_name = self.names[id(root)]
        self.divisors = _divisors(self.order)
        self.exponents = _exponents(self.order)
        self.sizes = {n for t in self.order for n in t.shape if n > 1} | self.divisors
        self.right = self.swept({})

    def named(self, t: Tensor) -> str:
        """How a sentence calls a value."""
        if id(t) in self.names:
            return pretty(self.names[id(t)])
        text = self.texts[id(t)].text if id(t) in self.texts else ""
        text = text.removeprefix("≈")  # a number that was cut, inside a sentence
        return text if 0 < len(text) <= LONGEST else f"{t.op.symbol}(…)" if t.inputs else str(t.shape)

    def spelled(self, t: Tensor) -> str:
        """The name of a value as it was given, or what stands for it."""
        return self.names.get(id(t), self.named(t))

    def gradient_of(self, t: Tensor) -> str:
        """How a sentence calls its gradient, which may be that of the sum it is a term of."""
        seen = t
        while id(seen) not in self.names:
            uses = self.right.parts.get(id(seen), ())
            if len(uses) != 1 or uses[0].node.op not in _PASSES or uses[0].node.shape != seen.shape:
                return f"∂{pretty(self.root_name)}/∂({self.named(t)})"
            seen = uses[0].node
        return pretty_gradient(self.root_name, self.names[id(seen)])

    def swept(
        self, replaced: Mapping[int, Array], changed: Mapping[int, tuple[Array, Sequence[Array]]] | None = None
    ) -> Backward:
        """The sweep, with some gradients replaced, or with other values: (result, arguments) of some nodes, by id."""
        gradients: dict[int, Array] = {id(self.root): np.ones(self.root.shape, self.root.dtype)}
        parts: dict[int, list[Part]] = {}
        for node in reversed(self.order):
            if id(node) not in self.active or id(node) not in gradients:
                continue
            g = gradients[id(node)] = replaced.get(id(node), gradients[id(node)])
            y, args = (changed or {}).get(id(node), (node._data, node.args))
            for i, x in enumerate(node.inputs):
                if id(x) not in self.active:
                    continue
                raw = node.op.vjp(i, g, y, args, node.params)
                if raw is None:
                    continue
                part = onto(np.asarray(raw), x.shape, x.dtype, node.op.name)
                parts.setdefault(id(x), []).append(Part(node, i, np.asarray(raw), part))
                gradients[id(x)] = gradients[id(x)] + part if id(x) in gradients else part
        return Backward(gradients, parts)

    def rounding(self, backward: Backward) -> dict[int, float]:
        """About how much each gradient may be off by rounding: where a sum cancels, more than its own size tells."""
        unit = 64 * float(np.finfo(self.root.dtype).eps) if self.root.dtype.kind == "f" else 0.0
        found: dict[int, float] = {}
        for node in reversed(self.order):
            total = 0.0
            for use in backward.parts.get(id(node), ()):
                result, g = use.node, backward.gradients[id(use.node)]
                above, size = (float(np.max(np.abs(x), initial=0.0)) for x in (g, use.raw))
                terms = max(size, above)
                if isinstance(result.op, Elementwise):
                    terms = size  # there is no sum in it
                elif isinstance(result.op, Contraction):  # the same sum without signs
                    args = [np.abs(x) for x in result.args]
                    summed = result.op.vjp(use.i, np.abs(g), np.abs(result._data), args, result.params)
                    terms = float(np.max(np.abs(summed), initial=0.0))
                total += found[id(result)] * (size / above if above else 1.0) + unit * terms
            found[id(node)] = total if np.isfinite(total) else 0.0
        return found

    def with_arguments(self, node: Tensor, args: Sequence[Array]) -> Backward:
        """The sweep, if this node had been computed from these arguments and everything after it from that."""
        values: dict[int, Array] = {}
        changed: dict[int, tuple[Array, Sequence[Array]]] = {}
        for t in self.order:
            if t is node:
                own = tuple(args)
            elif any(id(x) in values for x in t.inputs):
                own = tuple(values.get(id(x), arg) for x, arg in zip(t.inputs, t.args, strict=True))
            else:
                continue
            values[id(t)] = t.op.forward(*own, **t.params)
            changed[id(t)] = (values[id(t)], own)
        return self.swept({}, changed)


def _divisors(order: Sequence[Tensor]) -> set[int]:
    """What the record divides by: the counts of its means and losses, and whole numbers that stand in it."""
    found: set[int] = set()
    for t in order:
        if t.op is c.mean or (isinstance(t.op, Tabulated) and not t.shape and len(t.inputs) > 1):
            x = t.inputs[0]
            found |= {x.size // max(1, t.size), *x.shape}
        elif t.op in (e.divide, e.multiply) and any(type(x._data) in LITERALS for x in t.inputs):
            for n, x in enumerate(t.inputs):
                number = float(x._data) if type(x._data) in LITERALS and x._data else 1.0
                number = number if t.op is e.divide and n else 1 / number
                found |= {round(number)} if math.isfinite(number) and abs(number - round(number)) < 1e-9 else set()
    return {n for n in found if n > 1}


def _exponents(order: Sequence[Tensor]) -> set[int]:
    """The whole exponents of the powers in the record, which their derivatives have as factors."""
    found = {2} if any(t.op is e.square for t in order) else set()
    for t in order:
        if t.op is e.power and t.inputs[1].shape == ():
            number = float(t.args[1])
            found |= {int(number)} if number.is_integer() and number > 1 else set()
        elif t.op is e.multiply and t.inputs[0] is t.inputs[1]:
            found.add(2)
    return found


Candidate = tuple[tuple[Diagnosis, ...], Array]


def consequences(recorded: Recorded, base: Backward, target: Tensor, answered: set[int]) -> Iterator[Candidate]:
    """The gradients of the target that one mistake gives, nearest to the target first.

    A mistake above an answered gradient (by id) is that answer's, and not tried.
    """
    near = {id(target)}
    sources: list[Tensor] = []
    region: list[Tensor] = [target]
    for node in recorded.order:
        if id(node) in recorded.active and node is not target and any(id(x) in near for x in node.inputs):
            if id(node) in answered:
                sources.append(node)
            else:
                near.add(id(node))
                region.append(node)
    place = {id(t): n for n, t in enumerate(recorded.order)}
    g = base.gradients[id(target)]
    spent = 0

    def arriving(p: Tensor, instead: Array) -> Array | None:
        """The target's gradient, when that of p is another."""
        nonlocal spent
        if p is target:
            return instead
        active = near | {id(p)}
        nodes = [t for t in recorded.order[: place[id(p)] + 1] if id(t) in active]
        spent += sum(PER_NODE + t.size for t in nodes)
        difference = np.asarray(instead - base.gradients[id(p)], p.dtype)
        arrived = sweep(nodes, active, {target}, {p: difference}).get(target)
        return None if arrived is None else g + arrived

    for p in sorted({id(t): t for t in [*region, *sources]}.values(), key=lambda t: place[id(t)]):
        seen = _untransposed(recorded, p)
        at = {} if seen is target else {"at": recorded.gradient_of(seen)}
        if id(p) not in answered or p is target:
            for diagnosis, instead in chain(_at(recorded, base, p), _other_factors(recorded, base, p) if p is target else ()):
                if np.shape(instead) == p.shape:
                    array = arriving(p, instead)
                elif p is target and len(base.parts.get(id(p), ())) == 1:
                    array = instead
                else:
                    continue
                if array is not None:
                    yield (Diagnosis(diagnosis.code, {**diagnosis.details, **at}),), array
        if p is not target and p is not recorded.root and (id(p) in recorded.names or id(p) in answered):
            array = arriving(p, np.ones(p.shape, p.dtype))
            if array is not None:
                yield (Diagnosis("no_upstream", {"of": recorded.gradient_of(p)}),), array
        if id(p) in answered and p is not target:
            for other, gradient in _gradients_of_shape(recorded, base, p):
                array = arriving(p, gradient)
                if array is not None:
                    yield (Diagnosis("other_upstream", {"found": other, "right": recorded.gradient_of(p)}),), array
        if spent > recorded.work:
            break
    yield from _crossed(recorded, target, near)


def _gradients_of_shape(recorded: Recorded, base: Backward, p: Tensor) -> Iterator[tuple[str, Array]]:
    """The gradients of other named values that one can take for that of p."""
    for t in recorded.tensors.values():
        if t is not p and t is not recorded.root and t.shape == p.shape and id(t) in base.gradients:
            yield recorded.gradient_of(t), base.gradients[id(t)]


def _at(recorded: Recorded, base: Backward, p: Tensor) -> Iterator[tuple[Diagnosis, Array]]:
    """What the gradient of p is after a mistake in one of its uses."""
    parts, total = base.parts.get(id(p), ()), base.gradients[id(p)]
    if 1 < len(parts) <= MOST_USES:
        for use in parts:
            named = {"uses": str(len(parts)), "of": recorded.named(p), "result": recorded.named(_seen(recorded, use.node))}
            yield Diagnosis("one_use", named), use.part
            if len(parts) > 2:
                yield Diagnosis("lost_use", named), total - use.part
            yield Diagnosis("use_sign", named), total - 2 * use.part
    for use in parts[:MOST_USES]:
        for diagnosis, raw in _locally(recorded, base, use):
            try:
                part = onto(np.asarray(raw), p.shape, p.dtype, use.node.op.name)
            except ValueError:
                continue
            yield diagnosis, total - use.part + part
        yield from _sums(recorded, base, p, use)


def _untransposed(recorded: Recorded, p: Tensor) -> Tensor:
    """The matrix with a name that p is the transpose of, in whose terms one thinks; else p itself."""
    last_two = (*range(p.ndim - 2), p.ndim - 1, p.ndim - 2)
    if p.op is not r.transpose or p.params["axes"] != last_two or id(p) in recorded.names:
        return p
    return p.inputs[0] if id(p.inputs[0]) in recorded.names else p


def _transposed(text: str) -> str:
    """The transpose of what has a name or stands in parentheses."""
    return text[:-1] if text.endswith("ᵀ") else f"{text}ᵀ"


def _other_factors(recorded: Recorded, base: Backward, p: Tensor) -> Iterator[tuple[Diagnosis, Array]]:
    """What the gradient of p is, when in a product another value with a name stood for the factor."""
    spent = 0
    for use in base.parts.get(id(p), ())[:MOST_USES]:
        node, i = use.node, use.i
        if node.op is not e.multiply and node.op is not c.matmul:
            continue
        right = node.inputs[1 - i]
        named = {"right": recorded.named(right)}
        for t in recorded.tensors.values():
            if t is right or t is p or t.shape != right.shape or t.dtype.kind != "f":
                continue
            spent += PER_NODE + node.size + right.size + p.size
            if spent > recorded.work // 4:
                return
            args = list(node.args)
            args[1 - i] = recorded.values[recorded.names[id(t)]]
            raw = node.op.vjp(i, base.gradients[id(node)], node._data, args, node.params)
            part = onto(np.asarray(raw), p.shape, p.dtype, node.op.name)
            yield Diagnosis("other_factor", {"found": recorded.named(t), **named}), base.gradients[id(p)] - use.part + part


def _seen(recorded: Recorded, t: Tensor) -> Tensor:
    """The next value with a name, on the way up from t."""
    while id(t) not in recorded.names:
        uses = recorded.right.parts.get(id(t), ())
        if len(uses) != 1:
            return t
        t = uses[0].node
    return t


def _locally(recorded: Recorded, base: Backward, use: Part) -> Iterator[tuple[Diagnosis, Array]]:
    """What one use hands back when its rule is applied with a mistake."""
    node, i, op = use.node, use.i, use.node.op
    g, y, args, params = base.gradients[id(node)], node._data, node.args, node.params
    named = {"op": op.symbol}
    if isinstance(op, Elementwise):
        partial = op.partials[i]
        if partial == -1:
            yield Diagnosis("sign"), g
        if partial in (1, -1) or partial is None:
            return
        other = recorded.named(node.inputs[1 - i]) if len(args) == 2 else ""
        if op is e.multiply:
            yield Diagnosis("no_factor", {"found": other}), g
        elif op is e.divide and i == 0:
            yield Diagnosis("no_factor", {"found": f"1/{other}"}), g
        else:
            yield Diagnosis("no_derivative", named), g
            if len(args) == 1:
                yield Diagnosis("function", named), g * y
        if op is e.divide and i == 1:  # −a/b², of which something is forgotten
            yield Diagnosis("no_factor", {"found": f"1/{recorded.named(node.inputs[1])}"}), -g * y
            yield Diagnosis("no_factor", {"found": other}), -g / args[1] ** 2
        if op is e.square or (op is e.power and i == 0 and np.shape(args[1]) == ()):
            n = 2 if op is e.square else args[1]
            yield Diagnosis("exponent", {"found": f"{n:g}", "right": f"{n - 1:g}"}), n * g * y
        if len(args) == 1 and callable(partial):
            x, instead = args[0], op.forward(y, **params)
            own, result = recorded.named(node.inputs[0]), recorded.named(node)
            yield Diagnosis("derivative_at", {**named, "found": own, "right": result}), g * partial(x, x, **params)
            yield Diagnosis("derivative_at", {**named, "found": result, "right": own}), g * partial(instead, y, **params)
            yield Diagnosis("derivative_at", {**named, "found": result, "right": own}), g * partial(y, y, **params)
            for code, details, instead in _spoiled(
                partial, y, x, params, recorded.spelled(node), recorded.spelled(node.inputs[0])
            ):
                yield Diagnosis(code, {**named, **details}), g * instead
            for activation in _ACTIVATIONS:
                rule = activation.partials[0]
                if activation is op or not callable(rule):
                    continue
                derivative = np.asarray(rule(activation.forward(x), x))
                if derivative.size and np.any(derivative != derivative.flat[0]):  # relu's may be 1 everywhere
                    yield Diagnosis("derivative_of", {**named, "found": activation.symbol}), g * derivative
        if op is e.multiply:
            yield Diagnosis("own_factor", {"found": recorded.named(node.inputs[i]), "right": other}), g * args[i]
        elif use.raw.shape == node.shape:
            yield Diagnosis("derivative_twice", named), op.vjp(i, use.raw, y, args, params)
    elif isinstance(op, Tabulated):
        if node.shape == use.part.shape and node.shape:
            yield Diagnosis("no_derivative", named), g
            yield Diagnosis("derivative_twice", named), op.vjp(i, use.raw, y, args, params)
            if op in (t_.softmax, t_.log_softmax):
                yield Diagnosis("diagonal", named), g * (y * (1 - y) if op is t_.softmax else 1 - np.exp(y))
    elif op is c.matmul:
        yield from _products(recorded, node, i, g, args)
    elif op is r.getitem and args[1:]:
        places = op.forward(np.arange(args[0].size).reshape(args[0].shape), *args[1:], **params)
        last = np.zeros(args[0].size, g.dtype)
        last[places] = g
        yield Diagnosis("overwritten", {"of": recorded.named(node.inputs[0])}), last.reshape(args[0].shape)


def _spoiled(
    partial: Rule, y: Array, x: Array, params: Mapping[str, Any], result: str, own: str
) -> Iterator[tuple[str, dict[str, str], Array]]:
    """A derivative without one of its factors or terms, or with a sum for a difference: its rule is recorded to see them."""
    try:
        with enable_grad():
            d = partial(Tensor(y, name=result), Tensor(x, name=own), **params)
    except AnomalyError:  # the derivative is not finite, and somebody watches for that
        return
    if not isinstance(d, Tensor) or d.op not in (e.multiply, e.subtract):
        return
    texts = read([d], "named").texts
    left, right = d.args
    for kept, lost in ((left, d.inputs[1]), (right, d.inputs[0])):
        # A number is told as a factor, and a number that is left as no derivative at all.
        if type(kept) not in LITERALS and (lost.inputs or lost.name is not None or d.op is e.subtract):
            yield "incomplete", {"missing": texts[id(lost)].text}, kept
    if d.op is e.subtract:
        yield "inner_sign", {"right": " − ".join(texts[id(t)].text for t in d.inputs)}, left + right
        return
    for factor, other in ((d.inputs[0], right), (d.inputs[1], left)):
        if factor.op is e.subtract:
            yield "inner_sign", {"right": texts[id(factor)].text}, (factor.args[0] + factor.args[1]) * other


def _products(recorded: Recorded, node: Tensor, i: int, g: Array, args: Sequence[Array]) -> Iterator[tuple[Diagnosis, Array]]:
    """A product of two matrices in another order, or with another one of them transposed."""
    other = np.asarray(args[1 - i])
    if g.ndim < 2 or other.ndim < 2:
        return
    upper, factor = recorded.gradient_of(node), recorded.named(node.inputs[1 - i])
    turned = _untransposed(recorded, node.inputs[i]) is not node.inputs[i]
    factor = f"({factor})" if " " in factor else factor
    first, second = (upper, f"({upper})ᵀ"), (factor, _transposed(factor))

    def told(left: str, right: str) -> str:
        if not turned:
            return f"{left} · {right}"
        flipped = {a: b for pair in (first, second) for a, b in (pair, pair[::-1])}  # (A · B)ᵀ is Bᵀ · Aᵀ
        return f"{flipped[right]} · {flipped[left]}"

    right = told(upper, second[1]) if i == 0 else told(second[1], upper)
    for a, one in zip((g, g.mT), first, strict=True):
        for b, two in zip((other, other.mT), second, strict=True):
            for left, right_factor, found in ((a, b, told(one, two)), (b, a, told(two, one))):
                if left.shape[-1] == right_factor.shape[-2] and left.shape[:-2] == right_factor.shape[:-2]:
                    yield Diagnosis("product", {"found": found, "right": right}), left @ right_factor


def _sums(recorded: Recorded, base: Backward, p: Tensor, use: Part) -> Iterator[tuple[Diagnosis, Array]]:
    """Not summed, summed over another axis, or a mean, where the gradient is a sum over axes that p does not have."""
    table, axes = use.raw, _unbroadcast(use.raw.shape, p.shape)
    if not axes and use.node.op in (c.matmul, c.outer, c.einsum):
        found = _table(use.node.op, base.gradients[id(use.node)], use.node, use.i)
        if found is None:
            return
        table, axes = found
    n = math.prod(table.shape[a] for a in axes)
    if n < 2:
        return
    for count in range(table.ndim + 1):
        for other in combinations(range(table.ndim), count):
            if other == axes:
                if table is use.raw:  # a sum that was written as one; a product of matrices is not written as a mean
                    yield Diagnosis("mean"), base.gradients[id(p)] - use.part + use.part / n
            elif not set(other) > set(axes):  # which is told by the axes of the gradient itself
                code = "not_summed" if set(other) < set(axes) else "wrong_axis"
                part = table.sum(axis=other)
                rest = base.gradients[id(p)] - use.part
                yield Diagnosis(code, {"of": recorded.named(p)}), rest + part if part.shape == p.shape else part


def _unbroadcast(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The axes over which an array is summed to get a shape."""
    extra = len(shape) - len(wanted)
    ones = [a for a in range(extra, len(shape)) if wanted[a - extra] == 1 != shape[a]]
    return (*range(extra), *ones)


def _table(op: Op, g: Array, node: Tensor, i: int) -> tuple[Array, tuple[int, ...]] | None:
    """The products of which the gradient of factor i is the sum, and the axes that are summed: these come first."""
    equation = node.params.get("equation") if op is c.einsum else None
    if isinstance(op, Contraction) and op.equation is not None:
        equation = op.equation(*(x.shape for x in node.inputs))
    if equation is None:
        return None
    inputs, output = equation.split("->")
    terms = inputs.split(",")
    own = terms[i]
    shapes = [np.shape(x) for x in node.args]
    if any(len(term) != len(shape) for term, shape in zip(terms, shapes, strict=True)) or len(set(own)) < len(own):
        return None
    others = [(term, x) for n, (term, x) in enumerate(zip(terms, node.args, strict=True)) if n != i]
    known = set(output).union(*(term for term, _ in others))
    summed = "".join(letter for letter in dict.fromkeys(output + "".join(term for term, _ in others)) if letter not in own)
    if not set(own) <= known or not summed:
        return None
    sizes = {letter: n for term, shape in zip(terms, shapes, strict=True) for letter, n in zip(term, shape, strict=True)}
    if math.prod(sizes[letter] for letter in summed + own) > LARGEST_TABLE:
        return None
    operands = [g, *(x for _, x in others)]
    full = ",".join([output, *(term for term, _ in others)]) + f"->{summed}{own}"
    return np.einsum(full, *operands), tuple(range(len(summed)))


def _crossed(recorded: Recorded, target: Tensor, near: set[int]) -> Iterator[Candidate]:
    """An (N, 1) array met an (N,) array: a sum over the whole table, in which the other operand counts by its mean."""
    left = max(1, recorded.work // sum(PER_NODE + t.size for t in recorded.order))  # sweeps of the whole record
    for node in reversed(recorded.order):
        if node.op is not e.subtract and not (isinstance(node.op, Tabulated) and len(node.inputs) == 2):
            continue
        shapes = {np.shape(x) for x in node.args}
        shape = shapes.pop()
        if shapes or not shape or shape[0] < 2 or shape not in ((shape[0],), (shape[0], 1)):
            continue
        for j in (0, 1):
            if id(node.inputs[1 - j]) not in near or node.args[j].dtype.kind != "f":
                continue
            if not left:
                return
            left -= 1
            args = list(node.args)
            args[j] = np.full_like(args[j], np.mean(args[j]))
            try:
                found = recorded.with_arguments(node, args).gradients.get(id(target))
            except (ValueError, TypeError, IndexError):  # such as a target that must be 0 or 1
                continue
            if found is not None:
                yield (Diagnosis("broadcast", {"n": str(shape[0])}),), found
