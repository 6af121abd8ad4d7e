"""The lesson in a browser, as a reader has it: from disk, with nothing to fetch, with a strict policy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.lessons.steps import lesson_data
from tinygrad_edu.sweep import topological_order
from tinygrad_edu.visible import visible

from .test_lesson import within
from .test_lesson_data import attention, convolution, residual, scalars

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>window.stolen = 1</script>",
    '"><img src=x onerror="window.stolen = 1">',
    "x' onfocus='window.stolen=1' autofocus='",
    "</title><svg onload=window.stolen=1>",
    "javascript:window.stolen=1",
    "]]></math><script>window.stolen=1</script>",
    "${window.stolen=1}",
)


def hostile() -> tg.Tensor:
    w, v, x = (tg.Tensor([1.0, 2.0], requires_grad=True, name=name) for name in HOSTILE[:3])
    h = (tg.tanh(w * v) + x).named(HOSTILE[3])
    u = (h * h * w).named(HOSTILE[4])
    with tg.scope(HOSTILE[5]):
        return (u * tg.Tensor([1.0, 2.0], name=HOSTILE[6])).sum().named(HOSTILE[5])


NETWORKS: dict[str, Callable[[], tg.Tensor]] = {
    "note": lambda: note.network()["L"],
    "residual": residual,
    "scalars": scalars,
    "attention": attention,
    "convolution": convolution,
    "hostile": hostile,
}


# ---- the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason='needs Playwright: pip install "tinygrad-edu[browser]"')
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as running:
        try:
            found = running.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        except playwright.Error as error:
            pytest.skip(f"there is no browser here: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[tg.Tensor, Path]]:
    """The page of a network on disk, each written once."""
    folder = tmp_path_factory.mktemp("lessons")
    written: dict[str, tuple[tg.Tensor, Path]] = {}

    def find(name: str) -> tuple[tg.Tensor, Path]:
        if name not in written:
            root = NETWORKS[name]()
            tg.lesson(root, folder / f"{name}.html", title=HOSTILE[0] if name == "hostile" else None)
            written[name] = root, folder / f"{name}.html"
        return written[name]

    return find


@dataclass
class Reader:
    """A page that somebody reads, and what it did that it must not do."""

    page: Any
    said: list[str] = field(default_factory=list)

    def place(self) -> tuple[int, int]:
        here, count = self.page.locator("#place").inner_text().split(" / ")
        return int(here), int(count)

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that happens by itself; the policy of the page forbids to wait in it."""
        for _ in range(1000):
            if holds():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError("it did not happen within 20 seconds")

    def go(self, step: int) -> None:
        """To a step, from 1."""
        self.page.evaluate(f"location.hash = '#step={step}'")
        self.until(lambda: self.place()[0] == step)

    def playing(self) -> bool:
        return bool(self.page.evaluate("document.body.classList.contains('playing')"))

    def shown(self, where: str) -> bool:
        return bool(self.page.locator(where).first.is_visible())

    def text(self, where: str) -> str:
        return str(self.page.locator(where).first.inner_text())


@pytest.fixture
def read(browser: Any, lessons: Callable[..., tuple[tg.Tensor, Path]]) -> Iterator[Callable[..., Reader]]:
    """Opens the page of a network. Afterwards it must have said nothing and asked for nothing."""
    opened: list[tuple[Any, Reader]] = []

    def open_page(name: str | Path, address: str = "", **options: Any) -> Reader:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(20_000)
        page = context.new_page()
        reader = Reader(page)
        path = lessons(name)[1] if isinstance(name, str) else name
        page.on("console", lambda message: reader.said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: reader.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (reader.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))

        def only_itself(route: Any) -> None:
            if route.request.url.split("#")[0] == path.as_uri():
                route.continue_()
            else:
                reader.said.append(f"request: {route.request.url}")
                route.abort()

        page.route("**/*", only_itself)
        page.goto(path.as_uri() + address)
        opened.append((context, reader))
        return reader

    yield open_page
    for context, reader in opened:
        context.close()
        assert reader.said == []


# ---- steps


def test_every_control(read: Callable[..., Reader]) -> None:
    reader = read("note")
    page = reader.page
    count = reader.place()[1]
    assert reader.place() == (1, count)
    for button, expected in (("next", 2), ("next", 3), ("previous", 2), ("last", count), ("first", 1)):
        page.click(f"#go-{button}")
        assert reader.place()[0] == expected
    assert page.locator("#go-first").is_disabled()
    page.locator("#slider").fill("17")
    assert reader.place()[0] == 17
    page.uncheck("#ask")
    page.select_option("#speed", "4")
    page.locator("#slider").fill(str(count - 1))
    page.click("#play")
    reader.until(lambda: reader.place()[0] == count and not reader.playing())
    page.click("#views [data-view=forward]")
    assert page.locator('figure[data-sheet="forward"]').is_visible()
    page.click("#views [data-view=backward]")
    assert page.locator('figure[data-sheet="backward"]').is_visible()
    svg = page.locator('figure[data-sheet="backward"] svg')
    before = svg.bounding_box()["width"]
    page.click("[data-zoom=in]")
    assert svg.bounding_box()["width"] > before
    page.click("[data-zoom=out]")
    page.click("[data-zoom=out]")
    assert svg.bounding_box()["width"] < before


