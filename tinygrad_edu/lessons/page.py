"""The page of a lesson: one HTML file with its style, its scripts and its data; nothing is fetched from anywhere.

What a reader needs without JavaScript is written here: the pictures, every step, the derivation, the code. ``page.js`` takes
its formulas from these tables, so that they are in the file once. Text of the user is escaped here, and in ``page.js`` it is
only ever the content of a text node.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import prod
from typing import Any

from ..visible import visible
from .data import Choice, Data, Node, Words
from .indexed import calls
from .inline_svg import FILLS, INKS, rules
from .javascript import javascript
from .program import Program
from .stage import Stage
from .words import LANGUAGES, WORDS

THEMES = ("auto", "light", "dark")
SCRIPTS = ("reader", "numbers", "entry", "grid", "step", "questions", "stage", "controls", "what_if", "page")  # in this order
USUAL = {"power": 1, "coefficient": 1, "gradient": False, "offset": 0}  # in index notation
MOST_BYTES = 1_500_000  # of a page
_TOO_LARGE = {
    "en": "So that the page does not become too large, it leaves out: {}.",
    "es": "Para que la página no sea demasiado grande, se omite: {}.",
}
_WORD = re.compile(r"[^\W\d]\w*(?!\w*\()")  # that is not called
_GAP = re.compile(r"\{\{(\w+)(?: (\w+))?\}\}")
_LOOKED_UP = re.compile(r"(<mi>\w+</mi>)<mtext>\[</mtext>(<mi>\w</mi>)<mtext>\]</mtext>")
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def page(
    data: Data, stage: Stage, *, recorded: Words | str = "", remarks: Iterable[Words | str] = (), theme: str = "auto"
) -> str:
    """The lesson as the text of an HTML file.

    Parameters
    ----------
    data : Data
        The steps and all that belongs to them.
    stage : Stage
        The pictures.
    recorded : dict or str
        What stays as recorded when a number is changed, or why none can be, in each language.
    remarks : iterable
        What the reader should know of the page as a whole, each as one text or in each language.
    theme : str
        ``light`` or ``dark``, or ``auto``: as the reader's system has it.

    Notes
    -----
    The Content-Security-Policy names the hashes of the scripts and of the style, and forbids everything else.

    A page of more than ``MOST_BYTES`` leaves out, one after the other until it fits, what ``_LESS`` names, and says so.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.lessons.stage import stage
    >>> from tinygrad_edu.lessons.steps import lesson_data
    >>> w = tg.Tensor(2.0, requires_grad=True, name="w")
    >>> L = (w * w).named("L")
    >>> text = page(lesson_data(L), stage(L))
    >>> "unsafe-inline" in text, text.count("<script>")
    (False, 2)
    """
    text, left_out = _written(data, stage, recorded, remarks, theme), []
    for said, leave_out in _LESS:
        if len(text.encode()) <= MOST_BYTES:
            break
        data, stage = leave_out(data, stage)
        left_out.append(said)
        note = {lang: _TOO_LARGE[lang].format(", ".join(each[lang] for each in left_out)) for lang in LANGUAGES}
        text = _written(data, stage, recorded if data["program"] else "", [*remarks, note], theme)
    return text


def _written(data: Data, stage: Stage, recorded: Words | str, remarks: Iterable[Words | str], theme: str) -> str:
    words = WORDS[data["lang"]]
    css = _lean_style(f":root {{\n{_palette()}}}\n{_read('page.css')}\n{rules()}")
    program: Program | None = data["program"]
    entries = [step["entry"]["terms"] for step in data["steps"] if step["entry"]]
    scripts = [javascript(program, {name for terms in entries for name in calls(terms)}), _lean(_script())]
    hashes = " ".join(_hash(script) for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(css)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    notes = [*remarks, *([stage.remark] if stage.remark else [])]
    filled: dict[str, str] = {
        "lang": data["lang"],
        "policy": policy,
        "title": _text(data["title"]),
        "title_word": _title_word(data, words),
        "css": css,
        "remarks": "".join(f'<p class="note">{_both(note)}</p>' for note in notes),
        "recorded": _both(recorded),
        "pictures": _pictures(stage, words),
        "closer": _closer(data, stage, words),
        "contents": _contents(data, words),
        "steps": _with_subscripts(_steps(data, words)),
        "values": _values(data, words),
        "derivation": _with_subscripts(_derivation(data, words)),
        "code": _code(data, words),
        "questions": _questions(data, words),
        "words": _json(WORDS),
        "data": _json(_slim(data, stage)),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }

    def fill(gap: re.Match[str]) -> str:
        what, key = gap[1], gap[2]
        if what == "word":
            return _word(words, key)
        if what == "label":
            return f'data-label="{key}" aria-label="{_text(words[key])}"'
        if what == "option":
            return f'data-word="{key}"{" selected" if key == theme else ""}>{_text(words[key])}'
        return filled[what]

    text = _GAP.sub(fill, _read("page.html"))
    return text if theme == "auto" else text.replace("<html ", f'<html data-theme="{theme}" ', 1)


def _title_word(data: Data, words: Mapping[str, str]) -> str:
    """Where the title only names the root, what it is in the other language."""
    root = data["nodes"][data["root"]]["name"]
    return f' data-word="title_of" data-filled="{_text(root)}"' if data["title"] == words["title_of"].format(root) else ""


def _read(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _script() -> str:
    """The behaviour of the page; its files share what they define."""
    return "\n".join(['"use strict";', "(() => {", *(_read(f"{name}.js") for name in SCRIPTS), "})();"])


def _lean(text: str) -> str:
    """A script or a style without its indentation, empty lines and remarks."""
    lines = (re.sub(r"(^|\s)// .*$", "", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not (line.startswith("/*") and line.endswith("*/")))


def _lean_style(text: str) -> str:
    """The same for a style, also without the spaces that only a person needs."""
    return re.sub(r"(?<=[:,]) | (?=\{)|(?<=\{) |;? (?=\})", "", _lean(text))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _palette() -> str:
    """The colours of the pictures, for both themes."""
    colours = {**{f"fill-{name}": both for name, both in FILLS.items()}, **INKS}
    return "".join(f"  --{name}: light-dark({light}, {dark});\n" for name, (light, dark) in colours.items())


def _json(value: Any) -> str:
    """JSON that ends no script and opens no comment."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _slim(data: Data, stage: Stage) -> dict[str, Any]:
    """What page.js needs that is not in the tables, each number once."""
    nodes = [
        {
            **{key: x for key, x in node.items() if key not in ("math", "key")},
            "equation": stage.shown.get(node["id"], node["equation"]),
        }
        for node in data["nodes"]
    ]
    left_out = ("sentence", "formula", "formula_text", "entry", "result", "total")
    pretty = {node["key"]: node["name"] for node in data["nodes"]}
    steps = []
    for step in data["steps"]:
        known = data["nodes"][step["node"]]["values"] if step["kind"] == "value" else data["gradients"].get(str(step["node"]))
        entry = step["entry"] and _terse({"axes": step["entry"]["axes"], "terms": step["entry"]["terms"]}, pretty)
        same = True if known is not None and step["kind"] in ("contribution", "sum") else None  # True: the whole gradient
        numbers = {key: same if step[key] == known else step[key] for key in ("result", "total")}
        kept = {**{key: x for key, x in step.items() if key not in left_out}, "entry": entry, **numbers}
        steps.append({key: x for key, x in kept.items() if x not in (None, [], "")})
    questions = [{**question, "choices": [choice["text"] for choice in question["choices"]]} for question in data["questions"]]
    rest = {key: data[key] for key in ("root", "level", "gradients", "paths", "program")}
    return {"nodes": nodes, "steps": steps, "questions": questions, **rest}


