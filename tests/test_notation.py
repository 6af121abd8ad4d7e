"""Formulas as text, LaTeX and MathML: the note's lines as they should read, and hostile names that stay text."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.derivation.notation import (
    Call,
    Delta,
    Fence,
    Frac,
    Letters,
    Name,
    Node,
    Number,
    Partial,
    Row,
    Sign,
    Space,
    Sub,
    Sup,
    Total,
    Word,
    latex,
    mathml,
    text,
)

L, T, ONE = Name("L"), Word("T"), Number("1")


def row(*parts: Node | str) -> Row:
    return Row(tuple(Sign(part) if isinstance(part, str) else part for part in parts))


def entry(name: str, index: str) -> Sub:
    return Sub(Name(name), Letters(index))


LINES: dict[str, tuple[Node, str, str]] = {
    "the chain rule": (
        row(
            Partial(L, entry("W2", "ij")),
            "=",
            Total("kl", row(Partial(L, entry("u2", "kl")), "·", Partial(entry("u2", "kl"), entry("W2", "ij")))),
        ),
        "∂𝓛/∂W⁽²⁾_ij = Σ_kl ∂𝓛/∂u⁽²⁾_kl · ∂u⁽²⁾_kl/∂W⁽²⁾_ij",
        r"\frac{\partial \mathcal{L}}{\partial W^{(2)}_{ij}} = \sum_{k, l} \frac{\partial \mathcal{L}}{\partial u^{(2)}_{kl}} "
        r"\cdot \frac{\partial u^{(2)}_{kl}}{\partial W^{(2)}_{ij}}",
    ),
    "forward": (
        row(entry("u2", "kl"), "=", Total("r", row(entry("h1", "kr"), entry("W2", "rl"))), "+", entry("b2", "l")),
        "u⁽²⁾_kl = Σ_r h⁽¹⁾_kr W⁽²⁾_rl + b⁽²⁾_l",
        r"u^{(2)}_{kl} = \sum_{r} h^{(1)}_{kr} \, W^{(2)}_{rl} + b^{(2)}_{l}",
    ),
    "deltas": (
        row(entry("h1", "kr"), Space(), Delta("r", "i"), Space(), Delta("l", "j")),
        "h⁽¹⁾_kr δ_ri δ_lj",
        r"h^{(1)}_{kr} \, \delta_{ri} \, \delta_{lj}",
    ),
    "deltas of places": (
        row(Delta("i+k", "t_i"), "=", Delta("j", "labels[i]")),
        "δ_[i+k,t_i] = δ_[j,labels[i]]",
        r"\delta_{i+k,t_{i}} = \delta_{j,\mathrm{labels}[i]}",
    ),
    "transpose": (
        row(Sup(Name("h1"), T), "·", Partial(L, Name("u2"))),
        "(h⁽¹⁾)ᵀ · ∂𝓛/∂u⁽²⁾",
        r"{(h^{(1)})}^{\top} \cdot \frac{\partial \mathcal{L}}{\partial u^{(2)}}",
    ),
    "the first gradient": (
        Frac(row(Name("yhat"), "−", Name("y")), Letters("N")),
        "(ŷ − y) / N",
        r"\frac{\hat{y} - y}{N}",
    ),
    "cross entropy": (
        row("−", Frac(ONE, Letters("N")), Total("i", row(entry("y", "i"), Call("log", (entry("yhat", "i"),))))),
        "−(1/N) Σ_i y_i log(ŷ_i)",
        r"- \frac{1}{N} \, \sum_{i} y_{i} \, \log(\hat{y}_{i})",
    ),
    "tanh": (
        row(Partial(L, Name("h1")), "∗", Fence(row(ONE, "−", Name("h1"), "∗", Name("h1")))),
        "∂𝓛/∂h⁽¹⁾ ∗ (1 − h⁽¹⁾ ∗ h⁽¹⁾)",
        r"\frac{\partial \mathcal{L}}{\partial h^{(1)}} \ast (1 - h^{(1)} \ast h^{(1)})",
    ),
    "a sum over an axis": (
        Call("sum₁", (Partial(L, Name("u2")),)),
        "sum₁(∂𝓛/∂u⁽²⁾)",
        r"\operatorname{sum}_{1}\left( \frac{\partial \mathcal{L}}{\partial u^{(2)}} \right)",
    ),
    "shapes": (
        row(Fence(row(Letters("d1"), ",", Letters("N"))), Fence(row(Letters("N"), ",", Letters("d₂"))), "✓"),
        "(d₁, N)(N, d₂) ✓",
        r"(d_{1}, N) (N, d_{2}) \; \checkmark",
    ),
    "powers": (
        row(
            Sup(Name("x"), T), Sup(Name("h"), Number("2")), Sup(Name("x"), Number("-1")), Sup(entry("x", "ij"), Number("2")),
            Sup(entry("h1", "ij"), Number("2")), Sup(row(Name("a"), "+", Name("b")), Name("n")),
            Sup(Name("theta"), Number("0.5")),
        ),
        "xᵀ h² x⁻¹ x_ij² (h⁽¹⁾_ij)² (a + b)^n θ^0.5",
        r"x^{\top} \, h^{2} \, x^{- 1} \, x_{ij}^{2} \, {(h^{(1)}_{ij})}^{2} \, (a + b)^{n} \, \theta^{0.5}",
    ),
    "fractions on a line": (
        row(
            Frac(row(Letters("a"), "+", Letters("b")), row(Letters("c"), Letters("d"))),
            "=",
            Frac(entry("y", "i"), Frac(entry("a", "i"), entry("b", "i"))), "/",
            Frac(Fence(Name("a")), Fence(row("−", Name("b")))),
        ),
        "(a + b) / (c d) = y_i / (a_i / b_i) / (a / (−b))",
        r"\frac{a + b}{c \, d} = \frac{y_{i}}{\frac{a_{i}}{b_{i}}} / \frac{a}{- b}",
    ),
    "second derivatives": (
        row(Name("d2L/dw2"), "=", Partial(Name("dL/dw"), Name("w")), "≠", Partial(L, Name("w1"), 2)),
        "∂²𝓛/∂w² = ∂(∂𝓛/∂w)/∂w ≠ ∂²𝓛/∂w⁽¹⁾²",
        r"\frac{\partial^{2} \mathcal{L}}{\partial {w}^{2}} = "
        r"\frac{\partial \left( \frac{\partial \mathcal{L}}{\partial w} \right)}{\partial w} \neq "
        r"\frac{\partial^{2} \mathcal{L}}{\partial {w^{(1)}}^{2}}",
    ),
    "words and numbers": (
        row(Number("≈−0.333"), Space(), row(Word("["), Letters("l"), "=", Letters("j"), Word("]")), Word("if"), Number("1e−07")),
        "≈−0.333 [l = j] if 1e−07",
        r"\approx - 0.333 \,\, [ l = j ] \,\, \mathrm{if} \,\, 1 \cdot 10^{- 7}",
    ),
    "names": (
        row(Name("my_name"), Name("h′"), Name("W1[0,2]"), entry("xhat", "i+k"), Name("λ"), Call("my_op", (Name("x"), Name("y")))),
        "my_name h′ W⁽¹⁾[0,2] x̂_[i+k] λ my_op(x, y)",
        r"\mathrm{my\_name} \, h^{\prime} \, W^{(1)}[0,2] \, \hat{x}_{i+k} \, \lambda \, \operatorname{my\_op}(x, y)",
    ),
}  # fmt: skip

HOSTILE = [
    "<b>", "<script>alert(1)</script>", "a\\N", "\\input{x}", '"', "'", "$x$", "}", "{", "%", "&amp;", "#", "~^_", "a\nb",
    "\0\x1b[31m",
    "]]>", "<!--", "-->", "\u202eabc", "\ud800", "🙂", "``", "--", "|", "", " ", "x" * 20_000, "日本", "\\", "\\end{document}",
    "a:b",
    "ﬁ²", "W⁽¹⁾^{2}", "∂", "d2L/d", "Ω∞√∗", "éß", "Ж",
]  # fmt: skip


def tags(tree: Node) -> list[str]:
    return [e.tag.partition("}")[2] for e in ElementTree.fromstring(mathml(tree)).iter()]


def shown(tree: Node) -> str:
    return "".join(ElementTree.fromstring(mathml(tree)).itertext())


@pytest.mark.parametrize("line", LINES)
def test_the_lines_of_the_note(line: str) -> None:
    tree, as_text, as_latex = LINES[line]
    assert text(tree) == as_text
    assert latex(tree) == as_latex
    check_mathml(tree)
    check_latex(latex(tree))


def test_mathml_has_one_script_for_a_number_and_an_index() -> None:
    element = ElementTree.fromstring(mathml(entry("W2", "ij")))
    assert [child.tag.partition("}")[2] for child in element[0]] == ["mi", "mrow", "mrow"]
    assert ["".join(child.itertext()) for child in element[0]] == ["W", "ij", "(2)"]
    assert tags(Partial(L, entry("W2", "ij")))[:5] == ["math", "mfrac", "mrow", "mi", "mi"]
    assert "munder" in tags(Total("kl", L))
    assert shown(Total("kl", L)) == "∑k,l𝓛"
    assert 'accent="true"' in mathml(Name("yhat"))
    assert 'form="prefix">−' in mathml(row(L, "=", "−", L))
    assert 'form="prefix"' not in mathml(row(L, "−", L))


def test_a_name_can_have_its_own_latex() -> None:
    own = {"W2": r"\mathbf{W}_2"}
    assert latex(Sub(Name("W2"), Letters("ij")), own) == r"{\mathbf{W}_2}_{ij}"
    assert latex(Name("dL/dW2"), own) == r"\frac{\partial \mathcal{L}}{\partial {\mathbf{W}_2}}"
    assert latex(Letters("L"), {"L": "!"}) == "L"


def test_a_command_does_not_run_into_a_letter() -> None:
    assert latex(Letters("αi")) == r"\alpha i"
    assert latex(Letters("iα")) == r"i\alpha"


def test_a_minus_before_a_fraction_needs_no_parentheses() -> None:
    assert text(Frac(row("−", Name("a")), Name("b"))) == "−a / b"
    assert text(Frac(row(Name("a"), "−", Name("c")), Name("b"))) == "(a − c) / b"


def test_spaces_of_words_are_kept_by_browsers() -> None:
    assert shown(Word(" every  entry")) == "\N{NO-BREAK SPACE}every\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}entry"


def test_empty_parts_keep_their_place() -> None:
    assert tags(Frac(Row(()), Letters(""))) == ["math", "mfrac", "mrow", "mrow"]
    check_mathml(Sup(Sub(L, Row(())), Word("")))


def test_trees_are_values() -> None:
    assert entry("W", "ij") == entry("W", "ij")
    assert len({entry("W", "ij"), entry("W", "ij")}) == 1
    with pytest.raises(AttributeError):
        L.name = "x"


def check_mathml(tree: Node) -> None:
    """Well-formed, and nothing in it but elements and attributes of MathML Core."""
    core = {
        "math": {"display"}, "mi": {"mathvariant"}, "mn": set(), "mo": {"form", "stretchy"}, "mtext": set(), "mspace": {"width"},
        "msqrt": set(),
        "mrow": set(), "mfrac": set(), "msub": set(), "msup": set(), "msubsup": set(), "munder": set(), "mover": {"accent"},
    }  # fmt: skip
    children = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2}
    for element in ElementTree.fromstring(mathml(tree)).iter():
        namespace, _, tag = element.tag.partition("}")
        assert namespace == "{http://www.w3.org/1998/Math/MathML"
        assert set(element.attrib) <= core[tag]
        assert element.get("mathvariant", "normal") == "normal"
        assert len(element) == children.get(tag, len(element))


def check_latex(line: str) -> None:
    """Braces are balanced, only known commands, no sign that TeX reads as something else."""
    assert line.isprintable()
    bare = re.sub(r"\\[{}$&#%_]", "", line)
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert not set(bare) & set('$&#%~"')
    known = (
        r"frac partial sum mathcal mathrm text operatorname left right top cdot ast otimes neq leq geq approx hat bar tilde prime"
    )
    known += " backslash sim wedge hookleftarrow ldots checkmark times infty surd log tanh exp delta theta lambda alpha Omega"
    assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= set(known.split())
    assert set(re.findall(r"\\([^A-Za-z])", bare)) <= {",", ";"}
    assert not re.search(r"<[A-Za-z/!]", line)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    for tree in (
        Name(name), Sub(Name(name), Letters("ij")), Sup(Name(name), T), Partial(L, Name(name)), Call(name, (Name(name),)),
        Word(name), Letters(name[:80]), Number(name[:80]), Sign(name[:80]), Delta(name[:80], "i"), Total(name[:80], L),
    ):  # fmt: skip
        assert "".join(text(tree).split(" ")).isprintable() or "🙂" in name
        check_mathml(tree)
        check_latex(latex(tree))


def test_hostile_names_are_shown() -> None:
    assert text(Name("<b>")) == shown(Name("<b>")) == "<b>"
    assert latex(Name("<b>")) == r"{{<}\text{b}{>}}"
    assert text(Name("a\nb")) == shown(Name("a\nb")) == "a↵b"
    assert text(Name("\0")) == shown(Name("\0")) == "\N{REPLACEMENT CHARACTER}"
    assert text(Name("x" * 20_000)) == shown(Name("x" * 20_000)) == "x" * 59 + "…"
    assert latex(Name("\\input{x}")) == r"{{\backslash}\text{input}{\{}\text{x}{\}}}"
    assert latex(Name("%")) == r"{\%}"
    assert latex(Name("🙂")) == r"\text{[U+1F642]}"


NAMES = (
    st.sampled_from(["W1", "b", "yhat", "L", "theta", "my_name", "h′", "dL/dW1", "x[0]"]) | st.sampled_from(HOSTILE) | st.text()
)
INDICES = st.sampled_from(["i", "ij", "i+k", "t_i", "d1", "i′j", "k,labels[i]", "−1", "i12j"])


def nodes(names: st.SearchStrategy[str]) -> st.SearchStrategy[Node]:
    """Random formulas."""
    words = st.sampled_from(["sum", "if", "in every entry", "[", "]", "T"])
    numbers = st.sampled_from(["1", "0.5", "−1", "≈0.333", "1e−07", "nan", "−∞"])
    signs = st.sampled_from(["=", "+", "−", "∗", "·", "⊗", "/", "≠", ">", "≤", ",", "✓", "<"])
    leaves: st.SearchStrategy[Node] = st.one_of(
        st.builds(Name, names),
        st.builds(Letters, INDICES),
        st.builds(Number, numbers),
        st.builds(Word, words),
        st.builds(Sign, signs),
        st.builds(Delta, INDICES, INDICES),
        st.just(Space()),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Row, st.lists(inner, max_size=5).map(tuple)),
            st.builds(Sub, inner, st.builds(Letters, INDICES) | inner),
            st.builds(Sup, inner, st.just(T) | inner),
            st.builds(Frac, inner, inner),
            st.builds(Partial, inner, inner, st.sampled_from([1, 1, 2])),
            st.builds(Total, st.sampled_from(["", "k", "kl", "i12j"]), inner),
            st.builds(Fence, inner),
            st.builds(Call, names, st.lists(inner, max_size=3).map(tuple)),
        ),
        max_leaves=12,
    )


def names_in(tree: Node) -> Iterator[str]:
    if isinstance(tree, Name):
        yield tree.name
    for attribute in tree.__match_args__:
        value = getattr(tree, attribute)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Node):
                yield from names_in(part)


@given(nodes(NAMES))
@settings(max_examples=150)
def test_any_formula_is_well_formed(tree: Node) -> None:
    text(tree)
    check_mathml(tree)
    check_latex_braces(latex(tree))


def check_latex_braces(line: str) -> None:
    bare = re.sub(r"\\[{}$&#%_]", "", line)
    depths = [bare[:n].count("{") - bare[:n].count("}") for n in range(len(bare) + 1)]
    assert min(depths) >= 0
    assert depths[-1] == 0
    assert not re.search(r"[$&#%~\n]", bare)


@given(nodes(st.sampled_from(["W1", "b", "yhat", "L", "theta", "my_name", "dL/dW1", "<b>", "}", "日本", "a_b c"])))
@settings(max_examples=100)
def test_every_name_is_shown(tree: Node) -> None:
    def letters(words: str) -> set[str]:
        return {c for c in unicodedata.normalize("NFKD", words) if c.isalnum() or c in "<>}"}

    for printed in (text(tree), shown(tree)):
        for name in names_in(tree):
            assert letters(text(Name(name))) <= letters(printed)


def katex() -> Path | None:
    """The folder that KaTeX is in."""
    if shutil.which("node") is None:
        return None
    folders = [Path(os.environ["KATEX"])] if "KATEX" in os.environ else [Path(__file__).parent.parent / "node_modules"]
    if "KATEX" not in os.environ and (npm := shutil.which("npm")):
        folders.append(Path(subprocess.run([npm, "root", "--global"], capture_output=True, text=True).stdout.strip()))
    return next((folder / "katex" for folder in folders if (folder / "katex" / "package.json").is_file()), None)


RENDER = """
const katex = require(process.argv[1]), lines = JSON.parse(require("fs").readFileSync(0, "utf8")), wrong = [];
for (const line of lines)
  try { katex.renderToString(line, {throwOnError: true, strict: "error", displayMode: true, trust: false}) }
  catch (error) { wrong.push([line, error.message]) }
