"""Graphviz's SVG as part of a page: colours as classes, short numbers, no ids, no styles, one group for each thing.

``rules`` colours the classes by custom properties: ``--fill-`` and a name of FILLS, ``--`` and a name of INKS.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..drawing.style import BLUE, GREEN, GREY, INK, LOOKS, PALE_INK, RED
from ..drawing.zoom import CHOSEN, REACHED, USED

SVG = "{http://www.w3.org/2000/svg}"

# The name of each colour of drawing/style.py, and what it is in the dark. Contrast with the dark page is at least 4.5 for
# everything that is read; the fills are dark enough for light ink.
FILLS: Mapping[str, tuple[str, str]] = {
    "page": ("#FFFFFF", "#171A1F"),
    "input": (LOOKS["input"]["fillcolor"], "#24324A"),
    "parameter": (LOOKS["parameter"]["fillcolor"], "#463A1A"),
    "constant": (LOOKS["constant"]["fillcolor"], "#2D3036"),
    "loss": (LOOKS["loss"]["fillcolor"], "#4E2A27"),
    "gradient": (LOOKS["gradient"]["fillcolor"], "#1D3A26"),
    "block": (LOOKS["block"]["fillcolor"], "#332D45"),
    "chosen": (CHOSEN, "#6B2F2A"),
    "reached": (REACHED, "#43231F"),
    "used": (USED, "#26385A"),
}
INKS: Mapping[str, tuple[str, str]] = {
    "ink": (INK, "#E4E6EA"),
    "grey": (GREY, "#AEB4BD"),
    "pale": (PALE_INK, "#5A616B"),
    "green": (GREEN, "#7CCB92"),
    "blue": (BLUE, "#8FB4F2"),
    "red": (RED, "#F0958C"),
}
_FILL_OF = {light.lower(): name for name, (light, _) in FILLS.items()} | {"white": "page"}
_INK_OF = {light.lower(): name for name, (light, _) in INKS.items()} | {"black": "ink"}
SHAPES = ("polygon", "polyline", "path", "ellipse")
_NOTHING = ("none", "transparent")

FONT_SIZE = 13.0  # of the whole picture; a text of another size says so
_PAIR = re.compile(r"(-?[\d.]+),(-?[\d.]+)")
_SEGMENT = re.compile(r"([MC])([^MC]+)")
_MIDDLE = ' text-anchor="middle"'
_STRAIGHT = 0.06  # a curve that is no farther from its chord is a line
BEND = 0.12  # of the distance
_WIDE = 0.62  # of its size, about, that a letter is wide: enough to tell the middle of a box from its edge

Point = tuple[float, float]
Box = tuple[float, float, float, float]


def rules() -> str:
    """What the classes in the pictures mean, in terms of the custom properties.

    The lengths of the texts were computed for Helvetica.

    Examples
    --------
    >>> ".fill-input{fill:var(--fill-input)}" in rules()
    True
    """
    lines = ['.picture{font-family:Helvetica,Arial,"Liberation Sans",sans-serif}', ".picture text{fill:var(--ink)}"]
    lines += [f".fill-{name}{{fill:var(--fill-{name})}}" for name in FILLS]
    for name in INKS:
        lines += [f".stroke-{name}{{stroke:var(--{name})}}", f".picture .fill-{name}{{fill:var(--{name})}}"]
    return "\n".join(lines)


@dataclass(frozen=True)
class Part:
    """Something of a picture.

    Attributes
    ----------
    kind : str
        ``node``, ``edge`` or ``cluster``.
    ends : tuple of str
        The name in the DOT text, or for an arrow the names of the two nodes that it joins.
    number : int
        The how manieth of its kind it is in the DOT text.
    marks : tuple of str
        Its shapes and texts.
    box : tuple of float, optional
        The rectangle around its first shape.
    """

    kind: str
    ends: tuple[str, ...]
    number: int
    marks: tuple[str, ...]
    box: Box | None


@dataclass(frozen=True)
class Drawing:
    """A picture taken apart: its size, the lines under it and where they begin, and its parts."""

    width: float
    height: float
    caption: tuple[str, ...]
    caption_top: float
    parts: tuple[Part, ...]


def take_apart(svg: bytes, above: Callable[[str], str] = str) -> Drawing:
    """The parts of an SVG that Graphviz drew, with coordinates from the upper left corner on.

    ``above`` gives for the name of a node that of the node in whose middle its texts stand, such as itself.
    """
    root = ET.fromstring(svg)
    width, height = (float(x) for x in root.attrib["viewBox"].split()[2:])
    whole = root[0]
    shift = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", whole.get("transform", ""))
    origin = (float(shift[1]), float(shift[2])) if shift else (0.0, 0.0)
    own = [element for element in whole if element.tag == SVG + "text"]
    groups = [element for element in whole if element.tag == SVG + "g"]
    boxes = {_title(element): _box(element, origin) for element in groups if element.get("class") == "node"}
    parts = [_part(element, origin, boxes.get(above(_title(element)))) for element in groups]
    lines = [(text.text or "", float(text.get("y", 0)) + origin[1]) for text in own if (text.text or "").strip()]
    return Drawing(width, height, tuple(text for text, _ in lines), min([height, *(y for _, y in lines)]), tuple(parts))


def put_together(width: float, height: float, groups: Iterable[str]) -> str:
    """The picture of these groups, for a page."""
    size = short(width), short(height)
    head = '<svg xmlns="http://www.w3.org/2000/svg" class="picture" role="group"'
    head += f' width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}" font-size="{short(FONT_SIZE)}" fill="none">'
    return f"{head}{''.join(groups)}</svg>"


def group(marks: Iterable[str], look: str, **attributes: str) -> str:
    """A group with its class and its data; an underscore in the name of an attribute stands for a hyphen."""
    words = "".join(f' {name.replace("_", "-")}="{attribute(text)}"' for name, text in attributes.items())
    return f'<g class="{look}"{words}>{"".join(marks)}</g>'


def attribute(text: str) -> str:
    """The text inside of double quotes."""
    return escape(text, quote=True)


def short(x: float) -> str:
    """A coordinate with one decimal, if it has one.

    >>> short(12.04), short(12.26), short(-0.01)
    ('12', '12.3', '0')
    """
    text = f"{x:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def curve(start: Box, end: Box, ink: str, dashes: str) -> list[str]:
    """An arrow from one box to another, slightly bent so that it does not lie on a straight one between them."""
    (x0, y0), (x1, y1) = (((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (start, end))
    bend = (x0 + x1) / 2 + (y1 - y0) * BEND, (y0 + y1) / 2 - (x1 - x0) * BEND
    (x0, y0), (x1, y1) = _edge_of(start, bend), _edge_of(end, bend)
    dx, dy = x1 - bend[0], y1 - bend[1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    tip = [(x1, y1), (x1 - 6 * dx + 2 * dy, y1 - 6 * dy - 2 * dx), (x1 - 6 * dx - 2 * dy, y1 - 6 * dy + 2 * dx)]
    path = f"M{_point((x0, y0))}Q{_point(bend)} {_point((x1 - 5 * dx, y1 - 5 * dy))}"
    return [
        f'<path class="stroke-{ink}" stroke-dasharray="{dashes}" d="{path}"/>',
        f'<polygon class="fill-{ink} stroke-{ink}" points="{" ".join(map(_point, tip))}"/>',
    ]


def _edge_of(box: Box, towards: Point) -> Point:
    """Where the way from the middle of a box to a point leaves it."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    dx, dy = towards[0] - x, towards[1] - y
    ways = [half / abs(d) for half, d in ((box[2] - x, dx), (box[3] - y, dy)) if d]
    t = min([1.0, *ways])
    return x + t * dx, y + t * dy


