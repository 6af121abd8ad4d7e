"""What cannot be said in ONNX, and what ties an axis to the size it was recorded with."""

from __future__ import annotations

from collections.abc import Iterable

from ..visible import visible

LONGEST = 200  # characters of a reason, in which names may stand
PARAMETER = "it is an axis of the parameter"  # how a reason begins that is no surprise


class NoOnnxError(ValueError):
    """The record holds something that ONNX cannot say. The message names the operation and what would work."""


class BoundError(Exception):
    """Axes with these letters cannot have another size, and why; caught inside this room."""

    def __init__(self, letters: Iterable[str], reason: str) -> None:
        self.letters = frozenset(letters)
        self.reason = visible(reason)[:LONGEST]
        super().__init__(self.reason)
