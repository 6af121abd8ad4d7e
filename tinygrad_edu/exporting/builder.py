"""An ONNX graph under construction: nodes, constants and names, as plain data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from .errors import NoOnnxError
from .params import Shape
from .plan import Step
from .size import Power, Size, product

LONGEST_NAME = 40
INT64 = np.dtype(np.int64)

# TensorProto.DataType, by NumPy's name.
TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
    "float64": 11, "uint32": 12, "uint64": 13,
}  # fmt: skip


def onnx_type(dtype: np.dtype[Any]) -> int:
    """The number that ONNX has for a type.

    Raises
    ------
    NoOnnxError
        If it has none.
    """
    if dtype.name not in TYPES:
        raise NoOnnxError(f"export_onnx: ONNX has no numbers of type {dtype}.\n  Try: .astype(np.float64)")
    return TYPES[dtype.name]


@dataclass(frozen=True)
class Node:
    """``outputs = op(inputs)``."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass
class Names:
    """Names that ONNX allows, each given once: ASCII letters, digits and underscores."""

    taken: set[str] = field(default_factory=set)
    _next: dict[str, int] = field(default_factory=dict)

    def unique(self, wanted: str) -> str:
        """The wanted name, with what is not allowed replaced, cut, and numbered where it is taken.

        >>> from tinygrad_edu.exporting.builder import Names
        >>> names = Names()
        >>> [names.unique(wanted) for wanted in ("W1", "W1", "<b>", "2nd", "")]
        ['W1', 'W1_2', 'b', 'v2nd', 'v']
        """
        text = re.sub(r"\W", "_", wanted[: 4 * LONGEST_NAME], flags=re.ASCII).strip("_")[:LONGEST_NAME] or "v"
        plain = text = f"v{text}" if text[0].isdigit() else text
        while text in self.taken:
            n = self._next[plain] = self._next.get(plain, 1) + 1
            text = f"{plain}_{n}"
        self.taken.add(text)
        return text

    def numbered(self, prefix: str) -> str:
        """The next free one of t1, t2, ..."""
        while True:
            n = self._next[f"{prefix}#"] = self._next.get(f"{prefix}#", 0) + 1
            if f"{prefix}{n}" not in self.taken:
                self.taken.add(f"{prefix}{n}")
                return f"{prefix}{n}"


@dataclass(frozen=True)
class Value:
    """A value of the model: its step, and its name; None for a constant that has not been written in a type yet."""

    step: Step
    name: str | None


class Builder:
    """Collects nodes and constants. Values are known by their names."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.nodes: list[Node] = []
        self.constants: dict[str, Any] = {}
        self.letters: dict[str, tuple[str, int]] = {}  # an input that has this axis, and which it is
        self._known: dict[Any, str] = {}

    def op(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node, and give the name of its first output."""
        names = tuple(self.names.numbered("t") for _ in range(outputs))
        self.nodes.append(Node(op, inputs, names, attributes))
        return names[0]

    def rename(self, name: str, new: str) -> str:
        """Call a value by another name: as the output of the last node, or as a copy of another value."""
        last = self.nodes[-1] if self.nodes else None
        if last is not None and last.outputs == (name,):
            self.nodes[-1] = Node(last.op, last.inputs, (new,), last.attributes)
        else:
            self.nodes.append(Node("Identity", (name,), (new,), {}))
        return new

    def constant(self, array: Any, dtype: np.dtype[Any] = INT64) -> str:
        """A constant, the same one for the same numbers."""
        array = np.ascontiguousarray(np.asarray(array, dtype)).reshape(np.shape(array))
        onnx_type(array.dtype)
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.names.numbered("c")
            self.constants[self._known[key]] = array
        return self._known[key]

    def cast(self, name: str, old: np.dtype[Any], new: np.dtype[Any]) -> str:
        """The value as another type."""
        return name if old == new else self.op("Cast", name, to=onnx_type(new))

    # ---- sizes ---------------------------------------------------------------------------------------------------

    def size(self, size: Size | int) -> str:
        """A size, as one integer on one axis."""
        size = size if isinstance(size, Size) else Size.of(size)
        if size.number is not None:
            return self.constant([size.number])
        if size not in self._known:
            terms = []
            for letters, c in size.terms:
                factors = [self._letter(letter) for letter in letters]
                factors += [self.constant([c])] if c != 1 or not letters else []
                term = factors[0]
                for factor in factors[1:]:
                    term = self.op("Mul", term, factor)
                terms.append(term)
            total = terms[0]
            for term in terms[1:]:
                total = self.op("Add", total, term)
            self._known[size] = total
        return self._known[size]

    def _letter(self, letter: str) -> str:
        if letter not in self._known:
            owner, axis = self.letters[letter]
            self._known[letter] = self.op("Shape", owner, start=axis, end=axis + 1)
        return self._known[letter]

    def scalar(self, size: Size | int) -> str:
        """A size, as one integer without an axis."""
        return self.op("Squeeze", self.size(size)) if isinstance(size, Size) and size.letters else self.constant(_number(size))

    def shape(self, shape: Sequence[Size | int]) -> str:
        """A shape, as integers."""
        if all(isinstance(n, int) or n.number is not None for n in shape):
            return self.constant(np.array([_number(n) for n in shape], np.int64))
        return self.op("Concat", *(self.size(n) for n in shape), axis=0) if len(shape) > 1 else self.size(shape[0])

    def number(self, number: Any, dtype: np.dtype[Any]) -> str:
        """A number, perhaps one that follows the sizes."""
        if isinstance(number, Power):
            size = self.cast(self.scalar(number.size), INT64, dtype)
            root = self.op("Sqrt", size) if number.exponent in (Fraction(1, 2), Fraction(-1, 2)) else size
            return self.op("Reciprocal", root) if number.exponent < 0 else root
        if isinstance(number, Size):
            return self.cast(self.scalar(number), INT64, dtype)
        return self.constant(number, dtype)

    # ---- forms that several operations share -----------------------------------------------------------------------

    def reshape(self, name: str, shape: Sequence[Size | int]) -> str:
        """The same numbers in another shape; a 0 in it is a size."""
        empty = any((n.number if isinstance(n, Size) else n) == 0 for n in shape)
        return self.op("Reshape", name, self.shape(shape), **({"allowzero": 1} if empty else {}))

    def filled(self, value: str, shape: Sequence[Size | int]) -> str:
        """An array of this shape that holds the value everywhere."""
        return self.op("Expand", value, self.shape(shape))

    def places(self, shape: Shape) -> str:
        """Where each number of an array of this shape stands in row-major order."""
        total = product(shape)
        if total.number is not None:
            sizes = [_number(n) for n in shape]
            return self.constant(np.arange(total.number).reshape(sizes))
        return self.reshape(self.op("Range", self.constant(0), self.scalar(total), self.constant(1)), shape)

    def add_at(self, values: str, places: str, shape: Shape, dtype: np.dtype[Any]) -> str:
        """Zeros of this shape, to which the values were added at their places, which may repeat."""
        zeros = self.filled(self.constant(0, dtype), [product(shape)])
        flat = [self.op("Reshape", x, self.constant([-1])) for x in (places, values)]
        return self.reshape(self.op("ScatterElements", zeros, *flat, axis=0, reduction="add"), shape)


def _number(size: Size | int) -> int:
    number = size.number if isinstance(size, Size) else size
    assert number is not None
    return number