def merged(marks: Sequence[str]) -> list[str]:
    """The same lines, those that follow each other and look alike as one."""
    lines: list[str] = []
    for mark in marks:
        before, d, rest = mark.partition(' d="')
        if d and lines and lines[-1].startswith(before + d):
            lines[-1] = lines[-1].removesuffix('"/>') + rest
        else:
            lines.append(mark)
    return lines


def lowest(marks: Iterable[str]) -> float:
    """How far down these shapes and texts reach.

    >>> lowest(['<circle cx="9" cy="20" r="5"/>', '<path d="M1,2L3,30.5"/>', '<text x="99" y="8">x</text>'])
    30.5
    """
    found = [0.0]
    for mark in marks:
        head = mark.partition(">")[0]
        numbers: dict[str, str] = dict(re.findall(r' (cy|r|ry|y|d|points)="([^"]*)"', head))
        size = float(numbers.get("r", numbers.get("ry", "0")))
        found += [float(numbers[name]) + size for name in ("cy", "y") if name in numbers]
        found += [float(y) for name in ("d", "points") for _, y in _PAIR.findall(numbers.get(name, ""))]
    return max(found)


def dense(marks: Iterable[str]) -> list[str]:
    """The same shapes and texts in fewer words, for tables: shapes that look alike as one, and over them the texts."""
    shapes: list[str] = []
    texts: list[str] = []
    for mark in marks:
        if mark.startswith("<text"):
            texts.append(
                mark.replace(_MIDDLE, "", 1) if _MIDDLE in mark else mark.replace("<text", '<text text-anchor="start"', 1)
            )
            continue
        shape = _rectangle(mark)
        last, inner = (m.partition('"')[2].partition('"') for m in (shapes[-1] if shapes else "", shape))
        if last[2] == inner[2] and last[0].startswith("fill-") and inner[0].startswith("stroke-"):  # its border
            shapes[-1] = f'<path class="{last[0]} {inner[0]}"{inner[2]}'
        else:
            shapes.append(shape)
    return [*merged(shapes), *([f"<g{_MIDDLE}>{''.join(texts)}</g>"] if texts else [])]