def test_the_keyboard_alone(read: Callable[..., Reader]) -> None:
    reader = read("note")
    count = reader.place()[1]
    for key, expected in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", count), ("Home", 1)):
        reader.key(key)
        assert reader.place()[0] == expected
    reader.key("Space")
    assert reader.playing()
    reader.until(lambda: reader.place()[0] > 1)
    reader.key("Space")
    assert not reader.playing()
    reached = set()
    for _ in range(120):
        reader.key("Tab")
        found = reader.page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.id || e.className?.baseVal || e.className || e.tagName, e.matches(':focus-visible'), s.outlineStyle] })()"
        )
        reached.add(str(found[0]))
        assert found[1], found
    assert {"language", "theme", "ask", "go-next", "play", "slider", "speed"} <= reached
    assert any("node" in name for name in reached), "the values of the picture"


def test_a_value_of_the_picture_by_keyboard(read: Callable[..., Reader]) -> None:
    """Enter selects a value, Enter again opens its equation, Escape closes it."""
    reader = read("note", "#step=50")
    node = reader.page.locator('figure[data-sheet="backward"] [data-node]').filter(has_text="u⁽²⁾").first
    node.focus()
    reader.key("Enter")
    assert "u" in reader.text("#inspected .about")
    reader.key("Enter")
    assert reader.page.locator("#sheets figure[id^=equation-]").is_visible()
    assert not reader.page.locator("figure[data-sheet]").first.is_visible()
    reader.key("Escape")
    assert reader.page.locator("figure[data-sheet=backward]").is_visible()
    assert reader.page.locator("#sheets figure[id^=equation-]").count() == 0


def test_the_picture_is_one_stop_and_arrows_go_inside(read: Callable[..., Reader]) -> None:
    reader = read("note", "#step=45")
    here = "document.activeElement.getAttribute('aria-label')"
    stops = reader.page.locator("#sheets figure:not([hidden]) [tabindex='0'][role=button]")
    assert stops.count() == 1
    stops.focus()
    assert reader.page.evaluate(here).startswith("x input (N, F)")
    reader.key("ArrowRight")
    assert reader.page.evaluate(here).startswith("u⁽¹⁾ (N, d₁), result")
    reader.key("ArrowDown")
    assert reader.page.evaluate(here).startswith("∂𝓛/∂u⁽¹⁾ (N, d₁), gradient")
    assert reader.place()[0] == 45, "the step stays"
    assert stops.count() == 1


def test_a_step_inside_of_an_equation_says_so_and_opens_it(read: Callable[..., Reader]) -> None:
    reader = read("note")
    reader.page.uncheck("#ask")
    nodes = lesson_data(note.network()["L"])
    inside = next(
        n for n, s in enumerate(nodes["steps"]) if s["kind"] == "contribution" and nodes["nodes"][s["node"]]["name"] == "t⁽³⁾"
    )
    reader.go(inside + 1)
    assert "t⁽³⁾ is inside the equation of u⁽³⁾" in reader.text("#inside")
    reader.page.click("#inside button")
    assert reader.page.locator("#sheets figure[id^=equation-] .node.now").count() == 1
    assert not reader.shown("#inside")
    reader.key("Home")
    assert reader.page.locator("#sheets figure[id^=equation-]").count() == 0, "x is not in it"


def test_number_by_number_is_of_the_entry_that_the_step_shows(read: Callable[..., Reader]) -> None:
    found = lesson_data(note.network()["L"])
    steps, nodes = found["steps"], found["nodes"]
    step = next(n for n, s in enumerate(steps) if s["kind"] == "contribution" and nodes[s["node"]]["key"] == "W1")
    reader = read("note")
    reader.page.uncheck("#ask")
    reader.go(step + 1)
    reader.page.locator("#inspected .opens button", has_text="Number by number").click()
    picture = reader.page.locator("#sheets figure[id^=zoom-] text", has_text="∂𝓛/∂W⁽¹⁾[").first.text_content()
    shown = ",".join(reader.page.locator(f"#pick-{i}").input_value() for i in (0, 1))
    assert picture.startswith(f"∂𝓛/∂W⁽¹⁾[{shown}]")


def test_a_step_has_an_address(read: Callable[..., Reader]) -> None:
    reader = read("note", "#step=17")
    assert reader.place()[0] == 17
    reader.key("ArrowRight")
    assert reader.page.url.endswith("#step=18")
    reader.page.go_back()
    reader.until(lambda: reader.place()[0] == 17)
    reader.page.locator("#steps td.n a").nth(3).click()
    reader.until(lambda: reader.place()[0] == 4)


