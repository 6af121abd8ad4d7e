"""The command: ``python -m tinygrad_edu lesson`` computes, checks and draws the note's network, or a script's.

``python -m tinygrad_edu demo list`` and ``demo run NAME`` show the demos; ``python -m tinygrad_edu doctor`` says what the
machine offers and what would help.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import traceback
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import __version__, demos, note
from .arguments import FAILED, Parser, folder, positive, seed
from .check.compare import MOST_ROWS, as_table, compare, number
from .functions import binary_cross_entropy
from .graphs import backward_graph, name, pretty, swept
from .sweep import topological_order
from .tensor import Tensor
from .visible import visible


class CommandError(Exception):
    """What the command cannot do, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments; the exit status is 0, or 2 with one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show 𝓛 shows ? and goes on
    options = parser().parse_args(argv)
    if options.command is None:
        parser().print_help()
        return 0
    try:
        {"lesson": lesson, "demo": demo, "doctor": doctor}[options.command](options)
        sys.stdout.flush()
    except (CommandError, demos.DemoError) as error:
        return _stop(options.command, str(error))
    except BrokenPipeError:  # the reader, such as head, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        _stop(options.command, "interrupted")
        return 130
    except MemoryError:
        return _stop(options.command, "there is not enough memory")
    except OSError as error:
        return _stop(options.command, error.strerror or _one_line(error))
    return 0


def _stop(command: str, message: str) -> int:
    print(f"tinygrad-edu {command}: {message}", file=sys.stderr)
    return FAILED


def parser() -> Parser:
    """The command's arguments."""
    top = Parser(prog="tinygrad-edu", description="Learn and teach backpropagation.")
    top.add_argument("--version", action="version", version=f"tinygrad_edu {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    p = commands.add_parser(
        "lesson",
        help="compute, check, draw and derive a network",
        description="Compare every gradient of the note's network, or of a script's, with other ways to find it, draw the "
        "network forward and backward, and write the derivation of every gradient and a page that walks through all of it.",
    )
    p.add_argument("script", nargs="?", help="a Python script that leaves a scalar Tensor; without it, the note's network")
    p.add_argument("--tensor", metavar="NAME", help="the script's variable that holds the Tensor (default: L)")
    p.add_argument("--out", type=folder, metavar="DIR", default="lesson", help="where the files go (default: lesson)")
    p.add_argument("--n", type=positive, metavar="N", help="examples in the note's network (default: 4)")
    p.add_argument("--widths", type=_widths, metavar="F,D1,D2", help="widths of the note's network (default: 2,3,3)")
    p.add_argument("--seed", type=seed, metavar="S", help="for the random numbers (default: 0)")
    p.add_argument("--lang", choices=("en", "es"), default="en", help="the language in which lesson.html opens (default: en)")
    p.add_argument("--open", action="store_true", help="open lesson.html in the browser")
    p = commands.add_parser(
        "demo",
        help="small programs that show one thing each",
        description="Run a demo: it prints what it finds, writes its pictures into a folder and says what was seen.",
    )
    tasks = p.add_subparsers(dest="task", metavar="TASK", parser_class=Parser, required=True)
    tasks.add_parser("list", help="which demos there are")
    p = tasks.add_parser("show", help="the script of a demo")
    p.add_argument("name", metavar="NAME", help="one of those that list shows")
    p = tasks.add_parser("run", help="run a demo, or all of them")
    p.add_argument("name", metavar="NAME", help="one of those that list shows, or all")
    demos.add_options(p)
    p = commands.add_parser(
        "doctor",
        help="what this machine offers and what would help",
        description="Report Python, NumPy, its BLAS and its kernels, threads, Graphviz and the extras; measure for a few seconds "
        "whether other settings would be faster, and print the line to set. Nothing is changed.",
    )
    p.add_argument("--no-measure", action="store_true", help="only look things up")
    return top


