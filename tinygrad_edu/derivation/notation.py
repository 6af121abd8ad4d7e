r"""Formulas: one tree, three printers: text for the terminal, LaTeX, and MathML Core for browsers.

A name is text of the user and is shown as that text, whatever is in it: never markup, never a command.

>>> gradient = Partial(Name("L"), Sub(Name("W2"), Letters("ij")))
>>> text(gradient), latex(gradient)
('∂𝓛/∂W⁽²⁾_ij', '\\frac{\\partial \\mathcal{L}}{\\partial W^{(2)}_{ij}}')
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from ..graphs.names import pretty
from ..visible import visible

# ---- the tree --------------------------------------------------------------------------------------------------------


class Node:
    """A formula, or a part of one."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A tensor by the user's name for it: W2 shows as W⁽²⁾, dL/dW2 as ∂𝓛/∂W⁽²⁾."""

    name: str


@dataclass(frozen=True, slots=True)
class Letters(Node):
    """Index or dimension letters side by side: ``ij``, ``i+k``, ``i′``, ``d1`` (d₁), ``t_i``, ``labels[i]``."""

    text: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number as text: ``−1``, ``≈0.333``, ``1e−07``."""

    text: str


@dataclass(frozen=True, slots=True)
class Word(Node):
    """Upright words: ``sum``, ``if``."""

    text: str


@dataclass(frozen=True, slots=True)
class Sign(Node):
    """An operator or a relation: ``= + − ∗ · ⊗ / ≠ ≤ , ✓``. A + or − after another sign, or at the start, is unary."""

    text: str


@dataclass(frozen=True, slots=True)
class Row(Node):
    """Parts side by side, with a gap where there is no sign. A row in a row is the same as its parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Sub(Node):
    """An entry: ``W_ij``."""

    base: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Sup(Node):
    """A power; the transpose with the exponent ``Word("T")``. Parentheses around the base come by themselves."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Frac(Node):
    """A fraction; in text on one line, with the parentheses that this needs."""

    over: Node
    under: Node


@dataclass(frozen=True, slots=True)
class Partial(Node):
    """∂top/∂bottom, or a higher derivative ∂²top/∂bottom²."""

    top: Node
    bottom: Node
    order: int = 1


@dataclass(frozen=True, slots=True)
class Total(Node):
    """A sum of the body over these index letters."""

    letters: str
    body: Node


@dataclass(frozen=True, slots=True)
class Delta(Node):
    """Kronecker's delta: 1 where the two places, such as ``i`` and ``j+k``, are the same, else 0."""

    i: str
    j: str


@dataclass(frozen=True, slots=True)
class Fence(Node):
    """Parentheses, as high as what is in them."""

    body: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of its arguments: ``tanh(u)``, ``sum₁(x)``."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Space(Node):
    """The gap between factors. It comes by itself, except beside a bracket or another sign that is given as a word."""


# ---- what the printers share -----------------------------------------------------------------------------------------

LIMIT = 60  # letters of a name
_RAISED = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_STAND_INS = {"\n": "↵", "\t": "⇥"}
_ACCENTS = {"\u0302": ("^", r"\hat"), "\u0304": ("¯", r"\bar"), "\u0303": ("~", r"\tilde")}
_NAME = re.compile(r"(.+?)(?:⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾)?(′*)(\[[\d,]+\])?")  # W⁽¹⁾, h′, W⁽¹⁾[0,2]
_DERIVATIVE = re.compile(r"d([2-9]?)(\w+)/d(.+)\1")
_NUMBER = re.compile(r"([≈−]*)(.*?)(?:e([+−]?)0*(\d+))?", re.DOTALL)
# labels[, then i, i′, d1, t_i, then 12, then signs
_LETTER = re.compile(r"(\w+)(?=\[)|([^\W\d_])(′*)(?:_?(\d+)|_([^\W\d_]+))?|(\d+)|([-+−∗·,/])|(.)", re.DOTALL)
_LOOSE = frozenset("+−=≠<>≤≥≈→∈,✓")  # they bind less than a fraction


def _shown(name: str) -> str:
    shown = pretty(name[: LIMIT + 1])
    return visible(shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "…")


