"""For every op of the table, random arguments in its smooth domain.

A strategy gives a ``Sample``: the arguments as arrays (what is not of floats is not differentiated) and the parameters.
Shapes, axes and keys are drawn; the numbers come from a drawn seed, away from kinks and ties.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu.ops import Index

Shape = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[Any]]
Numbers = Callable[[np.random.Generator, Shape], Array]


@dataclass(frozen=True)
class Sample:
    """Arguments for one call of an op."""

    args: tuple[Array, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = ", ".join(f"{a.dtype}{a.shape}" for a in self.args)
        return f"Sample({shown}, {self.params})"


# ---- shapes ----------------------------------------------------------------------------------------------------------

SMALL = [s for rank in range(4) for s in itertools.product((1, 2, 3), repeat=rank) if math.prod(s) <= 8]
shapes = st.sampled_from(SMALL)
arrays = st.sampled_from([s for s in SMALL if s])  # at least one axis
generators = st.integers(0, 2**16).map(np.random.default_rng)


@st.composite
def broadcastable(draw: st.DrawFn, count: int) -> list[Shape]:
    """Shapes that broadcast to a small one: leading axes left out, others of size 1."""
    full = draw(shapes)
    result = []
    for _ in range(count):
        own = full[draw(st.integers(0, len(full))) if draw(st.booleans()) else 0 :]
        result.append(tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in own))
    return result


def axes_of(rank: int) -> st.SearchStrategy[Any]:
    """None, an axis, or a tuple of axes, counted from either end."""
    if not rank:
        return st.sampled_from([None, ()])
    one = st.integers(-rank, rank - 1)
    several = st.lists(one, max_size=rank, unique_by=lambda a: a % rank).map(tuple)
    return st.none() | one | several


# ---- numbers ---------------------------------------------------------------------------------------------------------


def uniform(low: float, high: float) -> Numbers:
    return lambda rng, shape: rng.uniform(low, high, shape)


def off_zero(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.uniform(0.3, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def apart(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers that differ by at least 0.1 from each other."""
    n = math.prod(shape)
    return ((rng.permutation(n) - n / 2) * 0.3 + rng.uniform(-0.1, 0.1, n)).reshape(shape)


def halves(offset: float) -> Numbers:
    """Near multiples of 1/2, moved: numbers of two offsets never tie."""
    return lambda rng, shape: rng.integers(-3, 4, shape) / 2 + offset + rng.uniform(-0.05, 0.05, shape)


