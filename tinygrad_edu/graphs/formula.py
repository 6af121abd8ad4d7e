"""A recorded expression as text: infix signs with as few parentheses as possible, everything else as a call."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ops import Elementwise, Index, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import tabulated as t
from .names import pretty

Shape = tuple[int, ...]


class Text(NamedTuple):
    """A piece of a formula: its text, how tightly it binds, and the sign that it was made with.

    Repeating numbers is not written: the text of an array may read as a smaller one, ``reads``, which fits the array's shape
    by broadcasting. Elementwise operations broadcast by themselves; for others it makes a difference.
    """

    text: str
    binding: int
    sign: str = ""
    reads: Shape | None = None  # the shape that the text reads as; None: that of the value


COMPARE, SUM, PRODUCT, FRACTION, POWER, ATOM = range(6)
LITERAL = "#"  # in the place of the sign of a number, which a name such as "3" does not have
ONE = Text("1", ATOM, "1")  # that was not written by anybody: as a factor it says nothing. It reads as a single number
LONGEST = 400  # characters; a formula beyond that is cut where it is put together

_INFIX = {e.add: SUM, e.subtract: SUM, e.multiply: PRODUCT, e.divide: PRODUCT, e.xdivy: PRODUCT, c.matmul: PRODUCT}
_INFIX |= {c.outer: PRODUCT}
_INFIX |= dict.fromkeys((e.equal, e.not_equal, e.less, e.less_equal, e.greater, e.greater_equal), COMPARE)
_UNSEEN = frozenset((e.identity, e.astype))  # they change no number
_SUM_OVER = re.compile(r"(?:sum|mean)\([^()]*(?:\([^()]*\)[^()]*)*, axis=(-?\d+)\)")
_MOVED = frozenset((r.reshape, r.transpose, r.flip, r.getitem, r.windows))  # of one number repeated, they leave that number
_BY_ROWS = frozenset((t.softmax, t.log_softmax))  # along the last axis, if nothing else is said
_ASSOCIATIVE = frozenset("+∗")
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def combine(op: Op, operands: Sequence[Text], shapes: Sequence[Shape], params: Mapping[str, Any]) -> Text:
    """The formula of an operation, from the formulas of its operands.

    >>> from tinygrad_edu.ops import OPS
    >>> a, b = Text("a", ATOM), Text("b", ATOM)
    >>> total = combine(OPS["add"], [a, b], [(), ()], {})
    >>> combine(OPS["multiply"], [total, b], [(), ()], {}).text
    '(a + b) ∗ b'
    >>> repeated = combine(OPS["broadcast_to"], [a], [()], {"shape": (3,)})
    >>> combine(OPS["sum"], [repeated], [(3,)], {"axis": None, "keepdims": False}).text
    '3 ∗ a'
    """
    piece = _combine(op, operands, shapes, params)
    return piece if len(piece.text) <= LONGEST else Text("…", ATOM)


def in_full(x: Text, shape: Shape) -> Text:
    """The text of an array of this shape, with the repetition written, if there is one."""
    return x if _reads(x, shape) == shape else Text(f"broadcast({x.text}, {shape})", ATOM)


def _reads(x: Text, shape: Shape) -> Shape:
    return () if x.sign == ONE.sign else shape if x.reads is None else x.reads


def _combine(op: Op, operands: Sequence[Text], shapes: Sequence[Shape], params: Mapping[str, Any]) -> Text:
    if op is r.transpose and len(params["axes"]) < 2:
        return operands[0]
    if op is r.reshape and (kept := _with_kept_axis(operands[0], shapes[0], params["shape"])):
        return kept
    if op is r.broadcast_to:
        return operands[0]._replace(reads=_reads(operands[0], shapes[0]))
    reads = [_reads(x, shape) for x, shape in zip(operands, shapes, strict=True)]
    if reads == list(shapes):
        return _written(op, operands, shapes, params)
    if isinstance(op, Elementwise):
        return _written(op, operands, shapes, params)._replace(reads=np.broadcast_shapes(*reads))
    if op in (c.sum, c.mean):
        return _reduced(op, operands[0], reads[0], shapes[0], params)
    if op in _MOVED and not reads[0]:
        return operands[0]._replace(reads=())
    first = 1 if op is r.scatter else 0  # what is put in a place is repeated to fit it
    return _written(op, [*operands[:first], *map(in_full, operands[first:], shapes[first:])], shapes, params)


def _with_kept_axis(x: Text, shape: Shape, new: Shape) -> Text | None:
    """A sum over one axis that is put back with size 1: the sum with ``keepdims``."""
    found = _SUM_OVER.fullmatch(x.text)
    if found is None or x.reads is not None or len(new) != len(shape) + 1:
        return None
    axis = int(found[1]) % len(new)
    return Text(f"{x.text[:-1]}, keepdims=True)", ATOM) if new == (*shape[:axis], 1, *shape[axis:]) else None


def _reduced(op: Op, x: Text, reads: Shape, shape: Shape, params: Mapping[str, Any]) -> Text:
    """A sum or a mean of a text that reads smaller: over an axis that the text does not have, a sum is a product."""
    axis, keepdims = params["axis"], params["keepdims"]
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    more = len(shape) - len(reads)  # axes at the front, which the text does not have at all
    padded = (1,) * more + reads
    gone = {a % len(shape) for a in axes}
    own = [a - more for a in sorted(gone) if a >= more and not (keepdims and padded[a] == 1)]
    if own:
        kept = {"axis": None if len(own) == len(reads) else tuple(own) if len(own) > 1 else own[0], "keepdims": keepdims}
        x = _written(op, [x], [reads], kept)
        reads = tuple(1 if a in own else n for a, n in enumerate(reads) if keepdims or a not in own)
    times = math.prod(shape[a] for a in gone if padded[a] == 1) if op is c.sum else 1
    if times != 1:
        repeated = f"{times} ∗ {_right(x, PRODUCT, '∗')}"
        x = literal(times) if x.sign == ONE.sign else Text(repeated, PRODUCT, "∗")
    return x._replace(reads=reads)


def _written(op: Op, operands: Sequence[Text], shapes: Sequence[Shape], params: Mapping[str, Any]) -> Text:
    if op in _UNSEEN:
        return operands[0]
    if op is e.multiply and any(x.sign == ONE.sign for x in operands):
        return operands[1] if operands[0].sign == ONE.sign else operands[0]
    if op in _INFIX:
        binding, sign = _INFIX[op], "==" if op is e.equal else op.symbol  # a = b would say that it is so
        left, right = operands
        return Text(f"{_left(left, binding, sign)} {sign} {_right(right, binding, sign)}", binding, sign)
    if op is e.negative:
        return Text(f"−{_tight(operands[0], PRODUCT)}", SUM, "−")
    if op is e.power:
        base, exponent = operands
        is_number = exponent.sign in (LITERAL, ONE.sign)
        if is_number and exponent.text == "1":
            return base
        if is_number and exponent.text.isdigit():
            return Text(f"{_tight(base, ATOM)}{exponent.text.translate(_DIGITS)}", POWER)
        return Text(f"{_tight(base, ATOM)}^{_tight(exponent, ATOM)}", POWER)
    if op is t.norm:
        options = ", ".join(_options(op, params, shapes))
        return Text(f"‖{operands[0].text}‖" + (f"[{options}]" if options else ""), ATOM)
    if op is e.square:
        return Text(f"{_tight(operands[0], ATOM)}²", POWER)
    if op is r.transpose and _is_matrix_transpose(params["axes"]):
        x = operands[0].text
        return Text(f"{x}ᵀ" if len(x) == 1 else f"({x})ᵀ", ATOM)
    if op in (r.getitem, r.scatter):
        keys = ", ".join(_key(k, operands[1:]) for k in params["key"]) or "()"
        if op is r.getitem:
            return Text(f"{_tight(operands[0], ATOM)}[{keys}]", ATOM)
        return Text(f"scatter({operands[0].text} to [{keys}] of {params['shape']})", ATOM)
    return Text(f"{op.symbol}({', '.join([*(x.text for x in operands), *_options(op, params, shapes)])})", ATOM)


def literal(value: Any) -> Text:
    """A number as it is read: 0.5, 2, 1e-05; with ≈ where it has more digits than are shown."""
    if isinstance(value, (bool, np.bool_)):
        return Text(str(bool(value)), ATOM, LITERAL)
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{float(value):.6g}"
    about = "" if float(text) == float(value) or value != value else "≈"
    return Text(about + text.replace("-", "−"), SUM if text.startswith("-") else ATOM, LITERAL)


def named_text(name: str) -> Text:
    """A name in a formula: it is put in parentheses where it could be misread.

    >>> [named_text(name).text for name in ("W1", "3", "-2.5", "3x")]
    ['W⁽¹⁾', '(3)', '(-2.5)', '3x']
    """
    shown = pretty(name)
    if _is_like_a_value(name):
        return Text(f"({shown})", ATOM)  # even alone
    if re.fullmatch(r"\w+(#\d+)?(\[[\d,]+\])?", name):
        return Text(shown, ATOM)
    return Text(shown, FRACTION if shown.startswith("∂") and shown != name else COMPARE)


def _is_like_a_value(name: str) -> bool:
    """Whether a name would be taken for a number, or for the place where a rule puts the gradient."""
    bare = re.sub(r"#\d+|\[[\d,]+\]", "", name)
    try:
        float(bare.replace("−", "-").lstrip("≈"))
    except ValueError:
        only_numbers = any(map(str.isnumeric, bare)) and not any(map(str.isalpha, bare))
        return only_numbers or bare in ("True", "False", "□")
    return True


def _tight(x: Text, binding: int) -> str:
    return x.text if x.binding >= binding else f"({x.text})"


def _left(x: Text, binding: int, sign: str) -> str:
    if x.binding == binding == PRODUCT and x.sign != sign and not {x.sign, sign} <= {"∗", "/"}:
        return f"({x.text})"
    return x.text if x.binding >= binding and binding != COMPARE else _tight(x, binding + 1)


def _right(x: Text, binding: int, sign: str) -> str:
    if x.binding == binding and x.sign == sign and sign in _ASSOCIATIVE:
        return x.text
    return _tight(x, binding + 1)


def _is_matrix_transpose(axes: Sequence[int]) -> bool:
    rank = len(axes)
    swapped = [*range(rank - 2), rank - 1, rank - 2]
    return rank >= 2 and [a % rank for a in axes] == swapped


def _key(k: Any, indices: Sequence[Text]) -> str:
    if isinstance(k, Index):
        return indices[k.position].text
    if isinstance(k, slice):
        parts = ["" if n is None else str(n) for n in (k.start, k.stop)]
        return ":".join(parts if k.step is None else [*parts, str(k.step)])
    return "..." if k is Ellipsis else "None" if k is None else str(k)


def _options(op: Op, params: Mapping[str, Any], shapes: Sequence[Shape]) -> list[str]:
    """The parameters that change what is computed; an axis argument that means all axes says nothing, nor does a default."""
    shown = []
    for key, value in params.items():
        if key in ("starts", "key") or value is None or value is False:
            continue
        if key == "axis" and len(shapes) == 1 and value in (0, -1, (0,)) and len(shapes[0]) <= 1:
            continue
        if key == "axis" and op in _BY_ROWS and value in (-1, len(shapes[0]) - 1):
            continue
        shown.append(f"{key}={value}")
    return shown
