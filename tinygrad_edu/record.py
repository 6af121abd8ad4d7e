"""What a node remembers: the op, its inputs in order and with multiplicity, and the very arrays it computed with.

``record`` is the one place where a node is made. Everything else only reads the record: gradients, pictures, checks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import numpy as np

from . import explain
from .errors import CompileError, GradientError, ShapeError
from .modes import MODES, Group, is_recording, is_tracing, is_watching, scopes
from .ops import Op
from .ops import elementwise as e
from .readonly import immutable, read_only

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    TensorLike: TypeAlias = "Record | ArrayLike"  # a Tensor, an array, a number, or nested lists of numbers
else:
    TensorLike = Any

T = TypeVar("T", bound="Record")
NO_PARAMS: Mapping[str, Any] = {}
LITERALS = frozenset((float, int, bool))
NUMBERS = "fiub"  # NumPy's letters for floats, integers, unsigned integers, booleans
# What an operator takes, or refuses with a message of its own; other types may know better what to do with a Tensor.
OPERANDS = (float, int, np.ndarray, np.generic, list, tuple, complex, str, bytes, type(None))
# Where gradients stop in a program: not an op of the table, since a record has nothing there.
DETACH = e.Discrete("detach", lambda x: x, None)
# Names of this module are found faster than attributes of another.
new, ndarray, generic = object.__new__, np.ndarray, np.generic


class Record:
    """The slots of a Tensor, and what can be asked of them."""

    __slots__ = (
        "__weakref__",
        "_data",
        "_requires_grad",
        "_retains_grad",
        "_scope",
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
    _scope: tuple[Group, ...]  # the groups that it was computed in; not set where there are none, and on leaves
    op: Any  # the Op that made it, None for a leaf
    inputs: tuple[Self, ...]
    args: tuple[Any, ...]  # the arrays of the inputs when it was computed
    params: Mapping[str, Any]
    name: str | None
    dims: tuple[str, ...] | None
    grad: Any  # an ndarray, None before backward()

    def _leaf(self, value: Any, name: str | None = None) -> Self:
        self._data = value
        self._requires_grad = self._retains_grad = False
        self.op = self.grad = self.dims = None
        self.inputs = self.args = ()
        self.params = NO_PARAMS
        self.name = name
        return self

    @property
    def data(self) -> Any:
        """The numbers, as a read-only ndarray. Assigning gives a leaf new numbers of the same shape.

        A record made before keeps the numbers it was computed with.
        """
        return read_only(self._seen())

    @data.setter
    def data(self, value: TensorLike) -> None:
        if self.inputs:
            raise ValueError(f"{self._called()} is a result (of {self.op.name}): only a leaf can be given new numbers.")
        before = self._data
        array = value.view(ndarray) if immutable(value) else own(value, None, self.name or "Tensor")
        if array.shape != before.shape:
            raise ShapeError(f"{self._called()} has shape {self.shape}: it cannot be given numbers of shape {array.shape}.")
        if array.dtype is not before.dtype:
            if not np.can_cast(array.dtype, self._data.dtype, "same_kind"):
                raise TypeError(f"{self._called()} holds {self.dtype}: it cannot be given {array.dtype}.")
            array = array.astype(self._data.dtype)
        self._data = array if array.shape else array[()]

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient reaches it: set on leaves, inherited by results."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.inputs:
            raise ValueError(f"{self._called()} is a result (of {self.op.name}): it inherits requires_grad from its inputs.")
        if value and self.dtype.kind != "f":
            raise TypeError(
                f"{self._called()} holds {self.dtype}, which has no derivatives.\n  Try: give floats, such as dtype=float"
            )
        self._requires_grad = bool(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis; () for a scalar."""
        data = self._data
        return () if type(data) in LITERALS else data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of numbers."""
        return math.prod(self.shape)

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
        return np.asarray(self._seen()).item()

    def numpy(self) -> np.ndarray[Any, np.dtype[Any]]:
        """A copy of the numbers, not connected to the record."""
        return np.array(self._seen())

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        return np.asarray(self._seen()).tolist()

    def detach(self) -> Self:
        """The same numbers as a constant: gradients stop here."""
        t = new(type(self))._leaf(self._data)
        t.dims = self.dims
        if MODES.get() and is_tracing():  # not a constant of the program
            t.op, t.inputs, t.args = DETACH, (self,), (self._data,)
        return t

    def zero_grad(self) -> None:
        """Forget the gradient that was collected."""
        self.grad = None

    def retain_grad(self) -> None:
        """Ask ``backward()`` to leave a gradient here too, though it is not a leaf."""
        if not self._requires_grad:
            raise GradientError(f"{self._called()} does not require a gradient: there is none to retain.")
        self._retains_grad = True

    def _seen(self) -> Any:
        """The numbers, for someone who computes with them outside of the record."""
        if MODES.get() and is_tracing():
            raise CompileError(
                f"compile: the numbers of {self._called()} are read inside of the function.\n"
                "  A program is recorded once; what is decided or computed from them would stay as it was in the first call.\n"
                "  Try: print what step(...) gives; tg.where(condition, a, b) for a branch; update=lambda w, g: w - 0.1 * g, "
                "which gives the new parameter, for w.data -= ..."
            )
        return self._data

    def _inputs_as_recorded(self) -> tuple[Any, ...]:
        """The inputs with the values they had then: a rebound leaf as a node between it and its old value."""
        return tuple(
            arg if type(arg) in LITERALS else t if t._data is arg else _remembered(t, arg)
            for t, arg in zip(self.inputs, self.args, strict=True)
        )

    def _called(self) -> str:
        """How a message calls it."""
        if self.name:
            return f"Tensor {self.name}"
        return f"the result of {self.op.name}" if self.op is not None else f"Tensor of shape {self.shape}"


def record(op: Op, inputs: tuple[T, ...], params: Mapping[str, Any] = NO_PARAMS) -> T:
    """The one place where a node is made: ``y = op(*inputs)``, remembered."""
    if len(inputs) == 2:  # most operations: spelled out, this is the fastest way to make a node
        left, right = inputs
        args: tuple[Any, ...] = (left._data, right._data)
        requires_grad = left._requires_grad or right._requires_grad
    elif len(inputs) == 1:
        args = (inputs[0]._data,)
        requires_grad = inputs[0]._requires_grad
    else:
        args = tuple([x._data for x in inputs])
        requires_grad = True in [x._requires_grad for x in inputs]
    modes = MODES.get()
    try:
        if modes and is_watching():
            value = explain.checked_forward(op, inputs, args, params)
        else:
            value = op.forward(*args, **params) if params else op.forward(*args)
    except Exception as error:
        raise explain.explain(op, inputs, params, error) from None
    if type(value) is not ndarray:
        if not isinstance(value, generic):
            value = np.asarray(value)[()]
    elif not value.ndim:
        value = value[()]
    t: T = new(type(inputs[0]))
    t._data = value
    t.op = op
    t.inputs = inputs
    t.args = args
    t.params = params
    t._requires_grad = requires_grad and op.differentiable
    t._retains_grad = False
    t.name = t.dims = t.grad = None
    if modes:
        if not is_recording():
            if is_tracing():
                return t.detach()
            t.inputs = t.args = ()
            t._requires_grad = False
        elif groups := scopes():
            t._scope = groups
    return t


def binary(op: Op, left: Any, right: Any) -> Any:
    """``left op right``, one of them a Tensor; NotImplemented for what only the other side may understand."""
    if not isinstance(left, Record):
        if not isinstance(left, OPERANDS):
            return NotImplemented
        left = operand(left, op, type(right))
    elif not isinstance(right, Record):
        if not isinstance(right, OPERANDS):
            return NotImplemented
        right = operand(right, op, type(left))
    return record(op, (left, right))


def operand(value: Any, op: Op, kind: type[T]) -> T:
    """An operand as a Tensor. A Python number stays one: it adapts to the dtype of the other operands."""
    if isinstance(value, kind):
        return value
    if type(value) in LITERALS:
        return new(kind)._leaf(value)
    return new(kind)._leaf(own(value, None, f"{op.name}: operand"))


def own(data: Any, dtype: Any = None, who: str = "Tensor") -> Any:
    """A copy of the data that only the Tensor holds: an ndarray, or a NumPy scalar for shape ()."""
    if isinstance(data, Record):
        raise TypeError(
            f"{who}: the data is a Tensor already, and would lose its record.\n"
            "  Try: the Tensor itself, or .numpy() for its numbers"
        )
    if isinstance(data, (list, tuple)) and _holds_tensor(data):
        raise TypeError(f"{who}: the list contains Tensors, which would lose their records.\n  Try: tg.stack([...])")
    try:
        array = np.array(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{who}: {type(data).__name__} cannot be made an array: {error}") from None
    if array.dtype.kind not in NUMBERS:
        raise TypeError(
            f"{who}: {type(data).__name__} of type {array.dtype} given; a Tensor holds floats, integers or booleans: {data!r:.80}"
        )
    if dtype is not None:
        if np.dtype(dtype).kind not in NUMBERS:
            raise TypeError(f"{who}: dtype {np.dtype(dtype)} given; a Tensor holds floats, integers or booleans.")
        array = array.astype(dtype, copy=False)
    if not array.shape:
        return array[()]
    array.setflags(write=False)
    return array


def _holds_tensor(data: Sequence[Any]) -> bool:
    stack, seen = [data], {id(data)}
    while stack:
        for x in stack.pop():
            if isinstance(x, Record):
                return True
            if isinstance(x, (list, tuple)) and id(x) not in seen:
                seen.add(id(x))
                stack.append(x)
    return False


def _remembered(leaf: T, value: Any) -> T:
    """A node that stands for a leaf with the value it had before it was given new numbers."""
    t = record(e.identity, (leaf,))
    t._data, t.args = value, (value,)
    t.name = leaf.name
    return t
