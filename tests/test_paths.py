"""Paths and edges: the counts against brute force and against the engine's own sweep, and the picture of both."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.drawing import NoGraphvizError
from tinygrad_edu.drawing.layout import layout
from tinygrad_edu.drawing.paths import count_text, draw_paths
from tinygrad_edu.graphs.paths import Paths, count_paths, edges_between, paths_between
from tinygrad_edu.sweep import depending_on, sweep, topological_order


def ladder(n: int, value: float = 3.0) -> tuple[tg.Tensor, tg.Tensor]:
    """``y ← y + y``, n times."""
    x = y = tg.Tensor(value, name="x")
    for i in range(1, n + 1):
        y = (y + y).named(f"y{i}")
    return y, x


class Program:
    """Random operations on single numbers, and beside them what each was computed from with a derivative."""

    def __init__(self, steps: list[tuple[str, int, int]], named: list[bool]) -> None:
        self.tensors = [tg.Tensor(0.5, requires_grad=True, name="x0"), tg.Tensor(-0.25, name="x1")]
        self.sources: list[list[int]] = [[], []]
        for (kind, i, j), has_name in zip(steps, named, strict=True):
            i, j = i % len(self.tensors), j % len(self.tensors)
            a, b = self.tensors[i], self.tensors[j]
            if kind == "tanh":
                new, sources = tg.tanh(a), [i]
            elif kind == "floor":
                new, sources = np.floor(a), []
            elif kind == "where":
                new, sources = tg.where(a > b, b, a), [j, i]
            else:
                new, sources = (a + b if kind == "+" else a * b), [i, j]
            self.tensors.append(new.named(f"t{len(self.tensors)}") if has_name else new)
            self.sources.append(sources)
        self.tensors[-1].named("root")

    def all_paths(self) -> list[list[tuple[int, int]]]:
        """Every path from the last node down to x0, written out as its edges: (node, which of its sources)."""

        def down(i: int) -> list[list[tuple[int, int]]]:
            if i == 0:
                return [[]]
            return [[(i, k), *rest] for k, j in enumerate(self.sources[i]) for rest in down(j)]

        return down(len(self.tensors) - 1)

    def brute_force(self) -> Paths:
        paths = self.all_paths()
        lengths = [len(path) for path in paths]
        return Paths(len(paths), sum(lengths), len({edge for path in paths for edge in path}), max(lengths, default=0))


STEPS = st.lists(
    st.tuples(st.sampled_from(["+", "∗", "tanh", "where", "floor"]), st.integers(0, 30), st.integers(0, 30)),
    min_size=1,
    max_size=9,
)


@st.composite
def programs(draw: st.DrawFn, all_named: bool) -> Program:
    steps = draw(STEPS)
    return Program(steps, [all_named or draw(st.booleans()) for _ in steps])


def visits(root: tg.Tensor, leaf: tg.Tensor) -> list[tuple[str | None, str | None, int]]:
    """The edges that the engine's own sweep visits on its way to a leaf, in its order."""
    order = topological_order([root])
    seen: list[tuple[str | None, str | None, int]] = []
    active = depending_on(order, [leaf])
    if id(root) in active:
        sweep(order, active, {leaf}, {root: np.float64(1)}, watch=lambda t, i, _: seen.append((t.name, t.inputs[i].name, i)))
    return seen


@settings(max_examples=60)
@given(programs(all_named=False))
def test_the_counts_are_those_of_brute_force(program: Program) -> None:
    root, leaf = program.tensors[-1], program.tensors[0]
    expected = program.brute_force()
    for level in ("op", "named", "scalar"):
        assert count_paths(root, leaf, level=level) == expected.paths
    for level in ("op", "named", "scalar"):
        graph = tg.graph([root, leaf], level=level)
        if "root" in graph:  # on the scalar level, what has no derivative is no node
            assert graph.count_paths("root", "x0") == expected.paths
    assert paths_between(tg.graph([root, leaf], level="op"), root, leaf) == expected


