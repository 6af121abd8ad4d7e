"""Tensor: an array that remembers how it was made, and can ask for gradients.

It is put together from four layers, each in a file of its own: what a node remembers (record), how expressions become
records (operators), NumPy's methods (methods), Python's and NumPy's protocols (protocols). Here it is made from data,
shown, copied, and swept backwards.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from . import explain
from .card import card
from .errors import CompileError, GradientError, ShapeError
from .modes import MODES, enable_grad, is_tracing, is_watching
from .ops import Op
from .protocols import Protocols, apply_as
from .record import TensorLike, own
from .sweep import sweep, topological_order


class Tensor(Protocols):
    """An array, the record of how it was computed, and its gradient.

    Parameters
    ----------
    data : array_like
        Numbers: floats, integers or booleans. They are copied.
    requires_grad : bool
        Whether ``backward()`` collects a gradient here. Needs floats.
    name : str, optional
        How pictures, formulas and messages call it.
    dims : str or sequence of str, optional
        A letter for each axis, such as ``"N F"``, for pictures, shape checks and messages.
    dtype : numpy dtype, optional
        By default what NumPy makes of the data: float64 for Python floats.

    Raises
    ------
    TypeError
        For complex numbers, objects, strings, None, or a list that contains Tensors.
    ValueError
        For ragged lists, and for ``dims`` that do not fit the shape.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> L = (w * w).sum().named("L")
    >>> L.backward()
    >>> w.grad
    array([2., 4.])
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        raise TypeError(f"{cls.__name__}: a Tensor is not made to be subclassed.\n  Try: a class that has Tensors as attributes")

    def __init__(
        self,
        data: TensorLike,
        *,
        requires_grad: bool = False,
        name: str | None = None,
        dims: str | Sequence[str] | None = None,
        dtype: Any = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"Tensor: the name is {type(name).__name__}, not text: {name!r:.80}")
        array = own(data, dtype, f"Tensor {name}" if name is not None else "Tensor")
        self._leaf(array, name)
        if dims is not None:
            self.dims = _parse_dims(dims, array.shape, name)
        if requires_grad:
            self.requires_grad = True

    def backward(self, gradient: TensorLike | None = None) -> None:
        """Add ``∂self/∂leaf`` to ``leaf.grad`` for every leaf that requires a gradient.

        Parameters
        ----------
        gradient : array_like, optional
            The gradient of what comes after, of exactly this shape; needed when self is not a scalar.

        Raises
        ------
        GradientError
            If self is not a scalar and no gradient is given, or nothing on the way requires a gradient.
        ShapeError
            If the gradient has another shape.

        Notes
        -----
        The gradients are committed together at the end: an error on the way leaves every ``grad`` as it was. The
        record stays usable; a second call adds the same amount again.
        """
        if MODES.get() and is_tracing():
            raise CompileError(
                "compile: backward() is called inside of the function: a program finds the gradients itself.\n"
                "  Try: return the loss, and take the gradients that step(...) gives"
            )
        seed = seed_for(self, gradient)
        order = topological_order([self], requiring_grad=True)
        found = run_sweep(order, None, {t for t in order if t._retains_grad}, {self: seed})
        taken: set[int] = set()
        commit = []
        for t, g in found.items():
            if t.grad is not None:
                g = np.add(t.grad, g)
            if type(g) is not np.ndarray or g.base is not None or id(g) in taken:
                g = np.array(g)  # a gradient owns its memory
            taken.add(id(g))
            commit.append((t, g))
        for t, g in commit:
            t.grad = g

    def __repr__(self) -> str:
        array = np.asarray(self._data)
        parts = [np.array2string(array, separator=", ", prefix="Tensor(", threshold=200)]
        if MODES.get() and is_tracing():
            parts = [f"shape={self.shape}"]  # the numbers are those of one call only
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        if array.dtype not in (np.float64, np.int64, np.bool_):
            parts.append(f"dtype={array.dtype}")
        if self.op is not None:
            parts.append(f"op={self.op.name!r}")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """What Jupyter shows, beside the repr."""
        return card(self)

    def __reduce__(self) -> Any:
        if self.inputs:
            raise TypeError(
                f"{self._called()} is a result (of {self.op.name}): a record is not copied or pickled.\n"
                "  Try: .detach() for its numbers, or copy the leaves and compute again"
            )
        return _rebuild, (self.numpy(), self._requires_grad, self.name, self.dims, self.grad)

    def __copy__(self) -> Tensor:
        rebuild, state = self.__reduce__()
        return rebuild(*state)  # type: ignore[no-any-return]  # _rebuild gives a Tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.__copy__()


