"""What the losses say to labels that do not fit: each suggestion is typed, and works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg

Loss = Callable[[Any, Any], tg.Tensor]

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(5, 3))
CLASSES = np.array([2, 0, 1, 1, 2])
TEXT = np.array(["c", "a", "b", "b", "c"])


def suggestions(loss: Loss, prediction: Any, y: Any, error: type[Exception]) -> list[str]:
    """What is to be typed, and the shape that it promises."""
    with pytest.raises(error) as caught:
        loss(prediction, y)
    found = re.findall(r"^  (?:Try|or [a-z ]+): (.+?)   gives (\(.*?\))$", str(caught.value), re.MULTILINE)
    for text, shape in found:
        assert str(np.shape(eval(text, {"np": np, "tg": tg, "y": y, "u2": prediction}))) == shape, text
    return [text for text, _ in found]


@pytest.mark.parametrize(
    ("y", "error", "text"),
    [
        (CLASSES.astype(float), tg.ShapeError, "y.astype(int)"),
        (CLASSES[:, None], tg.ShapeError, "y[:, 0]"),
        (CLASSES[:, None].astype(np.float32), tg.ShapeError, "y[:, 0].astype(int)"),
        (CLASSES + 1, IndexError, "np.unique(y, return_inverse=True)[1]"),
        (CLASSES * 10 - 10, IndexError, "np.unique(y, return_inverse=True)[1]"),
        (TEXT, TypeError, "np.unique(y, return_inverse=True)[1]"),
        (TEXT.astype(object), TypeError, "np.unique(y, return_inverse=True)[1]"),
        (TEXT.tolist(), TypeError, "np.unique(y, return_inverse=True)[1]"),
    ],
)
def test_labels_that_are_no_class_numbers(y: Any, error: type[Exception], text: str) -> None:
    scores = tg.Tensor(SCORES, name="u2")
    assert suggestions(tg.cross_entropy, scores, y, error) == [text]
    assert tg.cross_entropy(scores, eval(text, {"np": np, "y": y})).item() == tg.cross_entropy(SCORES, CLASSES).item()


def test_the_labels_of_a_batch_of_sequences() -> None:
    scores, y = tg.Tensor(RNG.normal(size=(2, 4, 3)), name="u2"), RNG.integers(3, size=(2, 4))
    assert suggestions(tg.cross_entropy, scores, y[..., None], tg.ShapeError) == ["y[..., 0]"]
    assert suggestions(tg.cross_entropy, scores, y.astype(float), tg.ShapeError) == ["y.astype(int)"]


@pytest.mark.parametrize("dtype", [int, float, bool])
def test_a_single_column_is_no_softmax(dtype: type) -> None:
    u, y = tg.Tensor(SCORES[:, :1], name="u2"), np.array([0, 1, 1, 0, 1], dtype=dtype)
    error = IndexError if dtype is int else tg.ShapeError
    text = "tg.binary_cross_entropy_with_logits(u2[..., 0], y)"
    assert suggestions(tg.cross_entropy, u, y, error) == [text]


@pytest.mark.parametrize(
    ("y", "error"),
    [
        (np.array([0.5, 0, 1, 1, 2]), tg.ShapeError),  # not whole
        (np.array([1.0, 2, 3, 3, 1]), tg.ShapeError),  # whole, but as integers it would be the next error
        (np.array([1, 2, 3, 4, 5]), IndexError),  # five classes, and three scores
        (np.array([np.nan, 0, 1, 1, 2]), tg.ShapeError),
        (CLASSES[:3], tg.ShapeError),
        (np.array([None] * 5), TypeError),
        (np.array([], dtype=str), TypeError),
    ],
)
def test_nothing_is_suggested_that_would_not_work(y: Any, error: type[Exception]) -> None:
    assert suggestions(tg.cross_entropy, tg.Tensor(SCORES, name="u2"), y, error) == []


@pytest.mark.parametrize("loss", [tg.mse, tg.binary_cross_entropy, tg.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("shape", [(5,), (2, 4)])
def test_a_column_and_a_row(loss: Loss, shape: tuple[int, ...]) -> None:
    p, y = RNG.uniform(size=shape), RNG.uniform(size=shape)
    expected = loss(p, y).item()
    column = tg.Tensor(p[..., None], name="u2")
    place = ":" if len(shape) == 1 else "..."
    first, second = suggestions(loss, column, y, tg.ShapeError)
    assert (first, second) == ("u2[..., 0]", f"y[{place}, None]")
    names = {"y": y, "u2": column}
    assert loss(eval(first, names), y).item() == loss(column, eval(second, names)).item() == expected
    assert suggestions(loss, p, y[..., None], tg.ShapeError) == ["y[..., 0]"]


def test_in_a_training_it_is_the_users_y() -> None:
    model = tg.nn.MLP([2, 3, 1], seed=0)
    x, y = RNG.normal(size=(8, 2)), RNG.normal(size=8)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(tg.ShapeError, match=r"or give the target as a column: y\[:, None\]"):
        tg.fit(model, tg.mse, (x, y), optimizer, progress=False)
    assert tg.fit(model, tg.mse, (x, y[:, None]), optimizer, epochs=1, progress=False).epochs == 1
    classifier = tg.nn.MLP([2, 3], seed=0)
    optimizer = tg.optim.SGD(classifier.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"Try: np\.unique\(y, return_inverse=True\)\[1\]"):
        tg.fit(classifier, tg.cross_entropy, (x[:5], TEXT), optimizer, progress=False)