@settings(max_examples=60)
@given(programs(all_named=True))
def test_the_edges_are_those_that_the_engine_visits_in_its_order(program: Program) -> None:
    root, leaf = program.tensors[-1], program.tensors[0]
    graph = tg.graph([root, leaf], level="op")
    names = [node.name for node in graph]
    edges = [(names[e.target], names[e.source], e.position) for e in edges_between(graph, root, leaf)]
    assert edges == visits(root, leaf)
    assert len(edges) == program.brute_force().edges


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["+", "∗", "tanh"]), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9))
def test_with_all_names_the_named_level_is_the_op_level(steps: list[tuple[str, int, int]]) -> None:
    program = Program(steps, [True] * len(steps))
    root, leaf = program.tensors[-1], program.tensors[0]
    op, named = (paths_between(tg.graph([root, leaf], level=level), root, leaf) for level in ("op", "named"))
    assert op == named == program.brute_force()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 60, 2000])
def test_a_ladder_doubles_at_each_rung(n: int) -> None:
    y, x = ladder(n, 0.0)
    assert tg.count_paths(y, x) == 2**n
    assert paths_between(tg.graph(y), y, x) == Paths(2**n, n * 2**n, 2 * n, n)


def test_a_long_ladder_needs_no_recursion_and_no_memory_for_all_its_counts() -> None:
    x = y = tg.Tensor(0.0)
    for _ in range(20_000):
        y = y + y
    assert tg.count_paths(y, x) == 2**20_000


def test_each_use_counts() -> None:
    x = tg.Tensor([1.0, 2.0])
    assert tg.count_paths(x * x, x) == 2
    assert tg.count_paths(x * x * x, x) == 3
    assert tg.count_paths(tg.concatenate([x, x, x, x, x]), x) == 5
    assert tg.count_paths((x + 1).sum(), x) == 1


def test_the_count_is_the_gradient_where_every_local_derivative_is_1() -> None:
    a = tg.Tensor(1.0, requires_grad=True)
    b = a + a + a
    c = b + a
    y = c + c + b
    y.backward()
    assert tg.count_paths(y, a) == a.grad == 11


def test_no_path_and_the_empty_path() -> None:
    x, y = tg.Tensor(1.0, name="x"), tg.Tensor(1.0, name="y")
    z = (x + 1.0).named("z")
    for level in ("op", "named", "scalar"):
        assert tg.count_paths(z, y, level=level) == 0
        assert tg.count_paths(x, z, level=level) == 0
        assert tg.count_paths(z, z, level=level) == 1
    assert paths_between(tg.graph([z, y]), z, y) == Paths(0, 0, 0, 0)
    assert paths_between(tg.graph(z), z, z) == Paths(1, 0, 0, 0)


def test_tensors_are_told_apart_by_themselves_not_by_their_names() -> None:
    first, second = tg.Tensor(1.0, name="w"), tg.Tensor(1.0, name="w")
    y = first * second * second
    assert (tg.count_paths(y, first), tg.count_paths(y, second)) == (1, 2)


def test_what_has_no_derivative_is_no_path() -> None:
    x = tg.Tensor([0.5, 2.0], name="x")
    assert tg.count_paths(tg.where(x > 1.0, x, x), x) == 2
    assert tg.count_paths(np.floor(x), x) == 0
    assert tg.count_paths(x[tg.argmax(x)], x) == 1
    y = (tg.where(x > 1.0, x, 0.0) + np.floor(x)).named("y")
    assert tg.graph(y).count_paths(y, x) == tg.graph(y, level="op").count_paths(y, x) == 1
    gate = tg.elementwise("gate", lambda a, b: a * b, lambda y, a, b: b, None)  # a derivative by its first argument alone
    z = gate(x, x).named("z")
    assert tg.count_paths(z, x) == tg.graph(z, level="op").count_paths(z, x) == len(visits(z, x)) == 1


def test_a_leaf_that_was_given_new_numbers_is_the_same_leaf() -> None:
    w = tg.Tensor(1.0, name="w")
    h = w * w
    w.data = 2.0
    assert tg.count_paths(h * w, w) == 3


