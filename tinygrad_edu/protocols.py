"""Python's and NumPy's protocols: ``np.tanh(t)``, ``array @ t``, ``len(t)``, ``bool(t)``; what is not recorded says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from . import explain
from .methods import Methods
from .ops import OPS, Op
from .record import LITERALS, T, operand, own, record

UFUNCS = {op.numpy: op for op in OPS.values() if isinstance(op.numpy, np.ufunc)}
# NumPy functions that are not ufuncs, with ours in their place; functions/ fills it with @implements.
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


class Protocols(Methods):
    """A record that Python and NumPy treat as an array."""

    __slots__ = ()

    @classmethod
    def __record__(cls, op: Op, args: Sequence[Any], params: Mapping[str, Any]) -> Self:
        return apply_as(cls, op, args, params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        op = UFUNCS.get(ufunc)
        if kwargs.get("out") is not None:
            raise TypeError(
                f"{ufunc.__name__}: the result is a Tensor and cannot be written into an ndarray: it would lose its gradient.\n"
                f"  Try: {_spell_in_place(ufunc)}"
            )
        if op is None or method != "__call__" or kwargs:
            how = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            extra = f" with {', '.join(kwargs)}=" if kwargs else ""
            raise TypeError(f"np.{how}{extra} is not recorded for Tensors.\n  Try: t.numpy() to compute without a gradient")
        return apply_as(type(self), op, inputs, {})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = FUNCTIONS.get(function)
        if ours is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            raise TypeError(f"{name} is not recorded for Tensors.\n  Try: t.numpy() to compute without a gradient")
        return ours(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self._requires_grad:
            raise TypeError(f"{self._called()} as an ndarray would lose its gradient.\n  Try: .numpy() for a copy, .data to look")
        return np.array(self._seen(), dtype=dtype)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        if not self.shape:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: object) -> bool:
        return bool(np.any(self._seen() == (value._seen() if isinstance(value, Methods) else value)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth value of {self._called()} with shape {self.shape} is ambiguous.\n  Try: .any() or .all()"
            )
        return bool(np.asarray(self._seen()).item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.shape or self.dtype.kind not in "iu":
            raise TypeError(f"{self._called()} ({self.dtype}, shape {self.shape}) is not an integer")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)


def _spell_in_place(ufunc: np.ufunc) -> str:
    sign = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@"}.get(ufunc.__name__)
    return f"a = a {sign} t   instead of   a {sign}= t" if sign else f"a = np.{ufunc.__name__}(...)   without out="


def apply_as(kind: type[T], op: Op, operands: Sequence[Any], params: Mapping[str, Any]) -> T:
    """``op(*operands, **params)``, recorded, whatever the operands are."""
    explain.check_rules(op, len(operands))
    if all(type(x) in LITERALS for x in operands):
        operands = [own(x) for x in operands]  # there is nothing to adapt to: compute as NumPy does
    return record(op, tuple([operand(x, op, kind) for x in operands]), params)