def _terse(entry: dict[str, Any], pretty: Mapping[str, str]) -> Any:
    """The entry without what page.js takes for granted; what is no node, such as softmax(u2), by the names of the nodes."""

    def kept(d: dict[str, Any]) -> dict[str, Any]:
        named = "name" in d and "node" in d  # by its node
        if d.get("kind") == "entry" and not named and "name" in d:
            d["name"] = _WORD.sub(lambda word: pretty.get(word[0], word[0]), d["name"])
        return {key: x for key, x in d.items() if (key not in USUAL or x != USUAL[key]) and not (named and key == "name")}

    return json.loads(json.dumps(entry), object_hook=kept)


# ---- what a page that would be too large leaves out


def _without_steps(data: Data, **changed: Any) -> Data:
    """The data with something else in each of its steps."""
    steps: Any = [{**step, **changed} for step in data["steps"]]
    return {**data, "steps": steps}


def _without_inner_numbers(data: Data, stage: Stage) -> tuple[Data, Stage]:
    inner = {node["id"] for node in data["nodes"] if node["equation"] != node["id"]}
    nodes: Any = [{**node, "values": None, "digest": ""} if node["id"] in inner else node for node in data["nodes"]]
    gradients = {i: None if int(i) in inner else found for i, found in data["gradients"].items()}
    return {**_without_steps(data, entry=None), "nodes": nodes, "gradients": gradients}, stage


