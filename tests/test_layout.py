"""Pictures through Graphviz: the program, the wheel or neither; hostile text, hostile folders, files that stay whole."""

import errno
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import graphviz
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_edu.drawing import LayoutError, NoGraphvizError, Picture, escape
from tinygrad_edu.drawing.layout import layout
from tinygrad_edu.files import write_file

DOT = "digraph { a -> b }\n"
SVG = "{http://www.w3.org/2000/svg}"
TANGLE = [f"\t{i} -> {j}\n" for i in range(250) for j in range(i)]  # more than a minute's work
MAGIC = {"svg": b"<?xml ", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}

posix = pytest.mark.skipif(os.name != "posix", reason="plays the program with a shell script")


# ---- three machines ----------------------------------------------------------------------------------------------


def hide_program(monkeypatch):
    monkeypatch.setenv("PATH", "")


def hide_wheel(monkeypatch):
    has_wheel = [folder for folder in sys.path if Path(folder, "pygraphviz").exists()]
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in has_wheel])


@pytest.fixture
def program(monkeypatch):
    """A machine with Graphviz, without the wheel."""
    if shutil.which("dot") is None:
        pytest.skip("there is no dot program here")
    hide_wheel(monkeypatch)


@pytest.fixture
def wheel(monkeypatch):
    """A machine with the wheel only."""
    if importlib.util.find_spec("pygraphviz") is None:
        pytest.skip("the pygraphviz wheel is not installed")
    hide_program(monkeypatch)


@pytest.fixture(params=["program", "wheel"])
def machine(request):
    """A machine that can draw."""
    request.getfixturevalue(request.param)
    return request.param


@pytest.fixture
def bare(monkeypatch):
    """A machine without any Graphviz."""
    hide_program(monkeypatch)
    hide_wheel(monkeypatch)


