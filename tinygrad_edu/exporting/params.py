"""Which sizes in an operation's parameters are sizes of its inputs, when these have letters.

A record holds plain numbers: the 4 in ``reshape(4, 3)`` may be N, or four. Where the position says which, the parameter
follows the input; where it does not, a ``BoundError`` fixes the letter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import Index
from ..ops import rearrangement as r
from ..ops import selection as s
from ..record import LITERALS
from ..tensor import Tensor
from .errors import BoundError
from .size import Power, Size, Sizes, product

Shape = tuple[Size, ...]


def is_input(t: Tensor) -> bool:
    """Whether a leaf is given to the model: it has a name or letters, or is a parameter."""
    return not t.inputs and type(t._data) not in LITERALS and (t.name is not None or t.dims is not None or t._requires_grad)


def at(value: Any, sizes: Sizes) -> Any:
    """A parameter with the numbers that its sizes are."""
    if isinstance(value, (Size, Power)):
        return value.at(sizes)
    if isinstance(value, tuple):
        return tuple(at(v, sizes) for v in value)
    if isinstance(value, slice):
        return slice(at(value.start, sizes), at(value.stop, sizes), at(value.step, sizes))
    return value


class Reader:
    """Reads the parameters of one recording.

    Parameters
    ----------
    recorded : mapping
        The letters that may have another size, and their sizes.
    constant : container of pairs
        Where a number stays though it may be a size: a node's place with an axis that is repeated, or with −i for its
        operand number i, indices 0, 1, ... to the end of an axis.

    Attributes
    ----------
    assumed : dict
        Those that were taken for a size, and for which.
    """

    def __init__(self, recorded: Sizes, constant: frozenset[tuple[int, int]]) -> None:
        self.recorded = recorded
        self.constant = constant
        self.assumed: dict[tuple[int, int], Size] = {}
        self.counts: dict[int, frozenset[str]] = {}  # sizes, and products of sizes of one array, with their letters
        self._seen: set[Shape] = set()

    def read(self, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
        """The parameters of a node whose inputs have these shapes, with letters where a size follows from them."""
        form = _FORMS.get(t.op)
        if form is None or not self.recorded:
            return t.params
        return {**t.params, **form(self, t, shapes, place)}

    def learn(self, shape: Shape) -> None:
        """Remember how many numbers there are along the axes of an array, for each choice of axes that has a letter."""
        if shape in self._seen:
            return
        self._seen.add(shape)
        for count in range(1, len(shape) + 1):
            for chosen in itertools.combinations(shape, count):
                size = product(chosen)
                n = size.at(self.recorded)
                if size.letters and n > 1:
                    self.counts[n] = self.counts.get(n, frozenset()) | size.letters

    def own(self, n: int, t: Tensor) -> Size:
        """A number that follows from no input: it must not be the size of a letter."""
        if n in self.counts:
            letters = self.counts[n]
            raise BoundError(letters, f"the {n} in {t._called()} may have been computed from {', '.join(sorted(letters))}")
        return Size.of(n)


def _reshape(reader: Reader, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
    """Groups of axes that hold the same numbers before and after; within a group, letters go where they divide."""
    before, after = t.inputs[0].shape, t.shape
    result = [Size.of(n) for n in after]
    i = j = 0
    while i < len(before) or j < len(after):
        first, start = i, j
        p = q = 1
        while not (p == q and i > first and j > start):
            if p <= q and i < len(before):
                p, i = p * before[i], i + 1
            elif j < len(after):
                q, j = q * after[j], j + 1
            elif i < len(before):
                p, i = p * before[i], i + 1
            else:
                break
        total = product(shapes[0][first:i])
        if total.number is None:
            written = t.params["shape"]
            rest = written.index(-1) - start if -1 in written and start <= written.index(-1) < j else None
            result[start:j] = _split(reader, t, shapes[0][first:i], after[start:j], rest)
    return {"shape": tuple(result)}


def _split(reader: Reader, t: Tensor, before: Sequence[Size], after: Sequence[int], rest: int | None) -> list[Size]:
    """The sizes of the axes that one group of axes becomes; ``rest`` is the one that was written as -1.

    Several axes become one, or one becomes several to which its letters go where they divide. Several that become several
    others hold for one size only, but for a -1.
    """
    total = product(before)
    large = [k for k, n in enumerate(after) if n != 1]
    if len(large) <= 1:
        own = large[0] if large else 0
        return [total if k == own else Size.of(1) for k in range(len(after))]
    found: dict[tuple[Size, ...], None] = {}
    if rest is not None and not any(n in reader.counts for k, n in enumerate(after) if k != rest):
        others = math.prod(n for k, n in enumerate(after) if k != rest)
        if all(c % others == 0 for _, c in total.terms):
            left = Size(tuple((letters, c // others) for letters, c in total.terms))
            found[tuple(left if k == rest else Size.of(n) for k, n in enumerate(after))] = None
    elif sum(size.number != 1 for size in before) == 1 and len(total.terms) == 1:
        letters, c = total.terms[0]
        for owners in itertools.product(large, repeat=len(letters)):
            parts = [Size.of(1)] * len(after)
            for owner, letter in zip(owners, letters, strict=True):
                parts[owner] = parts[owner] * Size.letter(letter)
            numbers = [part.at(reader.recorded) for part in parts]
            if all(n % k == 0 for n, k in zip(after, numbers, strict=True)):
                factors = [n // k for n, k in zip(after, numbers, strict=True)]
                if math.prod(factors) == c:
                    found[tuple(part * Size.of(f) for part, f in zip(parts, factors, strict=True))] = None
    if len(found) != 1:
        turned = ", ".join(map(str, before))
        raise BoundError(total.letters, f"{t._called()} turns ({turned}) into {tuple(after)}, which holds for one size")
    return list(next(iter(found)))


def _broadcast_to(reader: Reader, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
    extra = t.ndim - len(shapes[0])
    result = []
    for axis, n in enumerate(t.shape):
        old = shapes[0][axis - extra] if axis >= extra else Size.of(1)
        if n == 1 or (axis >= extra and t.inputs[0].shape[axis - extra] == n):
            result.append(old)
        elif (place, axis) in reader.constant:
            result.append(Size.of(n))
        else:
            same = [letter for letter, size in reader.recorded.items() if size == n]
            if len(same) == 1:  # whether it is used with that letter, the other sizes will tell
                reader.assumed[place, axis] = Size.letter(same[0])
            result.append(Size.letter(same[0]) if len(same) == 1 else reader.own(n, t))
    return {"shape": tuple(result)}


def _getitem(reader: Reader, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
    """Keys stay as they are: this refuses those that may have been computed from a size, but for 0, 1, ... along an axis."""
    counting = set()
    for size, k in zip(shapes[0], _by_axis(t), strict=True):
        if size.number is not None:
            continue
        n = size.at(reader.recorded)
        if isinstance(k, Index):
            number = 1 + k.position
            indices = np.asarray(t.args[number])
            if t.inputs[number].inputs or is_input(t.inputs[number]):
                continue
            if indices.dtype.kind != "b" and np.array_equal(indices.ravel(), np.arange(n)):
                counting.add(number)
                if (place, -number) not in reader.constant:
                    reader.assumed[place, -number] = size
            elif indices.dtype.kind == "b" or (indices > 0).any():
                raise BoundError(size.letters, f"{t._called()} takes numbered places of an axis of {size}")
        elif _depends(k, n):
            raise BoundError(size.letters, f"{t._called()} takes a part of an axis of {size} by the number {k}")
    for number, x in enumerate(t.inputs[1:], 1):
        if number not in counting and not x.inputs and not is_input(x):
            for n in x.shape:
                reader.own(n, t)
    return {}


def _depends(k: Any, n: int) -> bool:
    """Whether a number or a slice for an axis of size n would be another one for another size, or may have been."""
    if not isinstance(k, slice):
        return _far(k, n)
    if k.step not in (None, 1):
        return k.step != -1 or (k.start, k.stop) != (None, None)
    return any(bound is not None and _far(bound, n) for bound in (k.start, k.stop))


def _far(k: int, n: int) -> bool:
    """Whether a place is not near an end: n // 2 is such a place, and n − 1 when counted from the beginning."""
    return k >= max(n // 2, 1) if k > 0 else -k > 1 and 2 * -k >= n


def _by_axis(t: Tensor) -> list[Any]:
    """What the key says of each axis of the input."""
    used = [(k, t.inputs[1 + k.position] if isinstance(k, Index) else None) for k in t.params["key"] if k is not None]
    spans = [(k, x.ndim if x is not None and x.dtype.kind == "b" else 1) for k, x in used]
    rest = t.inputs[0].ndim - sum(span for k, span in spans if k is not Ellipsis)
    result: list[Any] = []
    for k, span in spans:
        result += [slice(None)] * rest if k is Ellipsis else [k] * span
    return result + [slice(None)] * (t.inputs[0].ndim - len(result))


def _concatenate(reader: Reader, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
    starts = [Size.of(0)]
    for shape in shapes:
        starts.append(starts[-1] + shape[t.params["axis"]])
    return {"starts": tuple(starts)}


def _windows(reader: Reader, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
    for n, axis in zip(t.params["sizes"], t.params["axes"], strict=True):
        if shapes[0][axis].number is None:
            reader.own(n, t)
    return {}


def _of_own_shape(reader: Reader, t: Tensor, shapes: Sequence[Shape], place: int) -> Mapping[str, Any]:
    return {"shape": tuple(reader.own(n, t) for n in t.params["shape"])}


Form = Callable[[Reader, Tensor, Sequence[Shape], int], Mapping[str, Any]]
_FORMS: Mapping[Any, Form] = {
    r.reshape: _reshape,
    r.broadcast_to: _broadcast_to,
    r.getitem: _getitem,
    r.concatenate: _concatenate,
    r.windows: _windows,
    r.scatter: _of_own_shape,
    r.overlap_add: _of_own_shape,
    s.one_hot: lambda reader, t, shapes, place: {"classes": reader.own(t.params["classes"], t)},
}
