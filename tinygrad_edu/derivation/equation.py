"""From the record to index notation: each op says itself in indices, and an equation is what its ops say together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graphs.dims import Dims, result_dims
from ..modes import enable_grad
from ..ops import Contraction, Elementwise
from ..ops import Index as KeyIndex
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s_
from ..ops import tabulated as t_
from ..ops.selection import one_hot
from ..ops.tabulated import Tabulated
from ..record import record
from ..tensor import Tensor
from .terms import Call, Count, Delta, Entry, Index, Lookup, NoIndexFormError, Place, Sum, Symbol, Term, Where, at, number

Axes = Sequence[Where | None]  # for each axis its place, None where the size is 1


class Equations:
    """Writes tensors in index notation.

    Parameters
    ----------
    symbols : mapping
        The tensors that formulas write by name, by id.
    dims : mapping
        The letters of the tensors of the record, by id.

    Examples
    --------
    >>> a, b = Tensor([[1.0, 2.0]] * 3), Tensor([3.0, 4.0])
    >>> A, B = Symbol("a", a.numpy()), Symbol("b", b.numpy())
    >>> equations = Equations({id(a): A, id(b): B}, {})
    >>> (i,) = (Index(n) for n in (a @ b).shape)
    >>> [(entry.of.name, len(entry.places)) for entry in equations.write(a @ b, (at(i),)).entries()]
    [('a', 2), ('b', 1)]
    """

    def __init__(self, symbols: Mapping[int, Symbol], dims: Mapping[int, Dims]) -> None:
        self.symbols = symbols
        self._dims = dict(dims)
        self._around: tuple[tuple[int, str | None], ...] = ()  # the axes that a rule's count of examples can be of
        self._counts = False  # whether a number that is divided by may be a count: a user's own 2 is a 2
        self._kept: list[Tensor] = []  # what was recorded on the way: an id must not be given again

    def indices(self, t: Tensor) -> tuple[Index | None, ...]:
        """A new index for each axis, None where its size is 1."""
        return tuple(None if n == 1 else Index(n, letter) for n, letter in zip(t.shape, self.dims(t), strict=True))

    def dims(self, t: Tensor) -> Dims:
        """The letters of a tensor's axes."""
        found = self._dims.get(id(t))
        if found is None:
            self._kept.append(t)
            found = result_dims(t, [self.dims(x) for x in t.inputs]) if t.inputs else (None,) * t.ndim
            self._dims[id(t)] = found
        return found

    def write(self, t: Tensor, axes: Axes) -> Sum:
        """The entry of a tensor at these places, in the entries of what has a name."""
        symbol = self.symbols.get(id(t))
        if symbol is not None:
            return Sum.of(Entry(symbol, tuple(p for p in axes if p is not None)))
        return self.right_side(t, axes)

    def right_side(self, t: Tensor, axes: Axes) -> Sum:
        """The same, for a result that has a name itself: its equation."""
        if not t.inputs:
            data = np.asarray(t._data)
            if data.size and np.all(data == data.flat[0]):
                return number(data.flat[0].item())
            raise NoIndexFormError("an array without a name")
        op = t.op
        if op in _FORMS:
            return _FORMS[op](self, t, axes)
        if isinstance(op, Tabulated):
            return self._steps(op, t, axes)
        if isinstance(op, Elementwise):
            args = tuple(self.write(x, aligned(axes, x.shape)) for x in t.inputs)
            return _folded(op, args, t.params)
        raise NoIndexFormError(f"{op.name} is not a sum of products of entries")

    def rule(self, t: Tensor, i: int, incoming: Symbol, axes: Axes) -> Sum:
        """The op's own rule for argument i, with the entries of ``incoming`` for the gradient."""
        seed = Tensor(incoming.array)
        self._kept.append(seed)
        self._dims[id(seed)] = self.dims(t)
        inner = Equations({**self.symbols, id(seed): incoming}, self._dims)
        inner._kept = self._kept
        first = t.inputs[0]
        inner._counts = True
        inner._around = () if t.shape else tuple(zip(first.shape, self.dims(first), strict=True))
        with enable_grad():
            part = t.op.vjp(i, seed, t, t.inputs, t.params)
        if not isinstance(part, Tensor):
            raise NoIndexFormError(f"the rule of {t.op.name} is not recorded")
        if part.shape != t.inputs[i].shape:
            raise NoIndexFormError(f"the rule of {t.op.name} is added up on the way")
        return inner.write(part, axes)

    # ---- ops of special form ------------------------------------------------------------------------------------------

    def _same(self, t: Tensor, axes: Axes) -> Sum:
        return self.write(t.inputs[0], aligned(axes, t.inputs[0].shape))

    def _both(self, t: Tensor, axes: Axes) -> tuple[Sum, Sum]:
        left, right = t.inputs
        return self.write(left, aligned(axes, left.shape)), self.write(right, aligned(axes, right.shape))

    def _negative(self, t: Tensor, axes: Axes) -> Sum:
        inside = self._same(t, axes)
        return number(-1).times(inside)

    def _add(self, t: Tensor, axes: Axes) -> Sum:
        left, right = self._both(t, axes)
        return left + right

    def _subtract(self, t: Tensor, axes: Axes) -> Sum:
        left, right = self._both(t, axes)
        return left - right

    def _multiply(self, t: Tensor, axes: Axes) -> Sum:
        left, right = self._both(t, axes)
        return left.times(right)

    def _divide(self, t: Tensor, axes: Axes) -> Sum:
        left, right = t.inputs
        count = self._count(left, right)
        top = self.write(left, aligned(axes, left.shape))
        if count is not None:
            return per(count, -1).times(top)
        return top.times(self.write(right, aligned(axes, right.shape)).power(-1))

    def _count(self, top: Tensor, bottom: Tensor) -> Count | None:
        """The number of entries that a sum has gone over, when it is divided by just that."""
        if not self._counts or bottom.inputs or bottom.shape or bottom.dtype.kind not in "iuf" or id(bottom) in self.symbols:
            return None
        while top.inputs and id(top) not in self.symbols and top.op in (e.negative, e.identity, r.broadcast_to):
            top = top.inputs[0]
        candidates: list[tuple[tuple[int, str | None], ...]] = []
        if top.inputs and id(top) not in self.symbols and top.op is c.sum:
            x = top.inputs[0]
            axes = tuple(zip(x.shape, self.dims(x), strict=True))
            if top.shape:  # the axes that were summed
                gone = top.params["axis"] if isinstance(top.params["axis"], tuple) else (top.params["axis"],)
                candidates = [tuple(axes[a] for a in gone)]
            else:  # everything, or the leading axes: a loss per example
                candidates = [axes[:taken] for taken in range(len(axes), 0, -1)]
        if not candidates or not top.shape:
            candidates += [self._around[:taken] for taken in range(len(self._around), 0, -1)]
        for own in candidates:
            found = Count(tuple((n, letter) for n, letter in own if n != 1))
            if found.axes and found.value == bottom._data and all(letter for _, letter in found.axes):
                return found
        return None

    def _power(self, t: Tensor, axes: Axes) -> Sum:
        base, exponent = t.inputs
        n = np.asarray(exponent._data)
        if not exponent.inputs and id(exponent) not in self.symbols and not n.shape and float(n).is_integer() and abs(n) < 10:
            return self.write(base, aligned(axes, base.shape)).power(int(n)) if n else number(1)
        left, right = self._both(t, axes)
        return Sum.of(Call(t.op, (left, right)))

    def _square(self, t: Tensor, axes: Axes) -> Sum:
        return self._same(t, axes).power(2)

    def _transpose(self, t: Tensor, axes: Axes) -> Sum:
        places: list[Where | None] = [None] * len(axes)
        for new, old in enumerate(t.params["axes"]):
            places[old % len(axes)] = axes[new]
        return self.write(t.inputs[0], places)

    def _reshape(self, t: Tensor, axes: Axes) -> Sum:
        (x,) = t.inputs
        rest = [p for p in axes if p is not None]
        if [n for n in x.shape if n != 1] == [n for n in t.shape if n != 1]:
            places = iter(rest)
            return self.write(x, [None if n == 1 else next(places) for n in x.shape])
        if [n for n in x.shape if n != 1] == [t.size]:  # one axis, divided into several
            total, step = Place(()), 1
            for place, n in zip(reversed(rest), reversed([n for n in t.shape if n != 1]), strict=True):
                if not isinstance(place, Place):
                    raise NoIndexFormError("an index that is looked up is divided")
                parts = tuple((i, m * step) for i, m in place.parts)
                total, step = Place((*parts, *total.parts), total.offset + place.offset * step), step * n
            return self.write(x, [None if n == 1 else total for n in x.shape])
        raise NoIndexFormError("reshape joins axes: entries keep their row-major order")

    def _flip(self, t: Tensor, axes: Axes) -> Sum:
        places = list(axes)
        given = t.params["axes"]
        for a in range(t.ndim) if given is None else (given,) if isinstance(given, int) else given:
            place = places[a]
            if place is not None:
                places[a] = _shifted(place, t.shape[a] - 1, -1)
        return self.write(t.inputs[0], places)

    def _getitem(self, t: Tensor, axes: Axes) -> Sum:
        x, *tables = t.inputs
        if any(table.dtype.kind == "b" for table in tables):
            raise NoIndexFormError("a mask selects")
        key = t.params["key"]
        key = key if isinstance(key, tuple) else (key,)
        given = sum(k is not None and k is not Ellipsis for k in key)
        if Ellipsis not in [k for k in key if not isinstance(k, np.ndarray)]:
            key = (*key, Ellipsis)
        advanced = [n for n, k in enumerate(key) if isinstance(k, (KeyIndex, int, np.integer)) and not isinstance(k, bool)]
        apart = bool(tables) and advanced[-1] - advanced[0] >= len(advanced)
        shape = np.broadcast_shapes(*(table.shape for table in tables))
        own = iter(axes)
        chosen: list[Where | None] | None = None  # where the axes of the tables are in the result: NumPy's rule
        if apart:
            chosen = [next(own) for _ in shape]
        places: list[Where | None] = []
        for k in key:
            if k is None:
                next(own)
            elif k is Ellipsis:
                places += [next(own) for _ in range(x.ndim - given)]
            elif isinstance(k, slice):
                start, _, step = k.indices(x.shape[len(places)])
                place = next(own)
                places.append(Place((), start) if place is None else _shifted(place, start, step))
            elif isinstance(k, KeyIndex):
                chosen = [next(own) for _ in shape] if chosen is None else chosen
                table = tables[k.position]
                places.append(self._looked_up(table, x.shape[len(places)], aligned(chosen, table.shape)))
            elif isinstance(k, (int, np.integer)) and not isinstance(k, bool):
                places.append(Place((), int(k) % x.shape[len(places)]))
            else:
                raise NoIndexFormError("a mask selects")
        return self.write(x, [None if n == 1 else p for p, n in zip(places, x.shape, strict=True)])

    def _looked_up(self, table: Tensor, size: int, axes: Axes) -> Where:
        """The place along an axis of this size that a table of integers has at these places."""
        numbers = np.asarray(table._data)
        while table.inputs and id(table) not in self.symbols:
            (inner, *_) = table.inputs
            if not np.array_equal(np.ravel(inner._data), np.ravel(numbers)):
                break
            table = inner  # with new axes of size 1
        own = tuple(p for p in axes if p is not None)
        if table.name is None and len(own) == 1 and np.array_equal(np.ravel(numbers), np.arange(size)):
            return own[0]  # each its own: the examples, when one entry of each is chosen
        known = self.symbols.get(id(table))
        name = known.name if known is not None else table.name or "key"
        return Lookup(Symbol(name, numbers % size if size else numbers), own)

    def _one_hot(self, t: Tensor, axes: Axes) -> Sum:
        own = axes[-1]
        return Sum.of(Delta(self._looked_up(t.inputs[0], t.shape[-1], axes[:-1]), Place(()) if own is None else own))

    def _windows(self, t: Tensor, axes: Axes) -> Sum:
        (x,) = t.inputs
        places = list(axes[: x.ndim])
        for a, place in zip(t.params["axes"], axes[x.ndim :], strict=True):
            places[a] = _added(places[a], place)
        return self.write(x, [None if n == 1 else p or Place(()) for p, n in zip(places, x.shape, strict=True)])

    def _pad(self, t: Tensor, axes: Axes) -> Sum:
        if t.params["value"]:
            raise NoIndexFormError("pad with a value that is not 0")
        places = [p if p is None else _shifted(p, -before) for p, (before, _) in zip(axes, t.params["widths"], strict=True)]
        return self._outside_is_0(t.inputs[0], places)

    def _concatenate(self, t: Tensor, axes: Axes) -> Sum:
        axis = t.params["axis"]
        total = Sum()
        for x, start in zip(t.inputs, t.params["starts"], strict=False):
            if not x.size:
                continue  # no entry of the result is one of its
            places = list(axes)
            place = places[axis]
            places[axis] = None if place is None else _shifted(place, -start)
            total = total + self._outside_is_0(x, places)
        return total

    def _stack(self, t: Tensor, axes: Axes) -> Sum:
        axis = t.params["axis"]
        own = axes[axis]
        total = Sum()
        for i, x in enumerate(t.inputs):
            part = self.write(x, (*axes[:axis], *axes[axis + 1 :]))
            total = total + (part if own is None else Sum.of(Delta(own, Place((), i))).times(part))
        return total

    def _outside_is_0(self, x: Tensor, places: Axes) -> Sum:
        if id(x) not in self.symbols:
            raise NoIndexFormError("what has no name is 0 outside")
        factors = Sum.of(Entry(self.symbols[id(x)], tuple(p for p, n in zip(places, x.shape, strict=True) if n != 1 and p)))
        for place, n in zip(places, x.shape, strict=True):
            if n == 1 and place is not None:
                factors = factors.times(Sum.of(Delta(place, Place(()))))
        return factors

    def _contraction(self, t: Tensor, axes: Axes) -> Sum:
        shapes = [x.shape for x in t.inputs]
        op = t.op
        if op is c.einsum:
            equation = t.params["equation"]
        elif op is c.trace:
            if t.params["offset"] or t.inputs[0].ndim != 2:
                raise NoIndexFormError("trace of a shifted diagonal")
            if len(set(t.inputs[0].shape)) > 1:
                raise NoIndexFormError("trace of a matrix that is not square")
            equation = "ii->"
        elif isinstance(op, Contraction) and op.equation is not None:
            equation = op.equation(*shapes, **t.params)
        else:
            raise NoIndexFormError(f"{op.name} is not one sum of products")
        inputs, output = equation.split("->")
        kept = [p for p, n in zip(axes, t.shape, strict=True) if n != 1] if t.params.get("keepdims") else None
        places: dict[str, Where | None] = {}
        if kept is None:
            places = dict(zip(output, axes, strict=True))
        else:
            sizes = dict(zip(inputs, shapes[0], strict=True))
            rest = iter(kept)
            places = {letter: None if sizes[letter] == 1 else next(rest) for letter in output}
        over: list[Index] = []
        product = number(1)
        for x, letters in zip(t.inputs, inputs.split(","), strict=True):
            letters = letters.rjust(x.ndim, "?")  # leading axes that broadcasting repeats have no letter
            for n, letter, dim in zip(x.shape, letters, self.dims(x), strict=True):
                if letter != "?" and n != 1 and places.get(letter) is None:
                    index = Index(n, dim)
                    places[letter] = at(index)
                    over.append(index)
            own = [None if n == 1 or letter == "?" else places[letter] for n, letter in zip(x.shape, letters, strict=True)]
            product = product.times(self.write(x, own))
        total = product.summed(over)
        if op is c.mean:
            axes_of_mean = tuple((i.size, i.dim) for i in over)
            count = c.count(t.inputs[0].shape, t.params["axis"])
            named = all(dim for _, dim in axes_of_mean) and math.prod(n for n, _ in axes_of_mean) == count
            return (per(Count(axes_of_mean), -1) if named and over else number(1 / count if count else math.nan)).times(total)
        return total

    def _steps(self, op: Tabulated, t: Tensor, axes: Axes) -> Sum:
        """The elementary steps of an op whose forward is one piece."""
        if op is t_.softmax and id(t) not in self.symbols and id(t.inputs[0]) in self.symbols:
            of = self.symbols[id(t.inputs[0])].name  # in the rule of a loss; it has no equation of its own
            symbol = Symbol(f"softmax({of})", np.asarray(t._data), made_of=(op, of, t.params))
            return Sum.of(Entry(symbol, tuple(p for p in axes if p is not None)))
        try:
            with enable_grad():
                found = op.steps(lambda part, x: record(part, (x,)), *t.inputs, **t.params)
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise NoIndexFormError(f"the steps of {op.name} are not recorded") from error
        self._kept.append(found)
        inner = Equations(self.symbols, self._dims)
        inner._kept, inner._counts = self._kept, True
        first = t.inputs[0]
        inner._around = () if t.shape else tuple(zip(first.shape, self.dims(first), strict=True))
        return inner.write(found, axes)