def test_hovering_lights_the_twin(read: Callable[..., Reader]) -> None:
    reader = read("note", "#step=50")
    sheet = reader.page.locator('figure[data-sheet="backward"]')
    node = sheet.locator("[data-node]").filter(has_text="h⁽¹⁾").first
    place = node.get_attribute("data-node")
    node.hover()
    assert "lit" in sheet.locator(f'[data-gradient="{place}"]').get_attribute("class").split()
    node.click()
    shown = [
        float(text)
        for text in reader.page.locator("#inspected .of-value td > *").evaluate_all("all => all.map(e => e.title)")
        if text
    ]
    np.testing.assert_allclose(shown, note.network()["h1"].numpy().ravel(), rtol=1e-11)
    reader.page.click("#shown-as [data-shown=heat]")
    assert reader.page.locator("#inspected table.heat").count() > 0


GATHER = """
() => {
  const of = (where) => { const e = document.querySelector(where); return e && e.offsetParent ? e : null };
  const found = [];
  for (let n = 0; n < COUNT; n++) {
    if (n) document.getElementById("go-next").click();
    const table = of("[data-fact=result] table"), line = of("[data-fact=numbers] .written");
    const written = line && line.querySelector(".written").cloneNode(true);
    for (const from of written ? written.querySelectorAll("small") : []) from.remove();
    found.push([
      document.getElementById("place").textContent,
      table && [...table.querySelectorAll("tbody td > *")].map((e) => e.title),
      line && line.lastElementChild.textContent,
      document.getElementById("sentence").textContent,
      written && written.textContent,
    ]);
  }
  return found;
}
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_of_every_step_is_the_engines(
    name: str, read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]
) -> None:
    root, _ = lessons(name)
    reader = read(name)
    if reader.shown("#ask"):
        reader.page.uncheck("#ask")
    assert not reader.shown("#alarm"), reader.text("#alarm")
    found = lesson_data(root)
    steps, nodes = found["steps"], found["nodes"]
    tensors = {visible(t.name): t for t in topological_order([root]) if t.name is not None}
    own = 0
    for n, (step, shown) in enumerate(zip(steps, reader.page.evaluate(GATHER.replace("COUNT", str(len(steps)))), strict=True)):
        place, numbers, last, sentence, line = shown
        assert place == f"{n + 1} / {len(steps)}"
        assert sentence.replace("\u2060", "") == step["sentence"]["en"]
        if step["result"] is None:
            assert numbers is None
            continue
        expected = np.asarray(step["result"], float)
        t = tensors.get(nodes[step["node"]]["key"])
        if t is not None and step["kind"] in ("value", "finished"):  # from the engine, as anybody would ask it
            expected = np.ravel(t.numpy() if step["kind"] == "value" else tg.gradients(root, [t])[0])
            own += 1
        np.testing.assert_allclose([float(x) for x in numbers], expected, rtol=1e-10, atol=1e-300, err_msg=place)
        if last is not None:
            np.testing.assert_allclose(float(last.replace("−", "-")), expected[0], rtol=1e-5, atol=1e-12, err_msg=place)
        if line is not None and "…" not in line:  # as it is written there, with four digits
            near = 2e-3 * max(float(x) for x in re.findall(r"\d[\d.]*", line))
            np.testing.assert_allclose(worked_out(line), expected[0], rtol=1e-2, atol=near, err_msg=f"{place}: {line}")
    assert own >= 5


def worked_out(line: str) -> float:
    """The value of ``(−0.5) · 0.25² + tanh(1)``."""
    for sign, meant in (("−", "-"), ("·", "*"), ("²", "**2"), ("³", "**3"), ("[", "("), ("]", ")")):
        line = line.replace(sign, meant)
    known = {name: getattr(np, name) for name in ("tanh", "exp", "log")}
    known |= {"sig": lambda x: 1 / (1 + np.exp(-x)), "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "relu": lambda x: max(x, 0.0)}
    return float(eval(line, {"__builtins__": {}}, known))


@pytest.mark.parametrize("name", ["note", "convolution"])
def test_a_derivative_is_not_torn_in_a_sentence(name: str, read: Callable[..., Reader]) -> None:
    reader = read(name, viewport={"width": 375, "height": 780})
    if reader.shown("#ask"):
        reader.page.uncheck("#ask")
    lines = []
    for step in range(1, reader.place()[1] + 1):
        reader.go(step)
        lines += reader.page.evaluate("[...document.querySelectorAll('#sentence .partial-name')].map(e => e.offsetHeight)")
        assert reader.page.evaluate("document.getElementById('sentence').textContent.match(/\\/∂/g)?.length ?? 0") <= len(lines)
    assert len(lines) >= 10
    assert max(lines) < 1.5 * min(lines)


def test_a_comparison_is_written_as_one(read: Callable[..., Reader]) -> None:
    reader = read("convolution")
    if reader.shown("#ask"):
        reader.page.uncheck("#ask")
    lines = []
    for step in range(1, reader.place()[1] + 1):
        reader.go(step)
        if reader.shown("[data-fact=numbers] .written"):
            lines.append(reader.text("[data-fact=numbers] .written"))
    assert any(re.search(r"\[.* > 0\]", line, re.DOTALL) for line in lines)
    assert not any("greater" in line for line in lines)


def test_the_written_numbers_are_what_the_formula_says(read: Callable[..., Reader]) -> None:
    """∂𝓛/∂W⁽²⁾ at an entry that the reader picks: Σ over examples, from the engine's own arrays."""
    values = note.network()
    L, h1 = values["L"], values["h1"].numpy()
    du2 = tg.gradients(L, [values["u2"]])[0].numpy()
    reader = read("note")
    reader.page.uncheck("#ask")
    step = next(
        n for n, s in enumerate(lesson_data(L)["steps"]) if s["kind"] == "finished" and "∂W⁽²⁾" in s["formula_text"].split("=")[0]
    )
    reader.go(step + 1)
    for i, j in ((0, 1), (2, 0)):
        reader.page.select_option("#pick-0", str(i))
        reader.page.select_option("#pick-1", str(j))
        line = reader.page.locator("[data-fact=numbers] .written").first
        written = [float(t.strip("()").replace("−", "-")) for t in line.locator(".from b").all_inner_texts()]
        expected = {float(f"{x:.4g}") for x in (*h1[:, i], *du2[:, j])}
        assert {float(f"{x:.4g}") for x in written} == expected
        total = float(line.locator("> b").inner_text().replace("−", "-"))
        np.testing.assert_allclose(total, h1[:, i] @ du2[:, j], rtol=1e-5)


