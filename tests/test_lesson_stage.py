"""The pictures of a lesson: what is on them is the record, they stand in a page without doing anything, in both themes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from test_random_programs import program as random_program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.drawing import LayoutError, NoGraphvizError
from tinygrad_edu.errors import GradientError
from tinygrad_edu.graphs import pretty
from tinygrad_edu.graphs.levels import read
from tinygrad_edu.lessons import stage as module
from tinygrad_edu.lessons.inline_svg import FILLS, INKS, dense, merged, rules, take_apart
from tinygrad_edu.lessons.picture_words import caption_in_spanish, rule_in_spanish, short_rule
from tinygrad_edu.lessons.stage import MOST_BYTES, Stage, stage
from tinygrad_edu.sweep import topological_order
from tinygrad_edu.tensor import Tensor

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<b>",
    'a:b"',
    "</svg><script>alert(1)</script>",
    "\\N & 'x'",
    '" onload="alert(1)',
    "]]>&#60;i",
    "n3->n4",
    "Σ over N",
    "input",
    "line\nbreak\x00\x1b[2J",
    "\U0001f600\u202e",
    "x" * 20_000,
)


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def parameter(name: str | None, *shape: int, seed: int = 0) -> Tensor:
    return Tensor(normal(*shape, seed=seed), requires_grad=True, name=name)


def residual() -> Tensor:
    x, w, v = Tensor(normal(4, 3), name="x"), parameter("W", 3, 3, seed=1), parameter("V", 3, 3, seed=2)
    h = tg.tanh(x @ w).named("h")
    k = (h + tg.tanh(h @ v)).named("k")
    return ((k * k).mean() + (w * w).sum() * 0.01).named("L")


def attention() -> Tensor:
    x = Tensor(normal(4, 3), name="x")
    q, k, v = ((x @ parameter(f"W{name}", 3, 3, seed=i)).named(name) for i, name in enumerate("qkv"))
    weights = tg.softmax(q @ k.T / np.sqrt(3), axis=-1).named("A")
    return ((weights @ v) ** 2).mean().named("L")


def convolution() -> Tensor:
    model = tg.nn.Sequential(tg.nn.Conv2d(1, 2, 3, seed=0), tg.nn.ReLU(), tg.nn.Flatten(), tg.nn.Linear(8, 2, seed=1))
    return model(Tensor(normal(2, 1, 4, 4), name="x")).mean().named("L")


def scalars() -> Tensor:
    x, w = Tensor(3.0, name="x"), Tensor(2.0, requires_grad=True, name="w")
    h = tg.tanh(x * w + 1).named("h")
    return (h * h + w).named("L")


def unnamed() -> Tensor:
    a = tg.exp(parameter(None, 2, 2) @ Tensor(normal(2, 2, seed=1)))
    return (a * a + a).sum()


def hostile() -> Tensor:
    first, *others = (parameter(name, 2, seed=i) for i, name in enumerate(HOSTILE))
    h = first
    for t in others:
        h = h * t
    return (h * h).sum().named('"><img src=x onerror=alert(1)>')


def many_uses() -> Tensor:
    w = Tensor(2.0, requires_grad=True, name="w")
    total = w * 1.0
    for _ in range(14):
        total = total + w
    return (total * w).named("L")


def deep() -> Tensor:
    h = Tensor(normal(4, 3), name="x")
    for i in range(150):
        h = tg.tanh(h @ parameter(f"W{i}", 3, 3, seed=i)).named(f"h{i}")
    return (h * h).mean().named("L")


def not_finite() -> Tensor:
    w = Tensor([0.0, -1.0, np.inf], requires_grad=True, name="w")
    return (tg.log(w) * np.float32(2)).sum().named("L")


GRAPHS: Mapping[str, Callable[[], Tensor]] = {
    "note": lambda: note.network()["L"],
    "residual": residual,
    "attention": attention,
    "convolution": convolution,
    "scalars": scalars,
    "unnamed": unnamed,
    "hostile": hostile,
    "many_uses": many_uses,
    "not_finite": not_finite,
    "deep": deep,
}
OPEN = [name for name in GRAPHS if name != "deep"]  # not folded


@cache
def drawn(name: str) -> tuple[Tensor, Stage]:
    with np.errstate(all="ignore"):
        root = GRAPHS[name]()
        found = stage(root)
    if not found.forward:
        pytest.skip(found.remark["en"])
    return root, found


def pictures(found: Stage) -> Iterator[str]:
    yield from (found.forward, found.backward, *found.equations.values(), *found.zooms.values())


def groups(svg: str, kind: str, attribute: str) -> list[str]:
    """What stands in an attribute of the groups of one class."""
    found = (g for g in ET.fromstring(svg).iter(SVG + "g") if kind in g.get("class", "").split())
    return [g.attrib[attribute] for g in found if attribute in g.attrib]


def text_of(element: ET.Element) -> list[str]:
    return ["".join(t.itertext()) for t in element.iter(SVG + "text")]


def record(root: Tensor) -> tuple[list[Tensor], dict[int, int], set[int]]:
    """The tensors of the record, the place of each in the topological order, and who is given a gradient."""
    order = topological_order([root])
    place = {id(t): i for i, t in enumerate(order)}
    reached = {place[id(t)] for t in order if t.requires_grad}
    return order, place, reached


# ---- what is on the pictures ----------------------------------------------------------------------------------------


@pytest.mark.dot
@pytest.mark.parametrize("name", OPEN)
def test_every_value_of_the_named_level_is_there_once_and_its_gradient_under_it(name: str) -> None:
    root, found = drawn(name)
    nodes = tg.graph(root, level="op").nodes
    here = [int(i) for i in groups(found.forward, "node", "data-node")]
    assert here == sorted(set(here))
    assert groups(found.backward, "node", "data-node") == [str(i) for i in here]
    by_name = {node.name: node.id for node in nodes}
    named = {by_name[node.name] for node in tg.graph(root) if not node.automatic or node.kind == "loss"}
    assert named <= set(here)
    assert set(found.shown) == {node.id for node in nodes}
    assert set(found.shown.values()) == set(here)
    assert all(found.shown[i] == i for i in here)
    _, _, reached = record(root)
    gradients = [int(i) for i in groups(found.backward, "gradient", "data-gradient")]
    assert sorted(gradients) == sorted(reached & set(here))
    assert not groups(found.forward, "gradient", "data-gradient")


@pytest.mark.dot
@pytest.mark.parametrize("name", [name for name in OPEN if name != "many_uses"])
def test_the_arrows_are_the_uses_of_the_record(name: str) -> None:
    """On the named level where an equation is entered; op by op all of them, each once, and back again."""
    root, found = drawn(name)
    order, place, reached = record(root)
    uses = [(place[id(x)], place[id(t)], i) for t in order for i, x in enumerate(t.inputs)]
    entered = Counter(" ".join(map(str, use)) for use in uses if found.shown[use[0]] == use[0])
    assert Counter(groups(found.forward, "use", "data-edge")) == entered
    assert Counter(groups(found.backward, "use", "data-edge")) == entered
    back = [edge for edge in entered.elements() if {int(i) for i in edge.split()[:2]} <= reached]
    assert Counter(groups(found.backward, "flow", "data-edge")) == Counter(back)

    numbers = {i for i, t in enumerate(order) if not t.inputs and not t.shape and not t.requires_grad and t.name is None}
    for result, svg in found.equations.items():
        inside = [use for use in uses if found.shown[use[1]] == result]
        seen = Counter(" ".join(map(str, use)) for use in inside if use[0] not in numbers)
        assert Counter(groups(svg, "use", "data-edge")) == seen
        back = [edge for edge in seen if {int(i) for i in edge.split()[:2]} <= reached]
        assert Counter(groups(svg, "flow", "data-edge")) == Counter(back)


@pytest.mark.dot
def test_the_arrows_of_a_value_that_is_used_very_often() -> None:
    root, found = drawn("many_uses")
    order, place, _ = record(root)
    w = place[id(next(t for t in order if t.name == "w"))]
    arrows = [g for g in ET.fromstring(found.forward).iter(SVG + "g") if g.get("data-times")]
    total = next(place[id(t)] for t in order if t.inputs and t.name is None and t is root.inputs[0])
    assert [(g.attrib["data-edge"], g.attrib["data-times"]) for g in arrows] == [(f"{w} {total}", "15")]
    assert groups(found.backward, "sum", "data-sum") == [str(w)]


@pytest.mark.dot
def test_of_several_arrows_side_by_side_each_is_its_own_use() -> None:
    h = (parameter("w", 3) * 2).named("h")
    root = (h.sum() + h.mean()).named("L")
    found = stage(root)
    if not found.forward:
        pytest.skip(found.remark["en"])
    nodes = tg.graph(root, level="op").nodes
    arrows = [g for g in ET.fromstring(found.backward).iter(SVG + "g") if g.get("class") == "edge use" and text_of(g)]
    words = {g.attrib["data-edge"]: text_of(g)[0].split()[0] for g in arrows}
    assert len(words) == 3
    assert all(word == getattr(nodes[int(edge.split()[1])].op, "symbol", "") for edge, word in words.items())


@pytest.mark.dot
def test_what_is_reused() -> None:
    """The dashed arrows of the note: each gradient, and the values that its formula has."""
    root, found = drawn("note")
    at = {t.name: i for i, t in enumerate(topological_order([root])) if t.name}
    reused = {
        ("x", "W1"), ("h1", "u1"), ("h1", "W2"), ("W2", "h1"), ("h2", "u2"), ("h2", "U"), ("U", "h2"), ("yhat", "u3"),
        ("yhat", "yhat"), ("y", "yhat"),
    }  # fmt: skip
    assert set(groups(found.backward, "reuse", "data-reuse")) == {f"{at[a]} {at[b]}" for a, b in reused}


@pytest.mark.dot
@pytest.mark.parametrize("name", ["residual", "attention"])
def test_where_the_graph_branches_the_dashed_arrows_are_there_too(name: str) -> None:
    root, found = drawn(name)
    _, _, reached = record(root)
    pairs = [tuple(map(int, pair.split())) for pair in groups(found.backward, "reuse", "data-reuse")]
    here = {int(i) for i in groups(found.backward, "node", "data-node")}
    assert pairs
    assert all(value in here and of in reached & here for value, of in pairs)


@pytest.mark.dot
@pytest.mark.parametrize("name", OPEN)
def test_forward_and_backward_are_one_layout(name: str) -> None:
    _, found = drawn(name)
    forward, backward = (ET.fromstring(svg) for svg in (found.forward, found.backward))
    assert {**forward.attrib, "height": "", "viewBox": ""} == {**backward.attrib, "height": "", "viewBox": ""}
    assert float(forward.attrib["height"]) <= float(backward.attrib["height"])  # below there may be gradients only
    assert forward.attrib["viewBox"].split()[:3] == backward.attrib["viewBox"].split()[:3]
    both = {ET.tostring(g) for g in backward.iter(SVG + "g")}
    assert all(ET.tostring(g) in both for g in forward.iter(SVG + "g") if not g.get("aria-hidden"))


@pytest.mark.dot
def test_a_gradient_stands_under_its_value() -> None:
    _, found = drawn("note")
    groups_of = {
        kind: {g.attrib[kind]: middle(g) for g in ET.fromstring(found.backward).iter(SVG + "g") if kind in g.attrib}
        for kind in ("data-node", "data-gradient")
    }
    for place, (x, y) in groups_of["data-gradient"].items():
        above = groups_of["data-node"][place]
        assert abs(x - above[0]) < 1
        assert y > above[1]


def middle(g: ET.Element) -> tuple[float, float]:
    shape = next(e for e in g if e.tag != SVG + "text")
    if "cx" in shape.attrib:
        return float(shape.attrib["cx"]), float(shape.attrib["cy"])
    pairs = re.findall(r"(-?[\d.]+),(-?[\d.]+)", shape.get("points") or shape.attrib["d"])
    xs, ys = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


@pytest.mark.dot
@pytest.mark.parametrize("name", OPEN)
def test_a_value_is_named_as_on_the_op_level_and_says_its_shape(name: str) -> None:
    root, found = drawn(name)
    nodes = tg.graph(root, level="op").nodes
    for svg in (found.forward, *found.equations.values()):
        for g in ET.fromstring(svg).iter(SVG + "g"):
            if "data-node" in g.attrib:
                node = nodes[int(g.attrib["data-node"])]
                shown = tg.graphs.pretty(node.name[:60])
                assert g.attrib["aria-label"].startswith(shown)
                assert g.attrib["role"] == "img"
                assert any(text.replace("\u200b", "").startswith(shown[:59]) for text in text_of(g))
                shape = g.attrib["aria-label"].removeprefix(shown)
                assert shape.count(",") == max(len(node.shape) - 1, len(node.shape) == 1)
                assert shape.startswith(" (") == bool(node.shape)


@pytest.mark.dot
@pytest.mark.parametrize("name", OPEN)
def test_what_opens_says_so(name: str) -> None:
    root, found = drawn(name)
    operations = Counter(found.shown[i] for i, t in enumerate(topological_order([root])) if t.inputs)
    opens = {int(i) for i in groups(found.forward, "node", "data-equation")}
    assert opens == set(found.equations) == {i for i, n in operations.items() if n > 1}
    assert {int(i) for i in groups(found.backward, "node", "data-zoom")} == set(found.zooms) <= set(operations)


@pytest.mark.dot
def test_a_value_that_is_used_elsewhere_too_has_its_whole_sum_in_an_equation() -> None:
    root, found = drawn("residual")
    at = {t.name: i for i, t in enumerate(topological_order([root])) if t.name}
    svg = found.equations[at["h"]]  # W is also in the loss, twice
    (total,) = [g for g in ET.fromstring(svg).iter(SVG + "g") if g.get("class") == "node sum"]
    assert total.attrib["data-sum"] == str(at["W"])
    assert [text.strip() for text in text_of(total)].count("+") == 2
    assert len(groups(svg, "flow", "data-edge")) == 2  # but only the part of this equation has an arrow


@pytest.mark.dot
def test_the_zoom_has_the_numbers_of_the_engine() -> None:
    root, found = drawn("note")
    order = topological_order([root])
    at = {t.name: i for i, t in enumerate(order) if t.name}
    texts = text_of(ET.fromstring(found.zooms[at["u2"]]))
    named = {t.name: t for t in order if t.name}
    (gradient,) = tg.gradients(root, [named["W2"]])
    assert f"Σ = {gradient.data[0, 1]:.3g}".replace("-", "−") in texts
    for value in named["W2"].data.ravel():
        assert f"{value:.3g}".replace("-", "−") in texts
    assert "only l = j survives, here l = 1: 4 of 12 terms" in texts


@pytest.mark.dot
def test_a_large_graph_is_folded_and_says_so() -> None:
    root, found = drawn("deep")
    order, _, _ = record(root)
    assert "453 values, most are folded into 12 blocks" in found.remark["en"]
    assert "sus 453 valores, la mayoría está en 12 bloques" in found.remark["es"]
    assert not found.equations
    assert not found.zooms
    here = {int(i) for i in groups(found.forward, "node", "data-node")}
    assert 2 < len(here) < 40
    assert set(found.shown) == set(range(len(order)))
    assert set(found.shown.values()) == here
    assert all(len(edge.split()) in (2, 3) for edge in groups(found.forward, "use", "data-edge"))
    ends = {int(i) for edge in groups(found.forward, "use", "data-edge") if edge.count(" ") == 1 for i in edge.split()}
    assert ends <= here


# ---- as a part of a page --------------------------------------------------------------------------------------------

TAGS = {"svg", "g", "path", "polygon", "polyline", "circle", "ellipse", "text", "tspan"}
ATTRIBUTES = {
    "class", "d", "points", "cx", "cy", "r", "rx", "ry", "x", "y", "width", "height", "viewBox", "fill", "font-size",
    "font-weight", "text-anchor", "stroke-width", "stroke-dasharray", "role", "aria-label", "aria-hidden", "data-node",
    "data-gradient", "data-sum", "data-edge", "data-times", "data-reuse", "data-equation", "data-zoom", "data-word", "data-en",
    "data-es",
}  # fmt: skip
LOOKS = {"picture", "scope", "edge", "use", "flow", "reuse", "node", "sum"} | {
    "input", "parameter", "constant", "result", "loss", "gradient", "block",
}  # fmt: skip


@pytest.mark.dot
@pytest.mark.parametrize("name", GRAPHS)
def test_a_picture_does_nothing_but_be_seen(name: str) -> None:
    """No id that another picture has too, no style, no script, no address."""
    _, found = drawn(name)
    known = LOOKS | set(re.findall(r"\.((?:fill|stroke)-\w+)", rules()))
    for svg in pictures(found):
        for element in ET.fromstring(svg).iter():
            assert element.tag.removeprefix(SVG) in TAGS
            assert set(element.attrib) <= ATTRIBUTES
            assert set(element.get("class", "").split()) <= known
            assert element.get("fill", "none") == "none"
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
        assert "<?" not in svg
        assert "<!" not in svg


@pytest.mark.dot
def test_hostile_names_are_shown_as_text() -> None:
    _, found = drawn("hostile")
    texts = [text for svg in pictures(found) for text in text_of(ET.fromstring(svg))]
    for name in HOSTILE[:9]:
        assert name in [text.replace("\u200b", "") for text in texts]
    assert "line↵break\ufffd\ufffd[2J" in texts
    assert "x" * 59 + "…" in texts
    assert max(map(len, texts)) < 400
    labels = groups(found.forward, "node", "aria-label")
    assert max(map(len, labels)) < 100
    # A name that reads like one of the pictures' own words is not translated.
    words = [t for t in ET.fromstring(found.forward).iter(SVG + "text") if t.get("data-word")]
    assert not words


@pytest.mark.dot
@pytest.mark.parametrize("name", ["note", "attention", "convolution"])
def test_the_pictures_are_not_too_large(name: str) -> None:
    _, found = drawn(name)
    assert sum(len(svg.encode()) for svg in pictures(found)) <= MOST_BYTES


@pytest.mark.dot
def test_zooms_are_left_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    root, found = drawn("note")
    size = sum(len(svg.encode()) for svg in (found.forward, found.backward, *found.equations.values()))
    monkeypatch.setattr(module, "MOST_BYTES", size + 16_000)
    less = stage(root)
    assert less.equations == found.equations
    assert 0 < len(less.zooms) < len(found.zooms)
    assert sum(len(svg.encode()) for svg in pictures(less)) <= size + 16_000
    assert {int(i) for i in groups(less.forward, "node", "data-zoom")} == set(less.zooms)


@pytest.mark.dot
def test_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib\nfrom tinygrad_edu import note\nfrom tinygrad_edu.lessons.stage import stage\n"
        "print(hashlib.sha256(repr(stage(note.network()['L'])).encode()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(repr(drawn("note")[1]).encode()).hexdigest()


@pytest.mark.dot
def test_many_arrows_are_folded_too() -> None:
    """Without names everything is one equation, whose gradients use everything again."""
    h = Tensor(normal(4, 3))
    for i in range(40):
        h = tg.tanh(h @ parameter(None, 3, 3, seed=i) + parameter(None, 3, seed=i))
    found = stage((h * h).mean())
    assert "12 bloques" in found.remark["es"]
    assert len(found.backward) < 60_000


@pytest.mark.dot
def test_each_value_of_a_folded_graph_is_there_once() -> None:
    """A block may need values that come after it in the record, and that several of its own inputs were computed from."""
    root, leaves = random_program(0)
    found = stage(root)
    assert found.remark
    names = {node.name for node in read([root], "op", loss=root).graph if node.name in {t.name for t in leaves}}
    labels = [label.split(" ")[0] for label in groups(found.forward, "node", "aria-label") if label.startswith("w")]
    assert sorted(labels) == sorted(set(labels)) != []
    assert set(labels) <= {pretty(name) for name in names}


@pytest.mark.parametrize("error", [NoGraphvizError(), LayoutError("Graphviz was stopped after 60 s")])
def test_without_graphviz_there_are_no_pictures_and_a_remark(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: Any, **options: Any) -> bytes:
        raise error

    monkeypatch.setattr(module, "layout", fail)
    found = stage(scalars())
    assert list(pictures(found)) == ["", ""]
    assert found.remark["en"] == str(error)
    assert "Graphviz no" in found.remark["es"]
    assert found.shown


def test_a_root_without_gradients_is_refused() -> None:
    with pytest.raises(GradientError, match="lesson"):
        stage(Tensor([1.0, 2.0], requires_grad=True) * 2)


# ---- the parts ------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_everything_that_is_read_has_enough_contrast(dark: bool) -> None:
    """WCAG AA: 4.5 for text."""
    pairs = [(ink, fill) for ink in ("ink", "grey") for fill in FILLS] + [(ink, "page") for ink in ("green", "blue", "red")]
    for ink, fill in pairs:
        low, high = sorted((luminance(INKS[ink][dark]), luminance(FILLS[fill][dark])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, fill)


def test_an_svg_is_taken_apart() -> None:
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 80"><g class="graph" transform="translate(4 76)">
    <title>G</title><text x="20" y="-3" font-size="12.00">under it</text>
    <g id="g0_node1" class="node"><title>a</title><polygon fill="#e8eef7" stroke="#333333" points="0,0 10,0 10,9 0,9 0,0"/>
    <text text-anchor="start" x="3.26" y="5" font-size="13.00">x</text></g>
    <g id="g0_edge7" class="edge"><title>a:e&#45;&gt;b:w</title>
    <path fill="none" stroke="#bbbbbb" stroke-width="0.5" d="M0,0C1,1 2,2 3,3 4,9 5,9 6,3"/></g></g></svg>"""
    drawing = take_apart(svg)
    assert drawing.caption == ("under it",)
    assert (drawing.width, drawing.height, drawing.caption_top) == (100, 80, 73)
    node, edge = drawing.parts
    assert (node.kind, node.ends, node.number, node.box) == ("node", ("a",), 1, (4, 76, 14, 85))
    assert node.marks == (
        '<polygon class="fill-input stroke-ink" points="4,76 14,76 14,85 4,85"/>',
        '<text text-anchor="middle" x="9" y="81">x</text>',  # in the middle of the box, whatever the font
    )
    assert (edge.kind, edge.ends, edge.number) == ("edge", ("a", "b"), 7)
    assert edge.marks == ('<path class="stroke-pale" stroke-width="0.5" d="M4,76L7,79C8,85 9,85 10,79"/>',)
    assert merged([*edge.marks, *edge.marks])[0].count("M4,76L7,79") == 2
    assert len(merged([*edge.marks, *edge.marks])) == 1
    assert dense([*node.marks, *node.marks]) == [
        '<path class="fill-input stroke-ink" d="M4,76H14V85H4ZM4,76H14V85H4Z"/>',
        '<g text-anchor="middle"><text x="9" y="81">x</text><text x="9" y="81">x</text></g>',
    ]


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("∂𝓛/∂W[0,1]  =  Σ over k, l of  ∂𝓛/∂u[k,l]", "∂𝓛/∂W[0,1]  =  Σ sobre k, l de  ∂𝓛/∂u[k,l]"),
        ("∂u[k,l]/∂W[i,j]  =  h[k,i] if l = j, else 0", "∂u[k,l]/∂W[i,j]  =  h[k,i] si l = j, si no 0"),
        ("only l = j survives, here l = 1: 4 of 12 terms", "solo sobrevive l = j, aquí l = 1: 4 de 12 términos"),
        ("k = i and l = j are needed: 1 of 8 terms survive", "hacen falta k = i y l = j: sobreviven 1 de 8 términos"),
        ("every entry of u depends on it: 4 of 4 terms", "cada entrada de u depende de ella: 4 de 4 términos"),
        ("𝓛 depends on it", "𝓛 depende de ella"),
        ("so  its part of ∂𝓛/∂w  =  2", "luego  su parte de ∂𝓛/∂w  =  2"),
        ("∂u/∂a of b = 1", "∂u/∂a of b = 1"),  # the name of a value
    ],
)
def test_the_lines_under_a_zoom_in_spanish(english: str, spanish: str) -> None:
    assert caption_in_spanish(english) == spanish