Form = Callable[[Equations, Tensor, Axes], Sum]

_FORMS: Mapping[Any, Form] = {
    **dict.fromkeys((e.identity, e.astype, r.broadcast_to), Equations._same),
    e.negative: Equations._negative,
    e.add: Equations._add,
    e.subtract: Equations._subtract,
    e.multiply: Equations._multiply,
    **dict.fromkeys((e.divide, e.xdivy), Equations._divide),
    e.power: Equations._power,
    e.square: Equations._square,
    r.transpose: Equations._transpose,
    r.reshape: Equations._reshape,
    r.flip: Equations._flip,
    r.getitem: Equations._getitem,
    r.windows: Equations._windows,
    one_hot: Equations._one_hot,
    r.pad: Equations._pad,
    r.concatenate: Equations._concatenate,
    r.stack: Equations._stack,
    **dict.fromkeys((c.matmul, c.outer, c.sum, c.mean, c.trace, c.einsum), Equations._contraction),
}


def per(count: Count, power: int) -> Sum:
    """A power of a count, a factor for each axis, so that N cancels N in N d."""
    return Sum((Term(factors=tuple((Count((axis,)), power) for axis in count.axes)),))


def aligned(axes: Axes, shape: tuple[int, ...]) -> Axes:
    """The places of an operand that broadcasting fits to a result with these places."""
    own = axes[len(axes) - len(shape) :]
    return tuple(None if n == 1 else place for place, n in zip(own, shape, strict=True))