def test_a_part_of_a_gradient_is_not_called_the_gradient(read: Callable[..., Reader]) -> None:
    """Of two contributions none says that it is what the sum is."""
    reader = read("residual")
    reader.page.uncheck("#ask")
    steps = lesson_data(residual())["steps"]
    parts = [n for n, s in enumerate(steps) if s["kind"] == "sum"]
    name = next(n for n, s in enumerate(steps) if s["kind"] == "contribution" and s["node"] == steps[parts[0]]["node"])
    reader.go(name + 1)
    assert re.match(r"contribution to ∂𝓛/∂\S+: ", reader.text("[data-fact=numbers] .written"))
    single = next(n for n, s in enumerate(steps) if s["kind"] == "finished")
    reader.go(single + 1)
    assert reader.text("[data-fact=numbers] .written").startswith("∂𝓛/∂")


# ---- languages, themes, sizes, print


def test_both_languages(read: Callable[..., Reader]) -> None:
    reader = read("note", "#step=2")
    steps = lesson_data(note.network()["L"])["steps"]
    for lang, word in (("es", "Idioma"), ("en", "Language"), ("es", "Idioma")):
        reader.page.select_option("#language", lang)
        assert reader.page.evaluate("document.documentElement.lang") == lang
        assert reader.text("#sentence") == steps[1]["sentence"][lang]
        assert word in reader.text("header.top")
        other = "en" if lang == "es" else "es"
        visible = reader.page.evaluate(
            f"[...document.querySelectorAll('#steps [lang={other}]')].filter(e => e.offsetParent && e.textContent).length"
        )
        assert visible == 0
        assert (
            reader.page.title()
            == reader.text("h1")
            == f"{'Backpropagation of' if lang == 'en' else 'Propagación hacia atrás de'} 𝓛"
        )
    labels = reader.page.locator("nav.controls button").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert labels[3] == "Paso siguiente"


def test_a_page_that_opens_in_spanish(read: Callable[..., Reader], tmp_path: Path) -> None:
    path = tg.lesson(scalars(), lang="es").write(tmp_path / "lección.html")
    reader = read(path)
    assert reader.page.evaluate("document.documentElement.lang") == "es"
    assert reader.page.locator("#language").input_value() == "es"
    assert "Propagación hacia atrás" in reader.page.title()


def luminance(reader: Reader, where: str, what: str) -> float:
    colour = reader.page.locator(where).first.evaluate(f"e => getComputedStyle(e).{what}")
    return float(np.dot([float(x) for x in re.findall(r"[\d.]+", colour)[:3]], (0.2126, 0.7152, 0.0722)))


def test_light_and_dark(read: Callable[..., Reader]) -> None:
    light, dark = read("scalars", color_scheme="light"), read("scalars", color_scheme="dark")
    assert luminance(light, "body", "backgroundColor") > luminance(light, "body", "color") + 100
    assert luminance(dark, "body", "color") > luminance(dark, "body", "backgroundColor") + 100
    dark.page.select_option("#theme", "light")
    assert luminance(dark, "body", "backgroundColor") > 200
    light.page.select_option("#theme", "dark")
    assert luminance(light, "body", "backgroundColor") < 60


def test_print(read: Callable[..., Reader]) -> None:
    reader = read("note", "#step=5", color_scheme="dark")
    reader.page.emulate_media(media="print")
    for where in ("nav.controls", "header .settings", "#what-if-body"):
        assert not reader.shown(where), where
    for where in (
        "figure[data-sheet=forward]",
        "figure[data-sheet=backward]",
        "#derivation",
        "#code",
        "#steps",
        "#closer figure",
    ):
        assert reader.shown(where), where
    assert luminance(reader, "body", "backgroundColor") > 200, "paper is white"
    pdf = reader.page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000