def play(folder, script, name="dot"):
    """Put a program into a folder; all its commands have absolute paths, for PATH may be empty."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def chain(name="chain", **options):
    picture = Picture(name, **options)
    picture.edge("x", "y", label="tanh")
    return picture


def ids(svg):
    """The ids in an SVG, and what it refers to by id."""
    attributes = [(name.partition("}")[2] or name, text) for e in ET.fromstring(svg).iter() for name, text in e.attrib.items()]
    links = [text[1:] for name, text in attributes if name == "href" and text.startswith("#")]
    paints = [text[5:-1] for name, text in attributes if name in ("fill", "clip-path") and text.startswith("url(#")]
    return [text for name, text in attributes if name == "id"], [*links, *paints]


def texts(svg):
    """What the SVG shows, in order. Graphviz writes the second of two spaces as one that does not collapse."""
    return [(text.text or "").replace("\xa0", " ") for text in ET.fromstring(svg).iter(f"{SVG}text")]


# ---- layout ------------------------------------------------------------------------------------------------------


@pytest.mark.dot
@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_every_format_on_every_machine(machine, format):
    assert layout(DOT, format).startswith(MAGIC[format])


@pytest.mark.dot
def test_the_svg_holds_the_graph(machine):
    svg = ET.fromstring(layout('digraph { a -> b [label="tanh"] }', "svg"))
    assert [g.get("class") for g in svg.iter(f"{SVG}g")] == ["graph", "node", "node", "edge"]
    assert [t.text for t in svg.iter(f"{SVG}text")] == ["a", "b", "tanh"]


@pytest.mark.dot
@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_the_same_text_gives_the_same_bytes(machine, format):
    drawn = layout(DOT, format)
    assert drawn == layout(DOT, format)
    assert not re.search(rb"[Gg]enerated|Pages:", drawn)
    assert set(re.findall(rb"CreationDate \(D:(\d+)", drawn)) == ({b"20000101000000"} if format == "pdf" else set())


@pytest.mark.dot
def test_ids_are_those_of_one_figure(machine):
    """Also where names, links and titles look like ids of Graphviz, and where a colour or a link refers to one."""
    picture = Picture("graph0")
    with picture.subgraph(name="cluster_node1") as cluster:
        cluster.attr(label="clust1", style="filled", fillcolor="red:blue", tooltip="url(#l_0)")
        cluster.node(
            "node1", label=escape(' id="node1" > <g id="node1">'), tooltip=' id="node1" href="#node1" url(#l_0)', URL="#graph0"
        )
    picture.node("edge1", label=escape("<id='edge1'>"), style="radial", fillcolor="red:blue", URL="#elsewhere")
    picture.node("--> <g id='graph0'>", label="", id="chosen", comment="node1")
    picture.edge("node1", "edge1", label="#node1", URL="#node1")
    other = picture.copy()
    other.edge("edge1", "node1")
    ours, theirs = (layout(p.source, "svg") for p in (picture, other))
    (made, referred), (made_too, referred_too) = ids(ours), ids(theirs)
    assert len(made) == len(set(made)) > 10
    assert set(made) & set(made_too) == {"chosen"}  # by the user, who may refer to it
    assert {i.split("_")[0] for i in {*made} - {"chosen"}} == {made[0].split("_")[0]}
    for found, references in ((made, referred), (made_too, referred_too)):
        assert set(references) - set(found) == {"elsewhere"}
        assert len(set(references)) >= 4, references
    assert layout(picture.source, "svg") == ours
    assert made == ids(layout(picture.source, "svg"))[0]
    assert {re.sub("^g[0-9a-f]{8}_", "", i) for i in made} >= {"graph0", "clust1", "node1", "edge1", "a_node1", "chosen"}
    words = {"clust1", ' id="node1" > <g id="node1">', "<id='edge1'>", "#node1"}
    assert words <= set(texts(ours))
    titles = [text for e in ET.fromstring(ours).iter() for name, text in e.attrib.items() if name.endswith("}title")]
    assert ' id="node1" href="#node1" url(#l_0)' in [t.replace("\xa0", " ") for t in titles]


@pytest.mark.dot
def test_letters_of_another_renderer_are_those_of_one_figure(program):
    """Cairo draws each letter once, and refers to it: with shared ids a figure would show the letters of another."""
    (made, referred), (made_too, _) = (ids(Picture(body=[f"\t{name}\n"]).pipe("svg", renderer="cairo")) for name in ("ab", "cd"))
    assert made
    assert not set(made) & set(made_too)
    assert set(referred) <= set(made)


@pytest.mark.dot
def test_a_node_without_a_label_shows_its_name(machine):
    assert texts(layout('digraph { a; b [label="x"]; c [label=""] }', "svg")) == ["a", "x"]


@pytest.mark.dot
def test_another_engine(machine):
    def height(engine):
        return float(
            ET.fromstring(layout("digraph { a -> {b c d e f g} }", "svg", engine=engine)).get("height").removesuffix("pt")
        )

    assert height("circo") > height("dot")


def test_dot_is_the_text_itself(bare):
    assert layout('digraph { "ŷ" }', "dot") == 'digraph { "ŷ" }'.encode()


@pytest.mark.parametrize("format", ["jpg", "SVG", "", "svg -o /tmp/x"])
def test_other_formats_are_refused(format):
    with pytest.raises(ValueError, match=r"one of svg, png, pdf, dot$"):
        layout(DOT, format)


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_without_graphviz_one_line_names_both_remedies(bare, format):
    with pytest.raises(NoGraphvizError) as caught:
        layout(DOT, format)
    message = str(caught.value)
    assert "package manager" in message
    assert 'pip install "tinygrad-edu[dot]"' in message
    assert "\n" not in message
    assert isinstance(caught.value, graphviz.ExecutableNotFound)  # what a user of graphviz.Digraph catches


@pytest.mark.dot
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digraph { a -> }}}\n", "syntax error in line 1 near '}'"),
        ("this is no graph", "syntax error in line 1"),
        ("", "Invalid Input|drew nothing"),
    ],
)
def test_a_broken_text_is_one_clear_line(machine, source, message):
    with pytest.raises(LayoutError, match=message) as caught:
        layout(source, "svg")
    assert str(caught.value).startswith("Graphviz could not draw the graph: ")
    assert "\n" not in str(caught.value)


@pytest.mark.dot
def test_an_unknown_engine_is_one_clear_line(machine):
    with pytest.raises(LayoutError, match=r'^[^\n]*"spiral"[^\n]*$'):
        layout(DOT, "svg", engine="spiral")


@pytest.mark.dot
def test_warnings_about_fonts_stay_inside(machine, monkeypatch, capfd):
    monkeypatch.setenv("FONTCONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("FONTCONFIG_PATH", "/nonexistent")
    assert layout('digraph { a [fontname="No Such Font"; image="none.png"] }', "png").startswith(MAGIC["png"])
    assert Picture("x").pipe("svg")
    assert capfd.readouterr() == ("", "")


@posix
def test_an_error_is_an_error_whatever_the_exit_status(bare, monkeypatch, tmp_path):
    play(tmp_path / "bin", "/bin/cat; echo 'Fontconfig warning: no fonts' >&2; echo 'Error: lost a b edge' >&2")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(LayoutError, match=r"^Graphviz could not draw the graph: lost a b edge$"):
        layout(DOT, "svg")


@posix
def test_a_crash_is_an_error(bare, monkeypatch, tmp_path):
    play(tmp_path / "bin", "/bin/cat; echo '(dot:7): Pango-WARNING **: no fonts' >&2; kill -SEGV $$")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(LayoutError, match=f"status -{signal.SIGSEGV:d}$"):
        layout(DOT, "svg")


@posix
def test_a_program_that_cannot_be_started_is_no_program(bare, monkeypatch, tmp_path):
    play(tmp_path / "bin", "").write_bytes(b"\x7fELF for another machine")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(NoGraphvizError, match=r'tinygrad-edu\[dot\]" \(.*bin/dot cannot be started: Exec format error\)$'):
        layout(DOT, "svg")


@pytest.mark.dot
def test_a_program_that_cannot_be_started_leaves_the_wheel(wheel, monkeypatch, tmp_path):
    play(tmp_path / "bin", "").write_bytes(b"\x7fELF for another machine")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert texts(layout(DOT, "svg")) == ["a", "b"]


def test_a_wheel_that_cannot_be_loaded_is_no_wheel(bare, monkeypatch, tmp_path):
    (tmp_path / "pygraphviz").mkdir()
    (tmp_path / "pygraphviz" / "__init__.py").write_text("import tempfile, a_library_that_is_missing")
    (tmp_path / "tempfile.py").write_text("raise SystemExit('found before the standard library')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(NoGraphvizError, match=r"pygraphviz cannot be loaded: No module named 'a_library_that_is_missing'\)$"):
        layout(DOT, "svg")


@pytest.mark.dot
def test_pygraphviz_stays_out_of_this_process(wheel, monkeypatch):
    monkeypatch.delitem(sys.modules, "pygraphviz", raising=False)
    layout(DOT, "svg")
    assert "pygraphviz" not in sys.modules


def test_importing_the_library_does_not_import_graphviz():
    code = "import sys, tinygrad_edu; sys.exit('graphviz' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- time --------------------------------------------------------------------------------------------------------


@pytest.mark.dot
def test_a_layout_that_takes_too_long_is_stopped(machine):
    with pytest.raises(LayoutError, match=r"^Graphviz was stopped after 0\.3 s: draw a smaller or coarser graph$"):
        layout(f"digraph {{ {''.join(TANGLE)} }}", "svg", timeout=0.3)


@posix
@pytest.mark.parametrize("ending", ["timeout", "ctrl-c"])
def test_nothing_goes_on_running(bare, monkeypatch, tmp_path, ending):
    play(tmp_path / "bin", f"(/bin/sleep 1; echo late > {tmp_path}/late) &\necho up > {tmp_path}/up; wait")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if ending == "timeout":
        with pytest.raises(LayoutError, match=r"stopped after 0\.5 s"):
            layout(DOT, "svg", timeout=0.5)
    else:
        previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            with pytest.raises(KeyboardInterrupt):
                layout(DOT, "svg")
        finally:
            signal.signal(signal.SIGALRM, previous)
    time.sleep(1.2)
    assert (tmp_path / "up").exists()
    assert not (tmp_path / "late").exists()


# ---- hostile folders ---------------------------------------------------------------------------------------------


@posix
def test_the_program_is_found_in_an_absolute_folder(bare, monkeypatch, tmp_path):
    play(tmp_path / "bin", "/bin/cat; echo by the script")
    monkeypatch.setenv("PATH", f"/nonexistent{os.pathsep}{tmp_path / 'bin'}")
    assert layout(DOT, "svg") == DOT.encode() + b"by the script\n"


@posix
@pytest.mark.parametrize("where", [".", "bin"])
@pytest.mark.parametrize("path", ["", ".", ":", "..:.", "bin", "./bin", "{here}", "{here}/.", "{here}/bin/..", "{link}"])
def test_an_evil_program_in_the_current_folder_is_not_run(bare, monkeypatch, tmp_path, path, where):
    here = tmp_path / "download"
    here.mkdir()
    for name in ("dot", "unflatten", "python", "python3", "sh"):
        play(here / where, f"echo ran > {tmp_path}/ran; /bin/cat", name)
    (tmp_path / "link").symlink_to(here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", path.format(here=here, link=tmp_path / "link"))
    picture = chain(directory=tmp_path)
    for attempt in (lambda: layout(DOT, "svg"), picture.pipe, picture.render, picture.unflatten):
        with pytest.raises(NoGraphvizError):
            attempt()
    assert not (tmp_path / "ran").exists()


@pytest.mark.dot
def test_evil_modules_in_the_current_folder_are_not_run(wheel, monkeypatch, tmp_path):
    evil = f"open({str(tmp_path / 'ran')!r}, 'w').close()"
    for name in ("pygraphviz", "sitecustomize", "usercustomize", "tempfile", "re", "encodings"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(evil)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", ["", ".", str(tmp_path), *sys.path])
    assert texts(layout(DOT, "svg")) == ["a", "b"]
    assert texts(chain().pipe("svg")) == ["x", "y", "tanh"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.dot
def test_the_current_folder_may_be_gone(machine, monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert texts(layout(DOT, "svg")) == ["a", "b"]


# ---- hostile text ------------------------------------------------------------------------------------------------

EXACT = [
    "<b>",
    "<b>bold</b>",
    "<<table></table>>",
    "<",
    ">",
    "a:b",
    "a:b:c",
    "a\\",
    "a\\\\",
    "\\",
    "\\N",
    "\\n",
    "\\l\\r\\G\\E\\T\\H\\L",
    '"',
    '\\"',
    '"]; evil [label="',
    "&",
    "&lt;",
    "&amp;lt;",
    "&#65;",
    "&#x41;",
    "&nbsp;",
    "a  b   c",
    "{a|b}",
    "]]>",
    "<!-- -->",
    "--><script>alert(1)</script>",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "node",
    "%s %n",
    "𝓛 ŷ ∂ W⁽¹⁾ ⊗ ᵀ",
    "😀 👩‍💻 🇨🇱",
    "e\u0301\u0302",
    "עברית العربية 日本語",
    "\ue000\u00ad\ufeff",
    "\U0010fffd",
    "$(touch x) `x` ; rm -rf /",
    "a" * 60,
]

REPLACED = {
    "a\nb": "a↵b",
    "a\r\nb": "a�↵b",
    "a\tb": "a⇥b",
    "\x00\x01\x1b[31m\x7f": "���[31m�",
    "\x80\x85\x9f": "���",
    "\u2028\u2029": "��",
    "\ud800": "�",
    "a\udcffb": "a�b",
    "\ufffe\uffff\U0001fffe": "���",
    "\u202eabc\u2066": "�abc�",
    "x" * 20_000: "x" * 59 + "…",
    "\\" * 20_000: "\\" * 59 + "…",
    "<b>\n" * 20_000: "<b>↵" * 14 + "<b>…",
}


@pytest.mark.dot
@pytest.mark.parametrize("place", ["node", "edge", "graph"])
def test_hostile_text_shows_as_that_text(machine, place):
    shown = {**{text: text for text in EXACT}, **REPLACED}
    picture = Picture("hostile")
    for i, text in enumerate(shown):
        if place == "node":
            picture.node(f"n{i}", label=escape(text))
        elif place == "edge":
            picture.edge(f"m{i}", f"n{i}", label=escape(text))
        else:
            with picture.subgraph(name=f"cluster{i}") as inner:
                inner.attr(label=escape(text))
                inner.node(f"n{i}")
    if place != "node":
        picture.body.insert(0, '\tnode [label=""]\n')
    svg = layout(picture.source, "svg")
    assert sorted(texts(svg)) == sorted(shown.values())
    assert {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()} <= {
        "svg",
        "g",
        "title",
        "polygon",
        "ellipse",
        "path",
        "text",
    }


def mixed(characters):
    """Text full of what Graphviz reads in its own way."""
    pieces = st.sampled_from(["\\", "<", ">", "&", ";", '"', "'", "{", "}", "|", "#x41;", "lt;", "N", "n", " "])
    return st.lists(pieces | st.text(characters, max_size=3), max_size=20).map("".join)


@pytest.mark.dot
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(mixed(st.characters(exclude_categories=["C", "Zl", "Zp"])), max_size=40))
def test_any_text_shows_as_that_text(machine, names):
    names = [name.strip()[:60] for name in names]
    picture = Picture()
    for i, name in enumerate(names):
        picture.node(f"n{i}", label=escape(name))
    nodes = [g for g in ET.fromstring(layout(picture.source, "svg")).iter(f"{SVG}g") if g.get("class") == "node"]
    assert [shown(node) for node in nodes] == [name.replace("\xa0", " ") for name in names]


def shown(group):
    text = group.find(f"{SVG}text")
    return "" if text is None else (text.text or "").replace("\xa0", " ")


@pytest.mark.dot
def test_escaped_texts_can_be_joined(machine):
    picture = Picture()
    picture.node("n0", label=escape("<b>\\") + r"\n" + escape("N, 3>"))
    assert texts(layout(picture.source, "svg")) == ["<b>\\", "N, 3>"]


@settings(max_examples=100)
@given(mixed(st.characters()), st.integers(1, 70))
def test_an_escaped_text_cannot_leave_its_quotes(text, limit):
    label = escape(text, limit)
    assert not set('<>"') & set(label)
    assert re.fullmatch(r"(?s)(?:[^\\]|\\\\)*", label)
    label.encode()
    picture = Picture()
    picture.node("n0", label=label)
    assert len(picture.source.splitlines()) == 3


# ---- files -------------------------------------------------------------------------------------------------------


@pytest.mark.dot
@pytest.mark.parametrize("name", ["f.svg", "f.png", "f.pdf", "f.SVG", "two.dots.svg", "ŷ 😀.svg"])
def test_write_takes_the_format_from_the_name(machine, tmp_path, name):
    assert chain().write(tmp_path / name) == tmp_path / name
    assert (tmp_path / name).read_bytes().startswith(MAGIC[name[-3:].lower()])
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["f.dot", "f.gv"])
def test_write_the_text_needs_no_graphviz(bare, tmp_path, name):
    assert chain().write(str(tmp_path / name)) == tmp_path / name
    assert (tmp_path / name).read_text("utf-8") == chain().source


@pytest.mark.parametrize("name", ["f", "f.jpg", "f.svg.exe", ".svg", "f."])
def test_write_refuses_another_ending(tmp_path, name):
    with pytest.raises(ValueError, match=r"^cannot write .*: the name must end in \.svg, \.png, \.pdf, \.dot, \.gv$"):
        chain().write(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_without_graphviz_the_text_is_written_beside(bare, tmp_path, suffix):
    old = tmp_path / f"f{suffix}"
    old.write_text("old")
    with pytest.raises(NoGraphvizError, match=r'^no Graphviz .*"; the DOT text is in .*f\.dot$'):
        chain().write(old)
    assert old.read_text() == "old"
    assert (tmp_path / "f.dot").read_text() == chain().source
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.dot
def test_a_failed_layout_leaves_the_old_file(machine, tmp_path):
    (tmp_path / "f.svg").write_text("old")
    with pytest.raises(LayoutError):
        chain(body=["\ta -> -> b\n"]).write(tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_text() == "old"
    assert os.listdir(tmp_path) == ["f.svg"]


@pytest.mark.dot
def test_write_uses_the_engine_and_the_time_limit(machine, tmp_path):
    picture = Picture(body=TANGLE)
    with pytest.raises(LayoutError, match=r"stopped after 0\.3 s"):
        picture.write(tmp_path / "f.svg", timeout=0.3)
    assert os.listdir(tmp_path) == []
    chain(engine="neato").write(tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_bytes() == layout(chain().source, "svg", engine="neato") != layout(chain().source, "svg")


@posix
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_the_folder_as_it_was(tmp_path, old):
    import resource

    if old is not None:
        (tmp_path / "f.dot").write_bytes(old)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))  # no file may grow beyond 20 bytes
    try:
        with pytest.raises(OSError, match=r"^cannot write [^\n]*f\.dot: File too large$") as caught:
            chain().write(tmp_path / "f.dot")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == ({} if old is None else {"f.dot": old})


def test_an_interrupted_rename_leaves_the_folder_as_it_was(monkeypatch, tmp_path):
    def interrupt(*paths):
        assert Path(paths[0]).read_bytes() == b"new"
        raise KeyboardInterrupt

    (tmp_path / "f.dot").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "f.dot", b"new")
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == {"f.dot": b"old"}


@pytest.fixture
def not_root():
    """An ordinary user, for whom permissions hold."""
    if os.name != "posix":
        pytest.skip("POSIX permissions")
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.fixture
def folder():
    """A folder that another user can reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.parametrize("old", [None, b"old"])
