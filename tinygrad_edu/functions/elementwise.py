"""Elementwise functions: y_i = f(x_i), with NumPy's broadcasting where there are several arguments."""

from __future__ import annotations

import numpy as np

from ..ops import elementwise as e
from ..ops import selection as s
from ..record import TensorLike, record
from ..tensor import Tensor, apply, as_tensor
from .implements import implements

__all__ = [
    "abs",
    "add",
    "arctan",
    "celu",
    "clip",
    "cos",
    "cosh",
    "divide",
    "elu",
    "exp",
    "expm1",
    "gelu",
    "leaky_relu",
    "log",
    "log1p",
    "log_sigmoid",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "power",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "where",
]


def add(a: TensorLike, b: TensorLike) -> Tensor:
    """y = a + b.

    >>> tg.add(6.0, 2.0)
    Tensor(8., op='add')
    """
    return apply(e.add, a, b)


def subtract(a: TensorLike, b: TensorLike) -> Tensor:
    """y = a − b.

    >>> tg.subtract(6.0, 2.0)
    Tensor(4., op='subtract')
    """
    return apply(e.subtract, a, b)


def multiply(a: TensorLike, b: TensorLike) -> Tensor:
    """y = a ∗ b, place by place.

    >>> tg.multiply(6.0, 2.0)
    Tensor(12., op='multiply')
    """
    return apply(e.multiply, a, b)


def divide(a: TensorLike, b: TensorLike) -> Tensor:
    """y = a / b.

    >>> tg.divide(6.0, 2.0)
    Tensor(3., op='divide')
    """
    return apply(e.divide, a, b)


def power(a: TensorLike, b: TensorLike) -> Tensor:
    """y = aᵇ. The derivative by a is 0 where b is 0; by b it is NaN for a < 0.

    >>> tg.power(6.0, 2.0)
    Tensor(36., op='power')
    """
    return apply(e.power, a, b)


def negative(x: TensorLike) -> Tensor:
    """y = −x.

    >>> tg.negative(2.0)
    Tensor(-2., op='negative')
    """
    return record(e.negative, (as_tensor(x),))


def abs(x: TensorLike) -> Tensor:
    """y = |x|, with derivative 0 at 0.

    >>> tg.abs([-2.0, 3.0])
    Tensor([2., 3.], op='abs')
    """
    return record(e.abs, (as_tensor(x),))


def square(x: TensorLike) -> Tensor:
    """y = x².

    >>> tg.square(3.0)
    Tensor(9., op='square')
    """
    return record(e.square, (as_tensor(x),))


def sqrt(x: TensorLike) -> Tensor:
    """y = √x; the derivative at 0 is infinite.

    >>> tg.sqrt(9.0)
    Tensor(3., op='sqrt')
    """
    return record(e.sqrt, (as_tensor(x),))


def exp(x: TensorLike) -> Tensor:
    """y = eˣ.

    >>> tg.exp(0.0)
    Tensor(1., op='exp')
    """
    return record(e.exp, (as_tensor(x),))


def expm1(x: TensorLike) -> Tensor:
    """y = eˣ − 1, exact for small x.

    >>> tg.expm1(1e-20)
    Tensor(1.e-20, op='expm1')
    """
    return record(e.expm1, (as_tensor(x),))


def log(x: TensorLike) -> Tensor:
    """y = ln x, the natural logarithm.

    >>> tg.log(1.0)
    Tensor(0., op='log')
    """
    return record(e.log, (as_tensor(x),))


def log1p(x: TensorLike) -> Tensor:
    """y = ln(1 + x), exact for small x.

    >>> tg.log1p(1e-20)
    Tensor(1.e-20, op='log1p')
    """
    return record(e.log1p, (as_tensor(x),))


def sin(x: TensorLike) -> Tensor:
    """y = sin x, x in radians.

    >>> tg.sin(0.0)
    Tensor(0., op='sin')
    """
    return record(e.sin, (as_tensor(x),))


def cos(x: TensorLike) -> Tensor:
    """y = cos x, x in radians.

    >>> tg.cos(0.0)
    Tensor(1., op='cos')
    """
    return record(e.cos, (as_tensor(x),))


def tan(x: TensorLike) -> Tensor:
    """y = tan x, x in radians; dy/dx = 1 + y².

    >>> tg.tan(0.0)
    Tensor(0., op='tan')
    """
    return record(e.tan, (as_tensor(x),))


def sinh(x: TensorLike) -> Tensor:
    """y = (eˣ − e⁻ˣ) / 2.

    >>> tg.sinh(0.0)
    Tensor(0., op='sinh')
    """
    return record(e.sinh, (as_tensor(x),))


def cosh(x: TensorLike) -> Tensor:
    """y = (eˣ + e⁻ˣ) / 2.

    >>> tg.cosh(0.0)
    Tensor(1., op='cosh')
    """
    return record(e.cosh, (as_tensor(x),))


def tanh(x: TensorLike) -> Tensor:
    """y = tanh x; dy/dx = 1 − y².

    >>> tg.tanh(0.0)
    Tensor(0., op='tanh')
    """
    return record(e.tanh, (as_tensor(x),))


