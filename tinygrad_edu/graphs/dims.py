"""Dimension letters: from those that the user gave to inputs and parameters, the letters of every result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ShapeError
from ..ops import Contraction, Elementwise
from ..ops import contraction as c
from ..ops import rearrangement as r
from ..tensor import Tensor

Dims = tuple[str | None, ...]


def propagate(order: Sequence[Tensor]) -> dict[int, Dims]:
    """The letters of each tensor of a topological order, by id; None for an axis that nobody named.

    Raises
    ------
    ShapeError
        If one letter stands for two sizes.
    """
    dims: dict[int, Dims] = {}
    sizes: dict[str, tuple[int, Tensor]] = {}
    for t in order:
        if t.dims is not None:
            if len(t.dims) != t.ndim:
                raise ShapeError(f"dims: {t.dims!r} name {len(t.dims)} axes, {t._called()} has shape {t.shape}.")
            dims[id(t)] = tuple(t.dims)
            for letter, size in zip(t.dims, t.shape, strict=True):
                before, first = sizes.setdefault(letter, (size, t))
                if before != size:
                    raise ShapeError(
                        f"dims: {letter} is {before} in {first._called()} {first.shape} and {size} in {t._called()} {t.shape}.\n"
                        "  one letter must stand for one size in a graph."
                    )
        elif not t.inputs:
            dims[id(t)] = (None,) * t.ndim
        else:
            dims[id(t)] = result_dims(t, [dims[id(x)] for x in t.inputs])
    return dims


def result_dims(t: Tensor, given: Sequence[Dims]) -> Dims:
    """The letters of a result, from those of its inputs."""
    op, params, shapes = t.op, t.params, [x.shape for x in t.inputs]
    unknown: Dims = (None,) * t.ndim
    if op is r.transpose:
        return tuple(given[0][a] for a in params["axes"])
    if op is r.reshape:
        return _same_sizes(given[0], shapes[0], t.shape)
    if op is r.getitem:
        return _indexed(given[0], params["key"], t.ndim)
    if "keepdims" in params:
        return _reduced(given[0], params, t.ndim)
    equation = params.get("equation") if op is c.einsum else None
    if isinstance(op, Contraction) and op.equation:
        equation = op.equation(*shapes, **params)
    if equation is not None:
        return _contracted(given, equation) or unknown
    if isinstance(op, Elementwise) or op is r.broadcast_to:
        return _broadcast(given, shapes, t.shape)
    return given[0] if t.shape == shapes[0] else unknown


def _broadcast(given: Sequence[Dims], shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> Dims:
    result: list[str | None] = [None] * len(shape)
    for dims, sizes in zip(given, shapes, strict=True):
        for a in range(-1, -len(sizes) - 1, -1):
            if result[a] is None and sizes[a] == shape[a]:
                result[a] = dims[a]
    return tuple(result)


def _contracted(given: Sequence[Dims], equation: str) -> Dims | None:
    inputs, output = equation.split("->")
    letters: dict[str, str | None] = {}
    for dims, term in zip(given, inputs.split(","), strict=True):
        if len(term) != len(dims):
            return None
        for place, letter in zip(term, dims, strict=True):
            letters[place] = letters.get(place) or letter
    return tuple(letters.get(place) for place in output)


def _reduced(dims: Dims, params: Mapping[str, Any], rank: int) -> Dims:
    axis = params["axis"]
    axes = range(len(dims)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % len(dims) for a in axes} if dims else set()
    if params["keepdims"]:
        return tuple(None if a in gone else letter for a, letter in enumerate(dims))
    return tuple(letter for a, letter in enumerate(dims) if a not in gone)


def _same_sizes(dims: Dims, old: tuple[int, ...], new: tuple[int, ...]) -> Dims:
    """A reshape that only adds or drops axes of size 1 keeps the letters of the others."""
    if [n for n in old if n != 1] != [n for n in new if n != 1]:
        return (None,) * len(new)
    kept = iter([letter for letter, n in zip(dims, old, strict=True) if n != 1])
    return tuple(None if n == 1 else next(kept) for n in new)


def _indexed(dims: Dims, key: Sequence[Any], rank: int) -> Dims:
    """Whole axes keep their letter, new and cut ones have none; with index arrays all letters are given up."""
    if not all(k is None or k is Ellipsis or isinstance(k, (slice, int)) for k in key):
        return (None,) * rank
    used = sum(1 for k in key if k is not None and k is not Ellipsis)
    rest = list(dims)
    result: list[str | None] = []
    for k in key if Ellipsis in key else (*key, Ellipsis):
        if k is Ellipsis:
            count = len(dims) - used
            result += [rest.pop(0) for _ in range(count)]
        elif k is None:
            result.append(None)
        else:
            letter = rest.pop(0)
            if isinstance(k, slice):
                result.append(letter if k == slice(None) else None)
    return tuple(result)
