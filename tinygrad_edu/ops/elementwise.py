"""Elementwise: y_i = f(a_i, b_i, ...). The local derivative is f' at the same place.

A row gives, after the forward, one local derivative per argument as a function of the result and the arguments, or
the plain number 1 or -1. What broadcasting repeated is added up again on the edge, never here.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .op import Op, Rule, Value, letters_for


class Whole:
    """A derivative given as the whole product: ``rule(g, y, *args)`` is ``g ∗ ∂y/∂args[i]``, better than in two steps."""

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule


class Elementwise(Op):
    """An op that works on each place alone: the gradient is multiplied by the partial derivative at the same place.

    ``partials[i](y, *args)`` is ``∂y/∂args[i]``; the numbers 1 and -1 stand for themselves, None for no derivative, and
    ``Whole`` for a product with the gradient that is better not split.

    Parameters
    ----------
    name : str
        The printing name.
    forward : callable
        ``y = forward(*args)`` in NumPy, place by place.
    *partials
        One for each argument.
    symbol : str, optional
        How it is written on an arrow and in a formula.

    Raises
    ------
    TypeError
        If a derivative is neither a function nor 1, -1 or None.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> hypotenuse = tg.elementwise("hypot", np.hypot, lambda y, a, b: a / y, lambda y, a, b: b / y)
    >>> tg.grad(hypotenuse)(3.0, 4.0).item()
    0.6
    """

    __slots__ = ("partials",)
    kind: ClassVar[str] = "elementwise"

    def __init__(
        self,
        name: str,
        forward: Rule,
        *partials: Rule | Whole | int | None,
        symbol: str = "",
        numpy: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(name, forward, (), symbol=symbol, numpy=numpy)
        for partial in partials:
            if not (callable(partial) or partial is None or isinstance(partial, Whole) or partial in (1, -1)):
                raise TypeError(
                    f"{name}: a derivative is {type(partial).__name__}: {partial!r:.60}\n"
                    "  each argument needs one of its own: a function of (y, *args), 1, -1 or None; not a list of them."
                )
        if not partials:
            raise TypeError(f"{name}: no derivative was given.\n  Try: None for each argument without one")
        self.partials = partials

    def vjp(self, i: int, g: Value, y: Value, args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """``g ∗ ∂y/∂args[i]``."""
        partial = self.partials[i]
        if callable(partial):
            return g * partial(y, *args, **params)
        if isinstance(partial, Whole):
            return partial.rule(g, y, *args, **params)
        return None if partial is None else g if partial == 1 else -g

    def indices(self, shapes: Sequence[tuple[int, ...]], params: Mapping[str, Any]) -> str:
        """``y_ij = f(a_ij, b_j)``: an axis that is missing or has size 1 carries no index."""
        shape = np.broadcast_shapes(*shapes)
        letters = letters_for(len(shape))
        operands = []
        for name, sizes in zip("abcdef", shapes, strict=False):
            own = letters[len(shape) - len(sizes) :]
            index = "".join(i for i, size, out in zip(own, sizes, shape[len(shape) - len(sizes) :], strict=True) if size == out)
            operands.append(f"{name}_{index}" if index else name)
        if len(operands) == 2 and not self.symbol[0].isalpha():
            right = f"{operands[0]} {self.symbol} {operands[1]}"
        else:
            right = f"{self.symbol}({', '.join(operands)})"
        return f"y_{letters} = {right}" if letters else f"y = {right}"

    def expand(self, lift: Callable[..., Value], args: Sequence[Value], params: Mapping[str, Any]) -> Value:
        """The op applied to the numbers at each place."""
        return np.frompyfunc(lambda *numbers: lift(self, numbers, params), len(args), 1)(*args)


class Discrete(Elementwise):
    """An elementwise op that is constant between its jumps: its derivative is zero wherever it has one."""

    __slots__ = ()
    kind: ClassVar[str] = "discrete"
    differentiable: ClassVar[bool] = False


# ---- forwards and derivatives that do not fit on a line, mostly so that nothing overflows and no digit is lost ----


def zeros_for(a: Value, b: Value) -> Value:
    """Zeros for the result of a division or a logarithm of a and b."""
    return np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b)), np.result_type(a, b, np.float16))


def _xdivy(a: Value, b: Value) -> Value:
    if np.count_nonzero(b) == np.size(b):
        return a / b
    return np.divide(a, b, out=zeros_for(a, b), where=a != 0)


def _power_base(y: Value, a: Value, b: Value) -> Value:
    if isinstance(b, (int, float)) and b != 0:
        return b * a ** (b - 1)
    return b * a ** np.where((a == 0) & (b == 0), 1, b - 1)  # 0 · 0⁻¹ would be NaN where a⁰ is flat


def _power_exponent(y: Value, a: Value, b: Value) -> Value:
    base = np.where((a == 0) & (b > 0), 1, a)  # 0ᵇ is flat for b > 0, where 0 · log 0 would be NaN
    return y * np.log(base.astype(y.dtype))


@np.errstate(over="ignore")  # exp(-x) = inf gives the right limit, 0
def _sigmoid(x: Value) -> Value:
    return 1 / (1 + np.exp(-x))


def stable_softplus(x: Value) -> Value:
    """log(1 + eˣ) without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _elu(x: Value, alpha: Value) -> Value:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Value, alpha: Value) -> Value:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _celu_alpha(y: Value, x: Value, alpha: Value) -> Value:
    z = np.minimum(x, 0) / alpha
    return np.expm1(z) - z * np.exp(z)