def arctan(x: TensorLike) -> Tensor:
    """y = arctan x, in radians; dy/dx = 1 / (1 + x²).

    >>> tg.arctan(0.0)
    Tensor(0., op='arctan')
    """
    return record(e.arctan, (as_tensor(x),))


def sigmoid(x: TensorLike) -> Tensor:
    """y = 1 / (1 + e⁻ˣ); dy/dx = y (1 − y). Finite for every finite x.

    >>> tg.sigmoid([0.0, -1000.0])
    Tensor([0.5, 0. ], op='sigmoid')
    """
    return record(e.sigmoid, (as_tensor(x),))


def log_sigmoid(x: TensorLike) -> Tensor:
    """y = ln sigmoid(x), without overflow; dy/dx = 1 − eʸ.

    >>> tg.log_sigmoid(-1000.0)
    Tensor(-1000., op='log_sigmoid')
    """
    return record(e.log_sigmoid, (as_tensor(x),))


def softplus(x: TensorLike) -> Tensor:
    """y = ln(1 + eˣ), without overflow; dy/dx = sigmoid(x).

    >>> tg.softplus(1000.0)
    Tensor(1000., op='softplus')
    """
    return record(e.softplus, (as_tensor(x),))


def relu(x: TensorLike) -> Tensor:
    """y = max(x, 0), with derivative 0 at 0.

    >>> tg.relu([-1.0, 2.0])
    Tensor([0., 2.], op='relu')
    """
    return record(e.relu, (as_tensor(x),))


def silu(x: TensorLike) -> Tensor:
    """y = x sigmoid(x), also called swish.

    >>> tg.silu(0.0)
    Tensor(0., op='silu')
    """
    return record(e.silu, (as_tensor(x),))


def gelu(x: TensorLike) -> Tensor:
    """y = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2 (Hendrycks and Gimpel 2016, the form with tanh).

    >>> tg.gelu(0.0)
    Tensor(0., op='gelu')
    """
    return record(e.gelu, (as_tensor(x),))


def selu(x: TensorLike) -> Tensor:
    """y = λ x for x > 0, else λ α (eˣ − 1), α = 1.673..., λ = 1.051... (Klambauer et al. 2017).

    >>> tg.selu(0.0)
    Tensor(0., op='selu')
    """
    return record(e.selu, (as_tensor(x),))


def leaky_relu(x: TensorLike, slope: TensorLike = 0.01) -> Tensor:
    """y = x for x > 0, else slope x; at 0 the derivative is the slope.

    The slope may be a Tensor that is learned.

    >>> tg.leaky_relu([-1.0, 2.0])
    Tensor([-0.01,  2.  ], op='leaky_relu')
    """
    return apply(e.leaky_relu, x, slope)


def elu(x: TensorLike, alpha: TensorLike = 1.0) -> Tensor:
    """y = x for x > 0, else α (eˣ − 1) (Clevert et al. 2016).

    The alpha may be a Tensor that is learned.

    >>> tg.elu([0.0, 2.0])
    Tensor([0., 2.], op='elu')
    """
    return apply(e.elu, x, alpha)


def celu(x: TensorLike, alpha: TensorLike = 1.0) -> Tensor:
    """y = x for x > 0, else α (e^(x/α) − 1) (Barron 2017).

    The alpha may be a Tensor that is learned.

    >>> tg.celu([0.0, 2.0])
    Tensor([0., 2.], op='celu')
    """
    return apply(e.celu, x, alpha)


def maximum(a: TensorLike, b: TensorLike) -> Tensor:
    """y_i = the larger of a_i and b_i; where they tie, each receives half of the gradient.

    >>> tg.maximum([1.0, 5.0], 3.0)
    Tensor([3., 5.], op='maximum')
    """
    return apply(s.maximum, a, b)


def minimum(a: TensorLike, b: TensorLike) -> Tensor:
    """y_i = the smaller of a_i and b_i; where they tie, each receives half of the gradient.

    >>> tg.minimum([1.0, 5.0], 3.0)
    Tensor([1., 3.], op='minimum')
    """
    return apply(s.minimum, a, b)


@implements(np.clip)
def clip(x: TensorLike, lo: TensorLike | None = None, hi: TensorLike | None = None) -> Tensor:
    """y = min(max(x, lo), hi); the gradient passes where lo ≤ x ≤ hi, and goes to the bound elsewhere.

    >>> tg.clip([-2.0, 0.5, 2.0], 0.0, 1.0)
    Tensor([0. , 0.5, 1. ], op='clip')
    """
    return as_tensor(x).clip(lo, hi)


@implements(np.where)
def where(condition: TensorLike, a: TensorLike, b: TensorLike) -> Tensor:
    """y_i = a_i where the condition holds, else b_i; the gradient goes to the one that was chosen.

    >>> tg.where([True, False], [1.0, 2.0], [3.0, 4.0])
    Tensor([1., 4.], op='where')
    """
    return apply(s.where, condition, a, b)
