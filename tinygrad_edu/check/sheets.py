"""``exercise``: a sheet of gradients to find by hand, as a Python file or a notebook, and its solution apart."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import functions
from ..codegen.code import HELPERS
from ..codegen.naming import WIDEST
from ..codegen.writing import written
from ..errors import GradientError
from ..files import write_file
from ..graphs import pretty, swept
from ..graphs.names import pretty_gradient
from ..ops import Op, tabulated
from ..tensor import Tensor
from .compare import shape_text
from .diagnoses import LANGUAGES
from .mistakes import Recorded

MOST_NUMBERS = 200  # that stand in the sheet; more go into a file beside it
# Ops whose function has another name.
_PUBLIC: Mapping[Op, str] = {
    tabulated.bce: "binary_cross_entropy",
    tabulated.bce_with_logits: "binary_cross_entropy_with_logits",
}
_BUILTINS = frozenset(("dict", "map", "zip", "print"))  # that a sheet calls
_SUFFIX = ("_solution", "_solucion")  # of the solution's file
_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Gradients by hand", "Gradientes a mano"),
    "solution": ("Gradients by hand: the solution", "Gradientes a mano: la solución"),
    "what": (
        "Write a formula in the place of every ... and run this: the table at the end marks each gradient.\n"
        "What stays ... is not answered. A formula uses values of the forward pass and your own gradients of the lines above.\n"
        "Where one of those is open, or you do not trust it, write a function: `dW = lambda h, du: h.T @ du` is given the\n"
        "right du. A line that uses such an answer must be a function too: `db = lambda du: du.sum(axis=0)`.",
        "Escribe una fórmula en lugar de cada ... y ejecuta esto: la tabla al final corrige cada gradiente.\n"
        "Lo que queda ... cuenta como no respondido. Una fórmula usa valores de la pasada hacia adelante y tus propios\n"
        "gradientes de las líneas de arriba. Si uno de ellos falta, o no confías en él, escribe una función:\n"
        "`dW = lambda h, du: h.T @ du` recibe el du correcto. Una línea que usa tal respuesta también debe ser una\n"
        "función: `db = lambda du: du.sum(axis=0)`.",
    ),
    "numbers": ("The numbers", "Los números"),
    "forward": ("The forward pass", "La pasada hacia adelante"),
    "values": ("Its values as arrays, for the formulas", "Sus valores como arreglos, para las fórmulas"),
    "backward": ("The gradients, in the order of the sweep", "Los gradientes, en el orden de la pasada hacia atrás"),
    "marks": ("The marks", "La corrección"),
    "shape": ("shape", "dimensiones"),
    "used": ("{of} is used in {by}", "{of} se usa en {by}"),
}


def exercise(
    root: Tensor,
    path: str | os.PathLike[str],
    *,
    wrt: Sequence[Tensor | str] | None = None,
    solution: str | os.PathLike[str] | bool = True,
    hints: bool = True,
    lang: str = "en",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """A sheet to fill in, one ``dW = ...`` for each ``∂L/∂W``, that marks itself when it is run; and its solution apart.

    Parameters
    ----------
    root : Tensor
        The scalar result.
    path : str or path
        Where the sheet goes: a Python file, or a notebook if it ends in ``.ipynb``.
    wrt : sequence of Tensors or names, optional
        The gradients to find. By default those of every named value and every parameter that L depends on.
    solution : path or bool
        Where the solution goes; by default beside the sheet, as ``sheet_solution.py`` for ``sheet.py``, in Spanish
        ``sheet_solucion.py``. False: nowhere.
    hints : bool
        The shape of each gradient, and where its value is used.
    lang : {"en", "es"}
        The language of the sheet and of its marks.
    overwrite : bool
        Replace files that exist and have another content, such as a sheet that somebody filled in.

    Returns
    -------
    tuple of Path
        The files: the sheet, the solution, and a file of numbers beside it where they are many.

    Raises
    ------
    GradientError
        If the root is not a scalar, or has no gradients by what was asked for.
    NoCodeError
        If an op has no NumPy code.
    FileExistsError
        If one of the files exists with another content, and ``overwrite`` is not set; then none is written.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True, name="w")
    >>> L = (w * w).sum().named("L")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = tg.exercise(L, Path(folder) / "sheet.py")
    ...     text = files[0].read_text(encoding="utf-8")
    >>> [file.name for file in files]
    ['sheet.py', 'sheet_solution.py']
    >>> exec(text.replace("dw = ...", "dw = -2 * w"), {})
    gradient  shape  largest difference
    ───────────────────────────────────
    ∂𝓛/∂w     (2,)   1.6e+01             wrong: the sign is wrong
    0 of 1 right
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"exercise: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if lang not in LANGUAGES:
        raise ValueError(f'exercise: there is no language {lang!r}.\n  Try: lang="en" or lang="es"')
    if root.shape:
        raise GradientError(
            f"exercise: {root._called()} has shape {root.shape}; gradients are of a single number.\n  Try: its .sum()"
        )
    target = Path(path)
    if target.suffix not in (".py", ".ipynb"):
        raise ValueError(
            f"exercise: {target.name!r:.60} is neither a Python file nor a notebook.\n  Try: sheet.py or sheet.ipynb"
        )
    ending = _SUFFIX[LANGUAGES.index(lang)]
    beside = target.with_name(f"{target.stem}{ending}{target.suffix}") if isinstance(solution, bool) else Path(solution)
    if beside.suffix != target.suffix:
        raise ValueError(f"exercise: the solution {beside.name!r:.60} must end in {target.suffix}, as the sheet does.")
    if solution is not False and beside.resolve() == target.resolve():
        raise ValueError(f"exercise: the solution must be another file than the sheet, {target.name!r:.60}.")
    together = solution is False or beside.resolve().parent == target.resolve().parent
    data = {target: target.with_suffix(".npz")}
    if solution is not False:
        data[beside] = data[target] if together else beside.with_suffix(".npz")
    sheet = _Sheet(root, wrt, hints, lang)
    as_text = _notebook if target.suffix == ".ipynb" else _script
    place = "{!a}" if target.suffix == ".ipynb" else "Path(__file__).with_name({!a})"
    texts = {file: as_text(sheet.cells(file is not target, place.format(data[file].name))) for file in data}
    contents = {file: text.encode() for file, text in texts.items()}
    contents |= dict.fromkeys(data.values(), sheet.numbers()) if sheet.many else {}
    for file, content in contents.items():
        if not overwrite and file.exists() and not (file.is_file() and file.read_bytes() == content):
            raise FileExistsError(
                f"exercise: {file.name!r:.60} exists, and is not what would be written: it may hold somebody's answers.\n"
                "  Try: another name, or overwrite=True"
            )
    for file in reversed(contents):  # the sheet last: where it is, the rest is there too
        write_file(file, contents[file])
    return tuple(contents)


