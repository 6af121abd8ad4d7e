"""What is to be exported, step by step: the replays walked in lockstep, each number as a function of the sizes.

All copies have the same operations in the same order, and so every size, parameter and constant can be compared: what is
the same in all of them is a number, what changes is a size. That holds for the gradients too, whose rules took numbers
from the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..modes import enable_grad
from ..ops import Index, Op
from ..record import LITERALS
from ..sweep import topological_order
from ..tensor import Tensor
from .errors import BoundError, NoOnnxError
from .params import Shape
from .size import Measured


@dataclass(frozen=True)
class Eye:
    """A table that is 1 where the column is the row plus the offset, else 0."""

    offset: int


@dataclass(frozen=True)
class Counting:
    """0, 1, 2, ... in row-major order."""


@dataclass(frozen=True)
class Step:
    """One value of the model: a leaf, or an operation on earlier values.

    ``value`` is a leaf's array, number, size, or pattern; an array of another shape is filled with the number.
    """

    tensor: Tensor
    shape: Shape
    op: Op | None = None
    inputs: tuple[int, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None

    @property
    def literal(self) -> bool:
        """Whether it is a Python number, which adapts to the type of the other operands."""
        return type(self.tensor._data) in LITERALS

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of its numbers."""
        return self.tensor.dtype


@dataclass
class _Entry:
    tensor: Tensor
    inputs: tuple[int, ...]


def steps_of(
    roots: Sequence[Sequence[Tensor]], measured: Measured, known: Callable[[Op], bool], given: set[int]
) -> tuple[list[Step], list[int]]:
    """The steps to the roots, and where each root is.

    Parameters
    ----------
    roots : sequence of sequences
        For each copy, the results that are wanted.
    measured : Measured
        The sizes of the copies.
    known : callable
        Whether an op has a form in ONNX; another op is replaced by the operations that its forward consists of.
    given : set of ids
        The leaves of the first copy that are given when the model runs.

    Raises
    ------
    BoundError
        If something changes with the sizes in a way that has no formula.
    NoOnnxError
        If an op has no form in ONNX.
    """
    copies = [_entries(own, known) for own in roots]
    entries, places = copies[0]
    for others, other_places in copies[1:]:
        if other_places != places or len(others) != len(entries):
            raise BoundError(measured.sizes[0], "the operations themselves change with a size")
    steps = []
    for number, first in enumerate(entries):
        same = [others[number] for others, _ in copies]
        if any(x.inputs != first.inputs or x.tensor.op is not first.tensor.op for x in same):
            raise BoundError(measured.sizes[0], "the operations themselves change with a size")
        steps.append(_step([x.tensor for x in same], first.inputs, measured, id(first.tensor) in given))
    return steps, places


def _step(same: Sequence[Tensor], inputs: tuple[int, ...], measured: Measured, given: bool) -> Step:
    t = same[0]
    if any(x.ndim != t.ndim for x in same):
        raise BoundError(measured.sizes[0], f"the number of axes of {t._called()} changes with a size")
    shape = []
    for values in zip(*(x.shape for x in same), strict=True):
        size = measured.size(values)
        if size is None:
            raise BoundError(measured.sizes[0], f"how large {t._called()} is, is no simple function of the sizes")
        shape.append(size)
    if inputs:
        params = {k: _lift([x.params[k] for x in same], measured, t) for k in t.params}
        return Step(t, tuple(shape), t.op, inputs, params)
    return Step(t, tuple(shape), value=None if given else _constant(same, measured))


