"""``tg.lesson``: the page as a file, and its questions: what is offered as right is right, and what is wrong is wrong as told."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import cli, note
from tinygrad_edu.errors import GradientError
from tinygrad_edu.lessons import Lesson
from tinygrad_edu.lessons.questions import MOST_QUESTIONS
from tinygrad_edu.lessons.steps import lesson_data
from tinygrad_edu.ops import OPS

from .test_lesson_data import attention, convolution, normalised, residual, scalars, windows_as_rows

NETWORKS: Mapping[str, Callable[[], tg.Tensor]] = {
    "note": lambda: note.network()["L"],
    "residual": residual,
    "scalars": scalars,
    "attention": attention,
    "convolution": convolution,
    "windows": windows_as_rows,
    "normalised": normalised,
}


@cache
def walked(name: str) -> tuple[tg.Tensor, Lesson]:
    root = NETWORKS[name]()
    return root, tg.lesson(root)


def within(lesson: Lesson) -> dict[str, Any]:
    """The data in a page."""
    (text,) = re.findall(r'<script type="application/json" id="lesson-data">(.*?)</script>', lesson.html, re.DOTALL)
    return json.loads(text)


# ---- the page as a file


def test_a_lesson_is_written_and_shown(tmp_path: Path) -> None:
    root, lesson = walked("residual")
    found = tg.lesson(root, tmp_path / "lesson.html")
    assert (tmp_path / "lesson.html").read_text(encoding="utf-8") == found.html == lesson.html
    assert repr(found) == f"<Lesson 'Backpropagation of 𝓛': {found.steps} steps, {found.questions} questions>"
    assert found.steps == len(within(found)["steps"])
    assert found.questions == len(within(found)["questions"])


def test_the_notes_page_is_small() -> None:
    assert len(walked("note")[1].html.encode()) <= 400_000


def test_title_and_language() -> None:
    root, _ = walked("scalars")
    page = tg.lesson(root, title="A <b>neuron</b>", lang="es", questions=False)
    assert "<title>A &lt;b&gt;neuron&lt;/b&gt;</title>" in page.html
    assert page.html.startswith('<!DOCTYPE html>\n<html lang="es">')
    assert page.questions == len(within(page)["questions"]) == 0
    assert repr(page) == f"<Lesson 'A <b>neuron</b>': {page.steps} steps>"


def test_a_frame_in_jupyter() -> None:
    _, lesson = walked("scalars")
    frame = lesson._repr_html_()
    found = re.fullmatch(r'<iframe sandbox="([^"]*)" srcdoc="([^"]*)" title="([^"]*)" style="[^"]*"></iframe>', frame, re.DOTALL)
    assert found is not None
    assert found[1] == "allow-scripts"  # not allow-same-origin: the page could take the frame away
    assert html.unescape(found[2]) == lesson.html
    assert html.unescape(found[3]) == lesson.title


@pytest.mark.parametrize("name", NETWORKS)
def test_the_policy_allows_what_is_there_and_nothing_else(name: str) -> None:
    text = walked(name)[1].html
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy).split(";") if rule.strip())
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for directive, contents in (
        ("script-src", re.findall(r"<script>(.*?)</script>", text, re.DOTALL)),
        ("style-src", re.findall(r"<style>(.*?)</style>", text, re.DOTALL)),
    ):
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(c.encode()).digest()).decode()}'" for c in contents]
        assert contents
        assert rules[directive].split() == hashes
    outside = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\s(on\w+|style)\s*=", outside)
    assert set(re.findall(r'(?:href|src)="([^"]*)"', outside)) == {
        "data:,",
        *(link for link in re.findall(r'href="(#[^"]*)"', outside)),
    }
    names = set(re.findall(r'\sid="([^"]*)"', outside))
    assert len(names) == len(re.findall(r'\sid="([^"]*)"', outside))
    assert {link[1:] for link in re.findall(r'href="(#[^"]*)"', outside)} <= names


def test_a_name_ends_no_script() -> None:
    w = tg.Tensor(2.0, requires_grad=True, name="<!-->&\u2028]]>")
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', tg.lesson(w * w).html, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert not set(block) & set("<>&\u2028\u2029")
        json.loads(block)


@pytest.mark.parametrize(
    ("root", "error", "words"),
    [
        (tg.Tensor([1.0, 2.0], requires_grad=True, name="w"), GradientError, (r"shape \(2,\)", r"\.sum\(\)")),
        (tg.Tensor([1.0], requires_grad=True, name="w"), GradientError, (r"shape \(1,\)",)),
        (tg.Tensor([1.0, 2.0], name="x").sum(), GradientError, ("requires a gradient", "requires_grad=True")),
        ([1.0], TypeError, ("list",)),
    ],
)
def test_what_is_no_root(root: Any, error: type[Exception], words: tuple[str, ...], tmp_path: Path) -> None:
    for word in words:
        with pytest.raises(error, match=word):
            tg.lesson(root, tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_another_language() -> None:
    with pytest.raises(ValueError, match=r"there is no language 'fr'(?s:.*)Try: lang="):
        tg.lesson(walked("scalars")[0], lang="fr")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        tg.lesson(walked("scalars")[0], tmp_path / "a" / "b.html")


def test_the_gradients_of_the_user_stay() -> None:
    w = tg.Tensor(2.0, requires_grad=True, name="w")
    L = (w * w).named("L")
    tg.lesson(L)
    assert w.grad is None
    L.backward()
    np.testing.assert_array_equal(w.grad, 4.0)


def test_an_op_of_the_users_own() -> None:
    """It has no JavaScript and no index form: the page has everything else."""
    cube = tg.elementwise("cube", lambda x: x**3, lambda y, x: 3 * x * x)
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    lesson = tg.lesson(cube(w).named("h").sum().named("L"))
    assert within(lesson)["program"] is None
    assert "cube" in lesson.html


def test_many_operations() -> None:
    """A step per equation, and the page says so."""
    rng = np.random.default_rng(0)
    h = tg.Tensor(rng.normal(size=(2, 3)), name="x")
    for n in range(12):
        w, b = (tg.Tensor(rng.normal(size=s), requires_grad=True, name=f"{k}{n}") for k, s in (("W", (3, 3)), ("b", 3)))
        h = tg.tanh(h @ w + b).named(f"h{n + 1}")
    lesson = tg.lesson(h.mean().named("L"))
    assert "each step is a whole equation" in lesson.html
    assert 0 < lesson.questions <= MOST_QUESTIONS


def test_a_random_program() -> None:
    """Many ops, most of them without a name: the page shows the first and the last steps."""
    lesson = tg.lesson(program(1)[0])
    found = within(lesson)
    assert "gap" in {step["kind"] for step in found["steps"]}
    assert found["program"] is not None
    assert lesson.questions > 0


# ---- the questions


def computed(text: str, names: Mapping[str, Any]) -> Any:
    """The numbers of a formula, as it is written in a choice: None where its shapes do not fit."""
    known: dict[str, Any] = {}
    text = text.replace("ᵀ", " ᵀ")  # or it would be a letter of the name
    for n, name in enumerate(sorted(names, key=len, reverse=True)):
        text = re.sub(re.escape(name) + r"(?![\w⁽])", f"v{n}_", text)
        known[f"v{n}_"] = names[name]
    text = re.sub(r"\[(\S+) (>|<|>=|<=) (\S+)\]", r"(\1 \2 \3)", text.replace("≈", "").replace("−", "-"))
    text = re.sub(r"(\w+) ⊗ (\w+)", r"outer(\1, \2)", text)
    text = text.replace("∗", "*").replace("·", "@").replace(" ᵀ", ".mT").replace("²", "**2")
    text = text.replace("sum₁", "sum0").replace("sum₂", "sum1")
    known |= {
        "outer": np.multiply.outer,
        "broadcast": lambda v, *over, **axes: v if np.ndim(v) == 0 else np.asarray(v)[..., None],
        "sum": np.sum,
        "sum0": lambda v: np.sum(v, axis=0),
        "sum1": lambda v: np.sum(v, axis=1),
        "softmax": lambda v: np.exp(v) / np.sum(np.exp(v), axis=-1, keepdims=True),
    }
    try:
        with np.errstate(all="ignore"):
            return np.asarray(eval(text, {"__builtins__": {}}, known), float)
    except ValueError:
        return None


def the_names(page: Mapping[str, Any], root: tg.Tensor) -> dict[str, Any]:
    """Every value and gradient of a page by its name, and the sizes by their letters; numbers from the page's data."""
    known: dict[str, Any] = {}
    nodes = page["nodes"]
    for node in nodes:
        array = np.asarray(node["values"], float).reshape(node["shape"])
        known[node["name"]] = array
        known |= {letter: float(n) for letter, n in zip(node["dims"], node["shape"], strict=True) if not letter.isdigit()}
        if str(node["id"]) in page["gradients"]:
            slope = np.asarray(page["gradients"][str(node["id"])], float).reshape(node["shape"])
            known[f"∂{nodes[page['root']]['name']}/∂{node['name']}"] = slope
    return known


