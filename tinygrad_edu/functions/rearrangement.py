"""Functions that move numbers: another shape, another order, parts, joins, repetitions, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..explain import message
from ..methods import Axis, join, normalize_axes
from ..ops import rearrangement as r
from ..record import TensorLike, record
from ..tensor import Tensor, as_tensor
from .implements import implements

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "moveaxis",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "sliding_window_view",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "take_along_axis",
    "tile",
    "transpose",
]


REPEATING = ("edge", "reflect", "symmetric", "wrap")  # the modes of numpy.pad whose border repeats numbers


@implements(np.reshape)
def reshape(x: TensorLike, shape: int | Sequence[int]) -> Tensor:
    """The same numbers, in row-major order, in another shape; one size may be -1.

    >>> tg.reshape([1.0, 2.0, 3.0, 4.0], (2, -1)).shape
    (2, 2)
    """
    return as_tensor(x).reshape(shape)


@implements(np.ravel)
def ravel(x: TensorLike) -> Tensor:
    """The same numbers on one axis.

    >>> tg.ravel([[1.0, 2.0], [3.0, 4.0]])
    Tensor([1., 2., 3., 4.], op='reshape')
    """
    return as_tensor(x).ravel()


@implements(np.transpose)
def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """y_ji = x_ij: the axes in another order, reversed by default.

    >>> tg.transpose([[1.0, 2.0, 3.0]]).shape
    (3, 1)
    """
    return as_tensor(x).transpose(axes)


@implements(np.swapaxes)
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """The two axes exchanged.

    >>> tg.swapaxes([[1.0, 2.0, 3.0]], 0, 1).shape
    (3, 1)
    """
    return as_tensor(x).swapaxes(axis1, axis2)


@implements(np.matrix_transpose)
def _matrix_transpose(x: TensorLike) -> Tensor:
    return as_tensor(x).mT


@implements(np.moveaxis)
def moveaxis(x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The axes ``source`` moved to the places ``destination``, the others in their order.

    >>> tg.moveaxis([[[1.0, 2.0, 3.0]]], 2, 0).shape
    (3, 1, 1)
    """
    x = as_tensor(x)
    from_axes = normalize_axes(x, [source] if isinstance(source, int) else source, "moveaxis")
    to_axes = normalize_axes(x, [destination] if isinstance(destination, int) else destination, "moveaxis")
    if len(from_axes) != len(to_axes):
        raise ShapeError(
            message("moveaxis", (x,), "source and destination differ in length", "give a destination for each source.")
        )
    order = [a for a in range(x.ndim) if a not in from_axes]
    for to, a in sorted(zip(to_axes, from_axes, strict=True)):
        order.insert(to, a)
    return x.transpose(tuple(order))


@implements(np.squeeze)
def squeeze(x: TensorLike, axis: Axis = None) -> Tensor:
    """Without the axes of size 1, all of them or the given ones.

    >>> tg.squeeze([[1.0, 2.0]]).shape
    (2,)
    """
    return as_tensor(x).squeeze(axis)


@implements(np.expand_dims)
def expand_dims(x: TensorLike, axis: int | tuple[int, ...]) -> Tensor:
    """With new axes of size 1, at these places of the result.

    >>> tg.expand_dims([1.0, 2.0], 1).shape
    (2, 1)
    """
    x = as_tensor(x)
    axes = axis if isinstance(axis, tuple) else (axis,)
    rank = x.ndim + len(axes)
    places = normalize_axes(x, axes, "expand_dims", rank=rank)
    sizes = iter(x.shape)
    return x.reshape(tuple(1 if a in places else next(sizes) for a in range(rank)))


@implements(np.broadcast_to)
def broadcast_to(x: TensorLike, shape: int | Sequence[int]) -> Tensor:
    """The numbers repeated along new axes and axes of size 1; their gradients add up.

    >>> tg.broadcast_to([1.0, 2.0], (3, 2)).shape
    (3, 2)
    """
    return record(r.broadcast_to, (as_tensor(x),), {"shape": (shape,) if isinstance(shape, int) else tuple(shape)})


@implements(np.concatenate)
def concatenate(tensors: Sequence[TensorLike], axis: int | None = 0) -> Tensor:
    """The tensors one after the other along an axis that they have; flattened first when axis is None.

    >>> tg.concatenate([[1.0], [2.0, 3.0]])
    Tensor([1., 2., 3.], op='concatenate')
    """
    if axis is None:
        return join([as_tensor(t).ravel() for t in tensors], 0)
    return join([as_tensor(t) for t in tensors], axis)