def _rectangle(mark: str) -> str:
    """A polygon that is a rectangle as a path, which can be one with others."""
    points = _PAIR.findall(mark.partition(' points="')[2])
    xs, ys = ({xy[i] for xy in points} for i in (0, 1))
    if len(points) != 4 or len(xs) != 2 or len(ys) != 2 or not mark.startswith("<polygon"):
        return mark
    (x0, x1), (y0, y1) = (sorted(numbers, key=float) for numbers in (xs, ys))
    look = mark.removeprefix("<polygon").partition(' points="')[0]
    return f'<path{look} d="M{x0},{y0}H{x1}V{y1}H{x0}Z"/>'


def _title(element: ET.Element) -> str:
    return element.findtext(SVG + "title", "")


def _part(element: ET.Element, origin: Point, over: Box | None) -> Part:
    number = re.search(r"\d+$", element.get("id", ""))
    ends = tuple(end.partition(":")[0] for end in _title(element).split("->"))
    box = over or _box(element, origin)
    middle = (box[0] + box[2]) / 2 if box else None
    marks = _marks([child for child in element if child.tag != SVG + "title"], origin, middle)
    return Part(element.get("class", ""), ends, int(number[0]) if number else 0, tuple(marks), box)


def _box(element: ET.Element, origin: Point) -> Box | None:
    """The rectangle around the first shape of a group: of a node, or of an arrow."""
    for child in _flat(element):
        tag = child.tag.removeprefix(SVG)
        if tag in SHAPES:
            return _shape(tag, child, origin)[1]
    return None


def _marks(elements: Iterable[ET.Element], origin: Point, middle: float | None) -> list[str]:
    """The shapes and the texts of one group.

    A text that Graphviz has put into the middle of a shape by the width of its own font is there for every font.
    """
    marks: list[str] = []
    boxes: list[Box] = []
    line: list[ET.Element] = []
    for element in [*_flat(elements), None]:
        if line and (element is None or not _continues(line[-1], element)):
            marks.append(_text(line, origin, boxes, middle))
            line = []
        tag = element.tag.removeprefix(SVG) if element is not None else ""
        if element is not None and tag == "text":
            line.append(element)
        elif element is not None and tag in SHAPES:
            mark, box = _shape(tag, element, origin)
            marks.append(mark)
            if element.get("fill", "none") not in _NOTHING:
                boxes.append(box)
    return [mark for mark in marks if mark]


def _flat(elements: Iterable[ET.Element]) -> Iterable[ET.Element]:
    """The elements, and those inside of groups and links, which say nothing else."""
    stack = list(reversed(list(elements)))
    while stack:
        element = stack.pop()
        if element.tag.removeprefix(SVG) in ("g", "a"):
            stack += reversed(list(element))
        else:
            yield element


def _continues(before: ET.Element, text: ET.Element) -> bool:
    """Whether it is the next run of a line that changes its font, such as a name in bold and its shape."""
    font = ("font-size", "font-weight", "fill")
    is_text, same_line = text.tag == SVG + "text", before.get("y") == text.get("y")
    return is_text and same_line and any(before.get(a) != text.get(a) for a in font)


def _shape(tag: str, element: ET.Element, origin: Point) -> tuple[str, Box]:
    """A shape, empty if it cannot be seen, and the rectangle around it."""
    look = _look(element)
    if tag == "ellipse":
        x, y, rx, ry = (float(element.get(a, 0)) for a in ("cx", "cy", "rx", "ry"))
        x, y = x + origin[0], y + origin[1]
        radius = f'r="{short(rx)}"' if rx == ry else f'rx="{short(rx)}" ry="{short(ry)}"'
        mark = f'<{"circle" if rx == ry else tag}{look} cx="{short(x)}" cy="{short(y)}" {radius}/>'
        return mark if look else "", (x - rx, y - ry, x + rx, y + ry)
    if tag == "path":
        pieces = [(letter, _points(text, origin)) for letter, text in _SEGMENT.findall(element.get("d", ""))]
        points = [point for _, piece in pieces for point in piece]
        mark = f'<path{look} d="{_path(pieces)}"/>'
    else:
        points = _points(element.get("points", ""), origin)
        closed = tag == "polygon" and len(points) > 1 and points[0] == points[-1]
        mark = f'<{tag}{look} points="{" ".join(map(_point, points[:-1] if closed else points))}"/>'
    xs, ys = zip(*(points or [(0.0, 0.0)]), strict=True)
    return mark if look and points else "", (min(xs), min(ys), max(xs), max(ys))


