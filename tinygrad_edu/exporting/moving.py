"""The rearrangements in ONNX."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import Index, Op
from ..ops import rearrangement as r
from .builder import INT64, Builder
from .call import Call, Form
from .errors import NoOnnxError
from .params import Shape
from .size import Size

FIRST, LAST = -(2**63), 2**63 - 1  # beyond every axis: where a slice without a bound begins and ends


def transpose(b: Builder, x: str, order: Sequence[int]) -> str:
    """The axes in another order."""
    return x if list(order) == list(range(len(order))) else b.op("Transpose", x, perm=list(order))


def _flip(c: Call) -> str:
    axes = c.axes("axes")
    n = len(axes)
    if not n:
        return c.arg(0)
    return c.b.op("Slice", c.arg(0), *(c.integers(bound) for bound in ([-1] * n, [FIRST] * n, list(axes), [-1] * n)))


def _pad(c: Call) -> str:
    widths = c.params["widths"]
    if not widths:
        return c.arg(0)
    ends = c.integers([before for before, _ in widths] + [after for _, after in widths])
    return c.b.op("Pad", c.arg(0), ends, c.constant(c.params["value"]))


def _stack(c: Call) -> str:
    axis = c.integers([c.params["axis"] % len(c.shape)])
    return c.b.op("Concat", *(c.b.op("Unsqueeze", x, axis) for x in c.each()), axis=c.params["axis"])


# ---- keys ------------------------------------------------------------------------------------------------------------


class Key:
    """A key, with what it says of each axis of the array, and its index arrays as values."""

    def __init__(self, c: Call, rank: int) -> None:
        self.entries: list[Any] = []  # None, slices, numbers, and Index for an array of integers
        self.arrays: dict[int, tuple[str, Shape]] = {}
        entries = c.params["key"]
        spans = {k.position: self._add(c, k.position) for k in entries if isinstance(k, Index)}
        used = sum(len(spans[k.position]) if isinstance(k, Index) else 1 for k in entries if k is not None and k is not Ellipsis)
        full = [k for k in entries if k is Ellipsis]
        written: list[Any] = []
        for k in entries if full else (*entries, Ellipsis):
            own = [slice(None)] * (rank - used) if k is Ellipsis else spans[k.position] if isinstance(k, Index) else [k]
            self.entries += own
            written += [k] if k is Ellipsis else own
        if self.arrays:
            # Where NumPy puts the axes of the index arrays is asked of NumPy, with an array in which only they have size 2.
            asked = [np.zeros(2, int) if isinstance(k, Index) else 0 if isinstance(k, (int, Size)) else k for k in written]
            whole = [slice(None) if isinstance(k, slice) else k for k in asked]
            self.first = np.zeros((1,) * rank)[tuple(whole)].shape.index(2)

    def _add(self, c: Call, position: int) -> list[Index]:
        """The integer arrays that an index array stands for: itself, or those of the places where a mask is true."""
        step = c.args[1 + position].step
        if step.dtype.kind != "b":
            place = Index(len(self.arrays))
            self.arrays[place.position] = (c.arg(1 + position, INT64), step.shape)
            return [place]
        if not isinstance(step.value, np.ndarray) or not step.value.ndim:
            raise NoOnnxError(
                "export_onnx: x[mask] has as many numbers as the mask has True, which is not known before the model runs.\n"
                "  Try: tg.where(mask, x, 0), or a mask that is an array and not a named Tensor"
            )
        result = []
        for places in np.nonzero(step.value):
            result.append(Index(len(self.arrays)))
            self.arrays[result[-1].position] = (c.integers(places), (Size.of(len(places)),))
        return result


def take(c: Call, x: str, key: Key) -> str:
    """``x[key]``: slices first; then numbers and index arrays together, as NumPy does; then new axes."""
    x = _slices(c, x, [k for k in key.entries if k is not None])
    if key.arrays:
        return _gather(c, x, key)
    axes = [k for k in key.entries if k is not None]
    for axis in reversed(range(len(axes))):
        if not isinstance(axes[axis], slice):
            x = c.b.op("Gather", x, c.b.scalar(axes[axis]), axis=axis)
    left = [k for k in key.entries if k is None or isinstance(k, slice)]
    return _new_axes(c, x, [i for i, k in enumerate(left) if k is None])


def _slices(c: Call, x: str, axes: Sequence[Any]) -> str:
    cut = [(axis, k) for axis, k in enumerate(axes) if isinstance(k, slice) and k != slice(None)]
    if not cut:
        return x
    steps = [_bound(k.step, 1) for _, k in cut]
    starts = [_bound(k.start, 0 if step > 0 else LAST) for (_, k), step in zip(cut, steps, strict=True)]
    ends = [_bound(k.stop, LAST if step > 0 else FIRST) for (_, k), step in zip(cut, steps, strict=True)]
    return c.b.op("Slice", x, c.b.shape(starts), c.b.shape(ends), c.integers([axis for axis, _ in cut]), c.integers(steps))


def _bound(n: Any, otherwise: int) -> Any:
    return otherwise if n is None else n if isinstance(n, Size) else operator.index(n)


def _gather(c: Call, x: str, key: Key) -> str:
    """The indexed axes first, and one index for all of them; then the result's axes where NumPy puts them."""
    axes = [k for k in key.entries if k is not None]
    indexed = [axis for axis, k in enumerate(axes) if not isinstance(k, slice)]
    rest = [axis for axis, k in enumerate(axes) if isinstance(k, slice)]
    parts = [key.arrays[k.position] if isinstance(k, Index) else (c.b.scalar(k), ()) for k in axes if not isinstance(k, slice)]
    together = _broadcast([shape for _, shape in parts])
    x = transpose(c.b, x, [*indexed, *rest])
    if len(parts) == 1:
        x = c.b.op("Gather", x, parts[0][0], axis=0)
    else:
        same = [index if shape == together else c.b.filled(index, together) for index, shape in parts]
        last = c.integers([-1])
        x = c.b.op("GatherND", x, c.b.op("Concat", *(c.b.op("Unsqueeze", index, last) for index in same), axis=-1))
    order: list[int | None] = []
    others = iter(range(len(together), len(together) + len(rest)))
    order += [None if k is None else next(others) for k in key.entries if k is None or isinstance(k, slice)]
    order[key.first : key.first] = range(len(together))
    x = transpose(c.b, x, [place for place in order if place is not None])
    return _new_axes(c, x, [i for i, place in enumerate(order) if place is None])


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    rank = max(len(shape) for shape in shapes)
    result = []
    for axis in range(-rank, 0):
        sizes = [shape[axis] for shape in shapes if len(shape) >= -axis]
        result.append(next((size for size in sizes if size.number != 1), Size.of(1)))
    return tuple(result)