def _without_derivation(data: Data, stage: Stage) -> tuple[Data, Stage]:
    return {**_without_steps(data, derivation=None, derivation_line=None), "derivation": []}, stage


_Less = Callable[[Data, Stage], tuple[Data, Stage]]
_LESS: tuple[tuple[Words, _Less], ...] = (
    (
        {"en": "the pictures number by number", "es": "las figuras número por número"},
        lambda data, stage: (data, replace(stage, zooms={})),
    ),
    (
        {"en": "the pictures of the equations", "es": "las figuras de las ecuaciones"},
        lambda data, stage: (data, replace(stage, equations={})),
    ),
    ({"en": "the derivation", "es": "la derivación"}, _without_derivation),
    (
        {"en": "the lines in index notation", "es": "las líneas con índices"},
        lambda data, stage: (_without_steps(data, entry=None), stage),
    ),
    ({"en": "the numbers inside of equations", "es": "los números dentro de las ecuaciones"}, _without_inner_numbers),
    (
        {"en": "“What if?”", "es": "«¿Y si…?»"},
        lambda data, stage: ({**data, "program": None}, stage),
    ),
    (
        {"en": "the code", "es": "el código"},
        lambda data, stage: ({**_without_steps(data, code=None), "code": {"text": ""}}, stage),
    ),
)


# ---- text


def _text(text: object) -> str:
    return escape(visible(str(text)))


def _word(words: Mapping[str, str], key: str, filled: str | None = None) -> str:
    """A word of the interface, which page.js can say in the other language."""
    text = words[key] if filled is None else words[key].replace("{}", filled)
    gap = "" if filled is None else f' data-filled="{_text(filled)}"'
    return f'<span data-word="{key}"{gap}>{_text(text)}</span>'


def _both(text: Words | str) -> str:
    """A text in both languages, of which the style sheet shows one."""
    if isinstance(text, str):
        return _text(text)
    return "".join(f'<span lang="{language}">{_text(text[language])}</span>' for language in LANGUAGES if language in text)


def _section(name: str, heading: str, content: str) -> str:
    title = f'<h2 id="{name}-title">{heading}</h2>'
    return f'<section class="more" id="{name}" aria-labelledby="{name}-title">{title}\n{content}\n</section>'


def _table(words: Mapping[str, str], heads: Iterable[str], rows: Iterable[str]) -> str:
    """A table; the heads are words of the interface."""
    cells = "".join(f'<th scope="col">{_word(words, key)}</th>' for key in heads)
    body = "\n".join(rows)
    return f'<div class="scroll"><table class="list"><thead><tr>{cells}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _with_subscripts(html: str) -> str:
    """Formulas in which the entry of a table of integers, such as y[i], is written as every other entry."""
    return _LOOKED_UP.sub(r"<msub>\1\2</msub>", html)


