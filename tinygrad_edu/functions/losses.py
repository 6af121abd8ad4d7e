"""Losses: how wrong a prediction is, as one number. Prediction and target must have exactly the same shape."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..explain import Tries, message, spell
from ..ops import elementwise as e
from ..ops import tabulated as t
from ..record import TensorLike, record
from ..tensor import Tensor, as_tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "mse"]

_NUMBERED = "np.unique({}, return_inverse=True)[1]"


def mse(prediction: TensorLike, target: TensorLike) -> Tensor:
    """L = (1/n) Σ (prediction − target)², the mean squared error.

    Raises
    ------
    ShapeError
        If the shapes differ: (N, 1) and (N,) would silently make an (N, N) table.

    Examples
    --------
    >>> tg.mse([1.0, 2.0], [1.0, 4.0])
    Tensor(2., op='mean')
    """
    prediction, target = _same_shape("mse", prediction, target)
    return record(e.square, (prediction - target,)).mean()


def binary_cross_entropy(probability: TensorLike, target: TensorLike) -> Tensor:
    """L = −(1/n) Σ (y ln ŷ + (1 − y) ln(1 − ŷ)), in nats; 0 · ln 0 counts as 0.

    Parameters
    ----------
    probability : TensorLike
        ŷ, between 0 and 1: what a sigmoid gives.
    target : TensorLike
        y, of the same shape: 0 or 1, or a probability.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If a probability or a target is outside 0 to 1.

    Notes
    -----
    A ŷ that was rounded to 0 or 1 on the wrong side costs infinity: sigmoid(u) is 1 for u > 37. Then
    ``binary_cross_entropy_with_logits(u, y)`` has the exact value and gradient.

    Examples
    --------
    >>> tg.binary_cross_entropy([0.89], [1.0]).item()
    0.1165338...
    """
    p, y = _same_shape("binary_cross_entropy", probability, target)
    return record(t.bce, (p, y))


def binary_cross_entropy_with_logits(logits: TensorLike, target: TensorLike) -> Tensor:
    """L = (1/n) Σ (ln(1 + eᵘ) − u y): the cross entropy of y and sigmoid(u), exact for every u; dL/du = (sigmoid(u) − y)/n.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> tg.binary_cross_entropy_with_logits([-1000.0], [1.0])
    Tensor(1000., op='bce_with_logits')
    """
    u, y = _same_shape("binary_cross_entropy_with_logits", logits, target)
    return record(t.bce_with_logits, (u, y))


def cross_entropy(logits: TensorLike, target: TensorLike) -> Tensor:
    """L = −(1/N) Σ_n Σ_c y_nc ln softmax(logits)_nc, in nats, over classes on the last axis.

    Parameters
    ----------
    logits : TensorLike
        Scores before the softmax, shape (..., C).
    target : TensorLike
        Class numbers 0 to C − 1, shape (...), integers; or probabilities such as one-hot rows, shape (..., C).

    Raises
    ------
    ShapeError
        If the target has neither shape.
    IndexError
        If a class number is not one of 0 to C − 1.
    TypeError
        If the target is text.

    Examples
    --------
    >>> tg.cross_entropy([[0.0, 0.0]], [1]).item()
    0.6931471...
    """
    z = as_tensor(logits)
    try:
        y = as_tensor(target)
    except TypeError as error:
        raise _explained(error, target) from None
    if not z.ndim:
        raise ShapeError(message("cross_entropy", (z,), "needs scores for each class", "the last axis of x is the classes."))
    words = ("logits", "target")
    if y.dtype.kind in "iu" and y.shape == z.shape[:-1]:
        classes = z.shape[-1]
        wrong = (y._data < 0) | (y._data >= classes)
        if np.any(wrong):
            problem = f"there is no class {np.asarray(y._data)[wrong].ravel()[0]}"
            rule = "the only class is 0." if classes == 1 else f"the classes are 0 to {classes - 1}."
            raise IndexError(message("cross_entropy", (z, y), problem, rule, _renumbered(z, y), words))
    elif y.shape != z.shape:
        problem = f"the target holds {y.dtype} of shape {y.shape}"
        rule = f"class numbers: integers of shape {z.shape[:-1]}; probabilities: shape {z.shape}."
        raise ShapeError(message("cross_entropy", (z, y), problem, rule, _class_numbers(z, y), words))
    return record(t.cross_entropy, (z, y))


def _explained(error: TypeError, target: object) -> TypeError:
    """The error about a target that no Tensor can hold; another one, if the target is the names of classes."""
    names = np.asarray(target, dtype=object)
    if not names.size or not all(isinstance(name, str) for name in names.flat):
        return error
    problem = f"cross_entropy: the target is text, such as {str(names.flat[0])!r}; classes are numbered, from 0."
    return TypeError(f"{problem}\n  Try: {_NUMBERED.format('y')}   gives {names.shape}" if names.ndim == 1 else problem)


def _renumbered(z: Tensor, y: Tensor) -> Tries:
    """What makes classes of other numbers, such as 1 to C: the place of each in the list of those that there are."""
    if z.shape[-1] == 1:
        return _yes_or_no(z, y)
    few = y.ndim == 1 and np.unique(y._data).size <= z.shape[-1]
    return [(_NUMBERED.format(spell(y, "y")), y.shape)] if few else []


def _yes_or_no(z: Tensor, y: Tensor) -> Tries:
    """The loss of a single column: a softmax over one class is always 1."""
    fits = y.shape == z.shape[:-1] and np.all((y._data >= 0) & (y._data <= 1))
    return [(f"tg.binary_cross_entropy_with_logits({spell(z, 'logits')}[..., 0], {spell(y, 'y')})", ())] if fits else []


def _class_numbers(z: Tensor, y: Tensor) -> Tries:
    """What makes class numbers of a column, and of floats or booleans that are whole."""
    if z.shape[-1] == 1:
        return _yes_or_no(z, y)
    column = y.shape == (*z.shape[:-1], 1)
    numbers = np.asarray(y._data)
    if not (column or y.shape == z.shape[:-1]) or not np.all((numbers >= 0) & (numbers < z.shape[-1]) & (numbers % 1 == 0)):
        return []
    text = spell(y, "y") + ("[:, 0]" if column and y.ndim == 2 else "[..., 0]" if column else "")
    return [(text if y.dtype.kind in "iu" else f"{text}.astype(int)", z.shape[:-1])]


def _same_shape(loss: str, prediction: TensorLike, target: TensorLike) -> tuple[Tensor, Tensor]:
    p, y = as_tensor(prediction), as_tensor(target)
    if p.shape != y.shape:
        rule = "they must be equal: broadcasting would compare every prediction with every target."
        tries, other = [], ""
        if p.shape == (*y.shape, 1):
            tries = [(f"{spell(p, 'prediction')}[..., 0]", y.shape)]
            other = (
                f"\n  or give the target as a column: {spell(y, 'y')}[{':' if y.ndim == 1 else '...'}, None]   gives {p.shape}"
            )
        elif y.shape == (*p.shape, 1):
            tries = [(f"{spell(y, 'y')}[..., 0]", p.shape)]
        raise ShapeError(message(loss, (p, y), "the shapes differ", rule, tries, ("prediction", "target")) + other)
    return p, y
