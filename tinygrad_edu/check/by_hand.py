"""``check_by_hand``: gradients that somebody found by hand, marked; and what is wrong where one is wrong."""

from __future__ import annotations

import difflib
import inspect
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..codegen.naming import identifier
from ..errors import GradientError
from ..graphs import gradient_name, pretty
from ..graphs.names import pretty_gradient
from ..readonly import read_only
from ..record import NUMBERS
from ..tensor import Tensor
from ..visible import visible
from .compare import number, shape_text
from .diagnoses import LANGUAGES, Diagnosis
from .explaining import agrees, explanation
from .mistakes import WORK, Backward, Recorded

Array = Any
LONGEST = 60  # characters of a name, or of an error
RIGHT, FOLLOWS, WRONG, OPEN = "right", "follows", "wrong", "open"
_WORDS: Mapping[str, tuple[str, str]] = {
    "gradient": ("gradient", "gradiente"),
    "shape": ("shape", "dimensiones"),
    "difference": ("largest difference", "mayor diferencia"),
    RIGHT: ("right", "bien"),
    FOLLOWS: ("right from there", "bien a partir de ahí"),
    WRONG: ("wrong", "mal"),
    OPEN: ("not answered", "sin responder"),
    "marks": ("{points} of {most} right", "{points} de {most} bien"),
    "answered": ("{count} not answered", "{count} sin responder"),
    "or": ("or", "o"),
    "and": ("and", "y"),
}


class ByHandError(AssertionError):
    """A gradient by hand is wrong, or was not given. ``report`` is the whole table."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Answer:
    """One gradient by hand, marked.

    Attributes
    ----------
    name : str
        The name of the value that it is the gradient by.
    gradient : str
        The gradient as a note writes it.
    shape : str
        The shape it must have, with its letters.
    verdict : {"right", "follows", "wrong", "open"}
        "follows": wrong numbers, but rightly computed from another answer that is wrong. "open": not answered.
    difference : float or None
        The largest difference from the engine's gradient; None where the shape is another, or nothing was answered.
    diagnosis : tuple of Diagnosis
        The mistakes that together explain the answer.
    otherwise : tuple of Diagnosis
        Another explanation, that gives the same numbers; mostly empty.
    """

    name: str
    gradient: str
    shape: str
    verdict: str
    difference: float | None = None
    diagnosis: tuple[Diagnosis, ...] = ()
    otherwise: tuple[Diagnosis, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is the engine's gradient."""
        return self.verdict == RIGHT

    def sentence(self, lang: str = "en") -> str:
        """What is wrong with it, in this language; nothing if it is right or open."""
        both = [_joined(d, lang) for d in (self.diagnosis, self.otherwise) if d]
        return f"; {_word('or', lang)}: ".join(both)