def test_the_network_of_the_note() -> None:
    n, f, d1, d2 = 4, 2, 3, 5
    values = note.network(n, f, d1, d2)
    graph = tg.graph(values["L"])
    for name in ("W1", "b1", "W2", "b2", "U", "c"):
        assert graph.count_paths(values["L"], name) == tg.count_paths(values["L"], values[name]) == 1, name
    # L, ŷ, u3, h2, u2, h1, u1, W1: seven equations in a row.
    assert paths_between(graph, "L", "W1") == Paths(1, 7, 7, 7)
    # A number of W1 reaches one of the d1 columns of h1, from there each of the d2 columns of h2, in each of the n rows.
    from_u3 = tg.count_paths(values["L"], values["u3"], level="scalar") // n
    assert tg.count_paths(values["L"], values["W1"], level="scalar") == from_u3 * n * f * d1 * d2


def test_the_scalar_level_counts_paths_of_numbers() -> None:
    x, w = tg.Tensor(np.ones((3, 4)), name="x"), tg.Tensor(np.ones((4, 5)), name="w")
    u = x @ w
    assert tg.count_paths(u.sum(), w) == 1
    assert tg.count_paths(u.sum(), w, level="scalar") == 3 * 4 * 5
    assert tg.count_paths(u, w, level="scalar") == 3 * 4 * 5
    assert tg.graph(u.sum().named("L"), level="scalar").count_paths("L", "w[0,1]") == 3


def test_nodes_are_given_as_nodes_names_or_tensors() -> None:
    y, x = ladder(3)
    graph = tg.graph(y)
    for top in (y, "y3", graph["y3"]):
        for bottom in (x, "x", graph["x"]):
            assert graph.count_paths(top, bottom) == 8


def test_mistaken_calls() -> None:
    y, x = ladder(2)
    graph = tg.graph(y)
    with pytest.raises(KeyError, match=r"no node is named 'z'.*y2"):
        graph.count_paths(y, "z")
    with pytest.raises(KeyError, match=r"has no name.*tg\.count_paths"):
        graph.count_paths(tg.Tensor(1.0), x)
    with pytest.raises(KeyError, match="'y3' belongs to another graph"):
        graph.count_paths(tg.graph(ladder(3)[0])["y3"], x)
    with pytest.raises(TypeError, match="not int: 3"):
        graph.count_paths(y, 3)
    with pytest.raises(TypeError, match="second argument is str, not a Tensor: 'x'"):
        tg.count_paths(y, "x")
    with pytest.raises(ValueError, match=r"no level 'tensor'.*\n.*scalar"):
        tg.count_paths(y, x, level="tensor")


# ---- the picture -----------------------------------------------------------------------------------------------------


def svg_texts(source: str) -> list[str]:
    try:
        drawn = layout(source, "svg")
    except NoGraphvizError as error:
        pytest.skip(str(error))
    root = ElementTree.fromstring(drawn)
    return ["".join(t.itertext()).replace("\xa0", " ").strip() for t in root.iter("{http://www.w3.org/2000/svg}text")]


def chains(source: str) -> list[list[int]]:
    """The paths on the left of a picture, each as the numbers at its arrows."""
    found: dict[int, dict[int, int]] = {}
    for path, step, place in re.findall(r"^\s*e(\d+)_(\d+) \[label=<<TABLE.*?<FONT POINT-SIZE=\"9\">(\d+)</FONT>", source, re.M):
        found.setdefault(int(path), {})[int(step)] = int(place)
    return [[steps[k] for k in sorted(steps)] for _, steps in sorted(found.items())]


def test_the_left_side_writes_out_every_path() -> None:
    y, x = ladder(2)
    source = draw_paths(y, x).source
    assert sorted(chains(source)) == [[1, 3], [1, 4], [2, 3], [2, 4]]
    assert len(re.findall(r"^\s*e\d+ \[label", source, re.M)) == 4  # on the right, each edge once


@settings(max_examples=60)
@given(programs(all_named=True))
def test_both_sides_are_the_paths_and_the_edges(program: Program) -> None:
    root, leaf = program.tensors[-1], program.tensors[0]
    paths = program.all_paths()
    if not paths:
        with pytest.raises(tg.GradientError, match="Tensor root does not depend on Tensor x0"):
            draw_paths(root, leaf)
        return
    source = draw_paths(root, leaf, most=len(paths)).source
    assert sorted(map(len, chains(source))) == sorted(map(len, (path for path in paths if path)))
    assert len(set(map(tuple, chains(source)))) == len([path for path in paths if path])
    places = {place for chain in chains(source) for place in chain}
    assert places == set(range(1, program.brute_force().edges + 1))
    assert "more path" not in source