@pytest.mark.parametrize(
    ("rule", "shorter", "spanish"),
    [
        ("A ∗ (□ − sum(□ ∗ A, axis=1, keepdims=True))", "A ∗ (□ − sum₂(□ ∗ A))", "A ∗ (□ − sum₂(□ ∗ A))"),
        (
            "reshape(ᵀ(□, axes=(1, 0)), shape=(9,)), Σ over axis 0",
            "laid out anew, Σ over axis 0",
            "reordenado, Σ sobre el eje 0",
        ),
        ("reshape(□ · ᵀ(h, axes=(1, 0)), shape=(2,))", "reshape(□ · transpose(h))", "reshape(□ · transpose(h))"),
        ("sum((a + b) ∗ mean(c, axis=0), axis=1)", "sum₂((a + b) ∗ mean₁(c))", "sum₂((a + b) ∗ mean₁(c))"),
        ("∗ (p − one_hot(y, classes=3)), Σ over N", "∗ (p − onehot(y)), Σ over N", "∗ (p − onehot(y)), Σ sobre N"),
        ("cumsum(□, axis=1)", "cumsum(□, axis=1)", "cumsum(□, axis=1)"),
        ("f, axis=1)", "f, axis=1)", "f, axis=1)"),  # the name of a value
        ("cross entropy", "cross entropy", "entropía cruzada"),
        ("∗ cross entropy", "∗ cross entropy", "∗ entropía cruzada"),
    ],
)
def test_the_rules_on_the_arrows(rule: str, shorter: str, spanish: str) -> None:
    assert short_rule(rule) == shorter
    assert rule_in_spanish(shorter) == spanish


@pytest.mark.dot
@pytest.mark.parametrize("name", ["attention", "convolution"])
def test_no_arrow_has_a_raw_call(name: str) -> None:
    _, found = drawn(name)
    for svg in pictures(found):
        assert not re.search(r"keepdims|axes=|shape=|classes=|axis=\d", svg)


@pytest.mark.dot
@pytest.mark.parametrize("name", ["note", "residual", "attention", "convolution", "scalars", "unnamed"])
def test_every_word_under_a_zoom_has_its_spanish(name: str) -> None:
    _, found = drawn(name)
    for svg in found.zooms.values():
        for text in ET.fromstring(svg).iter(SVG + "text"):
            shown = text.get("data-es") or "".join(text.itertext())
            assert not re.search(r"\b(over|of|only|if|else|here|terms|depends|so|others|uses|needed)\b", shown), shown