# ---- what is on the page


def _spoken(svg: str, words: Mapping[str, str]) -> str:
    """A picture whose words are in the language of the page, as it is read without JavaScript."""
    if words is WORDS["en"]:
        return svg
    svg = re.sub(r'(<text[^>]* data-es="([^"]*)"[^>]*>)[^<]*', r"\1\2", svg)
    return re.sub(r'(<text data-word="(\w+)"[^>]*>)[^<]*', lambda found: found[1] + _text(words[f"kind_of_{found[2]}"]), svg)


def _figure(svg: str, caption: str, note: str = "", **attributes: str) -> str:
    named = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<figure class="figure"{named}><figcaption>{caption}</figcaption>{note}<div class="viewport">{svg}</div></figure>'


def _pictures(stage: Stage, words: Mapping[str, str]) -> str:
    pictures = {"forward": stage.forward, "backward": stage.backward}
    drawn = [_figure(_spoken(svg, words), _word(words, sheet), data_sheet=sheet) for sheet, svg in pictures.items() if svg]
    return "\n".join(drawn) or f'<p class="nothing">{_word(words, "no_picture")}</p>'


def _closer(data: Data, stage: Stage, words: Mapping[str, str]) -> str:
    """The pictures that open from the stage; on paper, and without JavaScript, they stand here."""
    kinds = (("equation", "equation_of", stage.equations), ("zoom", "closer_of", stage.zooms))
    figures = [
        _figure(
            _spoken(svg, words),
            _word(words, caption, data["nodes"][node]["name"]),
            f'<p class="stale" hidden>{_word(words, "zoom_recorded")}</p>' if kind == "zoom" else "",
            id=f"{kind}-{node}",
        )
        for kind, caption, pictures in kinds
        for node, svg in pictures.items()
    ]
    if not figures:
        return ""
    return _section("closer", _word(words, "closer"), f'<div class="closer-figures">{"".join(figures)}</div>')


def _contents(data: Data, words: Mapping[str, str]) -> str:
    shown = {
        "what-if": ("what_if", True),
        "derivation": ("derivation", bool(data["derivation"])),
        "code": ("code", bool(data["code"]["text"])),
        "steps": ("all_steps", True),
        "values": ("all_values", True),
        "questions": ("questions", bool(data["questions"])),
    }
    links = [
        f'<a href="#{name}"{" class=needs-js" if name == "what-if" else ""}>{_word(words, key)}</a>'
        for name, (key, here) in shown.items()
        if here
    ]
    return " ".join(links)


def _steps(data: Data, words: Mapping[str, str]) -> str:
    derived = {
        line["math"]: f"line-{i}-{j}" for i, section in enumerate(data["derivation"]) for j, line in enumerate(section["lines"])
    }
    rows = []
    for i, step in enumerate(data["steps"]):
        entry = step["entry"]
        formula = f'<div class="formula">{step["formula"]}</div>' if step["formula"] else ""
        indexed = ""
        if entry and entry["math"] in derived:  # it is on the page already
            indexed = f'<div class="indexed" data-line="{derived[entry["math"]]}"></div>'
        elif entry:
            indexed = f'<div class="indexed">{entry["math"]}</div>'
        rows.append(
            f'<tr id="row-{i}"><td class="n">{i + 1}</td><td class="sentence-cell">{_both(step["sentence"])}</td>'
            f'<td>{formula}{indexed}</td><td class="shapes">{_text(step["shapes"])}</td></tr>'
        )
    return _section("steps", _word(words, "all_steps"), _table(words, ("number", "what_happens", "formula", "shapes"), rows))