def _new_axes(c: Call, x: str, places: Sequence[int]) -> str:
    return c.b.op("Unsqueeze", x, c.integers(list(places))) if len(places) else x


def _getitem(c: Call) -> str:
    return take(c, c.arg(0), Key(c, c.rank()))


def _scatter(c: Call) -> str:
    shape = sizes(c.params["shape"])
    places = take(c, c.b.places(shape), Key(c, len(shape)))
    return c.b.add_at(c.arg(0), places, shape, c.dtype)


def sizes(shape: Sequence[Size | int]) -> Shape:
    """A shape of sizes."""
    return tuple(n if isinstance(n, Size) else Size.of(n) for n in shape)


# ---- windows ---------------------------------------------------------------------------------------------------------


def _windows(c: Call, x: str, shape: Shape) -> str:
    """One axis after the other: each place of the window is an index of its own, and its axis moves to the end."""
    own = list(shape)
    for axis, n in zip(c.params["axes"], c.params["sizes"], strict=True):
        own[axis] = own[axis] + Size.of(1 - n)
        count = own[axis]
        starts = c.integers(np.arange(count.number)[:, None]) if count.number is not None else _range(c, count)
        x = c.b.op("Gather", x, c.b.op("Add", starts, c.integers(np.arange(n))), axis=axis)
        own.append(Size.of(n))
        order = [a for a in range(len(own)) if a != axis + 1]
        x = transpose(c.b, x, [*order, axis + 1])
    return x


def _range(c: Call, count: Size) -> str:
    numbers = c.b.op("Range", c.integers(0), c.b.scalar(count), c.integers(1))
    return c.b.op("Unsqueeze", numbers, c.integers([1]))


def _overlap_add(c: Call) -> str:
    shape = sizes(c.params["shape"])
    return c.b.add_at(c.arg(0), _windows(c, c.b.places(shape), shape), shape, c.dtype)


# fmt: off
# ---- the table: op, its form -----------------------------------------------------------------------------------------

FORMS: Mapping[Op, Form] = {
    r.reshape:      lambda c: c.b.reshape(c.arg(0), c.shape),
    r.transpose:    lambda c: transpose(c.b, c.arg(0), [a % c.rank() for a in c.params["axes"]]),
    r.flip:         _flip,
    r.broadcast_to: lambda c: c.b.filled(c.arg(0), c.shape),
    r.getitem:      _getitem,
    r.scatter:      _scatter,
    r.pad:          _pad,
    r.windows:      lambda c: _windows(c, c.arg(0), c.shapes[0]),
    r.overlap_add:  _overlap_add,
    r.concatenate:  lambda c: c.b.op("Concat", *c.each(), axis=c.params["axis"]),
    r.stack:        _stack,
}
# fmt: on
