"""A ``graphviz.Digraph`` that draws itself on every machine: with the program, with the wheel, or else as text."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphviz

from ..files import write_file
from .layout import TIMEOUT, LayoutError, NoGraphvizError, layout, run_layout, run_unflatten

if TYPE_CHECKING:
    from graphviz.jupyter_integration import JupyterIntegration as Base
else:
    Base = object

SUFFIXES = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot"}

_SHOWN_LINES = 202  # of a text, in Jupyter


class Drawable(Base):
    """``write``, and this package's layout under everything that the classes of graphviz can do.

    They reach the programs of Graphviz only through four hooks, which stand for the public functions
    ``graphviz.pipe_lines``, ``pipe_lines_string``, ``render`` and ``unflatten`` and take their arguments. Overriding
    these four, and nothing above them, keeps the meaning of all the rest: ``pipe``, ``render``, ``view``, what Jupyter
    calls, and every option.
    """

    engine: str
    source: str

    def write(self, path: str | os.PathLike[str], *, timeout: float | None = TIMEOUT) -> Path:
        """Write the picture, in the format that the name ends in: .svg, .png, .pdf, or .dot and .gv for its text.

        Parameters
        ----------
        path : path
            The file. It is replaced when it exists, and untouched when something fails.
        timeout : float or None
            Seconds after which the layout is stopped.

        Returns
        -------
        Path
            The file that was written.

        Raises
        ------
        NoGraphvizError
            If there is no Graphviz. The DOT text was then written beside, under the same name with .dot.
        LayoutError
            If Graphviz reports an error, or the time is over.
        ValueError
            For another ending.
        OSError
            If the file cannot be written.
        """
        path = Path(path)
        format = SUFFIXES.get(path.suffix.lower())
        if format is None:
            raise ValueError(f"cannot write {path}: the name must end in {', '.join(SUFFIXES)}")
        try:
            drawn = layout(self.source, format, engine=self.engine, timeout=timeout)
        except NoGraphvizError as error:
            text = write_file(path.with_suffix(".dot"), self.source.encode())
            raise NoGraphvizError(f"{error}; the DOT text is in {text}") from None
        return write_file(path, drawn)

    def images(self, include: Container[str] | None, exclude: Container[str]) -> dict[str, bytes | str]:
        """The picture by MIME type, as ``graphviz.Digraph`` gives it to Jupyter."""
        drawn: dict[str, bytes | str] = super()._repr_mimebundle_(include, exclude)
        return drawn

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **options: Any
    ) -> dict[str, bytes | str]:
        """What Jupyter shows: the picture and its repr, or else what is missing and the DOT text."""
        return mimebundle(self.images, repr(self), self.source, include, exclude)

    def _pipe_lines(
        self,
        engine: str,
        format: str,
        input_lines: Iterator[str],
        *,
        input_encoding: str,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
    ) -> bytes:
        kind = _kind(format, renderer, formatter)
        return run_layout(
            "".join(input_lines).encode(input_encoding), kind, engine=_engine(engine, neato_no_op), folder=os.curdir
        )

    def _pipe_lines_string(self, engine: str, format: str, input_lines: Iterator[str], *, encoding: str, **options: Any) -> str:
        return self._pipe_lines(engine, format, input_lines, input_encoding=encoding, **options).decode(encoding)

    def _render(
        self,
        engine: str,
        format: str,
        filepath: str | os.PathLike[str],
        *,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        outfile: str | os.PathLike[str] | None = None,
        raise_if_result_exists: bool = False,
        overwrite_filepath: bool = False,
    ) -> str:
        if raise_if_result_exists and overwrite_filepath:
            raise ValueError("overwrite_source cannot be combined with raise_if_result_exists")
        source = Path(filepath)
        kind = _kind(format, renderer, formatter)
        target = Path(f"{source}.{'.'.join(reversed(kind.split(':')))}") if outfile is None else Path(outfile)
        if not overwrite_filepath and target.resolve() == source.resolve():
            raise ValueError(f"outfile {target.name!r} must be different from input file {source.name!r}")
        if raise_if_result_exists and target.exists():
            raise graphviz.FileExistsError(f"output file exists: {os.fspath(target)!r}")
        try:
            drawn = run_layout(source.read_bytes(), kind, engine=_engine(engine, neato_no_op), folder=os.fspath(source.parent))
        except NoGraphvizError as error:
            raise NoGraphvizError(f"{error}; the DOT text is in {source}") from None
        return os.fspath(write_file(target, drawn))

    def _unflatten(
        self,
        source: str,
        *,
        stagger: int | None = None,
        fanout: bool = False,
        chain: int | None = None,
        encoding: str = "utf-8",
    ) -> str:
        if fanout and stagger is None:
            raise graphviz.RequiredArgumentError("fanout given without stagger")
        options = [] if stagger is None else ["-l", str(stagger)]
        options += ["-f"] if fanout else []
        options += [] if chain is None else ["-c", str(chain)]
        return run_unflatten(source.encode(encoding), options).decode(encoding)


def mimebundle(
    images: Callable[[Container[str] | None, Container[str]], dict[str, bytes | str]],
    text: str,
    instead: str,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
) -> dict[str, bytes | str]:
    """A picture by its MIME type, and a text beside it for what shows no pictures.

    Parameters
    ----------
    images : callable
        Draws what is to be included, given ``include`` and ``exclude``, such as ``picture.images``.
    text : str
        The text beside the picture.
    instead : str
        The text that is shown when the picture cannot be drawn, under the reason and what would help.
    include, exclude : iterable of str, optional
        Only these MIME types, and not those. Without ``include``: text/plain, and image/svg+xml unless
        ``graphviz.set_jupyter_format`` says otherwise.

    Examples
    --------
    >>> mimebundle(Picture("chain").images, "x to y", "digraph { x -> y }", include=["text/plain"])
    {'text/plain': 'x to y'}
    """
    only = None if include is None else set(include)
    without = set(exclude or ())
    bundle: dict[str, bytes | str] = {}
    try:
        bundle = images(only, without)
    except (NoGraphvizError, LayoutError) as error:
        text = f"{error}\n\n{instead}"
    lines = text.splitlines()
    more = [f"... and {len(lines) - _SHOWN_LINES} more lines"] if len(lines) > _SHOWN_LINES else []
    if "text/plain" not in without and (only is None or "text/plain" in only):
        bundle["text/plain"] = "\n".join([*lines[:_SHOWN_LINES], *more])
    return bundle


def _kind(format: str, renderer: str | None, formatter: str | None) -> str:
    """Graphviz's name of a format with its renderer, such as ``png:cairo:gd``."""
    if formatter is not None and renderer is None:
        raise graphviz.RequiredArgumentError("formatter given without renderer")
    return ":".join(part for part in (format, renderer, formatter) if part is not None)


