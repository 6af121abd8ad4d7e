"""An op of the user's own: what is wrong with its definition is said early, and by name."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg


def test_a_list_of_derivatives_is_refused() -> None:
    with pytest.raises(TypeError, match=r"hyp: a derivative is list.*\n.*not a list"):
        tg.elementwise("hyp", np.hypot, [lambda y, a, b: a / y, lambda y, a, b: b / y])


@pytest.mark.parametrize("partial", [2, "x", 0.5])
def test_a_derivative_that_is_no_function_is_refused(partial: object) -> None:
    with pytest.raises(TypeError, match="double: a derivative is"):
        tg.elementwise("double", lambda x: 2 * x, partial)


def test_too_few_derivatives_are_found_at_the_first_call() -> None:
    with pytest.raises(TypeError, match="no derivative was given"):
        tg.elementwise("nothing", np.hypot)
    one = tg.elementwise("hyp", np.hypot, lambda y, a, b: a / y)
    with pytest.raises(TypeError, match="hyp: called with 2 arguments, but it has derivatives for 1"):
        one(tg.Tensor(3.0), 4.0)


def test_an_op_without_derivative_for_an_argument() -> None:
    scale = tg.elementwise("scale", lambda x, k: x * k, lambda y, x, k: k, None)
    x, k = tg.Tensor(2.0, requires_grad=True), tg.Tensor(3.0, requires_grad=True)
    scale(x, k).backward()
    assert x.grad == 3.0
    assert k.grad is None


def test_a_rule_of_the_wrong_shape_is_found() -> None:
    op = tg.ops.Op("forgets_to_transpose", lambda x: x.T, [lambda g, y, x: g])
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(tg.ShapeError, match=r"forgets_to_transpose: its rule gave .*\(3, 2\).*\(2, 3\)"):
        op(x).sum().backward()