def run_sweep(
    order: Sequence[Tensor],
    active: Container[int] | None,
    keep: Container[Tensor],
    seeds: dict[Tensor, Any],
    record: bool = False,
) -> dict[Tensor, Any]:
    """The sweep, recorded even under ``no_grad``; under ``detect_anomaly`` with a look at what each edge hands back."""
    if not MODES.get():
        return sweep(order, active, keep, seeds, record)
    with enable_grad():
        if not is_watching():
            return sweep(order, active, keep, seeds, record)
        with np.errstate(all="ignore"):  # the error says it better than NumPy's warning
            return sweep(order, active, keep, seeds, record, explain.checked_edge)


def apply(op: Op, *operands: TensorLike, **params: Any) -> Tensor:
    """``op(*operands, **params)``, recorded, whatever the operands are."""
    return apply_as(Tensor, op, operands, params)


def as_tensor(value: TensorLike) -> Tensor:
    """The Tensor itself, or a constant made of an array, a number or nested lists."""
    return value if isinstance(value, Tensor) else Tensor(value)


def seed_for(root: Tensor, gradient: TensorLike | None) -> Any:
    """The gradient to start from: 1 for a scalar, else the given one, of exactly the root's shape."""
    if not root._requires_grad:
        if root.op is None:
            why = "it is a constant: it was given, not computed, and does not require a gradient"
        elif not root.inputs:
            why = f"it was computed by {root.op.name} under no_grad, which leaves no record"
        elif not root.op.differentiable:
            why = f"it was made by {root.op.name}, which has no derivative"
        else:
            order = topological_order([root])
            after = [t for t in order if any(x._requires_grad for x in t.inputs)]  # where gradients stop
            leaves = ", ".join(t.name or f"of shape {t.shape}" for t in order if not t.inputs and t.dtype.kind == "f")
            why = f"no leaf that it was computed from has requires_grad=True (leaves: {leaves})"
            if after:
                why = f"it depends on what requires a gradient only through {after[0].op.name}, which has no derivative"
        raise GradientError(f"backward: {root._called()} has nothing to differentiate: {why}.")
    if gradient is None:
        if root.shape:
            raise GradientError(
                f"backward: {root._called()} is not a scalar: its shape is {root.shape}.\n"
                "  Try: .sum().backward() or .mean().backward(), or pass gradient= of the same shape"
            )
        return root._data.dtype.type(1)
    seed = gradient._data if isinstance(gradient, Tensor) else own(gradient, None, "backward: gradient")
    if np.shape(seed) != root.shape:
        raise ShapeError(f"backward: gradient has shape {np.shape(seed)}, {root._called()} has {root.shape}: they must be equal.")
    return seed.astype(root.dtype)


def _rebuild(data: Any, requires_grad: bool, name: str | None, dims: Any, grad: Any) -> Tensor:
    t = Tensor(data, requires_grad=requires_grad, name=name, dims=dims)
    t.grad = None if grad is None else np.array(grad)
    return t


def _parse_dims(dims: str | Sequence[str], shape: tuple[int, ...], name: str | None) -> tuple[str, ...]:
    letters = tuple(dims.split()) if isinstance(dims, str) else tuple(dims)
    who = f"Tensor {name}" if name is not None else "Tensor"
    if len(letters) != len(shape):
        raise ShapeError(f"{who}: dims {' '.join(letters)!r} name {len(letters)} axes, the data has shape {shape}.")
    sizes: dict[str, int] = {}
    for letter, size in zip(letters, shape, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise ShapeError(f"{who}: dims {' '.join(letters)!r} give {letter} two sizes, {sizes[letter]} and {size}.")
    return letters
