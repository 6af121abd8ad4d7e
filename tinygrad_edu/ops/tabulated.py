"""Tabulated: a stable forward as one piece, with its known Jacobian; and the same in elementary steps, to be expanded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from . import elementwise as e
from .contraction import sum as total
from .elementwise import xdivy
from .op import Op, Rule, Value
from .rearrangement import expand_dims_of

Axis = int | tuple[int, ...] | None


class Tabulated(Op):
    """An op with a closed Jacobian; ``steps(apply, x, **params)`` is the same value in elementary operations."""

    __slots__ = ("steps",)
    kind: ClassVar[str] = "tabulated"

    def __init__(self, name: str, forward: Rule, rule: Rule, steps: Rule, notation: str, *, symbol: str = "") -> None:
        super().__init__(name, forward, [rule], symbol=symbol, notation=notation)
        self.steps = steps

    def expand(self, lift: Callable[..., Value], args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The elementary steps on numbers that record."""

        def apply(op: Op, x: Value) -> Value:
            return np.asarray(op.expand(lift, (x,), {}), object)

        return self.steps(apply, *args, **params)


def _peak(x: Value, axis: Axis) -> Value:
    """The largest number along the axes, 0 in place of ±inf, so that exp(x - peak) neither overflows nor is NaN."""
    peak = np.maximum.reduce(x, axis, keepdims=True)
    return np.where(np.isfinite(peak), peak, 0.0).astype(x.dtype)


def _softmax(x: Value, axis: Axis) -> Value:
    e = np.exp(x - np.maximum.reduce(x, axis, keepdims=True))
    return e / np.add.reduce(e, axis, keepdims=True)


def _log_softmax(x: Value, axis: Axis) -> Value:
    z = x - np.maximum.reduce(x, axis, keepdims=True)
    return z - np.log(np.add.reduce(np.exp(z), axis, keepdims=True))


def _logsumexp(x: Value, axis: Axis, keepdims: bool) -> Value:
    peak = _peak(x, axis)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the right value where every x is -inf
        y = np.log(np.add.reduce(np.exp(x - peak), axis, keepdims=True)) + peak
    return y if keepdims else np.add.reduce(y, axis)  # the axes have size 1 by now


def _norm(x: Value, axis: Axis, keepdims: bool) -> Value:
    return np.sqrt(total.forward(x * x, axis, keepdims))


def _through_softmax(g: Value, y: Value, x: Value, axis: Axis) -> Value:
    return y * (g - total(g * y, axis=axis, keepdims=True))


def _through_log_softmax(g: Value, y: Value, x: Value, axis: Axis) -> Value:
    return g - np.exp(y) * total(g, axis=axis, keepdims=True)


def _through_logsumexp(g: Value, y: Value, x: Value, axis: Axis, keepdims: bool) -> Value:
    return expand_dims_of(g, x.shape, axis, keepdims) * softmax(x, axis=axis)


def _through_norm(g: Value, y: Value, x: Value, axis: Axis, keepdims: bool) -> Value:
    return expand_dims_of(g, x.shape, axis, keepdims) * xdivy(x, expand_dims_of(y, x.shape, axis, keepdims))


def _steps_softmax(apply: Rule, x: Value, axis: Axis) -> Value:
    powers = apply(e.exp, x)
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _steps_logsumexp(apply: Rule, x: Value, axis: Axis, keepdims: bool) -> Value:
    return apply(e.log, np.sum(apply(e.exp, x), axis=axis, keepdims=keepdims))


def _steps_log_softmax(apply: Rule, x: Value, axis: Axis) -> Value:
    return x - _steps_logsumexp(apply, x, axis, True)


def _steps_norm(apply: Rule, x: Value, axis: Axis, keepdims: bool) -> Value:
    return apply(e.sqrt, np.sum(x * x, axis=axis, keepdims=keepdims))


# fmt: off
# ---- the table: name, forward, gᵀ ∂y/∂x, the same in elementary steps, in indices ------------------------------------

T = Tabulated

softmax     = T("softmax",     _softmax,     _through_softmax,     _steps_softmax,     "y_i = exp(x_i) / Σ_k exp(x_k)")
log_softmax = T("log_softmax", _log_softmax, _through_log_softmax, _steps_log_softmax, "y_i = x_i − log Σ_k exp(x_k)")
logsumexp   = T("logsumexp",   _logsumexp,   _through_logsumexp,   _steps_logsumexp,   "y = log Σ_k exp(x_k)")
norm        = T("norm",        _norm,        _through_norm,        _steps_norm,        "y = √(Σ_k x_k²)", symbol="‖ ‖")
# fmt: on
