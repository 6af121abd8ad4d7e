"""DOT text in, picture out: Graphviz, run in a process of its own with a time limit.

Its own process because a layout can take minutes or crash. Either the machine's ``dot`` program, or the Graphviz that
the pygraphviz wheel brings along, which has no program and is therefore run in a second Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder

from graphviz import ExecutableNotFound

FORMATS = ("svg", "png", "pdf", "dot")
TIMEOUT = 60.0

REMEDY = (
    "no Graphviz on this machine: install it with the system's package manager (apt, brew, winget: graphviz), "
    'or pip install "tinygrad-edu[dot]"'
)

# The exit status of the second Python when pygraphviz is there and cannot be loaded.
_CANNOT_LOAD = 86

_EMBEDDED = f"""\
import sys
folder, task, *options = sys.argv[1:]
sys.path.append(folder)
try:
    import pygraphviz
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit({_CANNOT_LOAD})
try:
    if task == "draw":  # a node without a label shows its name, as with the program, which sets this before it reads
        pygraphviz.graphviz.agattr(None, pygraphviz.graphviz.AGNODE, b"label", b"\\\\N")
    graph = pygraphviz.AGraph(filename=sys.stdin.buffer)
    if task == "draw":
        result = graph.draw(format=options[0], prog=options[1])
    else:
        result = graph.unflatten(" ".join(options)).to_string().encode()
except Exception as error:
    sys.exit(f"Error: {{error}}")
sys.stdout.buffer.write(result)
"""


class NoGraphvizError(ExecutableNotFound):
    """There is no Graphviz, neither the program nor the wheel; the message names both remedies.

    A RuntimeError, and what ``graphviz.Digraph`` raises when it finds no program.
    """

    def __init__(self, message: str = REMEDY) -> None:
        RuntimeError.__init__(self, message)  # the parent's constructor makes a message of its own, from a command


class LayoutError(RuntimeError):
    """Graphviz refused the graph, or needed too long for it."""


def layout(source: str, format: str, *, engine: str = "dot", timeout: float | None = TIMEOUT) -> bytes:
    """Draw DOT text.

    Parameters
    ----------
    source : str
        The graph in the DOT language.
    format : str
        ``svg``, ``png``, ``pdf``; ``dot`` gives back the text itself and needs no Graphviz.
    engine : str
        Which of Graphviz's layouts: ``dot``, ``neato``, ``fdp``, ...
    timeout : float or None
        Seconds after which the layout is stopped.

    Returns
    -------
    bytes
        The file. The same text gives the same bytes with the same Graphviz.

    Raises
    ------
    NoGraphvizError
        If there is neither the program nor the wheel.
    LayoutError
        If Graphviz reports an error, or the time is over.
    ValueError
        For another format.

    Examples
    --------
    >>> layout("digraph { a -> b }", "dot")
    b'digraph { a -> b }'
    """
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}: one of {', '.join(FORMATS)}")
    dot = source.encode()
    return dot if format == "dot" else run_layout(dot, format, engine=engine, timeout=timeout)


def run_layout(
    dot: bytes, format: str, *, engine: str = "dot", timeout: float | None = TIMEOUT, folder: str | None = None
) -> bytes:
    """Draw in any format that Graphviz knows; ``folder`` is where relative paths of image files begin."""
    program = find_program("dot")
    commands = [[program, f"-K{engine}", f"-T{format}"]] if program else []
    drawn = _stable(_first_that_starts([*commands, *_embedded("draw", format, engine)], dot, timeout, folder), format)
    return _own_ids(drawn, dot, format, engine) if format.startswith("svg") else drawn


def run_unflatten(dot: bytes, options: Sequence[str], *, timeout: float | None = TIMEOUT) -> bytes:
    """DOT text after Graphviz's ``unflatten``, which makes wide graphs narrower."""
    program = find_program("unflatten")
    commands = [[program, *options]] if program else []
    return _first_that_starts([*commands, *_embedded("unflatten", *options)], dot, timeout, None)


def find_program(name: str) -> str | None:
    """The program in the absolute folders of PATH, never in the current one.

    ``shutil.which`` and Windows look in the current folder too: a downloaded folder may hold a ``dot`` of its own.
    """
    file = name + ".exe" if sys.platform == "win32" else name
    for folder in os.get_exec_path():
        path = os.path.join(folder, file)
        if _is_elsewhere(folder) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def find_pygraphviz() -> str | None:
    """The folder that pygraphviz can be imported from; it is looked up, not imported."""
    spec = PathFinder.find_spec("pygraphviz", [folder for folder in sys.path if _is_elsewhere(folder)])
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    return os.path.dirname(spec.submodule_search_locations[0])


def _is_elsewhere(folder: str) -> bool:
    """Whether it is an absolute path, and not of the current folder."""
    if not os.path.isabs(folder):
        return False
    try:
        return not os.path.samefile(folder, os.curdir)
    except OSError:  # one of them does not exist
        return True