def _pieces(name: str) -> tuple[str, str, str, str]:
    """What is on the line, a number and primes that are raised, and what comes after: W1[0] is W, 1, nothing and [0]."""
    match = _NAME.fullmatch(_shown(name))
    base, number, primes, entry = match.groups("") if match else (_shown(name), "", "", "")
    return base, number.translate(_DIGITS), primes, entry


def _accent(base: str) -> tuple[str, str, str] | None:
    """The letter and the sign over it, in MathML and in LaTeX."""
    apart = unicodedata.normalize("NFD", base)
    return (apart[0], *_ACCENTS[apart[1]]) if len(apart) == 2 and apart[1] in _ACCENTS else None


def _tokens(letters: str) -> Iterator[tuple[Node, str, str]]:
    """Each letter, number or sign with its primes and with what is below it."""
    for match in _LETTER.finditer(visible(letters).translate(_DIGITS).replace("-", "−")):
        name, letter, primes, number, below, digits, sign, other = match.groups("")
        kinds = (Name, name), (Letters, letter), (Number, digits), (Sign, sign), (Word, other)
        yield next(kind(found) for kind, found in kinds if found), primes, number or below


def _lower(tree: Node) -> Node:
    """The same in fewer kinds of nodes."""
    match tree:
        case Row((part,)):
            return _lower(part)
        case Number(shown) if (found := _NUMBER.fullmatch(shown.replace("-", "−"))) and (found[1] or found[4]):
            power = (Sign("·"), Sup(Number("10"), Number((found[3] or "").strip("+") + found[4]))) if found[4] else ()
            return Row((*map(Sign, found[1]), Number(found[2]), *power))
        case Name(name) if _shown(name).startswith("∂") and (found := _DERIVATIVE.fullmatch(name)):
            return Partial(Name(found[2]), Name(found[3]), int(found[1] or 1))
        case Delta(i, j):
            return Sub(Letters("δ"), Letters(i + j if i.isalpha() and j.isalpha() and len(i + j) == 2 else f"{i},{j}"))
    return tree


def _closed(tree: Node) -> bool:
    """Nothing that is written beside it can be taken for a part of it."""
    match _lower(tree):
        case Name() | Letters() | Number() | Word() | Sub() | Fence() | Call():
            return True
    return False


def _opened(tree: Node) -> Node:
    """Without the parentheses around all of it."""
    tree = _lower(tree)
    return _opened(tree.body) if isinstance(tree, Fence) else tree


def _group(tree: Node) -> Node:
    return tree if _closed(tree) else Fence(tree)


def _entry_base(tree: Node) -> Node:
    tree = _lower(tree)
    indexed = isinstance(tree, Sub) or (isinstance(tree, Letters) and len(tree.text) > 1)  # else two indices on one letter
    return Fence(tree) if indexed else _group(tree)


def _power_base(tree: Node) -> Node:
    """In parentheses unless it is a single letter, or an entry of one, with nothing raised."""
    match tree := _opened(tree):
        case Name(name) | Sub(Name(name)):
            base, *rest = _pieces(name)
            single = len(base) == 1 or _accent(base) is not None
            return tree if not any(rest) and (single or isinstance(tree, Sub)) else Fence(tree)
        case Letters(letters):
            return tree if len(list(_tokens(letters))) == 1 and "′" not in letters else Fence(tree)
        case Sub():
            return Fence(tree)
    return _group(tree)


def _tall(tree: Node) -> bool:
    """Whether it is higher than a line."""
    tree = _lower(tree)
    if isinstance(tree, Frac | Partial | Total):
        return True
    values = [getattr(tree, attribute) for attribute in tree.__match_args__]
    return any(_tall(part) for v in values for part in (v if isinstance(v, tuple) else (v,)) if isinstance(part, Node))


def _flat(tree: Node) -> Iterator[Node]:
    for part in tree.parts if isinstance(tree, Row) else ():
        yield from _flat(part) if isinstance(part, Row) else (part,)


def _commas(letters: str) -> Node:
    """Summed letters: ij is i, j."""
    found = [Letters(match[0]) for match in _LETTER.finditer(letters)]
    return _arguments(tuple(found)).body


