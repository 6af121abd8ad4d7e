"""A recorded expression as text: infix signs with as few parentheses as possible, everything else as a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ops import Index, Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import tabulated as t


class Text(NamedTuple):
    """A piece of a formula: its text, how tightly it binds, and the sign that it was made with."""

    text: str
    binding: int
    sign: str = ""


COMPARE, SUM, PRODUCT, FRACTION, POWER, ATOM = range(6)
LONGEST = 400  # characters; a formula beyond that is cut where it is put together

_INFIX = {e.add: SUM, e.subtract: SUM, e.multiply: PRODUCT, e.divide: PRODUCT, e.xdivy: PRODUCT, c.matmul: PRODUCT}
_INFIX |= {c.outer: PRODUCT}
_INFIX |= dict.fromkeys((e.equal, e.not_equal, e.less, e.less_equal, e.greater, e.greater_equal), COMPARE)
_UNSEEN = frozenset((e.identity, e.astype, r.broadcast_to))  # they change no number
_ASSOCIATIVE = frozenset("+∗")
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def combine(op: Op, operands: Sequence[Text], shapes: Sequence[tuple[int, ...]], params: Mapping[str, Any]) -> Text:
    """The formula of an operation, from the formulas of its operands.

    >>> from tinygrad_edu.ops import OPS
    >>> a, b = Text("a", ATOM), Text("b", ATOM)
    >>> total = combine(OPS["add"], [a, b], [(), ()], {})
    >>> combine(OPS["multiply"], [total, b], [(), ()], {}).text
    '(a + b) ∗ b'
    """
    piece = _combine(op, operands, shapes, params)
    return piece if len(piece.text) <= LONGEST else Text("…", ATOM)


def _combine(op: Op, operands: Sequence[Text], shapes: Sequence[tuple[int, ...]], params: Mapping[str, Any]) -> Text:
    if op in _UNSEEN or (op is r.transpose and len(params["axes"]) < 2):
        return operands[0]
    if op is e.multiply and "1" in (operands[0].text, operands[1].text):
        return operands[1] if operands[0].text == "1" else operands[0]
    if op in _INFIX:
        binding, sign = _INFIX[op], op.symbol
        left, right = operands
        return Text(f"{_left(left, binding, sign)} {sign} {_right(right, binding, sign)}", binding, sign)
    if op is e.negative:
        return Text(f"−{_tight(operands[0], PRODUCT)}", SUM, "−")
    if op is e.power:
        base, exponent = operands
        if exponent.text == "1":
            return base
        if exponent.text.isdigit():
            return Text(f"{_tight(base, ATOM)}{exponent.text.translate(_DIGITS)}", POWER)
        return Text(f"{_tight(base, ATOM)}^{_tight(exponent, ATOM)}", POWER)
    if op is t.norm:
        options = ", ".join(_options(params, shapes))
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
    return Text(f"{op.symbol}({', '.join([*(x.text for x in operands), *_options(params, shapes)])})", ATOM)


def literal(value: Any) -> Text:
    """A number as it is read: 0.5, 2, 1e-05; with ≈ where it has more digits than are shown."""
    if isinstance(value, (bool, np.bool_)):
        return Text(str(bool(value)), ATOM)
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{float(value):.6g}"
    about = "" if float(text) == float(value) or value != value else "≈"
    return Text(about + text.replace("-", "−"), SUM if text.startswith("-") else ATOM)


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


def _options(params: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """The parameters that change what is computed; an axis argument that means all axes says nothing."""
    shown = []
    for key, value in params.items():
        if key in ("starts", "key") or value is None or value is False:
            continue
        if key == "axis" and len(shapes) == 1 and value in (0, -1, (0,)) and len(shapes[0]) <= 1:
            continue
        shown.append(f"{key}={value}")
    return shown
