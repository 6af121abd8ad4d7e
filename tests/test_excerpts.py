"""The excerpts of the source that pages show are still there, in the place that the page names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
EXCERPT = re.compile(r"^```\{literalinclude\} (?P<path>\S+)\n(?P<options>(?::.*\n)*)```", re.MULTILINE)


def excerpts() -> list[tuple[Path, Path, dict[str, str]]]:
    found = []
    for page in sorted(DOCS.rglob("*.md")):
        if "_build" in page.parts:
            continue
        for block in EXCERPT.finditer(page.read_text(encoding="utf-8")):
            options = dict(re.findall(r"^:([\w-]+): ?(.*)$", block["options"], re.MULTILINE))
            found.append((page, page.parent / block["path"], {name: value.strip('"') for name, value in options.items()}))
    return found


def lines_of(file: Path, name: str) -> list[str]:
    """The lines of a function, a class or a method, with its decorators."""
    text = file.read_text(encoding="utf-8")
    first, last, inside = 1, None, ast.parse(text).body
    for part in name.split(".") if name else []:
        found = [n for n in inside if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part]
        assert found, f"{file.name} has no {name}"
        first, last, inside = (
            min([found[0].lineno, *(d.lineno for d in found[0].decorator_list)]),
            found[0].end_lineno,
            found[0].body,
        )
    return text.splitlines()[first - 1 : last]


@pytest.mark.parametrize(
    ("file", "options"),
    [pytest.param(file, options, id=f"{page.relative_to(DOCS)}: {file.name}") for page, file, options in excerpts()],
)
def test_an_excerpt_is_in_the_source(file: Path, options: dict[str, str]) -> None:
    lines = lines_of(file, options.get("pyobject", ""))
    for option in ("start-at", "start-after", "end-at", "end-before"):
        if option in options:
            assert any(options[option] in line for line in lines), (option, options[option])


def test_there_are_excerpts() -> None:
    assert len(excerpts()) > 30
    assert all(file.exists() for _, file, _ in excerpts())
