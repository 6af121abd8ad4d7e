"""The house: rooms import only from lower floors, and starting the library loads nothing heavy."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import tinygrad_edu

ROOT = Path(tinygrad_edu.__file__).parent

# From the ground up. A room may import from itself and from the rooms above it in this list.
FLOORS = [
    "errors",
    "ops",
    "modes",
    "readonly",
    "digest",
    "visible",
    "files",
    "settings",
    "sweep",
    "explain",
    "record",
    "card",
    "operators",
    "methods",
    "protocols",
    "tensor",
    "functions",
    "gradients",
    "saving",
    "nn",
    "optim",
    "data",
    "training",
    "graphs",
    "derivation",
    "codegen",
    "compiler",
    "exporting",
    "check",
    "drawing",
    "plots",
    "lessons",
    "note",
    "doctor",
    "arguments",
    "demos",
    "cli",
    "__main__",
]

# A graph shows itself in Jupyter as its picture: a method that only Jupyter calls, and that imports when it is called.
LOOKS_UPWARD = ["graphs/nodes.py imports drawing"]


def imports_of(file: Path) -> set[str]:
    """The rooms that a file imports from when it runs; what is only for type checkers does not count."""
    rooms: set[str] = set()
    package = ("tinygrad_edu", *file.relative_to(ROOT).parts[:-1])
    skipped = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {id(inner) for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1]
        path = (*base, *(node.module.split(".") if node.module else ()))
        rooms |= {path[1]} if len(path) > 1 else {alias.name for alias in node.names if alias.name != "__version__"}
    return rooms


def test_every_room_has_a_floor() -> None:
    rooms = {p.stem if p.is_file() else p.name for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(FLOORS)


def test_rooms_import_only_from_lower_floors() -> None:
    wrong = []
    for file in sorted(ROOT.rglob("*.py")):
        room = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        lower = set(FLOORS[: FLOORS.index(room) + 1])
        wrong += [f"{file.relative_to(ROOT)} imports {other}" for other in imports_of(file) - lower]
    assert wrong == LOOKS_UPWARD


def test_a_graph_does_not_load_pictures_before_it_is_shown() -> None:
    code = "import sys, tinygrad_edu.graphs; print('tinygrad_edu.drawing' in sys.modules, 'graphviz' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_the_reading_list_is_the_order_of_the_floors() -> None:
    text = (ROOT.parent / "docs" / "reading.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\(\.\./tinygrad_edu/(\w+)", text)
    assert list(dict.fromkeys(listed)) == [room for room in FLOORS if room != "__main__"]


def test_the_ops_know_nothing_of_tensors() -> None:
    for file in (ROOT / "ops").glob("*.py"):
        assert imports_of(file) <= {"ops"}, file


def test_starting_loads_nothing_heavy() -> None:
    code = "import sys, tinygrad_edu; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"graphviz", "pygraphviz", "matplotlib", "sympy", "autograd", "scipy", "IPython"}


def test_the_public_names_are_there() -> None:
    for name in tinygrad_edu.__all__:
        assert getattr(tinygrad_edu, name) is not None


def test_public_functions_have_an_example() -> None:
    without = [
        name
        for name in tinygrad_edu.__all__
        if callable(getattr(tinygrad_edu, name)) and ">>>" not in (getattr(tinygrad_edu, name).__doc__ or "")
    ]
    assert without == ["AnomalyError", "CompileError", "GradientError", "ShapeError"]