@implements(np.stack)
def stack(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """The tensors side by side along a new axis: y_ai = x⁽ᵃ⁾_i.

    >>> tg.stack([tg.Tensor(1.0), tg.Tensor(2.0)])
    Tensor([1., 2.], op='stack')
    """
    parts = tuple(as_tensor(t) for t in tensors)
    if not parts:
        raise ShapeError("stack: there is nothing to stack: the list is empty.")
    (axis,) = normalize_axes(parts[0], (axis,), "stack", rank=parts[0].ndim + 1)
    return record(r.stack, parts, {"axis": axis})


@implements(np.split)
def split(x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """The parts between the indices, or that many equal parts, along an axis.

    >>> [part.shape for part in tg.split([1.0, 2.0, 3.0], [1])]
    [(1,), (2,)]
    """
    x = as_tensor(x)
    axis = normalize_axes(x, (axis,), "split")[0]
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        if n < 1 or size % n:
            raise ShapeError(
                message(
                    "split", (x,), f"cannot split {size} into {n} equal parts", f"the size of axis {axis} must be a multiple."
                )
            )
        cuts = [size // n * i for i in range(1, n)]
    else:
        cuts = list(indices_or_sections)
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]


@implements(np.pad)
def pad(x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Tensor:
    """The numbers with a border around them.

    Parameters
    ----------
    x : TensorLike
        The numbers.
    pad_width : int, pair, or a pair per axis
        How many numbers before and after, as in ``numpy.pad``.
    mode : str
        ``"constant"``, or a mode of ``numpy.pad`` that repeats the numbers themselves: ``"edge"``, ``"reflect"``,
        ``"symmetric"``, ``"wrap"``. Then the border's gradients go back to the numbers that it repeats.
    constant_values : float
        The number in a constant border.

    Examples
    --------
    >>> tg.pad([1.0, 2.0], 1)
    Tensor([0., 1., 2., 0.], op='pad')
    """
    x = as_tensor(x)
    widths = tuple((int(a), int(b)) for a, b in np.broadcast_to(pad_width, (x.ndim, 2)))
    if any(n < 0 for pair in widths for n in pair):
        raise ShapeError(message("pad", (x,), f"negative width in {widths}", "a border has 0 or more numbers."))
    if mode not in REPEATING and mode != "constant":
        raise ValueError(message("pad", (x,), f"there is no mode {mode!r} here", f"modes: constant, {', '.join(REPEATING)}."))
    if mode == "constant":
        return record(r.pad, (x,), {"widths": widths, "value": float(constant_values)})
    for axis, pair in enumerate(widths):
        if pair != (0, 0):
            places = np.pad(np.arange(x.shape[axis]), pair, mode=mode)  # type: ignore[call-overload]  # any of numpy.pad's modes
            x = x[(slice(None),) * axis + (places,)]
    return x


@implements(np.flip)
def flip(x: TensorLike, axis: Axis = None) -> Tensor:
    """y_i = x_(n−1−i) along the axes, all by default.

    >>> tg.flip([1.0, 2.0, 3.0])
    Tensor([3., 2., 1.], op='flip')
    """
    return record(r.flip, (as_tensor(x),), {"axes": axis})


@implements(np.repeat)
def repeat(x: TensorLike, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Each number several times in place; the gradients of the copies add up. Flattened when no axis is given.

    >>> tg.repeat([1.0, 2.0], 2).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = x.ravel(), 0
    axis = normalize_axes(x, (axis,), "repeat")[0]
    places = np.repeat(np.arange(x.shape[axis]), repeats)
    return x[(slice(None),) * axis + (places,)]


@implements(np.tile)
def tile(x: TensorLike, reps: int | Sequence[int]) -> Tensor:
    """The whole array several times along each axis; the gradients of the copies add up.

    >>> tg.tile([1.0, 2.0], 2).tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    x = as_tensor(x)
    times = (reps,) if isinstance(reps, int) else tuple(reps)
    rank = max(x.ndim, len(times))
    shape = (1,) * (rank - x.ndim) + x.shape
    times = (1,) * (rank - len(times)) + times
    pairs = x.reshape(tuple(n for size in shape for n in (1, size)))
    repeated = broadcast_to(pairs, tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    return repeated.reshape(tuple(n * size for n, size in zip(times, shape, strict=True)))


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: TensorLike, window_shape: int | Sequence[int], axis: Axis = None) -> Tensor:
    """y_ik = x_(i+k): every window of that size, on new axes at the end; the gradients of overlaps add up.

    >>> tg.sliding_window_view([1.0, 2.0, 3.0], 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    x = as_tensor(x)
    sizes = (window_shape,) if isinstance(window_shape, int) else tuple(window_shape)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = normalize_axes(x, axes, "sliding_window_view", unique=False)
    if len(sizes) != len(places) or any(not 0 < size <= x.shape[a] for size, a in zip(sizes, places, strict=True)):
        rule = f"a window has from 1 number to the size of its axis; {len(sizes)} sizes were given for {len(places)} axes."
        raise ShapeError(message("sliding_window_view", (x,), f"there is no window of shape {sizes}", rule))
    return record(r.windows, (x,), {"sizes": sizes, "axes": places})


@implements(np.take_along_axis)
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int = -1) -> Tensor:
    """y_i = x_(indices_i) along the axis: what ``argsort`` and ``argmax`` give, picked out.

    >>> tg.take_along_axis([30.0, 10.0, 20.0], [1, 2, 0], axis=0).tolist()
    [10.0, 20.0, 30.0]
    """
    x, places = as_tensor(x), as_tensor(indices)
    axis = normalize_axes(x, (axis,), "take_along_axis")[0]
    if places.ndim != x.ndim:
        rule = f"the indices have {places.ndim} axes, x has {x.ndim}: they must be as many."
        raise ShapeError(message("take_along_axis", (x,), "the indices do not fit", rule))
    grid = np.ogrid[tuple(slice(n) for n in x.shape)]
    return x[tuple(places if a == axis else g for a, g in enumerate(grid))]
