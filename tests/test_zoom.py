"""The zoom: which entries reach which, against perturbing each of them, and what the picture says of it."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.drawing import NoGraphvizError, lesson_pictures
from tinygrad_edu.drawing.layout import layout
from tinygrad_edu.drawing.zoom import _window
from tinygrad_edu.graphs.reach import Reach, reach

SVG = "{http://www.w3.org/2000/svg}"
Value = Any


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Random, none near 0 and all different, so that no derivative vanishes by chance."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 2.0, size=shape) * rng.choice([-1.0, 1.0], size=shape)


def parameter(name: str, *shape: int, seed: int = 0) -> tg.Tensor:
    return tg.Tensor(numbers(*shape, seed=seed + len(name) + ord(name[0])), requires_grad=True, name=name)


def pattern(f: Callable[[Any], Any], x: np.ndarray[Any, np.dtype[np.float64]]) -> dict[Any, tuple[Any, ...]]:
    """For each entry, which entries of f(x) are other ones when it is moved; from values alone."""
    before = np.asarray(f(tg.Tensor(x)).numpy())
    found = {}
    for place in np.ndindex(x.shape):
        moved = x.copy()
        moved[place] += 0.37
        after = np.asarray(f(tg.Tensor(moved)).numpy())
        found[place] = tuple(end for end in np.ndindex(after.shape) if abs(after[end] - before[end]) > 1e-9)
    return found


def evaluate(text: str, values: dict[str, Any], **letters: int) -> float:
    """A formula of the picture as Python: names are arrays, letters are places."""
    return float(eval(text.replace("∗", "*").replace("−", "-"), {"exp": np.exp}, {**values, **letters}))


def check(f: Callable[[Any], Any], by: tg.Tensor, others: dict[str, tg.Tensor], entry: Any = None) -> Reach:
    """All that is said of u = f(by): against perturbations, the dense Jacobian, and the gradients of a later scalar."""
    u = f(by).named("u")
    weights = numbers(*u.shape, seed=7)
    root = (tg.Tensor(weights) * u * u).sum().named("L") if u.shape else (u * u).named("L")
    found = reach("u", by, entry, root=root)
    x = by.numpy()
    assert dict(found.reached) == pattern(f, x)
    assert [t.entry for t in found.terms] == list(found.reached[found.entry])
    dense = tg.jacobian(f)(x)
    jacobian = dense.numpy() if isinstance(dense, tg.Tensor) else dense
    values = {name: t.numpy() for name, t in others.items()} | {by.name: x, "u": u.numpy()}
    upstream = 2 * weights * u.numpy() if u.shape else 2 * u.numpy()
    for term in found.terms:
        np.testing.assert_allclose(term.derivative, jacobian[term.entry + found.entry], rtol=1e-12)
        np.testing.assert_allclose(term.gradient, upstream[term.entry], rtol=1e-12)
        if term.formula:
            np.testing.assert_allclose(evaluate(term.formula, values), term.derivative, rtol=1e-12)
    (whole,) = tg.gradients(root, [by])
    np.testing.assert_allclose(found.total, whole.numpy()[found.entry], rtol=1e-12)
    np.testing.assert_allclose(found.gradient, whole.numpy()[found.entry], rtol=1e-12)
    assert not found.elsewhere
    pairs = [(start, end) for start, ends in found.reached.items() for end in ends]
    for start, end in pairs:
        letters = dict(zip(found.of_letters, end, strict=True)) | dict(zip(found.by_letters, start, strict=True))
        for equality in found.survives:
            left, right = equality.split(" = ")
            assert letters[left] == evaluate(right, {}, **letters), equality
        if found.rule:
            np.testing.assert_allclose(evaluate(found.rule, values, **letters), jacobian[end + start], rtol=1e-12)
        if found.rule_here and start == found.entry:
            np.testing.assert_allclose(evaluate(found.rule_here, values, **letters), jacobian[end + start], rtol=1e-12)
    fulfilled = set()
    for start in np.ndindex(x.shape):
        for end in np.ndindex(u.shape):
            letters = dict(zip(found.of_letters, end, strict=True)) | dict(zip(found.by_letters, start, strict=True))
            if all(letters[e[0]] == evaluate(e[4:], {}, **letters) for e in found.survives):
                fulfilled.add((start, end))
    assert found.is_complete == (fulfilled == set(pairs))
    return found


h, W, b = parameter("h", 4, 3), parameter("W", 3, 2), parameter("b", 2)
a, v, D, G = parameter("a", 4, 3), parameter("v", 3), parameter("D", 2, 2, 3), parameter("G", 5, 3)
c = parameter("c", 4, 3)
OTHERS = {"c": c, "r": parameter("r", 1, 3), "h": h, "W": W, "b": b, "a": a, "v": v, "D": D, "G": G}
B = parameter("B", 2, 3, 2)
one_row, one_column = parameter("r", 1, 3), parameter("p", 4, 1)

CASES: dict[str, tuple[Callable[[Any], Any], tg.Tensor, str, str]] = {
    "matmul by its right": (lambda t: h @ t, W, "only l = j survives", "h[k,i]"),
    "matmul by its left": (lambda t: t @ W, h, "only k = i survives", "W[j,l]"),
    "matmul of stacks": (lambda t: t @ D, B, "only k = i and l = j survive", "D[i,a,m]"),
    "matrix and vector": (lambda t: h @ t, v, "every entry of u depends on it", "h[k,i]"),
    "affine by the bias": (lambda t: h @ W + t, b, "only l = i survives", "1"),
    "broadcast factor": (lambda t: h * t, v, "only l = i survives", "h[k,i]"),
    "one number": (lambda t: h * t, tg.Tensor(1.7, requires_grad=True, name="s"), "every entry of u depends on it", "h[k,l]"),
    "product": (lambda t: t * a, h, "only k = i and l = j survive", "a[i,j]"),
    "quotient": (lambda t: h / t, a, "only k = i and l = j survive", "(−u[i,j]) / a[i,j]"),
    "tanh": (lambda t: tg.tanh(t), h, "only k = i and l = j survive", "1 − u[i,j] ∗ u[i,j]"),
    "a value used twice": (lambda t: t * t, h, "only k = i and l = j survive", ""),
    "power": (lambda t: t**2, h, "only k = i and l = j survive", "2 ∗ h[i,j]"),
    "transpose": (lambda t: t.T, h, "only k = j and l = i survive", "1"),
    "reshape": (lambda t: t.reshape(2, 6), h, "some entries depend on it", "1"),
    "an axis more": (lambda t: t.reshape(4, 1, 3), h, "only k = i and m = j survive", "1"),
    "sum over the rows": (lambda t: t.sum(axis=0), h, "only k = j survives", "1"),
    "sum over the columns": (lambda t: t.sum(axis=1), h, "only k = i survives", "1"),
    "sum that keeps its axis": (lambda t: t.sum(axis=1, keepdims=True), h, "only k = i survives", "1"),
    "sum of all": (lambda t: t.sum(), h, "u depends on it", "1"),
    "mean": (lambda t: t.mean(axis=1), h, "only k = i survives", "1 / 3"),
    "slice": (lambda t: t[1:], h, "only k = i − 1 and l = j survive", "1"),
    "all but the last": (lambda t: t[:-1], h, "only k = i and l = j survive", "1"),
    "column": (lambda t: t[:, 1], h, "k = i is needed", "1"),
    "rows picked, one twice": (lambda t: t[[0, 0, 2]], h, "l = j is needed", "1"),
    "reversed": (lambda t: t[::-1], h, "l = j is needed", "1"),
    "softmax": (lambda t: tg.softmax(t), h, "only k = i survives", ""),
    "concatenate below": (lambda t: tg.concatenate([a, t]), h, "only k = i + 4 and l = j survive", "1"),
    "concatenate beside": (lambda t: tg.concatenate([a, t], axis=1), h, "only k = i and l = j + 3 survive", "1"),
    "stack": (lambda t: tg.stack([a, t]), h, "only k = 1 and l = i and m = j survive", "1"),
    "a stack of one": (lambda t: tg.stack([t]), h, "only l = i and m = j survive", "1"),
    "patches": (lambda t: t[:, [[0, 1], [1, 2]]], h, "k = i is needed", "1"),
    "only the last row": (lambda t: tg.concatenate([a, t]), one_row, "only k = 4 and l = j survive", "1"),
    "a column by a row": (lambda t: t @ one_row, one_column, "only k = i survives", "r[0,l]"),
    "a matrix by a column": (lambda t: h @ t, one_column[:3].detach().named("q"), "every entry of u depends on it", "h[k,i]"),
    "einsum": (lambda t: tg.einsum("ij,jk->ik", h, t), W, "only l = j survives", "h[k,i]"),
    "einsum, transposed": (lambda t: tg.einsum("ij,kj->ki", t, G), h, "only l = i survives", "G[k,j]"),
    "outer": (lambda t: tg.outer(t, b), v, "only k = i survives", "b[l]"),
    "parts with other operands": (lambda t: tg.concatenate([t * a, t * c]), h, "l = j is needed", ""),
    "parts with other rules": (lambda t: tg.concatenate([t * a, t / a]), h, "l = j is needed", ""),
    "a part without a rule": (lambda t: tg.concatenate([t + a, t * t]), h, "l = j is needed", ""),
    "two uses that cross": (lambda t: t.T @ t, h, "some entries depend on it", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_reaches_what(name: str) -> None:
    f, by, sentence, rule = CASES[name]
    found = check(f, by, OTHERS)
    assert found.sentence() == sentence
    assert found.rule == rule


sizes = st.integers(1, 4)


@given(sizes, sizes, sizes, st.booleans(), st.data())
def test_products_of_any_shape(n: int, k: int, m: int, by_right: bool, data: st.DataObject) -> None:
    left, right = parameter("h", n, k), parameter("W", k, m)
    by = right if by_right else left
    entry = tuple(data.draw(st.integers(0, size - 1)) for size in by.shape)
    found = check((lambda t: left @ t) if by_right else (lambda t: t @ right), by, {"h": left, "W": right}, entry)
    assert len(found.terms) == (n if by_right else m)
    if n > 1 and k > 1 and m > 1:
        assert found.survives == (("l = j",) if by_right else ("k = i",))
        assert found.rule_here == (f"h[k,{entry[0]}]" if by_right else f"W[{entry[1]},l]")


@given(st.lists(st.tuples(sizes, st.booleans(), st.booleans()), max_size=3), st.sampled_from(["+", "*"]))
def test_broadcasting_of_any_shape(axes: list[tuple[int, bool, bool]], op: str) -> None:
    x = parameter("x", *(1 if one else n for n, one, _ in axes))
    y = parameter("y", *(1 if one else n for n, _, one in axes))
    found = check((lambda t: t + y) if op == "+" else (lambda t: t * y), x, {"y": y})
    assert len(found.terms) == np.prod([n if one and not other else 1 for n, one, other in axes], dtype=int)


@given(st.lists(sizes, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_rearrangements_of_any_shape(shape: list[int], random: Any) -> None:
    axes = random.sample(range(len(shape)), len(shape))
    x = parameter("x", *shape)
    assert len(check(lambda t: tg.transpose(t, axes), x, {}).terms) == 1
    assert len(check(lambda t: t.reshape(-1), x, {}).terms) == 1
    axis = random.randrange(len(shape))
    assert len(check(lambda t: t.sum(axis=axis), x, {}).terms) == 1
    assert len(check(lambda t: tg.softmax(t, axis=axis), x, {}).terms) == shape[axis] if shape[axis] > 1 else True


# ---- the note, and what lies around the equation -----------------------------------------------------------------


def by_hand(values: dict[str, tg.Tensor]) -> dict[str, Any]:
    """The note's own formulas, without the engine."""
    return note.by_hand({name: t.numpy() for name, t in values.items()})


