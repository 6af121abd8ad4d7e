"""Tabulated: a stable forward as one piece, with its known Jacobian; and the same in elementary steps, to be expanded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from . import elementwise as e
from .contraction import sum as total
from .elementwise import xdivy, zeros_for
from .op import Op, Rule, Value
from .rearrangement import expand_dims_of
from .selection import one_hot

Axis = int | tuple[int, ...] | None


class Tabulated(Op):
    """An op with a closed Jacobian; ``steps(apply, *args, **params)`` is the same value in elementary operations."""

    __slots__ = ("steps",)
    kind: ClassVar[str] = "tabulated"

    def __init__(self, name: str, forward: Rule, rules: Sequence[Rule], steps: Rule, notation: str, *, symbol: str = "") -> None:
        super().__init__(name, forward, rules, symbol=symbol, notation=notation)
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


def _bce(p: Value, t: Value) -> Value:
    with np.errstate(divide="ignore", invalid="ignore"):
        yes, no = -t * np.log(p), (t - 1) * np.log1p(-p)
    if np.count_nonzero(np.minimum(yes, no) >= 0) < yes.size:  # not so for probabilities p and t
        yes, no = _bce_at_the_ends(p, t)
    return np.add.reduce(yes + no, None) / yes.size


def _bce_at_the_ends(p: Value, t: Value) -> tuple[Value, Value]:
    """The same where 0 · log 0 counts as 0: where the label rules an outcome out, its probability does not matter."""
    for x, word in ((p, "probability"), (t, "target")):
        outside = np.ravel((x < 0) | (x > 1))
        if np.any(outside):
            raise ValueError(f"{word} {np.ravel(x)[np.argmax(outside)]} is not between 0 and 1")
    log_p = np.log(p, out=zeros_for(p, t), where=t != 0)
    log_q = np.log1p(-p, out=zeros_for(p, t), where=t != 1)
    return -t * log_p, (t - 1) * log_q


def _through_bce(g: Value, y: Value, p: Value, t: Value) -> Value:
    partial = xdivy(1 - t, 1 - p) - xdivy(t, p)
    return g / partial.size * partial


def _through_bce_target(g: Value, y: Value, p: Value, t: Value) -> Value:
    partial = np.log1p(-p) - np.log(p) + 0 * t
    return g / partial.size * partial


def _bce_with_logits(u: Value, t: Value) -> Value:
    errors = np.maximum(u, 0) - u * t + np.log1p(np.exp(-np.abs(u)))  # in this order a small error keeps its digits
    return np.add.reduce(errors, None) / errors.size


def _through_logits(g: Value, y: Value, u: Value, t: Value) -> Value:
    partial = e.sigmoid(u) - t
    return g / partial.size * partial


def _through_logits_target(g: Value, y: Value, u: Value, t: Value) -> Value:
    partial = 0 * t - u
    return g / partial.size * partial


def _steps_bce(apply: Rule, p: Value, t: Value) -> Value:
    errors = -(t * apply(e.log, p) + (1 - t) * apply(e.log, 1 - p))
    return np.sum(errors) / np.size(errors)


def _steps_bce_with_logits(apply: Rule, u: Value, t: Value) -> Value:
    errors = apply(e.softplus, u) - u * t
    return np.sum(errors) / np.size(errors)


def _cross_entropy(z: Value, t: Value) -> Value:
    log_p = _log_softmax(z, -1)
    if t.ndim == z.ndim:
        return -np.add.reduce(t * log_p, None) * z.shape[-1] / z.size
    return -np.add.reduce(np.take_along_axis(log_p, t[..., None], -1), None) / t.size


def _through_scores(g: Value, y: Value, z: Value, t: Value) -> Value:
    p = softmax(z, axis=-1)
    examples = z.size // z.shape[-1]
    if t.ndim == z.ndim:
        return g / examples * (p * total(t, axis=-1, keepdims=True) - t)
    return g / examples * (p - one_hot(t, classes=z.shape[-1]))


def _through_classes(g: Value, y: Value, z: Value, t: Value) -> Value:
    return g * z.shape[-1] / z.size * -log_softmax(z, axis=-1)


def _steps_cross_entropy(apply: Rule, z: Value, t: Value) -> Value:
    log_p = _steps_log_softmax(apply, z, -1)
    chosen = t * log_p if np.ndim(t) == z.ndim else np.take_along_axis(log_p, t[..., None], -1)
    return -np.sum(chosen) / (z.size // z.shape[-1])


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

softmax         = T("softmax",         _softmax,         [_through_softmax],     _steps_softmax,     "y_i = exp(x_i) / Σ_k exp(x_k)")
log_softmax     = T("log_softmax",     _log_softmax,     [_through_log_softmax], _steps_log_softmax, "y_i = x_i − log Σ_k exp(x_k)")
logsumexp       = T("logsumexp",       _logsumexp,       [_through_logsumexp],   _steps_logsumexp,   "y = log Σ_k exp(x_k)")
norm            = T("norm",            _norm,            [_through_norm],        _steps_norm,        "y = √(Σ_k x_k²)", symbol="‖ ‖")
bce             = T("bce",             _bce,             [_through_bce, _through_bce_target],       _steps_bce,             "y = −1/n Σ_i (b_i log a_i + (1 − b_i) log(1 − a_i))")
bce_with_logits = T("bce_with_logits", _bce_with_logits, [_through_logits, _through_logits_target], _steps_bce_with_logits, "y = 1/n Σ_i (log(1 + exp(a_i)) − a_i b_i)", symbol="bce of sig")
cross_entropy   = T("cross_entropy",   _cross_entropy,   [_through_scores, _through_classes],       _steps_cross_entropy,   "y = −1/n Σ_i log(exp(a_i,b_i) / Σ_k exp(a_ik))", symbol="cross entropy")
# fmt: on
