"""One operation that is being written in ONNX: its operands in the type that is needed, its parameters, its shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .builder import INT64, Builder, Value
from .params import Shape
from .plan import Counting, Eye, Step

Form = Callable[["Call"], str]
BOOL = np.dtype(np.bool_)


class Call:
    """``op(*args, **params)``, to be written with a builder."""

    def __init__(self, builder: Builder, step: Step, args: Sequence[Value]) -> None:
        self.b = builder
        self.args = args
        self.params: Mapping[str, Any] = step.params
        self.shape: Shape = step.shape
        self.dtype = step.dtype
        self.shapes: list[Shape] = [a.step.shape for a in args]

    def arg(self, i: int, dtype: np.dtype[Any] | None = None) -> str:
        """An operand as a value of this type, by default of its own."""
        value, b = self.args[i], self.b
        step = value.step
        dtype = step.dtype if dtype is None else dtype
        if value.name is not None:
            return b.cast(value.name, step.dtype, dtype)
        if isinstance(step.value, Eye):
            ones = b.filled(b.constant(1.0, dtype), step.shape)
            return b.op("EyeLike", ones, k=step.value.offset)
        if isinstance(step.value, Counting):
            return b.cast(b.places(step.shape), INT64, dtype)
        if isinstance(step.value, np.ndarray):
            return b.constant(step.value, dtype)
        number = b.number(step.value, dtype)
        return b.filled(number, step.shape) if step.shape else number

    def each(self, dtype: np.dtype[Any] | None = None) -> list[str]:
        """All operands as values of this type, by default of the result's."""
        return [self.arg(i, self.dtype if dtype is None else dtype) for i in range(len(self.args))]

    def common(self) -> np.dtype[Any]:
        """The type that NumPy compares the operands in: Python numbers adapt."""
        return np.result_type(*(a.step.tensor._data if a.step.literal else a.step.dtype for a in self.args))

    def rank(self, i: int = 0) -> int:
        """The number of axes of an operand."""
        return len(self.shapes[i])

    def axes(self, name: str = "axis") -> tuple[int, ...]:
        """The axes that a parameter means, counted from 0: all of them for None."""
        axis = self.params[name]
        axes = range(self.rank()) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return tuple(a % self.rank() for a in axes) if self.rank() else ()

    def reduce(self, op: str, x: str, axes: Sequence[int], keepdims: bool) -> str:
        """A reduction over these axes; over none of them, the value itself."""
        return self.b.op(op, x, self.b.constant(list(axes)), keepdims=int(keepdims)) if len(axes) else x

    def constant(self, number: Any) -> str:
        """A number of the result's type."""
        return self.b.constant(number, self.dtype)

    def integers(self, numbers: Any) -> str:
        """Constant integers, for axes and positions."""
        return self.b.constant(numbers, INT64)
