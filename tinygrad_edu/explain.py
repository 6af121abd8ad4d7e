"""Errors as a product: what was computed, with which tensors, which rule was broken, and what would work.

The forward pass only catches what NumPy raised; everything here runs after that. A suggestion is shown only when the
shapes say that it works.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import AnomalyError, ShapeError
from .ops import Elementwise, Op
from .ops import contraction as c
from .ops import rearrangement as r

if TYPE_CHECKING:
    from .record import Record

Shape = tuple[int, ...]


def explain(op: Op, inputs: Sequence[Record], params: Mapping[str, Any], error: Exception) -> Exception:
    """The error to raise in the place of one that NumPy raised in ``op.forward``, of the same type."""
    shapes = [t.shape for t in inputs]
    if isinstance(error, np.exceptions.AxisError):
        return axis_error(op.name, inputs, error.axis, len(shapes[0]))
    if isinstance(error, IndexError):
        return IndexError(message(op.name, inputs[:1], str(error), "an index counts from 0, or from -1 backwards."))
    if isinstance(error, ValueError):
        found = _shape_problem(op, inputs, params, shapes)
        if found is None:
            return ValueError(message(op.name, inputs, str(error), ""))
        return ShapeError(message(op.name, *found))
    if isinstance(error, TypeError):
        return TypeError(message(op.name, inputs, str(error), ""))
    return error


def check_rules(op: Op, count: int) -> None:
    """Raise an error when an elementwise op has not one derivative for each of its arguments."""
    if isinstance(op, Elementwise) and len(op.partials) != count:
        raise TypeError(f"{op.name}: called with {count} arguments, but it has derivatives for {len(op.partials)}.")


def axis_error(who: str, inputs: Sequence[Record], axis: Any, rank: int) -> Exception:
    """NumPy's error for an axis that does not exist among ``rank`` axes."""
    rule = f"there are {rank} axes: give 0 to {rank - 1}, or -1 to -{rank}." if rank else "a scalar has no axes."
    return np.exceptions.AxisError(message(who, inputs[:1], f"axis {axis} does not exist", rule))


Tries = Sequence[tuple[str, Shape]]


def message(who: str, inputs: Sequence[Record], problem: str, rule: str, tries: Tries = (), words: Sequence[str] = ()) -> str:
    """The template that every error about operands follows.

    ``words`` says what the operands are called, by default x, or left and right, or by number.
    """
    lines = [f"{who}: {problem}"]
    shown = inputs[:6]
    words = words or roles(inputs)
    width = max((len(label(t)) for t in shown), default=0)
    word_width = max(6, *(len(word) for word in words)) if words else 6
    for t, word in zip(shown, words, strict=False):
        origin = f"   <- result of {t.op.name}" if t.op is not None and t.name is None else ""
        letters = f"  [{' '.join(t.dims)}]" if t.dims else ""
        lines.append(f"  {word:<{word_width}} {label(t):<{width}}  {t.shape}{letters}{origin}")
    if len(inputs) > len(shown):
        lines.append(f"  ... and {len(inputs) - len(shown)} more")
    if rule:
        lines.append(f"  {rule}")
    if tries:
        lines.append(f"  Try: {tries[0][0]}   gives {tries[0][1]}")
    return "\n".join(lines)


def roles(inputs: Sequence[Record]) -> list[str]:
    """What each operand is called in a message."""
    if len(inputs) == 1:
        return ["x"]
    if len(inputs) == 2:
        return ["left", "right"]
    return [f"no. {i}" for i in range(len(inputs))]


def label(t: Record) -> str:
    """The tensor's name; its value for a bare number; nothing otherwise."""
    if t.name is not None:
        return t.name
    return str(t._data) if not t.inputs and t.shape == () else ""


def spell(t: Record, word: str) -> str:
    """The tensor as it can be typed in a suggestion: its name if that can be a variable, else the word."""
    usable = t.name is not None and t.name.isidentifier() and not keyword.iskeyword(t.name)
    return t.name if usable and t.name is not None else word


Problem = tuple[Sequence["Record"], str, str, Tries, Sequence[str]]  # the operands to show, and the rest of a message

# How an operation between two operands is typed; the others are functions of this library.
_TYPED = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "logical_and": "&", "logical_or": "|"}
_TYPED |= {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}


def _shape_problem(op: Op, inputs: Sequence[Record], params: Mapping[str, Any], shapes: list[Shape]) -> Problem | None:
    if op is c.matmul:
        return (inputs, *_matmul_problem(inputs, shapes), ())
    if op is r.reshape:
        size = math.prod(shapes[0])
        rule = f"x has {size} numbers: the sizes must multiply to {size}; one of them may be -1."
        return inputs, f"cannot make shape {params['shape']}", rule, [(f"{spell(inputs[0], 'x')}.reshape(-1)", (size,))], ()
    if op in (r.concatenate, r.stack):
        odd = next((i for i, s in enumerate(shapes) if not _joins(op.name, shapes[0], s, params["axis"])), None)
        if odd is None:
            return None
        allowed = "in every axis" if op.name == "stack" else f"in every axis but {params['axis']}"
        rule = f"{shapes[0]} and {shapes[odd]} must be equal {allowed}."
        return (inputs[0], inputs[odd]), f"no. {odd} does not fit no. 0", rule, (), ("no. 0", f"no. {odd}")
    if isinstance(op, Elementwise) and len(inputs) > 1 and _broadcast(*shapes) is None:
        return (inputs, *_broadcast_problem(op, inputs, shapes), ())
    return None