def _arguments(args: tuple[Node, ...]) -> Fence:
    return Fence(Row(tuple(part for arg in args for part in (Sign(","), arg))[1:]))


def _function(name: str) -> tuple[str, str]:
    """A function's name and the number below it."""
    plain = visible(name)
    base = plain.rstrip("₀₁₂₃₄₅₆₇₈₉")
    return base, plain[len(base) :].translate(_DIGITS)


def _apart(left: Node, right: Node) -> bool:
    """Whether there is a gap between two neighbours: not beside a bracket."""
    bracket = (isinstance(left, Word) and left.text[-1:] in "[(|") or (isinstance(right, Word) and right.text[:1] in "[])|")
    return not bracket and not (isinstance(left, Fence) and isinstance(right, Fence))


def _row(row: Row, show: Callable[[Node], str], gap: str, sign: Callable[[str, bool], str]) -> Iterator[str]:
    """The parts of a row: gaps where two stand side by side, and signs as ``sign(text, unary)``."""
    before: Node | None = None
    spaced = False
    for part in _flat(row):
        if isinstance(part, Space):
            spaced = True
            continue
        first = before is None or isinstance(before, Sign)
        if isinstance(part, Sign):
            yield sign(part.text, first and part.text in "+−∂")
        else:
            if not first and before is not None and (spaced or _apart(before, part)):
                yield gap * (2 if isinstance(before, Word) or isinstance(part, Word) else 1)
            yield show(part)
        before, spaced = part, False


# ---- text ------------------------------------------------------------------------------------------------------------


def text(tree: Node) -> str:
    """The formula on one line, for the terminal.

    >>> text(Row((Name("u2"), Sign("="), Name("h1"), Sign("·"), Name("W2"), Sign("+"), Name("b2"))))
    'u⁽²⁾ = h⁽¹⁾ · W⁽²⁾ + b⁽²⁾'
    >>> text(Frac(Row((Name("yhat"), Sign("−"), Name("y"))), Letters("N")))
    '(ŷ − y) / N'
    """
    match tree if isinstance(tree, Name | Number) else _lower(tree):
        case Name(name):
            return _shown(name)
        case Letters(letter) if len(letter) == 1 and letter.isalpha():
            return visible(letter)
        case Letters(letters):
            return "".join(text(token) + primes + _below(low) for token, primes, low in _tokens(letters)).replace(" ", "")
        case Number(shown) | Word(shown) | Sign(shown):
            return visible(shown)
        case Row() as row:
            return re.sub(" {2,}", " ", "".join(_row(_fenced_fractions(row), text, " ", _text_sign)).strip())
        case Sub(base, index):
            return text(_entry_base(base)) + _text_index(index)
        case Sup(base, exponent):
            return text(_power_base(base)) + _text_exponent(exponent)
        case Frac(over, under):
            top, low = _opened(over), _opened(under)
            loose = isinstance(top, Total) or any(
                isinstance(part, Total) or (n and isinstance(part, Sign) and part.text in _LOOSE)
                for n, part in enumerate(_flat(top))
            )
            slash = "/" if isinstance(top, Number | Letters) and isinstance(low, Number | Letters) else " / "
            return text(Fence(top) if loose else top) + slash + text(low if isinstance(low, Sup) else _group(low))
        case Partial(top, bottom, order):
            n = str(order).translate(_RAISED) if order > 1 else ""
            return f"∂{n}{text(_group(top))}/∂{text(_group(bottom))}{n}"
        case Total(letters, body):
            where = _text_index(Letters(letters)) if letters else ""
            return f"Σ{where} {text(Fence(body) if isinstance(_lower(body), Frac) else body)}"
        case Fence(body):
            return f"({text(body)})"
        case Call(name, args):
            return f"{visible(name)}({', '.join(map(text, args))})"
    return ""


def _text_index(index: Node) -> str:
    low = text(index).replace(" ", "")
    return f"_{low}" if re.fullmatch(r"([^\W\d_]′*)+", low) else f"_[{low}]"


def _below(low: str) -> str:
    return low.translate(_LOWERED) if low.isdigit() else low and f"_{low}"


def _text_sign(sign: str, unary: bool) -> str:
    return sign if unary else f"{sign} " if sign == "," else f" {visible(sign)} "


