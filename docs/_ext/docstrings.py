"""Docstrings begin with the mathematics; to Sphinx, |x| and a_ are markup. Here they stay what they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.*?``|`[^`]+`)")
COLON = "\N{RATIO}"
SIGNS = re.compile(r"\||(?<=\w)_(?!\w)")


def escape_signs(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Escape what Sphinx would read as markup, outside literals and examples."""
    if what in ("property", "attribute"):
        lines[:1] = [line.replace(":", COLON) for line in lines[:1]]  # napoleon would take what stands before it for a type
    in_example = False
    for i, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if in_example or " : " in line:  # napoleon escapes the names of parameters
            continue
        parts = LITERAL.split(line)
        parts[::2] = [SIGNS.sub(r"\\\g<0>", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def restore_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Undo what only napoleon had to see."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def skip_fields(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the fields of a NamedTuple that nothing is said of."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", escape_signs, priority=400)  # before napoleon writes markup of its own
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-docstring", restore_colons, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
