"""The code of the lesson, and which of its lines assigns which value or gradient."""

from __future__ import annotations

import re

from ..codegen.code import NoCodeError
from ..codegen.writing import Function
from ..tensor import Tensor

FUNCTION = "forward_backward"


class CodeLines:
    r"""``tg.source(root)``, with the places of its assignments; without a root, or where an op has no code, there is none.

    Attributes
    ----------
    text : str
        The module, or nothing.
    last : int or None
        The line that returns.

    Examples
    --------
    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> L = (w * w).named("L")
    >>> code = CodeLines(L)
    >>> lines = code.text.split("\n")
    >>> [lines[code.line_of(t, gradient)].split("#")[0].strip() for t, gradient in ((L, False), (w, True))]
    ['L = w * w', 'dL_dw = 2 * w']
    """

    def __init__(self, root: Tensor | None) -> None:
        self.text = ""
        self.last: int | None = None
        self._names: dict[tuple[int, bool], str] = {}
        self._lines: dict[str, int] = {}
        if root is None:
            return
        try:
            function = Function(root, None, "named", "np")
            self.text = function.written(FUNCTION, comments=True).text
        except NoCodeError:
            return
        for place, t in function.deriver.tensors.items():
            self._names[id(t), False] = function.identifiers[place]
            if place in function.gradients:
                self._names[id(t), True] = function.gradients[place]
        inside = False
        for n, line in enumerate(self.text.split("\n")):
            inside = inside or line.startswith(f"def {FUNCTION}(")
            if inside and (found := re.match(r"    (\w+) = ", line)):
                self._lines.setdefault(found[1], n)
            if inside and line.startswith("    return "):
                self.last = n

    def line_of(self, t: Tensor, gradient: bool) -> int | None:
        """The line, from 0, that assigns a value or its gradient; None if none does."""
        name = self._names.get((id(t), gradient))
        return None if name is None else self._lines.get(name)
