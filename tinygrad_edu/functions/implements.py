"""How a function of ours takes the place of NumPy's when it is called with a Tensor (NumPy's NEP 18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ..protocols import FUNCTIONS

P = ParamSpec("P")
R = TypeVar("R")


def implements(*numpy_functions: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register the decorated function for ``np.f(tensor, ...)``."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        for f in numpy_functions:
            FUNCTIONS[f] = function
        return function

    return register
