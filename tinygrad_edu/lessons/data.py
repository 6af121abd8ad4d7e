"""The contract between Python and the page: a lesson as plain data, ready for JSON.

JSON has no NaN and no infinity: such a number is the text ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, which
JavaScript's ``Number(...)`` reads back. Numbers that are shown have at most twelve significant digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

import numpy as np

Shown = float | int | str  # a number, or the text of one that is not finite
Words = dict[str, str]  # by language: "en", "es"

LANGUAGES = ("en", "es")
MOST_NUMBERS = 400  # of one array that are written
MOST_IN_ALL = 20_000  # numbers of all arrays of one kind together; the largest arrays are left out first


class Node(TypedDict):
    """A value of the recorded forward pass, on the op level, in topological order; its id is its place in the list."""

    id: int
    name: str  # as a person reads it: h⁽¹⁾; a value without a name is called as tg.graph(L, level="op") calls it
    key: str  # as Python calls it: h1
    math: str  # MathML of the name
    kind: str  # input, parameter, result, loss, constant
    op: str  # the op's name; "" for what was given
    inputs: list[int]
    shape: list[int]
    dims: list[str]  # a letter for each axis, or its size as text
    values: list[Shown] | None  # flat, row-major; None where there are too many
    digest: str
    equation: int  # the node of the named level in whose equation it stands; itself, if it is one
    requires_grad: bool


class Place(TypedDict):
    """Where along an axis: ``Σ coefficient · index + offset``, or what a table of integers has at some places.

    Counted from 0. An entry at a place outside of its tensor is 0.
    """

    parts: NotRequired[list[tuple[str, int]]]  # (letter, coefficient)
    offset: NotRequired[int]
    table: NotRequired[list[int]]  # flat; then sizes and places say which of its numbers
    sizes: NotRequired[list[int]]
    places: NotRequired[list[Place]]


class Axis(TypedDict):
    """An index: its letter, and how many values it has, from 0 on."""

    letter: str
    size: int


class Factor(TypedDict):
    """One factor of a term, raised to ``power``.

    - ``entry``: of the value of ``node``, or of its gradient; ``places`` has a place for each axis, mostly without those
      of size 1, and ``sizes`` their sizes; an array that is no node has its own ``values``.
    - ``delta``: 1 where both ``places`` are the same, else 0.
    - ``count``: the number ``value``, written as ``name``: N.
    - ``call``: the op ``name`` of the sums ``args``, with ``params``.
    - ``group``: the sum ``args[0]`` in parentheses.
    """

    kind: str
    power: int
    node: NotRequired[int]
    gradient: NotRequired[bool]
    name: NotRequired[str]  # as a person reads it
    places: NotRequired[list[Place]]
    sizes: NotRequired[list[int]]
    values: NotRequired[list[Shown]]
    value: NotRequired[int]
    args: NotRequired[list[list[Term]]]
    params: NotRequired[dict[str, Any]]
    shown: NotRequired[str]  # of a call: how formulas write the op, where that is not its name


class Term(TypedDict):
    """``coefficient · Π factor``, summed over the axes ``over``."""

    coefficient: Shown
    factors: list[Factor]
    over: list[Axis]


class Indexed(TypedDict):
    """A line in index notation: the entry of an array, for any choice of its indices.

    ``axes`` are the axes of the array whose size is not 1, in order: the flat place of an entry is row-major over them.
    """

    axes: list[Axis]
    terms: list[Term]
    math: str  # MathML of the whole line: ∂𝓛/∂W⁽²⁾_ij = Σ_k ∂𝓛/∂u⁽²⁾_kj h⁽¹⁾_ki
    text: str  # the same as text


class Step(TypedDict):
    """One step of the lesson.

    ``kind`` is ``value`` (forward), ``seed``, ``contribution``, ``sum`` (uses meet), ``finished`` (a gradient is complete),
    ``end``, or ``gap`` (steps that are left out, because there are too many).
    """

    kind: str
    node: int  # whose value or gradient it is about
    edge: list[int] | None  # of a contribution and its sum: [id that receives, id that hands back, input position]
    sentence: Words
    formula: str  # MathML, in names
    formula_text: str
    entry: Indexed | None
    shapes: str
    derivation: int | None  # which section of the derivation
    derivation_line: int | None  # and which of its lines
    code: int | None  # which line of the code, from 0
    reused: list[int]  # the values of the forward pass that the formula uses again
    result: list[Shown] | None  # the numbers of the value, the contribution or the gradient
    total: list[Shown] | None  # what has been collected at the node after this step
    edges: int  # arrows that the backward pass has visited so far


class Line(TypedDict):
    """A line of the derivation."""

    words: Words
    math: str
    difference: str


class Section(TypedDict):
    """The derivation of one gradient."""

    of: int
    result: str  # MathML
    lines: list[Line]


class Code(TypedDict):
    """``tg.source`` of the root, where values without a name are called as the nodes are; empty if an op has no code."""

    text: str


class Choice(TypedDict):
    """One of the formulas among which the reader chooses."""

    text: str
    math: str  # MathML


class Mistaken(TypedDict):
    """A wrong answer, the number of a choice or a number, and what it says of the mistake."""

    answer: float
    diagnosis: Words


class Question(TypedDict):
    """A question at a step, whose formula and numbers are hidden until it is answered."""

    id: str
    step: int  # its place in the list of steps
    kind: str  # choice or number
    node: int  # whose gradient it asks about
    prompt: Words
    entry: list[int] | None  # of a number: which one
    choices: list[Choice]
    answer: float  # the number of the right choice, or the number
    tolerance: float  # of a number, relative
    wrong: list[Mistaken]
    near: NotRequired[Words]  # what is said of a number that is only nearly right


class Data(TypedDict):
    """All that the page needs."""

    title: str
    lang: str
    root: int
    level: str  # of the steps: "op", or "named" where there would be too many
    nodes: list[Node]
    steps: list[Step]
    gradients: dict[str, list[Shown] | None]  # by the node's id as text
    derivation: list[Section]
    code: Code
    paths: str  # the products that a sum over all paths would need
    program: Any
    questions: list[Question]


def number(x: Any) -> Shown:
    """A number as the page reads it.

    >>> number(np.float64(1 / 3)), number(np.True_), number(float("-inf"))
    (0.333333333333, 1, '-Infinity')
    """
    plain = x.item() if hasattr(x, "item") else x
    if isinstance(plain, (bool, int)):
        return int(plain)
    if not math.isfinite(plain):
        return "NaN" if math.isnan(plain) else "Infinity" if plain > 0 else "-Infinity"
    return float(f"{plain:.12g}")


def numbers(array: Any, most: int = MOST_NUMBERS) -> list[Shown] | None:
    """The numbers of an array, flat and row-major; None where there are more than ``most``."""
    flat = np.ravel(np.asarray(array))
    return [number(x) for x in flat] if flat.size <= most else None


def limit(sizes: Iterable[int], in_all: int = MOST_IN_ALL) -> int:
    """How many numbers an array may have to be written, so that all together are not too many.

    >>> limit([400] * 10), limit([400] * 1000 + [3])  # of the second only what has up to 100 numbers
    (400, 100)
    >>> limit([6] * 1000, in_all=100)
    6
    """
    found = sorted(sizes)
    most = MOST_NUMBERS
    while most > 6 and sum(n for n in found if n <= most) > in_all:
        most //= 4
    return most
