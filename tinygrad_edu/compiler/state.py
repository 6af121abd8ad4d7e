"""Parameters that a compiled step updates in place, and the slots of its update rule, in memory of their own.

All parameters of one dtype lie behind each other in one array, and so do their gradients: an update that works place by
place is one operation for all of them. What a Tensor shows is a read-only view of that memory. Before a step writes, it
looks whether anyone else holds such a view: then the numbers move to new memory, and the old ones stay as they were.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor
from .instructions import Buffer
from .names import Names
from .plan import ALIGNMENT


class Chunk:
    """The parameters of one dtype: where each begins, and the flat arrays of parameters, of each slot, and of gradients."""

    def __init__(self, dtype: np.dtype[Any], members: Sequence[int], sizes: Sequence[int], groups: int, names: Names) -> None:
        self.dtype = dtype
        self.members = list(members)
        self.starts: dict[int, int] = {}
        line = max(1, ALIGNMENT // dtype.itemsize)
        end = 0
        for i in self.members:
            self.starts[i] = end
            end += -(-sizes[i] // line) * line
        wishes = ["parameters", *(f"slots_{k}" for k in range(1, groups))]
        self.flats = [Buffer(names.new(wish), (end,), dtype, "kept") for wish in wishes]
        self.gradient = Buffer(names.new("gradients"), (end,), dtype, "kept", np.zeros(end, dtype))


class State:
    """The Tensors that a step writes: the parameters, and for each slot of the update rule one Tensor per parameter.

    Parameters
    ----------
    parameters : sequence of Tensors
        What is updated.
    slots : int
        How many arrays the update rule keeps for each parameter; they start at 0.
    reserved : sequence of str
        Names that are not free in the programs.
    known : mapping
        Names of Tensors without one, by id.
    """

    def __init__(self, parameters: Sequence[Tensor], slots: int, reserved: Sequence[str], known: Mapping[int, str]) -> None:
        names = Names(reserved)
        called = [t.name or known.get(id(t)) or f"w{i}" for i, t in enumerate(parameters)]
        self.groups = [list(parameters)]
        for k in range(1, slots + 1):
            self.groups.append(
                [Tensor(np.zeros(t.shape, t.dtype), name=f"{w}_slot_{k}") for w, t in zip(called, parameters, strict=True)]
            )
        self.tensors = [t for group in self.groups for t in group]
        self.seen: list[Any] = [None] * len(self.tensors)
        self.expected = -1
        self.moved: list[Callable[[], None]] = []  # told when the memory is another
        by_dtype: dict[np.dtype[Any], list[int]] = {}
        for i, t in enumerate(parameters):
            by_dtype.setdefault(t.dtype, []).append(i)
        sizes = [t.size for t in parameters]
        self.chunks = [Chunk(dtype, members, sizes, slots + 1, names) for dtype, members in by_dtype.items()]
        wishes = [*called, *(t.name or "" for group in self.groups[1:] for t in group)]
        self.buffers = [Buffer(names.new(wish), t.shape, t.dtype, "kept") for wish, t in zip(wishes, self.tensors, strict=True)]
        self.gradients: list[Buffer] = [
            Buffer(names.new(f"d_{w}"), t.shape, t.dtype, "kept") for w, t in zip(called, parameters, strict=True)
        ]
        self.names = names
        for chunk in self.chunks:
            for i in chunk.members:
                self.gradients[i].data = self._part(chunk.gradient.data, chunk, i)
        self.references = self._counter()

    def _counter(self) -> Callable[[], int]:
        """How many names hold the memory, or a view of it: written out, since it is asked at every call."""
        space: dict[str, Any] = {"count": sys.getrefcount, "seen": self.seen}
        space |= {f"flat{n}": flat for n, flat in enumerate(flat for chunk in self.chunks for flat in chunk.flats)}
        terms = [f"count({name}.data)" for name in space if name.startswith("flat")]
        terms += [f"count(seen[{n}])" for n, t in enumerate(self.tensors) if t.shape]
        exec(f"def references(): return {' + '.join(terms)}", space)
        references: Callable[[], int] = space.pop("references")  # its namespace does not hold it: that would be a cycle
        return references

    def _part(self, flat: Any, chunk: Chunk, i: int) -> Any:
        shape, start = self.groups[0][i].shape, chunk.starts[i]
        return flat[start : start + math.prod(shape)].reshape(shape)

    def move(self) -> None:
        """Take the numbers that the Tensors hold now into new memory, and show views of it."""
        self._move()
        for tell in self.moved:
            tell()
        self.expected = self.references()

    def _move(self) -> None:
        n = len(self.groups[0])
        for chunk in self.chunks:
            for k, flat in enumerate(chunk.flats):
                flat.data = np.zeros(flat.shape, chunk.dtype)
                for i in chunk.members:
                    t = self.groups[k][i]
                    own, shown = self._part(flat.data, chunk, i), self._part(flat.data, chunk, i)
                    own[...] = t._data
                    shown.setflags(write=False)
                    self.buffers[k * n + i].data = own
                    t._data = self.seen[k * n + i] = shown if t.shape else own[()]


def leaf_like(flat: Buffer) -> Tensor:
    """A leaf that stands for a flat array while an update is recorded."""
    return Tensor(np.ones(flat.shape, flat.dtype))
