"""The elementwise and selecting ops in ONNX, place by place. What is missing here is recorded from its forward.

Some runtimes have no float64 form of tan, sinh, cosh and atan, and a sigmoid that is 0 too early; expm1 and log1p are in no
version of ONNX. Each has an equivalent here that is right to the last digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ops import Op
from ..ops import elementwise as e
from ..ops import selection as s
from .call import BOOL, Call, Form

DOUBLE = np.dtype(np.float64)


def unary(op: str) -> Form:
    """The result has the operand's type."""
    return lambda c: c.b.op(op, c.arg(0, c.dtype))


def binary(op: str, boolean: str = "") -> Form:
    """Both operands in the type of the result; truth values have an operator of their own."""
    return lambda c: c.b.op(boolean if c.dtype == BOOL else op, *c.each())


def rounding(op: str) -> Form:
    """Whole numbers are rounded already."""
    return lambda c: c.b.op(op, c.arg(0, c.dtype)) if c.dtype.kind == "f" else c.arg(0, c.dtype)


def comparison(op: str) -> Form:
    """Operands in their common type; truth values are ordered as 0 and 1."""
    return lambda c: c.b.op(op, *c.each(np.dtype(np.int32) if c.common() == BOOL else c.common()))


def logical(op: str) -> Form:
    """What is not 0 is true."""
    return lambda c: c.b.op(op, *c.each(BOOL))


def not_for_double(op: str, instead: Any) -> Form:
    """The operator itself, or in float64 an equivalent."""
    return lambda c: instead(c, c.arg(0, c.dtype)) if c.dtype == DOUBLE else c.b.op(op, c.arg(0, c.dtype))


# ---- functions of a value, without a call's operands -----------------------------------------------------------------


def expm1(c: Call, x: str) -> str:
    """eˣ − 1 = tanh(x/2) (eˣ + 1)."""
    half = c.b.op("Tanh", c.b.op("Mul", x, c.constant(0.5)))
    return c.b.op("Mul", half, c.b.op("Add", c.b.op("Exp", x), c.constant(1)))


def log1p(c: Call, x: str) -> str:
    """With u = 1 + x rounded: log(u) x / (u − 1), which makes up for the rounding (Kahan); x where u is 1."""
    u = c.b.op("Add", x, c.constant(1))
    d = c.b.op("Sub", u, c.constant(1))
    ratio = c.b.op("Where", c.b.op("Equal", d, x), c.constant(1), c.b.op("Div", x, d))
    return c.b.op("Where", c.b.op("Equal", u, c.constant(1)), x, c.b.op("Mul", c.b.op("Log", u), ratio))


def sigmoid(c: Call, x: str) -> str:
    """1 / (1 + e⁻ˣ). Runtimes have Sigmoid made of tanh, or cut at some number: far below 0 it has no digit right, or is 0."""
    return c.b.op("Reciprocal", c.b.op("Add", c.b.op("Exp", c.b.op("Neg", x)), c.constant(1)))


def softplus(c: Call, x: str) -> str:
    """max(x, 0) + log(1 + e^−|x|)."""
    power = c.b.op("Exp", c.b.op("Neg", c.b.op("Abs", x)))
    return c.b.op("Add", c.b.op("Max", x, c.constant(0)), log1p(c, power))


def _tan(c: Call, x: str) -> str:
    return c.b.op("Div", c.b.op("Sin", x), c.b.op("Cos", x))


def _powers(c: Call, x: str) -> str:
    return c.b.op("Add", c.b.op("Exp", x), c.b.op("Exp", c.b.op("Neg", x)))


def _cosh(c: Call, x: str) -> str:
    return c.b.op("Mul", _powers(c, x), c.constant(0.5))


def _sinh(c: Call, x: str) -> str:
    """Sinh x = tanh(x/2) (eˣ + e⁻ˣ + 2) / 2, in which nothing cancels."""
    half = c.b.op("Mul", c.b.op("Tanh", c.b.op("Mul", x, c.constant(0.5))), c.constant(0.5))
    return c.b.op("Mul", half, c.b.op("Add", _powers(c, x), c.constant(2)))


