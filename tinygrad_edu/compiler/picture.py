"""A plan of memory, to print and to look at."""

from __future__ import annotations

from collections.abc import Sequence

from .instructions import Instruction
from .plan import Layout, Place


class Plan:
    """Which arrays take which bytes, from when to when."""

    def __init__(self, layout: Layout, instructions: Sequence[Instruction]) -> None:
        self.layout = layout
        self.instructions = instructions

    @property
    def places(self) -> list[Place]:
        """The places in the order in which they are first written."""
        return sorted(self.layout.places.values(), key=lambda p: (p.first, p.offset))