def test_the_printed_sheets(read: Callable[..., Reader]) -> None:
    reader = read("residual")
    page = reader.page
    page.evaluate("window.print = () => { window.printed = document.documentElement.dataset.print; }")
    page.emulate_media(media="print")
    for sheet, answers in (("sheet", False), ("answers", True)):
        page.evaluate(f"document.querySelector('[data-print={sheet}]').click()")
        assert page.evaluate("window.printed") == sheet
        assert page.locator("#questions .sheet-questions > li").first.is_visible()
        assert page.locator("#questions .only-answers").is_visible() is answers
        assert not page.locator("#steps").is_visible()
        assert page.locator("figure[data-sheet=forward]").is_visible()
        assert page.locator("figure[data-sheet=backward]").is_visible() is answers, "its arrows have the formulas"


def test_reduced_motion(read: Callable[..., Reader]) -> None:
    reader = read("scalars", reduced_motion="reduce")
    moving = reader.page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
        " return Math.max(parseFloat(s.transitionDuration), parseFloat(s.animationDuration)) > 0.01 })"
        ".map(e => e.tagName + '.' + e.id)"
    )
    assert moving == []


@pytest.mark.parametrize(("name", "width"), [("note", 375), ("note", 800), ("attention", 375)])
def test_a_narrow_page(name: str, width: int, read: Callable[..., Reader]) -> None:
    reader = read(name, "#step=22", viewport={"width": width, "height": 780})
    count = reader.place()[1]
    for step in range(1, count + 1, 5):
        reader.go(step)
        assert reader.page.evaluate("document.scrollingElement.scrollWidth") <= width
    box = reader.page.locator("nav.controls").bounding_box()
    assert box["y"] + box["height"] <= 781, "the controls are in reach"
    assert reader.page.locator("#go-next").bounding_box()["height"] >= 24


COVERED = """
() => {
  const bar = document.querySelector("nav.controls").getBoundingClientRect().top, found = [];
  for (let n = 0; n < COUNT; n++) {
    if (n) document.getElementById("go-next").click();
    for (const where of ["#sentence", "[data-fact=formula]"]) {
      const e = document.querySelector(where);
      if (e.offsetParent && e.getBoundingClientRect().bottom > bar) found.push(`${where} at ${n + 1}`);
    }
  }
  return found;
}
"""


@pytest.mark.parametrize("name", ["note", "residual", "attention", "convolution"])
def test_the_step_is_read_without_scrolling(name: str, read: Callable[..., Reader]) -> None:
    """On a small laptop; the picture is next to the step or above it."""
    reader = read(name, viewport={"width": 1366, "height": 768})
    if reader.shown("#ask"):
        reader.page.uncheck("#ask")
    assert reader.page.evaluate(COVERED.replace("COUNT", str(reader.place()[1]))) == []


def test_without_javascript(browser: Any, lessons: Callable[..., tuple[tg.Tensor, Path]]) -> None:
    root, path = lessons("note")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    for where in (
        "figure[data-sheet=forward] svg",
        "figure[data-sheet=backward] svg",
        "#closer svg",
        "#derivation",
        "#code",
        "#steps",
    ):
        assert page.locator(where).first.is_visible(), where
    for where in ("nav.controls", "#step-panel", "#what-if", ".settings"):
        assert not page.locator(where).first.is_visible(), where
    steps = lesson_data(root)["steps"]
    rows = page.locator("#steps tbody tr")
    assert rows.count() == len(steps)
    for n in (0, 20, len(steps) - 1):
        assert steps[n]["sentence"]["en"] in rows.nth(n).inner_text()
        assert steps[n]["sentence"]["es"] not in rows.nth(n).inner_text()
    context.close()


# ---- what if


def fresh(x: Any, w2: Any, eta: float) -> tuple[float, float, dict[str, Any]]:
    """The note's network with other numbers, computed anew: the loss, the loss after a step, and every value and gradient."""
    values = note.network()
    given = {name: t.numpy() for name, t in values.items() if not t.inputs}
    given |= {"x": x, "W2": w2}

    def run(parameters: dict[str, Any]) -> tuple[tg.Tensor, dict[str, tg.Tensor]]:
        t = {name: tg.Tensor(a, requires_grad=name not in "xy", name=name) for name, a in parameters.items()}
        h1 = tg.tanh(t["x"] @ t["W1"] + t["b1"])
        h2 = tg.sigmoid(h1 @ t["W2"] + t["b2"])
        return tg.binary_cross_entropy(tg.sigmoid(h2 @ t["U"] + t["c"]), t["y"]), t

    loss, tensors = run(given)
    loss.backward()
    grads = {name: t.grad for name, t in tensors.items() if t.requires_grad}
    after, _ = run({name: a - eta * grads[name] if name in grads else a for name, a in given.items()})
    return loss.item(), after.item(), grads


