"""The scalar level: one node per number, and the plain scalar chain rule on it.

Every op is run again on arrays of numbers that record: what only moves numbers makes no node, a sum of products makes
a node per product and per sum. The same computation as an engine for scalars would see it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from ..modes import Group
from ..ops import Elementwise, Op
from ..ops import elementwise as e
from ..sweep import topological_order
from ..tensor import Tensor
from .formula import Text, combine, literal, named_text
from .nodes import Edge, Graph, Node


class Number:
    """One number of the scalar level: where it stands in the list of nodes, and its value."""

    __slots__ = ("id", "sheet", "value")

    def __init__(self, sheet: Sheet, index: int, value: Any) -> None:
        self.sheet = sheet
        self.id = index
        self.value = value

    def __add__(self, other: Any) -> Number:
        return self.sheet.lift(e.add, (self, other), {})

    def __radd__(self, other: Any) -> Number:
        return self.sheet.lift(e.add, (other, self), {})

    def __sub__(self, other: Any) -> Number:
        return self.sheet.lift(e.subtract, (self, other), {})

    def __rsub__(self, other: Any) -> Number:
        return self.sheet.lift(e.subtract, (other, self), {})

    def __neg__(self) -> Number:
        return self.sheet.lift(e.negative, (self,), {})

    def __mul__(self, other: Any) -> Number:
        return self.sheet.lift(e.multiply, (self, other), {})

    def __rmul__(self, other: Any) -> Number:
        return self.sheet.lift(e.multiply, (other, self), {})

    def __truediv__(self, other: Any) -> Number:
        return self.sheet.lift(e.divide, (self, other), {})


class Sheet:
    """The list of scalar nodes while it is written."""

    def __init__(self) -> None:
        self.ops: list[Op | None] = []
        self.inputs: list[tuple[int, ...]] = []
        self.params: list[Any] = []
        self.values: list[Any] = []
        self.names: list[str | None] = []
        self.kinds: list[str] = []
        self.scopes: list[tuple[Group, ...]] = []
        self.scope: tuple[Group, ...] = ()  # that is written in

    def add(self, op: Op | None, inputs: tuple[int, ...], value: Any, params: Any, kind: str, name: str | None = None) -> Number:
        """A new node."""
        self.ops.append(op)
        self.inputs.append(inputs)
        self.params.append(params)
        self.values.append(value)
        self.names.append(name)
        self.kinds.append(kind)
        self.scopes.append(self.scope)
        return Number(self, len(self.values) - 1, value)

    def lift(self, op: Op, numbers: Sequence[Any], params: Any) -> Number:
        """An op applied to single numbers: plain ones become constants."""
        plain = [x.item() if isinstance(x, np.ndarray) else x for x in numbers]  # NumPy may wrap a single object
        own = [x if isinstance(x, Number) else self.add(None, (), x, {}, "constant") for x in plain]
        value = _forward(op, [x.value for x in own], params)
        return self.add(op, tuple(x.id for x in own), value, params, "result")


def _forward(op: Op, values: list[Any], params: Any) -> Any:
    if isinstance(op, Elementwise):
        return np.asarray(op.forward(*values, **params))[()]
    return np.asarray(op.forward(np.array(values), **params))[()]  # a selection: it looks at all of them together


def local_derivative(op: Op, i: int, y: Any, values: Sequence[Any], params: Any) -> Any:
    """``∂y/∂x`` for the number x = values[i] that y was computed from."""
    one = np.asarray(y).dtype.type(1)
    if isinstance(op, Elementwise):
        partial = op.vjp(i, one, y, values, params)
        return 0.0 if partial is None else partial
    return op.vjp(0, one, y, (np.array(values),), params)[i]


def write_sheet(ends: Sequence[Tensor], given: Container[int] = ()) -> tuple[Sheet, dict[int, Any]]:
    """Every tensor of the record as an array of numbers, by id, and the sheet that they are written on.

    ``given`` are the ids of tensors that are taken as they are: what they were computed from is not written.
    """
    sheet = Sheet()
    arrays: dict[int, Any] = {}
    order = _up_to(ends, given)
    computed = [t for t in order if id(t) not in given]
    recorded = {id(x): arg for t in reversed(computed) for x, arg in zip(t.inputs, t.args, strict=True)}
    for t in order:
        sheet.scope = getattr(t, "_scope", ())
        data = np.asarray(recorded.get(id(t), t._data))
        is_given = not t.inputs or id(t) in given
        if data.dtype.kind != "f" or not (is_given or t.op.differentiable):
            arrays[id(t)] = data  # conditions and indices: they are not differentiated
            continue
        if not is_given and all(arrays[id(x)].dtype != object for x in t.inputs):
            is_given = True  # made of conditions and indices alone, such as a mask of zeros and ones: data as well
        if not data.size:
            arrays[id(t)] = np.empty(data.shape, object)
            continue
        if is_given:
            kind = "parameter" if t._requires_grad else "input" if t.name is not None else "constant"
            arrays[id(t)] = cells = np.empty(data.shape, object)
            for place in np.ndindex(*data.shape):
                name = None if t.name is None else t.name + (f"[{','.join(map(str, place))}]" if place else "")
                cells[place] = sheet.add(None, (), data[place], {}, kind, name)
        else:
            # A rebound leaf was another number then: such a use gets constants of its own.
            args = [
                arrays[id(x)] if recorded[id(x)] is arg else _frozen(sheet, x, arg, arrays)
                for x, arg in zip(t.inputs, t.args, strict=True)
            ]
            try:
                numbers = t.op.expand(sheet.lift, args, t.params)
            except Exception as error:  # the op may be the user's, and raise anything
                problem = f"{t.op.name} cannot be expanded to scalars: {error}"
                raise TypeError(f'graph: {problem}\n  Try: level="op"') from error
            result: Any = np.empty(data.shape, object)
            for i, x in enumerate(np.asarray(numbers, object).flat):
                result.flat[i] = x.item() if isinstance(x, np.ndarray) else x  # NumPy may wrap a single object
            arrays[id(t)] = result
            if t.name is not None:
                for place in np.ndindex(*data.shape):
                    if isinstance(result[place], Number) and sheet.names[result[place].id] is None:
                        sheet.names[result[place].id] = t.name + (f"[{','.join(map(str, place))}]" if place else "")
    return sheet, arrays


def _up_to(ends: Sequence[Tensor], given: Container[int]) -> list[Tensor]:
    """The ancestors of the ends in topological order, without those that are only ancestors of given tensors."""
    order = topological_order(ends)
    if not given:
        return order
    needed = {id(t) for t in ends}
    for t in reversed(order):
        if id(t) in needed and id(t) not in given:
            needed.update(id(x) for x in t.inputs)
    return [t for t in order if id(t) in needed]


def _frozen(sheet: Sheet, leaf: Tensor, arg: Any, arrays: dict[int, Any]) -> Any:
    """The numbers that a leaf had when it was used: each still depends, one to one, on the leaf."""
    if arrays[id(leaf)].dtype != object:
        return np.asarray(arg)
    numbers = np.empty(np.shape(arg), object)
    for place in np.ndindex(*numbers.shape):
        source = arrays[id(leaf)][place]
        numbers[place] = sheet.add(e.identity, (source.id,), np.asarray(arg)[place], {}, "result")
    return numbers


def scalar_graph(ends: Sequence[Tensor]) -> Graph:
    """The graph with one node per number."""
    sheet, arrays = write_sheet(ends)
    taken = {name for name in sheet.names if name is not None}
    nodes: list[Node] = []
    texts: list[Text] = []
    roots = [x.id for t in ends for x in arrays[id(t)].ravel() if isinstance(x, Number)]
    count = 0
    for i, op in enumerate(sheet.ops):
        name = sheet.names[i]
        if name is None:
            count += 1
            while f"s{count}" in taken:
                count += 1
        kind = "loss" if [i] == roots and op is not None else sheet.kinds[i]
        inputs = sheet.inputs[i]
        formula = combine(op, [texts[j] for j in inputs], [() for _ in inputs], {}).text if op is not None else ""
        nodes.append(
            Node(
                id=i,
                name=name or f"s{count}",
                kind=kind,
                op=op,
                edges=tuple(Edge(j, i, position, (op.symbol if op else "",)) for position, j in enumerate(inputs)),
                formula=formula,
                value=sheet.values[i],
                params=sheet.params[i],
                automatic=name is None,
            )
        )
        is_number = op is None and name is None
        texts.append(literal(sheet.values[i]) if is_number else named_text(nodes[-1].name))
    return Graph("scalar", tuple(nodes), tuple(roots))


def scalar_gradients(root: Tensor, targets: Tensor | Sequence[Tensor]) -> list[np.ndarray[Any, np.dtype[Any]]]:
    """``∂root/∂target`` by the plain scalar chain rule, number by number, without the engine's sweep.

    ``x̄ = Σ ȳ ∂y/∂x`` over the uses y of x, from the root backwards. It is slow and obvious: an oracle for the engine.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> tg.scalar_gradients((w * w).sum(), [w])[0]
    array([2., 4.])
    """
    targets = [targets] if isinstance(targets, Tensor) else targets
    if root.shape or root.dtype.kind != "f":
        raise ValueError(f"scalar_gradients: the root is {root.dtype} of shape {root.shape}: it must be one float.")
    sheet, arrays = write_sheet([root])
    active = [False] * len(sheet.values)  # the numbers that change when a target does
    for t in targets:
        for number in arrays.get(id(t), np.empty(0, object)).ravel():
            if isinstance(number, Number):
                active[number.id] = True
    for i, inputs in enumerate(sheet.inputs):
        active[i] = active[i] or any(active[j] for j in inputs)
    adjoints: list[Any] = [0.0] * len(sheet.values)
    end = arrays[id(root)][()]
    if isinstance(end, Number):  # the sum of nothing is none
        adjoints[end.id] = 1.0
    for i in range(len(sheet.values) - 1, -1, -1):
        op, inputs = sheet.ops[i], sheet.inputs[i]
        if op is None or not active[i]:
            continue
        values = [sheet.values[j] for j in inputs]
        for position, j in enumerate(inputs):
            if active[j]:
                adjoints[j] = adjoints[j] + adjoints[i] * local_derivative(op, position, sheet.values[i], values, sheet.params[i])
    result = []
    for t in targets:
        g = np.zeros(t.shape)
        numbers = arrays.get(id(t))
        for place in np.ndindex(*t.shape):
            if numbers is not None and isinstance(numbers[place], Number):
                g[place] = adjoints[numbers[place].id]
        result.append(g)
    return result
