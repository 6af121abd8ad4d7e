"""The gallery: the code on the page draws the pictures on the page, and every word of them can be read."""

from __future__ import annotations

import html
import re
import runpy
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from tinygrad_edu.drawing import NoGraphvizError
from tinygrad_edu.drawing.layout import layout

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "pictures" / "gallery"
REBUILD = "after a change that is meant: python docs/build_gallery.py, and look at the pictures"
SVG = "{http://www.w3.org/2000/svg}"

FIGURES: dict[str, Any] = {figure.name: figure for figure in runpy.run_path(str(DOCS / "build_gallery.py"))["figures"]()}

# What must be on the pictures: names, operations, and numbers that were computed by hand.
WORDS = {
    "note-forward": ["x", "W⁽¹⁾", "b⁽¹⁾", "u⁽¹⁾", "h⁽¹⁾", "W⁽²⁾", "u⁽³⁾", "ŷ", "y", "𝓛", "tanh", "sig", "bce", "(d₁, d₂)"],
    "note-backward": ["∂𝓛/∂u⁽³⁾", "∂𝓛/∂W⁽¹⁾", "· (W⁽²⁾)ᵀ", "(h⁽²⁾)ᵀ ·", "∗ h⁽²⁾ ∗ (1 − h⁽²⁾)", "Σ over N", "xᵀ ·", "⊗ U"],
    "note-both": ["tanh", "∗ (1 − h⁽¹⁾ ∗ h⁽¹⁾)", "∂𝓛/∂c", "N = 2, F = 2, d₁ = 2, d₂ = 1"],
    "neuron": ["= tanh(n)", "∂n/∂b = 1", "∂o/∂n = 1 − o ∗ o = 0.5", "∂t⁽¹⁾/∂w⁽¹⁾ = x⁽¹⁾ = 2", "0.707", "6.88"],
    "neuron-backward": ["∂o/∂w⁽¹⁾", "∂o/∂b", "∗ (1 − o ∗ o)", "∗ x⁽¹⁾", "0.5"],
    "layer": ["= x · W", "= relu(u)", "= mean(t⁽²⁾)", "(N, d)", "−5.2", "7.84", "2.37"],
    "used-twice": ["∂𝓛/∂h", "∂𝓛/∂a ∗ (1 − a ∗ a)", "+", "=", "∗ a", "0.462", "0.393", "0.855"],
    "square": ["∂y/∂x = x = 3", "= x ∗ x", "6", "9"],
    "bias": ["Σ over N", "∗ u", "= h + b", "21", "89.5"],
    "scalars": ["x[0,1]", "W[1,1]", "= x[0,1] ∗ W[1,0]", "7"],
    "zoom-product": ["only l = j survives, here l = 1: 4 of 12 terms", "∂u⁽²⁾[k,l]/∂W⁽²⁾[i,j] = h⁽¹⁾[k,i] if l = j, else 0"],
    "zoom-softmax": ["z", "p", "0.629", "−0.145", "0.233", "only k = i survives, here k = 0: 3 of 6 terms"],
    "scopes": ["layer 1", "layer 2", "layer 3", "W⁽³⁾", "tanh"],
    "scopes-folded": ["layer 1", "layer 3", "matmul, add, tanh", "20 parameters"],
    "folded-itself": ["h751 … h1000", "2 004 operations and given values are more than 8: folded to 4 runs of operations"],
    "paths": ["The sum over all paths", "4 paths, 8 products", "The sweep", "4 edges, 4 products", "∂c/∂a = 2 + 2 = 4"],
    "ladder": ["1 024 paths, 10 240 products", "20 edges, 20 products", "∂y⁽¹⁰⁾/∂x = 512 + 512 = 1024"],
    "gradient-graph": ["∂𝓛/∂w", "= 𝓛 ∗ 𝓛", "= 1 − t⁽²⁾", "0.42", "0.21"],
    "second-derivative": ["∂𝓛/∂w", "∗ (1 − 𝓛 ∗ 𝓛)", "0.786", "−0.924", "−0.727"],
    "attention": ["q", "v", "k", "∂𝓛/∂q", "· vᵀ", "aᵀ ·", "(T, S)", "T = 6, d = 4, S = 5"],
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> dict[str, ElementTree.Element]:
    """The SVG of each picture, laid out by the Graphviz of this machine."""
    try:
        return {name: ElementTree.fromstring(layout(figure.draw().source, "svg")) for name, figure in FIGURES.items()}
    except NoGraphvizError as error:
        pytest.skip(str(error))


def committed() -> dict[str, ElementTree.Element]:
    return {name: ElementTree.fromstring((FOLDER / f"{name}.svg").read_bytes()) for name in FIGURES}


def plain(text: str) -> str:
    return " ".join(re.sub(r"[\u2002\u202f\xa0]", " ", text).split())


def texts_of(svg: ElementTree.Element) -> list[str]:
    return [plain("".join(t.itertext())) for t in svg.iter(f"{SVG}text")]


def texts_of_dot(source: str) -> list[str]:
    """The lines of all labels, HTML-like ones without their tags."""
    found = []
    for match in re.finditer(r'label=(?:<<(.*)>>|<(.*?)>|"((?:[^"\\]|\\.)*)"|([^\s\]"<]+))(?=[ \n\]])', source):
        marked = match[1] if match[1] is not None else match[2]
        if marked is None:
            lines = re.split(r"\\[nlr]", match[3] if match[3] is not None else match[4])
        else:
            lines = re.split(r"<[^>]*>", f"<{marked}>" if match[1] is not None else marked)
        found += [plain(html.unescape(line).replace("\\\\", "\\")) for line in lines]
    return [line for line in found if line]


def check_words(name: str, svg: ElementTree.Element, source: str) -> None:
    texts = texts_of(svg)
    assert sorted(filter(None, texts)) == sorted(texts_of_dot(source)), name
    assert [word for word in WORDS[name] if plain(word) not in texts] == [], (name, texts)


class Word(NamedTuple):
    """A text in an SVG, and the box that it fills at least: as if its letters were narrow."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    def covers(self, other: Word) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def holds(self, x: float, y: float) -> bool:
        return self.left < x < self.right and self.top < y < self.bottom


def words_of(svg: ElementTree.Element) -> list[Word]:
    found = []
    for element in svg.iter(f"{SVG}text"):
        text = plain("".join(element.itertext()))
        x, y, size = (float(element.attrib[key]) for key in ("x", "y", "font-size"))
        width = 0.35 * size * len(re.sub("[⁽⁾⁰-₉]", "", text))
        left = {"start": x, "middle": x - width / 2, "end": x - width}[element.attrib["text-anchor"]]
        found += [Word(text, left, left + width, y - 0.6 * size, y)] if text else []
    return found


def check_places(name: str, svg: ElementTree.Element, source: str) -> None:
    """No word is outside of the picture or on another word, and no arrow goes through one."""
    _, _, width, height = (float(n) for n in svg.attrib["viewBox"].split())
    shift = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", svg.find(f"{SVG}g").attrib["transform"])
    assert shift is not None
    page = Word("", -float(shift[1]), width - float(shift[1]), -float(shift[2]), height - float(shift[2]))
    words = words_of(svg)
    outside = [w for w in words if not (page.holds(w.left, w.top) and page.holds(w.right, w.bottom))]
    assert outside == [], name
    assert [(v, w) for v, w in combinations(words, 2) if v.covers(w)] == [], name
    if "outputorder=edgesfirst" not in source:  # there, the white cells of a table lie on the arrows
        points = [point for path in arrows_of(svg) for point in path]
        assert [(w, point) for w in words for point in points if w.holds(*point)] == [], name


def arrows_of(svg: ElementTree.Element) -> Iterator[list[tuple[float, float]]]:
    """Points along each arrow, which is a chain of cubic Bézier curves."""
    for group in svg.iter(f"{SVG}g"):
        for path in group.findall(f"{SVG}path") if group.get("class") == "edge" else ():
            ends = [complex(*map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", path.attrib["d"])]
            curve = [
                (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
                for a, b, c, d in zip(ends[:-1:3], ends[1::3], ends[2::3], ends[3::3], strict=True)
                for t in (i / 40 for i in range(41))
            ]
            yield [(z.real, z.imag) for z in curve]


def check_ids(figures: dict[str, ElementTree.Element]) -> None:
    """All of them in one page."""
    page = ElementTree.Element("page")
    page.extend(figures.values())
    ids = [element.attrib["id"] for element in page.iter() if "id" in element.attrib]
    assert len(ids) > 500
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", FIGURES)
def test_the_code_draws_the_picture_on_the_page(name: str) -> None:
    figure = FIGURES[name]
    lines = figure.code.splitlines()
    assert len(lines) <= 12
    assert lines[-1].startswith("picture = tg.draw")
    assert len(figure.words) > 20
    assert figure.draw().source == (FOLDER / f"{name}.dot").read_text(encoding="utf-8"), REBUILD


def test_every_block_and_every_file_is_a_picture_of_the_page() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert len(FIGURES) == page.count("```python") == page.count("](pictures/") == page.count("\n## ")
    assert set(FIGURES) == set(WORDS)
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.{ending}" for name in FIGURES for ending in ("svg", "dot")}


def test_the_pictures_on_the_page_show_every_word() -> None:
    for name, svg in committed().items():
        check_words(name, svg, (FOLDER / f"{name}.dot").read_text(encoding="utf-8"))
        check_places(name, svg, (FOLDER / f"{name}.dot").read_text(encoding="utf-8"))
    check_ids(committed())


@pytest.mark.dot
def test_the_pictures_of_this_machine_show_every_word(drawn: dict[str, ElementTree.Element]) -> None:
    for name, svg in drawn.items():
        check_words(name, svg, (FOLDER / f"{name}.dot").read_text(encoding="utf-8"))
        check_places(name, svg, (FOLDER / f"{name}.dot").read_text(encoding="utf-8"))
    check_ids(drawn)