@pytest.mark.parametrize("name", ["note", "residual", "scalars", "attention"])
def test_the_choices_say_what_they_should(name: str) -> None:
    """Each formula is computed as it is written there, from the numbers of the page."""
    root, lesson = walked(name)
    page, steps = within(lesson), lesson_data(root)["steps"]
    names, count = the_names(page, root), 0
    for question in page["questions"]:
        if question["kind"] != "choice":
            continue
        count += 1
        step = steps[question["step"]]
        right = np.asarray(step["result"], float).reshape(page["nodes"][question["node"]]["shape"])
        assert len(set(question["choices"])) == len(question["choices"]) >= 3
        others: list[Any] = []
        for i, choice in enumerate(question["choices"]):
            found = computed(choice, names)
            if found is not None:
                assert not any(found.shape == x.shape and np.allclose(found, x, rtol=1e-7, atol=0) for x in others), choice
                others.append(found)
            if i == question["answer"]:
                np.testing.assert_allclose(np.broadcast_to(found, right.shape), right, rtol=1e-5, atol=1e-9, err_msg=choice)
            else:
                same = found is not None and np.shape(found) == right.shape and np.allclose(found, right, rtol=1e-4)
                assert not same, (question["prompt"]["en"], choice)
    assert count >= 2


@pytest.mark.parametrize("name", NETWORKS)
def test_every_question_is_complete(name: str) -> None:
    _root, lesson = walked(name)
    page = within(lesson)
    assert 0 < len(page["questions"]) <= MOST_QUESTIONS
    asked = [question["step"] for question in page["questions"]]
    assert asked == sorted(set(asked))
    for question in page["questions"]:
        assert page["steps"][question["step"]]["node"] == question["node"]
        for words in (question["prompt"], *(w["diagnosis"] for w in question["wrong"])):
            assert set(words) == {"en", "es"}
            assert words["en"] != words["es"]
            assert all(text.strip() and "{" not in text and "None" not in text for text in words.values())
        answers = [w["answer"] for w in question["wrong"]]
        if question["kind"] == "choice":
            assert sorted([*answers, question["answer"]]) == list(range(len(question["choices"])))
        else:
            near = 2 * question["tolerance"]
            assert all(abs(w - question["answer"]) > near * abs(question["answer"]) for w in answers)
            assert len(set(answers)) == len(answers) >= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_a_number_is_the_engines(name: str) -> None:
    root, lesson = walked(name)
    page, steps = within(lesson), lesson_data(root)["steps"]
    for question in page["questions"]:
        if question["kind"] == "number":
            result = np.asarray(steps[question["step"]]["result"], float).reshape(page["nodes"][question["node"]]["shape"])
            assert question["answer"] == result[tuple(question["entry"])]
            signs = [w["answer"] for w in question["wrong"] if w["diagnosis"]["en"] == "The sign is wrong."]
            assert signs == [-question["answer"]]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_said_of_an_answer_names_what_the_prompt_names(name: str) -> None:
    """No sizes of the record, no gradient of what has none, no expression for a value that the page gives a name."""
    _, lesson = walked(name)
    page = within(lesson)
    slopes = {f"∂𝓛/∂{page['nodes'][int(i)]['name']}" for i in page["gradients"]}
    for question in page["questions"]:
        node = next(n for n in page["nodes"] if n["id"] == page["steps"][question["step"]]["edge"][1])
        assert OPS[node["op"]].kind != "rearrangement" or (question["kind"] == "choice" and "used" in question["prompt"]["en"])
        for wrong in question["wrong"]:
            said = wrong["diagnosis"]["en"]
            assert "∂(" not in said
            assert "ᵀᵀ" not in said
            assert "≈" not in said
            assert not re.search(r"derivative of [\^/√]", said)
            if question["kind"] == "number":
                assert not re.search(r"factor 1/\d+ is", said) or "/" in question["prompt"]["en"].split("where")[0].split("= ")[1]
            used = re.match(r"(∂\S+) is used where", said)
            assert used is None or used[1] in slopes, said