def _text_exponent(exponent: Node) -> str:
    shown = text(exponent).replace("-", "−")
    if re.fullmatch(r"−?\d+", shown) or exponent == Word("T"):
        return "ᵀ" if shown == "T" else shown.translate(_RAISED)
    return "^" + text(_group(exponent) if not isinstance(exponent, Number) else exponent)


def _fenced_fractions(row: Row) -> Row:
    """With parentheses around what the line would tear apart: a fraction beside a factor, or after a slash."""
    parts = list(_flat(row))
    solid = [n for n, part in enumerate(parts) if not isinstance(part, Space)]
    for left, n, right in zip([None, *solid], solid, [*solid[1:], None], strict=False):
        beside = [parts[m] for m in (left, right) if m is not None]
        torn = isinstance(parts[n], Frac) and not all(isinstance(other, Sign) for other in beside)
        if torn or (isinstance(parts[n], Frac | Partial) and left is not None and parts[left] == Sign("/")):
            parts[n] = Fence(parts[n])
    return Row(tuple(parts))


# ---- LaTeX -----------------------------------------------------------------------------------------------------------

_GREEK = r"""\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi \pi \rho \sigma \tau \upsilon
\phi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega"""
_COMMANDS = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _GREEK.split(), strict=True)) | {
    "𝓛": r"\mathcal{L}", "∂": r"\partial", "−": "-", "∗": r"\ast", "·": r"\cdot", "×": r"\times", "⊗": r"\otimes", "∘": r"\circ",
    "≠": r"\neq", "≤": r"\leq", "≥": r"\geq", "≈": r"\approx", "→": r"\to", "∈": r"\in", "∞": r"\infty", "…": r"\ldots",
    "✓": r"\; \checkmark", "↵": r"\hookleftarrow", "√": r"\surd",
}  # fmt: skip
# In mathematics, not inside \text: MathJax shows escapes in there as they are written. <b is a tag where a page holds it.
_ESCAPES = {c: rf"\{c}" for c in "{}$&#%_"} | {
    "\\": r"\backslash",
    "~": r"\sim",
    "^": r"\wedge",
    "'": r"\text{'}",
    "-": r"\text{-}",
}
_ESCAPES |= {c: c for c in "<>|`"} | {'"': r"\text{''}"}
# Letters that the TeX engines and KaTeX know; another sign is shown as its number.
_RUN = re.compile(r"([A-Za-z0-9 .,:;!?()\[\]+=*/@À-ÖØ-öø-ɏЀ-ӿ぀-ヿ一-龯가-힣]+)|.", re.DOTALL)
_FUNCTIONS = re.compile("arccos|arcsin|arctan|cosh?|cot|det|exp|log|max|min|sinh?|tanh?")