@pytest.mark.dot
def test_what_is_on_the_picture_of_a_ladder() -> None:
    a = tg.Tensor(3.0, name="a")
    b = (a + a).named("b")
    c = (b + b).named("c")
    texts = svg_texts(draw_paths(c, a, title="Why once is enough").source)
    for words in ("The sum over all paths", "The sweep", "4 paths, 8 products", "4 edges, 4 products", "Why once is enough"):
        assert texts.count(words) == 1, words
    assert [texts.count(name) for name in "abc"] == [4 + 1, 4 + 1, 1 + 1]
    assert [texts.count(place) for place in "1234"] == [2 + 1] * 4
    assert texts.count("∗ 1") == 8 + 4
    assert texts.count("+ 1") == 4
    assert texts.count("∂c/∂c = 1") == texts.count("∂c/∂b = 1 + 1 = 2") == texts.count("∂c/∂a = 2 + 2 = 4") == 1
    assert texts.count("∂c/∂a = 4") == 2  # both sides arrive at the same number


@pytest.mark.dot
def test_the_local_derivatives_and_both_sums() -> None:
    x = tg.Tensor(2.0, name="x")
    h = (x * x * 3.0).named("h")
    y = (h - x / 4.0).named("y")
    texts = svg_texts(draw_paths(y, x).source)
    assert texts.count("∂y/∂x = 11.8") == 2  # 3 · 2x − 1/4
    assert {"∂y/∂x = 6 + 6 − 0.25 = 11.8", "∂y/∂x = −0.25 + 6 + 6 = 11.8"} & set(texts)
    assert (texts.count("+ 6"), texts.count("− 0.25")) == (2, 1)
    assert (texts.count("∗ 3"), texts.count("∗ 2"), texts.count("∗ −1"), texts.count("∗ 0.25")) == (2 + 1, 2 + 2, 1 + 1, 1 + 1)
    assert (texts.count("3 paths, 8 products"), texts.count("6 edges, 6 products")) == (1, 1)


@pytest.mark.dot
def test_ten_rungs() -> None:
    texts = svg_texts(draw_paths(*ladder(10)).source)
    assert "1 024 paths, 10 240 products" in texts
    assert "20 edges, 20 products" in texts
    assert "… and 1 008" in texts
    assert "more paths" in texts
    assert texts.count("∂y⁽¹⁰⁾/∂x = 1024") == 2
    assert texts.count("x") == 16 + 1


@pytest.mark.dot
def test_two_thousand_rungs_are_shortened_to_their_ends() -> None:
    texts = svg_texts(draw_paths(*ladder(2000, 0.0), most=3).source)
    assert "2²⁰⁰⁰ paths, 2 000 · 2²⁰⁰⁰ products" in texts
    assert "4 000 edges, 4 000 products" in texts
    assert "… and 1.1 · 10⁶⁰²" in texts
    assert "… 1 993 more values," in texts
    assert "3 988 more edges …" in texts
    assert texts.count("y⁽²⁰⁰⁰⁾") == 2
    assert texts.count("y⁽¹⁹⁹⁷⁾") == texts.count("y⁽³⁾") == 3 + 1
    assert not {"y⁽¹⁹⁹⁶⁾", "y⁽⁴⁾"} & set(texts)
    assert texts.count("3999") + texts.count("4000") == 3 + 2


@pytest.mark.dot
def test_a_wide_graph_is_shortened_too() -> None:
    x = tg.Tensor(1.0, name="x")
    y = tg.stack([tg.tanh(x) for _ in range(100)]).sum().named("y")
    texts = svg_texts(draw_paths(y, x, most=5).source)
    assert "100 paths, 300 products" in texts
    assert "201 edges, 201 products" in texts
    assert "… and 95" in texts
    assert len(texts) < 100


@pytest.mark.dot
def test_arrays_have_no_numbers_at_their_arrows() -> None:
    values = note.network(3, 2, 2, 2)
    for level, edges in (("named", 7), ("op", 10)):
        texts = svg_texts(draw_paths(values["L"], values["W1"], level=level).source)
        assert texts.count(f"1 path, {edges} products") == texts.count(f"{edges} edges, {edges} products") == 1
        assert texts.count("∂𝓛/∂W⁽¹⁾") == 2
        assert texts.count("u⁽²⁾") == 2
        assert not any("∗" in text or "=" in text for text in texts)


