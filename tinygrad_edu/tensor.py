"""Tensor: an array that remembers how it was made.

Every operation makes a new Tensor that keeps the op, its inputs in order and with multiplicity, and the very arrays it
computed with. That is the whole record; everything else (gradients, pictures, derivations, source) only reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias

import numpy as np

from . import explain
from .errors import GradientError, ShapeError
from .modes import MODES, detect_anomaly, is_on, no_grad
from .ops import OPS, Index, Op
from .ops import contraction as c
from .ops import elementwise as e
from .ops import rearrangement as r
from .ops import selection as s
from .readonly import HOW_TO_ASSIGN, read_only
from .sweep import sweep, topological_order

Axis = int | tuple[int, ...] | None
if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    TensorLike: TypeAlias = "Tensor | ArrayLike"  # a Tensor, an array, a number, or nested lists of numbers
else:
    TensorLike = Any

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
UFUNCS = {op.numpy: op for op in OPS.values() if isinstance(op.numpy, np.ufunc)}
# NumPy functions that are not ufuncs, with ours in their place; functions/ fills it with @implements.
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


class Tensor:
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

    __slots__ = (
        "__weakref__",
        "_data",
        "_requires_grad",
        "_retains_grad",
        "args",
        "dims",
        "grad",
        "inputs",
        "name",
        "op",
        "params",
    )

    _data: Any  # an ndarray; a NumPy scalar for shape (); a Python number for a literal in an expression
    _requires_grad: bool
    _retains_grad: bool
    op: Any  # the Op that made it, None for a leaf
    inputs: tuple[Tensor, ...]
    args: tuple[Any, ...]  # the arrays of the inputs when it was computed
    params: Mapping[str, Any]
    name: str | None
    dims: tuple[str, ...] | None
    grad: Any  # an ndarray, None before backward()

    __hash__ = object.__hash__

    def __init__(
        self,
        data: TensorLike,
        requires_grad: bool = False,
        name: str | None = None,
        dims: str | Sequence[str] | None = None,
        dtype: Any = None,
    ) -> None:
        array = own(data, dtype, name)
        self._leaf(array, name)
        if dims is not None:
            self.dims = _parse_dims(dims, array.shape, name)
        if requires_grad:
            self.requires_grad = True

    def _leaf(self, value: Any, name: str | None = None) -> Self:
        self._data = value
        self._requires_grad = self._retains_grad = False
        self.op = self.grad = self.dims = None
        self.inputs = self.args = ()
        self.params = NO_PARAMS
        self.name = name
        return self

    # ---- what it holds -----------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The numbers, as a read-only ndarray. Assigning gives a leaf new numbers of the same shape.

        A record made before keeps the numbers it was computed with.
        """
        return read_only(self._data)

    @data.setter
    def data(self, value: TensorLike) -> None:
        if self.op is not None:
            raise ValueError(f"{self._called()} is a result (of {self.op.name}): only a leaf can be given new numbers.")
        array = own(value, self.dtype, self.name)
        if array.shape != self.shape:
            raise ShapeError(f"{self._called()} has shape {self.shape}: it cannot be given numbers of shape {array.shape}.")
        self._data = array

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient reaches it: set on leaves, inherited by results."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.op is not None:
            raise ValueError(f"{self._called()} is a result (of {self.op.name}): it inherits requires_grad from its inputs.")
        if value and self.dtype.kind != "f":
            raise TypeError(
                f"{self._called()} holds {self.dtype}, which has no derivatives.\n  Try: give floats, such as dtype=float"
            )
        self._requires_grad = bool(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis; () for a scalar."""
        return np.shape(self._data)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of numbers."""
        return int(np.size(self._data))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of the numbers."""
        return np.asarray(self._data).dtype if type(self._data) in LITERALS else self._data.dtype

    @property
    def is_leaf(self) -> bool:
        """Whether it was given, not computed (or computed under no_grad, which leaves no record)."""
        return not self.inputs

    def named(self, name: str) -> Self:
        """Give it a name, and return it: ``h1 = tg.tanh(u1).named("h1")``."""
        self.name = name
        return self

    def item(self) -> Any:
        """The only number, as a Python number."""
        if self.size != 1:
            raise ValueError(f"{self._called()} has shape {self.shape}: item() needs exactly one number.\n  Try: .numpy()")
        return np.asarray(self._data).item()

    def numpy(self) -> np.ndarray[Any, np.dtype[Any]]:
        """A copy of the numbers, not connected to the record."""
        return np.array(self._data)

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        return np.asarray(self._data).tolist()

    def detach(self) -> Tensor:
        """The same numbers as a constant: gradients stop here."""
        t = object.__new__(Tensor)._leaf(self._data)
        t.dims = self.dims
        return t

    # ---- gradients ---------------------------------------------------------------------------------------------

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
        seed = seed_for(self, gradient)
        order = topological_order([self], lambda t: t._requires_grad)
        wanted = {id(t): t for t in order if not t.inputs or t._retains_grad}
        active = {id(t) for t in order}
        found = run_sweep(order, active, wanted, {id(self): seed})
        taken: set[int] = set()
        commit = []
        for key, g in found.items():
            t = wanted[key]
            if t.grad is not None:
                g = np.add(t.grad, g)
            if type(g) is not np.ndarray or g.base is not None or id(g) in taken:
                g = np.array(g)  # a gradient owns its memory
            taken.add(id(g))
            commit.append((t, g))
        for t, g in commit:
            t.grad = g

    def zero_grad(self) -> None:
        """Forget the gradient that was collected."""
        self.grad = None

    def retain_grad(self) -> None:
        """Ask ``backward()`` to leave a gradient here too, though it is not a leaf."""
        if not self._requires_grad:
            raise GradientError(f"{self._called()} does not require a gradient: there is none to retain.")
        self._retains_grad = True

    def _inputs_as_recorded(self) -> tuple[Any, ...]:
        """The inputs with the values they had then: a rebound leaf as a node between it and its old value."""
        return tuple(
            arg if type(arg) in LITERALS else t if t._data is arg else _remembered(t, arg)
            for t, arg in zip(self.inputs, self.args, strict=True)
        )

    # ---- operators ---------------------------------------------------------------------------------------------

    def __add__(self, other: TensorLike) -> Tensor:
        return binary(e.add, self, other)

    def __radd__(self, other: TensorLike) -> Tensor:
        return binary(e.add, other, self)

    def __sub__(self, other: TensorLike) -> Tensor:
        return binary(e.subtract, self, other)

    def __rsub__(self, other: TensorLike) -> Tensor:
        return binary(e.subtract, other, self)

    def __mul__(self, other: TensorLike) -> Tensor:
        return binary(e.multiply, self, other)

    def __rmul__(self, other: TensorLike) -> Tensor:
        return binary(e.multiply, other, self)

    def __truediv__(self, other: TensorLike) -> Tensor:
        return binary(e.divide, self, other)

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        return binary(e.divide, other, self)

    def __pow__(self, other: TensorLike) -> Tensor:
        return binary(e.power, self, other)

    def __rpow__(self, other: TensorLike) -> Tensor:
        return binary(e.power, other, self)

    def __matmul__(self, other: TensorLike) -> Tensor:
        return binary(c.matmul, self, other)

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        return binary(c.matmul, other, self)

    def __neg__(self) -> Tensor:
        return record(e.negative, (self,))

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return record(e.abs, (self,))

    def __eq__(self, other: object) -> Any:
        return binary(e.equal, self, other)

    def __ne__(self, other: object) -> Any:
        return binary(e.not_equal, self, other)

    def __lt__(self, other: TensorLike) -> Tensor:
        return binary(e.less, self, other)

    def __le__(self, other: TensorLike) -> Tensor:
        return binary(e.less_equal, self, other)

    def __gt__(self, other: TensorLike) -> Tensor:
        return binary(e.greater, self, other)

    def __ge__(self, other: TensorLike) -> Tensor:
        return binary(e.greater_equal, self, other)

    def __and__(self, other: TensorLike) -> Tensor:
        return binary(e.logical_and, self, other)

    __rand__ = __and__

    def __or__(self, other: TensorLike) -> Tensor:
        return binary(e.logical_or, self, other)

    __ror__ = __or__

    def __invert__(self) -> Tensor:
        return record(e.logical_not, (self,))

    def __getitem__(self, key: Any) -> Tensor:
        keys: list[Any] = []
        indices: list[Tensor] = []
        for k in key if isinstance(key, tuple) else (key,):
            if k is None or k is Ellipsis or isinstance(k, (slice, int, np.integer)) and not isinstance(k, bool):
                keys.append(k)
            else:
                keys.append(Index(len(indices)))
                indices.append(_as_index(k))
        return record(r.getitem, (self, *indices), {"key": tuple(keys)})

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(f"{self._called()}[...] = ...: {HOW_TO_ASSIGN}")

    # ---- NumPy's methods ---------------------------------------------------------------------------------------

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """y = Σ x over the axes (all by default)."""
        return record(c.sum, (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """y = Σ x / n over the axes (all by default), n the number of terms."""
        return record(c.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest number along the axes. Its gradient is split evenly where several tie."""
        return record(s.max, (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest number along the axes. Its gradient is split evenly where several tie."""
        return record(s.min, (self,), {"axis": axis, "keepdims": keepdims})

    def argmax(self, axis: int | None = None) -> Tensor:
        """The place of the largest number: integers, without gradient."""
        return record(s.argmax, (self,), {"axis": axis})

    def argmin(self, axis: int | None = None) -> Tensor:
        """The place of the smallest number: integers, without gradient."""
        return record(s.argmin, (self,), {"axis": axis})

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """y = Σ (x − mean)² / (n − ddof)."""
        centred = self - self.mean(axis, keepdims=True)
        return (centred * centred).sum(axis, keepdims) / _degrees(self, axis, ddof)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """y = √var, as ‖x − mean‖ / √(n − ddof): its gradient at a constant is 0, not NaN."""
        centred = self - self.mean(axis, keepdims=True)
        return record(OPS["norm"], (centred,), {"axis": axis, "keepdims": keepdims}) / float(np.sqrt(_degrees(self, axis, ddof)))

    def cumsum(self, axis: int | None = None) -> Tensor:
        """y_i = Σ_(k ≤ i) x_k along the axis; of the flattened array when no axis is given."""
        x, axis = (self.ravel(), 0) if axis is None else (self, axis)
        return record(c.cumsum, (x,), {"axis": axis})

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """y = Π x over the axes. Halves are multiplied together, so zeros are no special case for any derivative."""
        axes = tuple(range(self.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = normalize_axes(self, axes, e.multiply)
        kept = [a for a in range(self.ndim) if a not in gone]
        x = self.transpose((*gone, *kept)).reshape(
            (-1, *(self.shape[a] for a in kept)) if self.size else (c.count(self.shape, gone), *(self.shape[a] for a in kept))
        )
        if x.shape[0] == 0:
            x = as_tensor(np.ones((1, *x.shape[1:]), self.dtype))
        while x.shape[0] > 1:
            half = x.shape[0] // 2
            product = x[:half] * x[half : 2 * half]
            x = product if x.shape[0] % 2 == 0 else join([product, x[2 * half :]], 0)
        return x.reshape(tuple(1 if a in gone else n for a, n in enumerate(self.shape)) if keepdims else x.shape[1:])

    def clip(self, lo: TensorLike | None = None, hi: TensorLike | None = None) -> Tensor:
        """y = min(max(x, lo), hi)."""
        return apply(s.clip, self, -np.inf if lo is None else lo, np.inf if hi is None else hi)

    def reshape(self, *shape: Any) -> Tensor:
        """The same numbers, in row-major order, in another shape."""
        return record(r.reshape, (self,), {"shape": _unpack(shape)})

    def ravel(self) -> Tensor:
        """The same numbers on one axis."""
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, reversed by default."""
        order = _unpack(axes) if axes and axes != (None,) else tuple(range(self.ndim))[::-1]
        return record(r.transpose, (self,), {"axes": order})

    @property
    def T(self) -> Tensor:  # noqa: N802  # NumPy's name
        """The transpose: the axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:  # noqa: N802  # NumPy's name
        """The matrix transpose: the last two axes swapped."""
        return self.swapaxes(-1, -2)

    def swapaxes(self, first: int, second: int) -> Tensor:
        """The two axes exchanged."""
        a, b = normalize_axes(self, (first, second), r.transpose, unique=False)
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(tuple(order))

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Without the axes of size 1, all of them or the given ones."""
        axes = (
            tuple(a for a, n in enumerate(self.shape) if n == 1) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        )
        gone = normalize_axes(self, axes, r.reshape)
        if any(self.shape[a] != 1 for a in gone):
            raise ShapeError(
                explain.message(r.reshape, (self,), f"cannot squeeze axis {axis}", "only an axis of size 1 can be left out.")
            )
        return self.reshape(tuple(n for a, n in enumerate(self.shape) if a not in gone))

    def dot(self, other: TensorLike) -> Tensor:
        """The matrix product, as :func:`tinygrad_edu.dot`."""
        return apply(c.matmul, self, other)

    def trace(self, offset: int = 0) -> Tensor:
        """y = Σ_i x_(i, i+offset) of a matrix."""
        if self.ndim != 2:
            raise ShapeError(explain.message(c.trace, (self,), "needs a matrix", f"x has {self.ndim} axes, not 2."))
        return record(c.trace, (self,), {"offset": offset})

    def astype(self, dtype: Any) -> Tensor:
        """The numbers as another type. Integers and booleans have no gradient."""
        target = np.dtype(dtype)
        return record(e.astype if target.kind == "f" else e.to_discrete, (self,), {"dtype": target})

    def exp(self) -> Tensor:
        """y = eˣ."""
        return record(e.exp, (self,))

    def log(self) -> Tensor:
        """y = ln x."""
        return record(e.log, (self,))

    def sqrt(self) -> Tensor:
        """y = √x."""
        return record(e.sqrt, (self,))

    def tanh(self) -> Tensor:
        """y = tanh x."""
        return record(e.tanh, (self,))

    def sigmoid(self) -> Tensor:
        """y = 1 / (1 + e⁻ˣ)."""
        return record(e.sigmoid, (self,))

    def relu(self) -> Tensor:
        """y = max(x, 0), with derivative 0 at 0."""
        return record(e.relu, (self,))

    # ---- Python's and NumPy's protocols ------------------------------------------------------------------------

    @staticmethod
    def __record__(op: Op, args: Sequence[Any], params: Mapping[str, Any]) -> Tensor:
        return record(op, tuple(operand(a, op) for a in args), params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        op = UFUNCS.get(ufunc)
        if kwargs.get("out") is not None:
            raise TypeError(
                f"{ufunc.__name__}: the result is a Tensor and cannot be written into an ndarray: it would lose its gradient.\n"
                "  Try: a = a + t   instead of   a += t"
            )
        if op is None or method != "__call__" or kwargs:
            how = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            extra = f" with {', '.join(kwargs)}=" if kwargs else ""
            raise TypeError(f"np.{how}{extra} is not recorded for Tensors.\n  Try: t.numpy() to compute without a gradient")
        return apply(op, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = FUNCTIONS.get(function)
        if ours is None:
            raise TypeError(
                f"np.{function.__name__} is not recorded for Tensors.\n  Try: t.numpy() to compute without a gradient"
            )
        return ours(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self._requires_grad:
            raise TypeError(f"{self._called()} as an ndarray would lose its gradient.\n  Try: .numpy() for a copy, .data to look")
        return np.array(self._data, dtype=dtype)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: object) -> bool:
        return bool(np.any(self._data == (value._data if isinstance(value, Tensor) else value)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth value of {self._called()} with shape {self.shape} is ambiguous.\n  Try: .numpy().any() or .all()"
            )
        return bool(np.asarray(self._data).item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.shape or self.dtype.kind not in "iu":
            raise TypeError(f"{self._called()} ({self.dtype}, shape {self.shape}) is not an integer")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        array = np.asarray(self._data)
        parts = [np.array2string(array, separator=", ", prefix="Tensor(", threshold=200)]
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        if array.dtype not in (np.float64, np.int64, np.bool_):
            parts.append(f"dtype={array.dtype}")
        if self.op is not None:
            parts.append(f"op={self.op.name!r}")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    def __reduce__(self) -> Any:
        if self.op is not None:
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

    def _called(self) -> str:
        return f"Tensor {self.name}" if self.name is not None else f"Tensor of shape {self.shape}"


LITERALS = frozenset((float, int, bool))
new = object.__new__


def record(op: Op, inputs: tuple[Tensor, ...], params: Mapping[str, Any] = NO_PARAMS) -> Tensor:
    """The one place where a node is made: ``y = op(*inputs)``, remembered."""
    args = tuple([t._data for t in inputs])
    try:
        if MODES.get() and is_on(detect_anomaly):
            value = explain.checked_forward(op, inputs, args, params)
        else:
            value = op.forward(*args, **params)
    except Exception as error:
        raise explain.explain(op, inputs, params, error) from None
    if type(value) is np.ndarray:
        if not value.shape:
            value = value[()]
    elif not isinstance(value, np.generic):
        value = np.asarray(value)[()]
    t: Tensor = new(Tensor)
    t._data = value
    t.op = op
    t.inputs = inputs
    t.args = args
    t.params = params
    t._requires_grad = op.differentiable and True in [x._requires_grad for x in inputs]
    t._retains_grad = False
    t.name = t.dims = t.grad = None
    if MODES.get() and is_on(no_grad):
        t.inputs = t.args = ()
        t._requires_grad = False
    return t


def run_sweep(
    order: Sequence[Tensor], active: Container[int], targets: Container[int], seeds: dict[int, Any], record: bool = False
) -> dict[int, Any]:
    """The sweep; under ``detect_anomaly`` with a look at what each edge hands back."""
    if not (MODES.get() and is_on(detect_anomaly)):
        return sweep(order, active, targets, seeds, record)
    with np.errstate(all="ignore"):  # the error says it better than NumPy's warning
        return sweep(order, active, targets, seeds, record, explain.checked_edge)


def binary(op: Op, left: Any, right: Any) -> Tensor:
    """``left op right``, one of them a Tensor; NotImplemented for what only the other side may understand."""
    if type(left) is not Tensor:
        left = operand(left, op)
    elif type(right) is not Tensor:
        right = operand(right, op)
    if left is NotImplemented or right is NotImplemented:
        return NotImplemented  # type: ignore[no-any-return]  # an operator may say so
    return record(op, (left, right))


def apply(op: Op, *operands: TensorLike, **params: Any) -> Tensor:
    """``op(*operands)``, recorded, whatever the operands are."""
    inputs = tuple(operand(x, op) for x in operands)
    for x, t in zip(operands, inputs, strict=True):
        if t is NotImplemented:
            raise TypeError(f"{op.name}: {type(x).__name__} is not a number, an array or a Tensor: {x!r:.80}")
    return record(op, inputs, params)


def operand(value: Any, op: Op) -> Any:
    """An operand as a Tensor; NotImplemented for a foreign object. A Python number stays one: it adapts its dtype."""
    if isinstance(value, Tensor):
        return value
    if type(value) in LITERALS:
        return new(Tensor)._leaf(value)
    if value is None or isinstance(value, (str, bytes, complex, np.ndarray, np.generic, list, tuple)):
        return new(Tensor)._leaf(own(value, None, None, op))
    return NotImplemented


def as_tensor(value: TensorLike) -> Tensor:
    """The Tensor itself, or a constant made of an array, a number or nested lists."""
    return value if isinstance(value, Tensor) else Tensor(value)


def own(data: Any, dtype: Any, name: str | None, op: Op | None = None) -> Any:
    """A copy of the data that only the Tensor holds: an ndarray, or a NumPy scalar for shape ()."""
    who = f"{op.name}: operand" if op is not None else f"Tensor {name}" if name is not None else "Tensor"
    if isinstance(data, Tensor):
        raise TypeError(
            f"{who}: the data is a Tensor already, and would lose its record.\n  Try: the Tensor itself, or .detach()"
        )
    if isinstance(data, (list, tuple)) and _holds_tensor(data):
        raise TypeError(f"{who}: the list contains Tensors, which would lose their records.\n  Try: tg.stack([...])")
    try:
        array = np.array(data, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{who}: {type(data).__name__} cannot be made an array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{who}: {type(data).__name__} of type {array.dtype} given; a Tensor holds floats, integers or booleans: {data!r:.80}"
        )
    if not array.shape:
        return array[()]
    array.flags.writeable = False
    return array


def _holds_tensor(data: Sequence[Any]) -> bool:
    stack = [data]
    while stack:
        for x in stack.pop():
            if isinstance(x, Tensor):
                return True
            if isinstance(x, (list, tuple)):
                stack.append(x)
    return False


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
            why = "no leaf that it was computed from has requires_grad=True"
        raise GradientError(f"backward: {root._called()} has nothing to differentiate: {why}.")
    if gradient is None:
        if root.size != 1 or root.shape:
            raise GradientError(
                f"backward: {root._called()} is not a scalar: its shape is {root.shape}.\n"
                "  Try: .sum().backward() or .mean().backward(), or pass gradient= of the same shape"
            )
        return root._data.dtype.type(1)
    seed = gradient._data if isinstance(gradient, Tensor) else own(gradient, None, "gradient")
    if np.shape(seed) != root.shape:
        raise ShapeError(f"backward: gradient has shape {np.shape(seed)}, {root._called()} has {root.shape}: they must be equal.")
    return seed.astype(root.dtype)


def _remembered(leaf: Tensor, value: Any) -> Tensor:
    """A node that stands for a leaf with the value it had before it was given new numbers."""
    t = record(e.identity, (leaf,))
    t._data, t.args = value, (value,)
    t.name = leaf.name
    return t


def _rebuild(data: Any, requires_grad: bool, name: str | None, dims: Any, grad: Any) -> Tensor:
    t = Tensor(data, requires_grad, name, dims)
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


def _as_index(k: Any) -> Tensor:
    if isinstance(k, Tensor):
        return k
    array = np.asarray(k)
    if array.dtype.kind not in "iub":
        if array.size:
            raise IndexError(f"getitem: an index must be integers or booleans, not {type(k).__name__} ({array.dtype}): {k!r:.80}")
        array = array.astype(np.intp)
    return Tensor(array)


def _unpack(values: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


def normalize_axes(x: Tensor, axes: Sequence[Any], op: Op, unique: bool = True) -> tuple[int, ...]:
    """The axes counted from 0; as NumPy, an error for one that does not exist or comes twice."""
    result = []
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise explain.explain(op, (x,), {}, np.exceptions.AxisError(a, x.ndim))
        result.append(int(a) % x.ndim)
    if unique and len(set(result)) < len(result):
        raise ShapeError(explain.message(op, (x,), f"axis {axes} comes twice", "each axis can be given once."))
    return tuple(result)


def join(tensors: Sequence[TensorLike], axis: int) -> Tensor:
    """The tensors one after the other along an axis that they have."""
    parts = tuple(as_tensor(t) for t in tensors)
    if not parts:
        raise ShapeError("concatenate: there is nothing to join: the list is empty.")
    axis = normalize_axes(parts[0], (axis,), r.concatenate)[0] if parts[0].ndim else axis
    starts = [0]
    for t in parts:
        starts.append(starts[-1] + (t.shape[axis] if axis < t.ndim else 0))
    return record(r.concatenate, parts, {"axis": axis, "starts": tuple(starts)})


def _degrees(x: Tensor, axis: Axis, ddof: int) -> int:
    return c.count(x.shape, axis) - ddof
