"""For every public function, random calls in its smooth domain, and the same calls in NumPy.

A strategy gives a ``Case``. Where NumPy has the function under the same name, ``both`` writes the call once, over the
module: then the NumPy function called with Tensors is tested too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from op_references import REFERENCES
from op_samples import SAMPLES, SMALL, Array, Shape, apart, arrays, axes_of, generators, laid_out, off_zero, shapes, sizes

import tinygrad_edu as tg


@dataclass(frozen=True)
class Case:
    """A call: its arguments, the call with Tensors, the call with arrays, and whether NumPy's own function means ours."""

    args: tuple[Any, ...]
    ours: Callable[..., Any]
    numpy: Callable[..., Any]
    protocol: bool
    says: str

    def __repr__(self) -> str:
        return f"{self.says} of {', '.join(f'{np.asarray(a).dtype}{np.shape(a)}' for a in self.args)}"


# NumPy's functions under the names that ours have.
NUMPY = SimpleNamespace(
    **{name: getattr(np, name) for name in tg.functions.__all__ if hasattr(np, name)},
    norm=np.linalg.norm,
    sliding_window_view=np.lib.stride_tricks.sliding_window_view,
)

Call = Callable[..., Any]


def both(args: Any, call: Call, **said: Any) -> Case:
    """One call over the module: ``call(m, *args)``."""
    return Case(tuple(args), partial(call, tg), partial(call, NUMPY), True, str(said))


def from_op(name: str, call: Call | None = None, function: str = "") -> st.SearchStrategy[Case]:
    """The samples and the formula of the op of the same name; the parameters are keywords unless ``call`` says otherwise."""
    f = getattr(tg, function or name)

    def case(sample: Any) -> Case:
        def ours(*xs: Any) -> Any:
            return call(f, xs, sample.params) if call is not None else f(*xs, **sample.params)

        return Case(sample.args, ours, lambda *xs: REFERENCES[name](np, *xs, **sample.params), False, str(sample))

    return SAMPLES[name].map(case)


def of_array(call: Callable[[st.DrawFn, Shape], tuple[Call, Any]], some: Any = shapes, numbers: Any = None) -> Any:
    """A function of one array: ``call(draw, shape)`` gives the call over the module, and what it says."""

    @st.composite
    def strategy(draw: st.DrawFn) -> Case:
        shape = draw(some)
        x = laid_out(draw, (numbers or off_zero)(draw(generators), shape))
        f, said = call(draw, shape)
        return both([x], f, params=said)

    return strategy()


# ---- contractions and what is composed from them ---------------------------------------------------------------------


