"""What Jupyter shows of a tensor: a card with its name, shape, type, origin, value and gradient.

HTML for the dark and the light: it has no colours of its own, no scripts, and no text that is not escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .digest import digest
from .visible import visible

if TYPE_CHECKING:
    from .record import Record

LONGEST = 60  # characters of a name; a longer one is cut

# Notebooks have rules of their own for tables: what must look the same everywhere is said here.
_FONT = "font:13px sans-serif; color:inherit"
_FRAME = f"{_FONT}; display:inline-block; max-width:100%; overflow:auto; border:1px solid; border-radius:6px; padding:4px 10px"
_TABLE = f"width:auto; margin:0; table-layout:auto; border:none; border-collapse:collapse; {_FONT}"
_ROW = "background:transparent"
_CELL = "padding:1px 10px 1px 0; border:none; color:inherit; vertical-align:baseline; text-align:left"
_NUMBER = f"{_CELL}; text-align:right; white-space:pre; font-family:monospace"


def card(t: Record) -> str:
    """The tensor as a piece of HTML: what it is called, its shape, how it was made, its numbers and their gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w", dims="N")
    >>> ">(N,) = (2,) · float64<" in card(w), ">—<" in card(w)
    (True, True)
    """
    name = "<i>unnamed</i>" if t.name is None else f"<b><bdi>{_text(t.name)}</bdi></b>"
    rows = [("origin", _text(_origin(t), 200)), ("value", _numbers(t._data))]
    if t.grad is not None:
        rows.append(("gradient", _numbers(t.grad)))
    elif t._requires_grad:
        rows.append(("gradient", "—"))
    head = f"{name} {_small(_text(f'{_shape(t)} · {t.dtype}', 200))}"
    return f'<div style="{_FRAME}">{head}{_table([[_small(what), content] for what, content in rows], _CELL)}</div>'


def _origin(t: Record) -> str:
    follows = " · requires_grad" if t._requires_grad else ""
    if t.op is None:
        return f"leaf{follows}"
    return f"result of {t.op.name}{follows if t.inputs else ', not recorded (no_grad)'}"


def _shape(t: Record) -> str:
    """The shape, and before it the dimension letters, if each axis has one: (N, d1) = (4, 3)."""
    sizes = str(t.shape)
    if not t.dims or len(t.dims) != t.ndim:
        return sizes
    letters = ", ".join(str(letter) for letter in t.dims)
    return f"({letters}{',' if t.ndim == 1 else ''}) = {sizes}"


def _numbers(value: Any) -> str:
    """The numbers as a grid, or on one line what there is to say of many."""
    short = digest(value)
    if not short.rows:
        return _text(short.line(), 200)
    return _table([[_text(x) for x in row] for row in short.rows], _NUMBER)


def _small(content: str) -> str:
    return f'<span style="opacity:0.7">{content}</span>'


def _table(rows: list[list[str]], style: str) -> str:
    """Rows of cells, whose content is HTML already."""
    lines = ["".join(f'<td style="{style}">{content}</td>' for content in row) for row in rows]
    return f'<table style="{_TABLE}">' + "".join(f'<tr style="{_ROW}">{line}</tr>' for line in lines) + "</table>"


def _text(value: object, limit: int = LONGEST) -> str:
    """Any text for a place between tags: nothing in it is markup, nothing is invisible, a long one is cut."""
    from html import escape  # its table of entities costs a millisecond, which a script should not pay

    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return escape(visible(text))