def _embedded(task: str, *options: str) -> list[list[str]]:
    """The command that does the task with the wheel, if it is there.

    ``-I`` and ``-S`` keep the second Python away from the current folder, from PYTHON* variables and from everything that
    is installed; it is told where pygraphviz is, which may be the user's own folder.
    """
    folder = find_pygraphviz()
    if folder is None or not os.path.isabs(sys.executable or ""):
        return []
    return [[sys.executable, "-I", "-S", "-c", _EMBEDDED, folder, task, *options]]


def _first_that_starts(commands: Sequence[list[str]], dot: bytes, timeout: float | None, folder: str | None) -> bytes:
    """What the first command that can be started makes of the DOT text."""
    reason = ""
    for command in commands:
        try:
            status, output, errors = _run(command, dot, timeout, folder)
        except subprocess.TimeoutExpired as error:
            raise LayoutError(f"Graphviz was stopped after {error.timeout:g} s: draw a smaller or coarser graph") from None
        except OSError as error:
            reason = f" ({command[0]} cannot be started: {error.strerror})"
            continue
        if status == _CANNOT_LOAD:
            reason = f" (the installed pygraphviz cannot be loaded: {' '.join(errors.split())})"
            continue
        problem = _problem(status, output, errors)
        if problem:
            raise LayoutError(f"Graphviz could not draw the graph: {problem}")
        return output
    raise NoGraphvizError(REMEDY + reason)


def _run(command: list[str], dot: bytes, timeout: float | None, folder: str | None) -> tuple[int, bytes, str]:
    """Exit status, output and error messages of one command that reads the DOT text."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder or os.path.dirname(command[0]),  # Windows looks for libraries in the working folder
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    with process:
        try:
            output, errors = process.communicate(dot, timeout)
        except BaseException:  # also Ctrl-C, which does not reach another session
            _kill(process)
            raise
    return process.returncode, output, errors.decode(errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started: ``dot`` is often a shell script around the real one."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _problem(status: int, output: bytes, errors: str) -> str:
    """What went wrong, in Graphviz's own words; warnings, mostly about fonts, are no problem."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    serious = [line.removeprefix("Error: ").removeprefix("<stdin>: ") for line in lines if line.startswith("Error: ")]
    if serious:
        return serious[0]
    if status:
        others = [line for line in lines if "warning" not in line.lower() and not line.startswith("Fontconfig")]
        return others[0] if others else f"it ended with status {status}"
    return "" if output else "it drew nothing, is the DOT text empty?"


def _stable(drawn: bytes, format: str) -> bytes:
    """The file without what differs from one build or second to the next: the comments on top of an SVG, a PDF's date."""
    kind = format.partition(":")[0]
    if kind == "svg":
        return re.sub(rb"(<!--((?!-->).)*-->\s*)+(?=<svg)", b"", drawn, count=1, flags=re.DOTALL)
    if kind == "pdf":  # as many digits as before: a PDF is full of offsets
        return re.sub(rb"(/(?:Creation|Mod)Date \(D:)\d{14}", rb"\g<1>20000101000000", drawn)
    return drawn


_TAG = re.compile(rb'<!--.*?-->|<\w(?:[^<>"]++|"[^"]*+")*+>', re.DOTALL)
_MADE = rb"(?:a_)?(?:graph|node|edge|clust)\d+[^\")]*|[lr]_\d+"  # not what a user has chosen with the attribute id
_PLACES = rb'\s(?:id="|(?:xlink:)?href="#|(?:fill|stroke|style|clip-path|mask|filter)="[^"]*?url\(#)'


def _own_ids(svg: bytes, dot: bytes, format: str, engine: str) -> bytes:
    """The SVG with a prefix to every id that Graphviz made, and where it is referred to: g1a2b3c4d_node1.

    Graphviz numbers the parts of every picture from 1 on, so that two pictures in one page would share their ids. The
    prefix is made of the DOT text: the same picture keeps its ids, another one has others.
    """
    prefix = b"g%s_" % hashlib.sha256(engine.encode() + b"\n" + dot).hexdigest()[:8].encode()
    made = rb'[^")]+' if "cairo" in format else _MADE  # cairo knows of no ids but its own
    ids = {i for tag in _TAG.finditer(svg) for i in re.findall(rb'\sid="(%s)"' % made, tag[0])}
    place = re.compile(rb'(%s)([^")]+)(?=[")])' % _PLACES)

    def renamed(found: re.Match[bytes]) -> bytes:
        return found[1] + prefix + found[2] if found[2] in ids else found[0]

    return _TAG.sub(lambda tag: tag[0] if tag[0].startswith(b"<!--") else place.sub(renamed, tag[0]), svg)
