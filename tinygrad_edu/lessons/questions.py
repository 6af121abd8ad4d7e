"""Questions at chosen steps: which formula is right, or what an entry is; and what each wrong answer says of its mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from ..check import Diagnosis
from ..check.explaining import agrees
from ..check.mistakes import Recorded, consequences
from ..derivation.evaluate import TooLargeError, evaluate
from ..derivation.matrix import Matrix
from ..derivation.notation import Fence, Frac, Row, Sign, text
from ..derivation.notation import Node as Tree
from ..derivation.notation import Number as Numeral
from ..derivation.printing import matrix_tree, shape_of
from ..derivation.terms import Call, Entry, Factor, Group, Index, Lookup, Place, Sum, Symbol, Term, Where, entries_of
from ..graphs.fold import stands_for_leaf
from ..ops import elementwise as e
from ..tensor import Tensor
from . import data
from .events import Event
from .indexed import Own, Written, exact_looking, markup, neutral, plain, whole
from .view import ONE_ROW, View, joined
from .wrong_formulas import Use, numbers_of, said, shown, without_transpose, wrong_formulas

MOST_QUESTIONS = 12
MOST_WRONG = 3  # choices beside the right one
LEAST_WRONG = 2
LEAST_FACTORS = 2  # of a formula that is worth computing
MOST_DIAGNOSED = 10  # wrong numbers of one question
MOST_GIVEN = 12  # numbers that a question gives to compute with
MOST_USES = 4  # that meet in one question
LARGEST = 4_000  # numbers of an array that is asked about
LONGEST = 90  # characters of a formula that is a choice
MOST_VALUES = 300  # of a record, up to which mistakes are made on it to diagnose numbers
TOLERANCE = 5e-3  # of a typed number, relative
DIGITS = 5  # of the numbers that are given
NEAR: data.Words = {"en": "Close: give three digits.", "es": "Cerca: da tres cifras."}  # within some percent
RTOL = 1e-6  # two formulas are the same up to this
NOISE = 1e-12  # of what a result was computed from: less is rounding

_TURNED = re.compile(r"(?<!\w)(\w\S*⁾)ᵀ")  # W⁽¹⁾ᵀ

Given = dict[tuple[str, tuple[int, ...]], float]  # numbers by the name of their array and their place


def questions(view: View, steps: Sequence[data.Step]) -> list[data.Question]:
    """At most ``MOST_QUESTIONS`` questions, in the order of the steps.

    The first step of each kind of rule asks for the formula, the second one for a number; and where uses meet, what becomes of
    their contributions. A choice that is offered as wrong is wrong on the recorded numbers.

    Parameters
    ----------
    view : View
        What the steps are about, on their level.
    steps : sequence of Step
        The steps of the view.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.lessons.steps import as_data
    >>> x = tg.Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], name="x", dims="N F")
    >>> w = tg.Tensor([0.5, -0.2], requires_grad=True, name="w", dims="F")
    >>> view = View(tg.tanh(x @ w).named("h").mean().named("L"))
    >>> of_mean, of_tanh, of_product = questions(view, as_data(view, "en", None)["steps"])
    >>> print(of_tanh["prompt"]["en"])
    h = tanh(t⁽¹⁾), and ∂𝓛/∂h is known. What is ∂𝓛/∂t⁽¹⁾?
    >>> of_tanh["choices"][int(of_tanh["answer"])]["text"]
    '∂𝓛/∂h ∗ (1 − h ∗ h)'
    """
    asked = _Asked(view, steps)
    with np.errstate(all="ignore"):
        found = [(rank, n, question) for rank, n, question in asked.found()]
    found.sort(key=lambda each: each[:2])  # the most important are kept
    kept = sorted(found[:MOST_QUESTIONS], key=lambda each: each[1])
    return [question for _, _, question in kept]


@dataclass(frozen=True)
class _Option:
    """A choice before it is written: its formula, and what is wrong with it."""

    tree: Tree
    wrong: data.Words | None = None


class _Asked:
    """The questions of one lesson while they are written."""

    def __init__(self, view: View, steps: Sequence[data.Step]) -> None:
        self.view, self.steps = view, steps
        self.events: dict[tuple[int, ...], Event] = {
            (view.place(each.receiver), view.place(each.node), each.position): each
            for each in view.swept.events
            if each.position is not None and not stands_for_leaf(each.node)
        }
        self.recorded = _Recorded(view) if len(view.order) <= MOST_VALUES else None
        self.equations = {step["node"]: step["formula_text"] for step in steps if step["kind"] == "value"}

    def found(self) -> Iterator[tuple[int, int, data.Question]]:
        """Every question that can be asked, with its rank (0 first) and its step."""
        seen: dict[object, int] = {}
        meetings = 0
        for n, step in enumerate(self.steps):
            if step["edge"] is None or np.size(self.view.gradients[step["node"]]) > LARGEST:
                continue
            event = self.events[tuple(step["edge"])]
            if step["kind"] == "sum":
                question = self._sum(n, step) if event is self._events_to(step["node"])[-1] else None
                if question is not None:
                    yield min(meetings, 3), n, question
                    meetings += 1
            elif step["kind"] == "contribution" and event.node.op.kind != "rearrangement":
                line, tree = self.view.handed(event)
                key = self._rule(event, line)
                times = seen.get(key, 0)
                question = self._choice(n, step, event, line) if times == 0 else None
                if question is None and times < 2:
                    question = self._number(n, step, event, line, tree)
                if question is not None:
                    seen[key] = times + 1
                    yield 1 + times, n, question

    def _rule(self, event: Event, line: Written) -> object:
        """What kind of rule a contribution is made by."""
        op, m = event.node.op, line.matrix
        alike = op in (e.add, e.multiply)  # in both of their arguments
        return op, None if alike else event.position, None if m is None else m.kind

    def _events_to(self, place: int) -> list[Event]:
        """What was handed back to a node, in the order of the sweep."""
        return [event for (receiver, *_), event in self.events.items() if receiver == place]

    def _is_plain(self, event: Event) -> bool:
        """Whether something can be asked of what was handed back: it is finite, and more than the rounding of what is 0."""
        part = np.asarray(event.part)
        plain = part.size > 0 and bool(np.all(np.isfinite(part)))
        return plain and not _is_noise(part, self.view.gradients[self.view.place(event.node)])

    # ---- which formula

    def _use(self, event: Event) -> Use:
        view = self.view
        own, result = view.place(event.receiver), view.place(event.node)
        return Use(event.node.op, view.name_of(own), view.values[own], view.values[result])

    def _choice(self, n: int, step: data.Step, event: Event, line: Written) -> data.Question | None:
        if line.matrix is None or not self._is_plain(event):
            return None
        right = line.matrix
        options = [_Option(neutral(matrix_tree(right)))]
        found = _distinct(wrong_formulas(right, self._use(event)), right, np.asarray(event.part))
        told = _Teller(self.view, event)
        options += [_Option(neutral(matrix_tree(m)), told.words(diagnosis, m)) for diagnosis, m in found]
        right_text = text(options[0].tree)
        if len(options) <= LEAST_WRONG or len(right_text) > LONGEST or ONE_ROW.search(right_text):
            return None
        return self._asks_choice(n, step, self._prompt(step, event), options)

    def _prompt(self, step: data.Step, event: Event) -> data.Words:
        """What is known, and what is asked."""
        view = self.view
        place = step["node"]
        wanted, is_part = text(whole(view.slopes[place])), view.uses[place] > 1
        above = view.place(view.above(event.node))
        equation = f"{view.name_of(above)} = {plain(view.nodes[above].formula)}"
        if view.level == "named" or len(equation) > LONGEST:
            equation = self.equations.get(above, "")
        if not equation or len(equation) > LONGEST:
            equation = view.name_of(above)
        incoming = text(whole(view.slopes[above]))
        if above == view.root_place:
            known = {
                "en": f"{equation} is where the backward pass starts.",
                "es": f"{equation} es donde empieza la pasada hacia atrás.",
            }
        else:
            known = {"en": f"{equation}, and {incoming} is known.", "es": f"{equation}, y se conoce {incoming}."}
        asked = {"en": f"What is {wanted}?", "es": f"¿Cuál es {wanted}?"}
        if is_part:
            asked = {"en": f"What does this use add to {wanted}?", "es": f"¿Qué suma este uso a {wanted}?"}
        return {lang: f"{known[lang]} {asked[lang]}" for lang in data.LANGUAGES}

    def _asks_choice(self, n: int, step: data.Step, prompt: data.Words, options: Sequence[_Option]) -> data.Question:
        """The options in an order that only depends on what they are."""
        texts = [text(option.tree) for option in options]
        seed = int.from_bytes(sha256("\n".join(texts).encode()).digest()[:8])
        order = np.random.default_rng(seed).permutation(len(options)).tolist()
        return data.Question(
            id=f"step-{n + 1}",
            step=n,
            kind="choice",
            node=step["node"],
            prompt=prompt,
            entry=None,
            choices=[data.Choice(text=texts[i], math=markup(options[i].tree)) for i in order],
            answer=order.index(0),
            tolerance=0.0,
            wrong=[
                data.Mistaken(answer=at, diagnosis=diagnosis)
                for at, i in enumerate(order)
                if (diagnosis := options[i].wrong) is not None
            ],
        )

    # ---- where uses meet

    def _sum(self, n: int, step: data.Step) -> data.Question | None:
        view, place = self.view, step["node"]
        own = self._events_to(place)
        right = np.asarray(view.gradients[place])
        if len(own) > MOST_USES or not all(self._is_plain(event) for event in own) or _is_noise(right, own[0].part):
            return None
        handed = [view.handed(event) for event in own]
        trees = [tree for _, tree in handed]
        summed = view.added(place, handed, view.together(place, handed, right))
        if len(text(summed)) > LONGEST:
            return None
        names = [view.name_of(view.place(view.above(event.node))) for event in own]
        named = [{"uses": str(len(own)), "of": view.name_of(place), "result": name} for name in names]
        tries = [(Diagnosis("one_use", named[i]), trees[i], own[i].part) for i in range(len(own))]
        tries.insert(1, (Diagnosis("mean"), Frac(summed, Numeral(str(len(own)))), right / len(own)))
        minus = Row((joined(trees[:-1]), Sign("−"), _fenced(trees[-1])))
        tries.append((Diagnosis("use_sign", named[-1]), minus, right - 2 * np.asarray(own[-1].part)))
        options, values = [_Option(summed)], [right]
        told = _Teller(view, own[-1])
        for diagnosis, tree, value in tries:
            same = any(agrees(np.asarray(value), known, RTOL) for known in values)
            if len(options) <= MOST_WRONG and not same:
                options.append(_Option(tree, told.words(diagnosis)))
                values.append(np.asarray(value))
        if len(options) <= LEAST_WRONG:
            return None
        name, wanted = view.name_of(place), text(whole(view.slopes[place]))
        times = "twice" if len(own) == 2 else f"{len(own)} times"
        prompt = {
            "en": f"{name} was used {times}, and each use has handed back its part. What is {wanted}?",
            "es": f"{name} se usó {len(own)} veces, y cada uso ya entregó su parte. ¿Cuál es {wanted}?",
        }
        return self._asks_choice(n, step, prompt, options)

    # ---- which number

    def _number(self, n: int, step: data.Step, event: Event, line: Written, tree: Tree) -> data.Question | None:
        if line.total is None or line.matrix is None or self.view.uses[step["node"]] > 1 or not self._is_plain(event):
            return None
        if line.total.cost() < LEAST_FACTORS and not any(term.over for term in line.total.terms):  # a copy
            return None
        right = np.asarray(event.part)
        entry = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(right))), right.shape))
        given = _given(line.total, line.axes, entry)
        answer = float(right[entry])
        if not given or abs(_rounded(line, right.shape, entry) - answer) > TOLERANCE / 4 * abs(answer):
            return None
        wrong = list(self._wrong_numbers(event, line, entry, answer))
        wanted = f"{text(whole(self.view.slopes[step['node']]))}{_subscript(entry)}"
        formula = f"{text(whole(self.view.slopes[step['node']]))} = {text(tree)}"
        if len(formula) > LONGEST or not wrong or ONE_ROW.search(text(tree)):
            return None
        told = _Teller(self.view, event)
        prompt = {
            "en": f"{formula}, where {_listed(given, 'en')}. What is {wanted}? Give three digits.",
            "es": f"{formula}, donde {_listed(given, 'es')}. ¿Cuánto vale {wanted}? Da tres cifras.",
        }
        return data.Question(
            id=f"step-{n + 1}",
            step=n,
            kind="number",
            node=step["node"],
            prompt=prompt,
            entry=list(entry),
            choices=[],
            answer=float(f"{answer:.12g}"),
            tolerance=TOLERANCE,
            wrong=[
                data.Mistaken(
                    answer=float(f"{x:.12g}"), diagnosis=_other_entry(right, entry, diagnosis, x) or told.words(diagnosis, m)
                )
                for diagnosis, m, x in wrong
            ],
            near=NEAR,
        )

    def _wrong_numbers(
        self, event: Event, line: Written, entry: tuple[int, ...], answer: float
    ) -> Iterator[tuple[Diagnosis, Matrix | None, float]]:
        """What the entry is after a mistake, each number once and none near the right one."""
        known = [answer]
        for diagnosis, m, array in self._wrong_arrays(event, line):
            if np.shape(array) != np.shape(event.part):
                continue
            x = float(np.asarray(array)[entry])
            if not np.isfinite(x) or any(abs(x - y) <= 2 * TOLERANCE * max(abs(x), abs(y)) for y in known):
                continue
            known.append(x)
            yield diagnosis, m, x
            if len(known) > MOST_DIAGNOSED:
                return

    def _wrong_arrays(self, event: Event, line: Written) -> Iterator[tuple[Diagnosis, Matrix | None, Any]]:
        right = np.asarray(event.part)
        yield Diagnosis("sign"), None, -right
        for diagnosis, m in wrong_formulas(line.matrix, self._use(event)) if line.matrix is not None else ():
            yield diagnosis, m, numbers_of(m)
        if right.ndim > 1 and right.shape[-1] == right.shape[-2]:
            yield Diagnosis("transpose"), None, right.mT
        if self.recorded is not None:
            answered = {id(t) for t in self.recorded.order} - {id(event.receiver)}
            for (diagnosis, *_), array in consequences(self.recorded, self.recorded.right, event.receiver, answered):
                if diagnosis.code != "other_upstream" or diagnosis.details["found"] in self.recorded.slopes:
                    yield diagnosis, None, array


def _is_noise(result: Any, source: Any) -> bool:
    """Whether it is 0, or what rounding has left where its terms cancel: as of a bias that moves all arguments of a softmax."""
    of_result, of_source = (float(np.max(np.abs(np.asarray(a)), initial=0.0)) for a in (result, source))
    return not of_result > NOISE * of_source


def _is_right(numbers: Any, value: Any) -> bool:
    """Whether a formula gives the right numbers, in this shape or in one that NumPy would repeat to it."""
    if numbers is None:
        return False
    shape = np.shape(value)
    kept = np.shape(numbers)[max(0, np.ndim(numbers) - len(shape)) :]
    fits = np.size(numbers) == math.prod(kept) and all(n in (1, m) for n, m in zip(kept[::-1], shape[::-1], strict=False))
    return fits and agrees(np.broadcast_to(np.reshape(numbers, kept), shape), value, RTOL)


class _Recorded(Recorded):
    """A record whose values are called as the lesson calls them."""

    def __init__(self, view: View) -> None:
        self.view = view
        super().__init__(view.root)
        self.slopes = {text(whole(symbol)) for symbol in view.slopes.values()}

    def named(self, t: Tensor) -> str:
        return self.view.name_of(self.view.place(t))

    def gradient_of(self, t: Tensor) -> str:
        slope = self.view.slopes.get(self.view.place(t))
        return super().gradient_of(t) if slope is None else text(whole(slope))


_OPS = {
    "^": ("the power", "la potencia"),
    "/": ("the division", "la división"),
    "√": ("the root", "la raíz"),
    "‖ ‖": ("the length", "el largo"),
    "square": ("the square", "el cuadrado"),
    "cross entropy": ("cross entropy", "la entropía cruzada"),
}


@dataclass(frozen=True)
class _Teller:
    """What is wrong with an answer, in the words of the question about what one use hands back."""

    view: View
    event: Event

    def words(self, diagnosis: Diagnosis, m: Matrix | None = None) -> data.Words:
        """The diagnosis; of a product that is in the wrong order, why it is none."""
        if diagnosis.code == "transpose":
            return {"en": "It still has to be transposed.", "es": "Falta trasponerlo."}
        if diagnosis.code == "product" and m is not None:
            return self._product(m)
        if diagnosis.code == "product":
            of = _TURNED.sub(r"(\1)ᵀ", exact_looking(diagnosis.details["found"]))
            return {
                "en": f"That is the entry of {of}: a column was taken where a row is needed, or a row for a column.",
                "es": f"Ese es el elemento de {of}: se tomó una columna donde hace falta una fila, o al revés.",
            }
        view, op = self.view, self.event.node.op
        result = view.name_of(view.place(self.event.node))
        own = view.name_of(view.place(self.event.receiver))
        if diagnosis.code == "derivative_at" and (diagnosis.details["found"], diagnosis.details["right"]) == (result, own):
            return {
                "en": f"{op.symbol} was applied once more: {op.symbol}′({result}), where {op.symbol}′({own}) belongs.",
                "es": f"{op.symbol} se aplicó una vez más: {op.symbol}′({result}) en lugar de {op.symbol}′({own}).",
            }
        found = {}
        for language, name in zip(data.LANGUAGES, _OPS.get(op.symbol, (op.symbol, op.symbol)), strict=True):
            details = dict(diagnosis.details)
            if details.get("op") == op.symbol:
                details["op"] = name
            words = said(replace(diagnosis, details=details))[language].replace(" de el ", " del ")
            found[language] = _TURNED.sub(r"(\1)ᵀ", exact_looking(words))
        return found

    def _product(self, m: Matrix) -> data.Words:
        """Its shapes do not fit, or give another shape, or its numbers are in other places."""
        view, place = self.view, self.view.place(self.event.receiver)
        found, wanted = shown(m), view.axes(place)
        if m.kind == "matmul":
            left, right = (_sizes(part.axes) for part in m.parts)
            if left[-1:] != right[-2:][:1]:
                fits = f"{shape_of(m.parts[0].axes, True)}{shape_of(m.parts[1].axes, True)}"
                return {"en": f"In {found} the shapes {fits} do not fit.", "es": f"En {found} las dimensiones {fits} no encajan."}
        if _sizes(m.axes) != _sizes(wanted):
            own, needed, name = shape_of(m.axes, True), shape_of(wanted, True), view.name_of(place)
            return {
                "en": f"{found} has the shape {own}; {name} has {needed}.",
                "es": f"{found} tiene las dimensiones {own}; {name} tiene {needed}.",
            }
        numbers, right_numbers = numbers_of(m), np.asarray(self.event.part)
        if numbers is not None and right_numbers.ndim > 1 and agrees(numbers, right_numbers.mT, RTOL):
            return {
                "en": f"Rows and columns are exchanged: {found} is the transpose.",
                "es": f"Filas y columnas están intercambiadas: {found} es la traspuesta.",
            }
        if m.kind == "matmul" and (summed := self._summed(m)) is not None:
            name, by_rows = summed
            en, es = (
                (("rows", "columns"), ("las filas", "las columnas"))
                if by_rows
                else (("columns", "rows"), ("las columnas", "las filas"))
            )
            return {
                "en": f"The shapes fit, but {found} sums over the {en[0]} of {name}; the sum belongs over its {en[1]}.",
                "es": f"Las dimensiones encajan, pero {found} suma sobre {es[0]} de {name}; debe sumar sobre {es[1]}.",
            }
        return {
            "en": f"The shapes fit, but {found} sums over another axis than the one that belongs.",
            "es": f"Las dimensiones encajan, pero {found} suma sobre otro eje que el que corresponde.",
        }

    def _summed(self, m: Matrix) -> tuple[str, bool] | None:
        """The factor that only one of this product and the right one transposes; whether it is summed over its rows here."""
        right = self.view.handed(self.event)[0].matrix
        if right is None or right.kind != "matmul":
            return None
        for n, (here, there) in enumerate(zip(m.parts, right.parts, strict=True)):
            plain_here, plain_there = without_transpose(here), without_transpose(there)
            if shown(plain_here) == shown(plain_there) and (here is plain_here) != (there is plain_there) and len(here.axes) == 2:
                return shown(plain_here), (here is plain_here) == (n == 1)
        return None


def _other_entry(right: Any, entry: tuple[int, ...], diagnosis: Diagnosis, x: float) -> data.Words | None:
    """What is said of a number that is right elsewhere in the array."""
    same = np.argwhere(np.isclose(right, x, rtol=RTOL, atol=0.0))
    if diagnosis.code == "sign" or not len(same) or right.ndim not in (1, 2):
        return None
    at = [int(i) for i in same[0]]
    if right.ndim == 1:
        return {"en": f"This is entry {at[0]}.", "es": f"Este es el elemento {at[0]}."}
    return {
        "en": f"This is the entry in row {at[0]}, column {at[1]}.",
        "es": f"Este es el elemento de la fila {at[0]}, columna {at[1]}.",
    }


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _subscript(at: Sequence[int]) -> str:
    """Where an entry stands, after a name.

    >>> _subscript((1, 12))
    '₁,₁₂'
    """
    return ",".join(map(str, at)).translate(_SUBSCRIPTS)


def _sizes(axes: Own) -> list[str]:
    """The letters of axes, or where one has none its size."""
    return shape_of(axes, True).strip("(,)").split(", ")


def _distinct(tries: Iterable[tuple[Diagnosis, Matrix]], right: Matrix, value: Any) -> list[tuple[Diagnosis, Matrix]]:
    """Wrong formulas that differ from the right one and from each other, on the numbers; different mistakes first."""
    texts = {shown(right)}
    found: list[tuple[Diagnosis, Matrix]] = []
    for diagnosis, m in tries:
        numbers = numbers_of(m)
        if shown(m) in texts or len(shown(m)) > LONGEST or ONE_ROW.search(shown(m)) or _is_right(numbers, value):
            continue
        if numbers is not None and not np.all(np.isfinite(numbers)):
            continue
        texts.add(shown(m))
        found.append((diagnosis, m))
    first: dict[str, int] = {}
    rank = []
    for i, (diagnosis, _) in enumerate(found):
        times = first[diagnosis.code] = first.get(diagnosis.code, 0) + 1
        rank.append((diagnosis.code == "sign", times, i))
    kept: list[tuple[Any, int]] = []
    for *_, i in sorted(rank):
        numbers = numbers_of(found[i][1])
        same = numbers is not None and any(known is not None and _is_right(numbers, known) for known, _ in kept)
        if not same and len(kept) < MOST_WRONG:
            kept.append((numbers, i))
    return [found[i] for _, i in kept]


def _fenced(tree: Tree) -> Tree:
    loose = isinstance(tree, Row) and any(isinstance(part, Sign) and part.text in "+−" for part in tree.parts)
    return Fence(tree) if loose else tree


def _written(x: float) -> str:
    return f"{x:.{DIGITS}g}".replace("-", "−")


_ALONG = {"en": ("column", "row", "{} {} of {}"), "es": ("columna", "fila", "la {} {} de {}")}


def _listed(given: Given, language: str) -> str:
    """The numbers by name; a whole row or column together.

    >>> _listed({("h", (0, 1)): 2.0, ("g", (1,)): -0.5, ("h", (1, 1)): 3.0}, "en")
    'column 1 of h = (2, 3), g₁ = −0.5'
    """
    column, row, said_of = _ALONG[language]
    by_name: dict[str, dict[tuple[int, ...], float]] = {}
    for (name, at), x in given.items():
        by_name.setdefault(name, {})[at] = x
    shown = []
    for name, entries in by_name.items():
        places = list(entries)
        moving = [axis for axis, along in enumerate(zip(*places, strict=True)) if len(set(along)) > 1]
        if len(moving) == 1 and [place[moving[0]] for place in places] == list(range(len(places))):
            where = ", ".join(":" if axis in moving else str(n) for axis, n in enumerate(places[0]))
            who = name if len(places[0]) == 1 else f"{name}[{where}]"
            if len(places[0]) == 2:
                who = said_of.format(row if moving == [1] else column, places[0][1 - moving[0]], name)
            shown.append(f"{who} = ({', '.join(_written(x) for x in entries.values())})")
        else:
            shown += [f"{name}{_subscript(at)} = {_written(x)}" for at, x in entries.items()]
    return ", ".join(shown)


def _round(x: Any) -> float:
    return float(f"{float(x):.{DIGITS}g}")


def _given(total: Sum, axes: Own, entry: tuple[int, ...]) -> Given | None:
    """The entries that this entry is computed from; None if they are too many, or not at places that can be told."""
    at = {i: n for i, n in zip(axes, entry, strict=True) if i is not None}
    found: Given = {}
    try:
        for term in total.terms:
            _collect(term, at, found)
    except _TooManyError:
        return None
    return found


class _TooManyError(Exception):
    """More numbers than one computes with by hand."""


def _collect(term: Term, at: dict[Index, int], found: Given) -> None:
    for chosen in np.ndindex(*(i.size for i in term.over)):
        here = {**at, **dict(zip(term.over, chosen, strict=True))}
        for factor, _ in term.factors:
            inner = (factor.sum,) if isinstance(factor, Group) else factor.args if isinstance(factor, Call) else ()
            for part in inner:
                for each in part.terms:
                    _collect(each, here, found)
            for entry in () if inner else entries_of(factor):
                place = _place(entry, here)
                if place is None:
                    continue
                array = np.asarray(entry.of.array)
                squeezed = array.reshape([n for n in array.shape if n != 1])
                full = iter(place)
                index = tuple(0 if n == 1 else next(full) for n in array.shape)
                found[text(whole(entry.of)), index] = _round(squeezed[place])
                if len(found) > MOST_GIVEN:
                    raise _TooManyError


def _place(entry: Entry, at: dict[Index, int]) -> tuple[int, ...] | None:
    """Where an entry stands; None for one outside of its tensor, which is 0."""
    places = [_where(place, at) for place in entry.places]
    sizes = [n for n in np.shape(entry.of.array) if n != 1]
    inside = all(0 <= place < n for place, n in zip(places, sizes, strict=True))
    return tuple(places) if inside else None


def _where(place: Where, at: dict[Index, int]) -> int:
    if isinstance(place, Lookup):
        table = np.asarray(place.table.array)
        squeezed = table.reshape([n for n in table.shape if n != 1])
        return int(squeezed[tuple(_where(p, at) for p in place.places)])
    assert isinstance(place, Place)
    return place.offset + sum(n * at[i] for i, n in place.parts)


def _rounded(line: Written, shape: tuple[int, ...], entry: tuple[int, ...]) -> float:
    """The entry, computed from the numbers as they are given."""
    assert line.total is not None
    rounded = np.vectorize(_round, otypes=[float])
    seen: dict[int, Symbol] = {}

    def of_sum(total: Sum) -> Sum:
        return Sum(tuple(replace(t, factors=tuple((of_factor(f), n) for f, n in t.factors)) for t in total.terms))

    def of_factor(factor: Factor) -> Factor:
        if isinstance(factor, Entry):
            if id(factor.of) not in seen:
                seen[id(factor.of)] = replace(factor.of, array=rounded(np.asarray(factor.of.array, float)))
            return replace(factor, of=seen[id(factor.of)])
        if isinstance(factor, Group):
            return Group(of_sum(factor.sum))
        if isinstance(factor, Call):
            return replace(factor, args=tuple(of_sum(arg) for arg in factor.args))
        return factor

    try:
        return float(np.reshape(evaluate(of_sum(line.total), line.free), shape)[entry])
    except TooLargeError:
        return float("nan")
