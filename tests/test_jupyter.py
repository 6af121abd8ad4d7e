"""What Jupyter shows of a graph and of a picture: the SVG and a text, or the text with what is missing."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.drawing import Picture

SVG, TEXT, PNG = "image/svg+xml", "text/plain", "image/png"
REMEDIES = ("package manager", 'pip install "tinygrad-edu[dot]"')


def hide_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def hide_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if not Path(folder, "pygraphviz").exists()])


@pytest.fixture(params=["program", "wheel"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that can draw, in one way only."""
    if request.param == "program":
        if shutil.which("dot") is None:
            pytest.skip("there is no dot program here")
        hide_wheel(monkeypatch)
    else:
        if importlib.util.find_spec("pygraphviz") is None:
            pytest.skip("the pygraphviz wheel is not installed")
        hide_program(monkeypatch)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any Graphviz."""
    hide_program(monkeypatch)
    hide_wheel(monkeypatch)


def texts(svg: Any) -> str:
    """Everything that is written on the picture."""
    words = ("".join(text.itertext()) for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))
    return " | ".join(words).replace("\xa0", " ")


def neuron(level: str = "named") -> Any:
    x, w = tg.Tensor(3.0, name="x"), tg.Tensor(2.0, requires_grad=True, name="W1")
    return tg.graph(tg.tanh(x * w).named("yhat"), level=level)


# ---- a graph -----------------------------------------------------------------------------------------------------


@pytest.mark.dot
@pytest.mark.parametrize("level", ["named", "op", "scalar"])
def test_a_graph_is_its_picture_and_its_equations(machine: None, level: str) -> None:
    graph = neuron(level)
    bundle = graph._repr_mimebundle_()
    assert set(bundle) == {SVG, TEXT}
    assert bundle[TEXT] == str(graph)
    shown = texts(bundle[SVG])
    for node in graph:
        if not node.automatic:
            assert tg.pretty(node.name) in shown, shown
    assert bundle == graph._repr_mimebundle_(include=None, exclude=None)


@pytest.mark.dot
def test_a_graph_of_gradients_is_a_picture_too(machine: None) -> None:
    graph = tg.backward_graph(note.network()["L"])
    bundle = graph._repr_mimebundle_()
    assert bundle[TEXT] == str(graph)
    for name in ("∂𝓛/∂W⁽²⁾", "∂𝓛/∂u⁽³⁾"):
        assert name in texts(bundle[SVG])


def test_without_graphviz_a_graph_is_the_remedy_and_its_equations(bare: None) -> None:
    graph = neuron()
    bundle = graph._repr_mimebundle_()
    assert list(bundle) == [TEXT]
    remedy, blank, *equations = bundle[TEXT].splitlines()
    for words in REMEDIES:
        assert words in remedy
    assert blank == ""
    assert equations == str(graph).splitlines()
    assert equations[-1].endswith("= tanh(x ∗ W⁽¹⁾)")


def test_a_graph_that_is_too_large_for_a_picture_says_so() -> None:
    y = tg.Tensor(1.0, name="y")
    for _ in range(1000):
        y = (y * 2).named("y")
    graph = tg.graph(y)
    bundle = graph._repr_mimebundle_()
    assert list(bundle) == [TEXT]
    reason, blank, *lines = bundle[TEXT].splitlines()
    assert "tg.draw folds" in reason
    assert blank == ""
    assert lines == [*str(graph).splitlines()[:200], "... and 801 more lines"]
    assert graph._repr_mimebundle_(include=[SVG]) == {}


@pytest.mark.dot
def test_a_graph_gives_what_is_asked_for(machine: None) -> None:
    graph = neuron()
    assert set(graph._repr_mimebundle_(include=[SVG])) == {SVG}
    assert set(graph._repr_mimebundle_(include={PNG, TEXT, "text/html"})) == {PNG, TEXT}
    assert set(graph._repr_mimebundle_(exclude=[TEXT])) == {SVG}
    assert set(graph._repr_mimebundle_(exclude=[SVG])) == {TEXT}
    assert graph._repr_mimebundle_(include=[TEXT], exclude=[TEXT]) == {}


# ---- a picture ---------------------------------------------------------------------------------------------------


def chain() -> Picture:
    picture = Picture("chain")
    picture.edge("x", "y", label="tanh")
    return picture


@pytest.mark.dot
def test_a_picture_has_a_text_beside_it(machine: None) -> None:
    bundle = chain()._repr_mimebundle_()
    assert set(bundle) == {SVG, TEXT}
    assert texts(bundle[SVG]) == "x | y | tanh"
    assert bundle[TEXT] == repr(chain())
    assert "\n" not in repr(chain())


@pytest.mark.dot
@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (None, None, {SVG, TEXT}),
        (None, [], {SVG, TEXT}),
        (None, [TEXT], {SVG}),
        (None, [SVG], {TEXT}),
        (None, (SVG, TEXT), set()),
        ([SVG], None, {SVG}),
        ([TEXT], None, {TEXT}),
        ([PNG], None, {PNG}),
        ([PNG, TEXT], [PNG], {TEXT}),  # exclude has the last word
        ([PNG, "image/jpeg", SVG], [PNG], {"image/jpeg", SVG}),
        (["text/html"], None, set()),
        ([], None, set()),  # as in graphviz.Digraph
    ],
)
def test_include_and_exclude(machine: None, include: Any, exclude: Any, expected: set[str]) -> None:
    assert set(chain()._repr_mimebundle_(include, exclude)) == expected
    once = [None if these is None else iter(these) for these in (include, exclude)]
    assert set(chain()._repr_mimebundle_(*once)) == expected


@pytest.mark.dot
def test_what_is_not_asked_for_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picture, "_repr_image_svg_xml", lambda self: pytest.fail("a layout that nobody wants"))
    assert chain()._repr_mimebundle_(include=[TEXT]) == {TEXT: repr(chain())}
    assert chain()._repr_mimebundle_(exclude=[SVG]) == {TEXT: repr(chain())}


def test_without_graphviz_include_and_exclude_hold_too(bare: None) -> None:
    text = chain()._repr_mimebundle_()[TEXT]
    assert text.splitlines()[1:] == ["", *chain().source.splitlines()]
    assert chain()._repr_mimebundle_(include=[SVG, TEXT]) == {TEXT: text}
    assert chain()._repr_mimebundle_(include=[SVG]) == {}
    assert chain()._repr_mimebundle_(exclude=[TEXT]) == {}
    assert chain()._repr_mimebundle_(include=[TEXT]) == {TEXT: repr(chain())}  # nothing was to be drawn: nothing is missing


@pytest.mark.dot
def test_a_picture_that_graphviz_refuses_says_why(machine: None) -> None:
    bundle = Picture(body=["\ta -> -> b\n"])._repr_mimebundle_()
    assert list(bundle) == [TEXT]
    assert bundle[TEXT].startswith("Graphviz could not draw the graph: syntax error in line 2")


def test_text_that_was_unflattened_is_shown_in_the_same_way(bare: None) -> None:
    from tinygrad_edu.drawing.picture import DotText

    assert DotText("digraph { a -> b }")._repr_mimebundle_()[TEXT].endswith("\n\ndigraph { a -> b }")


def test_pictures_are_loaded_when_a_graph_is_shown_and_not_before() -> None:
    code = """if True:
        import sys, tinygrad_edu as tg
        graph = tg.graph(tg.tanh(tg.Tensor(1.0)))
        before = 'graphviz' in sys.modules
        graph._repr_mimebundle_(include=["text/plain"])
        print(before, 'graphviz' in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False True\n"