def _constant(same: Sequence[Tensor], measured: Measured) -> Any:
    """The value of a leaf that is not given: the same in all copies, or a number or pattern that follows the sizes."""
    arrays = [np.asarray(x._data) for x in same]
    first = arrays[0]
    if all(a.shape == first.shape and np.array_equal(a, first, equal_nan=a.dtype.kind == "f") for a in arrays):
        return first
    if not first.ndim:
        number = measured.number([a.item() for a in arrays])
        if number is not None:
            return number
    filled = {a.item(0) for a in arrays if a.size}
    if len(filled) == 1 and all((a == next(iter(filled))).all() for a in arrays):
        return next(iter(filled))
    if all(np.array_equal(a.ravel(), np.arange(a.size)) for a in arrays):
        return Counting()
    if first.ndim == 2:
        for offset in range(1 - first.shape[0], first.shape[1]):
            if all(np.array_equal(a, np.eye(a.shape[0], a.shape[1], offset)) for a in arrays):
                return Eye(offset)
    raise BoundError(measured.sizes[0], f"a constant of shape {first.shape} changes with a size")


def _lift(values: Sequence[Any], measured: Measured, t: Tensor) -> Any:
    """A parameter, with sizes where its numbers follow the sizes."""
    first = values[0]
    if isinstance(first, tuple) and all(isinstance(v, tuple) and len(v) == len(first) for v in values):
        return tuple(_lift(parts, measured, t) for parts in zip(*values, strict=True))
    if isinstance(first, slice) and all(isinstance(v, slice) for v in values):
        return slice(*(_lift([getattr(v, part) for v in values], measured, t) for part in ("start", "stop", "step")))
    if isinstance(first, Index):
        same = all(isinstance(v, Index) and v.position == first.position for v in values)
    elif all(type(v) is int for v in values):
        size = measured.size(values)
        if size is not None:
            return first if size.number is not None else size
        same = False
    else:
        same = all(type(v) is type(first) and np.array_equal(v, first) for v in values)
    if not same:
        raise BoundError(measured.sizes[0], f"the parameters of {t.op.name} change with a size")
    return first


# ---- operations that ONNX does not have, as what their forward consists of ----------------------------------------------


def _entries(roots: Sequence[Tensor], known: Callable[[Op], bool]) -> tuple[list[_Entry], list[int]]:
    """The operations in topological order, and where the roots are."""
    entries: list[_Entry] = []
    place: dict[int, int] = {}
    results: dict[int, Tensor] = {}
    alive: list[Tensor] = []  # an id belongs to a Tensor only while it exists
    stack = [iter(topological_order(roots))]
    while stack:
        for t in stack[-1]:
            if id(t) in place:
                continue
            if id(t) in results:
                place[id(t)] = place[id(results[id(t)])]
            elif not t.inputs or known(t.op):
                place[id(t)] = len(entries)
                entries.append(_Entry(t, tuple(place[id(x)] for x in t.inputs)))
            else:
                stand_ins = _stand_ins(t)
                for own, x in zip(stand_ins, t.inputs, strict=True):
                    place[id(own)] = place[id(x)]
                results[id(t)] = result = _recorded_forward(t, stand_ins)
                alive += [*stand_ins, result]
                stack.append(iter([*topological_order([result]), t]))
                break
        else:
            stack.pop()
    return entries, [place[id(t)] for t in roots]


def _stand_ins(t: Tensor) -> tuple[Tensor, ...]:
    """Leaves with the values of the inputs, which refuse to be read as arrays: that would leave no record."""
    result = []
    for x in t.inputs:
        own: Tensor = object.__new__(Tensor)._leaf(x._data)
        own._requires_grad = x.dtype.kind == "f"
        result.append(own)
    return tuple(result)


def _recorded_forward(t: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
    """The op's forward, called with Tensors, so that it is recorded."""
    reason = "its forward did not give a Tensor when it was called with Tensors"
    try:
        with enable_grad(), np.errstate(all="ignore"):
            result = t.op.forward(*inputs, **t.params)
        if isinstance(result, Tensor):
            if result.shape == t.shape and result.dtype == t.dtype and np.allclose(result._data, t._data, equal_nan=True):
                return result
            reason = "its forward gave another value when it was called with Tensors"
    except Exception as error:
        reason = str(error).partition("\n")[0]
    raise NoOnnxError(
        f"export_onnx: {t.op.name} is not an op of this library's table, and its forward could not be recorded.\n"
        f"  {reason}\n"
        "  Try: a forward of NumPy functions that Tensors have, such as np.exp and np.where"
    )
