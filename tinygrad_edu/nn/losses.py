"""Losses as modules: the functions of this library, for code that passes a loss around."""

from __future__ import annotations

from ..functions import losses as f
from ..record import TensorLike
from ..tensor import Tensor
from .module import Module

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"]


class MSELoss(Module):
    """L = (1/n) Σ (prediction − target)²; see ``tg.mse``.

    >>> tg.nn.MSELoss()([1.0, 2.0], [1.0, 4.0]).item()
    2.0
    """

    def forward(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """(1/n) Σ (prediction − target)²."""
        return f.mse(prediction, target)


class BCELoss(Module):
    """L = −(1/n) Σ (y ln ŷ + (1 − y) ln(1 − ŷ)) of probabilities ŷ; see ``tg.binary_cross_entropy``.

    >>> tg.nn.BCELoss()([0.5], [1.0]).item()
    0.6931471...
    """

    def forward(self, probability: TensorLike, target: TensorLike) -> Tensor:
        """−(1/n) Σ (y ln ŷ + (1 − y) ln(1 − ŷ))."""
        return f.binary_cross_entropy(probability, target)


class BCEWithLogitsLoss(Module):
    """L = (1/n) Σ (ln(1 + eᵘ) − u y) of scores u before the sigmoid; see ``tg.binary_cross_entropy_with_logits``.

    >>> tg.nn.BCEWithLogitsLoss()([-1000.0], [1.0]).item()
    1000.0
    """

    def forward(self, logits: TensorLike, target: TensorLike) -> Tensor:
        """(1/n) Σ (ln(1 + eᵘ) − u y)."""
        return f.binary_cross_entropy_with_logits(logits, target)


class CrossEntropyLoss(Module):
    """L = −(1/N) Σ_n ln softmax(logits)_(n, y_n) of scores before the softmax; see ``tg.cross_entropy``.

    >>> tg.nn.CrossEntropyLoss()([[0.0, 0.0]], [1]).item()
    0.6931471...
    """

    def forward(self, logits: TensorLike, target: TensorLike) -> Tensor:
        """−(1/N) Σ_n ln softmax(logits)_(n, y_n)."""
        return f.cross_entropy(logits, target)