def _arctan(c: Call, x: str) -> str:
    """With y, arctan x in float32: y + arctan z, z = (x cos y − sin y) / (cos y + x sin y), so small that arctan z is z."""
    x = c.b.op("Max", c.b.op("Min", x, c.constant(1e18)), c.constant(-1e18))
    single = np.dtype(np.float32)
    y = c.b.cast(c.b.op("Atan", c.b.cast(x, DOUBLE, single)), single, DOUBLE)
    sin, cos = c.b.op("Sin", y), c.b.op("Cos", y)
    above = c.b.op("Sub", c.b.op("Mul", x, cos), sin)
    below = c.b.op("Add", cos, c.b.op("Mul", x, sin))
    return c.b.op("Add", y, c.b.op("Div", above, below))


# ---- forms that do not fit on a line ---------------------------------------------------------------------------------


def _xdivy(c: Call) -> str:
    """0 where a is 0, whatever b is."""
    a, b = c.each()
    return c.b.op("Where", c.b.op("Equal", a, c.constant(0)), c.constant(0), c.b.op("Div", a, b))


def _square(c: Call) -> str:
    x = c.arg(0, c.dtype)
    return c.b.op("Mul", x, x)


def _silu(c: Call) -> str:
    x = c.arg(0, c.dtype)
    return c.b.op("Mul", x, sigmoid(c, x))


def _isnan(c: Call) -> str:
    return c.b.op("IsNaN", c.arg(0, _floating(c)))


def _isfinite(c: Call) -> str:
    x = c.arg(0, _floating(c))
    return c.b.op("Not", c.b.op("Or", c.b.op("IsNaN", x), c.b.op("IsInf", x)))


def _floating(c: Call) -> np.dtype[Any]:
    own = c.args[0].step.dtype
    return own if own.kind == "f" else DOUBLE


def _where(c: Call) -> str:
    condition = c.arg(0, BOOL)
    if c.dtype != BOOL:
        return c.b.op("Where", condition, c.arg(1, c.dtype), c.arg(2, c.dtype))
    yes = c.b.op("And", condition, c.arg(1, BOOL))
    return c.b.op("Or", yes, c.b.op("And", c.b.op("Not", condition), c.arg(2, BOOL)))


# fmt: off
# ---- the table: op, its form -----------------------------------------------------------------------------------------

FORMS: Mapping[Op, Form] = {
    e.identity:      lambda c: c.arg(0, c.dtype),
    e.astype:        lambda c: c.arg(0, c.dtype),
    e.to_discrete:   lambda c: c.arg(0, c.dtype),
    e.negative:      unary("Neg"),
    e.add:           binary("Add", "Or"),
    e.subtract:      binary("Sub"),
    e.multiply:      binary("Mul", "And"),
    e.divide:        binary("Div"),
    e.xdivy:         _xdivy,
    e.power:         binary("Pow"),
    e.abs:           lambda c: c.arg(0) if c.dtype == BOOL else c.b.op("Abs", c.arg(0, c.dtype)),
    e.square:        _square,
    e.sqrt:          unary("Sqrt"),
    e.exp:           unary("Exp"),
    e.expm1:         lambda c: expm1(c, c.arg(0, c.dtype)),
    e.log:           unary("Log"),
    e.log1p:         lambda c: log1p(c, c.arg(0, c.dtype)),
    e.sin:           unary("Sin"),
    e.cos:           unary("Cos"),
    e.tan:           not_for_double("Tan", _tan),
    e.sinh:          not_for_double("Sinh", _sinh),
    e.cosh:          not_for_double("Cosh", _cosh),
    e.tanh:          unary("Tanh"),
    e.arctan:        not_for_double("Atan", _arctan),
    e.sigmoid:       lambda c: sigmoid(c, c.arg(0, c.dtype)),
    e.softplus:      lambda c: softplus(c, c.arg(0, c.dtype)),
    e.silu:          _silu,
    e.equal:         lambda c: c.b.op("Equal", *c.each(c.common())),
    e.not_equal:     lambda c: c.b.op("Not", c.b.op("Equal", *c.each(c.common()))),
    e.less:          comparison("Less"),
    e.less_equal:    comparison("LessOrEqual"),
    e.greater:       comparison("Greater"),
    e.greater_equal: comparison("GreaterOrEqual"),
    e.logical_and:   logical("And"),
    e.logical_or:    logical("Or"),
    e.logical_not:   logical("Not"),
    e.sign:          unary("Sign"),
    e.floor:         rounding("Floor"),
    e.ceil:          rounding("Ceil"),
    e.rint:          rounding("Round"),
    e.isnan:         _isnan,
    e.isfinite:      _isfinite,
    s.where:         _where,
    s.maximum:       binary("Max", "Or"),
    s.minimum:       binary("Min", "And"),
}
# fmt: on
