"""The contractions, reductions, orderings and losses in ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ops import Op
from ..ops import contraction as k
from ..ops import selection as s
from ..ops import tabulated as t
from .builder import INT64
from .call import BOOL, Call, Form
from .elementwise import log1p, softplus
from .size import Size


def as_numbers(form: Form) -> Form:
    """Truth values are added and compared as 0 and 1, for which the operator has no form of its own."""

    def run(c: Call) -> str:
        if c.dtype != BOOL:
            return form(c)
        c.dtype = INT64
        return c.b.cast(form(c), INT64, BOOL)

    return run


def reduction(op: str) -> Form:
    """Over the axes of the parameters; over none, the value itself."""
    return lambda c: c.reduce(op, c.arg(0, c.dtype), c.axes(), c.params["keepdims"])


def _matmul(c: Call) -> str:
    """Operands with one axis are given a second: a runtime that fuses a transposition into the product needs two."""
    a, b = c.each()
    if c.rank(0) > 1 and c.rank(1) > 1:
        return c.b.op("MatMul", a, b)
    first, last = c.integers([0]), c.integers([-1])
    left = a if c.rank(0) > 1 else c.b.op("Unsqueeze", a, first)
    right = b if c.rank(1) > 1 else c.b.op("Unsqueeze", b, last)
    gone = ([-2] if c.rank(0) == 1 else []) + ([-1] if c.rank(1) == 1 else [])
    return c.b.op("Squeeze", c.b.op("MatMul", left, right), c.integers(gone))


def _outer(c: Call) -> str:
    a, b = c.each()
    return c.b.op("Mul", c.b.op("Unsqueeze", a, c.integers([1])), c.b.op("Unsqueeze", b, c.integers([0])))


def _trace(c: Call) -> str:
    """What is not on the diagonal is replaced, not multiplied, by 0: it may be infinite."""
    x = c.arg(0, c.dtype)
    diagonal = c.b.cast(c.b.op("EyeLike", x, k=c.params["offset"]), c.dtype, BOOL)
    return c.reduce("ReduceSum", c.b.op("Where", diagonal, x, c.constant(0)), (0, 1), False)


def _ordered(c: Call, output: int) -> str:
    """The values in order, or their places; of equal ones the first comes first."""
    own = c.args[0].step.dtype
    compared = np.dtype(np.int32) if own == BOOL else own
    axis = c.params["axis"]
    size = c.shapes[0][axis]
    c.b.op("TopK", c.arg(0, compared), c.b.size(size), outputs=2, axis=axis, largest=0)
    return c.b.cast(c.b.nodes[-1].outputs[output], (compared, INT64)[output], c.dtype)


def _argument(op: str) -> Form:
    def form(c: Call) -> str:
        own = c.args[0].step.dtype
        x = c.arg(0, np.dtype(np.int32) if own == BOOL else own)
        axis = c.params["axis"]
        if axis is None:
            x, axis = c.b.op("Reshape", x, c.integers([-1])), 0
        return c.b.op(op, x, axis=axis, keepdims=0)

    return form


def _one_hot(c: Call) -> str:
    classes = c.params["classes"]
    numbers = (
        c.b.op("Range", c.integers(0), c.b.scalar(classes), c.integers(1))
        if isinstance(classes, Size)
        else c.integers(np.arange(classes))
    )
    own = np.result_type(c.args[0].step.dtype, INT64)
    x = c.b.op("Unsqueeze", c.arg(0, own), c.integers([-1]))
    return c.b.op("Equal", x, c.b.cast(numbers, INT64, own))


def _softmax(c: Call) -> str:
    x = c.arg(0, c.dtype)
    if isinstance(c.params["axis"], int) and c.rank():
        return c.b.op("Softmax", x, axis=c.params["axis"])
    axes = c.axes()
    powers = c.b.op("Exp", c.b.op("Sub", x, c.reduce("ReduceMax", x, axes, True)))
    return c.b.op("Div", powers, c.reduce("ReduceSum", powers, axes, True))


def _log_softmax(c: Call) -> str:
    x = c.arg(0, c.dtype)
    if isinstance(c.params["axis"], int) and c.rank():
        return c.b.op("LogSoftmax", x, axis=c.params["axis"])
    axes = c.axes()
    z = c.b.op("Sub", x, c.reduce("ReduceMax", x, axes, True))
    return c.b.op("Sub", z, c.b.op("Log", c.reduce("ReduceSum", c.b.op("Exp", z), axes, True)))


def _logsumexp(c: Call) -> str:
    """With the largest number taken out, where it is finite: so nothing overflows, and −inf stays −inf."""
    x, axes = c.arg(0, c.dtype), c.axes()
    largest = c.reduce("ReduceMax", x, axes, True)
    wild = c.b.op("Or", c.b.op("IsInf", largest), c.b.op("IsNaN", largest))
    peak = c.b.op("Where", wild, c.constant(0), largest)
    total = c.reduce("ReduceSum", c.b.op("Exp", c.b.op("Sub", x, peak)), axes, True)
    y = c.b.op("Add", c.b.op("Log", total), peak)
    return y if c.params["keepdims"] or not axes else c.b.op("Squeeze", y, c.integers(list(axes)))


def _norm(c: Call) -> str:
    x = c.arg(0, c.dtype)
    return c.b.op("Sqrt", c.reduce("ReduceSum", c.b.op("Mul", x, x), c.axes(), c.params["keepdims"]))


# ---- losses ----------------------------------------------------------------------------------------------------------


def _mean_of(c: Call, x: str) -> str:
    """The mean of all numbers, whose shape is broadcast from the operands."""
    return c.b.op("ReduceMean", x, keepdims=0)


def _bce(c: Call) -> str:
    """−1/n Σ (t log p + (1 − t) log(1 − p)), where 0 · log 0 is 0."""
    p, target = c.each()
    zero, one = c.constant(0), c.constant(1)
    yes = c.b.op("Mul", target, c.b.op("Log", p))
    no = c.b.op("Mul", c.b.op("Sub", one, target), log1p(c, c.b.op("Neg", p)))
    yes = c.b.op("Where", c.b.op("Equal", target, zero), zero, yes)
    no = c.b.op("Where", c.b.op("Equal", target, one), zero, no)
    return _mean_of(c, c.b.op("Neg", c.b.op("Add", yes, no)))


def _bce_with_logits(c: Call) -> str:
    u, target = c.each()
    return _mean_of(c, c.b.op("Sub", softplus(c, u), c.b.op("Mul", u, target)))


def _cross_entropy(c: Call) -> str:
    log_p = c.b.op("LogSoftmax", c.arg(0, c.dtype), axis=-1)
    if c.rank(1) == c.rank():
        chosen = c.reduce("ReduceSum", c.b.op("Mul", c.arg(1, c.dtype), log_p), [-1], False)
    else:
        places = c.b.op("Unsqueeze", c.arg(1, INT64), c.integers([-1]))
        chosen = c.b.op("GatherElements", log_p, places, axis=c.rank() - 1)
    return c.b.op("Neg", _mean_of(c, chosen))


# fmt: off
# ---- the table: op, its form -----------------------------------------------------------------------------------------

FORMS: Mapping[Op, Form] = {
    k.matmul:          as_numbers(_matmul),
    k.outer:           as_numbers(_outer),
    k.einsum:          as_numbers(lambda c: c.b.op("Einsum", *c.each(), equation=c.params["equation"])),
    k.sum:             reduction("ReduceSum"),
    k.mean:            reduction("ReduceMean"),
    k.trace:           _trace,
    k.cumsum:          lambda c: c.b.op("CumSum", c.arg(0, c.dtype), c.integers(c.params["axis"])),
    s.max:             as_numbers(reduction("ReduceMax")),
    s.min:             as_numbers(reduction("ReduceMin")),
    s.sort:            lambda c: _ordered(c, 0),
    s.argsort:         lambda c: _ordered(c, 1),
    s.argmax:          _argument("ArgMax"),
    s.argmin:          _argument("ArgMin"),
    s.one_hot:         _one_hot,
    t.softmax:         _softmax,
    t.log_softmax:     _log_softmax,
    t.logsumexp:       _logsumexp,
    t.norm:            _norm,
    t.bce:             _bce,
    t.bce_with_logits: _bce_with_logits,
    t.cross_entropy:   _cross_entropy,
}
# fmt: on