def booleans(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.integers(0, 2, shape).astype(bool)


def integers(rng: np.random.Generator, shape: Shape) -> Array:
    return rng.integers(-2, 4, shape)


def laid_out(draw: st.DrawFn, array: Array) -> Array:
    """The same numbers in another memory order, or with negative strides."""
    layout = draw(st.sampled_from("CCFR"))
    if layout == "F":
        return np.array(array, order="F")
    if layout == "R" and array.ndim:
        return np.ascontiguousarray(array[::-1])[::-1]
    return np.asarray(array)


# ---- one strategy per family -----------------------------------------------------------------------------------------


def elementwise(*numbers: Numbers, **params: Any) -> st.SearchStrategy[Sample]:
    @st.composite
    def strategy(draw: st.DrawFn) -> Sample:
        rng = draw(generators)
        sizes = draw(broadcastable(len(numbers)))
        args = tuple(laid_out(draw, make(rng, shape)) for make, shape in zip(numbers, sizes, strict=True))
        return Sample(args, dict(params))

    return strategy()


@st.composite
def powers(draw: st.DrawFn) -> Sample:
    rng = draw(generators)
    a, b = draw(broadcastable(2))
    if draw(st.booleans()):
        return Sample((rng.uniform(0.4, 2.0, a), rng.uniform(-2.0, 2.0, b)))
    return Sample((off_zero(rng, a), rng.integers(-2, 4, b)))


@st.composite
def quotients(draw: st.DrawFn) -> Sample:
    """0 among the numerators too."""
    rng = draw(generators)
    a, b = draw(broadcastable(2))
    return Sample((off_zero(rng, a) * (rng.random(a) < 0.8), off_zero(rng, b)))


@st.composite
def clips(draw: st.DrawFn) -> Sample:
    """Below, between and above the bounds, which now and then are the wrong way round."""
    rng = draw(generators)
    x, lo, hi = draw(broadcastable(3))
    bounds = [rng.uniform(-1.0, -0.7, lo), rng.uniform(0.7, 1.0, hi)]
    if draw(st.integers(0, 4)) == 0:
        bounds.reverse()
        bounds = [rng.uniform(0.7, 1.0, lo), rng.uniform(-1.0, -0.7, hi)]
    return Sample((rng.choice([-1.5, 0.0, 1.5], x) + rng.uniform(-0.4, 0.4, x), *bounds))


def reduction(numbers: Numbers, axes: Any = None, keepdims: bool = True, some: Any = shapes) -> st.SearchStrategy[Sample]:
    @st.composite
    def strategy(draw: st.DrawFn) -> Sample:
        shape = draw(some)
        params = {"axis": draw((axes or axes_of)(len(shape)))}
        if keepdims:
            params["keepdims"] = draw(st.booleans())
        return Sample((laid_out(draw, numbers(draw(generators), shape)),), params)

    return strategy()


def along(numbers: Numbers, none: bool = False) -> st.SearchStrategy[Sample]:
    """One axis, and no keepdims."""

    def axis(rank: int) -> st.SearchStrategy[Any]:
        one = st.integers(-rank, rank - 1)
        return one | st.none() if none else one

    return reduction(numbers, axis, keepdims=False, some=arrays)


def rearrangement(params: Callable[[st.DrawFn, Shape], dict[str, Any]], some: Any = shapes) -> st.SearchStrategy[Sample]:
    @st.composite
    def strategy(draw: st.DrawFn) -> Sample:
        shape = draw(some)
        return Sample((laid_out(draw, draw(generators).normal(size=shape)),), params(draw, shape))

    return strategy()


def _reshape(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    new = draw(st.sampled_from([s for s in SMALL if math.prod(s) == math.prod(shape)]))
    if new and draw(st.booleans()):
        place = draw(st.integers(0, len(new) - 1))
        new = (*new[:place], -1, *new[place + 1 :])
    return {"shape": new}


def _transpose(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    order = draw(st.permutations(range(len(shape))))
    return {"axes": tuple(a - len(shape) if draw(st.booleans()) else a for a in order)}


def _broadcast_to(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    grown = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in shape)
    return {"shape": (*draw(st.sampled_from([(), (1,), (2,)])), *grown)}


def _pad(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    widths = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape)
    return {"widths": widths, "value": draw(st.sampled_from([0.0, 2.5]))}


def _windows(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    axes = draw(st.lists(st.integers(0, len(shape) - 1), max_size=2))
    room = list(shape)
    sizes = []
    for a in axes:
        sizes.append(draw(st.integers(1, room[a])))
        room[a] -= sizes[-1] - 1  # an axis may be windowed twice
    return {"sizes": tuple(sizes), "axes": tuple(axes)}


@st.composite
def overlap_adds(draw: st.DrawFn) -> Sample:
    x = draw(rearrangement(_windows, arrays))
    shape = x.args[0].shape
    windows = np.lib.stride_tricks.sliding_window_view(x.args[0], x.params["sizes"], x.params["axes"])
    return Sample((draw(generators).normal(size=windows.shape),), {**x.params, "shape": shape})


@st.composite
def keys(draw: st.DrawFn, shape: Shape) -> tuple[tuple[Any, ...], tuple[Array, ...]]:
    """A key for an array of this shape, with its index arrays apart: basic, a mask, or integers (repeated) and slices."""
    kind = draw(st.sampled_from(["basic", "mask", "integers"])) if shape else "basic"
    if kind == "basic":
        key = draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
        return key if isinstance(key, tuple) else (key,), ()
    rng = draw(generators)
    if kind == "mask":
        rank = draw(st.integers(1, len(shape)))
        return (Index(0),), (rng.integers(0, 2, shape[:rank]).astype(bool),)
    rest: list[Any] = [slice(None), slice(None, None, -1), slice(0, 2), 0]
    key, arrays_in = [], []
    together = draw(st.sampled_from([(2,), (3,), (2, 2), (1, 2)]))
    for n in shape:
        if draw(st.booleans()):
            own = together[draw(st.integers(0, len(together) - 1)) :]
            key.append(Index(len(arrays_in)))
            arrays_in.append(rng.integers(-n, n, own))
        else:
            key.append(draw(st.sampled_from(rest)))
    if draw(st.integers(0, 3)) == 0:
        key.insert(draw(st.integers(0, len(key))), None)
    return tuple(key), tuple(arrays_in)


def filled(key: tuple[Any, ...], indices: tuple[Array, ...]) -> tuple[Any, ...]:
    """The key as NumPy takes it."""
    return tuple(indices[k.position] if isinstance(k, Index) else k for k in key)


@st.composite
def getitems(draw: st.DrawFn) -> Sample:
    shape = draw(shapes)
    key, indices = draw(keys(shape))
    return Sample((draw(generators).normal(size=shape), *indices), {"key": key})


@st.composite
def scatters(draw: st.DrawFn) -> Sample:
    x = draw(getitems())
    values = np.asarray(x.args[0][filled(x.params["key"], x.args[1:])])
    return Sample((draw(generators).normal(size=values.shape), *x.args[1:]), {**x.params, "shape": x.args[0].shape})


@st.composite
def concatenates(draw: st.DrawFn) -> Sample:
    shape = draw(arrays)
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    rng = draw(generators)
    parts = tuple(rng.normal(size=(*shape[:axis], n, *shape[axis + 1 :])) for n in sizes)
    return Sample(parts, {"axis": axis, "starts": (0, *itertools.accumulate(sizes))})


@st.composite
def stacks(draw: st.DrawFn) -> Sample:
    shape = draw(shapes)
    rng = draw(generators)
    parts = tuple(rng.normal(size=shape) for _ in range(draw(st.integers(1, 3))))
    return Sample(parts, {"axis": draw(st.integers(0, len(shape)))})


sizes = st.integers(1, 2)


@st.composite
def matmuls(draw: st.DrawFn) -> Sample:
    """Every combination of 1-d, 2-d and batched operands, the batch axes broadcast."""
    i, j, k = draw(sizes), draw(st.integers(1, 3)), draw(sizes)
    batch = draw(st.sampled_from([(), (), (2,), (1,), (2, 1)]))
    a, b = (tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in batch[draw(st.integers(0, len(batch))) :]) for _ in range(2))
    left = (j,) if draw(st.integers(0, 3)) == 0 else (*a, i, j)
    right = (j,) if draw(st.integers(0, 3)) == 0 else (*b, j, k)
    rng = draw(generators)
    return Sample((laid_out(draw, rng.normal(size=left)), laid_out(draw, rng.normal(size=right))))


@st.composite
def outers(draw: st.DrawFn) -> Sample:
    rng = draw(generators)
    return Sample((rng.normal(size=draw(st.integers(1, 4))), rng.normal(size=draw(st.integers(1, 4)))))


@st.composite
def traces(draw: st.DrawFn) -> Sample:
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return Sample((draw(generators).normal(size=shape),), {"offset": draw(st.integers(-2, 2))})


@st.composite
def einsums(draw: st.DrawFn) -> Sample:
    """Explicit equations: letters repeated in a factor, in one factor only, and summed or kept."""
    terms = draw(st.lists(st.text("ijk", max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(used))[: draw(st.integers(0, len(used)))]) if used else ""
    size = {letter: draw(sizes) for letter in used}
    rng = draw(generators)
    operands = tuple(rng.normal(size=tuple(size[letter] for letter in term)) for term in terms)
    return Sample(operands, {"equation": ",".join(terms) + "->" + output})


@st.composite
def one_hots(draw: st.DrawFn) -> Sample:
    places = draw(generators).integers(0, 3, draw(shapes))
    return Sample((places * 1.0 if draw(st.booleans()) else places,), {"classes": 3})


@st.composite
def cross_entropies(draw: st.DrawFn) -> Sample:
    shape = draw(arrays)
    rng = draw(generators)
    classes = draw(st.booleans())
    target = rng.integers(0, shape[-1], shape[:-1]) if classes else rng.uniform(0.1, 1.0, shape)
    return Sample((rng.uniform(-2.0, 2.0, shape), target))


# ---- the samples -----------------------------------------------------------------------------------------------------

anything, positive, within = uniform(-2.0, 2.0), uniform(0.2, 3.0), uniform(0.1, 0.9)
discrete = elementwise(off_zero)
compared = elementwise(halves(0.0), halves(0.25))

SAMPLES: dict[str, st.SearchStrategy[Sample]] = {
    "identity": elementwise(anything),
    "astype": elementwise(anything, dtype=np.dtype(np.float64)),
    "negative": elementwise(anything),
    "add": elementwise(anything, anything),
    "subtract": elementwise(anything, anything),
    "multiply": elementwise(anything, anything),
    "divide": elementwise(anything, off_zero),
    "xdivy": quotients(),
    "power": powers(),
    "abs": elementwise(off_zero),
    "square": elementwise(anything),
    "sqrt": elementwise(positive),
    "exp": elementwise(anything),
    "expm1": elementwise(anything),
    "log": elementwise(positive),
    "log1p": elementwise(uniform(-0.6, 2.0)),
    "sin": elementwise(anything),
    "cos": elementwise(anything),
    "tan": elementwise(uniform(-1.2, 1.2)),
    "sinh": elementwise(anything),
    "cosh": elementwise(anything),
    "tanh": elementwise(anything),
    "arctan": elementwise(anything),
    "sigmoid": elementwise(anything),
    "log_sigmoid": elementwise(anything),
    "softplus": elementwise(off_zero),  # its forward has |x| inside: exact at 0, but rounded on two branches
    "relu": elementwise(off_zero),
    "silu": elementwise(anything),
    "gelu": elementwise(anything),
    "selu": elementwise(off_zero),
    "leaky_relu": elementwise(off_zero, uniform(0.01, 0.5)),
    "elu": elementwise(off_zero, uniform(0.3, 2.0)),
    "celu": elementwise(off_zero, uniform(0.3, 2.0)),
    "bce": elementwise(within, within) | elementwise(within, lambda rng, shape: rng.integers(0, 2, shape)),
    "bce_with_logits": elementwise(anything, uniform(0.0, 1.0)),
    "equal": elementwise(integers, integers) | compared,
    "not_equal": elementwise(integers, integers) | compared,
    "less": compared,
    "less_equal": compared,
    "greater": compared,
    "greater_equal": compared,
    "logical_and": elementwise(booleans, booleans),
    "logical_or": elementwise(booleans, booleans),
    "logical_not": elementwise(booleans),
    "sign": discrete,
    "floor": discrete,
    "ceil": discrete,
    "rint": discrete,
    "isnan": discrete,
    "isfinite": discrete,
    "to_discrete": elementwise(off_zero, dtype=np.dtype(np.int64)),
    "reshape": rearrangement(_reshape),
    "transpose": rearrangement(_transpose),
    "flip": rearrangement(lambda draw, shape: {"axes": draw(axes_of(len(shape)))}),
    "broadcast_to": rearrangement(_broadcast_to),
    "getitem": getitems(),
    "scatter": scatters(),
    "pad": rearrangement(_pad),
    "windows": rearrangement(_windows, arrays),
    "overlap_add": overlap_adds(),
    "concatenate": concatenates(),
    "stack": stacks(),
    "matmul": matmuls(),
    "outer": outers(),
    "sum": reduction(anything),
    "mean": reduction(anything),
    "trace": traces(),
    "cumsum": along(anything),
    "einsum": einsums(),
    "where": elementwise(booleans, anything, anything),
    "clip": clips(),
    "maximum": elementwise(halves(0.0), halves(0.25)),
    "minimum": elementwise(halves(0.0), halves(0.25)),
    "max": reduction(apart),
    "min": reduction(apart),
    "sort": along(apart),
    "argmax": along(apart, none=True),
    "argmin": along(apart, none=True),
    "argsort": along(apart),
    "softmax": along(anything),
    "log_softmax": along(anything),
    "logsumexp": reduction(anything),
    "norm": reduction(off_zero),
    "one_hot": one_hots(),
    "cross_entropy": cross_entropies(),
}
