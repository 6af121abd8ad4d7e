"""Errors as a product: what was computed, with which tensors, which rule was broken, and what would work.

The forward pass only catches what NumPy raised; everything here runs after that. A suggestion is shown only when the
shapes say that it works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import AnomalyError, ShapeError

if TYPE_CHECKING:
    from .ops import Op
    from .record import Record

Shape = tuple[int, ...]


def explain(op: Op, inputs: Sequence[Record], params: Mapping[str, Any], error: Exception) -> Exception:
    """The error to raise in the place of one that NumPy raised in ``op.forward``, of the same type."""
    shapes = [t.shape for t in inputs]
    if isinstance(error, np.exceptions.AxisError):
        return np.exceptions.AxisError(message(op, inputs, f"axis {error.axis} does not exist", _axis_rule(shapes[0])))
    if isinstance(error, IndexError):
        return IndexError(message(op, inputs[:1], str(error), "an index counts from 0, or from -1 backwards."))
    if isinstance(error, ValueError):
        problem, rule, tries = _shape_problem(op, inputs, params, shapes) or (str(error), "", ())
        return ShapeError(message(op, inputs, problem, rule, tries))
    if isinstance(error, TypeError):
        return TypeError(message(op, inputs, str(error), ""))
    return error


def message(op: Op, inputs: Sequence[Record], problem: str, rule: str, tries: Sequence[tuple[str, Shape]] = ()) -> str:
    """The template that every error about operands follows."""
    lines = [f"{op.name}: {problem}"]
    shown = list(inputs) if len(inputs) <= 6 else list(inputs[:6])
    words = roles(shown)
    width = max((len(label(t, word)) for t, word in zip(shown, words, strict=True)), default=0)
    for t, word in zip(shown, words, strict=True):
        origin = f"   <- result of {t.op.name}" if t.op is not None and t.name is None else ""
        letters = f"  [{' '.join(t.dims)}]" if t.dims else ""
        lines.append(f"  {word:<6} {label(t, word):<{width}}  {t.shape}{letters}{origin}")
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


def label(t: Record, word: str = "") -> str:
    """The tensor's name; its value for a bare number; nothing otherwise."""
    if t.name is not None:
        return t.name
    return str(t._data) if not t.inputs and t.shape == () else ""


def _spell(t: Record, word: str) -> str:
    """The tensor as it can be typed in a suggestion."""
    return t.name if t.name is not None and t.name.isidentifier() else word


def _axis_rule(shape: Shape) -> str:
    if not shape:
        return "x is a scalar: it has no axes."
    return f"x has {len(shape)} axes: give 0 to {len(shape) - 1}, or -1 to -{len(shape)}."


Problem = tuple[str, str, Sequence[tuple[str, Shape]]]


def _shape_problem(op: Op, inputs: Sequence[Record], params: Mapping[str, Any], shapes: list[Shape]) -> Problem | None:
    if op.name == "matmul":
        return _matmul_problem(inputs, shapes)
    if op.kind in ("elementwise", "discrete", "selection") and len(inputs) > 1:
        return _broadcast_problem(op, inputs, shapes)
    if op.name == "reshape":
        size = int(np.prod(shapes[0], dtype=int))
        x = _spell(inputs[0], "x")
        return (
            f"cannot make shape {params['shape']}",
            f"x has {size} numbers: the sizes of the new shape must multiply to {size} (one of them may be -1).",
            [(f"{x}.reshape(-1)", (size,))],
        )
    if op.name in ("concatenate", "stack"):
        odd = next((i for i, s in enumerate(shapes) if not _joins(op.name, shapes[0], s, params["axis"])), None)
        if odd is not None:
            allowed = "in every axis" if op.name == "stack" else f"in every axis but {params['axis']}"
            return f"no. {odd} does not fit no. 0", f"{shapes[0]} and {shapes[odd]} must be equal {allowed}.", ()
    return None


def _joins(name: str, first: Shape, other: Shape, axis: int) -> bool:
    if name == "stack" or len(first) != len(other):
        return first == other
    return first[:axis] + first[axis + 1 :] == other[:axis] + other[axis + 1 :]


