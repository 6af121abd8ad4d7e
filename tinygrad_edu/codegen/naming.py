"""Names and numbers as Python writes them."""

from __future__ import annotations

import keyword
import math
import re
from typing import Any

from .expression import ATOM, UNARY, Code

LONGEST_NAME = 40
WIDEST = 100  # columns, beyond which nothing is put beside a line


def identifier(name: str, taken: set[str]) -> str:
    """A Python name for a tensor's name, which is taken from then on.

    Examples
    --------
    >>> taken = {"w"}
    >>> identifier("w", taken), identifier("W[0,1]", taken), identifier("class", taken)
    ('w_2', 'W_0_1', 'class_2')
    """
    text = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "v"
    text = f"v{text}" if text[0].isdigit() else text
    text = text[:LONGEST_NAME]
    plain, n = text, 2
    while text in taken or keyword.iskeyword(text):
        text, n = f"{plain}_{n}", n + 1
    taken.add(text)
    return text


def number_code(value: Any, library: str) -> Code:
    """A number as Python reads it back; what is not finite is the library's.

    Examples
    --------
    >>> number_code(-2.5, "np").text, number_code(float("inf"), "math").text
    ('-2.5', 'math.inf')
    """
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool) or math.isfinite(plain):
        return Code(repr(plain), ATOM if plain >= 0 else UNARY, axes=())
    sign = "-" if plain < 0 else ""
    return Code(f"{sign}{library}.{'nan' if math.isnan(plain) else 'inf'}", UNARY if sign else ATOM, axes=())
