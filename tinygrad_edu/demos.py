"""The demos: the scripts of examples/ that have a ``run``, in the order in which one would show them in a course.

A demo is a script of a page, ``examples/NAME.py``. The first line of its docstring says what it shows, and its function
``run(out, quick, seed)`` computes, prints, writes pictures into the folder ``out``, says in two sentences what was seen,
and returns the numbers. An installed package has the scripts inside, a checkout beside.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import arguments

if TYPE_CHECKING:
    import argparse

    from .drawing.picture import Drawable

Run = Callable[..., dict[str, Any]]

# Each with the extra that it needs, in teaching order.
DEMOS: dict[str, str | None] = {
    "scalar_circuit": None,
    "why_topological": None,
    "hand_vs_engine": None,
    "gradcheck_v": "plots",
    "broadcast_trap": "plots",
    "stable_bce": "plots",
    "xor": "plots",
    "moons": "plots",
    "spirals": "plots",
    "vanishing": "plots",
    "optimizers": "plots",
    "double_backward": "plots",
    "iris": "examples",
    "digits": "examples",
    "convolution": "examples",
    "names": "plots",
    "attention": "plots",
    "one_graph_many_engines": "plots",
}

# What an extra installs: the package's name, and the module's.
EXTRAS = {
    "plots": {"matplotlib": "matplotlib"},
    "examples": {"matplotlib": "matplotlib", "scikit-learn": "sklearn"},
}


class DemoError(ValueError):
    """A demo that cannot run, and why, in one line."""


class Outcome(NamedTuple):
    """What a demo found, and the files that it wrote."""

    numbers: dict[str, Any]
    written: list[Path]


def folder() -> Path:
    """Where the scripts are: in the installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "examples"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "examples"


def names() -> list[str]:
    """The demos that are there, in teaching order.

    Examples
    --------
    >>> from tinygrad_edu import demos
    >>> demos.names()[0]
    'scalar_circuit'
    """
    return [name for name in DEMOS if (folder() / f"{name}.py").is_file()]


def source(name: str) -> str:
    """The script of a demo.

    Raises
    ------
    DemoError
        If there is no demo of this name; the message suggests one.

    Examples
    --------
    >>> from tinygrad_edu import demos
    >>> demos.source("scalar_cirkit")
    Traceback (most recent call last):
    tinygrad_edu.demos.DemoError: there is no demo 'scalar_cirkit'; is it scalar_circuit?
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), known)
        hint = f"is it {' or '.join(near)}?" if near else f"there are {', '.join(known)}" if known else f"{folder()} has none"
        raise DemoError(f"there is no demo {name!r}; {hint}")
    return (folder() / f"{name}.py").read_text(encoding="utf-8")


def description(name: str) -> str:
    """What a demo shows: the first line of its docstring."""
    return (ast.get_docstring(ast.parse(source(name))) or "").partition("\n")[0]


def load(name: str) -> Run:
    """The function ``run`` of a demo, from its script.

    Raises
    ------
    DemoError
        If there is no such demo, or it needs a package that is not installed; the message has the command that installs it.
    """
    source(name)
    extra = DEMOS[name]
    missing = [package for package, module in EXTRAS.get(extra or "", {}).items() if not _importable(module)]
    if missing:
        raise DemoError(f'{name} needs {" and ".join(missing)}: pip install "tinygrad-edu[{extra}]"')
    path = folder() / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"examples.{name}", path)
    if spec is None or spec.loader is None:
        raise DemoError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Run = module.run
    return found


def _importable(module: str) -> bool:
    with suppress(ImportError, ValueError):  # a finder may refuse, and a module without a spec is a broken one
        return importlib.util.find_spec(module) is not None
    return False


def run(name: str, out: str | os.PathLike[str] | None = None, *, quick: bool = False, seed: int = 0) -> Outcome:
    """Run a demo: it prints what it finds, and writes its pictures into a folder.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    out : path, optional
        The folder for the pictures, which is made if it is not there. By default one named after the demo.
    quick : bool
        Fewer steps and smaller numbers: the same story in about a second.
    seed : int
        For the random numbers.

    Returns
    -------
    Outcome
        The numbers, and the files that were written: without Graphviz the DOT text of each graph.

    Raises
    ------
    DemoError
        If there is no such demo, or a package is missing.
    OSError
        If the folder cannot be made or written into.

    Examples
    --------
    >>> import tempfile
    >>> from tinygrad_edu import demos
    >>> with tempfile.TemporaryDirectory() as out:
    ...     outcome = demos.run("scalar_circuit", out)
    x1  () ...
    >>> outcome.written[0].stem
    'scalar_circuit'
    """
    return perform(load(name), name if out is None else out, quick=quick, seed=seed)


def perform(f: Run, out: str | os.PathLike[str], *, quick: bool = False, seed: int = 0) -> Outcome:
    """Call the function of a demo with a folder that can be written into, and see which files it writes there."""
    target = Path(out).absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"cannot make the folder {target}: {error.strerror}") from None
    if not os.access(target, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write into the folder {target}: permission denied")
    before = _state(target)
    numbers = f(target, quick=quick, seed=seed)
    after = _state(target)
    return Outcome(numbers, [path for path in sorted(after) if after[path] != before.get(path)])


def write(out: Path, pictures: Mapping[str, Drawable]) -> None:
    """Write the graphs of a demo; without Graphviz all their DOT texts, and say once what is missing.

    Parameters
    ----------
    out : Path
        The folder.
    pictures : mapping of str to pictures
        By the names of their files.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    from .drawing import NoGraphvizError

    missing: NoGraphvizError | None = None
    for name, picture in pictures.items():
        try:
            picture.write(out / name)
        except NoGraphvizError as error:
            missing = error
    if missing is not None:
        print(missing)


def _state(target: Path) -> dict[Path, tuple[int, int]]:
    """The files of a folder, each with what changes when it is written again."""
    return {path: (s.st_ino, s.st_mtime_ns) for path in target.iterdir() if path.is_file() for s in [path.stat()]}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every demo has."""
    parser.add_argument("--quick", action="store_true", help="fewer steps and smaller numbers: the same story in a second")
    parser.add_argument("--out", type=arguments.folder, metavar="DIR", help="where the pictures go (default: the demo's name)")
    parser.add_argument("--seed", type=arguments.seed, metavar="S", default=0, help="for the random numbers (default: 0)")


def report(outcome: Outcome) -> str:
    """The line that says which files were written."""
    here = Path.cwd()
    shown = [os.path.relpath(p) if p.is_relative_to(here) else os.fspath(p) for p in outcome.written]
    return "written: " + ", ".join(shown) if shown else "nothing was written"


def main(f: FunctionType) -> None:
    """What a demo's script does when it is run: ``python examples/NAME.py [--quick] [--out DIR] [--seed S]``.

    Parameters
    ----------
    f : function
        The script's ``run``.
    """
    name = Path(f.__code__.co_filename).stem
    parser = arguments.Parser(prog=f"{name}.py", description=(f.__globals__.get("__doc__") or "").partition("\n")[0])
    add_options(parser)
    options = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        print(report(perform(f, options.out or name, quick=options.quick, seed=options.seed)))
    except (ImportError, OSError) as error:
        parser.exit(arguments.FAILED, f"{parser.prog}: {' '.join(str(error).split())}\n")