def partial(op: Elementwise, i: int, args: Sequence[Sum], y: Sum, params: Mapping[str, Any]) -> Sum:
    """``∂y/∂args[i]`` of an elementwise op at one place: its own rule, read with sums.

    Examples
    --------
    >>> h = Sum.of(Entry(Symbol("h", None), ()))
    >>> partial(e.tanh, 0, (h,), h, {}).cost()  # 1 − h²
    2
    """
    plain = [_plain(arg) for arg in args]
    stand_ins = [Tensor(0.5) if value is None else value for value in plain]
    result = Tensor(0.5)
    with enable_grad():
        found = op.vjp(i, Tensor(1.0), result, stand_ins, params)
    if found is None:
        return Sum()
    sums = {id(x): arg for x, arg in zip(stand_ins, args, strict=True) if isinstance(x, Tensor)}
    return _Partial({**sums, id(result): y}).write(found, ())


def _folded(op: Elementwise, args: tuple[Sum, ...], params: Mapping[str, Any]) -> Sum:
    """An elementwise function at one place, without what is known beforehand and without guards against single points."""
    plain = [_plain(arg) for arg in args]
    if op.kind == "discrete" and None not in plain:
        return number(np.asarray(op.forward(*map(np.asarray, plain), **params)).item())
    if op is e.logical_not:
        return number(1) - args[0]
    if op is e.logical_and:
        return args[0].times(args[1])
    if op is s_.where:
        if args[1:] == (number(1), Sum()):
            return args[0]  # 1 where the condition holds
        if plain[0] is not None:
            return args[1] if plain[0] else args[2]
        if _is_guard(args[0]):
            return args[2]
    return Sum.of(Call(op, args, tuple(params.items())))