def _engine(engine: str, neato_no_op: bool | int | None) -> str:
    """The layout that ``neato -n`` stands for, which has a name of its own."""
    return f"nop{neato_no_op:d}" if neato_no_op and engine == "neato" else engine


class Picture(Drawable, graphviz.Digraph):
    """A directed graph that shows itself in Jupyter, can be restyled, and can be written to a file.

    Everything that ``graphviz.Digraph`` offers, and ``write``. The layout is done by the machine's Graphviz, or by the
    one that comes with pygraphviz.

    Examples
    --------
    >>> picture = Picture("chain")
    >>> picture.edge("x", "y", label="tanh")
    >>> print(picture.source)
    digraph chain {
        x -> y [label=tanh]
    }
    >>> picture.write("chain.jpg")
    Traceback (most recent call last):
    ValueError: cannot write chain.jpg: the name must end in .svg, .png, .pdf, .dot, .gv
    """

    def __repr__(self) -> str:
        return f"<Picture {self.name or 'without a name'}: write('picture.svg') draws it, print() shows its DOT text>"

    def unflatten(self, stagger: int | None = None, fanout: bool = False, chain: int | None = None) -> DotText:
        """The DOT text of a picture that is less wide; see ``graphviz.Digraph.unflatten``."""
        return _flat(super().unflatten(stagger=stagger, fanout=fanout, chain=chain))


class DotText(Drawable, graphviz.Source):
    """DOT text that was not put together node by node, but can be drawn and written in the same way."""

    def __repr__(self) -> str:
        return "<DotText: write('picture.svg') draws it, print() shows it>"

    def unflatten(self, stagger: int | None = None, fanout: bool = False, chain: int | None = None) -> DotText:
        """The DOT text of a picture that is less wide; see ``graphviz.Source.unflatten``."""
        return _flat(super().unflatten(stagger=stagger, fanout=fanout, chain=chain))


def _flat(text: graphviz.Source) -> DotText:
    """The same text, drawn by this package."""
    flat: DotText = DotText(
        text.source,
        filename=text.filename,
        directory=text.directory,
        format=text.format,
        engine=text.engine,
        encoding=text.encoding,
        renderer=text.renderer,
        formatter=text.formatter,
    )
    return flat
