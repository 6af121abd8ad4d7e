"""What is written several times is written once: it gets a line, and a name, of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from .expression import Code, named, pieces, replaced

WORTH = 2  # how much work a line of its own has to save: one call or product of matrices, two signs
NOUNS: Mapping[str, str] = {
    "-": "difference", "+": "total", "*": "product", "/": "quotient", "**": "power", "@": "product", "sum": "total",
    "abs": "magnitude", "max": "peak", "min": "lowest", "sqrt": "root", "where": "chosen", "astype": "mask", "": "part",
}  # fmt: skip
POWERS = {"2": "squared", "3": "cubed"}


@dataclass(frozen=True)
class Line:
    """``name = code``, with the shape beside it, and whether it belongs to the backward pass."""

    name: str
    code: Code
    shape: str = ""
    backward: bool = False

    @property
    def uses(self) -> frozenset[str]:
        """The names in it."""
        return self.code.names


def in_order(lines: Sequence[Line]) -> list[Line]:
    """The lines, each after those that it uses, and else as they are."""
    by_name = {line.name: line for line in lines}
    done: dict[str, Line] = {}
    for first in lines:
        stack = [first]
        while stack:
            line = stack[-1]
            waiting = [by_name[name] for name in sorted(line.uses) if name in by_name and name not in done and name != line.name]
            if waiting and line.name not in done:
                stack += waiting
                continue
            done.setdefault(line.name, line)
            stack.pop()
    return list(done.values())


def alive(lines: Sequence[Line], returned: Collection[str]) -> list[Line]:
    """The lines, each after those that it uses, that what is returned needs.

    Examples
    --------
    >>> lines = [Line("a", named("x")), Line("b", named("x")), Line("c", named("a"))]
    >>> [line.name for line in alive(lines, ["c"])]
    ['a', 'c']
    """
    needed = set(returned)
    kept = []
    for line in reversed(lines):
        if line.name in needed:
            needed |= line.uses
            kept.append(line)
    return kept[::-1]


def without_copies(lines: Sequence[Line], removable: Collection[str]) -> list[Line]:
    """Without lines that only give a value another name, where nobody asked for that name.

    A line whose right-hand side another one has already is such a line, too.

    Examples
    --------
    >>> from .expression import PRODUCT, infix
    >>> h = named("h")
    >>> lines = [Line("a", infix("*", h, h, PRODUCT)), Line("b", infix("*", h, h, PRODUCT)), Line("c", named("b"))]
    >>> [f"{line.name} = {line.code.text}" for line in without_copies(lines, {"b"})]
    ['a = h * h', 'c = a']
    """
    names: dict[str, str] = {}  # what stands for a name
    known: dict[str, str] = {}  # the name of a right-hand side
    kept = []
    for line in lines:
        (code,) = replaced([line.code], names)
        code = named(names[code.text], code.axes) if code.text in names else code
        if code.is_name and line.name in removable:
            names[line.name] = code.text
            continue
        if code.cost and code.text in known:
            if line.name in removable:
                names[line.name] = known[code.text]
                continue
            code = named(known[code.text], code.axes)
        known.setdefault(code.text, line.name)
        kept.append(replace(line, code=code))
    return kept


def shared(lines: Sequence[Line], invent: Callable[[str], str], free: Collection[str]) -> list[Line]:
    """The lines, with a line more for every expression that is worth one.

    Parameters
    ----------
    lines : sequence of Line
        Each after those that it uses.
    invent : callable
        Makes a name that is not taken of a proposal.
    free : collection of str
        The names of plain numbers: what is made of them alone costs nothing.

    Examples
    --------
    >>> from .expression import PRODUCT, SUM, call, infix
    >>> root = call("np.sqrt", named("v"))
    >>> lines = [Line("a", infix("/", named("x"), root, PRODUCT)), Line("b", infix("+", root, named("y"), SUM))]
    >>> [f"{line.name} = {line.code.text}" for line in shared(lines, lambda name: name, ())]
    ['root_v = np.sqrt(v)', 'a = x / root_v', 'b = root_v + y']
    """
    while (found := _shared_once(lines, invent, free)) != list(lines):  # two may be one only with the new names in them
        lines = found
    return found


def _shared_once(lines: Sequence[Line], invent: Callable[[str], str], free: Collection[str]) -> list[Line]:
    order = pieces(line.code for line in lines)
    owners = _owners(lines)
    means = {line.name: _mean_of(line.code) for line in lines}
    written: Counter[str] = Counter(line.code.text for line in lines)  # how often each piece would be written
    names: dict[str, str] = {}
    for piece in reversed(order):  # what it is part of comes first
        n = written[piece.text]
        if piece.text in owners:
            names[piece.text] = owners[piece.text]
        elif piece.cost * (n - 1) >= WORTH and not piece.names <= set(free):
            names[piece.text] = ""
        for part in piece.parts:
            written[part.text] += 1 if piece.text in names else n
    result = []
    for line in lines:
        for piece in pieces([line.code]):
            if names.get(piece.text) == "":
                name = names[piece.text] = invent(proposal(piece, means, names))
                (code,) = replaced([piece], names)
                result.append(Line(name, code, "" if piece.axes is None else shape_text(piece.axes), line.backward))
        text = line.code.text
        (code,) = replaced([line.code], names)
        own = names.get(text, line.name) == line.name
        result.append(replace(line, code=code if own else named(names[text], code.axes)))
    return in_order(result)


def _owners(lines: Sequence[Line]) -> dict[str, str]:
    """The lines that name what others would write, by its text; nothing of the forward pass needs a gradient for that."""
    found: dict[str, str] = {}
    forward = {piece.text for piece in pieces(line.code for line in lines if not line.backward)}
    for line in lines:
        if line.code.cost and not (line.backward and line.code.text in forward):
            found.setdefault(line.code.text, line.name)
    return found


def proposal(piece: Code, means: Mapping[str, str], names: Mapping[str, str]) -> str:
    """A name that says what the expression is: ``centred`` where a mean is subtracted, ``tanh_u`` for a call, ``product``.

    ``means`` says of which expression a name is the mean, ``names`` what the parts are called.
    """
    first, *others = piece.parts
    if piece.op == "-" and others and (means.get(others[0].text) or _mean_of(others[0])) == first.text:
        return "centred"
    argument = names.get(first.text) or (first.text if first.is_name else "")
    exponent = piece.text.rpartition("**")[2]
    if piece.op == "**" and argument and exponent.isdigit():
        return f"{argument}_{POWERS.get(exponent, f'to_{exponent}')}"
    noun = NOUNS.get(piece.op, piece.op)
    return f"{noun}_{argument}" if argument and not others and (noun == piece.op or piece.op == "sqrt") else noun


def _mean_of(piece: Code) -> str:
    return piece.parts[0].text if piece.op == "mean" else ""


def shape_text(axes: Sequence[str]) -> str:
    """A shape as a comment has it."""
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
