"""Names: how a tensor's name is written in mathematics, and the names that unnamed nodes get."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from ..tensor import Tensor
from ..visible import visible

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_LETTERS = """alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau phi chi psi omega"""
_GREEK = {word: unicodedata.lookup(f"GREEK SMALL LETTER {word.upper()}") for word in _LETTERS.split()}
_DERIVATIVE = re.compile(r"d([2-9]?)([A-Za-z]\w*)/d([A-Za-z]\w*(?:\[[\d,]+\])?)\1")  # dL/dW1, d2L/dw2
_GREEK |= {"lambda_": "λ", "lam": "λ"}


def pretty(name: str) -> str:
    """The name as a note writes it: W1 is W⁽¹⁾, yhat is ŷ, theta is θ, L is 𝓛; other names stay as they are.

    Nothing in it is invisible: a terminal would obey control characters.

    >>> pretty("W1"), pretty("yhat"), pretty("theta2"), pretty("L"), pretty("my_name")
    ('W⁽¹⁾', 'ŷ', 'θ⁽²⁾', '𝓛', 'my_name')
    >>> pretty("W1[0,2]"), pretty("dL/dW1"), pretty("d2L/dw2")
    ('W⁽¹⁾[0,2]', '∂𝓛/∂W⁽¹⁾', '∂²𝓛/∂w²')
    """
    if name == "L":
        return "𝓛"
    name = visible(name)
    match = re.fullmatch(r"([A-Za-z]+_?)(\d*)", name)
    if match is None:
        return _pretty_compound(name)
    base, number = match[1].removesuffix("_") or match[1], match[2]
    for accent, mark in _ACCENTS.items():
        if base.endswith(accent) and len(base) == len(accent) + 1:
            base = unicodedata.normalize("NFC", base[0] + mark)
    base = _GREEK.get(base, base)
    return f"{base}⁽{number.translate(_SUPERSCRIPT)}⁾" if number else base


def _pretty_compound(name: str) -> str:
    """An entry, W1[0,2], or a derivative, dL/dW1 and d2L/dw2; other names stay as they are."""
    if match := re.fullmatch(r"([A-Za-z]\w*)(\[[\d,]+\])", name):
        return pretty(match[1]) + match[2]
    if match := _DERIVATIVE.fullmatch(name):
        order = match[1].translate(_SUPERSCRIPT)
        return f"∂{order}{pretty(match[2])}/∂{pretty(match[3])}{order}"
    return name


def pretty_dim(letter: str) -> str:
    """A dimension's letter with its number below: d1 is d₁.

    >>> pretty_dim("d1"), pretty_dim("N")
    ('d₁', 'N')
    """
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", letter)
    return match[1] + match[2].translate(_SUBSCRIPT) if match else visible(letter)


def gradient_name(root: str, name: str) -> str:
    """How the gradient of the root by this tensor is called.

    >>> gradient_name("L", "u3"), gradient_name("dL/dw", "w"), gradient_name("dL/dw", "x")
    ('dL/du3', 'd2L/dw2', 'd(dL/dw)/dx')
    """
    upper = _DERIVATIVE.fullmatch(root)
    if upper and upper[3] == name:
        order = int(upper[1] or 1) + 1
        return f"d{order}{upper[2]}/d{name}{order}"
    return f"d{f'({root})' if upper else root}/d{f'({name})' if _DERIVATIVE.fullmatch(name) else name}"


def pretty_gradient(root: str, name: str) -> str:
    """The gradient as a note writes it.

    >>> pretty_gradient("L", "u3"), pretty_gradient("dL/dw", "w"), pretty_gradient("dL/dw", "x")
    ('∂𝓛/∂u⁽³⁾', '∂²𝓛/∂w²', '∂(∂𝓛/∂w)/∂x')
    """
    upper = _DERIVATIVE.fullmatch(root)
    if upper and upper[3] == name:
        return pretty(gradient_name(root, name))
    above = f"({pretty(root)})" if upper else pretty(root)
    return f"∂{above}/∂{f'({pretty(name)})' if _DERIVATIVE.fullmatch(name) else pretty(name)}"


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
        self._automatic: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def unique(self, wanted: str) -> str:
        """The wanted name, with a number behind it when it is taken a second time: h, h#2, h#3."""
        while True:
            n = self._counts[wanted] = self._counts.get(wanted, 0) + 1
            if n == 1 or f"{wanted}#{n}" not in self._taken:
                return wanted if n == 1 else f"{wanted}#{n}"

    def another(self, wanted: str) -> str:
        """The wanted name, with a prime behind it for each time that it was taken."""
        while wanted in self._taken:
            wanted += "′"
        self._taken.add(wanted)
        return wanted

    def automatic(self, prefix: str) -> str:
        """The next free name such as t1, t2."""
        while True:
            n = self._automatic[prefix] = self._automatic.get(prefix, 0) + 1
            if f"{prefix}{n}" not in self._taken:
                return f"{prefix}{n}"
