"""The page: what it leaves out when it would be too large, and its language where there is no JavaScript."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.lessons import page as module
from tinygrad_edu.lessons.data import Data
from tinygrad_edu.lessons.page import page
from tinygrad_edu.lessons.program import program
from tinygrad_edu.lessons.stage import Stage, stage
from tinygrad_edu.lessons.steps import lesson_data

ORDER = [
    "the pictures number by number", "the pictures of the equations", "the derivation", "the lines in index notation",
    "the numbers inside of equations", "“What if?”", "the code",
]  # fmt: skip


@pytest.fixture(scope="module")
def parts() -> tuple[Data, Stage]:
    root = note.network()["L"]
    data = lesson_data(root, "es")
    data["program"], _ = program(root)
    return data, stage(root)


def within(text: str, name: str = "data") -> dict[str, Any]:
    (found,) = re.findall(rf'<script type="application/json" id="lesson-{name}">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def left_out(text: str) -> list[str]:
    found = re.search(r"So that the page does not become too large, it leaves out: ([^<]*)\.<", text)
    return found[1].split(", ") if found else []


@pytest.mark.dot
def test_a_page_that_is_too_large_leaves_out_one_part_after_another(
    parts: tuple[Data, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page(*parts)
    size, text, seen = len(whole.encode()), whole, 0
    assert not left_out(whole)
    while seen < len(ORDER):
        monkeypatch.setattr(module, "MOST_BYTES", len(text.encode()) - 1)
        text = page(*parts)
        assert left_out(text) == ORDER[: len(left_out(text))]
        assert len(left_out(text)) > seen
        seen = len(left_out(text))
        assert (seen < len(ORDER)) <= (len(text.encode()) <= module.MOST_BYTES)
        data = within(text)
        assert len(data["steps"]) == len(parts[0]["steps"])
        assert (data["program"] is None) == ("“What if?”" in left_out(text))
        assert ('id="zoom-' in text) == (ORDER[0] not in left_out(text))
        assert ('id="line-0-0"' in text) == (ORDER[2] not in left_out(text))
    assert len(text.encode()) < 0.6 * size
    assert "se omite: las figuras número por número, las figuras de las ecuaciones, la derivación" in text
    assert parts[0]["derivation"], "the data that was given is as it was"


def test_large_graphs_have_pages_that_are_not_too_large() -> None:
    h = tg.Tensor(np.ones((5, 4)))
    rng = np.random.default_rng(0)
    for _ in range(130):
        w, b = (tg.Tensor(rng.normal(size=s) / 2, requires_grad=True) for s in ((4, 4), (4,)))
        h = tg.tanh(h @ w + b)
    found = tg.lesson((h * h).mean())
    assert 400_000 < len(found.html.encode()) <= module.MOST_BYTES
    assert found.steps > 100


@pytest.mark.dot
def test_a_spanish_page_is_spanish_without_javascript(parts: tuple[Data, Stage]) -> None:
    text = page(*parts)
    shown = re.findall(r'<text[^>]* data-es="([^"]*)"[^>]*>([^<]*)</text>', text)
    assert len(shown) > 10
    assert all(own.replace("&quot;", '"') == said.replace("&quot;", '"') for said, own in shown)
    assert "Σ sobre N" in {own for _, own in shown}
    pictures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    words = re.sub(r"<[^>]*>", " ", pictures)
    assert not re.search(r"\b(over|survives?|else|so|depends|input|backward)\b", words)


@pytest.mark.dot
def test_a_zoom_says_that_its_numbers_stay(parts: tuple[Data, Stage]) -> None:
    text = page(*parts)
    assert text.count('<p class="stale" hidden>') == len(parts[1].zooms) > 0


def test_without_a_program_the_page_can_still_evaluate_entries(parts: tuple[Data, Stage]) -> None:
    data: Data = {**parts[0], "program": None}
    text = page(data, parts[1])
    assert "log: each(" in text  # of the loss, which is one operation of the program
    assert "matmul:" not in text


def test_how_many_numbers_a_digest_stands_for() -> None:
    root = tg.tanh(tg.Tensor(np.ones((40, 48)), requires_grad=True, name="x")).mean().named("L")
    text = page(lesson_data(root), stage(root))
    assert "1920 numbers, too many to show: min 1, mean 1, max 1" in text
    assert "1920 números, demasiados para mostrarlos: min 1, media 1, max 1" in text


def test_what_is_no_node_is_written_with_the_names_of_the_nodes() -> None:
    u = tg.Tensor(np.eye(3), requires_grad=True, name="u2")
    root = tg.cross_entropy(u, np.array([0, 2, 1])).named("L")
    text = page(lesson_data(root), stage(root))
    found = json.dumps(within(text)["steps"], ensure_ascii=False)
    assert "softmax(u⁽²⁾)" in found
    assert "softmax(u2)" not in found


def test_the_entry_of_a_table_is_written_as_every_other() -> None:
    z = tg.Tensor(np.eye(3), requires_grad=True, name="z")
    root = tg.cross_entropy(z, tg.Tensor(np.array([0, 2, 1]), name="y")).named("L")
    text = page(lesson_data(root), stage(root))
    assert "<msub><mi>y</mi><mi>i</mi></msub></mrow><mo>=</mo><mi>j</mi>" in text
    assert "<mi>y</mi><mtext>[</mtext>" not in text
