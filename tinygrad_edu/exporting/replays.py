"""The recorded forward pass once more, with other sizes of the lettered axes: what changes with them, and how.

The numbers of a longer axis are the recorded ones, repeated: so indices, classes and probabilities stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..modes import enable_grad
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import tabulated as t_
from ..record import LITERALS, record
from ..tensor import Tensor
from .errors import PARAMETER, BoundError, NoOnnxError
from .params import Reader, Shape, at, is_input
from .size import Measured, Power, Size, Sizes, product, trials

_FACTORS = frozenset((e.multiply, e.divide))
_SUMMING = frozenset((c.sum, c.matmul, c.einsum, c.trace, t_.norm))
_HALF = Fraction(1, 2)


def leaf(value: Any, like: Tensor) -> Tensor:
    """A leaf with this value and the name and the flag of another."""
    t: Tensor = object.__new__(Tensor)._leaf(value, like.name)
    t._requires_grad = like._requires_grad
    return t


def recorded_values(order: Sequence[Tensor]) -> dict[int, Any]:
    """The value that each leaf had when it was computed with, by id.

    Raises
    ------
    NoOnnxError
        If it was given new numbers between two of its uses.
    """
    values: dict[int, Any] = {}
    for t in order:
        for x, arg in zip(t.inputs, t.args, strict=True):
            if not x.inputs and values.setdefault(id(x), arg) is not arg and type(arg) not in LITERALS:
                raise NoOnnxError(
                    f"export_onnx: {x._called()} was given new numbers between two of its uses: a model has one value for it.\n"
                    "  Try: compute everything again, then export"
                )
    return values


class Replays:
    """One copy of the record for each trial of sizes; the first has the recorded ones.

    Parameters
    ----------
    order : sequence of Tensors
        The record, in topological order.
    recorded : mapping
        The letters that are to have other sizes, and the recorded ones.
    constant : frozenset of pairs
        See :class:`Reader`.

    Raises
    ------
    BoundError
        If a letter cannot have another size.
    """

    def __init__(self, order: Sequence[Tensor], recorded: Sizes, constant: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.sizes = trials(recorded)
        self.measured = Measured(self.sizes)
        self.reader = Reader(recorded, constant)
        self.copies: list[list[Tensor]] = [[] for _ in self.sizes]
        self.shapes: list[Shape] = []
        self.place: dict[int, int] = {}
        self._values = recorded_values(order)
        self._summed: list[frozenset[str]] = []  # the letters that were summed away, without dividing by their number
        for t in order:
            if not t.inputs:
                self.reader.learn(self._leaf_shape(t))
        with enable_grad(), np.errstate(all="ignore"):
            for place, t in enumerate(order):
                if t.inputs:
                    self._operation(t, place)
                else:
                    self._leaf(t)
                self.place[id(t)] = place

    def _leaf(self, t: Tensor) -> None:
        value = self._values.get(id(t), t._data)
        letters = _letters_of_data(t)
        for sizes, copy in zip(self.sizes, self.copies, strict=True):
            array = value
            for axis, letter in enumerate(letters):
                if letter in sizes and sizes[letter] != array.shape[axis]:
                    array = array.take(np.arange(sizes[letter]) % array.shape[axis], axis)
            copy.append(leaf(array, t))
        self.shapes.append(self._leaf_shape(t))
        self._summed.append(frozenset())

    def _leaf_shape(self, t: Tensor) -> Shape:
        shape = [Size.of(n) for n in t.shape]
        for axis, letter in enumerate(_letters_of_data(t)):
            if letter in self.sizes[0]:
                shape[axis] = Size.letter(letter)
        return tuple(shape)

    def _operation(self, t: Tensor, place: int) -> None:
        places = [self.place[id(x)] for x in t.inputs]
        shapes = [self.shapes[i] for i in places]
        params = self.reader.read(t, shapes, place)
        self._numbers(t, places)
        for number, i in enumerate(places):
            size = self.reader.assumed.get((place, -number)) if number else None
            if size is not None:  # an index that counts along an axis
                for sizes, copy in zip(self.sizes, self.copies, strict=True):
                    own = [size.at(sizes) if n != 1 else 1 for n in t.inputs[number].shape]
                    copy[i] = leaf(np.arange(size.at(sizes)).reshape(own), t.inputs[number])
        for sizes, copy in zip(self.sizes, self.copies, strict=True):
            inputs = tuple(copy[i] for i in places)
            try:
                copy.append(record(t.op, inputs, {k: at(v, sizes) for k, v in params.items()}))
            except Exception as error:
                if sizes is self.sizes[0]:
                    raise
                letters = frozenset(letter for shape in shapes for size in shape for letter in size.letters)
                owner = next((x for x in t.inputs if not x.inputs and x._requires_grad), None)
                reason = f"{t._called()} needs that size ({str(error).partition(chr(10))[0]})"
                raise BoundError(letters, f"{PARAMETER} {owner.name or ''}".rstrip() if owner is not None else reason) from None
        self.shapes.append(self._shape_of(t))
        self.reader.learn(self.shapes[-1])
        before = frozenset(letter for shape in shapes for size in shape for letter in size.letters)
        after = frozenset(letter for size in self.shapes[-1] for letter in size.letters)
        summed = before - after if t.op in _SUMMING else frozenset()
        self._summed.append(summed.union(*(self._summed[i] for i in places)))

    def _shape_of(self, t: Tensor) -> Shape:
        shapes = [copy[-1].shape for copy in self.copies]
        if any(len(shape) != len(shapes[0]) for shape in shapes):
            raise BoundError(self.sizes[0], f"the number of axes of {t._called()} changes with a size")
        result = []
        for sizes in zip(*shapes, strict=True):
            size = self.measured.size(sizes)
            if size is None:
                raise BoundError(self.sizes[0], f"how large {t._called()} is, is no simple function of the sizes")
            result.append(size)
        return tuple(result)

    # ---- numbers that may have been computed from a size ----------------------------------------------------------

    def _numbers(self, t: Tensor, places: Sequence[int]) -> None:
        """A factor that a method took from the sizes follows them; one that somebody may have written does not."""
        if not self.reader.recorded:
            return
        for side, x in enumerate(t.inputs):
            if x.inputs or is_input(x) or x.ndim or x.dtype.kind not in "fiu" or not np.isfinite(float(x._data)):
                continue
            number = self._divisor(t) if t.op is e.divide and side == 1 else None
            if number is not None:
                for sizes, copy in zip(self.sizes[1:], self.copies[1:], strict=True):
                    copy[places[side]] = leaf(type(x._data)(number.at(sizes)), x)
                continue
            others = frozenset().union(*(self._summed[i] for i in places if i != places[side]))
            root = type(x._data) not in LITERALS or (t.op is e.divide and side == 1 and type(x._data) is float)
            self._refuse_counts(t, float(x._data), others, root)

    def _divisor(self, t: Tensor) -> Size | Power | None:
        """The n − ddof that ``var`` divides by, or the √(n − ddof) of ``std``, where the operations before are theirs."""
        top, number = t.inputs[0], t.inputs[1]._data
        squares = top.op is c.sum and top.inputs[0].op is e.multiply and top.inputs[0].inputs[0] is top.inputs[0].inputs[1]
        if not squares and top.op is not t_.norm:
            return None
        centred = top.inputs[0].inputs[0] if squares else top.inputs[0]
        if centred.op is not e.subtract or centred.inputs[1].op is not c.mean or not centred.inputs[1].params["keepdims"]:
            return None
        x, mean = centred.inputs
        axis = mean.params["axis"]
        if mean.inputs[0] is not x or axis != top.params["axis"] or not isinstance(axis, tuple):
            return None
        count = product([self.shapes[self.place[id(x)]][a] for a in axis])
        left = number if squares else round(float(number) ** 2)
        ddof = count.at(self.reader.recorded) - left
        if ddof != int(ddof) or ddof < 0 or (not squares and number != math.sqrt(left)):
            return None
        size = count + Size.of(-int(ddof))
        return size if squares else Power(size, _HALF)

    def _refuse_counts(self, t: Tensor, number: float, summed: frozenset[str], root: bool) -> None:
        """Raise an error for a number that would be another one for another size, if it was computed from the size.

        ``root`` is whether it may be a square root though it is whole: 2 is what √4 gives, and what people write.
        """
        factor = t.op in _FACTORS
        for n, letters in self.reader.counts.items():
            of_sum = factor and bool(summed & letters)
            if any(abs(abs(number) - v) <= 1e-13 * v for v in _counts(n, factor, of_sum, factor and root)):
                named = ", ".join(sorted(letters))
                raise BoundError(letters, f"the number {number:g} in {t._called()} may have been computed from {named}")


def _letters_of_data(t: Tensor) -> tuple[str, ...]:
    return t.dims if t.dims is not None and not t._requires_grad else ()


def _counts(n: int, factor: bool, of_sum: bool, root: bool) -> list[float]:
    """What a formula may have of a size n: as a factor, as a factor of a sum over n numbers, or anywhere."""
    found = [math.log(n), *([n, 1 / n] if factor else [])]
    for m in (n, n - 1) if of_sum else (n,):
        if m > 1:
            found += [m, 1 / m] if of_sum else []
            found += [math.sqrt(m), 1 / math.sqrt(m)] if of_sum or root or math.isqrt(m) ** 2 != m else []
    return found
