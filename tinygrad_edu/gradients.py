"""Gradients of any node, and of functions: gradients, grad, value_and_grad, vjp, jvp, jacobian, hessian, to any order.

All of them are one sweep, or one sweep of a recorded sweep: reading the rules with Tensors records the backward pass,
and a record can be differentiated again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from .errors import GradientError, ShapeError
from .functions import stack
from .modes import MODES, enable_grad, is_tracing
from .ops import elementwise as e
from .record import TensorLike, own, record
from .sweep import depending_on, topological_order
from .tensor import Tensor, as_tensor, run_sweep

__all__ = ["grad", "gradients", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"]


@overload
def gradients(
    y: Tensor, targets: Tensor, *, gradient: TensorLike | None = ..., create_graph: bool = ..., unused: str = ...
) -> Tensor: ...
@overload
def gradients(
    y: Tensor, targets: Sequence[Tensor], *, gradient: TensorLike | None = ..., create_graph: bool = ..., unused: str = ...
) -> list[Tensor]: ...
def gradients(
    y: Tensor,
    targets: Tensor | Sequence[Tensor],
    *,
    gradient: TensorLike | None = None,
    create_graph: bool = False,
    unused: str = "error",
) -> Tensor | list[Tensor]:
    """``∂y/∂t`` for each target t: leaves or results, whether or not they require a gradient.

    Parameters
    ----------
    y : Tensor
        The result. A scalar, unless ``gradient`` is given.
    targets : Tensor or sequence of Tensors
        What to differentiate by. One Tensor gives one gradient, a sequence a list.
    gradient : array_like or Tensor, optional
        The gradient of what comes after y, of y's shape.
    create_graph : bool
        Record the backward pass, so that the gradients can be drawn and differentiated again.
    unused : {"error", "zero"}
        What to do for a target that y does not depend on.

    Raises
    ------
    GradientError
        If y is not a scalar and no gradient is given, or y does not depend on a target.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(2.0, name="x")
    >>> y = x**3
    >>> first = tg.gradients(y, x, create_graph=True)
    >>> first.item(), tg.gradients(first, x).item()
    (12.0, 12.0)
    """
    if unused not in ("error", "zero"):
        raise ValueError(f'gradients: unused={unused!r} is neither "error" nor "zero".')
    several = not isinstance(targets, Tensor)
    wanted: list[Tensor] = list(targets) if several else [targets]  # type: ignore[list-item]  # a Tensor, by the line above
    for t in wanted:
        if not isinstance(t, Tensor):
            raise TypeError(f"gradients: a target is {type(t).__name__}, not a Tensor: {t!r:.80}")
        if t.dtype.kind != "f":
            raise GradientError(f"gradients: {t._called()} holds {t.dtype}, which has no derivatives.")
    asked = create_graph
    create_graph = asked or bool(MODES.get() and is_tracing())
    order = topological_order([y])
    active = depending_on(order, wanted)
    seed = _seed(y, gradient, create_graph)
    found: dict[Tensor, Any] = {}
    if id(y) in active:
        nodes = [node for node in order if id(node) in active]
        found = run_sweep(nodes, active, set(wanted), {y: seed}, record=create_graph)
    result: list[Tensor] = []
    for t in wanted:
        g = found.get(t)
        if g is None:
            if unused != "zero":
                raise GradientError(
                    f"gradients: {y._called()} does not depend on {t._called()}: there is no path between them.\n"
                    '  Try: unused="zero"   to count that as 0'
                )
            g = np.zeros(t.shape, t.dtype)[()]
        if isinstance(g, Tensor):
            if not asked:
                g = g.detach()
            with enable_grad():  # one node per gradient, so that each can be given a name of its own
                result.append(record(e.identity, (g,)) if any(g is other for other in (seed, *result)) else g)
        else:
            result.append(_constant(g))
    return result if several else result[0]


def _seed(y: Tensor, gradient: TensorLike | None, create_graph: bool) -> Any:
    if gradient is None:
        if y.shape:
            raise GradientError(
                f"gradients: {y._called()} is not a scalar: its shape is {y.shape}.\n"
                "  Try: .sum() or .mean() first, or pass gradient= of the same shape"
            )
        if y.dtype.kind != "f":
            raise GradientError(f"gradients: {y._called()} holds {y.dtype}, which has no derivatives.")
        seed = _constant(y.dtype.type(1))
    else:
        seed = as_tensor(gradient)
        if seed.shape != y.shape:
            raise ShapeError(f"gradients: gradient has shape {seed.shape}, {y._called()} has {y.shape}: they must be equal.")
        if seed.dtype != y.dtype:
            seed = seed.astype(y.dtype)
    return seed if create_graph else seed._data


def _constant(value: Any) -> Tensor:
    t = object.__new__(Tensor)
    return t._leaf(value)


# ---- functions of arrays -----------------------------------------------------------------------------------------


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Tensor, Any]]:
    """``x ↦ (f(x), ∂f/∂x)`` for a function with a scalar value.

    Parameters
    ----------
    f : callable
        Takes Tensors, gives a scalar Tensor.
    argnums : int or sequence of ints
        Which arguments to differentiate by; a sequence gives a list of gradients. An argument may be a list, tuple or
        dict of arrays: then so is its gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> y, dy = tg.value_and_grad(lambda x: x * x)(3.0)
    >>> y.item(), dy.item()
    (9.0, 6.0)
    """

    @enable_grad()
    def run(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        chosen = [argnums] if isinstance(argnums, int) else list(argnums)
        call, variables = _variables(args, chosen)
        y = _scalar(f(*call, **kwargs))
        flat = [x for group in variables for x in group.leaves]
        found = gradients(y, flat, create_graph=_nested(y, flat), unused="zero")
        parts = iter(found)
        result = [group.build([next(parts) for _ in group.leaves]) for group in variables]
        return y, result[0] if isinstance(argnums, int) else result

    return run


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """``x ↦ ∂f/∂x`` for a function with a scalar value; ``grad(grad(f))`` is the second derivative.

    Takes what :func:`value_and_grad` takes.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.grad(tg.grad(lambda x: x**3))(2.0).item()
    12.0
    """
    both = value_and_grad(f, argnums)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


@enable_grad()
def vjp(f: Callable[..., Any], *primals: TensorLike) -> tuple[Tensor, Callable[[TensorLike], list[Tensor]]]:
    """``(f(x), v ↦ vᵀ J)``, J the Jacobian of f at the primals: one sweep per v.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> y, pull = tg.vjp(lambda x: x * x, [1.0, 2.0])
    >>> pull([1.0, 10.0])[0]
    Tensor([ 2., 40.])
    """
    xs = [_variable(x, f"vjp: argument {i}") for i, x in enumerate(primals)]
    y = as_tensor(f(*xs))

    @enable_grad()
    def pull(v: TensorLike) -> list[Tensor]:
        record_it = (isinstance(v, Tensor) and v.requires_grad) or _nested(y, xs)
        return gradients(y, xs, gradient=v, create_graph=record_it, unused="zero")

    return y, pull


@enable_grad()
def jvp(f: Callable[..., Any], primals: Sequence[TensorLike], tangents: Sequence[TensorLike]) -> tuple[Tensor, Tensor]:
    """``(f(x), J v)``, J the Jacobian of f at the primals and v the tangents.

    Notes
    -----
    ``uᵀ J`` is linear in u, and its derivative by u along v is ``J v``: two sweeps, and no rule is written twice
    (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> y, dy = tg.jvp(lambda x: x * x, [[1.0, 2.0]], [[1.0, 10.0]])
    >>> dy.tolist()
    [2.0, 40.0]
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals and {len(tangents)} tangents: give one tangent for each primal.")
    xs = [_variable(x, f"jvp: argument {i}") for i, x in enumerate(primals)]
    vs = [as_tensor(v) for v in tangents]
    for i, (x, v) in enumerate(zip(xs, vs, strict=True)):
        if x.shape != v.shape:
            raise ShapeError(f"jvp: tangent {i} has shape {v.shape}, its primal has {x.shape}: they must be equal.")
    y = as_tensor(f(*xs))
    u = Tensor(np.zeros(y.shape, y.dtype if y.dtype.kind == "f" else float), requires_grad=True)
    pulled = gradients(y, xs, gradient=u, create_graph=True, unused="zero") if y.dtype.kind == "f" else []
    total = sum(((p * v).sum() for p, v in zip(pulled, vs, strict=False)), start=as_tensor(0.0))
    outer = any(t.requires_grad for t in vs) or _nested(y, xs)
    return y, gradients(total, u, create_graph=outer, unused="zero")


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Tensor]:
    """``x ↦ J``, J of shape ``f(x).shape + x.shape``: one sweep per number of f(x).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.jacobian(lambda x: x * x)([1.0, 2.0]).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    @enable_grad()
    def run(*args: Any, **kwargs: Any) -> Tensor:
        call = list(args)
        call[argnums] = x = _variable(args[argnums], f"jacobian: argument {argnums}")
        y = as_tensor(f(*call, **kwargs))
        again = _nested(y, [x])
        rows = []
        for i in range(y.size):
            unit = np.zeros(y.size, y.dtype)
            unit[i] = 1
            rows.append(gradients(y, x, gradient=unit.reshape(y.shape), create_graph=again, unused="zero"))
        if not rows:
            return Tensor(np.zeros(y.shape + x.shape, x.dtype))
        return stack(rows).reshape(y.shape + x.shape)

    return run


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Tensor]:
    """``x ↦ H``, the second derivatives of a scalar function, of shape ``x.shape + x.shape``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.hessian(lambda x: (x * x * x).sum())([1.0, 2.0]).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacobian(grad(f, argnums), argnums)