def test_only_a_parameter_looks_like_one() -> None:
    for leaf, colour in ((tg.Tensor(2.0, name="x"), "#E8EEF7"), (tg.Tensor(2.0, requires_grad=True, name="x"), "#FBF1D9")):
        source = draw_paths((leaf * leaf).named("y"), leaf).source
        fills = re.findall(r'^\s*\w+ \[label="?x\b.*fillcolor="(#\w+)"', source, re.M)
        assert fills == [colour] * 3, source  # at the end of two paths, and in the sweep


@pytest.mark.dot
def test_a_root_that_is_the_leaf() -> None:
    x = tg.Tensor(2.0, name="x")
    texts = svg_texts(draw_paths(x, x).source)
    assert "1 path, 0 products" in texts
    assert "0 edges, 0 products" in texts
    assert texts.count("∂x/∂x = 1") == 3


@pytest.mark.dot
@pytest.mark.parametrize(
    "name", ["<b>", "a:b", "a\\", "\\N", '"', "a\nb", "🐍", "\x00\x1b", "x" * 20_000, "&amp;", "", "]]>", "\ud800"]
)
def test_any_name_is_shown_as_text(name: str) -> None:
    x = tg.Tensor([1.0, 2.0], name=name)
    y = (x * x).sum().named(f"{name}2")
    texts = svg_texts(draw_paths(y, x, title=f"<i>{name}").source)
    assert any(text.startswith("<i>") for text in texts)
    assert max(map(len, texts)) < 250
    if name.isprintable() and 0 < len(name) < 10 and name != "\ud800":
        assert texts.count(name) == 2 + 1


@pytest.mark.dot
def test_unnamed_values_and_names_that_come_again() -> None:
    x, other = tg.Tensor(2.0, name="x"), tg.Tensor(5.0, name="x")
    texts = svg_texts(draw_paths(x * other * other, other).source)
    assert "2 paths, 3 products" in texts
    assert texts.count("∂𝓛/∂x#2 = 20") == 2


@pytest.mark.dot
def test_the_embedded_graphviz_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = ladder(3)
    source = draw_paths(y, x).source
    texts = svg_texts(source)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert sorted(svg_texts(source)) == sorted(texts)


def test_the_same_picture_in_another_process() -> None:
    code = (
        "from tinygrad_edu import note; from tinygrad_edu.drawing.paths import draw_paths; "
        "v = note.network(); print(draw_paths(v['L'], v['h1'], level='named').source)"
    )
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True)
    values = note.network()
    assert run.stdout.strip() == draw_paths(values["L"], values["h1"], level="named").source.strip()


def test_the_picture_is_written(tmp_path: Path) -> None:
    y, x = ladder(1)
    picture = draw_paths(y, x, to=tmp_path / "p.dot")
    assert (tmp_path / "p.dot").read_text(encoding="utf-8") == picture.source


def test_counts_are_written_for_people() -> None:
    written = {n: count_text(n).replace("\xa0", " ") for n in (0, 7, 1024, 999_999, 10**6, 2**20, 3**50, 123_456_789, 10**40 + 1)}
    assert written == {
        0: "0", 7: "7", 1024: "1 024", 999_999: "999 999", 10**6: "10⁶", 2**20: "2²⁰", 3**50: "3⁵⁰",
        123_456_789: "1.2 · 10⁸", 10**40 + 1: "1.0 · 10⁴⁰",
    }  # fmt: skip


def test_mistaken_pictures() -> None:
    y, x = ladder(2)
    with pytest.raises(TypeError, match="not str: 'x'"):
        draw_paths(y, "x")
    with pytest.raises(ValueError, match="most=0"):
        draw_paths(y, x, most=0)
    for most in ("a", 1.5, None):
        with pytest.raises(TypeError, match=f"most={most!r}: it is a whole number from 1 on"):
            draw_paths(y, x, most=most)
    with pytest.raises(ValueError, match=r"no level 'scalar'"):
        draw_paths(y, x, level="scalar")
    with pytest.raises(tg.GradientError, match="no path between"):
        draw_paths(np.floor(y), x)