def _selu(x: Value) -> Value:
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def _selu_partial(y: Value, x: Value) -> Value:
    return np.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)


def _gelu(x: Value) -> Value:
    return 0.5 * x * (1 + np.tanh(GELU_A * (x + GELU_B * x * x * x)))


def _gelu_partial(y: Value, x: Value) -> Value:
    t = np.tanh(GELU_A * (x + GELU_B * x * x * x))
    z = np.clip(x, -20, 20)  # beyond, 1 - t² is 0, and x² may be infinite
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * GELU_A * (1 + 3 * GELU_B * z * z)


# Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, the form with tanh.
GELU_A, GELU_B = math.sqrt(2 / math.pi), 0.044715
# Klambauer et al., "Self-Normalizing Neural Networks", 2017.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# fmt: off
# ---- the table: name, forward, ∂y/∂ each argument, how it is written ------------------------------------------------

E, D = Elementwise, Discrete
over_b  = Whole(lambda g, y, a, b: g / b)
over_b0 = Whole(lambda g, y, a, b: xdivy(g * (b != 0), b))  # 0 where b is 0: there a is 0 too, and stays 0

identity        = E("identity",        lambda x: x,                    1,                                                 symbol="=")
astype          = E("astype",          lambda x, dtype: x.astype(dtype), 1)
negative        = E("negative",        operator.neg,                   -1,                                                symbol="−", numpy=np.negative)
add             = E("add",             operator.add,                   1,                      1,                         symbol="+", numpy=np.add)
subtract        = E("subtract",        operator.sub,                   1,                      -1,                        symbol="−", numpy=np.subtract)
multiply        = E("multiply",        operator.mul,                   lambda y, a, b: b,      lambda y, a, b: a,         symbol="∗", numpy=np.multiply)
divide          = E("divide",          operator.truediv,               over_b,                 lambda y, a, b: -y / b,    symbol="/", numpy=np.divide)
xdivy           = E("xdivy",           _xdivy,                         over_b0,                lambda y, a, b: -xdivy(y, b), symbol="/")
power           = E("power",           operator.pow,                   _power_base,            _power_exponent,           symbol="^", numpy=np.power)