def test_an_unwritable_folder_is_one_clear_line(folder, request, old):
    if old is not None:
        (folder / "f.dot").write_bytes(old)
    folder.chmod(0o555)
    request.getfixturevalue("not_root")
    with pytest.raises(PermissionError, match=r"^cannot write [^\n]*f\.dot: Permission denied$"):
        chain().write(folder / "f.dot")
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == ({} if old is None else {"f.dot": old})


def test_a_read_only_file_is_not_replaced(folder, request):
    (folder / "f.dot").write_bytes(b"old")
    (folder / "f.dot").chmod(0o444)
    folder.chmod(0o777)
    request.getfixturevalue("not_root")
    with pytest.raises(PermissionError, match=r"^cannot write [^\n]*f\.dot: Permission denied$"):
        chain().write(folder / "f.dot")
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {"f.dot": b"old"}


def test_other_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.dot").mkdir()
    with pytest.raises(FileNotFoundError, match=r"^cannot write [^\n]*f\.dot: there is no folder [^\n]*none$"):
        chain().write(tmp_path / "none" / "f.dot")
    with pytest.raises(NotADirectoryError, match=r"^cannot write [^\n]*f\.dot: Not a directory$"):
        chain().write(tmp_path / "file" / "f.dot")
    with pytest.raises((IsADirectoryError, PermissionError), match=r"^cannot write [^\n]*folder\.dot: "):
        chain().write(tmp_path / "folder.dot")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.dot"]


