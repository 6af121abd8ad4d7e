"""What runs: instructions that read and write arrays in buffers, and plain numbers in variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from .program import Shape

Home = Literal["arena", "given", "constant", "kept", "result"]
Step: TypeAlias = tuple[Any, ...]  # ("transpose", axes), ("reshape", shape), ("at", key), ("broadcast", shape), ...


@dataclass(slots=True, eq=False)
class Buffer:
    """Memory for one array.

    ``home`` says where it is: in the ``arena``, whose places are reused; ``given`` by the caller; a ``constant``; ``kept``
    from call to call (parameters that are updated); or a ``result``, new at every call since it belongs to the caller.
    """

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    home: Home
    data: Any = None  # the array, where it is known: of constants, and of what is kept

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        n = self.dtype.itemsize
        for length in self.shape:
            n *= length
        return n

    @property
    def is_static(self) -> bool:
        """Whether its memory is the same at every call, so that views of it can be made once."""
        return self.home in ("arena", "constant", "kept")


class Array(NamedTuple):
    """A buffer, or a view of it: the steps that lead from the one to the other."""

    buffer: Buffer
    steps: tuple[Step, ...]
    shape: Shape

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its buffer in the order of its memory."""
        return all(step[0] == "reshape" for step in self.steps)

    def then(self, step: Step, shape: Shape) -> Array:
        """A view of this view."""
        if step[0] == "reshape" and self.steps and self.steps[-1][0] == "reshape":
            return Array(self.buffer, (*self.steps[:-1], step), shape)
        return Array(self.buffer, (*self.steps, step), shape)

    def reshaped(self, shape: Shape) -> Array:
        """The same numbers in another shape."""
        return self if shape == self.shape else self.then(("reshape", shape), shape)


class Number(NamedTuple):
    """A number in a variable of the program, or written in its text."""

    text: str


Operand: TypeAlias = "Array | Number"


@dataclass(slots=True, eq=False)
class Instruction:
    """One line of the program: a text with a place for each operand, and what it writes.

    ``aliasing`` says that the result may take the memory of an operand that has the same shape: each number is read before
    the number in its place is written.
    """

    text: str
    operands: tuple[Operand, ...] = ()
    out: Array | None = None  # written, whole or in part
    number: str = ""  # the variable that is assigned instead
    aliasing: bool = False
    uses: Mapping[str, Any] = field(default_factory=dict)  # functions and constants that the text names

    @property
    def arrays(self) -> list[Array]:
        """All the arrays that it touches."""
        found = [x for x in self.operands if isinstance(x, Array)]
        return found if self.out is None else [*found, self.out]


def view(array: Any, steps: tuple[Step, ...]) -> Any:
    """The view that the steps lead to."""
    for kind, *details in steps:
        (detail, *more) = details
        if kind == "transpose":
            array = array.transpose(detail)
        elif kind == "reshape":
            array = array.reshape(detail)
        elif kind == "at":
            array = array[detail]
        elif kind == "broadcast":
            array = np.broadcast_to(array, detail)
        elif kind == "windows":
            array = np.lib.stride_tricks.sliding_window_view(array, detail, more[0])
    return array


def view_text(name: str, steps: tuple[Step, ...]) -> str:
    """The same as Python text."""
    for kind, *details in steps:
        (detail, *more) = details
        if kind == "transpose":
            name = f"{name}.T" if detail == tuple(range(len(detail)))[::-1] else f"{name}.transpose({detail!r})"
        elif kind == "reshape":
            name = f"{name}.reshape({detail!r})"
        elif kind == "at":
            name = f"{name}[{key_text(detail)}]"
        elif kind == "broadcast":
            name = f"broadcast_to({name}, {detail!r})"
        elif kind == "windows":
            name = f"windows({name}, {detail!r}, {more[0]!r})"
    return name


def key_text(key: tuple[Any, ...]) -> str:
    """A basic key as it stands in brackets."""
    parts = []
    for k in key:
        if isinstance(k, slice):
            bounds = ["" if n is None else str(n) for n in (k.start, k.stop)]
            parts.append(":".join(bounds if k.step is None else [*bounds, str(k.step)]))
        else:
            parts.append("..." if k is Ellipsis else str(k))
    return ", ".join(parts) or "()"
