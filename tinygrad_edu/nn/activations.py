"""Activations as modules: functions of this library that have a place in a Sequential."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..functions import elementwise as e
from ..functions import selection as s
from ..record import TensorLike
from ..settings import number
from ..tensor import Tensor
from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Activation(Module):
    """y_i = f(x_i): a module without parameters. A subclass writes ``forward``.

    Attributes
    ----------
    cuts : bool
        Whether it cuts off, or nearly, what is below 0: then weights before it are better larger
        (:func:`tg.nn.init.he_normal`).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> class Sine(tg.nn.Activation):
    ...     def forward(self, x):
    ...         return tg.sin(x)
    >>> tg.nn.MLP([2, 4, 1], Sine(), seed=0)(np.ones((3, 2))).shape
    (3, 1)
    """

    cuts: ClassVar[bool] = False


class Tanh(Activation):
    """y = tanh x.

    >>> tg.nn.Tanh()(0.0).item()
    0.0
    """

    def forward(self, x: TensorLike) -> Tensor:
        """tanh x."""
        return e.tanh(x)


class Sigmoid(Activation):
    """y = 1 / (1 + e⁻ˣ).

    >>> tg.nn.Sigmoid()(0.0).item()
    0.5
    """

    def forward(self, x: TensorLike) -> Tensor:
        """1 / (1 + e⁻ˣ)."""
        return e.sigmoid(x)


class ReLU(Activation):
    """y = max(x, 0), with derivative 0 at 0.

    >>> tg.nn.ReLU()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    cuts = True

    def forward(self, x: TensorLike) -> Tensor:
        """max(x, 0)."""
        return e.relu(x)


class LeakyReLU(Activation):
    """y = x for x > 0, else slope x.

    >>> tg.nn.LeakyReLU(0.1)([-1.0, 2.0]).tolist()
    [-0.1, 2.0]
    """

    cuts = True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = number("LeakyReLU", "negative_slope", negative_slope, least=-math.inf)

    def forward(self, x: TensorLike) -> Tensor:
        """x, or slope x."""
        return e.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"{self.negative_slope:g}"


class ELU(Activation):
    """y = x for x > 0, else α (eˣ − 1).

    >>> tg.nn.ELU()([0.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    cuts = True

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("ELU", "alpha", alpha, least=-math.inf)

    def forward(self, x: TensorLike) -> Tensor:
        """x, or α (eˣ − 1)."""
        return e.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The α."""
        return f"{self.alpha:g}"


class SELU(Activation):
    """y = λ x for x > 0, else λ α (eˣ − 1), α = 1.673..., λ = 1.051....

    >>> tg.nn.SELU()(0.0).item()
    0.0
    """

    def forward(self, x: TensorLike) -> Tensor:
        """λ x, or λ α (eˣ − 1)."""
        return e.selu(x)


class GELU(Activation):
    """y = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    >>> tg.nn.GELU()(0.0).item()
    0.0
    """

    cuts = True

    def forward(self, x: TensorLike) -> Tensor:
        """x Φ(x), nearly."""
        return e.gelu(x)


class SiLU(Activation):
    """y = x sigmoid(x), also called swish.

    >>> tg.nn.SiLU()(0.0).item()
    0.0
    """

    cuts = True

    def forward(self, x: TensorLike) -> Tensor:
        """x sigmoid(x)."""
        return e.silu(x)


class Softplus(Activation):
    """y = ln(1 + eˣ).

    >>> tg.nn.Softplus()(1000.0).item()
    1000.0
    """

    cuts = True

    def forward(self, x: TensorLike) -> Tensor:
        """ln(1 + eˣ)."""
        return e.softplus(x)


class Softmax(Activation):
    """y_i = e^(x_i) / Σ_k e^(x_k) along the axis. Not before CrossEntropyLoss, which takes scores.

    >>> tg.nn.Softmax()([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: TensorLike) -> Tensor:
        """e^(x_i) / Σ_k e^(x_k)."""
        return s.softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"


class LogSoftmax(Softmax):
    """y_i = x_i − ln Σ_k e^(x_k) along the axis.

    >>> tg.nn.LogSoftmax()([0.0, -1000.0]).tolist()
    [0.0, -1000.0]
    """

    def forward(self, x: TensorLike) -> Tensor:
        """x_i − ln Σ_k e^(x_k)."""
        return s.log_softmax(x, self.axis)


ACTIVATIONS: dict[str, Any] = {
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
}