@dataclass(frozen=True, repr=False)
class Report:
    """The answers, marked: true when all are right, a table when printed.

    Attributes
    ----------
    answers : tuple of Answer
        In the order in which they were given.
    lang : {"en", "es"}
        The language that the table is printed in.
    """

    answers: tuple[Answer, ...]
    lang: str = "en"

    @property
    def ok(self) -> bool:
        """Whether every gradient is right."""
        return all(a.ok for a in self.answers)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def marks(self) -> tuple[int, int]:
        """(points, most): a point for each that is right, or follows rightly from another answer that is wrong."""
        return sum(a.verdict in (RIGHT, FOLLOWS) for a in self.answers), len(self.answers)

    def raise_if_wrong(self) -> None:
        """Raise a ByHandError with the table if not every gradient is right."""
        if not self.ok:
            raise ByHandError(f"check_by_hand:\n{self}", self)

    def __getitem__(self, name: str) -> Answer:
        for answer in self.answers:
            if answer.name == name:
                return answer
        raise KeyError(f"there is no answer for {name!r}; there are {', '.join(a.name for a in self.answers)}")

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)

    def _lines(self) -> list[tuple[str, ...]]:
        head = tuple(_word(key, self.lang) for key in ("gradient", "shape", "difference"))
        lines = [(*head, "")]
        for a in self.answers:
            sentence = a.sentence(self.lang)
            verdict = _word(a.verdict, self.lang) + (f": {sentence}" if sentence else "")
            lines.append((_cut(a.gradient), a.shape, number(a.difference), verdict))
        return lines

    def _summary(self) -> str:
        points, most = self.marks
        count = sum(a.verdict == OPEN for a in self.answers)
        text = _word("marks", self.lang).format(points=points, most=most)
        return f"{text}, {_word('answered', self.lang).format(count=count)}" if count else text

    def __repr__(self) -> str:
        lines = self._lines()
        widths = [max(_width(line[i]) for line in lines) for i in range(3)]
        texts = ["  ".join([*(t + " " * (n - _width(t)) for t, n in zip(line, widths, strict=False)), line[3]]) for line in lines]
        head, *rows = (text.rstrip() for text in texts)
        return "\n".join([head, "─" * _width(head), *rows, self._summary()])

    def _repr_html_(self) -> str:
        """What Jupyter shows: the same table."""
        from html import escape

        head, *rows = self._lines()
        left = ' style="text-align:left"'  # notebooks put cells to the right
        top = "".join(f"<th{left}>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td{left}>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tr>{top}</tr>{body}</table><p>{escape(self._summary())}</p>"


def check_by_hand(
    root: Tensor,
    answers: Mapping[str | Tensor, Any],
    *,
    rtol: float | None = None,
    lang: str = "en",
) -> Report:
    """``|by hand − ∂L/∂t| ≤ rtol · max |∂L/∂t|`` for each gradient that somebody found by hand; and what is wrong if not.

    Parameters
    ----------
    root : Tensor
        The scalar result.
    answers : mapping
        The gradients by the name of what they are the gradient by: "W2", "dW2", "dL/dW2" and "dL_dW2" mean the same. A
        gradient is an array, a list, a number, a Tensor; or a function whose parameters are named values and gradients,
        such as ``lambda h1, du2: h1.T @ du2``. It is given their arrays, and for a letter of ``dims`` its size. The
        gradients are the engine's, so that a mistake in another answer does no harm. ``...`` and None are not answered.
    rtol : float, optional
        Allowed difference, relative to the largest entry. By default the square root of the rounding unit of what L was
        computed in: 1.5e-8 for float64. For numbers that were computed on paper, 1e-2 or so; the fewer digits, the less
        can be said of what is wrong.
    lang : {"en", "es"}
        The language of the table.

    Returns
    -------
    Report
        A row for each answer. An array that is wrong because it was computed from another wrong answer is not marked down
        a second time: it follows from there.

    Raises
    ------
    GradientError
        If the root is not a scalar, or does not depend on what an answer is for.
    ValueError
        If a name is unknown, or a function asks for one that is.
    TypeError
        If an answer is no array of numbers.

    Notes
    -----
    A diagnosis is found by making the mistake: the sweep of the record is repeated with one local product changed, and
    what arrives is compared with the answer. So it holds for any record, and what matches by none of them gets no
    diagnosis. Where different mistakes give the same numbers, as with a symmetric matrix, the simplest is named.

    Where the terms of a gradient cancel, what rounding leaves of them is as right as 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor([[1.0, 2.0], [3.0, 4.0], [0.5, 1.0]], name="x", dims="N F")
    >>> w = tg.Tensor([0.5, -0.25], requires_grad=True, name="w", dims="F")
    >>> u = (x @ w).named("u")
    >>> h = tg.tanh(u).named("h")
    >>> L = (h * h).mean().named("L")
    >>> tg.check_by_hand(L, {"h": lambda h, N: 2 * h / N, "u": lambda dh, u: dh * (1 - u * u), "w": lambda x, du: x.T @ du})
    gradient  shape        largest difference
    ─────────────────────────────────────────
    ∂𝓛/∂h     (N,) = (3,)  0                   right
    ∂𝓛/∂u     (N,) = (3,)  1.1e-02             wrong: the derivative of tanh is computed from u, where h belongs
    ∂𝓛/∂w     (F,) = (2,)  0                   right
    2 of 3 right
    """
    if not isinstance(root, Tensor):
        raise TypeError(f"check_by_hand: the root is {type(root).__name__}, not a Tensor: {root!r:.80}")
    if root.shape:
        raise GradientError(
            f"check_by_hand: {root._called()} has shape {root.shape}; gradients are of a single number.\n  Try: its .sum()"
        )
    if not isinstance(answers, Mapping):
        raise TypeError(
            f"check_by_hand: the answers are {type(answers).__name__}, not a dict of gradients by name: {answers!r:.80}\n"
            '  Try: {"W": dW}'
        )
    if rtol is not None and not (isinstance(rtol, (int, float, np.floating)) and 0 <= rtol < 1):
        raise ValueError(f"check_by_hand: rtol is {rtol!r:.40}: a number from 0 up to 1.\n  Try: rtol=1e-2")
    if lang not in LANGUAGES:
        raise ValueError(f'check_by_hand: there is no language {lang!r}.\n  Try: lang="en" or lang="es"')
    with np.errstate(all="ignore"):  # mistakes that are tried may divide by 0
        return _Marking(Recorded(root), answers, rtol, lang).report()


class _Marking:
    """The answers to one record."""

    def __init__(self, recorded: Recorded, answers: Mapping[str | Tensor, Any], rtol: float | None, lang: str) -> None:
        self.recorded, self.lang = recorded, lang
        eps = np.finfo(recorded.root.dtype).eps if recorded.root.dtype.kind == "f" else 2.0**-52
        self.rtol = float(np.sqrt(eps)) if rtol is None else rtol
        self.rounding = recorded.rounding(recorded.right)
        self.spellings = _spellings(recorded)
        self.given = [(self._target(key), value) for key, value in answers.items()]
        doubled = [name for n, (name, _) in enumerate(self.given) if name in (earlier for earlier, _ in self.given[:n])]
        if doubled:
            raise ValueError(f"check_by_hand: two answers are for {_shown(doubled[0])}.\n  Try: one of them")
        self.arguments = _arguments(recorded)

    def _target(self, key: str | Tensor) -> str:
        """The name of the value that a key means."""
        recorded = self.recorded
        if isinstance(key, Tensor):
            name = recorded.names.get(id(key))
        else:
            name = key if key in recorded.tensors else self.spellings.get(key) if isinstance(key, str) else None
        known = [name for name, t in recorded.tensors.items() if id(t) in recorded.right.gradients and t is not recorded.root]
        if name is None or name == recorded.root_name:
            if name is not None:
                raise ValueError("check_by_hand: the gradient of a value by itself is 1: there is nothing to check.")
            if isinstance(key, Tensor):
                raise ValueError(f"check_by_hand: {recorded.root._called()} was not computed from {key._called()}.")
            raise ValueError(
                f"check_by_hand: {_shown(str(key))} is no value of this record.\n"
                f"  there are {_listed(known) or 'none with a gradient'}{_closest(key, known) if isinstance(key, str) else ''}"
            )
        if id(recorded.tensors[name]) not in recorded.right.gradients:
            raise GradientError(f"check_by_hand: there is no gradient by {_shown(name)}; there is one by {_listed(known)}.")
        return name

    def report(self) -> Report:
        recorded = self.recorded
        found = [(name, *self._computed(name, value)) for name, value in self.given]
        arrays = {
            id(recorded.tensors[name]): answer for name, answer, _ in found if answer is not None and self._fits(name, answer)
        }
        wrong = {id(t): a for t in recorded.tensors.values() if (a := arrays.get(id(t))) is not None and not self._right(a, t)}
        recorded.work = WORK * 10 // max(10, len(found))
        rows = []
        for name, answer, error in found:
            t = recorded.tensors[name]
            shown = (
                name,
                pretty_gradient(recorded.root_name, name),
                shape_text(t, recorded.letters.get(id(t), (None,) * t.ndim)),
            )
            if error is not None:
                rows.append(Answer(*shown, WRONG, None, (error,)))
            elif answer is None:
                rows.append(Answer(*shown, OPEN))
            else:
                rows.append(self._marked(shown, t, answer, arrays, wrong))
        return Report(tuple(rows), self.lang)

    def _right(self, answer: Array, t: Tensor) -> bool:
        return agrees(answer, self.recorded.right.gradients[id(t)], self.rtol, self.rounding.get(id(t), 0.0))

    def _fits(self, name: str, answer: Array) -> bool:
        return answer.shape == self.recorded.tensors[name].shape and bool(np.all(np.isfinite(answer)))

    def _marked(
        self, shown: tuple[str, str, str], t: Tensor, answer: Array, arrays: Mapping[int, Array], wrong: Mapping[int, Array]
    ) -> Answer:
        recorded, right = self.recorded, np.asarray(self.recorded.right.gradients[id(t)])
        difference = None
        if answer.shape == right.shape:
            difference = float(np.max(np.abs(answer - right), initial=0.0))
            if self._right(answer, t) or np.array_equal(answer, right, equal_nan=True):
                return Answer(*shown, RIGHT, difference)
        bad = int(np.count_nonzero(~np.isfinite(answer)))
        if bad:
            details = {"count": str(bad), "size": str(answer.size)}
            return Answer(*shown, WRONG, difference, (Diagnosis("not_finite", details),))
        answered = set(arrays) - {id(t)}
        upstream = {key: a for key, a in wrong.items() if key != id(t)}
        bases: list[tuple[Backward, tuple[Diagnosis, ...]]] = [(recorded.right, ())]
        if upstream:
            carried = recorded.swept(upstream)
            if not agrees(carried.gradients[id(t)], right, self.rtol):
                follows = self._follows(t, upstream, answered)
                if agrees(answer, carried.gradients[id(t)], self.rtol):
                    return Answer(*shown, FOLLOWS, difference, follows)
                bases.append((carried, follows))
        for base, before in bases:
            found = explanation(recorded, base, t, answer, answered, self.rtol)
            if found is not None:
                otherwise = (*before, *found.otherwise) if found.otherwise else ()
                return Answer(*shown, WRONG, difference, (*before, *found.mistakes), otherwise)
        return Answer(*shown, WRONG, difference, (self._unexplained(answer, right),))

    def _follows(self, t: Tensor, upstream: Mapping[int, Array], answered: set[int]) -> tuple[Diagnosis, ...]:
        """The wrong answers that the gradient of t is computed from, with no other answer between."""
        near, found = {id(t)}, []
        for node in self.recorded.order:
            if any(id(x) in near for x in node.inputs):
                if id(node) not in answered:
                    near.add(id(node))
                elif id(node) in upstream:
                    found.append(self.recorded.gradient_of(node))
        return (Diagnosis("follows" if len(found) < 2 else "follow", {"found": ", ".join(found)}),)

    def _unexplained(self, answer: Array, right: Array) -> Diagnosis:
        if answer.shape != right.shape:
            return Diagnosis("wrong_shape", {"found": str(answer.shape), "needed": str(right.shape)})
        if not right.shape:
            return Diagnosis("unexplained_number")
        differs = np.abs(answer - right) > self.rtol * np.max(np.abs(right), initial=0.0)
        place = np.unravel_index(int(np.argmax(differs)), right.shape)
        details = {"count": str(int(np.count_nonzero(differs))), "size": str(right.size), "place": str([int(i) for i in place])}
        return Diagnosis("unexplained", details)

    def _computed(self, name: str, value: Any) -> tuple[Array | None, Diagnosis | None]:
        """The answer as an array of floats; None if there is none; or what the formula stopped with."""
        if callable(value) and not isinstance(value, Tensor):
            arguments = self._for_parameters(name, value)
            try:
                value = value(**arguments)
                if value is Ellipsis or value is None:
                    return None, None
                return _as_array(name, value), None
            except Exception as error:  # a formula by hand may do anything
                text = " ".join(f"{type(error).__name__}: {error}".split())
                return None, Diagnosis("error", {"error": _cut(visible(text), 200)})
        if value is Ellipsis or value is None:
            return None, None
        return _as_array(name, value), None

    def _for_parameters(self, name: str, formula: Callable[..., Any]) -> dict[str, Any]:
        try:
            parameters = inspect.signature(formula).parameters.values()
        except ValueError:  # of a function in C, which does not say what it takes
            raise TypeError(
                f"check_by_hand: the parameters of the formula for {_shown(name)} have no names.\n  Try: a lambda"
            ) from None
        found = {}
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.name in self.arguments:
                found[parameter.name] = self.arguments[parameter.name]()
            elif parameter.default is parameter.empty:
                known = [key for key in self.arguments if key.isidentifier()]
                raise ValueError(
                    f"check_by_hand: the formula for {_shown(name)} asks for {parameter.name}, which is not in this record.\n"
                    f"  there are {_listed(known)}{_closest(parameter.name, known)}"
                )
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise TypeError(
                    f"check_by_hand: the formula for {_shown(name)} takes {parameter.name} by position only.\n  Try: a lambda"
                )
        return found


def _spellings(recorded: Recorded) -> dict[str, str]:
    """Every other way to write that a gradient by a name is meant. Names themselves come first."""
    found: dict[str, str] = {}
    root = recorded.root_name
    for name in recorded.tensors:
        for spelling in (
            gradient_name(root, name),
            f"d{name}",
            f"d{root}_d{name}",
            f"∂{root}/∂{name}",
            f"∂{name}",
            pretty_gradient(root, name),
            pretty(name),
        ):
            found.setdefault(spelling, name)
    return found


def _arguments(recorded: Recorded) -> dict[str, Callable[[], Any]]:
    """What a formula may ask for, by the names that its parameters can have: values, sizes, gradients of the engine."""
    found: dict[str, Callable[[], Any]] = {}

    def value(of: str) -> Callable[[], Any]:
        return lambda: read_only(recorded.values[of])

    def gradient(of: str) -> Callable[[], Any]:
        return lambda: read_only(np.asarray(recorded.right.gradients[id(recorded.tensors[of])]))

    names = {name: identifier(name, set()) for name in recorded.tensors}
    for name, word in names.items():
        found.setdefault(word, value(name))
    for t in recorded.order:
        for letter, n in zip(recorded.letters.get(id(t), ()), t.shape, strict=False):
            if letter is not None:
                found.setdefault(letter, lambda n=n: n)  # type: ignore[misc]  # the size at this place of the loop
    root = identifier(recorded.root_name, set())
    for name, word in names.items():
        if id(recorded.tensors[name]) in recorded.right.gradients:
            found.setdefault(f"d{word}", gradient(name))
            found.setdefault(f"d{root}_d{word}", gradient(name))
    return found


def _as_array(name: str, value: Any) -> Array:
    """An answer as an array of floats.

    Raises
    ------
    TypeError
        If it holds something else than numbers.
    """
    try:
        array = value.numpy() if isinstance(value, Tensor) else np.array(value)
    except (ValueError, TypeError) as error:
        why = "its rows have different lengths" if "inhomogeneous" in str(error) else str(error)
        raise TypeError(f"check_by_hand: the answer for {_shown(name)} is no array: {why}") from None
    if array.dtype.kind in "US":
        raise TypeError(
            f"check_by_hand: the answer for {_shown(name)} is text: {value!r:.80}\n  Try: the formula itself, without the quotes"
        )
    if array.dtype.kind not in NUMBERS:
        raise TypeError(
            f"check_by_hand: the answer for {_shown(name)} holds {array.dtype}; a gradient holds real numbers: {value!r:.80}\n"
            "  Try: ... for what is not answered"
        )
    return array.astype(float)


def _joined(mistakes: Sequence[Diagnosis], lang: str) -> str:
    return f"; {_word('and', lang)} ".join(d.sentence(lang) for d in mistakes)


def _word(key: str, lang: str) -> str:
    return _WORDS[key][LANGUAGES.index(lang)]


def _width(text: str) -> int:
    """The columns of a terminal that a text takes: the hat of x̂ is a character of its own, above the x."""
    return sum(not unicodedata.combining(character) for character in text)


def _cut(text: str, limit: int = LONGEST) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _shown(name: str) -> str:
    return _cut(visible(name))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_shown(name) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def _closest(name: str, known: Sequence[str]) -> str:
    parts = {name.casefold(), *re.split(r"[^\w]|_", name.casefold())}
    found = [key for key in known if key.casefold() in {*parts, *(part.removeprefix("d") for part in parts)}][:1]
    found = found or difflib.get_close_matches(name, known, 1, 0.5)
    return f"\n  Try: {_shown(found[0])}" if found else ""