def _joins(name: str, first: Shape, other: Shape, axis: int) -> bool:
    if name == "stack" or len(first) != len(other):
        return first == other
    return first[:axis] + first[axis + 1 :] == other[:axis] + other[axis + 1 :]


def _matmul_problem(inputs: Sequence[Record], shapes: list[Shape]) -> tuple[str, str, Tries]:
    a, b = shapes
    left, right = (spell(t, word) for t, word in zip(inputs, roles(inputs), strict=True))
    if not a or not b:
        tries = _working([(f"{left} * {right}", _broadcast(a, b))])
        return "a scalar has no axis to sum over", "both operands need at least one axis.", tries
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] == inner:
        rule = f"{a[:-2]} and {b[:-2]} must be equal, or 1, axis by axis."
        return "the leading (batch) axes do not broadcast", rule, ()
    transposed = "T" if len(a) <= 2 and len(b) <= 2 else "mT"
    candidates = [
        (f"{left} @ {right}.{transposed}", _product(a, _swap(b))),
        (f"{left}.{transposed} @ {right}", _product(_swap(a), b)),
        (f"{right} @ {left}", _product(b, a)),
    ]
    which = "second-last of right" if len(b) > 1 else "only axis of right"
    rule = f"the last axis of left is {a[-1]}, the {which} is {inner}: they must be equal."
    return "inner sizes differ", rule, _working(candidates)


def _broadcast_problem(op: Op, inputs: Sequence[Record], shapes: list[Shape]) -> tuple[str, str, Tries]:
    problem = "the shapes do not broadcast"
    if len(shapes) > 2:
        return problem, "aligned from the last axis, sizes must be equal or 1.", ()
    a, b = shapes
    left, right = (spell(t, word) for t, word in zip(inputs, roles(inputs), strict=True))
    clash = next(i for i in range(1, min(len(a), len(b)) + 1) if a[-i] != b[-i] and 1 not in (a[-i], b[-i]))
    sign = _TYPED.get(op.name)
    write = f"{{}} {sign} {{}}" if sign else f"tg.{op.name}({{}}, {{}})"
    candidates = [
        (write.format(left, f"{right}[:, None]"), _broadcast(a, (*b, 1)) if len(b) == 1 else None),
        (write.format(f"{left}[:, None]", right), _broadcast((*a, 1), b) if len(a) == 1 else None),
        (write.format(left, f"{right}.T"), _broadcast(a, b[::-1])),
    ]
    sizes = f"axis -{clash} is {a[-clash]} on the left and {b[-clash]} on the right"
    return problem, f"aligned from the last axis, {sizes}: they must be equal, or one of them 1.", _working(candidates)


def _working(candidates: Sequence[tuple[str, Shape | None]]) -> list[tuple[str, Shape]]:
    return [(text, shape) for text, shape in candidates if shape is not None]


def _broadcast(*shapes: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _swap(shape: Shape) -> Shape | None:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else None


def _product(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of a matrix product, None where there is none."""
    if not a or not b or a[-1] != (b[-2] if len(b) > 1 else b[0]):
        return None
    batch = _broadcast(a[:-2], b[:-2])
    return None if batch is None else batch + a[-2:-1] + (b[-1:] if len(b) > 1 else ())


def first_bad(value: Any) -> tuple[int, ...] | None:
    """The place of the first element that is NaN or infinite; None if all are finite."""
    array = np.asarray(value)
    if array.dtype.kind != "f" or bool(np.isfinite(array).all()):
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape))


def checked_forward(op: Op, inputs: Sequence[Record], args: Sequence[Any], params: Mapping[str, Any]) -> Any:
    """The value of an operation; an error when it is not finite."""
    with np.errstate(all="ignore"):  # the error below says it better than NumPy's warning
        value = op.forward(*args, **params)
    place = first_bad(value)
    if place is not None:
        raise AnomalyError(
            message(op.name, inputs, f"the result is {_bad(value, place)}", _operands_at(op, inputs, place, value))
        )
    return value


def checked_edge(node: Record, i: int, part: Any) -> None:
    """Raise an error when what an edge hands back is not finite."""
    part = getattr(part, "_data", part)
    place = first_bad(part)
    if place is not None:
        who = label(node.inputs[i]) or f"operand {i}"
        made = f"the result is {node.name}" if node.name else "its result has no name"
        problem = f"its gradient for {who} is {_bad(part, place)}"
        raise AnomalyError(message(node.op.name, node.inputs, problem, f"in the backward pass; {made}."))


def _bad(value: Any, place: tuple[int, ...]) -> str:
    return f"{np.asarray(value)[place]} at [{', '.join(map(str, place))}]" if place else str(np.asarray(value)[()])


def _operands_at(op: Op, inputs: Sequence[Record], place: tuple[int, ...], value: Any) -> str:
    """What an elementwise operation computed that number from."""
    if not isinstance(op, Elementwise):
        return ""
    there = ", ".join(str(np.broadcast_to(t._data, np.shape(value))[place]) for t in inputs)
    return f"there the operands are {there}."