def test_no_answer_is_the_gradient_of_what_has_none() -> None:
    rng = np.random.default_rng(0)
    x, y = (tg.Tensor(rng.normal(size=(3, 2)), name=name) for name in "xy")
    a, b, c = (tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name=name) for name in "abc")
    h = tg.tanh((tg.tanh((x @ a).named("u")).named("h") @ b).named("v")).named("k")
    page = within(tg.lesson(((h @ c).named("z") - y).named("e").sum().named("L")))
    said = [w["diagnosis"]["en"] for q in page["questions"] if q["kind"] == "number" for w in q["wrong"]]
    assert any("is used where" in words for words in said)
    assert not any(words.startswith(("∂𝓛/∂y", "∂𝓛/∂x")) for words in said)


def test_a_product_in_the_wrong_order_is_told_by_its_shapes() -> None:
    """Each of the three reasons, and each is true of the numbers."""
    counted = {"do not fit": 0, "has the shape": 0, "exchanged": 0, "The shapes fit": 0}
    for name in ("note", "residual", "attention", "windows"):
        root, lesson = walked(name)
        page, names = within(lesson), the_names(within(lesson), root)
        for question in page["questions"]:
            right = np.asarray(page["gradients"][str(question["node"])]).reshape(page["nodes"][question["node"]]["shape"])
            for wrong in question["wrong"] if question["kind"] == "choice" else ():
                said, choice = wrong["diagnosis"]["en"], question["choices"][int(wrong["answer"])]
                found = computed(choice, names) if re.search("[·⊗]", choice) else None
                for reason in counted:
                    counted[reason] += reason in said
                if "exchanged" in said:
                    assert found is not None
                    assert found.shape == right.shape
                    assert found.shape[0] == found.shape[1]
                if "The shapes fit" in said:
                    assert found is not None
                    assert found.shape == right.shape
    assert all(counted.values()), counted


