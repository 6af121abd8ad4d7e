"""Names: how a tensor's name is written in mathematics, and the names that unnamed nodes get."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from ..tensor import Tensor

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_LETTERS = """alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau phi chi psi omega"""
_GREEK = {word: unicodedata.lookup(f"GREEK SMALL LETTER {word.upper()}") for word in _LETTERS.split()}
_GREEK |= {"lambda_": "λ", "lam": "λ"}


def pretty(name: str) -> str:
    """The name as a note writes it: W1 is W⁽¹⁾, yhat is ŷ, theta is θ, L is 𝓛; other names stay as they are.

    >>> pretty("W1"), pretty("yhat"), pretty("theta2"), pretty("L"), pretty("my_name")
    ('W⁽¹⁾', 'ŷ', 'θ⁽²⁾', '𝓛', 'my_name')
    """
    if name == "L":
        return "𝓛"
    match = re.fullmatch(r"([A-Za-z]+_?)(\d*)", name)
    if match is None:
        return name
    base, number = match[1].removesuffix("_") or match[1], match[2]
    for accent, mark in _ACCENTS.items():
        if base.endswith(accent) and len(base) == len(accent) + 1:
            base = unicodedata.normalize("NFC", base[0] + mark)
    base = _GREEK.get(base, base)
    return f"{base}⁽{number.translate(_SUPERSCRIPT)}⁾" if number else base


def pretty_dim(letter: str) -> str:
    """A dimension's letter with its number below: d1 is d₁.

    >>> pretty_dim("d1"), pretty_dim("N")
    ('d₁', 'N')
    """
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", letter)
    return match[1] + match[2].translate(_SUBSCRIPT) if match else letter


def gradient_name(root: str, name: str) -> str:
    """How the gradient of the root by this tensor is called.

    >>> gradient_name("L", "u3")
    'dL/du3'
    """
    return f"d{root}/d{name}"


def pretty_gradient(root: str, name: str) -> str:
    """The gradient as a note writes it.

    >>> pretty_gradient("L", "u3")
    '∂𝓛/∂u⁽³⁾'
    """
    return f"∂{pretty(root)}/∂{pretty(name)}"


def name(variables: Mapping[str, object]) -> None:
    """Name every unnamed Tensor among the variables after its variable: ``tg.name(locals())``.

    The first variable wins where two hold the same Tensor; variables that start with an underscore are passed over.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> def f():
    ...     w = tg.Tensor(2.0)
    ...     y = w * w
    ...     tg.name(locals())
    ...     return y
    >>> f().name
    'y'
    """
    for variable, value in variables.items():
        if isinstance(value, Tensor) and value.name is None and not variable.startswith("_"):
            value.name = variable


class Namer:
    """Gives each node a name that no other node of the graph has."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._counts: dict[str, int] = {}

    def unique(self, wanted: str) -> str:
        """The wanted name, with a number behind it when it is taken a second time: h, h#2, h#3."""
        while True:
            n = self._counts[wanted] = self._counts.get(wanted, 0) + 1
            if n == 1 or f"{wanted}#{n}" not in self._taken:
                return wanted if n == 1 else f"{wanted}#{n}"

    def automatic(self, prefix: str) -> str:
        """The next free name such as t1, t2."""
        while True:
            n = self._counts[prefix] = self._counts.get(prefix, 0) + 1
            if f"{prefix}{n}" not in self._taken:
                return f"{prefix}{n}"
