"""Gradient clipping: gradients that are too large are made smaller, before the step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..explain import first_bad
from ..settings import number
from ..tensor import Tensor


def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> float:
    """g ← g · min(1, max_norm / ‖g‖), g all gradients as one vector: its direction stays.

    Parameters
    ----------
    params : iterable of Tensors
        Those without a gradient are left out.
    max_norm : float
        The largest norm that is let through.

    Returns
    -------
    float
        The norm ‖g‖ before.

    Raises
    ------
    FloatingPointError
        If a gradient is NaN or infinite; then no gradient was changed. (PyTorch's ``error_if_nonfinite=True``.)
    TypeError, ValueError
        If ``max_norm`` is no number, negative or NaN.

    Notes
    -----
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013. Computed
    in units of the largest entry, so that no square overflows.

    Examples
    --------
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True)
    >>> (0.5 * w * w).sum().backward()
    >>> tg.optim.clip_grad_norm([w], 1.0)
    5.0
    >>> w.grad.round(6).tolist()
    [0.6, 0.8]
    """
    max_norm = _limit("clip_grad_norm", "max_norm", max_norm)
    having = _with_gradient("clip_grad_norm", params)
    largest = max((float(np.max(np.abs(p.grad), initial=0)) for p in having), default=0.0)
    if not math.isfinite(largest) or any(first_bad(p.grad) for p in having):
        p = next(p for p in having if first_bad(p.grad) is not None)
        place = first_bad(p.grad)
        at = f" at [{', '.join(map(str, place))}]" if place else ""
        raise FloatingPointError(
            f"clip_grad_norm: the gradient of {p._called()} is {np.asarray(p.grad)[place]}{at}: no scale makes it finite.\n"
            "  Try: with tg.detect_anomaly(): ...   names the operation that made it; or a smaller learning rate"
        )
    scaled = [np.asarray(p.grad, dtype=float).ravel() / largest for p in having] if largest else []
    norm = largest * math.sqrt(sum(float(g @ g) for g in scaled))
    if norm > max_norm:
        for p in having:
            p.grad = np.asarray(p.grad * (max_norm / norm))
    return norm


def clip_grad_value(params: Iterable[Tensor], max_value: float) -> None:
    """g ← min(max(g, −max_value), max_value), number by number.

    Parameters
    ----------
    params : iterable of Tensors
        Those without a gradient are left out.
    max_value : float
        The largest absolute value that is let through. NaN stays NaN.

    Raises
    ------
    TypeError, ValueError
        If ``max_value`` is no number, negative or NaN.

    Examples
    --------
    >>> w = tg.Tensor([3.0, -0.25], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> tg.optim.clip_grad_value([w], 1.0)
    >>> w.grad.tolist()
    [1.0, -0.5]
    """
    max_value = _limit("clip_grad_value", "max_value", max_value)
    for p in _with_gradient("clip_grad_value", params):
        p.grad = np.asarray(np.clip(p.grad, -max_value, max_value))


def _limit(who: str, name: str, value: float) -> float:
    """A number of at least 0; infinity lets everything through."""
    return value if value == math.inf else number(who, name, value)


def _with_gradient(who: str, params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters that have a gradient, each once: one that is there twice would be counted, and scaled, twice."""
    if callable(getattr(params, "parameters", None)):
        raise TypeError(f"{who}: the parameters are {type(params).__name__}, not a list.\n  Try: model.parameters()")
    found = [params] if isinstance(params, Tensor) else params
    return list({id(p): p for p in found if p.grad is not None}.values())