@posix
def test_links_and_permissions_stay(tmp_path):
    (tmp_path / "real.dot").write_text("old")
    (tmp_path / "real.dot").chmod(0o640)
    (tmp_path / "link.dot").symlink_to("real.dot")
    chain().write(tmp_path / "link.dot")
    assert os.readlink(tmp_path / "link.dot") == "real.dot"
    assert (tmp_path / "real.dot").read_text() == chain().source
    assert stat.S_IMODE((tmp_path / "real.dot").stat().st_mode) == 0o640
    (tmp_path / "plain").write_text("")
    chain().write(tmp_path / "new.dot")
    assert (tmp_path / "new.dot").stat().st_mode == (tmp_path / "plain").stat().st_mode


# ---- a Digraph ---------------------------------------------------------------------------------------------------


def both(**options):
    """The same graph twice: ours and graphviz's own."""
    pair = Picture("chain", **options), graphviz.Digraph("chain", **options)
    for graph in pair:
        graph.attr(rankdir="LR")
        graph.edge("x", "y", label="tanh")
        graph.edges([("a", "y"), ("b", "y"), ("c", "y"), ("y", "r"), ("y", "s"), ("r", "r1"), ("s", "s1")])
        for alone in "uvw":
            graph.node(alone)
    return pair


def without_comments(svg):
    """What two layouts of one text have in common: not the comments on top, nor our prefix of the ids."""
    return re.sub(rb"<!--((?!-->).)*-->\s*(?=<!--|<svg)|\bg[0-9a-f]{8}_", b"", svg, flags=re.DOTALL)


