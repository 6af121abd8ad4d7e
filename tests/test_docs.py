"""The pages: their code runs, their links lead somewhere, no public name is missing, Spanish pages follow the English ones."""

from __future__ import annotations

import ast
import gc
import re
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import pytest

import tinygrad_edu as tg

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BUILT = DOCS / "_build" / "html"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
EXTRAS = {"IPython", "dask", "distributed", "jax", "matplotlib", "onnx", "onnxruntime", "sklearn", "torch"}
ROOMS = ["data", "nn", "optim", "plots", "training"]
TWINS = ["note", "exercises"]  # the folders that are also in Spanish

FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)`*[ ]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


class Cell(NamedTuple):
    line: int
    tags: set[str]
    code: str


def cells_of(page: Path) -> list[Cell]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        if fence["info"].startswith("{code-cell}"):
            options = re.match(r"(?:---\n.*?^---\n|(?::[^\n]*\n)+)?", fence["body"], re.DOTALL | re.MULTILINE)
            assert options is not None
            tags = re.search(r"tags:\s*\[([^]]*)\]", options[0])
            line = text.count("\n", 0, fence.start("body") + options.end())
            found.append(Cell(line, set(re.findall(r"[\w-]+", tags[1])) if tags else set(), fence["body"][options.end() :]))
    return found


def runnable() -> list[Any]:
    found = []
    for page in PAGES:
        code = "\n".join(cell.code for cell in cells_of(page))
        marks = [pytest.mark.interop] if re.search(r"^import (torch|jax)\b", code, re.MULTILINE) else []
        if code:
            found.append(pytest.param(page, id=page.relative_to(DOCS).as_posix(), marks=marks))
    return found


def run(cell: Cell, page: Path, names: dict[str, Any]) -> None:
    tree = ast.parse("\n" * cell.line + cell.code)  # so that an error names the line of the page
    exec(compile(tree, str(page), "exec"), names)


@pytest.mark.parametrize("page", runnable())
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
    try:
        with np.printoptions(), np.errstate():  # what a page sets is put back
            for cell in cells_of(page):
                if "raises-exception" in cell.tags:
                    with pytest.raises(Exception):  # noqa: B017, PT011  # which one is for the reader to see
                        run(cell, page, names)
                else:
                    run(cell, page, names)
    except ImportError as missing:
        if (missing.name or "").partition(".")[0] in EXTRAS or "pip install" in str(missing):
            pytest.skip(f"could not import {missing.name!r}: {missing}")
        raise
    finally:
        gc.enable()
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


def columns(page: Path) -> dict[str, dict[str, Any]]:
    """Run the code of each column of a page, and give the names that it leaves."""
    left: dict[str, dict[str, Any]] = {}
    text = page.read_text(encoding="utf-8")
    for tab in re.finditer(r"^:::\{tab-item\} (\w+)\n.*?```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(compile(tab[2], f"{page} ({tab[1]})", "exec"), left.setdefault(tab[1], {}))
    return left


