"""The demos: each runs and keeps its promise, and the command that lists, shows and runs them."""

from __future__ import annotations

import ast
import contextlib
import decimal
import importlib.util
import io
import itertools
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_edu import cli, demos

FOLDER = demos.folder()
LINES, COLUMNS = 90, 100  # a printed page


def command(*arguments: str, cwd: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, after some code."""
    code = f"import sys\n{before}\nfrom tinygrad_edu.cli import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def inside(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command in this process, which is quicker."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main(arguments)
        except SystemExit as end:  # what argparse does
            status = int(end.code or 0)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def one_line_and_2(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


# ---- what each demo claims -------------------------------------------------------------------------------------------


def scalar_circuit(n: dict[str, Any]) -> None:
    assert n["L"] == pytest.approx(math.tanh(2 * -3 + 0.5 * 1 + 6.5), abs=1e-15)
    slope = 1 - math.tanh(1) ** 2
    assert n["gradients"]["w1"][0] == pytest.approx(slope * 2, abs=1e-15)
    assert n["difference"] < 1e-15
    assert n["pushed"] < 1e-8


def why_topological(n: dict[str, Any]) -> None:
    assert list(n) == ["1", "2", "4", "8", "12", "60"]
    for text, row in n.items():
        levels = int(text)
        assert row["engine"] == 2**levels
        assert row["topological"] == (2**levels, 2 * levels + 1)  # a visit per node
        assert (row["found"][0] == 2**levels) == (levels == 1)
        if levels < 20:
            assert row["paths"] == (2**levels, 3 * 2**levels - 2)  # visits v(n) = 2 v(n − 1) + 2, v(0) = 1


def hand_vs_engine(n: dict[str, Any]) -> None:
    assert len(n["apart"]) == 11
    assert max(n["apart"].values()) < 1e-15
    assert max(n["numeric"].values()) < 1e-9


def gradcheck_v(n: dict[str, Any]) -> None:
    forward, central = n["errors"]["forward"], n["errors"]["central"]
    assert forward[1] / forward[2] == pytest.approx(10, rel=0.1)  # O(h)
    assert central[1] / central[2] == pytest.approx(100, rel=0.1)  # O(h²)
    assert 1e-9 <= n["best"]["forward"] <= 1e-7
    assert 1e-6 <= n["best"]["central"] <= 1e-4
    assert forward[-1] > 1e-3 < central[-1]  # rounding
    assert min(n["errors"]["wrong"]) > 2
    assert n["gradcheck"] < 1e-11
    assert n["caught"]


def broadcast_trap(n: dict[str, Any]) -> None:
    slope, intercept, loss = n["trapped"]
    assert abs(slope) < 1e-3
    assert intercept == pytest.approx(n["mean"], abs=1e-3)
    assert loss == pytest.approx(n["variance"], abs=1e-3)
    assert n["right"][0] == pytest.approx(2.0, abs=0.2)
    assert n["right"][2] < 0.1
    assert "Try: prediction[..., 0]" in n["refused"]


def stable_bce(n: dict[str, Any]) -> None:
    for y, table in ((0, n["y=0"]), (1, n["y=1"])):
        for u, loss, gradient in zip(table["u"], *table["stable"], strict=True):
            context = decimal.Context(prec=60, Emin=-9999, Emax=9999)
            e = context.exp(decimal.Decimal(-u if y else u))
            total = context.add(1, e)
            assert loss == pytest.approx(float(context.ln(total)), rel=1e-14)  # ln(1 + eᵘ)
            assert gradient == pytest.approx(float(context.divide(e, total)) * (-1 if y else 1), abs=1e-15)
    naive = dict(zip(n["y=0"]["u"], zip(*n["y=0"]["naive"], strict=True), strict=True))
    assert naive[100.0][0] == np.inf
    assert np.isnan(naive[-1000.0]).all()
    assert naive[10.0] == pytest.approx((10.0000454, 0.9999546), abs=1e-6)


def optimizers(n: dict[str, Any]) -> None:
    assert n["Newton"]["close"] <= 5
    assert n["Newton"]["distance"] < 1e-9
    assert n["Newton"]["close"] < n["momentum"]["close"] < n["Adam"]["close"]
    assert n["SGD"]["close"] is None
    assert n["SGD"]["f"] > n["Adam"]["f"] > n["momentum"]["f"] > n["Newton"]["f"]


def double_backward(n: dict[str, Any]) -> None:
    newton = n["newton"]
    for before, after in itertools.pairwise(newton[2:]):
        assert after < 2 * before**2 + 1e-15  # the error is squared
    assert newton[-1] < 1e-15
    ratios = np.divide(n["slow"][1:], n["slow"][:-1])
    assert np.all((ratios > 0.7) & (ratios < 0.8))
    t = math.tanh(0.5)
    assert n["second"] == pytest.approx(-2 * t * (1 - t * t), abs=1e-15)


def xor(n: dict[str, Any]) -> None:
    assert n["losses"]["one neuron"] == pytest.approx([math.log(2)] * 5, abs=1e-3)
    assert min(n["losses"]["one neuron"]) > math.log(2) - 1e-12
    for name in ("2 hidden", "4 hidden"):
        assert np.abs(np.subtract(n["probabilities"][name], [0, 1, 1, 0])).max() < 0.05
    assert max(n["losses"]["4 hidden"]) < 0.1


def moons(n: dict[str, Any]) -> None:
    assert n["accuracy"]["16 hidden neurons"]["held out"] >= 0.97
    assert n["accuracy"]["linear"]["held out"] < 0.93
    assert n["losses"]["16 hidden neurons"][-1] < n["losses"]["linear"][-1] / 5


def spirals(n: dict[str, Any]) -> None:
    assert len(n["accuracies"]) == 5
    assert n["accuracies"][0] < 0.5
    assert n["accuracies"][-1] >= 0.95
    assert n["losses"][-1] < 0.1


def vanishing(n: dict[str, Any]) -> None:
    stuck, learns = ("sigmoid, Xavier", "tanh, N(0, 0.05²)"), ("tanh, Xavier", "relu, He")
    for name in stuck:
        assert n["norms"][name][0] < 1e-5
        assert n["losses"][name][-1] == pytest.approx(math.log(3), abs=0.01)
    for name in learns:
        assert 0.01 < n["norms"][name][0] < 1
        assert n["losses"][name][-1] < 0.2
    assert n["ratios"]["sigmoid, Xavier"] < 4.0**-8
    assert all(0.1 < n["ratios"][name] < 10 for name in learns)


def iris(n: dict[str, Any]) -> None:
    assert min(n["right"].values()) >= 140
    assert n["setosa"] <= 2 < 10 <= n["mixed"]
    assert n["setosa"] + n["mixed"] <= sum(150 - right for right in n["right"].values())


def digits(n: dict[str, Any]) -> None:
    assert n["accuracy"] >= 0.96
    table = np.array(n["table"])
    assert table.sum() == 449
    assert np.trace(table) / 449 == pytest.approx(n["accuracy"])


def convolution(n: dict[str, Any]) -> None:
    assert n["convolution"]["weights"] == 8 * 9 + 8 + 16 * 8 * 9 + 16 + 64 * 10 + 10
    assert n["dense"]["weights"] == 64 * 64 + 64 + 64 * 10 + 10
    assert min(n["convolution"]["right"], n["dense"]["right"]) >= 0.95
    assert n["convolution"]["moved"] > n["dense"]["moved"] + 0.02


def names(n: dict[str, Any]) -> None:
    assert n["losses"]["guessing"] == pytest.approx(math.log(33))
    assert n["losses"]["network"] < n["losses"]["pairs, counted"] - 0.1
    assert n["losses"]["pairs, counted"] < n["losses"]["guessing"] - 1
    assert len(n["invented"]) == 10
    assert all(name == name.strip(".") and "." not in name for name in n["invented"])


def attention(n: dict[str, Any]) -> None:
    assert n["right"][0] < 0.25
    assert n["right"][-1] >= 0.99
    assert n["on_card"] > 0.9
    assert np.sum(n["map"], axis=1) == pytest.approx(np.ones(8), abs=1e-12)


PROMISES: dict[str, Callable[[dict[str, Any]], None]] = {
    f.__name__: f
    for f in (
        scalar_circuit,
        why_topological,
        hand_vs_engine,
        gradcheck_v,
        broadcast_trap,
        stable_bce,
        xor,
        moons,
        spirals,
        vanishing,
        optimizers,
        double_backward,
        iris,
        digits,
        convolution,
        names,
        attention,
    )
}


@pytest.mark.dot
@pytest.mark.parametrize("name", PROMISES)
def test_a_demo_keeps_its_promise(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for module in demos.EXTRAS.get(demos.DEMOS[name] or "", {}).values():
        pytest.importorskip(module)
    outcome = demos.run(name, tmp_path, quick=True)
    PROMISES[name](outcome.numbers)
    json.dumps(outcome.numbers)
    check_output(capsys.readouterr().out)
    check_files(outcome.written)


def check_output(text: str) -> None:
    """A table, and at the end two sentences on what was seen."""
    seen = text[text.index("\nSeen: ") :]
    assert seen.count("\n") in (2, 3), seen
    assert seen.endswith((".\n", ".\n\n"))
    assert max(map(len, text.splitlines())) <= COLUMNS + 10


def check_files(written: list[Path]) -> None:
    pictures = [path for path in written if path.suffix in (".svg", ".png", ".gif")]
    assert pictures
    for path in pictures:
        data = path.read_bytes()
        if path.suffix == ".svg":
            assert ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"
        else:
            assert data.startswith((b"\x89PNG\r\n", b"GIF89a"))


def test_every_demo_has_a_promise() -> None:
    assert list(demos.DEMOS) == [*PROMISES, "one_graph_many_engines"]


def test_one_graph_many_engines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of PyTorch, JAX and onnxruntime those that are installed; JAX's precision, which is of the process, is put back."""
    pytest.importorskip("matplotlib")
    jax = importlib.import_module("jax") if importlib.util.find_spec("jax") else None
    precise = jax and jax.config.jax_enable_x64
    try:
        outcome = demos.run("one_graph_many_engines", tmp_path, quick=True)
    finally:
        if jax:
            jax.config.update("jax_enable_x64", precise)
    apart = outcome.numbers["apart"]
    assert {"record and sweep", "tg.source, NumPy", "tg.compile, NumPy", "number by number, Python"} <= set(apart)
    assert ("tg.source, JAX" in apart) == bool(jax)
    assert ("tg.source, PyTorch" in apart) == bool(importlib.util.find_spec("torch"))
    assert max(apart.values()) < 1e-14
    json.dumps(outcome.numbers)
    check_output(capsys.readouterr().out)
    check_files(outcome.written)


# ---- the scripts -----------------------------------------------------------------------------------------------------


def test_every_script_with_a_run_is_listed() -> None:
    def has_run(path: Path) -> bool:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        return any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body)

    assert {path.stem for path in FOLDER.glob("*.py") if has_run(path)} == set(demos.DEMOS)