@pytest.mark.dot
@pytest.mark.parametrize(
    "options",
    [
        {"format": "svg"},
        {"format": "png"},
        {"format": "svg", "engine": "neato"},
        {"format": "dot"},
        {"format": "json"},
        {"format": "plain", "encoding": "utf-8"},
        {"format": "plain", "encoding": "latin-1"},
        {"format": "png", "renderer": "cairo", "formatter": "gd"},
        {"format": "svg", "quiet": True},
    ],
)
def test_pipe_gives_what_digraph_gives(program, options):
    ours, theirs = (graph.pipe(**options) for graph in both())
    if options["format"] == "svg":
        ours, theirs = without_comments(ours), without_comments(theirs)
    assert ours == theirs


@pytest.mark.dot
def test_pipe_with_neato_no_op(program):
    ours, theirs = (g(body=['\ta [pos="0,0"]\n', '\tb [pos="300,20"]\n', "\ta -> b\n"]) for g in (Picture, graphviz.Digraph))
    for level in (1, 2):
        given = {"format": "plain", "engine": "neato", "neato_no_op": level}
        assert ours.pipe(**given) == theirs.pipe(**given)
    assert ours.pipe("plain", engine="neato") != ours.pipe("plain", engine="neato", neato_no_op=2)


@pytest.mark.dot
def test_pipe_as_bytes_and_as_text(machine):
    picture = chain()
    assert picture.pipe("svg") == picture.pipe("svg", encoding="utf-8").encode() == layout(picture.source, "svg")
    assert picture.pipe().startswith(b"%PDF")  # Digraph's own default
    assert chain(format="png").pipe().startswith(MAGIC["png"])
    assert picture.pipe("plain", encoding="latin-1").startswith("graph 1 ")


