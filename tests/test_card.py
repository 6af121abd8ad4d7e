"""The card that Jupyter shows of a tensor: what is on it, and that any name is shown as text."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg

TAGS = {"div", "table", "tr", "td", "span", "b", "i", "bdi"}
COLOURS = {"color:inherit", "background:transparent", "border:none", "border:1px solid"}  # the page's, dark or light


class Reader(HTMLParser):
    """Reads a card: its texts, and the cells of its outer table; refuses what is not balanced or not known."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []
        self.rows: dict[str, list[list[str]]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert [name for name, _ in attributes] in ([], ["style"]), attributes
        for _, style in attributes:
            assert style is not None
            assert set(re.findall(r"\b(?:color|background|border):[^;]*", style)) <= COLOURS, "a colour of its own"
            assert "url" not in style
        self.open.append(tag)
        if tag == "tr" and self.open.count("table") == 2:
            self.rows[self.row].append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: Any) -> None:
        raise AssertionError(tag)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    handle_pi = unknown_decl = handle_comment = handle_decl

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open[-1] == "span" and "td" in self.open:
            self.row = data
            self.rows[data] = []
        elif self.open.count("table") == 2:
            self.rows[self.row][-1].append(data)
        elif "td" in self.open:
            self.rows[self.row].append([data])


def read(t: tg.Tensor) -> Reader:
    return Reader(t._repr_html_())


def test_a_parameter_before_and_after_backward() -> None:
    w = tg.Tensor([[1.0, -2.0, 3.0], [0.5, 1e-7, 6.0]], requires_grad=True, name="W1", dims="F d1")
    card = read(w)
    assert card.texts[:3] == ["W1", " ", "(F, d1) = (2, 3) · float64"]
    assert card.rows == {
        "origin": [["leaf · requires_grad"]],
        "value": [["1", "−2", "3"], ["0.5", "1e−07", "6"]],
        "gradient": [["—"]],
    }
    (w * w).sum().backward()
    assert read(w).rows["gradient"] == [["2", "−4", "6"], ["1", "2e−07", "12"]]
    w.zero_grad()
    assert read(w).rows["gradient"] == [["—"]]


def test_a_gradient_that_is_zero_is_shown_as_zero() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    (w * 0.0).sum().backward()
    assert read(w).rows["gradient"] == [["0", "0"]]


def test_results_and_constants() -> None:
    x = tg.Tensor([[1, 2, 3]], name="x")
    w = tg.Tensor(2.0, requires_grad=True, name="w")
    assert read(x).rows == {"origin": [["leaf"]], "value": [["1", "2", "3"]]}  # no gradient will come: no row for it
    h = tg.tanh(x * w)
    assert read(h).texts[:3] == ["unnamed", " ", "(1, 3) · float64"]
    assert read(h).rows["origin"] == [["result of tanh · requires_grad"]]
    assert read(h).rows["gradient"] == [["—"]]
    h.retain_grad()
    h.sum().backward()
    assert read(h).rows["gradient"] == [["1", "1", "1"]]
    assert read(x * 2).rows["origin"] == [["result of multiply"]]
    with tg.no_grad():
        assert read(w * 2).rows == {"origin": [["result of multiply, not recorded (no_grad)"]], "value": [["4"]]}


def test_dimension_letters() -> None:
    assert read(tg.Tensor([1.0, 2.0], dims="N")).texts[2] == "(N,) = (2,) · float64"
    assert read(tg.Tensor(np.float32(2))).texts[2] == "() · float32"
    t = tg.Tensor([[1.0]], dims="N F")
    t.dims = ("N",)  # a card does not complain
    assert read(t).texts[2] == "(1, 1) · float64"
    assert read(tg.Tensor([[1.0]], dims=("<b>", "&"))).texts[2] == "(<b>, &) = (1, 1) · float64"


def test_many_numbers_are_told_by_three() -> None:
    t = tg.Tensor(np.arange(10_000.0).reshape(100, 100), requires_grad=True)
    (t * t).sum().backward()
    assert read(t).rows["value"] == [["min 0, mean 5e+03, max 1e+04"]]
    assert read(t).rows["gradient"] == [["min 0, mean 1e+04, max 2e+04"]]
    assert len(t._repr_html_()) < 2000
    assert read(tg.Tensor(np.zeros((0, 3)))).rows["value"] == [["size 0"]]
    assert read(tg.Tensor([np.nan, np.inf, -np.inf])).rows["value"] == [["NaN", "∞", "−∞"]]
    assert read(tg.Tensor([True, False])).rows["value"] == [["True", "False"]]


HOSTILE = {
    "<b>bold</b>": "<b>bold</b>",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    '"onmouseover="alert(1)"': '"onmouseover="alert(1)"',
    "'><img src=x onerror=alert(1)>": "'><img src=x onerror=alert(1)>",
    "</td></tr></table></div>": "</td></tr></table></div>",
    "<!-- ": "<!-- ",
    "&amp;&lt;&#60;": "&amp;&lt;&#60;",
    "]]>": "]]>",
    "a\\": "a\\",
    "\\N": "\\N",
    "$x$ `y`": "$x$ `y`",
    "a\nb\tc": "a↵b⇥c",
    "\x00\x1b[31m\x7f\x85": "��[31m��",
    "evil\u202etxt.exe": "evil�txt.exe",
    "\u2066\u2028": "��",
    "\ud800": "�",
    "🐍 ü ŷ": "🐍 ü ŷ",
    "👩\u200d🔬": "👩\u200d🔬",
    "x" * 20_000: "x" * 59 + "…",
    "<" * 20_000: "<" * 59 + "…",
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_any_name_is_shown_as_text(name: str, shown: str) -> None:
    t = tg.Tensor([1.0, 2.0], name=name, requires_grad=True)
    plain = tg.Tensor([1.0, 2.0], name="plain", requires_grad=True)
    card = read(t)
    assert "".join(card.texts[: card.texts.index(" ")] if " " in card.texts else card.texts) == shown
    text = t._repr_html_()
    text.encode()  # no lone surrogates
    assert text.replace(html.escape(shown), "plain") == plain._repr_html_()


def test_an_empty_name_is_not_no_name() -> None:
    assert "unnamed" not in read(tg.Tensor(1.0, name="")).texts


def test_the_text_beside_the_card_is_the_repr() -> None:
    """Jupyter takes text/plain from the repr where an object only has HTML."""
    t = tg.Tensor([1.0, 2.0], name="w")
    assert not any(hasattr(t, name) for name in ("_repr_mimebundle_", "_repr_pretty_", "_ipython_display_"))
    assert repr(t) == "Tensor([1., 2.], name='w')"


def test_the_same_card_in_another_process() -> None:
    code = "import tinygrad_edu as tg; print(ascii(tg.tanh(tg.Tensor([1.0], name='<', requires_grad=True))._repr_html_()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ascii(tg.tanh(tg.Tensor([1.0], name="<", requires_grad=True))._repr_html_())


def test_starting_does_not_load_html() -> None:
    code = "import sys, numpy; before = 'html' in sys.modules; import tinygrad_edu; print(before, 'html' in sys.modules)"
    before, after = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert before == after