def test_only_l_equals_j_survives() -> None:
    values = note.network()
    found = reach("u2", "W2", (0, 1), root=values["L"])
    assert found.sentence() == "only l = j survives"
    assert found.index_here == ("k", "1")
    assert [(t.entry, t.formula) for t in found.terms] == [((k, 1), f"h⁽¹⁾[{k},0]") for k in range(4)]
    assert [t.derivative for t in found.terms] == values["h1"].numpy()[:, 0].tolist()
    np.testing.assert_allclose(found.total, by_hand(values)["W2"][0, 1], rtol=1e-12)


def test_a_value_further_back_is_reached_through_all_equations_between() -> None:
    values = note.network()
    found = reach("h2", "W2", (2, 0), root=values["L"])
    assert found.survives == ("l = j",)
    (whole,) = tg.gradients(values["L"], [values["W2"]])
    np.testing.assert_allclose(found.total, whole.numpy()[2, 0], rtol=1e-12)
    assert reach("u2", "x", root=values["L"]).survives == ("k = i",)


def test_uses_in_other_equations_are_a_part_of_their_own() -> None:
    w, x = parameter("w", 3), parameter("x", 3)
    u = (w * x).named("u")
    root = (u * u + 5 * w).sum().named("L")
    found = reach("u", "w", 1, root=root)
    assert found.elsewhere
    part = 2 * x.numpy()[1] ** 2 * w.numpy()[1]
    np.testing.assert_allclose([found.total, found.gradient], [part, part + 5], rtol=1e-12)
    source = readable(tg.draw(root, zoom="u", by="w", entry=1).source)
    assert "so its part of ∂𝓛/∂w[1] =" in source
    assert "𝓛 uses w in other equations too: over all uses ∂𝓛/∂w[1] =" in source