def _values(data: Data, words: Mapping[str, str]) -> str:
    rows = []
    formulas = {step["node"]: step["formula_text"].split(" = ", 1)[-1] for step in data["steps"] if step["kind"] == "value"}
    for node in data["nodes"]:
        made = formulas.get(node["id"], "") if node["op"] else ""
        by = f'<span class="made">{_text(made)}</span>' if made else _word(words, f"kind_of_{node['kind']}")
        shape = ", ".join(node["dims"]) + ("," if len(node["dims"]) == 1 else "")
        rows.append(
            f'<tr id="value-{node["id"]}"><td class="math">{node["math"]}</td><td class="kind-of">{by}</td>'
            f'<td class="shapes">({_text(shape)})</td><td class="shapes">{_summary(node)}</td></tr>'
        )
    return _section("values", _word(words, "all_values"), _table(words, ("name", "made_by", "shape", "value"), rows))


def _summary(node: Node) -> str:
    """The digest, and how many numbers it stands for."""
    said = {lang: node["digest"].replace("mean", WORDS[lang]["mean"]) for lang in LANGUAGES}
    if node["values"] is None and node["digest"]:
        n = str(prod(node["shape"]))
        said = {lang: WORDS[lang]["summary"].replace("{}", n, 1).replace("{}", said[lang], 1) for lang in LANGUAGES}
    return _both(said if said["en"] != said["es"] else said["en"])


def _derivation(data: Data, words: Mapping[str, str]) -> str:
    if not data["derivation"]:
        return ""
    names = [node["name"] for node in data["nodes"]]
    root, sections = names[data["root"]], []
    for i, section in enumerate(data["derivation"]):
        rows = "".join(
            f'<tr id="line-{i}-{j}"><th scope="row">{_both(line["words"])}</th><td>{line["math"]}</td>'
            f"<td>{_text(line['difference'])}</td></tr>"
            for j, line in enumerate(section["lines"])
        )
        table = f'<div class="scroll"><table class="list"><tbody>{rows}</tbody></table></div>'
        of = _text(f"∂{root}/∂{names[section['of']]}")
        sections.append(f'<div class="derived" id="derivation-{i}"><h3>{of}</h3>{table}</div>')
    about = f'<p class="remark">{_word(words, "derivation_text")}</p>'
    return _section("derivation", _word(words, "derivation"), "\n".join([about, *sections]))


def _code(data: Data, words: Mapping[str, str]) -> str:
    text = data["code"]["text"]
    if not text:
        return ""
    lines = "".join(f"<code>{_text(line)}</code>" for line in text.splitlines())
    label = f'data-label="code" aria-label="{_text(words["code"])}"'
    return _section("code", _word(words, "code"), f'<pre class="listing" tabindex="0" role="group" {label}>{lines}</pre>')


def _questions(data: Data, words: Mapping[str, str]) -> str:
    """The printable sheet: the questions, and at the end the answers."""
    asked, answers = [], []
    for i, question in enumerate(data["questions"]):
        at = f"<small>({_word(words, 'go_to_step', str(question['step'] + 1))})</small>"
        if question["kind"] == "choice":
            choices = [_choice(choice) for choice in question["choices"]]
            options = "".join(f'<li id="choice-{i}-{j}">{choice}</li>' for j, choice in enumerate(choices))
            right = int(question["answer"])
            room, answer = f'<ol class="options">{options}</ol>', f"<b>{chr(ord('a') + right)})</b> {choices[right]}"
        else:
            room, answer = '<div class="blank"></div>', _text(f"{question['answer']:.6g}".replace("-", "−"))
        asked.append(f"<li>{_both(question['prompt'])} {at}{room}</li>")
        answers.append(f"<li>{answer}<p>{_both(data['steps'][question['step']]['sentence'])}</p></li>")
    if not asked:
        return ""
    key = f'<div class="only-answers"><h3>{_word(words, "answers")}</h3><ol>{"".join(answers)}</ol></div>'
    who = f'<p class="who"><span>{_word(words, "who")}</span> <span>{_word(words, "date")}</span></p>'
    return _section("questions", _word(words, "questions"), f'{who}<ol class="sheet-questions">{"".join(asked)}</ol>{key}')


def _choice(choice: Choice) -> str:
    return choice["math"] or _text(choice["text"])