def _matmul_problem(inputs: Sequence[Record], shapes: list[Shape]) -> Problem:
    a, b = shapes
    left, right = (_spell(t, word) for t, word in zip(inputs, roles(inputs), strict=True))
    if not a or not b:
        return (
            "a scalar has no axis to sum over",
            "both operands need at least one axis.",
            _working([(f"{left} * {right}", _broadcast(a, b))]),
        )
    if a[-1] == (b[-2] if len(b) > 1 else b[0]):
        return "the leading (batch) axes do not broadcast", f"{a[:-2]} and {b[:-2]} must be equal, or 1, axis by axis.", ()
    which = "second-last of right" if len(b) > 1 else "only axis of right"
    inner = b[-2] if len(b) > 1 else b[0]
    candidates = [
        (f"{left} @ {right}.mT", _product(a, _swap(b))),
        (f"{left}.mT @ {right}", _product(_swap(a), b)),
        (f"{right} @ {left}", _product(b, a)),
    ]
    if len(a) == 2 and len(b) == 2:
        candidates = [(text.replace("mT", "T"), shape) for text, shape in candidates]
    rule = f"the last axis of left is {a[-1]}, the {which} is {inner}: they must be equal."
    return "inner sizes differ", rule, _working(candidates)


def _broadcast_problem(op: Op, inputs: Sequence[Record], shapes: list[Shape]) -> Problem | None:
    if _broadcast(*shapes) is not None:
        return None
    if len(shapes) > 2:
        return "the shapes do not broadcast", "aligned from the last axis, sizes must be equal or 1.", ()
    a, b = shapes
    left, right = (_spell(t, word) for t, word in zip(inputs, roles(inputs), strict=True))
    clash = next(i for i in range(1, min(len(a), len(b)) + 1) if a[-i] != b[-i] and 1 not in (a[-i], b[-i]))
    write = (
        f"{{}} {op.symbol if op.symbol in '+/<>' else '*' if op.symbol == '∗' else '-'} {{}}"
        if op.symbol in "+−∗/<>"
        else f"{op.name}({{}}, {{}})"
    )
    candidates = [
        (write.format(left, f"{right}[:, None]"), _broadcast(a, (*b, 1)) if len(b) == 1 else None),
        (write.format(f"{left}[:, None]", right), _broadcast((*a, 1), b) if len(a) == 1 else None),
        (write.format(left, f"{right}.T"), _broadcast(a, b[::-1])),
    ]
    sizes = f"axis -{clash} is {a[-clash]} on the left and {b[-clash]} on the right"
    rule = f"aligned from the last axis, {sizes}: they must be equal, or one of them 1."
    return "the shapes do not broadcast", rule, _working(candidates)


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
        there = ", ".join(_operand_at(t, place, np.shape(value)) for t in inputs[:6])
        raise AnomalyError(message(op, inputs, f"the result is {_bad(value, place)}", f"there the operands are {there}."))
    return value


def checked_edge(node: Record, i: int, part: Any) -> None:
    """Raise an error when what an edge hands back is not finite."""
    part = getattr(part, "_data", part)
    place = first_bad(part)
    if place is not None:
        who = label(node.inputs[i]) or f"operand {i}"
        made = f"the result is {node.name}" if node.name else "its result has no name"
        problem = f"its gradient for {who} is {_bad(part, place)}"
        raise AnomalyError(message(node.op, node.inputs, problem, f"in the backward pass; {made}."))


def _bad(value: Any, place: tuple[int, ...]) -> str:
    return f"{np.asarray(value)[place]} at [{', '.join(map(str, place))}]" if place else str(np.asarray(value)[()])


def _operand_at(t: Record, place: tuple[int, ...], shape: Shape) -> str:
    try:
        return str(np.broadcast_to(t._data, shape)[place])
    except ValueError:  # not an elementwise operation: no single operand belongs to this place
        return f"of shape {t.shape}"