def test_uses_that_are_alike_have_no_mean_beside_one_of_them() -> None:
    e = tg.Tensor([1.0, -2.0, 3.0], requires_grad=True, name="e")
    page = within(tg.lesson((e * e).mean().named("L")))
    (question,) = [q for q in page["questions"] if "was used twice" in q["prompt"]["en"]]
    assert len(question["choices"]) == 3
    assert not any("mean" in w["diagnosis"]["en"] for w in question["wrong"])


def test_a_product_that_sums_over_another_axis_says_over_which() -> None:
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 3)), name="X", dims="N d")
    h = tg.tanh(x @ tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W", dims="d d")).named("h")
    v = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="V", dims="d d")
    page = within(tg.lesson((h @ v).named("z").mean().named("L")))
    (question,) = [q for q in page["questions"] if q["prompt"]["en"].endswith("What is ∂𝓛/∂h?")]
    assert question["choices"][int(question["answer"])] == "∂𝓛/∂z · Vᵀ"  # the sum is over the columns of V
    (wrong,) = [w for w in question["wrong"] if question["choices"][int(w["answer"])] == "∂𝓛/∂z · V"]
    assert wrong["diagnosis"] == {
        "en": "The shapes fit, but ∂𝓛/∂z · V sums over the rows of V; the sum belongs over its columns.",
        "es": "Las dimensiones encajan, pero ∂𝓛/∂z · V suma sobre las filas de V; debe sumar sobre las columnas.",
    }


def test_another_entry_of_the_right_gradient_is_told_as_that() -> None:
    told = 0
    for name in NETWORKS:
        page = within(walked(name)[1])
        for question in page["questions"]:
            right = page["gradients"][str(question["node"])]
            for wrong in question["wrong"] if question["kind"] == "number" else ():
                found = re.fullmatch(r"This is the entry in row (\d+), column (\d+)\.", wrong["diagnosis"]["en"])
                assert "transposed" not in wrong["diagnosis"]["en"]
                if found is not None:
                    numbers = np.reshape(right, page["nodes"][question["node"]]["shape"])
                    np.testing.assert_allclose(wrong["answer"], numbers[int(found[1]), int(found[2])], rtol=1e-6)
                    assert [int(found[1]), int(found[2])] != question["entry"]
                    told += 1
    assert told