@pytest.mark.parametrize("name", demos.names())
def test_a_script_is_a_page(name: str) -> None:
    lines = demos.source(name).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert lines[-2:] == ['if __name__ == "__main__":', "    demos.main(run)"]


@pytest.mark.parametrize("name", demos.names())
def test_a_script_uses_public_names(name: str) -> None:
    tree = ast.parse(demos.source(name))
    ours = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    assert {module for module in ours if module.startswith("tinygrad_edu")} == {"tinygrad_edu"}
    attributes = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert [name for name in attributes if name.startswith("_")] == []


@pytest.mark.dot
def test_a_script_runs_on_its_own(tmp_path: Path) -> None:
    script = [sys.executable, "-X", "utf8", os.fspath(FOLDER / "scalar_circuit.py")]
    run = subprocess.run([*script, "--quick"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr
    svg = os.path.join("scalar_circuit", "scalar_circuit.svg")
    assert run.stdout.splitlines()[-1].startswith(f"written: {svg}, ")
    assert (tmp_path / svg).is_file()
    wrong = subprocess.run([*script, "--seed", "x"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    one_line_and_2(wrong, "scalar_circuit.py: argument --seed: 'x' is not a whole number")
    (tmp_path / "file").touch()
    wrong = subprocess.run([*script, "--out", "file"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    one_line_and_2(wrong, "scalar_circuit.py: cannot make the folder", "File exists")


# ---- the command -----------------------------------------------------------------------------------------------------


def test_list_and_show(tmp_path: Path) -> None:
    result = inside("demo", "list", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == demos.names()
    assert re.search(r"^hand_vs_engine +The lecture note's network", result.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
    shown = inside("demo", "show", "stable_bce", cwd=tmp_path)
    assert shown.stdout == (FOLDER / "stable_bce.py").read_text(encoding="utf-8")


@pytest.mark.dot
def test_run(tmp_path: Path) -> None:
    result = command("demo", "run", "scalar_circuit", "--quick", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "\nSeen: " in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"scalar_circuit"}
    again = command("demo", "run", "scalar_circuit", "--quick", "--out", "a/b", "--seed", "3", cwd=tmp_path)
    assert "written: " + os.path.join("a", "b", "scalar_circuit.svg") in again.stdout
    names = ["scalar_circuit.svg", "scalar_circuit_backward.svg"]
    assert sorted(os.listdir(tmp_path / "a" / "b")) == names
    for name in names:
        assert (tmp_path / "a" / "b" / name).read_bytes() == (tmp_path / "scalar_circuit" / name).read_bytes()


def test_unknown_names(tmp_path: Path) -> None:
    one_line_and_2(inside("demo", "run", "scalar-circuits", cwd=tmp_path), "no demo 'scalar-circuits'; is it scalar_circuit?")
    one_line_and_2(inside("demo", "show", "qqq", cwd=tmp_path), "there are scalar_circuit, why_topological")
    one_line_and_2(inside("demo", "run", "../examples/note_network", cwd=tmp_path), "there is no demo")
    one_line_and_2(inside("demo", "run", "note_network", cwd=tmp_path), "there is no demo")
    one_line_and_2(inside("demo", cwd=tmp_path), "TASK")
    one_line_and_2(inside("demo", "run", "--seed", "-1", "stable_bce", cwd=tmp_path), "--seed")
    one_line_and_2(inside("demo", "run", "--out", "", "stable_bce", cwd=tmp_path), "the name of the folder is empty")
    assert list(tmp_path.iterdir()) == []


BLOCK = """
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def test_without_an_extra(tmp_path: Path) -> None:
    block = BLOCK.format(blocked=("matplotlib", "sklearn"))
    result = command("demo", "run", "stable_bce", cwd=tmp_path, before=block)
    one_line_and_2(result, 'stable_bce needs matplotlib: pip install "tinygrad-edu[plots]"')
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
    more = "from tinygrad_edu import demos\ndemos.DEMOS['stable_bce'] = 'examples'"
    result = command("demo", "run", "stable_bce", cwd=tmp_path, before=block + more)
    one_line_and_2(result, 'needs matplotlib and scikit-learn: pip install "tinygrad-edu[examples]"')
    assert command("demo", "list", cwd=tmp_path, before=block).stdout.count("\n") == len(demos.names())


@pytest.mark.dot
def test_what_a_demo_needs_is_declared(tmp_path: Path) -> None:
    """Without matplotlib, scikit-learn and everything optional, the demos that need no extra run."""
    block = BLOCK.format(blocked=("matplotlib", "sklearn", "torch", "jax", "onnx", "onnxruntime"))
    for name, extra in demos.DEMOS.items():
        if extra is None:
            result = command("demo", "run", name, "--quick", cwd=tmp_path, before=block)
            assert result.returncode == 0, result.stderr


@pytest.mark.dot
def test_all(tmp_path: Path) -> None:
    """Those that can run do, each in a folder of its own; the others are named at the end."""
    before = BLOCK.format(blocked=("matplotlib", "sklearn")) + "\nfrom tinygrad_edu import demos\n"
    before += "for name in [n for n in demos.DEMOS if n not in ('scalar_circuit', 'stable_bce')]: del demos.DEMOS[name]"
    result = command("demo", "run", "all", "--quick", "--out", "here", cwd=tmp_path, before=before)
    one_line_and_2(result, "tinygrad-edu demo: not run: stable_bce")
    assert 'stable_bce needs matplotlib: pip install "tinygrad-edu[plots]"' in result.stdout
    assert (tmp_path / "here" / "scalar_circuit" / "scalar_circuit.svg").is_file()


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in ("file", os.path.join("file", "inside")):
        result = inside("demo", "run", "scalar_circuit", "--out", out, cwd=tmp_path)
        one_line_and_2(result, "tinygrad-edu demo: cannot make the folder")
        assert result.stdout == ""
    if os.name == "posix" and os.getuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        one_line_and_2(inside("demo", "run", "scalar_circuit", "--out", "closed", cwd=tmp_path), "cannot write into the folder")


def test_a_picture_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out" / "scalar_circuit.svg").mkdir(parents=True)
    result = inside("demo", "run", "scalar_circuit", "--out", "out", cwd=tmp_path)
    one_line_and_2(result, "cannot write", "scalar_circuit.svg")
    assert os.listdir(tmp_path / "out") == ["scalar_circuit.svg"]


GRAPHS = {
    "scalar_circuit": ["scalar_circuit.dot", "scalar_circuit_backward.dot"],
    "why_topological": ["why_topological.dot"],
    "hand_vs_engine": ["backward.dot", "forward.dot"],
    "double_backward": ["double_backward.svg", "second_derivative.dot"],
}


@pytest.mark.parametrize("name", GRAPHS)
def test_without_graphviz(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All the numbers, all the texts of graphs, and once what would draw them."""
    from tinygrad_edu.drawing import picture
    from tinygrad_edu.drawing.layout import NoGraphvizError

    for module in demos.EXTRAS.get(demos.DEMOS[name] or "", {}).values():
        pytest.importorskip(module)

    def none(*args: object, **options: object) -> bytes:
        raise NoGraphvizError

    monkeypatch.setattr(picture, "layout", none)
    outcome = demos.run(name, tmp_path, quick=True)
    assert [path.name for path in outcome.written] == GRAPHS[name]
    for path in outcome.written:
        assert path.suffix == ".svg" or path.read_text(encoding="utf-8").startswith("digraph ")
    PROMISES[name](outcome.numbers)
    said = capsys.readouterr().out
    assert said[said.index("\nSeen: ") :].count("tinygrad-edu[dot]") == 1


def test_no_demo_stops_at_its_first_graph() -> None:
    """tg.draw(..., to=) would raise without Graphviz; demos.write writes the texts."""
    for name in demos.names():
        calls = [node for node in ast.walk(ast.parse(demos.source(name))) if isinstance(node, ast.Call)]
        drawn = [call for call in calls if re.fullmatch(r"tg\.draw\w*", ast.unparse(call.func))]
        assert [ast.unparse(call) for call in drawn if any(k.arg == "to" for k in call.keywords)] == []


def test_only_what_was_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    (tmp_path / "new.txt").write_text("old")

    def run(out: Path, quick: bool, seed: int) -> dict[str, Any]:
        (out / "new.txt").unlink()
        (out / "new.txt").write_text("new")
        return {"seed": seed, "quick": quick}

    outcome = demos.perform(run, tmp_path, seed=7)
    assert outcome == ({"seed": 7, "quick": False}, [tmp_path / "new.txt"])


def test_an_installed_package_has_the_scripts_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "tinygrad_edu"
    shutil.copytree(FOLDER, package / "examples")
    monkeypatch.setattr(demos, "__file__", os.fspath(package / "demos.py"))
    assert demos.folder() == package / "examples"
    assert demos.names()[0] == "scalar_circuit"


def test_the_other_examples_run() -> None:
    left = runpy.run_path(os.fspath(FOLDER / "note_network.py"))
    assert left["L"].shape == ()