def _is_guard(condition: Sum) -> bool:
    """Whether it holds at single points only: ``a = 0 and b > 0``, where 0 · log 0 would be NaN."""
    calls = [factor for term in condition.terms for factor, _ in term.factors if isinstance(factor, Call)]
    return len(condition.terms) == 1 and any(call.op is e.equal and _plain(call.args[1]) == 0 for call in calls)


class _Partial(Equations):
    """Reads a rule in which tensors stand for sums at one place."""

    def __init__(self, sums: Mapping[int, Sum]) -> None:
        super().__init__({}, {})
        self._sums = sums

    def write(self, t: Tensor, axes: Axes) -> Sum:
        found = self._sums.get(id(t))
        return super().write(t, axes) if found is None else found


def _plain(total: Sum) -> float | int | None:
    """The number that a sum is, if it is one."""
    if not total.terms:
        return 0
    (first, *rest) = total.terms
    if rest or first.factors or first.over:
        return None
    value = float(first.coefficient)
    return int(value) if value.is_integer() else value


def _shifted(place: Where, offset: int, step: int = 1) -> Where:
    if not isinstance(place, Place):
        raise NoIndexFormError("an index that is looked up is shifted")
    return Place(tuple((i, n * step) for i, n in place.parts), place.offset * step + offset)


def _added(left: Where | None, right: Where | None) -> Where | None:
    if left is None or right is None:
        return left or right
    if not isinstance(left, Place) or not isinstance(right, Place):
        raise NoIndexFormError("an index that is looked up is shifted")
    return Place((*left.parts, *right.parts), left.offset + right.offset)