def test_what_lies_between_may_be_used_elsewhere_too() -> None:
    w = parameter("w", 3)
    inner = tg.tanh(w).named("a")
    u = (inner * 2.0).named("u")
    assert reach("u", "w", root=(u + inner).sum().named("L")).elsewhere
    assert not reach("u", "w", root=(u * u).sum().named("L")).elsewhere
    assert not reach("u", "a", root=(u * w.detach()).sum().named("L")).elsewhere


def test_what_is_looked_at_by_default() -> None:
    values = note.network()
    assert (reach("u2", root=values["L"]).by.name, reach("h1", root=values["L"]).by.name) == ("W2", "u1")
    assert reach("u2", root=values["L"]).entry == (0, 1)
    found = reach(h[1:].named("u"), h)  # (0, 1) is not used at all
    assert found.entry == (1, 0)
    assert found.terms
    unused = reach(h[1:].named("u"), h, (0, 1))
    assert (unused.terms, unused.sentence()) == ((), "no entry is computed from it")


def test_without_a_scalar_there_is_no_sum() -> None:
    u = (h @ W).named("u")
    for root in (None, u, (u * 2.0).named("y")):
        found = reach(u, W, root=root)
        assert (found.root, found.total, found.gradient, found.elsewhere) == ("", None, None, False)
        assert {term.gradient for term in found.terms} == {None}
    assert "Σ =" not in tg.draw(u, zoom=u, by=W).source
    L = note.network()["L"]
    found = reach("L", "yhat", root=L)
    assert (found.root, found.total, found.sentence()) == ("", None, "𝓛 depends on it")
    assert "1 of 1" not in readable(tg.draw(L, zoom=L, by="yhat").source)