def _look(element: ET.Element) -> str:
    """The colours as classes, and the width and the dashes of a line; empty for what cannot be seen."""
    fill, stroke = (element.get(a, "none").lower() for a in ("fill", "stroke"))
    classes = []
    if fill not in _NOTHING:
        name = _FILL_OF.get(fill) or _INK_OF.get(fill, "page")
        classes.append(f"fill-{name}")
    if stroke not in _NOTHING and not stroke.startswith("transparent"):
        classes.append(f"stroke-{_INK_OF.get(stroke, 'page' if stroke == 'white' else 'ink')}")
    if not classes:
        return ""
    width = element.get("stroke-width", "1")
    look = f' class="{" ".join(classes)}"'
    look += f' stroke-width="{short(float(width))}"' if float(width) != 1 else ""
    return look + (f' stroke-dasharray="{attribute(dashes)}"' if (dashes := element.get("stroke-dasharray")) else "")


def _points(text: str, origin: Point) -> list[Point]:
    return [(float(x) + origin[0], float(y) + origin[1]) for x, y in _PAIR.findall(text)]


def _point(point: Point) -> str:
    return f"{short(point[0])},{short(point[1])}"


def _path(pieces: Iterable[tuple[str, list[Point]]]) -> str:
    """The path, with a line for each curve that is one."""
    here: Point = (0, 0)
    text, last = "", ""
    for letter, points in pieces:
        if letter == "M":
            here = points[0]
            text, last = f"{text}M{_point(here)}", "M"
            continue
        for i in range(0, len(points) - 2, 3):
            one, two, end = points[i : i + 3]
            if _is_line(here, one, two, end):
                text, last = f"{text}{'' if last == 'L' else 'L'}{' ' if last == 'L' else ''}{_point(end)}", "L"
            else:
                bend = f"{_point(one)} {_point(two)} {_point(end)}"
                text, last = f"{text}{' ' if last == 'C' else 'C'}{bend}", "C"
            here = end
    return text


def _is_line(start: Point, one: Point, two: Point, end: Point) -> bool:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length == 0:
        return False
    away = [abs((x - start[0]) * dy - (y - start[1]) * dx) / length for x, y in (one, two)]
    return max(away) < _STRAIGHT


def _text(runs: Sequence[ET.Element], origin: Point, boxes: Sequence[Box], middle_above: float | None) -> str:
    """A line of text. In the middle of a shape, or under one, it is anchored there."""
    words = "".join(run.text or "" for run in runs)
    if not words.strip():
        return ""
    first = runs[0]
    x, y = float(first.get("x", 0)) + origin[0], float(first.get("y", 0)) + origin[1]
    middle = first.get("text-anchor") == "middle"
    if first.get("text-anchor") == "start":
        width = sum(_WIDE * float(run.get("font-size", FONT_SIZE)) * len(run.text or "") for run in runs)
        around = [box for box in boxes if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
        box = min(around, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)
        at = (box[0] + box[2]) / 2 if box else middle_above
        if at is not None and abs(x + width / 2 - at) < 4 + 0.2 * width:
            x, middle = at, True
    anchor = _MIDDLE if middle else ""
    place = f'{anchor} x="{short(x)}" y="{short(y)}"'
    if len(runs) == 1:
        return f"<text{place}{_font(first)}>{_words(words)}</text>"
    spans = "".join(f"<tspan{_font(run)}>{_words(run.text or '')}</tspan>" for run in runs)
    return f"<text{place}>{spans}</text>"


def _words(text: str) -> str:
    return escape(text, quote=False)


def _font(run: ET.Element) -> str:
    size, weight = float(run.get("font-size", FONT_SIZE)), run.get("font-weight", "normal")
    colour = _INK_OF.get(run.get("fill", "black").lower(), "ink")
    font = f' font-size="{short(size)}"' if size != FONT_SIZE else ""
    font += f' font-weight="{attribute(weight)}"' if weight != "normal" else ""
    return font + (f' class="fill-{colour}"' if colour != "ink" else "")
