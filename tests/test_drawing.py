"""The pictures of the named level: what is on them, and that any name and any graph can be drawn."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.drawing import NoGraphvizError, Picture
from tinygrad_edu.drawing.layout import layout

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def svg_texts(source: str) -> list[str]:
    try:
        drawn = layout(source, "svg")
    except NoGraphvizError as error:
        pytest.skip(str(error))
    root = ElementTree.fromstring(drawn)
    return [
        "".join(t.itertext()).replace("\u2002", "").replace("\xa0", " ").strip()
        for t in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def edges(source: str, *words: str) -> list[tuple[str, str]]:
    """The edges of the DOT text whose line holds all these words."""
    lines = [line for line in source.splitlines() if "->" in line and all(word in line for word in words)]
    return [(m[1], m[2]) for line in lines if (m := re.match(r"\s*(\w+) -> (\w+)", line))]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_the_pictures_in_the_readme_are_those_of_the_library(direction: str) -> None:
    """After a change that is meant: python -m tinygrad_edu lesson --out docs/pictures."""
    drawn = tg.draw(note.network()["L"], direction=direction)
    assert drawn.source == (PICTURES / f"{direction}.dot").read_text(encoding="utf-8")


def test_the_same_picture_in_another_process() -> None:
    code = "from tinygrad_edu import draw, note; print(draw(note.network()['L'], direction='backward').source)"
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == tg.draw(note.network()["L"], direction="backward").source.strip()


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
    dashed = {(names[a], names[b]) for a, b in edges(source, "dashed")}
    assert dashed == {
        ("x", "dL/dW1"), ("h1", "dL/du1"), ("h1", "dL/dW2"), ("W2", "dL/dh1"), ("h2", "dL/du2"), ("h2", "dL/dU"),
        ("U", "dL/dh2"), ("yhat", "dL/du3"), ("yhat", "dL/dyhat"), ("y", "dL/dyhat"),
    }  # fmt: skip
    flow = {frozenset((names[a], names[b])) for a, b in edges(source, "#1E6B34")}
    assert flow == {
        frozenset(("dL/dL", "dL/dyhat")), frozenset(("dL/dyhat", "dL/du3")), frozenset(("dL/du3", "dL/dU")),
        frozenset(("dL/du3", "dL/dc")), frozenset(("dL/du3", "dL/dh2")), frozenset(("dL/dh2", "dL/du2")),
        frozenset(("dL/du2", "dL/dW2")), frozenset(("dL/du2", "dL/db2")), frozenset(("dL/du2", "dL/dh1")),
        frozenset(("dL/dh1", "dL/du1")), frozenset(("dL/du1", "dL/dW1")), frozenset(("dL/du1", "dL/db1")),
    }  # fmt: skip


def test_a_value_used_twice_has_two_arrows() -> None:
    h = tg.tanh(tg.Tensor(0.5, requires_grad=True, name="w")).named("h")
    source = tg.draw((h * h).named("L")).source
    assert edges(source, "weight=10").count(("n1", "n2")) == 2


def test_a_parameter_that_feeds_two_values_is_drawn_once() -> None:
    w = tg.Tensor(np.ones((2, 2)), requires_grad=True, name="w")
    h = tg.tanh(w @ w).named("h")
    L = (h @ w).sum().named("L")
    for direction in ("forward", "backward"):
        source = tg.draw(L, direction=direction).source
        assert source.count("label=w ") + source.count("\\nw") + source.count("label=w]") == 1, source


NAMES = ["<b>", "a:b", "a\\", "\\N", '"', "a\nb", "🐍", "\x00\x1b", "x" * 20_000, "<", "&amp;", "", "a b", "ü", "]]>", "\ud800"]


@pytest.mark.dot
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_any_name_is_shown_as_text(direction: str) -> None:
    y = tg.Tensor([1.0, 2.0], requires_grad=True, name="start")
    for name in NAMES:
        y = tg.tanh(y).named(name)
    texts = svg_texts(tg.draw(y.sum().named("L"), direction=direction).source)
    for shown in ("<b>", "a:b", "a\\", "\\N", '"', "🐍", "&amp;", "]]>"):
        assert any(shown in t for t in texts), shown
    assert max(len(t) for t in texts) < 200


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
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("model", models())
def test_other_networks_can_be_drawn(model: str, direction: str) -> None:
    root = models()[model]
    assert len(svg_texts(tg.draw(root, direction=direction).source)) > 2


@pytest.mark.dot
@pytest.mark.parametrize("level", ["op", "scalar"])
def test_other_levels_can_be_drawn(level: str) -> None:
    assert len(svg_texts(tg.draw(note.network(2, 2, 2, 1)["L"], level=level).source)) > 20


def test_mistaken_calls() -> None:
    L = note.network()["L"]
    with pytest.raises(ValueError, match=r"no direction 'up'.*\n.*forward"):
        tg.draw(L, direction="up")
    with pytest.raises(ValueError, match="level"):
        tg.draw(L, direction="backward", level="op")
    with pytest.raises(tg.GradientError):
        tg.draw(tg.Tensor([1.0, 2.0], requires_grad=True, name="v") * 2, direction="backward")