def test_a_formula_that_is_too_long_to_read_is_left_out_with_its_uses() -> None:
    x = parameter("x", 2)
    for name, formula, uses in (("y", "1 − y[1] ∗ y[1]", (("y", (1,)),)), ("y" * 40, "", ())):
        (term,) = reach(tg.tanh(x).named(name), x).terms
        assert (term.formula, term.uses) == (formula, uses)
        np.testing.assert_allclose(term.derivative, 1 - np.tanh(x.numpy()[1]) ** 2, rtol=1e-12)


def test_a_zero_derivative_still_reaches() -> None:
    x = tg.Tensor([-1.0, 2.0], requires_grad=True, name="x")
    found = reach(tg.relu(x).named("u"), x, 0)
    assert dict(found.reached) == {(0,): ((0,),), (1,): ((1,),)}
    assert [term.derivative for term in found.terms] == [0.0]
    assert found.rule == "(x[i] > 0)"


# ---- errors ------------------------------------------------------------------------------------------------------


def refused(error: type[Exception], root: Any, *parts: str, **options: Any) -> None:
    with pytest.raises(error) as caught:
        tg.draw(root, **options)
    text = str(caught.value)
    for part in ("zoom: ", *parts):
        assert part in text, text


NAMED = "Try: one of x, W1, b1, u1, h1, W2, b2, u2, h2, U, c, u3, yhat, y, L"
ERRORS: dict[str, tuple[type[Exception], dict[str, Any], tuple[str, ...]]] = {
    "unknown result": (ValueError, {"zoom": "nope"}, ("no tensor is named 'nope'", NAMED)),
    "unknown operand": (ValueError, {"zoom": "u2", "by": "W9"}, ("no tensor is named 'W9'", NAMED)),
    "a very long name": (ValueError, {"zoom": "w" * 20_000}, (f"'{'w' * 59}.\n", NAMED)),
    "not computed": (ValueError, {"zoom": "W2"}, ("W2 was given, not computed", "Try: one of u1, h1, u2, h2, u3, yhat, L")),
    "no path": (tg.GradientError, {"zoom": "u1", "by": "W2"}, ("u1 does not depend on W2", "Try: one of x, W1, b1")),
    "later than the result": (tg.GradientError, {"zoom": "u2", "by": "L"}, ("no path", "Try: one of h1, W2, b2")),
    "by itself": (tg.GradientError, {"zoom": "u2", "by": "u2"}, ("no path", "Try: one of h1, W2, b2")),
    "entry too large": (IndexError, {"zoom": "u2", "by": "W2", "entry": (3, 0)}, ("no entry (3, 0)", "Try: (2, 2)")),
    "entry too negative": (IndexError, {"zoom": "u2", "by": "W2", "entry": (0, -4)}, ("no entry (0, -4)", "Try: (2, 2)")),
    "too few indices": (IndexError, {"zoom": "u2", "by": "W2", "entry": 1}, ("no entry (1,)", "Try: (2, 2)")),
    "no integer": (TypeError, {"zoom": "u2", "by": "W2", "entry": (0, 1.5)}, ("tuple of integers such as (0, 1)",)),
    "a word as an entry": (TypeError, {"zoom": "u2", "entry": "01"}, ("tuple of integers", "'01'")),
    "a number as a result": (TypeError, {"zoom": 3}, ("int given where a Tensor or its name is needed",)),
    "another record": (ValueError, {"zoom": tg.Tensor(1.0, name="q") + 1}, ("not part of the record", NAMED)),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_refused_and_what_helps(case: str) -> None:
    error, options, parts = ERRORS[case]
    refused(error, note.network()["L"], *parts, **options)


def test_integers_have_no_derivatives() -> None:
    i, w = tg.Tensor([1, 2, 3], name="i"), parameter("w", 3)
    j = (i * i).named("j")
    y = (w * j).named("y")
    refused(tg.GradientError, y, "i holds int64", "Try: one of w, y", zoom="y", by="i")
    refused(tg.GradientError, y, "j was not computed from any value that has derivatives", "Try: one of y", zoom="j")
    refused(tg.GradientError, j, "Try: a result that is computed from floats", zoom="j")


def test_there_must_be_an_entry() -> None:
    x = tg.Tensor(np.zeros((0, 3)), requires_grad=True, name="x")
    for result in (tg.tanh(x).named("y"), x.sum().named("y")):
        refused(ValueError, result, "by x (0, 3) has no entries", "Try: the same computation with at least one example", zoom="y")


def test_where_nothing_is_reached_the_picture_says_so() -> None:
    found = reach((h[:0].sum() + v).named("u"), h)
    assert (found.terms, found.survives, found.rule) == ((), (), "")
    assert "no entry is computed from it: 0 of 3 terms" in readable(tg.draw((h[:0].sum() + v).named("u"), zoom="u", by=h).source)


def test_as_many_axes_as_there_are_letters() -> None:
    x = parameter("x", *[1] * 9, 2)
    assert len(reach(tg.tanh(x).named("u"), x).survives) == 1
    assert "only t = h survives" in readable(tg.draw(tg.tanh(x).named("u"), zoom="u").source)
    deep = parameter("x", *[1] * 11)
    refused(ValueError, tg.tanh(deep).named("u"), "u has 11 axes", "Try: the same computation without axes", zoom="u")


@pytest.mark.parametrize(
    "f", [lambda x: x @ x, lambda x: tg.softmax(x.reshape(-1)), lambda x: x * x + x.sum(), lambda x: tg.einsum("ij,kj->ik", x, x)]
)
def test_what_is_too_large_is_refused_at_once(f: Callable[[Any], Any]) -> None:
    x = tg.Tensor(np.ones((200, 200)), requires_grad=True, name="x")
    refused(ValueError, f(x).named("y"), "the equation of y is too large", "Try: the same computation with few", zoom="y", by="x")


def test_the_work_is_counted_not_only_the_numbers() -> None:
    x, y = parameter("x", 60, 60), parameter("x", 4_000)
    for result in ((x @ x).named("y"), tg.softmax(y).named("y")):
        refused(ValueError, result, "single numbers and operations", zoom="y", by="x")


def test_too_many_pairs_are_refused() -> None:
    x = tg.Tensor(np.ones(400), requires_grad=True, name="x")
    refused(ValueError, (x + x.sum()).named("y"), "160 000 pairs of entries", zoom="y", by="x")


def test_a_product_of_the_size_of_a_layer_is_drawn() -> None:
    x, w = parameter("x", 16, 20), parameter("w", 20, 24)
    assert len(reach((x @ w).named("u"), w).terms) == 16


def test_entries_count_from_the_end_too() -> None:
    L = note.network()["L"]
    assert tg.draw(L, zoom="u2", by="W2", entry=(-1, -2)).source == tg.draw(L, zoom="u2", by="W2", entry=(2, 1)).source
    assert tg.draw(L, zoom="u3", by="U", entry=np.int64(1)).source == tg.draw(L, zoom="u3", by="U", entry=[1]).source


# ---- the picture -------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    return " ".join(text.replace("\u2002", " ").replace("\xa0", " ").split())


def readable(source: str) -> str:
    return plain(html.unescape(re.sub(r"<[^<>]*>", " ", source)))


def svg_texts(source: str) -> list[str]:
    try:
        drawn = layout(source, "svg")
    except NoGraphvizError as error:
        pytest.skip(str(error))
    return [plain("".join(t.itertext())) for t in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


@pytest.fixture(params=["the one of this machine", "the one of the wheel"])
def graphviz(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Graphviz that is there, one after the other."""
    if request.param == "the one of the wheel":
        monkeypatch.setenv("PATH", "")


@pytest.mark.dot
@pytest.mark.usefixtures("graphviz")
def test_what_is_on_the_picture() -> None:
    values = note.network()
    texts = svg_texts(tg.draw(values["L"], zoom="u2", by="W2", entry=(0, 1), title="only l = j").source)
    du = by_hand(values)["u2"][:, 1]
    h1 = values["h1"].numpy()[:, 0]

    def shown(x: float) -> str:
        return f"{x:.3g}".replace("-", "−")

    for words in (
        "only l = j", "W⁽²⁾", "(3, 3)", "h⁽¹⁾", "(4, 3)", "u⁽²⁾", "i = 0", "j = 0", "k = 0", "l = 0",
        "∂u⁽²⁾[k,1]/∂W⁽²⁾[0,1]", "∂𝓛/∂u⁽²⁾[k,1] ∗ h⁽¹⁾[k,0]", f"Σ = {shown(float(du @ h1))}",
        "∂𝓛/∂W⁽²⁾[0,1] = Σ over k, l of ∂𝓛/∂u⁽²⁾[k,l] ∗ ∂u⁽²⁾[k,l]/∂W⁽²⁾[0,1]",
        "∂u⁽²⁾[k,l]/∂W⁽²⁾[i,j] = h⁽¹⁾[k,i] if l = j, else 0",
        "only l = j survives, here l = 1: 4 of 12 terms",
        f"so ∂𝓛/∂W⁽²⁾[0,1] = Σ over k of ∂𝓛/∂u⁽²⁾[k,1] ∗ h⁽¹⁾[k,0] = {shown(float(du @ h1))}",
    ):  # fmt: skip
        assert texts.count(words) == (2 if words == "(4, 3)" else 1), (words, texts)
    for k in range(4):
        factor = f"({shown(h1[k])})" if h1[k] < 0 else shown(h1[k])
        assert f"h⁽¹⁾[{k},0] = {shown(h1[k])}" in texts
        assert f"{shown(du[k])} ∗ {factor} = {shown(du[k] * h1[k])}" in texts
    for value in (values["W2"], values["u2"], values["h1"]):
        assert all(shown(x) in texts for x in value.numpy().ravel())


def lines_of(source: str, colour: str) -> list[tuple[str, str]]:
    """The ends of the lines of this colour, without the side."""
    found = re.findall(r"^\s*(\w+:\w+):\w -> (\w+:\w+):\w \[(.*)\]$", source, re.MULTILINE)
    return [(first, second) for first, second, look in found if f'color="{colour}"' in look]


def test_the_lines_are_those_of_the_entries_that_are_reached() -> None:
    source = tg.draw(note.network()["L"], zoom="u2", by="W2", entry=(0, 1)).source
    assert sorted(lines_of(source, "#A8322A")) == sorted(
        [("by:c0_1", f"local:t{k}_1") for k in range(4)] + [(f"local:t{k}_1", f"of:c{k}_1") for k in range(4)]
    )
    assert sorted(lines_of(source, "#2F5AA8")) == sorted((f"other0:c{k}_0", f"local:t{k}_1") for k in range(4))
    assert sorted(lines_of(source, "#1E6B34")) == sorted((f"of:c{k}_1", f"sum:t{k}_1") for k in range(4))
    pale = {(f"by:c{i}_{j}", f"of:c{k}_{j}") for i in range(3) for j in range(3) for k in range(4) if (i, j) != (0, 1)}
    assert set(lines_of(source, "#BBBBBB")) == pale


def test_an_axis_alone_runs_downwards() -> None:
    source = tg.draw(note.network()["L"], zoom="u3", by="U", entry=1).source
    assert sorted(lines_of(source, "#A8322A")) == sorted(
        [("by:c1_0", f"local:t{k}") for k in range(4)] + [(f"local:t{k}", f"of:c{k}_0") for k in range(4)]
    )


def test_the_lower_table_has_its_name_below() -> None:
    source = tg.draw(note.network()["L"], zoom="u2", by="W2").source
    label = next(line for line in source.splitlines() if line.strip().startswith("by ["))
    assert label.index("W⁽²⁾") > label.rindex("PORT=")
    label = next(line for line in source.splitlines() if line.strip().startswith("other0 ["))
    assert label.index("h⁽¹⁾") < label.index("PORT=")


def test_a_blank_cell_hides_no_line() -> None:
    assert not re.search(r'BGCOLOR="white"[^<>]*>\s*</TD>', tg.draw(note.network()["L"], zoom="L", by="yhat").source)


def test_of_many_terms_the_largest_are_shown_and_the_others_are_counted_and_added_up() -> None:
    s, x = parameter("s"), parameter("x", 300)
    u = (s * x).named("u")
    source = tg.draw((u * u).sum().named("L"), zoom="u", by="s").source
    products = 2 * s.numpy() * x.numpy() ** 2
    largest = sorted(np.argsort(np.abs(products))[-7:].tolist())
    shown = [end for first, end in lines_of(source, "#A8322A") if end.startswith("local:")]
    assert shown == [f"local:t{k}" for k in largest]
    assert sorted(lines_of(source, "#2F5AA8")) == sorted((f"other0:c{k}_0", f"local:t{k}") for k in largest)
    assert set(re.findall(r'PORT="(\w+)" BGCOLOR="#DCE6F5"', source)) == {f"c{k}_0" for k in largest}
    words = readable(source)
    rest = float(products.sum() - products[largest].sum())
    assert f"… 293 others: Σ = {rest:.3g} ".replace("-", "−") in words
    assert words.count("… 293 others") == 2
    assert "every entry of u depends on it: 300 of 300 terms" in words


def test_without_a_root_the_largest_derivatives_are_shown() -> None:
    x = parameter("x", 20)
    source = tg.draw((parameter("s") * x).named("u"), zoom="u", by="s").source
    largest = sorted(np.argsort(np.abs(x.numpy()))[-7:].tolist())
    assert [end for _, end in lines_of(source, "#A8322A") if end.startswith("local:")] == [f"local:t{k}" for k in largest]
    assert "… 13 others" in readable(source)


def test_other_entries_of_the_value_itself_that_a_term_uses_are_coloured() -> None:
    x = parameter("x", 30)
    u = (x[17] * x[27] * 2.0).named("u")
    source = tg.draw(u, zoom="u", by="x", entry=27).source
    assert "x[17]" in readable(source)
    assert re.findall(r'PORT="(\w+)" BGCOLOR="#DCE6F5"', source) == ["c17_0"]
    assert re.findall(r'PORT="(\w+)" BGCOLOR="#F2C4BF"', source) == ["c27_0"]


def test_what_is_needed_but_not_enough_is_not_said_to_survive() -> None:
    x = parameter("x", 3, 4)
    u = x[:, [[0, 1], [1, 2], [2, 3], [3, 1]]].named("u")
    words = readable(tg.draw((u * u).sum().named("L"), zoom="u", by="x", entry=(0, 1)).source)
    assert "k = i is needed, here k = 0: 3 of 24 terms survive" in words
    assert "only" not in words
    words = readable(tg.draw(tg.stack([x, x * x]).named("u"), zoom="u", by="x", entry=(0, 1)).source)
    assert "only l = i and m = j survive, here l = 0 and m = 1: 2 of 24 terms" in words
    words = readable(tg.draw(tg.stack([a, c[:, :3] * 1.0, h]).named("u"), zoom="u", by=h, entry=(0, 1)).source)
    assert "only k = 2 and l = i and m = j survive, here l = 0 and m = 1: 1 of 36 terms" in words
    assert "terms survive" not in words


def test_nothing_is_summed_over_an_axis_of_length_1() -> None:
    x, w = parameter("x", 3, 4), parameter("w", 4, 1)
    u = (x @ w).named("u")
    words = readable(tg.draw((u * u).sum().named("L"), zoom="u", by="x", entry=(2, 1)).source)
    du = 2 * (x.numpy() @ w.numpy())
    total = f"{float(du[2, 0] * w.numpy()[1, 0]):.3g}".replace("-", "−")
    assert "∂𝓛/∂x[2,1] = Σ over k of ∂𝓛/∂u[k,0] ∗ ∂u[k,0]/∂x[2,1]" in words
    assert "∂u[k,l]/∂x[i,j] = w[j,0] if k = i, else 0" in words
    assert "only k = i survives, here k = 2: 1 of 3 terms" in words
    assert f"so ∂𝓛/∂x[2,1] = ∂𝓛/∂u[2,0] ∗ w[1,0] = {total}" in words
    y = (parameter("p", 1, 1) * 2.0).named("y")
    words = readable(tg.draw((y * y).sum().named("L"), zoom="y").source)
    assert "Σ over" not in words
    assert "here" not in words


def test_the_entry_that_is_chosen_is_not_dead() -> None:
    x = tg.Tensor([[-1.0, -2.0, 3.0], [1.0, -4.0, 2.0]], requires_grad=True, name="x")
    u = tg.relu(x).named("u")
    alive = [(0, 2), (1, 0), (1, 2)]
    for root in (u.sum().named("L"), None):
        assert reach("u" if root is not None else u, x, root=root).entry == alive[0]
    assert reach(u, x, (0, 0)).entry == (0, 0)  # what was asked for
    assert reach(u, x, root=(u * [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]).sum().named("L")).entry == alive[1]  # no gradient there
    assert reach(u, x, root=(u * 0.0).sum().named("L")).entry == (0, 1)  # all are dead
    pair = (tg.Tensor([[1.0, 1.0], [-1.0, 1.0]]) @ x).named("u")
    assert reach(pair, x, root=(pair * [[1.0], [1.0]]).sum().named("L")).entry == (0, 1)  # 1 − 1: zero, but not by its terms
    pictures, left_out = lesson_pictures(u.sum().named("L"))
    assert left_out == ""
    assert "∂u[0,2]/∂x[0,2]" in readable(pictures["zoom"].source)


def test_an_op_that_works_on_whole_arrays_is_refused() -> None:
    normalize = tg.ops.Op(
        "normalize", lambda x: x / np.sqrt(np.sum(x * x)), [lambda g, y, x: (g - y * np.sum(g * y)) / np.sqrt(np.sum(x * x))]
    )
    u = normalize(parameter("x", 3)).named("u")
    words = "u is computed with normalize, which cannot be written out number by number.\n  Try: the same computation from"
    refused(TypeError, (u * u).sum().named("L"), words, zoom="u")
    assert readable(tg.draw((u * u).sum().named("L"), zoom="L").source)  # what was computed from it can be looked at


@pytest.mark.parametrize("entry", [(4, 5), (0, 0), (9, 8), (7, 3)])
def test_every_line_of_a_large_picture_ends_at_a_cell(entry: tuple[int, int]) -> None:
    left, right = parameter("A", 12, 10), parameter("B", 10, 9)
    product = (left @ right).named("C")
    for by, place in ((right, entry), (left, entry)):
        source = tg.draw((product * product).sum().named("L"), zoom="C", by=by, entry=place).source
        cells = set()
        for name, label in re.findall(r"^\s*(\w+) \[label=<(.*)>\]$", source, re.MULTILINE):
            cells |= {f"{name}:{port}" for port in re.findall(r'PORT="(\w+)"', label)}
        ends = {end for colour in ("#A8322A", "#2F5AA8", "#1E6B34") for line in lines_of(source, colour) for end in line}
        assert len(ends) > 20
        assert ends <= cells


@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=7))
def test_a_long_axis_is_cut_and_nothing_that_is_needed_is_left_out(size: int, needed: set[int]) -> None:
    needed = {i for i in needed if i < size}
    shown = _window(size, needed)
    kept = [i for i in shown if i is not None]
    assert needed <= set(kept)
    assert kept == sorted(set(kept))
    assert kept[-1] < size
    assert len(shown) <= max(8, 2 * len(needed) + 1)
    ends = [-1, *kept, size]
    gaps = sum(j > i + 1 for i, j in pairwise(ends))
    assert shown.count(None) == gaps
    if size <= 8:
        assert kept == list(range(size))


NAMES = {
    "<b>": "<b>", "a\\N": "a\\\u200bN", '"': '"', "a\nb": "a↵b", "🐍": "🐍", "\x00\x1b": "\ufffd\ufffd", "&amp;": "&amp;",
    "x" * 20_000: "x" * 15 + "…", "]]>": "]]>", "a:b": "a:b", "<!--": "<!--", "\ud800": "\ufffd", "\u202eabc": "\ufffdabc",
    "a'b": "a'b", "[0]": "[0]", "</TD>": "</TD>",
}  # fmt: skip


@pytest.mark.dot
@pytest.mark.usefixtures("graphviz")
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:10]))
def test_any_name_is_shown_as_text(name: str) -> None:
    x = tg.Tensor(numbers(2, 2), requires_grad=True, name=name)
    other = tg.Tensor(numbers(2, 2, seed=1), name=f"{name}2")
    picture = tg.draw((x @ other).named(f"{name}3").sum().named(f"{name}4"), zoom=f"{name}3", by=x, title=name)
    texts = svg_texts(picture.source)
    shown = NAMES[name]
    assert shown in texts
    assert any(t.startswith("∂") and shown[:15] in t for t in texts)
    assert "only k = i survives, here k = 0: 2 of 4 terms" in texts
    assert all(len(t) < 401 for t in texts)
    assert len(picture.source) < 20_000
    assert not set(picture.source) & {"\x00", "\x1b", "\u202e", "\ud800"}


def test_the_same_picture_in_another_process() -> None:
    code = "from tinygrad_edu import draw, note; print(draw(note.network()['L'], zoom='u2', by='W2', entry=(0, 1)).source)"
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == tg.draw(note.network()["L"], zoom="u2", by="W2", entry=(0, 1)).source.strip()