def _widths(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not three whole numbers from 1 on, such as 2,3,3")
    return int(parts[0]), int(parts[1]), int(parts[2])


def demo(options: argparse.Namespace) -> None:
    """List the demos, show the script of one, or run one or all."""
    if options.task == "list":
        known = demos.names()
        width = max(map(len, known), default=0)
        print("\n".join(f"{name:<{width}}  {demos.description(name)}" for name in known))
    elif options.task == "show":
        print(demos.source(options.name), end="")
    elif options.name == "all":
        failed = []
        for name in demos.names():
            print(f"\n== {name}: {demos.description(name)}\n", flush=True)
            try:
                _run_demo(name, Path(options.out or "demos") / name, options)
            except demos.DemoError as error:
                print(error)
                failed.append(name)
        if failed:
            raise CommandError(f"not run: {', '.join(failed)}")
    else:
        _run_demo(options.name, options.out, options)


def _run_demo(name: str, out: Path | str | None, options: argparse.Namespace) -> None:
    print(demos.report(demos.run(name, out, quick=options.quick, seed=options.seed)))


def doctor(options: argparse.Namespace) -> None:
    """Everything is looked up and measured before anything is printed."""
    from .doctor import doctor as examined

    try:
        text = examined(measure=not options.no_measure)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # what a broken installation raises cannot be foreseen
        raise CommandError(f"{type(error).__name__}: {_one_line(error)}") from None
    print(text)


def lesson(options: argparse.Namespace) -> None:
    """Everything is computed before anything is printed or written."""
    folder = Path(options.out).absolute()  # before a script changes the working directory
    if options.script is None:
        if options.tensor is not None:
            raise CommandError("--tensor goes with a script")
        root, text = note_lesson(options)
    else:
        for flag in ("n", "widths", "seed"):
            if getattr(options, flag) is not None:
                raise CommandError(f"--{flag} goes with the note's network, not with a script")
        root, text = script_lesson(options.script, options.tensor or "L")
    from .drawing import lesson_pictures, write_all

    pictures, left_out = lesson_pictures(root)
    pages, not_derived = derivation_pages(root)
    script, no_script = backward_page(root)
    page, no_page = lesson_page(root, options.lang)
    written, remark = write_all(pictures, folder, {**pages, **script, **page})
    print(text)
    print("\nwritten: " + ", ".join(_shown(path) for path in written))
    if page:
        print(f"the lesson: {_shown(folder / 'lesson.html')}")
        if options.open and not webbrowser.open((folder / "lesson.html").as_uri()):
            print("there is no browser to open it")
    for line in (left_out, not_derived, no_script, no_page, remark):
        if line:
            print(line)


def derivation_pages(root: Tensor) -> tuple[dict[str, str], str]:
    """The derivation as derivation.md, .tex and .html, or a line that says why there is none."""
    from .derivation import derive

    try:
        derivation = derive(root)
    except Exception as error:  # an op of the script's own may do anything
        return {}, f"no derivation: {_one_line(error)}"
    title = f"The derivation of the gradients of {pretty(root.name or 'L')}"
    return {
        "derivation.md": derivation.markdown(),
        "derivation.tex": derivation.latex(),
        "derivation.html": derivation.html(title),
    }, ""


def backward_page(root: Tensor) -> tuple[dict[str, str | bytes], str]:
    """Forward and backward as backward.py, the numbers beside it if they are many, or a line that says why there is none."""
    from .codegen import backward_script

    try:
        text, numbers = backward_script(root)
    except Exception as error:  # an op of the script's own may do anything
        return {}, f"no backward.py: {_one_line(error)}"
    return {"backward.py": text} | ({} if numbers is None else {"backward.npz": numbers}), ""


def lesson_page(root: Tensor, lang: str) -> tuple[dict[str, str], str]:
    """The page that walks through forward and backward as lesson.html, or a line that says why there is none."""
    from .lessons import lesson as walked

    try:
        return {"lesson.html": walked(root, lang=lang).html}, ""
    except Exception as error:  # an op of the script's own may do anything
        return {}, f"no lesson.html: {_one_line(error)}"


def note_lesson(options: argparse.Namespace) -> tuple[Tensor, str]:
    """The note's network: its eleven results against its own formulas, and the interlude's four numbers."""
    features, d1, d2 = options.widths or (2, 3, 3)
    values = note.network(options.n or 4, features, d1, d2, options.seed or 0)
    root = values["L"]
    hand = note.by_hand({name: t.numpy() for name, t in values.items()})
    loss = float(hand.pop("L"))
    rows = compare(root, hand, {r.of: r.formula for r in note.RESULTS})
    lines = [
        f"The note's network: N = {values['x'].shape[0]}, F = {features}, d₁ = {d1}, d₂ = {d2}.",
        f"𝓛 = {root.item():.12f}, by hand {loss:.12f}, difference {number(abs(root.item() - loss))}.",
        "",
        "Each gradient as the engine finds it, minus the note's formula, and minus finite differences (largest entry):",
        "",
        as_table(rows, "L", "by hand"),
        "",
        "sum₁ sums over the examples, the first axis.",
        "",
        "Interlude, the cross entropy of one prediction, in nats:",
    ]
    for label, prediction, printed in note.INTERLUDE:
        error = binary_cross_entropy(Tensor([prediction]), Tensor([float(label)])).item()
        formula = f"−log {prediction}" if label else f"−log(1 − {prediction})"
        lines.append(f"  y = {label}, ŷ = {prediction}:  {formula:<16} = {error:.3f}   (the note: {printed})")
    return root, "\n".join(lines)


def script_lesson(path: str, variable: str) -> tuple[Tensor, str]:
    """A script's network: each gradient with the rule that was recorded, against the scalar level."""
    root = run_script(path, variable)
    if not root.requires_grad:
        raise CommandError(f"{path}: nothing that {variable} was computed from requires a gradient")
    if not np.isfinite(root.item()):
        raise CommandError(f"{path}: {variable} is {root.item()}: there is nothing to compare")
    try:
        rows = compare(root)
    except Exception as error:  # an op of the script's own may do anything
        raise CommandError(f"{path}: {type(error).__name__}: {_one_line(error)}") from None
    if not rows:
        raise CommandError(f"{path}: nothing that {variable} depends on and that requires a gradient has a name; give it name=")
    title = root.name or variable
    lines = [
        f"{path}: {visible(title)} = {root.item():.12g}",
        "",
        "Each gradient as the engine finds it, minus the scalar chain rule's, and minus finite differences (largest entry):",
        "",
        as_table(rows, title, "scalar level"),
    ]
    reached = sum(1 for t in swept(root) if t.name is not None and t is not root)
    if reached > len(rows):
        lines.append(f"... and {reached - len(rows)} more gradients, which were not compared")
    named = {t.name for t in topological_order([root])}
    unnamed = [node for node in backward_graph(root) if node.kind == "result" and node.name not in named]
    if unnamed:
        shown = unnamed[:MOST_ROWS]
        lines += ["", "where", *(f"  {pretty(node.name)} = {node.formula}" for node in shown)]
        if len(unnamed) > len(shown):
            lines.append(f"  ... and {len(unnamed) - len(shown)} more")
    return root, "\n".join(lines)


def run_script(path: str, variable: str) -> Tensor:
    """Run a script and take the scalar Tensor that it leaves in this variable; its variables give the names."""
    if not Path(path).is_file():
        raise CommandError(f"{path}: there is no such file")
    arguments, folder, search = sys.argv, os.getcwd(), list(sys.path)
    sys.argv = [path]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # as Python does for a script
    try:
        left = runpy.run_path(path, run_name="__main__")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        where = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
        if where and isinstance(error, SystemExit) and error.code in (None, 0):  # the normal end, with what there is by then
            left = dict(where[0][0].f_globals)
        else:
            line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else where[-1][1] if where else None
            at = f" in line {line}" if line else ""
            raise CommandError(f"{path} stopped{at}: {type(error).__name__}: {_one_line(error)}") from None
    finally:
        sys.argv, sys.path[:] = arguments, search
        os.chdir(folder)
    root = left.get(variable)
    if not isinstance(root, Tensor):
        root = next((t for t in left.values() if isinstance(t, Tensor) and t.name == variable), None)
    if root is None:
        tensors = [name for name, value in left.items() if isinstance(value, Tensor)]
        known = f"it leaves the Tensors {', '.join(tensors)}: choose one with --tensor" if tensors else "it leaves no Tensor"
        raise CommandError(f"{path} leaves no Tensor {variable}; {known}")
    if root.shape:
        raise CommandError(f"{path}: {variable} has shape {root.shape}; a scalar is needed, such as its sum or mean")
    name(left)
    return root


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else os.fspath(path)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
