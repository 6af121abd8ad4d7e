"""The pictures: what is on them on each level, how a large graph is folded, and that any name and any graph can be drawn."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest
from oracles import leaf

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.drawing import NoGraphvizError, Picture, lesson_pictures
from tinygrad_edu.drawing.layout import layout

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def layout_or_skip(source: str) -> bytes:
    try:
        return layout(source, "svg")
    except NoGraphvizError as error:
        pytest.skip(str(error))


def svg_texts(source: str) -> list[str]:
    return texts_of(layout_or_skip(source))


def texts_of(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [
        "".join(t.itertext()).replace("\u2002", "").replace("\xa0", " ").strip()
        for t in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def edges(source: str, *words: str) -> list[tuple[str, str]]:
    """The edges of the DOT text whose line holds all these words, in the direction of the arrow."""
    lines = [line for line in source.splitlines() if "->" in line and all(word in line for word in words)]
    found = [(m[1], m[2], "dir=back" in line) for line in lines if (m := re.match(r"\s*(\w+)[:\w]* -> (\w+)", line))]
    return [(b, a) if back else (a, b) for a, b, back in found]


def through_words(arrows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """An arrow with a word upon it is two, to the word and on from it: put together again."""
    onward = dict(arrow for arrow in arrows if arrow[0].startswith("w"))
    return [(a, onward.get(b, b)) for a, b in arrows if not a.startswith("w")]


@pytest.mark.parametrize("name", ["forward", "backward", "forward_op", "backward_op", "zoom"])
def test_the_pictures_in_the_readme_are_those_of_the_library(name: str) -> None:
    """After a change that is meant: python -m tinygrad_edu lesson --out docs/pictures."""
    drawn, remark = lesson_pictures(note.network()["L"])
    assert remark == ""
    assert drawn[name].source == (PICTURES / f"{name}.dot").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "options",
    [
        {"direction": "backward"},
        {"direction": "both", "level": "op"},
        {"level": "scalar", "local": True},
        {"level": "op", "max_nodes": 6},
    ],
)
def test_the_same_picture_in_another_process(options: dict[str, Any]) -> None:
    code = f"from tinygrad_edu import draw, note; print(draw(note.network(2, 2, 2, 1)['L'], **{options!r}).source)"
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == tg.draw(note.network(2, 2, 2, 1)["L"], **options).source.strip()


@pytest.mark.dot
def test_what_is_on_the_forward_picture() -> None:
    texts = svg_texts(tg.draw(note.network(4, 2, 3, 5)["L"]).source)
    for name in ("x", "u⁽¹⁾", "h⁽¹⁾", "u⁽²⁾", "h⁽²⁾", "u⁽³⁾", "ŷ", "𝓛", "W⁽¹⁾", "b⁽¹⁾", "W⁽²⁾", "b⁽²⁾", "U", "c", "y"):
        assert texts.count(name) == 1, name
    assert sorted(t for t in texts if t.startswith("(")) == sorted(
        ["(N, F)", *["(N, d₁)"] * 2, *["(N, d₂)"] * 2, *["(N,)"] * 3, "()", "(F, d₁)", "(d₁,)", "(d₁, d₂)", *["(d₂,)"] * 2, "()"]
    )
    assert texts.count("tanh") == 1
    assert texts.count("sig") == 2
    assert "N = 4,  F = 2,  d₁ = 3,  d₂ = 5" in texts


def test_the_dashed_arrows_are_the_values_that_are_reused() -> None:
    values = note.network()
    graph = tg.backward_graph(values["L"])
    source = tg.draw(values["L"], direction="backward").source
    names = {f"n{node.id}": node.name for node in graph}
    dashed = {(names[a], names[b]) for a, b in edges(source, "style=dashed", "->")}
    assert dashed == {
        ("x", "dL/dW1"), ("h1", "dL/du1"), ("h1", "dL/dW2"), ("W2", "dL/dh1"), ("h2", "dL/du2"), ("h2", "dL/dU"),
        ("U", "dL/dh2"), ("yhat", "dL/du3"), ("yhat", "dL/dyhat"), ("y", "dL/dyhat"),
    }  # fmt: skip
    flow = {(names[a], names[b]) for a, b in through_words(edges(source, "#1E6B34"))}
    assert flow == {
        ("dL/dL", "dL/dyhat"), ("dL/dyhat", "dL/du3"), ("dL/du3", "dL/dU"), ("dL/du3", "dL/dc"), ("dL/du3", "dL/dh2"),
        ("dL/dh2", "dL/du2"), ("dL/du2", "dL/dW2"), ("dL/du2", "dL/db2"), ("dL/du2", "dL/dh1"), ("dL/dh1", "dL/du1"),
        ("dL/du1", "dL/dW1"), ("dL/du1", "dL/db1"),
    }  # fmt: skip


def test_a_value_used_twice_has_two_arrows() -> None:
    h = tg.tanh(leaf(0.5, "w")).named("h")
    L = (h * h).named("L")
    assert edges(tg.draw(L).source, "weight=100").count(("n1", "n2")) == 2
    assert edges(tg.draw(L, level="op", local=True).source, "∂𝓛/∂h = h = 0.462").count(("n1", "n2")) == 2


@pytest.mark.dot
def test_a_value_used_twice_has_a_sum_of_two_contributions() -> None:
    w = leaf([1.0, 2.0], "w")
    a = tg.exp(w).named("a")
    L = (a * w).sum().named("L")
    source = tg.draw(L, direction="backward", values=True).source
    p = next(name for name in re.findall(r"(p\d+) \[label", source))
    assert [b for a, b in edges(source, "#1E6B34") if b == p] == [p, p]
    texts = svg_texts(source)
    for label in ("+", "=", "a", "∂𝓛/∂a ∗ a", "∂𝓛/∂w", *["2.72", "7.39"] * 2, "14.8", "5.44", "22.2"):
        assert label in texts, label
    e = np.exp([1.0, 2.0])
    np.testing.assert_allclose(tg.gradients(L, w).numpy(), e + [1.0, 2.0] * e)  # 2.72 + 2.72, 7.39 + 14.8


def test_a_parameter_that_feeds_two_values_is_drawn_once() -> None:
    w = tg.Tensor(np.ones((2, 2)), requires_grad=True, name="w")
    h = tg.tanh(w @ w).named("h")
    L = (h @ w).sum().named("L")
    for direction in ("forward", "backward", "both"):
        source = tg.draw(L, direction=direction).source
        assert len(re.findall(r"label=w[ \]]|>w<", source)) == 1, source


def visible(source: str) -> set[tuple[str, str]]:
    """The arrows, with those through a word put together again, whichever way round its halves were written."""
    drawn = [line for line in source.splitlines() if "style=invis" not in line]
    whole = {(a, b) for a, b in edges("\n".join(line for line in drawn if "dir=none" not in line))}
    tails = {b if a.startswith("w") else a: a if a.startswith("w") else b for a, b in edges("\n".join(drawn), "dir=none")}
    heads = {a: b for a, b in whole if a.startswith("w")}
    return {(a, b) for a, b in whole if not a.startswith("w")} | {(tail, heads[word]) for tail, word in tails.items()}


NAMES = ["<b>", "a:b", "a\\", "\\N", '"', "a\nb", "🐍", "\x00\x1b", "x" * 20_000, "<", "&amp;", "", "a b", "ü", "]]>", "\ud800"]


@pytest.mark.dot
@pytest.mark.parametrize("level", ["named", "op", "scalar"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_any_name_is_shown_as_text(direction: str, level: str) -> None:
    y = tg.Tensor([1.0, 2.0], requires_grad=True, name="start")
    for name in NAMES:
        with tg.scope(f"in {name}"):
            y = tg.tanh(y).named(name)
    picture = tg.draw(
        y.sum().named("L"), direction=direction, level=level, local=True, title="<T> &\\N" + "t" * 9999, max_nodes=999
    )
    texts = [text.replace("\u200b", "") for text in svg_texts(picture.source)]
    for shown in ("<b>", "a:b", "a\\", "\\N", '"', "🐍", "&amp;", "]]>"):
        assert any(text.startswith(shown) for text in texts), shown
        assert any(text == f"in {shown}" for text in texts), shown
    assert any(text.startswith("<T> &\\N") for text in texts)
    assert max(len(t) for t in texts) < 250


@pytest.mark.dot
@pytest.mark.parametrize("groups", ["folded", True])
def test_any_name_of_a_block_is_shown_as_text(groups: str | bool) -> None:
    y = tg.Tensor([1.0, 2.0], requires_grad=True, name="start")
    for name in NAMES:
        with tg.scope(name):
            y = tg.tanh(tg.tanh(y))
    picture = tg.draw(y.sum().named("L"), level="op", groups=groups)
    texts = [text.replace("\u200b", "") for text in svg_texts(picture.source)]
    for shown in ("<b>", "a:b", "a\\", "\\N", '"', "🐍", "&amp;", "]]>"):
        assert any(text == shown for text in texts), shown


@pytest.mark.dot
def test_a_name_cannot_run_or_open_anything() -> None:
    y = leaf(1.0, "start")
    for name in ("<script>alert(1)</script>", '" URL="javascript:alert(1)', "</TD></TR></TABLE>> onload=x", "a<IMG SRC='x'/>"):
        y = tg.tanh(y).named(name)
    for options in ({}, {"level": "op"}, {"direction": "both"}):
        svg = layout_or_skip(tg.draw(y, title="<B>bold</B><script>", **options).source)
        names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
        assert names <= {"svg", "g", "title", "polygon", "polyline", "path", "text", "ellipse"}
        attributes = {name for element in ElementTree.fromstring(svg).iter() for name in element.attrib}
        assert not [name for name in attributes if name.endswith("href") or name.startswith("on")]


@pytest.mark.dot
@pytest.mark.parametrize("name", ["f.svg", "f.png", "f.pdf", "f.dot"])
def test_draw_writes_a_file(name: str, tmp_path: Path) -> None:
    try:
        picture = tg.draw(note.network()["L"], to=tmp_path / name)
    except NoGraphvizError as error:
        pytest.skip(str(error))
    start = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}[name[2:]]
    assert start in (tmp_path / name).read_bytes()[:600]
    assert isinstance(picture, Picture)
    assert isinstance(picture, graphviz.Digraph)


def models() -> dict[str, tg.Tensor]:
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(3, 4)), name="x")
    w = tg.Tensor(rng.normal(size=(4, 4)), requires_grad=True, name="w")
    residual = (x + tg.relu(x @ w)).named("r")
    scores = tg.softmax(residual @ residual.T / 2.0).named("attention")
    unnamed = tg.Tensor(rng.normal(size=4), requires_grad=True)
    return {
        "residual": (residual * residual).sum().named("L"),
        "attention": (scores @ residual).mean().named("L"),
        "nothing is named": (unnamed * unnamed).sum(),
        "an interior node without a name, used twice": (tg.exp(w) * tg.exp(w) + tg.exp(w).sum()).sum().named("L"),
        "a name for two tensors": tg.tanh(tg.tanh(w).named("h")).named("h").sum().named("L"),
        "the loss is a parameter": tg.Tensor(2.0, requires_grad=True, name="L") * 1.0,
        "called like a gradient": (tg.Tensor(2.0, requires_grad=True, name="dL/dL") * 3.0).named("L"),
        "integers and masks": tg.where(w > 0, w, 0.0)[[0, 0, 1]].max(axis=0).sum().named("L"),
    }


@pytest.mark.dot
@pytest.mark.parametrize("level", ["named", "op", "scalar"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("model", models())
def test_other_networks_can_be_drawn(model: str, direction: str, level: str) -> None:
    picture = tg.draw(models()[model], direction=direction, level=level, local=direction == "forward", values=True)
    assert len(svg_texts(picture.source)) > 2


@pytest.mark.dot
@pytest.mark.parametrize("rankdir", ["LR", "RL", "TB", "BT"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_every_direction_of_the_page(direction: str, rankdir: str) -> None:
    """Arrows end where they should, whichever way the columns were ordered."""
    values = note.network()
    with tg.scope("all"):
        again = tg.mse(tg.sigmoid(values["h2"] @ values["U"]), values["y"]).named("L")
    for root in (values["L"], again):
        flat = tg.draw(root, direction=direction, rankdir=rankdir)
        expected = tg.draw(root, direction=direction, groups=False)
        assert visible(flat.source) == visible(expected.source)
        assert f"rankdir={rankdir}" in flat.source
        assert len(svg_texts(flat.source)) > 10


# ---- cards: values, gradients, local derivatives ----------------------------------------------------------------------


def rows_of(root: tg.Tensor, **options: Any) -> list[str]:
    """The words of the cards, in order."""
    return re.findall(r">([^<>]+)</(?:FONT|TD|B)>", tg.draw(root, level="op", **options).source)


def test_a_card_has_name_operation_value_and_gradient() -> None:
    w, x = leaf(3.0, "w"), tg.Tensor(2.0, name="x")
    p = (w * x).named("p")
    assert rows_of(p) == ["w", "parameter", "value", "3", "gradient", "—", "x", "input", "value", "2",
                          "p", "= w ∗ x", "value", "6", "gradient", "—"]  # fmt: skip
    p.backward()
    assert rows_of(p) == ["w", "parameter", "value", "3", "gradient", "2", "x", "input", "value", "2",
                          "p", "= w ∗ x", "value", "6", "gradient", "1"]  # fmt: skip


def test_gradients_are_never_shown_as_0_and_never_computed_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    w = leaf([1.0, 2.0], "w")
    L = (w * w).sum().named("L")
    assert "—" in rows_of(L)
    monkeypatch.setattr(sys.modules["tinygrad_edu.drawing.draw"], "differentiate", None)
    rows_of(L)
    tg.draw(L)
    monkeypatch.undo()
    assert "—" not in rows_of(L, grads=True)
    assert w.grad is None, "a picture leaves nothing behind"
    assert "gradient" not in rows_of(L, grads=False)


def test_what_several_backward_passes_have_collected_is_shown_too() -> None:
    w = leaf(3.0, "w")
    L = (w * w).named("L")
    L.backward()
    assert ".grad" not in rows_of(L)
    L.backward()
    assert rows_of(L)[:8] == ["w", "parameter", "value", "3", "gradient", "6", ".grad", "12"]


def test_large_arrays_are_three_facts() -> None:
    w = leaf(np.arange(1000.0).reshape(10, 100), "w")
    rows = rows_of((w * 2).sum().named("L"), grads=False)
    assert rows[4:10] == ["min", "0", "mean", "500", "max", "999"]


def test_a_result_of_any_shape_is_drawn_forward() -> None:
    u = (leaf([1.0, 2.0], "w") * 3).named("u")
    for level in ("named", "op", "scalar"):
        assert "loss" not in tg.draw(u, level=level).source if level != "scalar" else True
    assert "∗ 3" in tg.draw(u, level="op", local=True).source
    with pytest.raises(tg.GradientError, match=r"shape is \(2,\)"):
        tg.draw(u, grads=True)


def test_local_derivatives_are_on_every_arrow() -> None:
    w, x = leaf(2.0, "w"), tg.Tensor(3.0, name="x")
    p = (w * x).named("p")
    source = tg.draw(tg.tanh(p).named("L"), level="op", local=True).source
    for label in ("∂p/∂w = x = 3", "∂p/∂x = w = 2", "∂𝓛/∂p = 1 − 𝓛 ∗ 𝓛 = 2.46e−05"):
        assert label in source, label
    source = tg.draw(note.network()["L"], local=True).source
    for label in ("· (W⁽²⁾)ᵀ", "∗ h⁽²⁾ ∗ (1 − h⁽²⁾)", "Σ over N", "(h⁽¹⁾)ᵀ ·"):
        assert label in source, label


def test_what_the_square_stands_for_is_said() -> None:
    a = leaf(np.ones((2, 3)), "a")
    L = tg.softmax(a).named("p").sum().named("L")
    assert "□ is the gradient that comes in" in tg.draw(L, direction="backward").source
    assert "□" not in tg.draw(note.network()["L"], direction="backward").source


# ---- scopes and large graphs -------------------------------------------------------------------------------------------


def layers(n: int) -> tg.Tensor:
    h = tg.Tensor(np.ones((2, 3)), name="x")
    for i in range(1, n + 1):
        with tg.scope(f"layer {i}"):
            w = tg.Tensor(np.eye(3) / i, requires_grad=True, name=f"W{i}")
            h = tg.tanh(h @ w).named(f"h{i}")
    return (h * h).mean().named("L")


@pytest.mark.dot
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_scopes_are_frames_nodes_or_nothing(direction: str) -> None:
    L = layers(3)
    texts = svg_texts(tg.draw(L, direction=direction).source)
    assert [t for t in texts if t.startswith("layer")] == ["layer 1", "layer 2", "layer 3"]
    assert "subgraph cluster" not in tg.draw(L, direction=direction, groups=False).source
    folded = svg_texts(tg.draw(L, direction=direction, groups="folded").source)
    assert "h⁽²⁾" not in folded
    assert folded.count("layer 2") == (1 if direction == "forward" else 2)
    assert folded.count("9 parameters") == 3
    assert folded.count("matmul, tanh") == 3
    some = svg_texts(tg.draw(L, direction=direction, groups=["layer 2"]).source)
    assert "h⁽¹⁾" in some
    assert "h⁽²⁾" not in some


def notice(picture: Picture) -> str:
    found = re.search(r"<BR/>([^<]*more than[^<]*)>", picture.source)
    return found[1].replace("\N{NARROW NO-BREAK SPACE}", " ") if found else ""


def test_a_graph_above_the_limit_folds_itself_and_says_so() -> None:
    L = layers(9)
    assert notice(tg.draw(L)) == ""
    assert notice(tg.draw(L, max_nodes=12)) == "20 values are more than 12: every scope is folded to one node"
    assert notice(tg.draw(L, max_nodes=6)) == "20 values are more than 6: folded to 3 runs of operations"
    assert "are more than 60: drawn on the level op" in notice(tg.draw(L, level="scalar", max_nodes=60))


@pytest.mark.dot
@pytest.mark.parametrize("level", ["named", "op", "scalar"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_two_thousand_operations(direction: str, level: str) -> None:
    x, w = tg.Tensor([1.0, 2.0], name="x"), leaf([0.5, 1.5], "w")
    h = x
    for _ in range(1000):
        h = tg.tanh(h * w)
    picture = tg.draw(h.sum().named("L"), direction=direction, level=level)
    assert re.search("more than [14]00: folded to 12 runs", notice(picture))
    assert 5 < len(svg_texts(picture.source)) < 200


def test_a_hundred_thousand_nodes_are_folded() -> None:
    h = leaf(0.1, "w")
    for i in range(50_000):
        h = tg.tanh(h + 1.0).named(f"h{i}")
    for options in ({}, {"level": "op"}, {"level": "scalar"}, {"direction": "backward"}):
        picture = tg.draw(h, **options)
        assert notice(picture).startswith(("50 001", "100 001"))
        assert len(picture.source) < 20_000


@pytest.mark.dot
@pytest.mark.parametrize("level", ["named", "op"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_scopes_side_by_side_can_be_laid_out(direction: str, level: str) -> None:
    h0 = leaf(2.0, "h0")
    with tg.scope("a"):
        h2 = ((h0 * h0).named("h1") ** 2).named("h2")
    with tg.scope("b"):
        h3 = (h0 * h0).named("h3")
    with tg.scope("c"):
        L = (h3 * h2).named("L")
    assert {"a", "b", "c"} <= set(svg_texts(tg.draw(L, direction=direction, level=level).source))


@pytest.mark.dot
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_folded_pictures_of_unnamed_values_with_numbers(direction: str) -> None:
    x = leaf([1.0, 2.0], "x")
    y = x * 2
    with tg.scope("layer"):
        h = tg.tanh(y)
    texts = svg_texts(tg.draw(h.sum().named("L"), direction=direction, groups="folded", values=True).source)
    assert "layer" in texts


@pytest.mark.dot
@pytest.mark.parametrize("level", ["named", "op"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_many_arrows_between_two_values_are_one(direction: str, level: str) -> None:
    x = leaf(1.0, "x")
    L = tg.stack([x] * 500).sum().named("L")
    texts = svg_texts(tg.draw(L, direction=direction, level=level).source)
    if direction == "forward":
        assert any(text.endswith("× 500") for text in texts)
    else:
        assert any("and 490 more" in text for text in texts)
    assert len(texts) < 120


def test_a_picture_of_few_names_stays_small_however_much_is_reused() -> None:
    y = leaf(1.0, "x")
    for _ in range(1000):
        y = tg.tanh(y)
    for direction in ("backward", "both"):
        assert len(tg.draw((y * y).named("L"), direction=direction).source) < 20_000


@pytest.mark.dot
def test_arrows_point_to_the_gradient_that_they_lead_to() -> None:
    """In the layout, not only in the text: the head of each arrow touches the node that it is for."""
    x = leaf(np.ones((2, 2)), "x")
    with tg.scope("b"):
        m = x.mean(axis=1, keepdims=True).named("m")
        c = (x - m).named("c")
        v = (c * c).mean(axis=1, keepdims=True).named("v")
        n = (c / tg.sqrt(v + 1)).named("n")
    source = tg.draw(((n + x) ** 2).mean().named("L"), direction="backward").source
    boxes, arrows = {}, []
    for group in ElementTree.fromstring(layout_or_skip(source)).iter("{http://www.w3.org/2000/svg}g"):
        title = group.findtext("{http://www.w3.org/2000/svg}title")
        shapes = [s for s in group.iter() if s.tag.endswith(("polygon", "path", "ellipse", "polyline"))]
        numbers = [[float(z) for z in re.findall(r"-?[\d.]+", s.get("points") or s.get("d") or "")] for s in shapes]
        if group.get("class") == "node":
            xs, ys = [z for found in numbers for z in found[::2]], [z for found in numbers for z in found[1::2]]
            if xs:
                boxes[title] = (min(xs), max(xs), min(ys), max(ys))
        elif group.get("class") == "edge" and any(s.get("stroke") == "#1e6b34" for s in shapes):
            heads = [found for s, found in zip(shapes, numbers, strict=True) if s.tag.endswith("polygon")]
            arrows.append((title, heads))
    backs = {(a, b) for a, b in edges(source, "#1E6B34", "dir=back")}
    assert len(backs) > 5
    checked = 0
    for title, heads in arrows:
        tail = re.split(r":|->", title)[0]
        head = re.split(r":|->", title.split("->")[1])[0]
        if (head, tail) not in backs or not heads:
            continue
        left, right, low, high = boxes[tail]
        points = list(zip(heads[0][::2], heads[0][1::2], strict=True))
        assert any(left - 8 <= px <= right + 8 and low - 8 <= py <= high + 8 for px, py in points), title
        checked += 1
    assert checked > 5


def test_from_top_to_bottom_the_shape_is_inside() -> None:
    u = (leaf(np.ones((2, 3)), "w") * 2).named("u")
    source = tg.draw(u.sum().named("L"), rankdir="TB").source
    assert re.search(r"\(2, 3\)</FONT></TD></TR><TR><TD>u<", source)
    assert "shape=plaintext" not in source.replace("shape=plaintext width=0", "")


def test_zoom_goes_through_draw() -> None:
    values = note.network()
    picture = tg.draw(values["L"], zoom=values["u2"], by=values["W2"], entry=(0, 1), title="one entry")
    assert "only l = j survives, here l = 1: 4 of 12 terms" in picture.source
    assert "one entry" in picture.source
    assert picture.source == tg.draw(values["L"], zoom="u2", by="W2", entry=(0, 1), title="one entry").source


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "up"}, r"no direction 'up'.*\n.*forward"),
        ({"level": "layer"}, r"no level 'layer'.*\n.*scalar"),
        ({"rankdir": "XY"}, r"no rankdir 'XY'.*\n.*LR"),
        ({"by": "W2"}, r"by and entry go with zoom"),
        ({"entry": (0, 0)}, r"by and entry go with zoom"),
        ({"groups": "foldd"}, r"no scope 'foldd'.*\n.*folded"),
        ({"groups": ["layer"]}, r"no scope 'layer'"),
        ({"max_nodes": 0}, r"max_nodes is 0"),
        ({"max_nodes": 2.5}, r"max_nodes is 2.5"),
    ],
)
def test_mistaken_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tg.draw(note.network()["L"], **options)


def test_mistaken_roots() -> None:
    with pytest.raises(TypeError, match="not a Tensor"):
        tg.draw(np.ones(3))  # type: ignore[arg-type]  # the mistake
    with pytest.raises(tg.GradientError, match=r"shape is \(2,\)"):
        tg.draw(leaf([1.0, 2.0], "v") * 2, direction="backward")
    with pytest.raises(tg.GradientError, match="nothing that it was computed from requires a gradient"):
        tg.draw(tg.Tensor(1.0) * 2, direction="both")
