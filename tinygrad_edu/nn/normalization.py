"""Normalisation: mean 0 and variance 1, over the examples (BatchNorm1d) or over each example (LayerNorm)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import CompileError, ShapeError
from ..explain import message
from ..functions.elementwise import sqrt
from ..modes import MODES, is_tracing
from ..record import TensorLike
from ..settings import number, size
from ..tensor import Tensor, as_tensor
from .arguments import parameter
from .module import Module

__all__ = ["BatchNorm1d", "LayerNorm"]


class LayerNorm(Module):
    """y = γ ∗ (x − mean) / √(var + ε) + β, mean and variance of each example over its last axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of the axes that are normalised, the last of x.
    eps : float
        ε.
    dtype : numpy dtype
        Of the parameters.

    Attributes
    ----------
    weight, bias : Tensor
        γ, at first 1, and β, at first 0, of the normalised shape.

    Raises
    ------
    ShapeError
        When called with x whose last axes are others.

    Notes
    -----
    The variance is that of the n numbers themselves, divided by n. Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nn.LayerNorm(2, eps=0.0)([[1.0, 3.0], [5.0, -5.0]]).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]
    """

    symbols: ClassVar[Mapping[str, str]] = {"weight": "gamma", "bias": "beta"}

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, *, dtype: Any = np.float64) -> None:
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple([size("LayerNorm", "normalized_shape", n) for n in sizes])
        if not self.normalized_shape:
            raise ValueError("LayerNorm: normalized_shape is (): there are no axes to normalise over.\n  Try: tg.nn.LayerNorm(3)")
        self.eps = number("LayerNorm", "eps", eps)
        self.weight = parameter(np.ones(self.normalized_shape, dtype), "gamma")
        self.bias = parameter(np.zeros(self.normalized_shape, dtype), "beta")

    def forward(self, x: TensorLike) -> Tensor:
        """γ ∗ (x − mean) / √(var + ε) + β."""
        x = as_tensor(x)
        rank = len(self.normalized_shape)
        if x.shape[-rank:] != self.normalized_shape:
            rule = f"the last axes of x must be normalized_shape, {self.normalized_shape}."
            who = f"LayerNorm({self.extra_repr()})"
            raise ShapeError(message(who, (x, self.weight), "x does not fit", rule, (), ("x", "weight")))
        axes = tuple(range(x.ndim - rank, x.ndim))
        centred = x - x.mean(axes, keepdims=True)
        var = (centred * centred).mean(axes, keepdims=True)
        return centred / sqrt(var + self.eps) * self.weight + self.bias

    def extra_repr(self) -> str:
        """The normalised shape."""
        return ", ".join(map(str, self.normalized_shape))


class BatchNorm1d(Module):
    """y = γ ∗ (x − mean) / √(var + ε) + β, mean and variance of each feature over the examples.

    In evaluation they are the running statistics: running ← (1 − momentum) running + momentum · that of the examples.

    Shapes: x (N, F), or (N, F, length), where each feature is normalised over the examples and the length.

    Parameters
    ----------
    num_features : int
        F.
    eps : float
        ε.
    momentum : float
        How much of the running statistics a call in training replaces, from 0 to 1.
    dtype : numpy dtype
        Of the parameters and statistics.

    Attributes
    ----------
    weight, bias : Tensor
        γ, at first 1, and β, at first 0, of shape (F,).
    running_mean, running_var : Tensor
        Buffers: saved with the parameters, not trained. Assign ``running_mean.data``.

    Raises
    ------
    ShapeError
        When called with x of another shape, or in training with one number for each feature: its variance is 0.
    CompileError
        In training, inside of ``tg.compile``: a program does not update running statistics.

    Notes
    -----
    As in PyTorch, x is normalised with the variance divided by n, and the running variance is that divided by n − 1, an estimate
    for all examples. Source: Ioffe and Szegedy, "Batch normalization", 2015, algorithms 1 and 2.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> norm = tg.nn.BatchNorm1d(1, eps=0.0)
    >>> norm([[1.0], [3.0]]).tolist()
    [[-1.0], [1.0]]
    >>> norm.running_mean.tolist(), norm.running_var.tolist()
    ([0.2], [1.1])
    """

    symbols: ClassVar[Mapping[str, str]] = {"weight": "gamma", "bias": "beta"}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, *, dtype: Any = np.float64) -> None:
        self.num_features = size("BatchNorm1d", "num_features", num_features)
        self.eps = number("BatchNorm1d", "eps", eps)
        self.momentum = number("BatchNorm1d", "momentum", momentum)
        if self.momentum > 1:
            raise ValueError(f"BatchNorm1d: momentum is {momentum}: the part that is replaced, from 0 to 1.")
        self.weight = parameter(np.ones(num_features, dtype), "gamma")
        self.bias = parameter(np.zeros(num_features, dtype), "beta")
        self.running_mean = Tensor(np.zeros(num_features, dtype), name="running_mean")
        self.running_var = Tensor(np.ones(num_features, dtype), name="running_var")

    def forward(self, x: TensorLike) -> Tensor:
        """γ ∗ (x − mean) / √(var + ε) + β."""
        x = as_tensor(x)
        who, words = f"BatchNorm1d({self.num_features})", ("x", "weight")
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            rule = f"x must be (N, {self.num_features}) or (N, {self.num_features}, length)."
            raise ShapeError(message(who, (x, self.weight), "x does not fit", rule, (), words))
        axes = (0,) if x.ndim == 2 else (0, 2)
        fit = (self.num_features,) if x.ndim == 2 else (self.num_features, 1)
        if not self.training:
            return self._result(x - self.running_mean.reshape(fit), self.running_var.reshape(fit), fit)
        n = x.size // self.num_features
        if n < 2:
            rule = f"in training each feature needs at least 2 numbers, there is {n}: their variance would be 0."
            raise ShapeError(
                f"{message(who, (x,), 'too few examples', rule)}\n  Try: batches of at least 2 examples, or model.eval()"
            )
        if MODES.get() and is_tracing():
            raise CompileError(
                "compile: BatchNorm1d in training updates its running statistics at every call, which a program does not.\n"
                "  Try: model.eval(); for training, LayerNorm, or a loop that calls the model and L.backward()"
            )
        mean = x.mean(axes, keepdims=True)
        centred = x - mean
        var = (centred * centred).mean(axes, keepdims=True)
        keep, take = 1 - self.momentum, self.momentum
        self.running_mean.data = keep * self.running_mean.data + take * mean.data.reshape(-1)
        self.running_var.data = keep * self.running_var.data + take * n / (n - 1) * var.data.reshape(-1)
        return self._result(centred, var, fit)

    def _result(self, centred: Tensor, var: Tensor, fit: tuple[int, ...]) -> Tensor:
        """γ ∗ centred / √(var + ε) + β, with an axis for the length in γ and β if there is one."""
        return centred / sqrt(var + self.eps) * self.weight.reshape(fit) + self.bias.reshape(fit)

    def extra_repr(self) -> str:
        """F, and the momentum if it is not 0.1."""
        return f"{self.num_features}" + (f", momentum={self.momentum:g}" if self.momentum != 0.1 else "")
