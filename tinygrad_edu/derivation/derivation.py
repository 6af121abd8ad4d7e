"""A derivation: its steps as data, and as text, LaTeX, Markdown and pages with MathML."""

from __future__ import annotations

import html as html_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..graphs import pretty
from .notation import Node, Row, Word, latex, mathml, text


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation.

    Attributes
    ----------
    kind : str
        ``chain``, ``forward``, ``local``, ``survives``, ``contraction``, ``matrix``, ``shape``, ``simplified``, ``sum``,
        ``indices`` (where matrix notation ends) or ``registered`` (an op without index notation).
    words : str
        What is done.
    math : Node or None
        The formula.
    difference : float or None
        The largest difference between this line, evaluated, and the engine, relative to the largest number that the
        engine has there if that is above 1; None where there is nothing to evaluate, or too much; NaN where the engine
        has NaN.
    use : str
        The equation that it belongs to, where a tensor is used in several.
    """

    kind: str
    words: str
    math: Node | None
    difference: float | None = None
    use: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The derivation of one gradient.

    Attributes
    ----------
    of : str
        The tensor's name.
    steps : tuple of Step
        From the chain rule to the checked result.
    result : Node
        The gradient's formula.
    reused : tuple of str
        The values of the forward pass in it.
    shape, letters : str
        The tensor's shape, in numbers and in letters.
    """

    of: str
    steps: tuple[Step, ...]
    result: Node
    reused: tuple[str, ...]
    shape: str
    letters: str