@dataclass(frozen=True)
class _Cell:
    """A piece of the sheet: words, then code."""

    words: str
    code: str
    title: bool = False


class _Sheet:
    """What the sheet is made of: numbers, the forward pass, and a line for each gradient."""

    def __init__(self, root: Tensor, wrt: Sequence[Tensor | str] | None, hints: bool, lang: str) -> None:
        self.recorded = Recorded(root)
        self.hints, self.which = hints, LANGUAGES.index(lang)
        targets = self._targets(wrt)
        try:
            found = written(root, targets)
        except GradientError as error:
            raise GradientError(str(error).replace("source:", "exercise:", 1)) from None
        text, self.tensors = found.text, found.tensors
        self.values = {name: np.asarray(value) for name, value in found.given.items()}
        start = text.index("def forward_backward(")
        body = text[start:].rstrip().split("\n")[1:]
        *body, last = [line[4:] for line in body]
        returned = last.removeprefix("return ").split(", ")
        cut = body.index("") if "" in body else len(body)
        self.parameters = list(self.values)
        self.root = returned[0]
        self.forward = [line for line in body[:cut] if not line.startswith("assert ")]  # the numbers of the sheet are as recorded
        self.backward = body[cut + 1 :]
        self.words = set(re.findall(r"\w+", text, re.ASCII))
        self.tg = self._free("tg")
        self.called = {id(t): name for name, t in self.tensors.items()}
        self.answers = self._answers(targets, returned[1:])
        self.plain = self.forward  # as arrays compute it
        self.forward = [self._with_functions(line, "") for line in self.plain]
        self.backward = [self._with_functions(line, ".numpy()") for line in self.backward]
        given = self.values.values()
        self.many = sum(x.size for x in given) > MOST_NUMBERS or not all(np.all(np.isfinite(x)) for x in given)

    def _targets(self, wrt: Sequence[Tensor | str] | None) -> list[Tensor]:
        recorded = self.recorded
        if wrt is None:
            found = [t for t in swept(recorded.root) if t is not recorded.root and (t.name is not None or not t.inputs)]
            if not found:
                raise GradientError(f"exercise: {recorded.root._called()} was computed from nothing that requires a gradient.")
            return found
        targets: list[Tensor] = []
        for t in [wrt] if isinstance(wrt, (Tensor, str)) else wrt:
            if isinstance(t, str) and t not in recorded.tensors:
                raise ValueError(f"exercise: {t!r:.60} is no value of this record; there are {', '.join(recorded.tensors):.300}")
            targets.append(recorded.tensors[t] if isinstance(t, str) else t)
        place = {id(t): n for n, t in enumerate(recorded.order)}
        for t in targets:
            if not isinstance(t, Tensor):
                raise TypeError(f"exercise: a gradient by {type(t).__name__} was asked for, not by a Tensor: {t!r:.80}")
            if (t.name is None and t.inputs) or t is recorded.root or id(t) not in recorded.right.gradients or id(t) not in place:
                raise GradientError(f"exercise: there is no gradient by {t._called()} to find: it has no name, or no path to L.")
        if not targets:
            raise ValueError("exercise: there is nothing to find.\n  Try: wrt=None, for all gradients")
        return sorted({id(t): t for t in targets}.values(), key=lambda t: -place[id(t)])

    def _helpers(self, backward: bool) -> list[str]:
        """The helpers that there is no function for: as ops in the forward pass, so that the same is recorded."""
        found = []
        for op, (name, body) in HELPERS.items():
            called = re.compile(rf"(?<!\.)\b{name}\(")
            there = called.search("\n".join(self.forward)) is not None
            if backward and not there and called.search("\n".join(self.backward)):
                found += [*body.format(np="np", zero="0").split("\n"), "", ""]
            elif there and not backward:
                found += [f'{name} = {self.tg}.ops.OPS["{op.name}"]']
        return found

    def _with_functions(self, line: str, after: str) -> str:
        """The line with ``tg.relu(u1)`` for the helper ``relu(u1)``, and what comes after each call."""
        for op, (name, _) in HELPERS.items():
            function = _PUBLIC.get(op, op.name)
            if function not in functions.__all__:
                continue
            for call in reversed(list(re.finditer(rf"(?<!\.)\b{name}\(", line))):
                end = _closing(line, call.end())
                line = f"{line[: call.start()]}{self.tg}.{function}({line[call.end() : end]}{after}{line[end:]}"
        return line

    def _answers(self, targets: Sequence[Tensor], returned: Sequence[str]) -> dict[str, Tensor]:
        """The targets by the names of their gradients in the sheet: dW2, or dL_dW2 where that is taken; in the text's order."""
        prefix = f"d{self.root}_d"
        short = {name: f"d{name.removeprefix(prefix)}" if name.startswith(prefix) else name for name in returned}
        if self.words & set(short.values()) or len(set(short.values())) < len(short):
            short = {name: name for name in returned}
        self.words |= set(short.values())
        for old, new in short.items():
            self.backward = [re.sub(rf"\b{re.escape(old)}\b", new, line, flags=re.ASCII) for line in self.backward]
        by_name = {short[name]: t for name, t in zip(returned, targets, strict=True)}
        first = {line.split(" = ")[0]: n for n, line in reversed(list(enumerate(self.backward)))}
        return dict(sorted(by_name.items(), key=lambda item: first.get(item[0], len(first))))

    def _free(self, name: str) -> str:
        """A name that the sheet has for something of its own, other than every name of the record."""
        while name in self.words:
            name += "_"
        return name

    def _builtin(self, name: str) -> str:
        """Python's own function, which a value of the record may be called like."""
        return f"builtins.{name}" if name in self.words else name

    def _word(self, key: str) -> str:
        return _WORDS[key][self.which]

    def cells(self, solved: bool, data: str) -> list[_Cell]:
        """The sheet, or its solution, from top to bottom; ``data`` is the code for the file of numbers."""
        title = self._word("solution" if solved else "title")
        shadowed = ["import builtins", ""] if self.words & _BUILTINS else []
        start = [*shadowed, "import numpy as np", "", f"import tinygrad_edu as {self.tg}"]
        cells = [_Cell(title if solved else f"{title}\n\n{self._word('what')}", "\n".join(start), title=True)]
        cells.append(_Cell(self._word("numbers"), self._given(data)))
        cells.append(_Cell(self._word("forward"), self._forward()))
        call = f"{self._free('forward')}({', '.join(self.parameters)})"
        if self.forward != self.plain:  # functions of tg give Tensors
            call = f"{self._builtin('map')}(np.asarray, {call})"
        cells.append(_Cell(self._word("values"), f"{self._values()} = {call}"))
        if solved:
            cells.append(_Cell(self._word("backward"), "\n".join([*self._helpers(True), *_aligned(self.backward)])))
        else:
            heading = f"{self._word('backward')}\n\n"
            for name, t in self.answers.items():
                cells.append(_Cell(heading + self._hint(t), f"{name} = ..."))
                heading = ""
        cells.append(_Cell(self._word("marks"), self._marks()))
        return cells

    def _assigned(self) -> list[str]:
        names = [line.split(" = ")[0] for line in self.forward]
        return list(dict.fromkeys([*names, self.root]))

    def _values(self) -> str:
        names = self._assigned()
        return f"{', '.join(names)}{',' if len(names) == 1 else ''}"

    def _forward(self) -> str:
        ops = self._helpers(False)
        body = [f"    {line}" if line else "" for line in _aligned(self.forward)]
        head = f"def {self._free('forward')}({', '.join(self.parameters)}):"
        return "\n".join([*ops, *(["", ""] if ops else []), head, *body, f"    return {self._values()}"])

    def _given(self, data: str) -> str:
        if not self.many:
            return "\n".join(f"{name} = {_array_text(self.values[name])}" for name in self.parameters)
        path, file = self._free("Path"), self._free("file")
        lines = [f"from pathlib import Path{'' if path == 'Path' else f' as {path}'}", ""] if data.startswith("Path") else []
        data = data.replace("Path", path, 1) if lines else data
        lines += [f"with np.load({data}, allow_pickle=False) as {file}:"]
        return "\n".join([*lines, *(f'    {name} = {file}["{name}.values"]' for name in self.parameters)])

    def _hint(self, t: Tensor) -> str:
        """What is asked for; its shape and the uses of its value."""
        parts = self.recorded.right.parts
        gradient = pretty_gradient(self.root, self.called[id(t)])
        if not self.hints:
            return gradient
        letters = [x if x is not None and str(x).isidentifier() else None for x in self._letters(t)]
        users: dict[str, None] = {}
        waiting, seen = [t], {id(t)}
        for x in waiting:
            for use in parts.get(id(x), ()):
                if id(use.node) in self.called:
                    users[pretty(self.called[id(use.node)])] = None
                elif id(use.node) not in seen:
                    seen.add(id(use.node))
                    waiting.append(use.node)
        used = self._word("used").format(of=pretty(self.called[id(t)]), by=", ".join(users))
        return f"{gradient}, {self._word('shape')} {shape_text(t, letters)}; {used}"

    def _letters(self, t: Tensor) -> Sequence[str | None]:
        return self.recorded.letters.get(id(t), (None,) * t.ndim)

    def _marks(self) -> str:
        tensors, values, answers, report = (self._free(name) for name in ("tensors", "values", "answers", "report"))
        lines = [f"{tensors} = ["]
        for name in self.parameters:
            t = self.tensors[name]
            letters = self._letters(t)
            dims = f", dims={tuple(map(str, letters))!a}" if letters and all(x is not None for x in letters) else ""
            grad = ", requires_grad=True" if t.requires_grad else ""
            lines.append(f'    {self.tg}.Tensor({name}, name="{name}"{grad}{dims}),')
        names = self._assigned()
        pairs = f"{self._builtin('dict')}({self._builtin('zip')}"
        lines += ["]", f"{values} = {pairs}({names!r}, {self._free('forward')}(*{tensors})))", f"{self.tg}.name({values})"]
        lines += [f"{answers} = {{", *(f'    "{self.called[id(t)]}": {name},' for name, t in self.answers.items()), "}"]
        language = "" if self.which == 0 else f', lang="{LANGUAGES[self.which]}"'
        lines += [f'{report} = {self.tg}.check_by_hand({values}["{self.root}"], {answers}{language})']
        lines += [f"{self._builtin('print')}({report})"]
        return "\n".join(lines)

    def numbers(self) -> bytes:
        """The arrays that the sheet starts from, as a file."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {f"{name}.values": self.values[name] for name in self.parameters}  # savez has a parameter file
        np.savez(file, **arrays)
        return file.getvalue()


def _closing(text: str, start: int) -> int:
    """The end of what stands in parentheses from there on."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[start], 0)
        start += 1
    return start


