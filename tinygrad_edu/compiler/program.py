"""What is compiled: values in the order of their computation, each an op of earlier values. Equal values are one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ops import Index, Op
from ..record import LITERALS, NO_PARAMS

Shape = tuple[int, ...]


@dataclass(slots=True, eq=False)
class Value:
    """One value of a program: given from outside (``source``), a constant (``data``), or an op of other values.

    ``weak`` marks a Python number, which adapts to the dtype of what it meets.
    """

    place: int
    shape: Shape
    dtype: np.dtype[Any]
    op: Op | None = None
    args: tuple[Value, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    source: Any = None
    data: Any = None
    name: str = ""

    @property
    def is_constant(self) -> bool:
        """Whether it is the same number in every call."""
        return self.op is None and self.source is None

    @property
    def weak(self) -> bool:
        """Whether it is a Python number."""
        return type(self.data) in LITERALS

    @property
    def size(self) -> int:
        """The number of numbers."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    def __repr__(self) -> str:
        what = self.op.name if self.op is not None else "given" if self.source is not None else f"{self.data!r:.40}"
        return f"<{self.place}: {self.name or what} {self.shape}>"


class Program:
    """Values while they are collected: what was there before is found again instead of being added.

    Examples
    --------
    >>> from tinygrad_edu.ops import OPS
    >>> p = Program()
    >>> x = p.given("x", (3,), np.dtype(float))
    >>> p.op(OPS["tanh"], [x]) is p.op(OPS["tanh"], [x])
    True
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._known: dict[Any, Value] = {}

    def given(self, source: Any, shape: Shape, dtype: np.dtype[Any], name: str = "") -> Value:
        """A value that comes from outside at every call."""
        return self._add(Value(len(self.values), shape, dtype, source=source, name=name))

    def constant(self, data: Any) -> Value:
        """A number or an array that never changes."""
        if type(data) in LITERALS or np.ndim(data) == 0:
            number = data if type(data) in LITERALS else np.asarray(data)[()]
            kind = type(number)
            key: Any = ("number", kind, repr(number))  # repr: 0.0 and -0.0 are two numbers, nan is one
            dtype = np.asarray(number).dtype
            return self._known.get(key) or self._keep(key, Value(len(self.values), (), dtype, data=number))
        array = np.asarray(data)
        key = ("array", id(array))
        return self._known.get(key) or self._keep(key, Value(len(self.values), array.shape, array.dtype, data=array))

    def op(
        self,
        op: Op,
        args: Sequence[Value],
        params: Mapping[str, Any] = NO_PARAMS,
        shape: Shape | None = None,
        dtype: np.dtype[Any] | None = None,
        name: str = "",
    ) -> Value:
        """The value ``op(*args)``; its shape and dtype are found by broadcasting unless they are given."""
        key = (op, tuple([a.place for a in args]), frozen(params))
        found = self._known.get(key)
        if found is not None:
            found.name = found.name or name
            return found
        if shape is None:
            shape = np.broadcast_shapes(*(a.shape for a in args))
        if dtype is None:
            dtype = result_type(args)
        return self._keep(key, Value(len(self.values), shape, dtype, op, tuple(args), params, name=name))

    def needed(self, outputs: Iterable[Value]) -> list[Value]:
        """What the outputs are computed from, in order."""
        wanted: set[int] = set()
        stack = list(outputs)
        while stack:
            value = stack.pop()
            if value.place not in wanted:
                wanted.add(value.place)
                stack += value.args
        return [value for value in self.values if value.place in wanted]

    def _add(self, value: Value) -> Value:
        self.values.append(value)
        return value

    def _keep(self, key: Any, value: Value) -> Value:
        self._known[key] = value
        return self._add(value)


def result_type(args: Sequence[Value]) -> np.dtype[Any]:
    """The dtype that NumPy gives to an operation on these."""
    return np.result_type(*[a.data if a.weak else a.dtype for a in args])


def frozen(x: Any) -> Any:
    """Parameters as something that can be compared and looked up."""
    if isinstance(x, Mapping):
        return tuple([(k, frozen(v)) for k, v in x.items()]) if x else ()
    if isinstance(x, (tuple, list)):
        return (type(x), *[frozen(v) for v in x])
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, Index):
        return ("index", x.position)
    if isinstance(x, np.ndarray):
        return (x.shape, x.dtype.str, x.tobytes())
    if type(x) in LITERALS or isinstance(x, np.generic):
        return (type(x), repr(x))  # 0.0 and -0.0 are two numbers, nan is one, True is not 1
    return x
