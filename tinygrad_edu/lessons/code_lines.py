"""The code of the lesson, and which of its lines assigns which value or gradient."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..codegen.code import NoCodeError
from ..codegen.naming import identifier
from ..codegen.writing import Function
from ..tensor import Tensor

FUNCTION = "forward_backward"


class CodeLines:
    r"""``tg.source(root)``, with the places of its assignments; without a root, or where an op has no code, there is none.

    Parameters
    ----------
    root : Tensor or None
        The result that the code computes.
    names : mapping, optional
        By the id of a tensor, what its value is called if nobody has given it a name; else as ``tg.source`` calls it.

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

    def __init__(self, root: Tensor | None, names: Mapping[int, str] | None = None) -> None:
        self.text = ""
        self.last: int | None = None
        self._names: dict[tuple[int, bool], str] = {}
        self._lines: dict[str, int] = {}
        if root is None:
            return
        try:
            function = Function(root, None, "named", "np")
            _rename(function, names or {})
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


def _rename(function: Function, names: Mapping[int, str]) -> None:
    """Give the values without a name other names than the function has chosen."""
    tensors, graph = function.deriver.tensors, function.deriver.reading.graph
    others = [
        i for i, t in tensors.items() if id(t) in names and graph.nodes[i].automatic and t.inputs and t is not function.root
    ]
    root = function.identifiers[function.deriver.reading.places[id(function.root)]]
    function.taken -= {called[i] for called in (function.identifiers, function.gradients) for i in others if i in called}
    for i in others:
        function.identifiers[i] = function.by_name[function.deriver.names[i]] = identifier(names[id(tensors[i])], function.taken)
    for i in others:
        if i in function.gradients:
            called = identifier(f"d{root}_d{function.identifiers[i]}", function.taken)
            function.gradients[i] = function.gradient_by_name[function.deriver.names[i]] = called
