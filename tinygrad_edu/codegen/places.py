"""Where the entries of a selection stand among the flat ones: for libraries that select by one list of integers at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..ops import Index
from .expression import PRODUCT, SUM, Code, after, call, infix


def flat_places(key: Any, tables: Sequence[Code], shapes: Sequence[tuple[int, ...]], masks: Sequence[bool]) -> Code:
    """The flat place of each entry of ``x[key]``, by NumPy's rules, in the words of the Array API standard.

    ``shapes`` are those of x and of the tables of integers, or masks, in the key.

    Examples
    --------
    >>> from .expression import ATOM
    >>> t = Code("t", ATOM, name=True)
    >>> flat_places((slice(0, 2), Index(0)), [t], [(4, 3), (5,)], [False]).text
    '(xp.arange(0, 2, 1) * 3)[:, None] + t % 3'
    """
    shape = shapes[0]
    own = list(key) if isinstance(key, tuple) else [key]
    chosen = [n for n, k in enumerate(own) if isinstance(k, (Index, int))]
    together = chosen == list(range(chosen[0], chosen[-1] + 1))

    def width(k: Any) -> int:
        """How many axes of x it speaks of."""
        return 0 if k is None else len(shapes[k.position + 1]) if isinstance(k, Index) and masks[k.position] else 1

    missing = len(shape) - sum(width(k) for k in own if k is not Ellipsis)
    if Ellipsis not in own:
        own.append(Ellipsis)
    terms: list[tuple[Code, str, int]] = []  # what is added, its own axes as brackets have them, and where they stand
    outputs: list[int] = []  # how many axes of the result stand at each place
    constant, axis, block = 0, 0, -1
    for n, k in enumerate(own):
        count = missing if k is Ellipsis else width(k)
        for a in range(axis, axis + missing) if k is Ellipsis else ():
            terms.append((_strided(call("xp.arange", str(shape[a])), math.prod(shape[a + 1 :])), ":", len(outputs)))
            outputs.append(1)
        size, stride = math.prod(shape[axis : axis + count]), math.prod(shape[axis + count :])
        if n in chosen and block < 0:
            block = len(outputs)
            outputs.append(0)
        if k is None:
            outputs.append(1)
        elif isinstance(k, slice):
            terms.append((_strided(call("xp.arange", *map(str, k.indices(size))), stride), ":", len(outputs)))
            outputs.append(1)
        elif isinstance(k, Index):
            table, rank = tables[k.position], len(shapes[k.position + 1])
            if masks[k.position]:
                table, rank = after(call("xp.nonzero", call("xp.reshape", table, "(-1,)", cost=0)), "[0]"), 1
            else:  # an index may count from the end
                table = Code(f"{{}} % {size}", PRODUCT, (table,), (PRODUCT,), cost=1)
            terms.append((_strided(table, stride), "...", block))
            outputs[block] = max(outputs[block], rank)
        elif isinstance(k, int):
            constant += k % size * stride
        axis += count
    following = [sum(outputs[n + 1 :]) for n in range(len(outputs))]
    if not together:  # what is chosen by tables comes first
        following = [n if place > block else n - outputs[block] for place, n in enumerate(following)]
        following[block] = sum(outputs) - outputs[block]
    found: Code | None = None
    for code, own_axes, place in terms:
        spread = after(code, f"[{', '.join([own_axes, *['None'] * following[place]])}]") if following[place] else code
        found = spread if found is None else infix("+", found, spread, SUM)
    assert found is not None, "a selection by tables has a table"
    return infix("+", found, Code(str(constant), PRODUCT + 2), SUM) if constant else found


def _strided(places: Code, stride: int) -> Code:
    return places if stride == 1 else Code(f"{{}} * {stride}", PRODUCT, (places,), (PRODUCT,), cost=1)