def latex(tree: Node, names: Mapping[str, str] | None = None) -> str:
    r"""The formula as LaTeX, without dollar signs. It needs amsmath, and amssymb for ✓.

    Parameters
    ----------
    tree : Node
        The formula.
    names : mapping, optional
        A name's own LaTeX, taken as it is: ``{"W2": r"\mathbf{W}_2"}``.

    Examples
    --------
    >>> print(latex(Row((Name("u2"), Sign("="), Name("h1"), Sign("·"), Name("W2"), Sign("+"), Name("b2")))))
    u^{(2)} = h^{(1)} \cdot W^{(2)} + b^{(2)}
    >>> print(latex(Sub(Name("W2"), Letters("ij")), {"W2": r"\mathbf{W}_2"}))
    {\mathbf{W}_2}_{ij}
    """
    own = names or {}

    def tex(tree: Node) -> str:
        match tree if isinstance(tree, Name) and tree.name in own else _lower(tree):
            case Name(name) if name in own:
                return f"{{{own[name]}}}"
            case Name(name):
                base, number, primes, entry = _pieces(name)
                return _tex_script(_tex_name(base), "", (number and f"({number})") + r"\prime" * len(primes)) + entry
            case Letters(letter) if len(letter) == 1 and letter.isalpha():
                return _tex_name(letter)
            case Letters(letters):
                parts = ((tex(x), low and tex(Letters(low)), r"\prime" * len(primes)) for x, primes, low in _tokens(letters))
                return _tex_joined((_tex_script(*part) for part in parts), "")
            case Number(shown) if re.fullmatch(r"[\d.]+", shown):
                return shown
            case Number(shown) | Word(shown):
                return _tex_upright(visible(shown))
            case Sign(shown):
                return _COMMANDS.get(shown) or (shown if shown in "=+-/<>,:!" else _verbatim(visible(shown)))
            case Row() as row:
                return _tex_joined(_row(row, tex, r"\,", lambda sign, unary: tex(Sign(sign))), " ")
            case Sub(base, index):
                return _tex_script(tex(_entry_base(base)), tex(index), "")
            case Sup(base, exponent):
                shown = tex(_power_base(base))
                raised = r"\top" if exponent == Word("T") else tex(exponent)
                return _tex_script(f"{{{shown}}}" if "^" in shown else shown, "", raised)
            case Frac(over, under):
                return rf"\frac{{{tex(_opened(over))}}}{{{tex(_opened(under))}}}"
            case Partial(top, bottom, order):
                n = f"^{{{order}}}" if order > 1 else ""
                low = tex(_group(bottom))
                return rf"\frac{{\partial{n} {tex(_group(top))}}}{{\partial " + (f"{{{low}}}{n}" if n else low) + "}"
            case Total(letters, body):
                return _tex_script(r"\sum", tex(_commas(letters)), "") + " " + tex(body)
            case Fence(body):
                return rf"\left( {tex(body)} \right)" if _tall(body) else f"({tex(body)})"
            case Call("√", (arg,)):
                return f"\\sqrt{{{tex(arg)}}}"
            case Call(name, args):
                return _tex_function(name) + tex(_arguments(args))
        return r"\,"

    return tex(tree)


def _tex_script(base: str, low: str, raised: str) -> str:
    return base + (f"^{{{raised}}}" if raised else "") + (f"_{{{low}}}" if low else "")


def _tex_joined(parts: Iterable[str], gap: str) -> str:
    """The parts, with a space where a command would run into a letter."""
    line = ""
    for part in parts:
        ends = re.search(r"\\[A-Za-z]+$", line) and part[:1].isalpha()
        line += part if part == "," else (" " if ends else gap) + part
    return line.strip()


def _tex_name(base: str) -> str:
    """A letter in italics, with its accent; a word upright."""
    if accent := _accent(base):
        return f"{accent[2]}{{{_tex_name(accent[0])}}}"
    return _COMMANDS.get(base) or (base if re.fullmatch("[A-Za-z]", base) else _tex_upright(base))


def _tex_upright(words: str, command: str = "mathrm") -> str:
    if re.fullmatch(r"[A-Za-z]\w*", words, re.ASCII):
        return rf"\{command}{{{words}}}".replace("_", r"\_")
    shown = words if words in ("[", "]", "|") else _verbatim(words)
    return shown if command == "mathrm" else rf"\{command}{{{shown}}}"


def _tex_function(name: str) -> str:
    base, number = _function(name)
    command = rf"\{base}" if _FUNCTIONS.fullmatch(base) else _tex_upright(base, "operatorname")
    return _tex_script(command, number, "")


def _verbatim(shown: str) -> str:
    """Exactly this text; nothing in it is a command."""

    def run(match: re.Match[str]) -> str:
        command = _ESCAPES.get(match[0]) or _COMMANDS.get(match[0])
        return f"{{{command}}}" if command else rf"\text{{{match[1] or f'[U+{ord(match[0]):04X}]'}}}"

    runs = [run(match) for match in _RUN.finditer(shown)]
    return runs[0] if len(runs) == 1 else f"{{{''.join(runs)}}}"


# ---- MathML ----------------------------------------------------------------------------------------------------------


def mathml(tree: Node) -> str:
    """The formula as a ``<math>`` element of MathML Core.

    >>> mathml(Sub(Name("W2"), Letters("i")))[65:-7]
    '<msubsup><mi>W</mi><mi>i</mi><mrow><mo stretchy="false">(</mo><mn>2</mn><mo stretchy="false">)</mo></mrow></msubsup>'
    """
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">{_xml(tree)}</math>'


