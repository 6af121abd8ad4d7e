"""``lesson``: any recorded computation as one page that walks through its forward and its backward pass."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from ..errors import GradientError
from ..files import write_file
from ..tensor import Tensor
from . import data
from .page import page
from .program import program
from .questions import questions as asked
from .stage import stage
from .steps import as_data
from .view import View

HEIGHT = 820  # of the page in a notebook, in pixels
COARSE: data.Words = {
    "en": "This computation has many operations: each step is a whole equation, from one named value to the next.",
    "es": "Este cálculo tiene muchas operaciones: cada paso es una ecuación entera, de un valor con nombre al siguiente.",
}


@dataclass(frozen=True, repr=False)
class Lesson:
    """A lesson: the text of its page, which Jupyter shows in place.

    Attributes
    ----------
    html : str
        The page. It fetches nothing, and its Content-Security-Policy allows its own scripts only.
    title : str
        The title of the page.
    steps, questions : int
        How many there are.
    """

    html: str
    title: str
    steps: int
    questions: int

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page into a file.

        Raises
        ------
        OSError
            If it cannot be written; then the file is as it was.
        """
        return write_file(path, self.html.encode("utf-8", "replace"))

    def __repr__(self) -> str:
        count = f", {self.questions} questions" if self.questions else ""
        return f"<Lesson {self.title!r}: {self.steps} steps{count}>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, whose scripts reach nothing of the notebook."""
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{escape(self.html)}" title="{escape(self.title)}" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )


def lesson(
    root: Tensor,
    to: str | os.PathLike[str] | None = None,
    *,
    lang: str = "en",
    title: str | None = None,
    questions: bool = True,
) -> Lesson:
    """Forward and backward of ``L``, step by step, as one HTML page that works without a network.

    The page shows the picture of the computation, and for each step of the sweep a sentence, the formula, the numbers of an
    entry, the shapes, the line of the derivation and of the code. The reader can change numbers and see everything move, and
    answers questions. It has English and Spanish.

    Parameters
    ----------
    root : Tensor
        A scalar result that depends on something that requires a gradient.
    to : path, optional
        Where the page is written, such as ``"lesson.html"``.
    lang : {"en", "es"}
        The language in which the page opens.
    title : str, optional
        Its title. By default it names the root.
    questions : bool
        Whether it asks questions. The reader can switch them off.

    Returns
    -------
    Lesson
        With the page as ``.html``; in Jupyter it shows in place.

    Raises
    ------
    GradientError
        If the root is not a scalar, or nothing that it was computed from requires a gradient.
    ValueError
        For another language, or a computation that is too long for a page.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], name="x", dims="N F")
    >>> w = tg.Tensor([0.5, -0.25], requires_grad=True, name="w", dims="F")
    >>> found = tg.lesson(tg.tanh(x @ w).named("h").mean().named("L"), title="A neuron")
    >>> found
    <Lesson 'A neuron': 12 steps, 3 questions>
    >>> found.html[:15]
    '<!DOCTYPE html>'
    """
    _check(root, lang)
    with np.errstate(all="ignore"):
        view = View(root)
        content = as_data(view, lang, title)
        content["program"], recorded = program(root)
        content["questions"] = asked(view, content["steps"]) if questions else []
        pictures = stage(root)
    remarks = [COARSE] if content["level"] == "named" else []
    html = page(content, pictures, recorded=recorded, remarks=remarks)
    found = Lesson(html, content["title"], len(content["steps"]), len(content["questions"]))
    if to is not None:
        found.write(to)
    return found


def _check(root: Tensor, lang: str) -> None:
    if not isinstance(root, Tensor):
        raise TypeError(f"lesson: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if root.shape:
        raise GradientError(
            f"lesson: {root._called()} has shape {root.shape}; gradients are of a single number.\n  Try: its .sum()"
        )
    if not root.requires_grad:
        raise GradientError(
            f"lesson: nothing that {root._called()} was computed from requires a gradient, so there is no backward pass.\n"
            "  Try: Tensor(..., requires_grad=True) for its parameters"
        )
    if lang not in data.LANGUAGES:
        raise ValueError(f'lesson: there is no language {lang!r:.20}.\n  Try: lang="en" or lang="es"')