def _scalar(value: Any) -> Tensor:
    y = as_tensor(value)
    if y.shape:
        raise GradientError(
            f"grad: the function returns shape {y.shape}, not a scalar.\n  Try: .sum() or .mean() at its end, or tg.jacobian"
        )
    return y


def _variable(x: Any, who: str) -> Tensor:
    """A fresh node to differentiate by: inner derivatives must not see outer uses of the same Tensor."""
    if isinstance(x, Tensor) and x.requires_grad:
        return record(e.identity, (x,))
    value = x._data if isinstance(x, Tensor) else own(x, None, who)
    if value.dtype.kind != "f":
        raise TypeError(f"{who} holds {value.dtype}, which has no derivatives.\n  Try: give floats, such as 3.0 for 3")
    t = _constant(value)
    t._requires_grad = True
    if isinstance(x, Tensor):
        t.name, t.dims = x.name, x.dims
    return t


def _nested(y: Tensor, xs: Sequence[Tensor]) -> bool:
    """Whether y can be differentiated by anything else than xs: then the backward pass must be recorded too."""
    mine = {id(x) for x in xs if not x.inputs}
    return any(not t.inputs and id(t) not in mine for t in topological_order([y], requiring_grad=True) if t._requires_grad)


class _Group:
    """An argument that may be a list, tuple or dict of arrays: its leaves in order, and how to build its like again."""

    def __init__(self, value: Any, who: str) -> None:
        self.value = value
        if isinstance(value, dict):
            items = list(value.values())
        elif isinstance(value, (list, tuple)) and any(isinstance(v, (Tensor, np.ndarray)) for v in value):
            items = list(value)
        else:
            self.value, items = None, [value]
        self.leaves = [_variable(v, f"{who}, part {i}" if self.value is not None else who) for i, v in enumerate(items)]

    def build(self, parts: list[Tensor]) -> Any:
        if self.value is None:
            return parts[0]
        if isinstance(self.value, dict):
            like = copy.copy(self.value)
            like.update(zip(self.value, parts, strict=True))
            return like
        kind = type(self.value)
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)  # a named tuple takes its parts one by one


def _variables(args: tuple[Any, ...], chosen: list[int]) -> tuple[list[Any], list[_Group]]:
    """The arguments with the chosen ones replaced by variables, and the groups of these, one for each choice."""
    call = list(args)
    groups: dict[int, _Group] = {}
    for i in chosen:
        if not -len(args) <= i < len(args):
            raise ValueError(f"grad: argnums {i} does not exist: the function was called with {len(args)} arguments.")
        place = i % len(args)
        if place not in groups:
            groups[place] = _Group(args[place], f"grad: argument {i}")
            call[place] = groups[place].build(groups[place].leaves)
    return call, [groups[i % len(args)] for i in chosen]
