"""Metrics: what is reported beside the loss, without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError


def accuracy(prediction: Any, y: Any) -> float:
    """The part of the examples whose class is right, between 0 and 1.

    Parameters
    ----------
    prediction : array_like, shape (..., C), or the shape of y, or with one more axis of size 1
        Scores of C classes: the largest one counts. Or of two classes, 0 and 1, one number: 1 is predicted where it is
        above 0, as a logit is where the probability is above 1/2.
    y : array_like
        The classes.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> from tinygrad_edu.training import accuracy
    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    >>> accuracy([-2.0, 3.0], [0, 1])
    1.0
    >>> accuracy(np.array([0.4, 0.6]) - 0.5, [0, 1])  # of probabilities
    1.0
    """
    prediction, y = np.asarray(prediction), np.asarray(y)
    if prediction.shape == y.shape or prediction.shape == (*y.shape, 1):
        found = prediction.reshape(y.shape) > 0
    elif prediction.ndim and prediction.shape[:-1] == y.shape:
        found = prediction.argmax(axis=-1)
    else:
        raise ShapeError(
            f"accuracy: predictions {prediction.shape} do not fit classes {y.shape}: one number or one row for each example."
        )
    return float(np.mean(found == y))
