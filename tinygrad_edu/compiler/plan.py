"""Memory planning: every array of the arena is alive from the instruction that writes it to the last one that reads it.

Arrays that are never alive together take the same place. Where an array dies in the very instruction that makes one of
the same size, place by place, the new one is written over it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

from .instructions import Array, Buffer, Instruction

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


class Place(NamedTuple):
    """Where a buffer is, and when it is alive: the numbers of the first and of the last instruction that touch it."""

    buffer: Buffer
    offset: int
    size: int
    first: int
    last: int


class Layout(NamedTuple):
    """The places of all buffers of the arena, and the arena's size in bytes."""

    places: dict[int, Place]  # by id of the buffer
    size: int

    @property
    def without_reuse(self) -> int:
        """The bytes that they would take if each had a place of its own."""
        return sum(p.size for p in self.places.values())


def lay_out(instructions: Sequence[Instruction]) -> Layout:
    """A place for each buffer of the arena: the smallest free place that is large enough.

    Examples
    --------
    >>> lay_out([]).size
    0
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, instruction in enumerate(instructions):
        for array in instruction.arrays:
            if array.buffer.home == "arena":
                first.setdefault(id(array.buffer), i)
                last[id(array.buffer)] = i
    places: dict[int, Place] = {}
    free = _FreeList()
    for i, instruction in enumerate(instructions):
        touched = {id(a.buffer): a.buffer for a in instruction.arrays if a.buffer.home == "arena"}
        heir = None
        for key, buffer in touched.items():
            if first[key] != i:
                continue
            size = _rounded(buffer.nbytes)
            heir = _dying(instruction, buffer, last, i)
            offset = places[heir].offset if heir is not None else free.take(size)
            places[key] = Place(buffer, offset, size, i, last[key])
        for key in touched:
            if last[key] == i and key != heir:
                free.give(places[key].offset, places[key].size)
    return Layout(places, free.end)


def _dying(instruction: Instruction, buffer: Buffer, last: dict[int, int], i: int) -> int | None:
    """An operand that nobody reads after this instruction, and that the result may be written over."""
    if not instruction.aliasing or instruction.out is None or instruction.out.buffer is not buffer or last[id(buffer)] == i:
        return None
    operands = [x for x in instruction.operands if isinstance(x, Array)]
    for x in operands:
        if x.buffer.home != "arena" or last[id(x.buffer)] != i or _rounded(x.buffer.nbytes) != _rounded(buffer.nbytes):
            continue
        same = [y for y in operands if y.buffer is x.buffer]
        if x.shape == instruction.out.shape and all(y.is_whole and y.shape == x.shape for y in same) and instruction.out.is_whole:
            return id(x.buffer)
    return None


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class _FreeList:
    """Free places, and the end of the arena. Neighbours that are free are one place."""

    def __init__(self) -> None:
        self.end = 0
        self.sizes: list[int] = []  # in order, each once
        self.offsets: dict[int, dict[int, None]] = {}  # by size
        self.starting: dict[int, int] = {}  # size by offset
        self.ending: dict[int, int] = {}  # offset by end

    def take(self, size: int) -> int:
        """The smallest free place that is large enough, else new memory at the end."""
        if not size:
            return 0
        at = bisect_left(self.sizes, size)
        if at == len(self.sizes):
            last = self.ending.get(self.end)
            if last is not None:  # the end of the arena is free: it grows by what is missing
                self._remove(last)
                self.end = last
            self.end += size
            return self.end - size
        offset = next(reversed(self.offsets[self.sizes[at]]))
        found = self._remove(offset)
        if found > size:
            self.give(offset + size, found - size)
        return offset

    def give(self, offset: int, size: int) -> None:
        """A place that is free from now on."""
        if not size:
            return
        before = self.ending.get(offset)
        if before is not None:
            size += self._remove(before)
            offset = before
        if offset + size in self.starting:
            size += self._remove(offset + size)
        if size not in self.offsets:
            self.offsets[size] = {}
            insort(self.sizes, size)
        self.offsets[size][offset] = None
        self.starting[offset] = size
        self.ending[offset + size] = offset

    def _remove(self, offset: int) -> int:
        size = self.starting.pop(offset)
        del self.ending[offset + size], self.offsets[size][offset]
        if not self.offsets[size]:
            del self.offsets[size]
            del self.sizes[bisect_left(self.sizes, size)]
        return size