def _reducing(name: str) -> Callable[[st.DrawFn, Shape], tuple[Call, Any]]:
    def call(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
        axis, keepdims = draw(axes_of(len(shape))), draw(st.booleans())
        return lambda m, x: getattr(m, name)(x, axis=axis, keepdims=keepdims), (axis, keepdims)

    return call


def _spread(name: str) -> Callable[[st.DrawFn, Shape], tuple[Call, Any]]:
    """The standard deviation of one number has a kink everywhere: two at least."""

    def call(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
        def count(axis: Any) -> int:
            return math.prod(shape[a] for a in (range(len(shape)) if axis is None else np.atleast_1d(axis).astype(int)))

        axis = draw(axes_of(len(shape)).filter(lambda a: count(a) > 1 or name == "var"))
        keepdims, ddof = draw(st.booleans()), draw(st.integers(0, min(1, count(axis) - 1)))
        return lambda m, x: getattr(m, name)(x, axis=axis, ddof=ddof, keepdims=keepdims), (axis, keepdims, ddof)

    return call


def _norm(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    axis = draw(axes_of(len(shape)).filter(lambda a: not isinstance(a, tuple) or 0 < len(a) < 3))
    keepdims = draw(st.booleans())
    ord = draw(st.sampled_from([None, 2] if isinstance(axis, int) else [None]))
    return lambda m, x: m.norm(x, ord=ord, axis=axis, keepdims=keepdims), (axis, keepdims, ord)


several = st.sampled_from([s for s in SMALL if math.prod(s) > 1])


def with_zeros(rng: np.random.Generator, shape: Shape) -> Array:
    return off_zero(rng, shape) * (rng.random(shape) < 0.7)


def _cumsum(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1) if shape else st.none())
    return lambda m, x: m.cumsum(x, axis=axis), axis


@st.composite
def dots(draw: st.DrawFn) -> Case:
    """Every combination of ranks from 0 to 3."""
    k = draw(st.integers(1, 3))
    ranks = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    a = [draw(sizes) for _ in range(ranks[0])]
    b = [draw(sizes) for _ in range(ranks[1])]
    if a and b:
        a[-1] = b[-2 if len(b) > 1 else -1] = k
    rng = draw(generators)
    return both([rng.normal(size=a), rng.normal(size=b)], lambda m, x, y: m.dot(x, y))


@st.composite
def outers(draw: st.DrawFn) -> Case:
    """Arrays of any rank are flattened."""
    rng = draw(generators)
    return both([rng.normal(size=draw(shapes)), rng.normal(size=draw(shapes))], lambda m, a, b: m.outer(a, b))


@st.composite
def matmuls(draw: st.DrawFn) -> Case:
    return both(draw(SAMPLES["matmul"]).args, lambda m, a, b: m.matmul(a, b))


@st.composite
def einsums(draw: st.DrawFn) -> Case:
    """Explicit or implicit output, an ellipsis, letters repeated in a factor, letters of one factor only, spaces."""
    terms = [draw(st.text("jiK", max_size=3)) for _ in range(draw(st.integers(1, 3)))]
    size = {letter: draw(sizes) for letter in "ijK"}
    batch: Shape = (2, 2)[: draw(st.integers(0, 2))]
    dotted, operands = [], []
    rng = draw(generators)
    for term in terms:
        place = draw(st.integers(0, len(term)))
        own = batch[draw(st.integers(0, len(batch))) :]
        own = tuple(1 if draw(st.integers(0, 4)) == 0 else n for n in own)  # the ellipsis broadcasts
        if len(term) + len(own) > 4:
            own = ()
        dotted.append(f"{term[:place]}...{term[place:]}" if batch else term)
        shape = [size[letter] for letter in term]
        operands.append(rng.normal(size=(*shape[:place], *(own if batch else ()), *shape[place:])))
    equation = ",".join(dotted)
    if draw(st.booleans()):
        used = sorted(set("".join(terms)))
        output = "".join(draw(st.permutations(used))[: draw(st.integers(0, len(used)))]) if used else ""
        equation += "->" + ("..." if batch else "") + output
    if draw(st.booleans()):
        equation = equation.replace(",", " , ").replace("->", " -> ")
    return both(operands, lambda m, *xs: m.einsum(equation, *xs), equation=equation)


# ---- elementwise -----------------------------------------------------------------------------------------------------


@st.composite
def clips(draw: st.DrawFn) -> Case:
    sample = draw(SAMPLES["clip"])
    kind = draw(st.sampled_from(["both", "lower", "upper"]))
    if kind == "lower":
        return both(sample.args[:2], lambda m, x, lo: m.clip(x, lo, None))
    if kind == "upper":
        return both(sample.args[::2], lambda m, x, hi: m.clip(x, None, hi))
    return both(sample.args, lambda m, x, lo, hi: m.clip(x, lo, hi))


def like_op(name: str) -> st.SearchStrategy[Case]:
    """A function of arrays alone that NumPy has too."""
    return SAMPLES[name].map(lambda sample: both(sample.args, lambda m, *xs: getattr(m, name)(*xs)))


# ---- losses ----------------------------------------------------------------------------------------------------------


@st.composite
def losses(draw: st.DrawFn, name: str) -> Case:
    """The mean of the elementwise formula; prediction and target of one shape."""
    shape, rng = draw(shapes), draw(generators)
    prediction = rng.uniform(0.1, 0.9, shape) if name == "binary_cross_entropy" else rng.uniform(-2, 2, shape)
    target = rng.uniform(0.1, 0.9, shape) if draw(st.booleans()) else rng.integers(0, 2, shape)
    formula = {
        "mse": lambda p, y: (p - y) ** 2,
        "binary_cross_entropy": lambda p, y: -y * np.log(p) - (1 - y) * np.log(1 - p),
        "binary_cross_entropy_with_logits": lambda u, y: np.log(1 + np.exp(u)) - u * y,
    }[name]
    return Case((prediction, target), getattr(tg, name), lambda p, y: np.mean(formula(p, y)), False, name)


@st.composite
def cross_entropies(draw: st.DrawFn) -> Case:
    """Class numbers, or rows of probabilities."""
    shape, rng = draw(arrays), draw(generators)
    logits = rng.uniform(-2, 2, shape)

    def log_p(z: Array) -> Array:
        return np.asarray(z - np.log(np.exp(z).sum(-1, keepdims=True)))

    if draw(st.booleans()):
        classes = rng.integers(0, shape[-1], shape[:-1])
        one_hot = classes[..., None] == np.arange(shape[-1])
        rows = math.prod(shape[:-1])
        return Case((logits, classes), tg.cross_entropy, lambda z, _: -(one_hot * log_p(z)).sum() / rows, False, "classes")
    target = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return Case((logits, target), tg.cross_entropy, lambda z, y: -(y * log_p(z)).sum(-1).mean(), False, "probabilities")


# ---- rearrangements --------------------------------------------------------------------------------------------------


def _expand_dims(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    new = draw(st.integers(1, 2))
    rank = len(shape) + new
    places = tuple(draw(st.lists(st.integers(-rank, rank - 1), min_size=new, max_size=new, unique_by=lambda a: a % rank)))
    axis = places[0] if new == 1 and draw(st.booleans()) else places
    return lambda m, x: m.expand_dims(x, axis), axis


def _squeeze(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    ones = [a - draw(st.sampled_from([0, len(shape)])) for a, n in enumerate(shape) if n == 1]
    several = tuple(draw(st.permutations(ones))[: draw(st.integers(0, len(ones)))])
    axis = draw(st.sampled_from([None, several, *ones]))
    return lambda m, x: m.squeeze(x, axis), axis


def _swapaxes(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    one = st.integers(-len(shape), len(shape) - 1)
    a, b = draw(one), draw(one)
    return lambda m, x: m.swapaxes(x, a, b), (a, b)


def _moveaxis(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    rank = len(shape)
    several = st.lists(st.integers(-rank, rank - 1), min_size=1, max_size=rank, unique_by=lambda a: a % rank)
    source = draw(several)
    to = draw(st.permutations(range(rank)))[: len(source)]
    to = [a - rank if draw(st.booleans()) else a for a in to]
    if len(source) == 1 and draw(st.booleans()):
        return lambda m, x: m.moveaxis(x, source[0], to[0]), (source, to)
    return lambda m, x: m.moveaxis(x, tuple(source), tuple(to)), (source, to)


def _transpose(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    order = draw(st.none() | st.permutations(range(len(shape))).map(tuple))
    return (lambda m, x: m.transpose(x)) if order is None else (lambda m, x: m.transpose(x, order)), order


def _flip(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    axis = draw(axes_of(len(shape)))
    return lambda m, x: m.flip(x, axis=axis), axis


def _repeat(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1) if shape else st.none())
    size = math.prod(shape) if axis is None else shape[axis]
    times = draw(st.integers(0, 3) | st.lists(st.integers(0, 2), min_size=size, max_size=size))
    return lambda m, x: m.repeat(x, times, axis=axis), (times, axis)


def _tile(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    times = draw(st.integers(0, 3) | st.lists(st.integers(1, 2), max_size=4).map(tuple))
    return lambda m, x: m.tile(x, times), times


def _split(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    equal = st.sampled_from([n for n in range(1, size + 1) if size % n == 0])
    where = draw(equal | st.lists(st.integers(0, size + 1), max_size=3).map(sorted))
    return lambda m, x: m.split(x, where, axis=axis), (where, axis)


def _pad(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    width = st.integers(0, 2)
    pair = st.tuples(width, width)
    widths = draw(width | pair | st.tuples(*(pair for _ in shape)) if shape else width)
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    if mode == "constant":
        value = draw(st.sampled_from([0.0, -1.5]))
        return lambda m, x: m.pad(x, widths, mode="constant", constant_values=value), (widths, value)
    return lambda m, x: m.pad(x, widths, mode=mode), (widths, mode)


def _windows(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    """A window on one axis, on two, on one twice, or on all."""
    kind = draw(st.sampled_from(["all", "one", "several"]))
    if kind == "all":
        window = tuple(draw(st.integers(1, n)) for n in shape)
        return lambda m, x: m.sliding_window_view(x, window), window
    rank = len(shape)
    if kind == "one":
        axis = draw(st.integers(-rank, rank - 1))
        size = draw(st.integers(1, shape[axis]))
        return lambda m, x: m.sliding_window_view(x, size, axis=axis), (size, axis)
    axes = tuple(draw(st.lists(st.integers(-rank, rank - 1), min_size=2, max_size=2)))
    room = list(shape)
    window_sizes = []
    for a in axes:
        window_sizes.append(draw(st.integers(1, room[a])))
        room[a] -= window_sizes[-1] - 1
    return lambda m, x: m.sliding_window_view(x, tuple(window_sizes), axis=axes), (window_sizes, axes)


@st.composite
def takes(draw: st.DrawFn) -> Case:
    """The other axes of x and of the indices broadcast."""
    shape, rng = draw(arrays), draw(generators)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    given = list(shape)
    given[axis] = draw(st.integers(0, 4))
    for a in range(len(shape)):
        if a != axis % len(shape) and draw(st.integers(0, 3)) == 0:
            given[a] = 1
    indices = rng.integers(-shape[axis], shape[axis], given)
    return both([rng.normal(size=shape), indices], lambda m, x, i: m.take_along_axis(x, i, axis=axis), axis=axis)


@st.composite
def joins(draw: st.DrawFn, name: str) -> Case:
    shape, rng = draw(arrays), draw(generators)
    rank = len(shape) + (name == "stack")
    axis = draw(st.integers(-rank, rank - 1))
    if name == "concatenate" and draw(st.integers(0, 3)) == 0:
        parts = [rng.normal(size=draw(shapes)) for _ in range(draw(st.integers(1, 3)))]
        return both(parts, lambda m, *xs: m.concatenate(list(xs), axis=None))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        own = list(shape)
        if name == "concatenate":
            own[axis] = draw(st.integers(0, 2))
        parts.append(rng.normal(size=own))
    return both(parts, lambda m, *xs: getattr(m, name)(list(xs), axis=axis), axis=axis)


# ---- selections ------------------------------------------------------------------------------------------------------


def _sort(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return lambda m, x: m.sort(x, axis=axis), axis


def _argument(name: str) -> Callable[[st.DrawFn, Shape], tuple[Call, Any]]:
    def call(draw: st.DrawFn, shape: Shape) -> tuple[Call, Any]:
        one = st.integers(-len(shape), len(shape) - 1)
        axis = draw(one if name == "argsort" else one | st.none())
        return lambda m, x: getattr(m, name)(x, axis=axis), axis

    return call


IN_NUMPY = """abs add arctan cos cosh divide exp expm1 log log1p maximum minimum multiply negative power sin sinh sqrt square
subtract tan tanh where"""
NOT_IN_NUMPY = "celu elu gelu leaky_relu log_sigmoid relu selu sigmoid silu softplus log_softmax logsumexp softmax"

CASES: dict[str, st.SearchStrategy[Case]] = {
    **{name: like_op(name) for name in IN_NUMPY.split()},
    **{name: from_op(name) for name in NOT_IN_NUMPY.split()},
    "clip": clips(),
    "cumsum": of_array(_cumsum),
    "dot": dots(),
    "einsum": einsums(),
    "matmul": matmuls(),
    "mean": of_array(_reducing("mean")),
    "norm": of_array(_norm),
    "outer": outers(),
    "prod": of_array(_reducing("prod"), numbers=with_zeros),
    "std": of_array(_spread("std"), several, apart),
    "sum": of_array(_reducing("sum")),
    "trace": from_op("trace"),
    "var": of_array(_spread("var")),
    "binary_cross_entropy": losses("binary_cross_entropy"),
    "binary_cross_entropy_with_logits": losses("binary_cross_entropy_with_logits"),
    "cross_entropy": cross_entropies(),
    "mse": losses("mse"),
    "broadcast_to": from_op("broadcast_to"),
    "concatenate": joins("concatenate"),
    "expand_dims": of_array(_expand_dims),
    "flip": of_array(_flip),
    "moveaxis": of_array(_moveaxis, arrays),
    "pad": of_array(_pad),
    "ravel": of_array(lambda draw, shape: (lambda m, x: m.ravel(x), "")),
    "repeat": of_array(_repeat),
    "reshape": from_op("reshape"),
    "sliding_window_view": of_array(_windows, arrays),
    "split": of_array(_split, arrays),
    "squeeze": of_array(_squeeze),
    "stack": joins("stack"),
    "swapaxes": of_array(_swapaxes, arrays),
    "take_along_axis": takes(),
    "tile": of_array(_tile),
    "transpose": of_array(_transpose),
    "argmax": of_array(_argument("argmax"), arrays, apart),
    "argmin": of_array(_argument("argmin"), arrays, apart),
    "argsort": of_array(_argument("argsort"), arrays, apart),
    "max": of_array(_reducing("max"), numbers=apart),
    "min": of_array(_reducing("min"), numbers=apart),
    "sort": of_array(_sort, arrays, apart),
}