@pytest.mark.dot
def test_render_leaves_the_files_that_digraph_leaves(machine, monkeypatch, tmp_path):
    calls = [
        {},
        {"outfile": "picture.svg"},
        {"outfile": "deep/picture.png"},
        {"filename": "f.gv", "directory": "d", "format": "png"},
        {"filename": "g", "format": "svg", "cleanup": True},
        {"outfile": "clean.svg", "cleanup": True},
        {"filename": "r", "format": "png", "renderer": "cairo"},
        {"directory": Path("e"), "format": "svg"},
    ]
    expected = [
        ("chain.gv.pdf", {"chain.gv", "chain.gv.pdf"}),
        ("picture.svg", {"picture.gv", "picture.svg"}),
        ("deep/picture.png", {"deep/picture.gv", "deep/picture.png"}),
        ("d/f.gv.png", {"d/f.gv", "d/f.gv.png"}),
        ("g.svg", {"g.svg"}),
        ("clean.svg", {"clean.svg"}),
        ("r.cairo.png", {"r", "r.cairo.png"}),
        ("e/chain.gv.svg", {"e/chain.gv", "e/chain.gv.svg"}),
    ]
    (tmp_path / "deep").mkdir()
    for i, (call, (result, files)) in enumerate(zip(calls, expected, strict=True)):
        work = tmp_path / str(i)
        (work / "deep").mkdir(parents=True)
        monkeypatch.chdir(work)
        assert chain().render(**call) == result
        assert {f.relative_to(work).as_posix() for f in work.rglob("*") if f.is_file()} == files
        assert (work / result).read_bytes().startswith(MAGIC[result[-3:]])
        if machine == "program":  # what is expected is what Digraph does
            (work / "theirs").mkdir()
            monkeypatch.chdir(work / "theirs")
            (work / "theirs" / "deep").mkdir()
            theirs = graphviz.Digraph("chain", body=chain().body)
            assert theirs.render(**call) == result
            assert {f.relative_to(work / "theirs").as_posix() for f in (work / "theirs").rglob("*") if f.is_file()} == files


