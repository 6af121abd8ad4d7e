"""Are the derivatives right? Every entry of the Jacobian, in reverse and in forward mode, against central differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..gradients import gradients, jvp, vjp
from ..methods import join
from ..modes import enable_grad
from ..record import TensorLike, own
from ..tensor import Tensor
from .differences import STEP, Array, kink, slope

Function = Callable[..., Tensor]
Line = Callable[[float], Array]
Parts = list[tuple[str, tuple[int, ...]]]  # names and shapes of arrays that were laid one after the other

MODES = ("reverse", "forward")
# With more rows and columns than this, a Jacobian is not checked entry by entry but along a few random directions.
LARGE, FEW = 1000, 8


class GradcheckError(AssertionError):
    """A derivative differs from the central differences. ``report`` is the whole table."""

    def __init__(self, message: str, report: GradcheckReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class Row:
    """One input in one mode: the entry where engine and differences are furthest apart, and how many are wrong.

    ``reason`` says why the differences may be to blame, where something speaks for that.
    """

    input: str
    order: int
    mode: str
    difference: float
    allowed: float
    where: str
    engine: float
    differences: float
    wrong: int
    entries: int
    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class GradcheckReport:
    """What was compared: true when everything agrees, a table when printed."""

    rows: tuple[Row, ...]

    def __bool__(self) -> bool:
        return all(row.wrong == 0 for row in self.rows)

    def __repr__(self) -> str:
        table = [("input", "order", "mode", "largest difference", "where", "")]
        for row in self.rows:
            verdict = f"WRONG in {row.wrong} of {row.entries}" if row.wrong else ""
            table.append((row.input, str(row.order), row.mode, f"{row.difference:.1e}", row.where, verdict))
        widths = [max(len(line[i]) for line in table) for i in range(6)]
        return "\n".join("  ".join(text.ljust(n) for text, n in zip(line, widths, strict=True)).rstrip() for line in table)


@dataclass(frozen=True, slots=True)
class _Options:
    modes: tuple[str, ...]
    directions: int | None
    eps: float
    rtol: float
    atol: float | None
    random: np.random.Generator


def gradcheck(
    f: Function,
    inputs: Sequence[TensorLike] | TensorLike,
    *,
    modes: Sequence[str] = MODES,
    order: int = 1,
    directions: int | None = None,
    eps: float | None = None,
    rtol: float = 1e-6,
    atol: float | None = None,
    seed: int = 0,
) -> GradcheckReport:
    """``|engine − differences| ≤ atol + rtol |differences|``, for every entry of the Jacobian of f at the inputs.

    Parameters
    ----------
    f : callable
        Takes Tensors, gives a Tensor of any shape.
    inputs : sequence of array_like or Tensor
        The arguments of f: a list or tuple with one item for each, or a single array. Floats are raised to float64 and
        differentiated; integers and booleans are passed on as they are. Choose a point where f is smooth: not relu at 0.
    modes : sequence of {"reverse", "forward"}
        ``vjp``, ``jvp``, or both.
    order : int
        2 checks the derivatives of ``(x, v) ↦ vᵀ J(x)`` too, 3 the derivatives of those, and so on. What is
        differentiated again is the backward pass as it was recorded: it gets rows of its own.
    directions : int, optional
        Check ``J v`` and ``uᵀ J v`` for this many random u and v, instead of every entry. By default every entry, and
        8 directions where the Jacobian has more than 1000 rows and columns.
    eps : float, optional
        The step for a number x is ``h = eps max(1, |x|)``, with the next power of two for the maximum. By default 2⁻¹⁰,
        near (2.2e-16)^(1/5), where the error h⁴ of the extrapolated differences balances their rounding, 2.2e-16 / h.
    rtol : float
        Allowed difference, relative to the entry.
    atol : float, optional
        Allowed difference, absolute. By default rtol / 100 of the largest entry. What rounding may have done to the
        differences, ``10 · 2.2e-16 |f| / h``, is always allowed.
    seed : int
        For the random directions and v.

    Returns
    -------
    GradcheckReport
        True, and a table when printed: for each input and mode the largest difference, and where it is.

    Raises
    ------
    GradcheckError
        If a derivative is wrong. The message names the input, the mode, the entry and both numbers.
    ValueError
        If there is nothing to check, an option is unknown, or f gives two values for the same inputs.
    TypeError
        If f does not return a Tensor of floats.

    Notes
    -----
    A derivative is Richardson's extrapolation ``(4 D(h/2) − D(h)) / 3`` of central differences D. Where ``D(h)`` and
    ``D(h/2)`` disagree, h is made shorter, and the estimate that is least in doubt is taken.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.check import gradcheck
    >>> gradcheck(lambda x, w: tg.tanh(x * w), [0.5, tg.Tensor(2.0, name="w")])
    input  order  mode     largest difference  where
    x0     1      reverse  ...                 ∂y/∂x0
    x0     1      forward  ...                 ∂y/∂x0
    w      1      reverse  ...                 ∂y/∂w
    w      1      forward  ...                 ∂y/∂w

    A rule with a missing square is found:

    >>> cube = tg.elementwise("cube", lambda x: x**3, lambda y, x: 3 * x)
    >>> gradcheck(cube, [[1.0, 2.0]], modes=["reverse"])
    Traceback (most recent call last):
    tinygrad_edu.check.gradcheck.GradcheckError: gradcheck: wrong derivative by x in 1 of 4 entries (reverse mode, order 1).
      ∂y[1]/∂x[1]: the engine gives 6, the differences give 12.
      input  order  mode     largest difference  where
      x      1      reverse  6.0e+00             ∂y[1]/∂x[1]  WRONG in 1 of 4
    """
    modes = tuple(modes)
    if not modes or not set(modes) <= set(MODES):
        raise ValueError(f"gradcheck: modes {modes!r} are not known.\n  Try: modes=('reverse', 'forward')")
    if order < 1 or (directions is not None and directions < 1):
        raise ValueError(f"gradcheck: order={order}, directions={directions}: give 1 or more.")
    if eps is not None and not eps > 0:
        raise ValueError(f"gradcheck: eps={eps}: a step is larger than 0.")
    options = _Options(modes, directions, STEP if eps is None else eps, rtol, atol, np.random.default_rng(seed))
    arguments: list[Any] = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    with enable_grad():
        rows = _rows(f, arguments, order, options)
    report = GradcheckReport(tuple(rows))
    if not report:
        raise GradcheckError(_message(report), report)
    return report


def _rows(f: Function, inputs: Sequence[TensorLike], order: int, options: _Options) -> list[Row]:
    """The rows of each order, up to the first that is wrong."""
    g, xs = _variables(f, inputs)
    parts = [("y", g(*xs).shape)]
    rows: list[Row] = []
    magnitude = 0.0
    for level in range(1, order + 1):
        rows += _compare(g, xs, parts, level, options, magnitude, recorded=level < order)
        if any(row.wrong for row in rows):
            break
        y = g(*xs)
        v = Tensor(options.random.standard_normal(y.shape), name="v" * level)
        magnitude = max(magnitude, np.max(np.abs(y.data), initial=0.0)) * np.max(np.abs(v.data), initial=0.0)
        parts = [(f"d{x.name}", x.shape) for x in xs]
        g, xs = _pullback(g), [*xs, v]
    return rows


def _variables(f: Function, inputs: Sequence[TensorLike]) -> tuple[Function, list[Tensor]]:
    """The function of the float inputs alone, and these in float64."""
    xs: list[Tensor] = []
    places: list[int] = []
    for i, given in enumerate(inputs):
        if not isinstance(given, Tensor):
            given = Tensor(own(given, None, f"gradcheck: input {i}"))
        if given.dtype.kind == "f":
            places.append(i)
            name = given.name or (f"x{i}" if len(inputs) > 1 else "x")
            xs.append(Tensor(given.numpy(), name=name, dims=given.dims, dtype=np.float64))
    if not xs:
        raise ValueError("gradcheck: no input holds floats, so there is nothing to check.\n  Try: give floats, such as 3.0 for 3")

    def g(*variables: Tensor) -> Tensor:
        call: list[Any] = list(inputs)
        for place, x in zip(places, variables, strict=True):
            call[place] = x
        y = f(*call)
        if not isinstance(y, Tensor) or y.dtype.kind != "f":
            what = f"a Tensor of {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
            raise TypeError(f"gradcheck: f returned {what}; only a Tensor of floats has derivatives.")
        return y

    if not np.array_equal(g(*xs).data, g(*xs).data, equal_nan=True):
        raise ValueError("gradcheck: f gave two values for the same inputs.\n  Try: a fixed seed for its random numbers")
    return g, xs


def _pullback(f: Function) -> Function:
    """``(x, v) ↦ vᵀ J(x)``: the gradients of all x, one after the other."""

    def g(*args: Tensor) -> Tensor:
        # A gradient inside f would take a Tensor that requires none for a constant.
        *xs, v = [x if x.requires_grad else Tensor(x.numpy(), requires_grad=True, name=x.name, dims=x.dims) for x in args]
        found = gradients(f(*xs), xs, gradient=v, create_graph=True, unused="zero")
        return found[0] if len(found) == 1 else join([x.ravel() for x in found], 0)

    return g


def _compare(
    f: Function, xs: list[Tensor], parts: Parts, order: int, options: _Options, magnitude: float, recorded: bool
) -> list[Row]:
    """A row for each input and mode.

    The recorded backward pass is a mode of its own where the next order differentiates it: it must give the same numbers.
    """
    y, pull = vjp(f, *xs)
    few = options.directions
    if few is None and y.size + max(x.size for x in xs) > LARGE:
        few = FEW
    us = np.eye(y.size) if few is None else options.random.standard_normal((few, y.size))
    modes = (*options.modes, "recorded") if recorded else options.modes
    pulled = {
        mode: [pull(Tensor(u.reshape(y.shape), requires_grad=mode == "recorded")) for u in us]
        for mode in modes
        if mode != "forward"
    }

    def project(value: Tensor) -> Array:
        flat = value.numpy().ravel()
        return flat if few is None else us @ flat

    rows = []
    for i, x in enumerate(xs):
        scale = np.exp2(np.ceil(np.log2(np.maximum(1.0, np.abs(x.numpy().ravel())))))
        vs = np.eye(x.size) if few is None else scale * options.random.standard_normal((few, x.size))
        steps = options.eps * (scale if few is None else np.ones(few))
        lines = [_line(f, xs, i, v, project, np.full(len(us), np.nan)) for v in vs]
        slopes = [slope(line, h, options.rtol, magnitude) for line, h in zip(lines, steps, strict=True)]
        # A row belongs to an entry of y or to a direction u, a column to an entry of x or to a direction v.
        shape = len(us), len(vs)
        expected, rounding, doubt = (np.reshape([s[k] for s in slopes], shape[::-1]).T for k in range(3))
        atol = options.atol
        if atol is None:
            atol = options.rtol / 100 * np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0)
        limit = atol + options.rtol * np.abs(expected) + rounding

        def where(r: int, c: int, x: Tensor = x) -> str:
            return f"∂{_entry(parts, r)}/∂{_entry([(str(x.name), x.shape)], c)}" if few is None else f"u{r}ᵀ J v{c}"

        for mode in modes:
            if mode == "forward":
                engine = np.reshape([project(_push(f, xs, i, v)) for v in vs], shape[::-1]).T
            else:
                engine = np.reshape([found[i].numpy() for found in pulled[mode]], (len(us), x.size))
                engine = engine if few is None else engine @ vs.T
            row, place = _row(str(x.name), order, mode, engine, expected, limit, where)
            if row.wrong:
                r, c = place
                row = replace(row, reason=_reason(lines[c], r, steps[c], row, doubt[place]))
            rows.append(row)
    return rows


def _line(f: Function, xs: list[Tensor], i: int, v: Array, project: Callable[[Tensor], Array], outside: Array) -> Line:
    """``t ↦ f(..., x_i + t v, ...)``, NaN where f refuses its arguments."""

    def line(t: float) -> Array:
        x = Tensor(xs[i].numpy() + t * v.reshape(xs[i].shape), name=xs[i].name, dims=xs[i].dims)
        try:
            with np.errstate(all="ignore"):
                return project(f(*xs[:i], x, *xs[i + 1 :]))
        except (ValueError, ArithmeticError):  # not a probability any more, an anomaly, ...
            return outside

    return line


def _push(f: Function, xs: list[Tensor], i: int, v: Array) -> Tensor:
    """``J v``, J by input i alone."""
    return jvp(lambda x: f(*xs[:i], x, *xs[i + 1 :]), [xs[i]], [v.reshape(xs[i].shape)])[1]


def _row(
    name: str, order: int, mode: str, engine: Array, expected: Array, limit: Array, where: Callable[[int, int], str]
) -> tuple[Row, tuple[int, int]]:
    """The row, and the place of its largest difference, among the wrong entries if there are any."""
    if not expected.size:
        return Row(name, order, mode, 0.0, 0.0, "no entries", 0.0, 0.0, 0, 0, ""), (0, 0)
    with np.errstate(invalid="ignore"):  # inf − inf
        difference = np.abs(engine - expected)
    wrong = ~(difference <= limit)  # NaN is wrong
    rank = np.where(wrong == wrong.any(), np.nan_to_num(difference, nan=np.inf), -1.0)
    r, c = (int(n) for n in np.unravel_index(int(np.argmax(rank)), rank.shape))
    numbers = (float(a[r, c]) for a in (difference, limit, engine, expected))
    largest, allowed, ours, theirs = numbers
    return Row(name, order, mode, largest, allowed, where(r, c), ours, theirs, int(wrong.sum()), wrong.size, ""), (r, c)


def _entry(parts: Parts, i: int) -> str:
    """Number i of several arrays one after the other, as ``name[row, column]``."""
    for name, shape in parts:
        size = math.prod(shape)
        if i < size:
            place = ", ".join(str(int(n)) for n in np.unravel_index(i, shape))
            return f"{name}[{place}]" if place else name
        i -= size
    raise IndexError(i)


def _reason(line: Line, r: int, step: float, row: Row, doubt: float) -> str:
    """Why the differences may be to blame, not the rule; empty if nothing says so."""
    if not np.isfinite(row.differences):
        return "f is not finite, or not defined, around this point: choose another one."
    sides = kink(lambda t: float(line(t)[r]), step)
    if sides is not None:
        return f"f has a kink here, with slope {sides[0]:.6g} on the left and {sides[1]:.6g} on the right: choose another point."
    if doubt > row.difference / 10:
        return f"the differences are in doubt by {doubt:.1e}: f is not smooth around this point, or eps does not suit it."
    return ""


def _message(report: GradcheckReport) -> str:
    row = next(row for row in report.rows if row.wrong)
    entries = f"{row.wrong} of {row.entries} entries"
    lines = [
        f"gradcheck: wrong derivative by {row.input} in {entries} ({row.mode} mode, order {row.order}).",
        f"  {row.where}: the engine gives {row.engine:.10g}, the differences give {row.differences:.10g}.",
    ]
    if row.reason:
        lines.append(f"  {row.reason}")
    return "\n".join([*lines, *(f"  {line}" for line in repr(report).splitlines())])
