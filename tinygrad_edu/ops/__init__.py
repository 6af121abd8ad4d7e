"""The rule table: every op with its NumPy forward and its local derivatives, each written once.

Read the files in this order: op, elementwise, rearrangement, contraction, selection, tabulated. ``OPS`` is the whole
table by name, in that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import contraction, elementwise, rearrangement, selection, tabulated
from .contraction import Contraction
from .elementwise import Discrete, Elementwise
from .op import Op
from .rearrangement import Index, Rearrangement
from .selection import Selection
from .tabulated import Tabulated

OPS: Mapping[str, Op] = MappingProxyType(
    {
        op.name: op
        for room in (elementwise, rearrangement, contraction, selection, tabulated)
        for op in vars(room).values()
        if isinstance(op, Op)
    }
)

__all__ = ["OPS", "Contraction", "Discrete", "Elementwise", "Index", "Op", "Rearrangement", "Selection", "Tabulated"]
