"""A value as a card: its name, the operation in the user's names, its numbers and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..digest import Digest, digest
from ..graphs import Node
from .labels import html
from .style import GREY, LOOKS, count

NOT_COMPUTED = "—"  # never 0, which would be a number


def card(node: Node, name: str, shape: str, rows: Sequence[tuple[str, Any]]) -> str:
    """The HTML-like label of a value.

    ``rows`` are (word, array) pairs under the operation; an array that is None was not computed.
    """
    word = f"= {node.formula}" if node.formula and node.kind != "block" else node.kind
    look = LOOKS[node.kind]
    title = f"<B>{html(name)}</B>"
    if shape:
        title += f'  <FONT POINT-SIZE="11" COLOR="{GREY}">{html(shape)}</FONT>'
    style = ' STYLE="dashed"' if "dashed" in look["style"] else ' STYLE="rounded"' if node.kind == "gradient" else ""
    border = "2" if node.kind == "loss" else "1"
    lines = [
        f'<TR><TD COLSPAN="2" BGCOLOR="{look["fillcolor"]}" BORDER="1" SIDES="B">{title}</TD></TR>',
        f'<TR><TD COLSPAN="2"><FONT POINT-SIZE="13">{html(word, 48)}</FONT></TD></TR>',
    ]
    for what, value in rows:
        shown = NOT_COMPUTED if value is None else numbers(value)
        word = f'<TD ALIGN="RIGHT"><FONT POINT-SIZE="10" COLOR="{GREY}">{html(what)}</FONT></TD>' if what else ""
        span = ' ALIGN="LEFT"' if what else ' COLSPAN="2"'
        lines.append(f"<TR>{word}<TD{span}>{shown}</TD></TR>")
    frame = f'BORDER="{border}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" BGCOLOR="white"{style}'
    return f"<<TABLE {frame}>{''.join(lines)}</TABLE>>"


def numbers(value: Any, size: int = 12) -> str:
    """The numbers of an array: a grid of them, or the smallest, the mean and the largest."""
    shown: Digest = digest(value)
    if len(shown.rows) == 1 and len(shown.rows[0]) == 1:
        return f'<FONT POINT-SIZE="{size}">{shown.rows[0][0]}</FONT>'
    if shown.rows:
        rows = [[f'<TD ALIGN="RIGHT">{text}</TD>' for text in row] for row in shown.rows]
    else:
        grey = f'<FONT COLOR="{GREY}">'
        rows = [[f'<TD ALIGN="RIGHT">{grey}{fact}</FONT></TD>', f'<TD ALIGN="RIGHT">{text}</TD>'] for fact, text in shown.facts]
    lines = "".join(f"<TR>{''.join(row)}</TR>" for row in rows)
    frame = f'BORDER="1" SIDES="LR" COLOR="{GREY}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1"'
    return f'<FONT POINT-SIZE="{size - 1}"><TABLE {frame}>{lines}</TABLE></FONT>'


def sum_card(total: str, rows: Sequence[tuple[str, Any]], value: Any, values: bool, left_out: int = 0) -> str:
    """The label of the node that adds up contributions: a row with a port for each, and the total.

    ``rows`` are the formulas and the arrays of the contributions, ``left_out`` is how many more there are.
    """
    lines = []
    for i, (formula, part) in enumerate(rows):
        cells = ["+" if i else "", html(formula, 40), *([numbers(part, 11)] if values else [])]
        lines.append(_cells(cells, f"c{i}", ""))
    if left_out:
        lines.append(_cells(["+", f"… and {count(left_out)} more", *([""] if values else [])], "", ""))
    lines.append(_cells(["=", html(total), *([numbers(value, 11)] if values else [])], "", ' BORDER="1" SIDES="T"'))
    frame = 'BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" BGCOLOR="white"'
    return f'<<FONT POINT-SIZE="12"><TABLE {frame}>{"".join(lines)}</TABLE></FONT>>'


def _cells(texts: Sequence[str], port: str, border: str) -> str:
    """A row of the sum; arrows come in at its right end, and the total leaves at its left."""
    ports = ["" if port else ' PORT="total"', *[""] * (len(texts) - 2), f' PORT="{port}"' if port else ""]
    cells = [
        f'<TD{border} ALIGN="{"RIGHT" if i > 1 else "LEFT"}"{name}>{text}</TD>'
        for i, (text, name) in enumerate(zip(texts, ports, strict=True))
    ]
    return f"<TR>{''.join(cells)}</TR>"


def block_text(node: Node) -> tuple[str, str]:
    """What is inside a block: its operations, and how many numbers its parameters hold."""
    block = node.block
    if block is None:
        return "", ""
    total = sum(block.operations.values())
    few = len(block.operations) <= 4
    operations = (
        ", ".join(f"{op} ×{n}" if n > 1 else op for op, n in block.operations.items()) if few else f"{count(total)} operations"
    )
    parameters = f"{count(block.parameters)} parameters" if block.parameters else "no parameters"
    return operations, parameters