def test_what_if_is_what_the_engine_would_find(read: Callable[..., Reader]) -> None:
    reader = read("note")
    page, values = reader.page, note.network()
    x, w2 = values["x"].numpy().copy(), values["W2"].numpy().copy()
    x[1, 0], w2[2, 1] = 2.5, -1.25
    page.locator('input[aria-label="x[1, 0]"]').fill("2.5")
    page.locator('input[aria-label="W⁽²⁾[2, 1]"]').fill("-1.25")
    page.fill("#rate", "0.7")
    loss, after, grads = fresh(x, w2, 0.7)
    read_number = lambda where: float(reader.text(where).replace("−", "-").replace("▼", "").replace("▲", ""))  # noqa: E731
    np.testing.assert_allclose(read_number("#loss-now"), loss, rtol=1e-5)
    np.testing.assert_allclose(read_number("#loss-after"), after, rtol=1e-5)
    np.testing.assert_allclose(read_number("#loss-recorded"), values["L"].item(), rtol=1e-5)
    np.testing.assert_allclose(read_number("#loss-change"), after - loss, rtol=1e-2)
    page.click("#all-values summary")
    rows = page.locator("#all-values tbody > tr").filter(has=page.locator("math"))
    found = {}
    for row in rows.all():
        label = row.locator("table").first.get_attribute("aria-label") if row.locator("table").count() else ""
        if row.locator("table").count() == 2:
            titles = (
                row.locator("table")
                .nth(1)
                .locator("tbody td > *")
                .evaluate_all("all => all.map(e => e.title.split('→').pop().trim())")
            )
            found[label] = [float(t.replace("−", "-")) for t in titles]
    for way, larger in (("up", True), ("down", False)):
        moved = page.locator(f"#all-values .{way}").evaluate_all("all => all.map(e => e.title.replaceAll('−', '-').split(' → '))")
        assert moved
        assert all((float(now) > float(then)) == larger for then, now in moved)
    for key, name in (("W⁽¹⁾", "W1"), ("b⁽¹⁾", "b1"), ("W⁽²⁾", "W2"), ("b⁽²⁾", "b2"), ("U", "U"), ("c", "c")):
        np.testing.assert_allclose(found[key], np.ravel(grads[name]), rtol=1e-6, atol=1e-10)
    page.click("#take-step")
    np.testing.assert_allclose(read_number("#loss-now"), after, rtol=1e-5)
    page.click("#reset")
    np.testing.assert_allclose(read_number("#loss-now"), values["L"].item(), rtol=1e-5)
    for rate in ("1e308", "0", "-1", "", "1e-300"):  # of which no curve, or a level one, can be drawn
        page.fill("#rate", rate)
        assert reader.shown("#curve") == (rate == "1e-300")


def test_of_a_part_the_page_does_not_claim_to_know_it(read: Callable[..., Reader], lessons: Any) -> None:
    """The page computes whole gradients anew: what one of several uses adds is then not shown."""
    reader = read("residual")
    steps = lesson_data(lessons("residual")[0])["steps"]
    count = Counter(step["node"] for step in steps if step["kind"] == "contribution")
    of_many = next(n for n, step in enumerate(steps) if step["kind"] == "contribution" and count[step["node"]] > 1)
    of_one = next(n for n, step in enumerate(steps) if step["kind"] == "contribution" and count[step["node"]] == 1)
    reader.page.uncheck("#ask")
    for changed in (False, True):
        if changed:
            reader.page.locator("input[data-leaf]").first.fill("2.5")
        reader.go(of_one + 1)
        assert reader.shown('[data-fact="result"]')
        reader.go(of_many + 1)
        assert reader.shown('[data-fact="result"]') != changed


def test_a_large_loss_that_does_not_move(read: Callable[..., Reader], tmp_path: Path) -> None:
    """The curve is level; afterwards nothing was said in the console."""
    w = tg.Tensor(3e20, requires_grad=True, name="w")
    tg.lesson((w + 0.5).named("L"), tmp_path / "x.html")
    reader = read(tmp_path / "x.html")
    path = reader.page.locator("#curve .line").get_attribute("d")
    assert len({float(point.split()[1]) for point in path[1:].split("L")}) == 1


def test_numbers_that_the_page_computes_otherwise_are_an_error(
    lessons: Callable[..., tuple[tg.Tensor, Path]], read: Callable[..., Reader], tmp_path: Path
) -> None:
    """The expected loss is changed in the file: the page compares, and says so."""
    text = lessons("scalars")[1].read_text(encoding="utf-8")
    program = within(type("Page", (), {"html": text})())["program"]
    value = program["expected"]["values"][str(max(map(int, program["expected"]["values"])))][0]
    broken = text.replace(json.dumps(value), json.dumps(value * 1.001))
    assert broken != text
    (tmp_path / "broken.html").write_text(broken, encoding="utf-8")
    reader = read(tmp_path / "broken.html")
    assert reader.shown("#alarm")
    assert "Error" in reader.text("#alarm")


# ---- questions


def questions_of(path: Path, kind: str) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    return next(q for q in within(type("Page", (), {"html": text})())["questions"] if q["kind"] == kind)