def test_a_number_follows_from_those_that_are_given() -> None:
    """What the prompt gives is enough to answer within the tolerance, for a product and for a sum."""
    _, lesson = walked("note")
    found = 0
    for question in within(lesson)["questions"]:
        prompt = question["prompt"]["en"]
        if question["kind"] != "number":
            continue
        formula = prompt.split(", where ")[0].split(" = ", 1)[1]
        given = re.findall(r"(\S+?)(?:[₀-₉]+(?:,[₀-₉]+)*)? = (\([^()]*\)|−?[\d.e−+]+)", prompt.split(", where ")[1])
        assert prompt.endswith("Give three digits.")
        assert question["near"]["en"] == "Close: give three digits."
        by_name: dict[str, list[float]] = {}
        for who, numbers in given:
            listed = numbers.strip("().").replace("−", "-").split(", ")
            by_name.setdefault(who, []).extend(float(x) for x in listed)
        columns = {who: np.asarray(x) for who, x in by_name.items()}
        if "·" in formula:  # (h)ᵀ · ∂𝓛/∂t for one entry
            answer = np.sum(np.prod([*columns.values()], axis=0))
        elif formula.startswith("sum"):
            answer = np.sum([*columns.values()])
        else:
            answer = computed(formula, {who: x[0] for who, x in columns.items()})
        np.testing.assert_allclose(answer, question["answer"], rtol=question["tolerance"])
        found += 1
    assert found >= 2


@pytest.mark.parametrize("name", ["note", "residual"])
def test_the_diagnoses_are_those_of_check_by_hand(name: str) -> None:
    """A wrong choice, given to check_by_hand as an array, gets the same words there."""
    root, lesson = walked(name)
    page, names, compared = within(lesson), the_names(within(lesson), walked(name)[0]), 0
    for question in page["questions"]:
        node = page["nodes"][question["node"]]
        if question["kind"] != "choice" or ("⁽" in node["name"] and node["name"][0] == "t"):  # t⁽¹⁾ is a value without a name
            continue
        for wrong in question["wrong"]:
            told = wrong["diagnosis"]["en"].split(": the one in")[0]  # there by the next value with a name
            if not re.match(r"The local derivative of \w+ is missing|It was not summed|It was summed over|Only one of", told):
                continue
            array = computed(question["choices"][int(wrong["answer"])], names)
            report = tg.check_by_hand(root, {node["name"] if node["name"] in "xyUc" else pythonic(node["name"]): array})
            (answer,) = report.answers
            assert told.rstrip(".").lower() in answer.sentence().lower(), (told, answer.sentence())
            compared += 1
    assert compared >= 2


def pythonic(name: str) -> str:
    """h⁽¹⁾ as Python calls it."""
    return name.translate(str.maketrans("¹²³", "123", "⁽⁾")).replace("ŷ", "yhat")


def test_what_is_not_finite_is_not_asked() -> None:
    w = tg.Tensor([1.0, 0.0], requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        root = (tg.log(w) * w).sum().named("L")
    lesson = tg.lesson(root)
    assert lesson.questions <= 2  # of the sum and the product that are finite
    for question in within(lesson)["questions"]:
        assert all(np.isfinite(w["answer"]) for w in question["wrong"])


def test_what_is_only_rounding_is_not_asked() -> None:
    """A bias of the keys moves all arguments of a softmax: its gradient is 0, and so is what every wrong formula gives."""
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 3)), name="X", dims="T d")
    q, k, v = (tg.nn.Linear(3, 2, bias=n == 1, seed=n)(x) for n in range(3))
    page = within(tg.lesson(((tg.softmax(q @ k.T, axis=-1) @ v) ** 2).mean().named("L")))
    assert "b" in [node["name"] for node in page["nodes"]]
    sizes = {n: np.max(np.abs(np.asarray(page["gradients"][str(n)], float))) for n in {q["node"] for q in page["questions"]}}
    assert len(sizes) > 3
    assert min(sizes.values()) > 1e-9, {page["nodes"][n]["name"]: size for n, size in sizes.items()}


def test_what_numpy_would_repeat_to_the_right_numbers_is_not_wrong() -> None:
    """logsumexp over an axis of size 1 is the identity: its derivative is 1, and without it nothing is wrong but the shape."""
    w = tg.Tensor([[0.5, -1.0, 2.0]], requires_grad=True, name="w")
    v = tg.Tensor([1.0, 2.0, -0.5], name="v")
    page = within(tg.lesson((tg.logsumexp(w, axis=0).named("y") * v).sum().named("L")))
    assert not [q for q in page["questions"] if "∂𝓛/∂y" in q["choices"] and q["choices"][int(q["answer"])] != "∂𝓛/∂y"]