@pytest.mark.dot
def test_render_keeps_its_refusals(machine, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chain().render(outfile="f.svg")
    with pytest.raises(graphviz.FileExistsError):
        chain().render(outfile="f.svg", raise_if_result_exists=True)
    with pytest.raises(ValueError, match="must be different from input file"):
        chain().render("f.svg", outfile="f.svg")
    with pytest.raises(ValueError, match="cannot be combined"):
        chain().render("f.svg", outfile="f.svg", raise_if_result_exists=True, overwrite_source=True)
    assert chain().render("g.svg", outfile="g.svg", overwrite_source=True) == "g.svg"
    assert texts((tmp_path / "g.svg").read_bytes()) == ["x", "y", "tanh"]
    with pytest.raises(graphviz.RequiredArgumentError):
        chain().render(formatter="gd")
    with pytest.raises(graphviz.RequiredArgumentError):
        chain().pipe(formatter="gd")
    with pytest.raises(ValueError, match="unknown format: 'nope'"):
        chain().pipe("nope")


def test_render_without_graphviz_says_where_the_text_is(bare, tmp_path):
    with pytest.raises(graphviz.ExecutableNotFound, match=r"the DOT text is in .*chain\.gv$"):
        chain().render(directory=tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["chain.gv"]


@pytest.mark.dot
def test_images_are_found_as_digraph_finds_them(machine, monkeypatch, tmp_path):
    (tmp_path / "dot.png").write_bytes(layout("digraph { a }", "png"))
    picture = Picture(body=['\tn [label="" shape=none image="dot.png"]\n'])
    monkeypatch.chdir(tmp_path)
    assert b"<image" in picture.pipe("svg")
    monkeypatch.chdir(os.sep)
    assert b"<image" not in picture.pipe("svg")
    assert b"<image" in Path(picture.render("p.gv", directory=tmp_path, format="svg")).read_bytes()


@pytest.mark.dot
def test_unflatten(machine):
    picture = Picture("wide", format="svg", engine="dot")
    picture.edges([("hub", f"n{i}") for i in range(8)])
    flat = picture.unflatten(stagger=3)
    assert isinstance(flat, graphviz.Source)
    assert "minlen" in flat.source
    before, after = (ET.fromstring(drawn.pipe(encoding="utf-8")) for drawn in (picture, flat))
    assert float(after.get("width").removesuffix("pt")) < float(before.get("width").removesuffix("pt"))
    assert flat.unflatten(chain=2).format == "svg"
    with pytest.raises(graphviz.RequiredArgumentError):
        picture.unflatten(fanout=True)


@pytest.mark.dot
def test_unflatten_gives_what_digraph_gives(program):
    ours, theirs = both()
    results = set()
    for options in ({}, {"stagger": 3}, {"stagger": 3, "fanout": True}, {"chain": 3}):
        results.add(ours.unflatten(**options).source)
        assert ours.unflatten(**options).source == theirs.unflatten(**options).source
    assert len(results) == 4


@pytest.mark.dot
def test_an_unflattened_picture_can_be_written(machine, tmp_path):
    chain().unflatten(stagger=2).write(tmp_path / "f.svg")
    assert texts((tmp_path / "f.svg").read_bytes()) == ["x", "y", "tanh"]


def test_copies_are_pictures_and_independent():
    picture = chain(format="png", engine="neato", graph_attr={"bgcolor": "white"})
    twin = picture.copy()
    assert type(twin) is Picture
    assert (twin.source, twin.format, twin.engine) == (picture.source, "png", "neato")
    twin.node("another")
    assert twin.source != picture.source


def test_the_source_and_save_are_digraphs(tmp_path):
    ours, theirs = both()
    assert ours.source == theirs.source == str(ours)
    assert Path(ours.save("f.gv", directory=tmp_path)).read_text() == theirs.source


def test_the_repr_is_the_same_in_every_run():
    assert repr(chain()) == repr(chain())
    assert "chain" in repr(chain())


# ---- Jupyter -----------------------------------------------------------------------------------------------------


@pytest.mark.dot
def test_jupyter_shows_the_picture(machine):
    picture = chain()
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert texts(bundle["image/svg+xml"].encode()) == ["x", "y", "tanh"]
    assert picture._repr_image_svg_xml() == bundle["image/svg+xml"]
    assert picture._repr_mimebundle_(include=["image/png"])["image/png"].startswith(MAGIC["png"])
    assert picture._repr_mimebundle_(include=["image/png"], exclude=["image/png"]) == {}


def test_jupyter_without_graphviz_shows_the_remedy_and_the_text(bare):
    bundle = chain()._repr_mimebundle_(include=None, exclude=None)
    assert list(bundle) == ["text/plain"]
    remedy, _, text = bundle["text/plain"].partition("\n\n")
    assert "package manager" in remedy
    assert "tinygrad-edu[dot]" in remedy
    assert text == chain().source.rstrip("\n")


def test_jupyter_cuts_a_long_text(bare):
    picture = Picture()
    picture.edges([("a", "b")] * 10_000)
    lines = picture._repr_mimebundle_()["text/plain"].splitlines()
    assert len(lines) == 203
    assert lines[-1] == "... and 9802 more lines"


@pytest.mark.dot
def test_jupyter_shows_what_graphviz_refused(machine):
    bundle = Picture(body=["\ta -> -> b\n"])._repr_mimebundle_()
    assert bundle["text/plain"].startswith("Graphviz could not draw the graph: syntax error in line 2")