@pytest.mark.interop
def test_the_two_columns_of_the_pytorch_page_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    default = torch.get_default_dtype()
    try:
        left = columns(DOCS / "howto" / "in_pytorch.md")
    finally:
        torch.set_default_dtype(default)
    ours, theirs = left["tinygrad_edu"], left["PyTorch"]
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-9)
    assert ours["losses"][-1] < 0.2 * ours["losses"][0]
    assert ours["accuracy"] == theirs["accuracy"] > 0.9
    for a, b in zip(ours["weights"], theirs["weights"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.interop
def test_the_two_columns_of_the_jax_page_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    monkeypatch.chdir(tmp_path)
    default = jax.config.jax_enable_x64
    try:
        left = columns(DOCS / "howto" / "in_jax.md")
        ours, theirs = left["tinygrad_edu"], left["JAX"]
        np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-9)
        assert ours["losses"][-1] < ours["losses"][0] / 2
        for name in ("forward", "backward", "H"):
            np.testing.assert_allclose(ours[name].numpy(), theirs[name], rtol=1e-12, atol=1e-15)
        for name, p in ours["parameters"].items():
            np.testing.assert_allclose(p, theirs["parameters"][name], rtol=1e-9, atol=1e-12)
    finally:
        jax.config.update("jax_enable_x64", default)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub(lambda fence: fence["body"] if fence["info"].startswith("{") and "cell" not in fence["info"] else "", text)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    targets = [link["target"] for link in LINK.finditer(prose)]
    targets += re.findall(r"^:{3,}\{include\} (\S+)|^`{3,}\{literalinclude\} (\S+)", text, re.MULTILINE)
    missing = []
    for target in targets:
        where = target if isinstance(target, str) else "".join(target)
        if re.match(r"\w+:|#", where):
            continue
        if not (page.parent / unquote(where.partition("#")[0])).exists():
            missing.append(where)
    assert missing == []


def documented() -> tuple[dict[int, str], set[str]]:
    """The objects that the reference describes, by id, and the modules that it describes whole."""
    objects: dict[int, str] = {}
    modules: set[str] = set()
    for page in (DOCS / "reference").glob("*.md"):
        current = ""
        text = page.read_text(encoding="utf-8")
        for directive, name in re.findall(r"^\.\. (currentmodule|auto\w+):: ([\w.]+)", text, re.MULTILINE):
            if directive == "currentmodule":
                current = name
            elif directive == "automodule":
                module = import_module(name)
                modules.add(name)
                objects |= {id(getattr(module, member)): f"{name}.{member}" for member in module.__all__}
            else:
                module_name, _, member = (name if "." in name else f"{current}.{name}").rpartition(".")
                objects[id(getattr(import_module(module_name), member))] = f"{module_name}.{member}"
    return objects, modules


def test_every_public_name_is_in_the_reference() -> None:
    objects, modules = documented()
    missing = []
    for owner in [tg, *(getattr(tg, room) for room in ROOMS)]:
        for name in owner.__all__:
            public = getattr(owner, name)
            known = public.__name__ in modules if isinstance(public, ModuleType) else id(public) in objects
            if not known:
                missing.append(f"{owner.__name__}.{name}")
    assert missing == []


def test_every_spanish_page_has_its_english_one_and_back() -> None:
    english = {page.relative_to(DOCS) for folder in TWINS for page in (DOCS / folder).rglob("*.md")}
    spanish = {page.relative_to(DOCS / "es") for page in (DOCS / "es").rglob("*.md")} - {Path("index.md")}
    assert english - spanish == set()
    for name in sorted(spanish):
        there, here = DOCS / name, DOCS / "es" / name
        assert there.exists(), f"es/{name} has no English page"
        assert len(cells_of(there)) == len(cells_of(here)), f"{name} and es/{name} differ in their cells"
        for page, twin in ((there, here), (here, there)):
            head = page.read_text(encoding="utf-8").split("\n## ")[0]
            links = {(page.parent / link["target"]).resolve() for link in LINK.finditer(head)}
            assert twin.resolve() in links, f"{page.relative_to(DOCS)} does not link to its twin at the top"


def test_a_formula_that_cannot_be_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    mathml = import_module("mathml").mathml
    for broken in (r"\frac{a}", r"\nosuchcommand x", r"{x", r"x^"):
        with pytest.raises(ValueError, match=r".+"):
            mathml(broken)
    assert "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>" in mathml(r"\frac{a}{b}")
    assert mathml(r"\begin{align} a &= b \\ c &= d \end{align}").count("<mtr>") == 2
    assert "mtext" not in mathml(r"\begin{align} a &= b \end{align}")  # the rows have no numbers of their own


def test_function_names_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    mathml = import_module("mathml").mathml
    space = '<mspace width="0.167em" />'
    assert f"<mn>2</mn>{space}<mi>ln</mi>{space}<mi>a</mi>" in mathml(r"2\ln a")
    assert f"</msub>{space}<mi>x</mi>" in mathml(r"\log_2 x")
    assert f"</mfrac>{space}<mfrac>" in mathml(r"\frac{d}{du}\frac{a}{b}")
    for close in (r"\tanh(x)", r"\operatorname{sum}\left( x \right)", r"-\ln", r"\max = a", r"\tanh' = 1", "a b"):
        assert "mspace" not in mathml(close)
    assert "<mi>sum</mi>" in mathml(r"\operatorname{sum}(x)")
    assert "<mrow><mi>f</mi><mo>\u2033</mo></mrow>" in mathml("f''")
    assert "<msub><mrow><mi>x</mi><mo>\u2032</mo></mrow><mi>i</mi></msub>" in mathml("x_i'")


class Addresses(HTMLParser):
    """What a page loads, where it leads, and the places in it that can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.places |= {values[key] for key in ("id", "name") if key in values}
        if tag == "a":
            self.leads += [values["href"]] if "href" in values else []
        elif tag == "link":
            self.loads += [values["href"]] if values.get("rel") not in ("canonical", "index", "next", "prev", "search") else []
        elif tag != "base":
            self.loads += [values[key] for key in ("src", "data", "poster", "srcset") if key in values]

    handle_startendtag = handle_starttag


@pytest.mark.skipif(not BUILT.exists(), reason="the pages are not built here")
def test_the_built_pages_need_no_network_and_have_no_dead_links() -> None:
    read = {page.resolve(): Addresses(page.read_text(encoding="utf-8")) for page in BUILT.rglob("*.html")}
    wrong = []
    for page, addresses in read.items():
        for address in addresses.loads + addresses.leads:
            path, _, place = unquote(address).partition("#")
            if path.startswith(("http:", "https:", "//")):
                wrong += [f"{page}: loads {address}"] if address in addresses.loads else []
                continue
            if re.match(r"(mailto|data):", path):
                continue
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            if not target.exists() or (place and target in read and place not in read[target].places):
                wrong.append(f"{page}: {address} is not there")
    for sheet in BUILT.rglob("*.css"):
        loaded = re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"]*", sheet.read_text(encoding="utf-8"))
        wrong += [f"{sheet}: {address}" for address in loaded]
    assert wrong == []
