"""Programs of single numbers as plain Python: a float and an operator for each op, as a person would write micrograd by hand.

Python's floats raise where NumPy goes on with inf and nan (1 / 0, exp(1000), log(0)). The program that raises is then run
again in NumPy's numbers, which answer as the engine does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..ops import Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from .instructions import Number
from .lower import Lowering
from .program import Value


def softplus(x: float) -> float:
    """log(1 + eˣ)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sign(x: float) -> float:
    """−1, 0 or 1."""
    return x if x != x else float((x > 0) - (x < 0))


def ratio(a: float, b: float) -> float:
    """a / b, where 0 / 0 counts as 0."""
    return 0.0 if a == 0 == b else a / b


# fmt: off
# ---- the table: op, its expression, what that needs -------------------------------------------------------------------

FLOATS: Mapping[Op, tuple[str, Mapping[str, object]]] = {
    e.identity:      ("{0}", {}),
    e.negative:      ("-{0}", {}),
    e.add:           ("{0} + {1}", {}),
    e.subtract:      ("{0} - {1}", {}),
    e.multiply:      ("{0} * {1}", {}),
    e.divide:        ("{0} / {1}", {}),
    e.xdivy:         ("ratio({0}, {1})", {"ratio": ratio}),
    e.power:         ("power({0}, {1})", {"power": math.pow}),
    e.abs:           ("abs({0})", {}),
    e.sqrt:          ("sqrt({0})", {"sqrt": math.sqrt}),
    e.exp:           ("exp({0})", {"exp": math.exp}),
    e.expm1:         ("expm1({0})", {"expm1": math.expm1}),
    e.log:           ("log({0})", {"log": math.log}),
    e.log1p:         ("log1p({0})", {"log1p": math.log1p}),
    e.sin:           ("sin({0})", {"sin": math.sin}),
    e.cos:           ("cos({0})", {"cos": math.cos}),
    e.tan:           ("tan({0})", {"tan": math.tan}),
    e.sinh:          ("sinh({0})", {"sinh": math.sinh}),
    e.cosh:          ("cosh({0})", {"cosh": math.cosh}),
    e.tanh:          ("tanh({0})", {"tanh": math.tanh}),
    e.arctan:        ("arctan({0})", {"arctan": math.atan}),
    e.sigmoid:       ("1.0 / (1.0 + exp(-{0}))", {"exp": math.exp}),
    e.softplus:      ("softplus({0})", {"softplus": softplus}),
    e.log_sigmoid:   ("-softplus(-{0})", {"softplus": softplus}),
    e.relu:          ("0.0 if {0} <= 0.0 else {0}", {}),
    e.silu:          ("{0} / (1.0 + exp(-{0}))", {"exp": math.exp}),
    e.equal:         ("{0} == {1}", {}),
    e.not_equal:     ("{0} != {1}", {}),
    e.less:          ("{0} < {1}", {}),
    e.less_equal:    ("{0} <= {1}", {}),
    e.greater:       ("{0} > {1}", {}),
    e.greater_equal: ("{0} >= {1}", {}),
    e.logical_and:   ("bool({0} and {1})", {}),
    e.logical_or:    ("bool({0} or {1})", {}),
    e.logical_not:   ("not {0}", {}),
    e.sign:          ("sign({0})", {"sign": sign}),
    s.where:         ("{1} if {0} else {2}", {}),
    s.maximum:       ("{0} if {0} >= {1} or {0} != {0} else {1}", {}),
    s.minimum:       ("{0} if {0} <= {1} or {0} != {0} else {1}", {}),
    r.reshape:       ("{0}", {}),
    r.broadcast_to:  ("{0}", {}),
    c.sum:           ("{0}", {}),
    s.max:           ("{0}", {}),
    s.min:           ("{0}", {}),
}
# fmt: on

TAKEN = sorted({name for _, needs in FLOATS.values() for name in needs} | {"abs", "bool"})
DOUBLE = np.dtype(np.float64)


def is_scalar(values: Sequence[Value]) -> bool:
    """Whether every value is one float64 or truth value, and every op has an expression.

    Examples
    --------
    >>> from .program import Program
    >>> p = Program()
    >>> x = p.given("x", (), DOUBLE)
    >>> is_scalar([x, p.op(e.tanh, [x])]), is_scalar([p.given("y", (2,), DOUBLE)])
    (True, False)
    """
    for v in values:
        if v.shape or (v.dtype != DOUBLE and v.dtype.kind != "b" and not v.weak):
            return False
        if v.op is not None and v.op not in FLOATS:
            return False
    return True


class FloatLowering(Lowering):
    """One assignment for each value."""

    def lower(self, v: Value) -> None:
        """``name = expression``."""
        assert v.op is not None
        expression, needs = FLOATS[v.op]
        if v.dtype.kind == "b" and v.op in (e.add, e.multiply):  # of truth values
            expression = f"bool({expression})"
        name = self.name(v.name)
        self.emit(f"{{out}} = {expression}", *[self.number(a) for a in v.args], number=name, uses=needs)
        self.where[v.place] = Number(name)

    def literal(self, v: Value) -> str:
        """The number as Python writes it."""
        number = v.data.item()
        return repr(number) if number >= 0 else f"({number!r})"
