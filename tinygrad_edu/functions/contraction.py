"""Sums of products, and what is composed from them: matmul, dot, outer, einsum, sum, mean, trace, var, std, norm, prod."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..explain import message
from ..methods import Axis
from ..ops import contraction as c
from ..ops import tabulated as t
from ..record import TensorLike, record
from ..tensor import Tensor, apply, as_tensor
from .implements import implements

__all__ = ["cumsum", "dot", "einsum", "matmul", "mean", "norm", "outer", "prod", "std", "sum", "trace", "var"]


def matmul(a: TensorLike, b: TensorLike) -> Tensor:
    """y_ik = Σ_j a_ij b_jk, with NumPy's rules for 1-d operands and for leading (batch) axes.

    Raises
    ------
    ShapeError
        If the inner sizes differ, the batch axes do not broadcast, or an operand is a scalar.

    Examples
    --------
    >>> tg.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    Tensor([[11.]], op='matmul')
    """
    return apply(c.matmul, a, b)


@implements(np.dot)
def dot(a: TensorLike, b: TensorLike) -> Tensor:
    """y = Σ_k a_..k b_..k..: the last axis of a with the second-last of b, as ``numpy.dot``.

    >>> tg.dot([1.0, 2.0], [3.0, 4.0])
    Tensor(11., op='matmul')
    """
    return as_tensor(a).dot(b)


@implements(np.outer)
def outer(a: TensorLike, b: TensorLike) -> Tensor:
    """y_ij = a_i b_j, written a ⊗ b; arrays with more axes are flattened first.

    >>> tg.outer([1.0, 2.0], [3.0, 4.0])
    Tensor([[3., 4.],
            [6., 8.]], op='outer')
    """
    a, b = as_tensor(a), as_tensor(b)
    return apply(c.outer, a if a.ndim == 1 else a.ravel(), b if b.ndim == 1 else b.ravel())


@implements(np.einsum)
def einsum(equation: str, *operands: TensorLike) -> Tensor:
    """The sum of products that the equation says, in ``numpy.einsum``'s notation, the ellipsis included.

    Raises
    ------
    ShapeError
        If the equation does not fit the operands.

    Examples
    --------
    >>> tg.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.], op='einsum')
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation is {type(equation).__name__}, not text such as 'ij,jk->ik'.")
    tensors = [as_tensor(x) for x in operands]
    return apply(c.einsum, *tensors, equation=_explicit(equation, tensors))


def _explicit(equation: str, operands: list[Tensor]) -> str:
    """The equation without spaces, with its output written out and a letter for each axis of an ellipsis."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ShapeError(
            message("einsum", operands, f"{equation!r} has {len(terms)} factors", f"{len(operands)} operands were given.")
        )
    free = [letter for letter in reversed(c.ALPHABET) if letter not in equation]
    longest = max((x.ndim - len(term) + 3 for term, x in zip(terms, operands, strict=True) if "..." in term), default=0)
    batch = "".join(free[:longest])
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        if "..." in term:
            own = batch[longest - (x.ndim - len(term) + 3) :] if x.ndim > len(term) - 3 else ""
            terms[i] = term.replace("...", own)
        if len(terms[i]) != x.ndim:
            problem = f"{term!r} does not fit operand no. {i}"
            raise ShapeError(message("einsum", operands, problem, f"it names {len(terms[i])} axes, the operand has {x.ndim}."))
    if not arrow:  # NumPy's implicit output: the letters that occur once, in alphabetical order
        letters = "".join(terms)
        output = batch + "".join(sorted(x for x in set(letters) if letters.count(x) == 1 and x not in batch))
    _check_sizes(equation, terms, operands)
    return ",".join(terms) + "->" + output.replace("...", batch)


def _check_sizes(equation: str, terms: list[str], operands: list[Tensor]) -> None:
    """Raise an error if one letter stands for two sizes. NumPy does not see all of that, and then reads other memory."""
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        for axis, (letter, n) in enumerate(zip(term, x.shape, strict=True)):
            first = x.shape[term.index(letter)]
            before = sizes.setdefault(letter, n)
            if n != first or (n != before and 1 not in (n, before)):  # an axis of size 1 is repeated to fit other operands
                problem = f"{equation!r} does not fit operand no. {i}"
                rule = f"its axis {axis} has size {n}, but {letter} is {first if n != first else before} before."
                raise ShapeError(message("einsum", operands, problem, rule))
            sizes[letter] = n if before == 1 else before


@implements(np.sum)
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = Σ x over the axes, all by default. float32 is added up in float64.

    >>> tg.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.], op='sum')
    """
    return as_tensor(x).sum(axis, keepdims)


@implements(np.mean)
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = (Σ x) / n over the axes, n the number of terms.

    >>> tg.mean([1.0, 2.0, 6.0])
    Tensor(3., op='mean')
    """
    return as_tensor(x).mean(axis, keepdims)


@implements(np.trace)
def trace(x: TensorLike, offset: int = 0) -> Tensor:
    """y = Σ_i x_(i, i+offset) of a matrix.

    >>> tg.trace([[1.0, 2.0], [3.0, 4.0]])
    Tensor(5., op='trace')
    """
    return as_tensor(x).trace(offset)


@implements(np.var)
def var(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """y = Σ (x − mean)² / (n − ddof).

    >>> tg.var([1.0, 3.0]).item()
    1.0
    """
    return as_tensor(x).var(axis, ddof, keepdims)


@implements(np.std)
def std(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """y = √(Σ (x − mean)² / (n − ddof)); the gradient at a constant is 0.

    >>> tg.std([1.0, 3.0]).item()
    1.0
    """
    return as_tensor(x).std(axis, ddof, keepdims)


@implements(np.linalg.norm)
def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = √(Σ x²), the Euclidean norm (of a matrix: Frobenius); its gradient at 0 is 0.

    Raises
    ------
    ValueError
        For another order than the Euclidean one.

    Examples
    --------
    >>> tg.norm([3.0, 4.0])
    Tensor(5., op='norm')
    """
    x = as_tensor(x)
    if ord not in (None, "fro") and not (ord == 2 and (x.ndim == 1 or isinstance(axis, int))):
        raise ValueError(f"norm: order {ord!r} is not here, only the Euclidean norm.\n  Try: tg.abs(x).sum() or tg.abs(x).max()")
    return record(t.norm, (x,), {"axis": axis, "keepdims": keepdims})


@implements(np.prod)
def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = Π x over the axes; right for every derivative where some x are 0.

    >>> tg.prod([2.0, 3.0, 4.0]).item()
    24.0
    """
    return as_tensor(x).prod(axis, keepdims)


@implements(np.cumsum)
def cumsum(x: TensorLike, axis: int | None = None) -> Tensor:
    """y_i = Σ_(k ≤ i) x_k along the axis; of the flattened array when no axis is given.

    >>> tg.cumsum([1.0, 2.0, 3.0])
    Tensor([1., 3., 6.], op='cumsum')
    """
    return as_tensor(x).cumsum(axis)