def test_a_choice_wrong_and_right(read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]) -> None:
    question = questions_of(lessons("note")[1], "choice")
    reader = read("note", f"#step={question['step'] + 1}")
    page = reader.page
    assert not reader.shown(".facts"), "the formula is hidden"
    assert reader.text("#sentence").replace("\u2060", "") == question["prompt"]["en"]
    for wrong in question["wrong"]:
        page.locator("#question input[type=radio]").nth(int(wrong["answer"])).check()
        page.click("#question button[type=submit]")
        assert wrong["diagnosis"]["en"] in reader.text("#question .verdict.wrong")
    page.select_option("#language", "es")
    page.locator("#question input[type=radio]").nth(int(wrong["answer"])).check()
    page.click("#question button[type=submit]")
    assert wrong["diagnosis"]["es"] in reader.text("#question .verdict.wrong")
    page.locator("#question input[type=radio]").nth(int(question["answer"])).check()
    page.click("#question button[type=submit]")
    assert reader.shown("#question .verdict.right")
    assert reader.shown(".facts")


def test_a_number_wrong_and_right(read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]) -> None:
    question = questions_of(lessons("note")[1], "number")
    reader = read("note", f"#step={question['step'] + 1}")
    page, answer = reader.page, page_field(reader)
    for text in ("", "many"):
        answer.fill(text)
        page.click("#question button[type=submit]")
        assert "Write a number" in reader.text("#question")
    for wrong in question["wrong"]:
        answer.fill(f"{wrong['answer']:.5g}".replace("-", "−").replace(".", ","))  # a decimal comma is read, too
        page.click("#question button[type=submit]")
        assert wrong["diagnosis"]["en"] in reader.text("#question .verdict.wrong")
    answer.fill("123456")
    page.click("#question button[type=submit]")
    assert "No single mistake explains it" in reader.text("#question .verdict.wrong")
    answer.fill(f"{question['answer']:.4g}".replace(".", ","))
    page.click("#question button[type=submit]")
    assert reader.shown("#question .verdict.right")
    assert reader.shown(".facts")


def page_field(reader: Reader) -> Any:
    return reader.page.locator("#question input[name=number]")


def test_answers_can_be_shown_and_questions_switched_off(
    read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]
) -> None:
    question = questions_of(lessons("note")[1], "choice")
    reader = read("note", f"#step={question['step'] + 1}")
    reader.page.uncheck("#ask")
    assert reader.shown(".facts")
    assert not reader.shown("#question")
    reader.page.check("#ask")
    assert reader.shown("#question")
    reader.page.locator("#question button.link").click()
    assert reader.shown(".facts")


def test_the_picture_does_not_tell_what_is_asked_later(
    read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]
) -> None:
    """The rule on an arrow of the backward pass is shown when it has been applied."""
    question = questions_of(lessons("note")[1], "choice")
    reader = read("note", f"#step={question['step'] + 1}")
    rules = reader.page.locator('figure[data-sheet="backward"] .flow text')

    def seen() -> int:
        return sum(rule.is_visible() for rule in rules.all())

    assert seen() == 0
    reader.page.uncheck("#ask")
    everything = seen()
    assert everything >= 10
    reader.page.check("#ask")
    reader.page.locator("#question button.link").click()
    assert 0 < seen() < everything
    reader.page.emulate_media(media="print")
    assert seen() == everything


def test_a_sum_in_the_picture_does_not_tell_its_terms(read: Callable[..., Reader]) -> None:
    """The terms of W's gradient, and an opened equation, are read when they have been found."""
    reader = read("residual")
    steps = lesson_data(residual())["steps"]
    sums = reader.page.locator('figure[data-sheet="backward"] .node.sum text')
    reader.go(next(n for n, s in enumerate(steps) if s["kind"] == "seed") + 1)
    assert sums.count() > 3
    assert not any(text.is_visible() for text in sums.all())
    reader.go(len(steps))
    assert all(text.is_visible() for text in sums.all())
    reader.go(next(n for n, s in enumerate(steps) if s["kind"] == "seed") + 1)
    reader.page.locator("#sheets figure:not([hidden]) [data-equation]").first.dispatch_event("dblclick")
    rules = reader.page.locator("#sheets figure[id^=equation-] .rule")
    assert rules.count() > 0
    assert not any(rule.is_visible() for rule in rules.all())


def test_playing_waits_at_a_question(read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]) -> None:
    step = questions_of(lessons("note")[1], "choice")["step"]
    reader = read("note", f"#step={step}")
    reader.page.select_option("#speed", "4")
    reader.page.click("#play")
    reader.until(lambda: not reader.playing())
    assert reader.place()[0] == step + 1


# ---- hostile names, Jupyter, accessibility


def test_hostile_names_stay_text(read: Callable[..., Reader]) -> None:
    reader = read("hostile")
    page = reader.page
    assert page.title() == HOSTILE[0]
    for _ in range(reader.place()[1]):
        reader.key("ArrowRight")
    for button in ("#all-values summary", "#shown-as [data-shown=heat]"):
        page.click(button)
    page.locator('figure[data-sheet="backward"] [data-node]').nth(2).focus()
    reader.key("Enter")
    reader.key("Enter")
    page.select_option("#language", "es")
    page.wait_for_timeout(100)
    assert page.evaluate("window.stolen") is None
    assert page.locator("main img, main [onload], main [onerror], main [onfocus]").count() == 0
    assert page.locator("script").count() == len(page.locator("body > script").all())
    shown = [text.replace("\xa0", " ") for text in page.locator("#values td.math").all_inner_texts()]
    for name in HOSTILE[:3]:
        assert any(name in text for text in shown), name