def _xml(tree: Node, low: str = "", raised: str = "") -> str:
    """One element; with what is below and raised, if that belongs to a letter inside of it."""
    match tree := _lower(tree):
        case Name(name):
            base, number, primes, entry = _pieces(name)
            above = [_xml(Fence(Number(number)))] if number else []
            shown = _script(_xml_name(base), low, _mrow(*above, *map(_mo, primes), raised))
            return _mrow(shown, entry and f"<mtext>{entry}</mtext>")
        case Sub(base, index):
            return _xml(_entry_base(base), _xml(index), raised)
        case Sup(base, exponent):
            return _xml(_power_base(base), "", _xml(exponent))
    return _script(_element(tree) or "<mrow></mrow>", low, raised)  # never nothing: a fraction has two elements


def _element(tree: Node) -> str:
    match tree:
        case Letters(letter) if len(letter) == 1 and letter.isalpha():
            return _xml_name(visible(letter))
        case Letters(letters):
            parts = ((_xml(x), low and _xml(Letters(low)), primes) for x, primes, low in _tokens(letters))
            return _mrow(*(_script(x, low, _mrow(*map(_mo, primes))) for x, low, primes in parts))
        case Number(shown):
            return f"<mn>{_quoted(shown)}</mn>"
        case Word(shown):
            return f"<mtext>{_quoted(shown)}</mtext>"
        case Sign(shown):
            return _xml_sign(shown, False)
        case Row() as row:
            return _mrow(*_row(row, _xml, '<mspace width="0.17em"/>', _xml_sign))
        case Frac(over, under):
            return f"<mfrac>{_xml(_opened(over))}{_xml(_opened(under))}</mfrac>"
        case Partial(top, bottom, order):
            n = f"<mn>{order}</mn>" if order > 1 else ""
            above = _mrow(_script("<mi>∂</mi>", "", n), _xml(_group(top)))
            return f"<mfrac>{above}{_mrow('<mi>∂</mi>', _script(_xml(_group(bottom)), '', n))}</mfrac>"
        case Total(letters, body):
            sign = f"<munder><mo>∑</mo>{_xml(_commas(letters))}</munder>" if letters else "<mo>∑</mo>"
            return _mrow(sign, _xml(body))
        case Fence(body):
            grow = "" if _tall(body) else ' stretchy="false"'
            return f"<mrow><mo{grow}>(</mo>{_xml(body)}<mo{grow}>)</mo></mrow>"
        case Call("√", (arg,)):
            return f"<msqrt>{_xml(arg)}</msqrt>"
        case Call(name, args):
            base, number = _function(name)
            upright = ' mathvariant="normal"' if len(base) == 1 else ""  # a single letter would be in italics
            function = f"<mi{upright}>{_quoted(base)}</mi>"
            return _mrow(_script(function, number and f"<mn>{number}</mn>", ""), "<mo>\u2061</mo>", _xml(_arguments(args)))
    return '<mspace width="0.17em"/>'


def _quoted(shown: str) -> str:
    return escape(visible(shown)).replace(" ", "\N{NO-BREAK SPACE}")


def _mo(sign: str) -> str:
    return f"<mo>{_quoted(sign)}</mo>"


def _xml_sign(sign: str, unary: bool) -> str:
    return "<mi>∂</mi>" if sign == "∂" else f'<mo form="prefix">{_quoted(sign)}</mo>' if unary else _mo(sign)


def _xml_name(base: str) -> str:
    if accent := _accent(base):
        return f'<mover accent="true">{_xml_name(accent[0])}<mo stretchy="false">{accent[1]}</mo></mover>'
    return f"<mi>{_quoted(base)}</mi>" if re.fullmatch(r"\w+", base) else f"<mtext>{_quoted(base)}</mtext>"


def _mrow(*parts: str) -> str:
    """One element of the parts that are there, nothing of none."""
    found = [part for part in parts if part]
    return found[0] if len(found) == 1 else f"<mrow>{''.join(found)}</mrow>" if found else ""


def _script(base: str, low: str, raised: str) -> str:
    kind = "m" + "sub" * bool(low) + "sup" * bool(raised)
    return f"<{kind}>{base}{low}{raised}</{kind}>" if kind != "m" else base
