"""A piece of Python as a tree: what it is made of can be looked at, and replaced, without reading any text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = range(6)

Axes = tuple[str, ...]  # the letter of each axis, or its size


class Code:
    """A piece of Python.

    Two pieces are one and the same where their texts are: a name stands for one value in the whole function.

    Parameters
    ----------
    form : str
        The text, with ``{}`` for each part.
    binding : int
        How tightly its outermost operator binds.
    parts : sequence of Code
        What it is made of.
    tight : sequence of int, optional
        How tightly each part has to bind, to stand without parentheses.
    cost : int
        How much work it is, without its parts: 0 for what only looks at numbers in another way, 1 for a sign, 2 for a call.
    op : str
        The sign or the function, of which another piece may take its name.
    axes : tuple of str, optional
        Its shape as a comment has it.
    name : bool
        Whether it is a name.

    Examples
    --------
    >>> h, m = Code("h", ATOM, name=True), Code("m", ATOM, name=True)
    >>> centred = infix("-", h, m, SUM)
    >>> power = Code("{}**3", POWER, [centred], [ATOM], cost=1)
    >>> power.text, sorted(power.names), power.cost
    ('(h - m)**3', ['h', 'm'], 2)
    """

    __slots__ = ("axes", "binding", "cost", "form", "is_name", "names", "op", "own_cost", "parts", "text", "tight")

    def __init__(
        self,
        form: str,
        binding: int,
        parts: Sequence[Code] = (),
        tight: Sequence[int] = (),
        *,
        cost: int = 0,
        op: str = "",
        axes: Axes | None = None,
        name: bool = False,
    ) -> None:
        self.form, self.binding, self.op, self.axes, self.is_name = form, binding, op, axes, name
        self.parts = tuple(parts)
        self.tight = tuple(tight) or (COMPARE,) * len(self.parts)
        inner = (part.within(n) for part, n in zip(self.parts, self.tight, strict=True))
        self.text = form.format(*inner) if parts else form
        self.own_cost = cost
        self.cost: int = cost + sum(part.cost for part in self.parts)
        self.names: frozenset[str] = frozenset({form}) if name else frozenset().union(*(part.names for part in self.parts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def within(self, binding: int) -> str:
        """The text, in parentheses where something binds tighter around it."""
        return self.text if self.binding >= binding else f"({self.text})"

    def of(self, parts: Sequence[Code]) -> Code:
        """The same made of other parts."""
        return Code(self.form, self.binding, parts, self.tight, cost=self.own_cost, op=self.op, axes=self.axes, name=self.is_name)

    def shaped(self, axes: Axes) -> Code:
        """The same, with its shape."""
        self.axes = axes
        return self


def named(name: str, axes: Axes | None = None) -> Code:
    """A name."""
    return Code(name, ATOM, axes=axes, name=True)


def call(function: str, *args: Code | str, cost: int = 2, parts: Sequence[Code] = ()) -> Code:
    """A function call; arguments that are text may have places for parts of their own."""
    own = [a for a in args if isinstance(a, Code)]
    form = ", ".join("{}" if isinstance(a, Code) else a for a in args)
    return Code(f"{function}({form})", ATOM, [*own, *parts], cost=cost, op=function.rpartition(".")[2])


def infix(sign: str, left: Code, right: Code, binding: int, tight: int | None = None) -> Code:
    """An operator between two operands; ``tight``: how tightly the right one has to bind."""
    if sign == "*" and right.op == "/" and right.parts[0].text in ("1", "1.0"):  # a quotient is written as one
        return infix("/", left, right.parts[1], binding)
    if tight is None:
        tight = binding if sign in ("+", "*") else binding + 1
    axes = None if sign == "@" else broadcast(left.axes, right.axes)
    return Code(f"{{}} {sign} {{}}", binding, (left, right), (binding, tight), cost=2 if sign == "@" else 1, op=sign, axes=axes)


def after(x: Code, text: str, *, cost: int = 0, parts: Sequence[Code] = ()) -> Code:
    """Something that is written right after its operand, as an attribute or brackets."""
    return Code(f"{{}}{text}", ATOM, (x, *parts), (ATOM, *[COMPARE] * len(parts)), cost=cost)


def broadcast(left: Axes | None, right: Axes | None) -> Axes | None:
    """The shape of what two operands make together."""
    if left is None or right is None:
        return None
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    padded = ("1",) * (len(longer) - len(shorter)) + shorter
    return tuple(b if a == "1" else a for a, b in zip(longer, padded, strict=True))


def pieces(roots: Iterable[Code]) -> list[Code]:
    """All pieces that these are made of, and they themselves: each once, after its parts.

    Examples
    --------
    >>> h = Code("h", ATOM, name=True)
    >>> [piece.text for piece in pieces([infix("*", h, h, PRODUCT)])]
    ['h', 'h * h']
    """
    done: dict[str, Code] = {}
    for root in roots:
        stack = [root]
        while stack:
            piece = stack[-1]
            waiting = [part for part in reversed(piece.parts) if part.text not in done]
            if piece.text in done or not waiting:
                done.setdefault(piece.text, piece)
                stack.pop()
            else:
                stack += waiting
    return list(done.values())


def replaced(roots: Sequence[Code], names: Mapping[str, str]) -> list[Code]:
    """The pieces with a name in the place of each part that has one, by its text; a root itself stays what it is.

    Examples
    --------
    >>> h = Code("h", ATOM, name=True)
    >>> square = infix("*", h, h, PRODUCT)
    >>> replaced([infix("-", square, h, SUM)], {"h * h": "t"})[0].text
    't - h'
    """
    new: dict[str, Code] = {}
    for piece in pieces(roots):
        own = [named(names[part.text], part.axes) if part.text in names else new[part.text] for part in piece.parts]
        new[piece.text] = piece if all(a is b for a, b in zip(own, piece.parts, strict=True)) else piece.of(own)
    return [new[root.text] for root in roots]