@dataclass(frozen=True)
class Derivation:
    """The derivation of one or several gradients.

    ``print`` shows it; ``.steps`` is the data, ``.results`` the formulas by name. ``derivation["W1"]`` is one section.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor(3.0, requires_grad=True, name="w")
    >>> derivation = tg.derive((w * w).named("L"))
    >>> derivation.results
    {'w': '∂𝓛/∂w = 2 ∗ w'}
    >>> [step.kind for step in derivation["w"].steps]
    ['forward', 'local', 'contraction', 'matrix', 'shape']
    """

    sections: tuple[Section, ...]
    remarks: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, section by section."""
        return tuple(step for section in self.sections for step in section.steps)

    @cached_property
    def results(self) -> dict[str, str]:
        """The formula of each gradient, by the tensor's name."""
        return {section.of: text(section.result) for section in self.sections}

    @property
    def difference(self) -> float:
        """The largest difference between any line, evaluated, and the engine."""
        return max((step.difference for step in self.steps if step.difference is not None), default=0.0)

    def __len__(self) -> int:
        return len(self.sections)

    def __getitem__(self, name: str) -> Section:
        for section in self.sections:
            if section.of == name:
                return section
        raise KeyError(f"no gradient by {name!r} is derived here; there are {', '.join(s.of for s in self.sections)}")

    def __repr__(self) -> str:
        return f"<Derivation of {len(self.sections)} gradients: print() shows it, .markdown(), .latex() and .html() write it>"

    def __str__(self) -> str:
        lines = [*self.remarks, ""] if self.remarks else []
        for section in self.sections:
            lines += [f"{_gradient_text(section)}   {_shape_text(section)}"]
            use = ""
            for step in section.steps:
                if step.use != use:
                    use = step.use
                    lines += ["", f"  {_heading(use)}"]
                formula = text(step.math) if step.math is not None else ""
                lines += _folded(f"  {step.words + ':':<17} ", formula) if formula else [f"  {step.words}."]
                lines[-1] += f"    [{checked}]" if (checked := verdict(step)) else ""
            lines.append("")
        return "\n".join([*lines, *self._summary_lines()])

    def _summary_lines(self) -> list[str]:
        if len(self.sections) < 2:
            return []
        results = [text(section.result) for section in self.sections]
        width = max(map(len, results))
        lines = ["Summary"]
        for result, section in zip(results, self.sections, strict=True):
            reused = f"   reuses {', '.join(map(pretty, section.reused))}" if section.reused else ""
            lines.append(f"  {result:<{width}}{reused}".rstrip())
        largest = _difference_text(self.difference)
        return [*lines, f"  In brackets: the largest difference from the engine; over all lines it is {largest}."]

    # ---- pages -------------------------------------------------------------------------------------------------------

    def latex(self) -> str:
        """A LaTeX document with amsmath; what is inside of it can be put into another."""
        lines = [
            r"\documentclass{article}",
            r"\usepackage{amsmath, amssymb}",
            r"\usepackage[margin=2.5cm]{geometry}",
            r"\setlength{\parindent}{0pt}",
            r"\begin{document}",
            *[_latex_words(remark) + r"\par" for remark in self.remarks],
        ]
        for section in self.sections:
            lines.append(rf"\section*{{${latex(_left(section.result), self.names)}$ \quad {_latex_words(_shape_text(section))}}}")
            use = ""
            for step in section.steps:
                if step.use != use:
                    use = step.use
                    lines.append(rf"\subsection*{{{_latex_words(_heading(use))}}}")
                check = f" (difference {checked})" if (checked := verdict(step)) else ""
                shapes = f" {text(step.math)}" if step.kind == "shape" and step.math is not None else ""
                lines.append(_latex_words(f"{step.words}{check}{':' if step.math is not None else '.'}{shapes}"))
                lines[-1] += r"\par" if step.math is None or shapes else ""
                if step.math is not None and not shapes:
                    lines.append(rf"\[ {latex(step.math, self.names)} \]")
        if len(self.sections) > 1:
            lines.append(r"\section*{Summary}")
            lines += [rf"\[ {latex(section.result, self.names)} \]" for section in self.sections]
        return "\n".join([*lines, r"\end{document}", ""])

    def markdown(self) -> str:
        """Markdown with the formulas as LaTeX between dollar signs."""
        lines = [*self.remarks, ""] if self.remarks else []
        for section in self.sections:
            lines += [f"## ${latex(_left(section.result), self.names)}$, of shape {_shape_text(section)}", ""]
            use = ""
            for step in section.steps:
                if step.use != use:
                    use = step.use
                    lines += [f"### {_markdown_words(_heading(use))}", ""]
                check = f" (difference {checked})" if (checked := verdict(step)) else ""
                shapes = f" {text(step.math)}" if step.kind == "shape" and step.math is not None else ""
                lines += [_markdown_words(f"{step.words}{check}{':' if step.math is not None else '.'}{shapes}"), ""]
                if step.math is not None and not shapes:
                    lines += [f"$$ {latex(step.math, self.names)} $$", ""]
        if len(self.sections) > 1:
            lines += ["## Summary", ""]
            for section in self.sections:
                lines += [f"$$ {latex(section.result, self.names)} $$", ""]
        return "\n".join(lines)

    def mathml(self) -> str:
        """The steps as a piece of HTML with MathML, to be put into a page."""
        parts = [f"<p>{_html(remark)}</p>" for remark in self.remarks]
        for section in self.sections:
            heading = f"{_inline(_left(section.result))} <small>{_html(_shape_text(section))}</small>"
            rows = []
            use = ""
            for step in section.steps:
                if step.use != use:
                    use = step.use
                    rows.append(f'<tr><th colspan="3">{_html(_heading(use))}</th></tr>')
                check = _html(verdict(step))
                math = "" if step.math is None else _html(text(step.math)) if step.kind == "shape" else mathml(step.math)
                words = f"<td>{_html(step.words)}</td><td>{math}</td>" if math else f'<td colspan="2">{_html(step.words)}.</td>'
                rows.append(f'<tr class="{step.kind}">{words}<td>{check}</td></tr>')
            head = "<tr><th>step</th><th>formula</th><th>difference from the engine</th></tr>"
            parts.append(
                f"<section><h2>{heading}</h2><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></section>"
            )
        if len(self.sections) > 1:
            rows = [
                f"<tr><td>{mathml(section.result)}</td><td>{_html(', '.join(map(pretty, section.reused)))}</td></tr>"
                for section in self.sections
            ]
            head = "<tr><th>gradient</th><th>values of the forward pass that it reuses</th></tr>"
            table = f'<table class="summary"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
            parts.append(f"<section><h2>Summary</h2>{table}</section>")
        return "\n".join(parts)

    def html(self, title: str = "The derivation") -> str:
        """A page of its own: it needs no network and no scripts."""
        policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{_html(title)}</title>\n<style>{STYLE}</style></head>\n"
            f"<body><main><h1>{_html(title)}</h1>\n{self.mathml()}\n</main></body></html>\n"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, str]:
        """What Jupyter shows: MathML, and the text for what shows no HTML."""
        bundle = {"text/html": f"<div>{self.mathml()}</div>", "text/plain": str(self)}
        return {kind: shown for kind, shown in bundle.items() if (not include or kind in include) and kind not in (exclude or ())}