def _aligned(lines: Sequence[str]) -> list[str]:
    """The lines with the shapes beside them in one column."""
    parts = [re.fullmatch(r"(.*\S) +(# \(.*\))", line) for line in lines]
    width = max((len(part[1]) for part in parts if part and len(part[1]) <= WIDEST), default=0)
    return [f"{part[1]:<{width}}  {part[2]}" if part else line for part, line in zip(parts, lines, strict=True)]


def _array_text(x: np.ndarray[Any, np.dtype[Any]]) -> str:
    """An array as Python reads it back, a line for each row."""
    kind = "" if x.dtype in (np.float64, np.int64, np.bool_) else f", np.{x.dtype.name}"
    rows = x.tolist()
    if x.ndim < 2 or not x.size:
        shape = f".reshape({x.shape})" if not x.size else ""
        return f"np.array({rows!r}{kind}){shape}"
    return "\n".join(["np.array([", *(f"    {row!r}," for row in rows), f"]{kind})"])


def _script(cells: Sequence[_Cell]) -> str:
    """The cells as a Python file."""
    parts = []
    for cell in cells:
        words = "\n".join(f"# {line}".rstrip() for line in cell.words.split("\n"))
        parts.append(f"{words}\n{cell.code}" if not cell.title else f"{words}\n\n{cell.code}")
    return "\n\n".join(parts) + "\n"


def _notebook(cells: Sequence[_Cell]) -> str:
    """The cells as a notebook: nbformat 4.5, with the same bytes each time."""
    made: list[dict[str, Any]] = []
    for cell in cells:
        words = f"# {cell.words}" if cell.title else cell.words
        made.append({"cell_type": "markdown", "id": f"words-{len(made)}", "metadata": {}, "source": _lines(words)})
        code = {"cell_type": "code", "id": f"code-{len(made)}", "metadata": {}, "source": _lines(cell.code)}
        made.append({**code, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return (
        json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False, indent=1) + "\n"
    )


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