abs             = E("abs",             np.abs,                         lambda y, x: np.sign(x),                           symbol="abs", numpy=np.absolute)
square          = E("square",          np.square,                      lambda y, x: 2 * x,                                numpy=np.square)
sqrt            = E("sqrt",            np.sqrt,                        lambda y, x: 0.5 / y,                              symbol="√", numpy=np.sqrt)
exp             = E("exp",             np.exp,                         lambda y, x: y,                                    numpy=np.exp)
expm1           = E("expm1",           np.expm1,                       lambda y, x: np.exp(x),                            numpy=np.expm1)
log             = E("log",             np.log,                         lambda y, x: 1 / x,                                numpy=np.log)
log1p           = E("log1p",           np.log1p,                       lambda y, x: 1 / (1 + x),                          numpy=np.log1p)
sin             = E("sin",             np.sin,                         lambda y, x: np.cos(x),                            numpy=np.sin)
cos             = E("cos",             np.cos,                         lambda y, x: -np.sin(x),                           numpy=np.cos)
tan             = E("tan",             np.tan,                         lambda y, x: 1 + y * y,                            numpy=np.tan)
sinh            = E("sinh",            np.sinh,                        lambda y, x: np.cosh(x),                           numpy=np.sinh)
cosh            = E("cosh",            np.cosh,                        lambda y, x: np.sinh(x),                           numpy=np.cosh)
tanh            = E("tanh",            np.tanh,                        lambda y, x: 1 - y * y,                            numpy=np.tanh)
arctan          = E("arctan",          np.arctan,                      lambda y, x: 1 / (1 + x * x),                      numpy=np.arctan)

sigmoid         = E("sigmoid",         _sigmoid,                       lambda y, x: y * (1 - y),                          symbol="sig")
log_sigmoid     = E("log_sigmoid",     lambda x: -stable_softplus(-x), lambda y, x: -np.expm1(y))
softplus        = E("softplus",        stable_softplus,                lambda y, x: -np.expm1(-y))
relu            = E("relu",            lambda x: np.maximum(x, 0),     lambda y, x: x > 0)
silu            = E("silu",            lambda x: x * _sigmoid(x),      lambda y, x: sigmoid(x) * (1 + x - y))
gelu            = E("gelu",            _gelu,                          _gelu_partial)
selu            = E("selu",            _selu,                          _selu_partial)
leaky_relu      = E("leaky_relu",      lambda x, s: np.where(x > 0, x, s * x), lambda y, x, s: np.where(x > 0, 1, s),     lambda y, x, s: np.minimum(x, 0))
elu             = E("elu",             _elu,                           lambda y, x, alpha: np.where(x > 0, 1, y + alpha), lambda y, x, alpha: np.expm1(np.minimum(x, 0)))
celu            = E("celu",            _celu,                          lambda y, x, alpha: np.where(x > 0, 1, 1 + y / alpha), _celu_alpha)

equal           = D("equal",           operator.eq,                    None, None, symbol="=", numpy=np.equal)
not_equal       = D("not_equal",       operator.ne,                    None, None, symbol="≠", numpy=np.not_equal)
less            = D("less",            operator.lt,                    None, None, symbol="<", numpy=np.less)
less_equal      = D("less_equal",      operator.le,                    None, None, symbol="≤", numpy=np.less_equal)
greater         = D("greater",         operator.gt,                    None, None, symbol=">", numpy=np.greater)
greater_equal   = D("greater_equal",   operator.ge,                    None, None, symbol="≥", numpy=np.greater_equal)
logical_and     = D("logical_and",     np.logical_and,                 None, None, symbol="∧", numpy=np.logical_and)
logical_or      = D("logical_or",      np.logical_or,                  None, None, symbol="∨", numpy=np.logical_or)
logical_not     = D("logical_not",     np.logical_not,                 None,       symbol="¬", numpy=np.logical_not)
sign            = D("sign",            np.sign,                        None,       numpy=np.sign)
floor           = D("floor",           np.floor,                       None,       numpy=np.floor)
ceil            = D("ceil",            np.ceil,                        None,       numpy=np.ceil)
rint            = D("rint",            np.rint,                        None,       numpy=np.rint)
isnan           = D("isnan",           np.isnan,                       None,       numpy=np.isnan)
isfinite        = D("isfinite",        np.isfinite,                    None,       numpy=np.isfinite)
to_discrete     = D("to_discrete",     lambda x, dtype: x.astype(dtype), None,     symbol="astype")
# fmt: on