WIDTH = 100  # columns of a terminal

STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 Georgia,serif;margin:0}main{max-width:64rem;margin:0 auto;padding:1rem}"
    "h1,h2{font-weight:normal}section{margin:2.5rem 0;overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.35rem 1rem .35rem 0;vertical-align:middle;text-align:left;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 18%,transparent)}"
    "th{font-weight:normal;font-size:.8rem;opacity:.75}td:first-child{width:11rem}"
    "td:last-child:not([colspan]){font:12px/1.4 monospace;opacity:.75;width:6rem}"
    'math{font-family:"Cambria Math","STIX Two Math","Latin Modern Math","DejaVu Math TeX Gyre",math}'
    "math[display=block]{display:inline math}tr.matrix math,tr.simplified math{font-size:1.1em}"
    "table.summary td{width:auto;font:inherit;opacity:1}"
)


def _heading(use: str) -> str:
    """Over the steps of one use of a tensor, and over the sum of them all."""
    return f"Through {pretty(use)}" if use else "Together"


def _left(result: Node) -> Node:
    """The gradient itself: what stands before the =."""
    return result.parts[0] if isinstance(result, Row) else result


def _gradient_text(section: Section) -> str:
    return text(_left(section.result))


def _shape_text(section: Section) -> str:
    return section.shape if section.letters == section.shape else f"{section.letters} = {section.shape}"


def _difference_text(difference: float) -> str:
    if difference != difference:
        return "NaN in the data"
    if difference == float("inf"):
        return "overflows as written"
    return "0" if difference == 0 else f"{difference:.1e}".replace("e-0", "e-").replace("-", "−")


def verdict(step: Step) -> str:
    """How far a line is from the engine, as text: what stands in brackets after it."""
    if step.difference is not None:
        return _difference_text(step.difference)
    return "too large to check" if step.kind in ("forward", "local", "contraction", "matrix", "simplified") else ""


def _folded(head: str, formula: str) -> list[str]:
    """A formula on one line, or if that is too long, a line for each =."""
    if len(head) + len(formula) <= WIDTH or formula.count(" = ") < 2:
        return [head + formula]
    left, *rights = formula.split(" = ")
    return [f"{head}{left} = {rights[0]}", *(f"{'':<{len(head)}}= {right}" for right in rights[1:])]


def _html(words: str) -> str:
    return html_module.escape(text(Word(words)))


def _inline(tree: Node) -> str:
    return mathml(tree).replace(' display="block"', "", 1)


_PLAIN = str.maketrans("⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "()01234567890123456789")
_SPECIAL = {c: f"\\{c}" for c in "#$%&_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def _latex_words(words: str) -> str:
    """Words in LaTeX, as text that can break: signs that a plain font does not have go into formulas."""
    shown = text(Word(words)).translate(_PLAIN)
    return "".join(_SPECIAL.get(c, c) if c.isascii() else f"${latex(Word(c))}$" if not c.isspace() else " " for c in shown)


def _markdown_words(words: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#+!|$~" else c for c in text(Word(words)))