def test_in_a_sandboxed_frame(
    lessons: Callable[..., tuple[tg.Tensor, Path]], read: Callable[..., Reader], tmp_path: Path
) -> None:
    """As Jupyter shows it: an opaque origin, no address of its own."""
    lesson = tg.lesson(lessons("residual")[0])
    host = tmp_path / "notebook.html"
    host.write_text(f"<!DOCTYPE html><title>notebook</title><p>before</p>{lesson._repr_html_()}", encoding="utf-8")
    reader = read(host)
    frame = reader.page.frame_locator("iframe")
    assert not frame.locator("#alarm").is_visible()
    frame.locator("#go-next").click()
    frame.locator("#go-next").click()
    assert frame.locator("#place").inner_text().startswith("3 /")
    frame.locator("#steps td.n a").nth(9).click()
    frame.locator("#place").get_by_text("10 /").wait_for()
    frame.locator('nav.contents a[href="#derivation"]').click()
    assert frame.locator("#derivation h2").is_visible()
    assert reader.page.url == host.as_uri()
    frame.locator("#language").select_option("es")
    assert frame.locator("html").get_attribute("lang") == "es"


def axe() -> Path | None:
    """The script of axe-core."""
    folders = [Path(os.environ["AXE"])] if "AXE" in os.environ else [Path(__file__).parent.parent / "node_modules"]
    if "AXE" not in os.environ and (npm := shutil.which("npm")):
        folders.append(Path(subprocess.run([npm, "root", "--global"], capture_output=True, text=True).stdout.strip()))
    return next(
        (folder / "axe-core" / "axe.min.js" for folder in folders if (folder / "axe-core" / "axe.min.js").is_file()), None
    )


def violations(reader: Reader, where: str = "document") -> list[str]:
    found = reader.page.evaluate(f"axe.run({where}, {{resultTypes: ['violations']}})")
    return [f"{v['id']}: {node['target']} {node['failureSummary'][:160]}" for v in found["violations"] for node in v["nodes"]]


ABOVE = "{include: [['header'], ['.lesson'], ['nav.controls'], ['#what-if']]}"  # what changes with the state; the rest is long


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "es"])
def test_axe_finds_nothing(
    scheme: str, lang: str, read: Callable[..., Reader], lessons: Callable[..., tuple[tg.Tensor, Path]]
) -> None:
    script = axe()
    if script is None:
        pytest.skip("needs axe-core: npm install axe-core, and AXE=<its node_modules folder>")
    choice, number = (questions_of(lessons("scalars")[1], kind)["step"] + 1 for kind in ("choice", "number"))
    reader = read("scalars", "#step=5", color_scheme=scheme)
    page = reader.page
    page.select_option("#language", lang)
    page.evaluate(script.read_text(encoding="utf-8"))
    assert violations(reader) == []

    def enter_twice() -> None:
        reader.key("Enter")
        reader.key("Enter")

    states: dict[str, Callable[[], Any]] = {
        "a choice": lambda: reader.go(choice),
        "a number": lambda: reader.go(number),
        "an answer": lambda: page.locator("#question button.link").click(),
        "an equation": lambda: (page.locator("#sheets figure:not([hidden]) [data-equation]").first.focus(), enter_twice()),
        "a heat map, other numbers": lambda: (
            page.click("#shown-as [data-shown=heat]"),
            page.locator("#leaves input").first.fill("3"),
        ),
        "the end": lambda: (reader.key("Escape"), reader.go(reader.place()[1])),
    }
    for state, enter in states.items():
        enter()
        assert violations(reader, ABOVE) == [], state


def test_axe_finds_nothing_on_the_notes_page(read: Callable[..., Reader]) -> None:
    script = axe()
    if script is None:
        pytest.skip("needs axe-core: npm install axe-core, and AXE=<its node_modules folder>")
    reader = read("note", "#step=32")
    reader.page.evaluate(script.read_text(encoding="utf-8"))
    assert violations(reader) == []


def test_axe_would_find_something(read: Callable[..., Reader]) -> None:
    """The check can fail: a control that has no name is found."""
    script = axe()
    if script is None:
        pytest.skip("needs axe-core: npm install axe-core, and AXE=<its node_modules folder>")
    reader = read("scalars")
    reader.page.evaluate("document.getElementById('go-next').removeAttribute('aria-label')")
    reader.page.evaluate("document.getElementById('go-next').removeAttribute('title')")
    reader.page.evaluate(script.read_text(encoding="utf-8"))
    assert any(text.startswith("button-name") for text in violations(reader, ABOVE))


def test_a_page_says_its_step_to_those_who_listen(read: Callable[..., Reader]) -> None:
    reader = read("scalars")
    assert reader.page.locator("#sentence").get_attribute("aria-live") == "polite"
    first = reader.text("#sentence")
    reader.key("ArrowRight")
    assert reader.text("#sentence") != first
    assert re.search(r"2", reader.page.locator("#slider").get_attribute("aria-valuetext"))