def test_a_mean_over_axes_without_a_letter_divides_by_their_number() -> None:
    a = tg.Tensor([[1.0, 2.0], [3.0, 5.0]], name="a")
    b = tg.Tensor(0.5, requires_grad=True, name="b")
    page = within(tg.lesson((tg.tanh(a * b).named("y") ** 2).sum().named("L")))
    (of_b,) = [q for q in page["questions"] if page["nodes"][q["node"]]["name"] == "b"]
    told = {of_b["choices"][int(wrong["answer"])]: wrong["diagnosis"]["en"] for wrong in of_b["wrong"]}
    assert "mean" in told["sum(∂𝓛/∂t⁽¹⁾ ∗ a) / 4"]
    assert "not summed" in told["∂𝓛/∂t⁽¹⁾ ∗ a"]


@pytest.mark.parametrize(
    "of",
    [
        lambda w: tg.softmax(tg.where(np.array([True, False, True]), w, -np.inf), axis=0)[0],  # a mask
        lambda w: (w * np.inf).sum(),
        lambda w: (w**np.inf).sum(),
        lambda w: tg.clip(w, -np.inf, 1.5).sum(),
        lambda w: (w * 1e300 * 1e300).sum(),
    ],
    ids=["where", "times", "power", "clip", "overflow"],
)
def test_a_formula_with_an_infinite_number(of: Callable[[tg.Tensor], tg.Tensor]) -> None:
    w = tg.Tensor([0.5, 1.0, 2.0], requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        root = of(w).named("L")
        root.backward()
    page = within(tg.lesson(root))
    (place,) = [node["id"] for node in page["nodes"] if node["name"] == "w"]
    gradient = page["gradients"][str(place)]
    np.testing.assert_allclose([float(x) for x in gradient], w.grad)


def test_numbers_that_were_given_after_the_record() -> None:
    """The lesson is about what was recorded."""
    rng = np.random.default_rng(0)
    x, w = tg.Tensor(rng.normal(size=(3, 2)), name="x"), tg.Tensor([0.5, -0.2], requires_grad=True, name="w")
    h = tg.tanh(x @ w).named("h")
    L = (h * h).sum().named("L")
    before = within(tg.lesson(L))
    w.data = np.array([5.0, 5.0])
    after = within(tg.lesson(L))
    assert after["questions"] == before["questions"] != []


def test_questions_are_the_same_every_time() -> None:
    _root, lesson = walked("scalars")
    assert within(tg.lesson(NETWORKS["scalars"]()))["questions"] == within(lesson)["questions"] != []


# ---- the command


def test_the_command_writes_and_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(cli.webbrowser, "open", lambda address: opened.append(address) or True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lesson").mkdir()
    (tmp_path / "lesson" / "mine.txt").write_text("stays", encoding="utf-8")
    (tmp_path / "my_model.py").write_text(
        "import tinygrad_edu as tg\nw = tg.Tensor([1.0, 2.0], requires_grad=True)\nL = (w * w).sum()\n", encoding="utf-8"
    )
    assert cli.main(["lesson", "my_model.py", "--lang", "es", "--open"]) == 0
    assert "the lesson: lesson/lesson.html" in capsys.readouterr().out.replace("\\", "/")
    page = (tmp_path / "lesson" / "lesson.html").read_text(encoding="utf-8")
    assert '<html lang="es">' in page
    assert opened == [(tmp_path / "lesson" / "lesson.html").as_uri()]
    assert (tmp_path / "lesson" / "mine.txt").read_text(encoding="utf-8") == "stays"
    assert cli.main(["lesson", "my_model.py"]) == 0
    assert len(opened) == 1


def test_the_command_says_where_no_browser_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.webbrowser, "open", lambda address: False)
    assert cli.main(["lesson", "--n", "2", "--out", str(tmp_path / "out"), "--open"]) == 0
    assert "there is no browser to open it" in capsys.readouterr().out


def test_the_command_says_why_there_is_no_lesson(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "long.py").write_text(
        "import tinygrad_edu as tg\nw = L = tg.Tensor(1.0, requires_grad=True, name='w')\nfor _ in range(1600): L = L + 1\n",
        encoding="utf-8",
    )
    assert cli.main(["lesson", str(tmp_path / "long.py"), "--out", str(tmp_path / "out")]) == 0
    assert re.search(r"no lesson.html: lesson: .* values: more than a page can show", capsys.readouterr().out)
    assert not (tmp_path / "out" / "lesson.html").exists()
    assert (tmp_path / "out" / "backward.py").exists()