console.log(JSON.stringify(wrong));
"""


def derived() -> list[tg.Tensor]:
    """Roots of many kinds of derivations."""
    E, w = (tg.Tensor(np.ones((3, 2)), requires_grad=True, name=name) for name in ("E", "a b_{\\x}$"))
    lookups = tg.cross_entropy(tg.softmax(E[[0, 2, 1]] * tg.sqrt(w)).named("p") @ w.T, [0, 2, 1])
    return [note.network()["L"], lookups.named("L"), *(program(seed)[0] for seed in range(6))]


def test_a_square_root_has_its_sign() -> None:
    root = Call("√", (Row((Name("v"), Sign("+"), Number("1"))),))
    assert (text(root), latex(root)) == ("√(v + 1)", r"\sqrt{v + 1}")
    assert tags(root)[:2] == ["math", "msqrt"]


@pytest.mark.tex
def test_katex_accepts_every_line() -> None:
    folder = katex()
    if folder is None:
        pytest.skip("needs node and KaTeX: npm install katex, and KATEX=<its node_modules folder>")
    lines = [latex(tree) for tree, _, _ in LINES.values()]
    lines += [line for root in derived() for line in re.findall(r"\$\$ (.*) \$\$", tg.derive(root).markdown())]
    lines += [
        latex(part)
        for name in HOSTILE
        for part in (Name(name), Sub(Name(name), Letters("ij")), Call(name, (Sup(Name(name), T),)))
    ]

    @given(nodes(NAMES))
    @settings(max_examples=300)
    def sample(tree: Node) -> None:
        lines.append(latex(tree))

    sample()
    found = subprocess.run(
        ["node", "-e", RENDER, str(folder)], input=json.dumps(lines), capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(found) == []
