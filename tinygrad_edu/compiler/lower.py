"""Instructions while they are written: the buffers, constants and variables that they name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..record import NO_PARAMS
from .instructions import Array, Buffer, Home, Instruction, Number, Operand
from .names import Names, spelled
from .program import Shape, Value

SMALL = 2048  # numbers: up to here, repeating an operand first is faster than a broadcasting operation


class Lowering:
    """Instructions while they are written.

    Parameters
    ----------
    taken : iterable of str
        Names that are not free.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.instructions: list[Instruction] = []
        self.names = Names(taken)
        self.name = self.names.new
        self.where: dict[int, Operand] = {}
        self.numbers: dict[int, str] = {}  # variables that hold the number of a 0-d array
        self.cells: dict[Any, Array] = {}
        self.forced: dict[int, Array] = {}  # where the result of a value must be written

    def constants(self) -> dict[str, Any]:
        """The NumPy numbers that the program names."""
        return {x.buffer.name: x.buffer.data for x in self.cells.values() if x.buffer.data is not None and not x.shape}

    # ---- buffers and operands -----------------------------------------------------------------------------------------

    def buffer(self, shape: Shape, dtype: np.dtype[Any], home: Home = "arena", name: str = "", data: Any = None) -> Array:
        """New memory."""
        return Array(Buffer(self.name(name), tuple(shape), dtype, home, data), (), tuple(shape))

    def constant(self, data: Any, name: str = "") -> Array:
        """An array that never changes."""
        array = np.ascontiguousarray(data).reshape(np.shape(data))
        return self.buffer(array.shape, array.dtype, "constant", name, array)

    def cell(self, number: Any, dtype: np.dtype[Any]) -> Array:
        """A constant number as a 0-d array: ufuncs take one twice as fast as a Python number."""
        key = (repr(number), dtype)
        if key not in self.cells:
            wish = {1: "one", 0: "zero"}.get(number) or spelled("c", number)
            self.cells[key] = self.constant(np.asarray(number, dtype), wish)
        return self.cells[key]

    def ones(self, n: int, dtype: np.dtype[Any]) -> Array:
        """n ones: the product with them is a sum."""
        key = ("ones", n, dtype)
        if key not in self.cells:
            self.cells[key] = self.constant(np.ones(n, dtype), f"ones{n}")
        return self.cells[key]

    def out(self, v: Value) -> Array:
        """Where the array of this value goes."""
        found = self.forced.get(v.place)
        if found is None:
            found = self.buffer(v.shape, v.dtype, "arena", v.name)
        self.where[v.place] = found
        return found

    def array(self, v: Value, like: np.dtype[Any] | None = None) -> Array:
        """The value as an array; a number as a 0-d array of the dtype it adapts to."""
        found = self.where.get(v.place)
        if isinstance(found, Array):
            return found
        if v.is_constant:
            if not v.shape:
                return self.cell(v.data, like if like is not None and v.weak and _holds(like, v.data) else v.dtype)
            self.where[v.place] = stored = self.constant(v.data, v.name)
            return stored
        assert found is not None
        cell = self.buffer((), v.dtype, "arena", found.text)
        self.emit("{out}[()] = {0}", found, out=cell)
        self.where[v.place] = cell
        self.numbers[v.place] = found.text
        return cell

    def number(self, v: Value) -> Number:
        """The value as a number."""
        if v.is_constant:
            if not v.weak:
                return Number(self.literal(v))
            return Number(repr(v.data) if v.data >= 0 else f"({v.data!r})")
        found = self.where[v.place]
        if isinstance(found, Number):
            return found
        if v.place not in self.numbers:
            name = self.name(f"{found.buffer.name}_")
            self.emit("{out} = {0}[()]", found, number=name)
            self.numbers[v.place] = name
        return Number(self.numbers[v.place])

    def literal(self, v: Value) -> str:
        """A NumPy number as a name."""
        key = ("literal", repr(v.data), v.dtype)
        if key not in self.cells:
            self.cells[key] = self.buffer((), v.dtype, "constant", spelled("k", v.data), v.data)
        return self.cells[key].buffer.name

    def fitted(self, v: Value, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """An operand of an elementwise operation: of the full shape or a 0-d array, where that is faster than broadcasting."""
        x = self.array(v, dtype)
        if x.shape == shape or not x.shape:
            return x
        if math.prod(x.shape) == 1 and len(x.shape) <= len(shape):
            return x.reshaped(())
        if 0 < math.prod(shape) <= SMALL:
            wide = self.buffer(shape, x.buffer.dtype)
            self.emit("{out}[...] = {0}", x, out=wide)
            return wide
        return x

    # ---- instructions -------------------------------------------------------------------------------------------------

    def emit(
        self,
        text: str,
        *operands: Operand,
        out: Array | None = None,
        number: str = "",
        aliasing: bool = False,
        uses: Mapping[str, Any] = NO_PARAMS,
    ) -> None:
        """Add an instruction."""
        self.instructions.append(Instruction(text, operands, out, number, aliasing, uses))

    def ufunc(self, f: np.ufunc, *operands: Operand, out: Array) -> None:
        """``f(*operands, out)``, place by place."""
        places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
        last = "out={out}" if f in (np.maximum, np.minimum) else "{out}"  # NumPy wants the keyword of these two
        self.emit(f"{f.__name__}({places}, {last})", *operands, out=out, aliasing=True, uses={f.__name__: f})

    def lower(self, v: Value) -> None:
        """The instructions of one value."""
        raise NotImplementedError


def _holds(dtype: np.dtype[Any], number: Any) -> bool:
    """Whether a dtype can hold a Python number: comparisons of integers take any."""
    return dtype.kind not in "iu" or np.iinfo(dtype).min <= number <= np.iinfo(dtype).max
