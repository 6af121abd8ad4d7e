"""The command, run as a user runs it: in a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tinygrad_edu import note


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "tinygrad_edu", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def one_line_and_2(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


PAGES = ["backward.py", "derivation.html", "derivation.md", "derivation.tex", "lesson.html"]

SCRIPT = """
import numpy as np
import tinygrad_edu as tg

rng = np.random.default_rng(0)
inputs = tg.Tensor(rng.normal(size=(6, 3)))
gamma = tg.Tensor(rng.normal(size=3), requires_grad=True)
hidden = tg.relu(inputs * gamma) + inputs
spread = hidden.std(axis=0)
L = (spread * spread).sum() + tg.logsumexp(hidden)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "my_model.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.mark.dot
def test_the_note(tmp_path: Path) -> None:
    result = run("lesson", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    rows = [line for line in result.stdout.splitlines() if line.startswith("∂𝓛/∂")]
    assert len(rows) == 11
    for row in rows:
        hand, numeric = (float(x) for x in re.split(r"\s{2,}", row)[-2:])
        assert hand < 1e-15
        assert numeric < 1e-10
    for number in ("0.117", "1.139", "2.207", "0.386"):
        assert f"(the note: {number})" in result.stdout
    expected = {
        "forward": ("u⁽¹⁾", "h⁽²⁾", "ŷ", "𝓛", "(N, d₁)", "tanh", "sig", "bce"),
        "backward": ("∂𝓛/∂u⁽³⁾", "∂𝓛/∂W⁽¹⁾", "∂𝓛/∂c", "⊗", "Σ over N"),
        "forward_op": ("= h⁽¹⁾ · W⁽²⁾", "= tanh(u⁽¹⁾)", "gradient", "N = 4,"),
        "backward_op": ("· (W⁽²⁾)ᵀ", "∗ (1 − h⁽¹⁾ ∗ h⁽¹⁾)"),
        "zoom": ("only l = j survives", "Σ = "),
    }
    files = sorted([*(f"{name}.{suffix}" for name in expected for suffix in ("dot", "svg")), *PAGES])
    assert sorted(p.name for p in (tmp_path / "lesson").iterdir()) == files
    for name, labels in expected.items():
        text = "".join(ElementTree.parse(tmp_path / "lesson" / f"{name}.svg").getroot().itertext()).replace("\xa0", " ")
        for label in labels:
            assert label in text, (name, label)
    page = (tmp_path / "lesson" / "derivation.html").read_text(encoding="utf-8")
    assert page.count("<math") > 60
    assert 'http-equiv="Content-Security-Policy"' in page
    assert "\\frac{\\partial \\mathcal{L}}{\\partial W^{(1)}} = x^{\\top}" in (tmp_path / "lesson" / "derivation.tex").read_text(
        "utf-8"
    )
    assert "Only l = j survives." in (tmp_path / "lesson" / "derivation.md").read_text("utf-8")


@pytest.mark.dot
def test_other_sizes_and_folder(tmp_path: Path) -> None:
    result = run("lesson", "--n", "7", "--widths", "5,4,2", "--seed", "3", "--out", "a/b", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "N = 7, F = 5, d₁ = 4, d₂ = 2" in result.stdout
    assert (tmp_path / "a" / "b" / "forward.svg").exists()


@pytest.mark.dot
def test_a_script_of_the_user(script: Path, tmp_path: Path) -> None:
    result = run("lesson", script.name, "--out", "pictures", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.startswith("∂𝓛/∂")}
    assert set(rows) == {"∂𝓛/∂γ" if "∂𝓛/∂γ" in rows else "∂𝓛/∂gamma", "∂𝓛/∂hidden", "∂𝓛/∂spread"}
    for row in rows.values():
        scalars, numeric = (float(x) for x in re.split(r"\s{2,}", row)[-2:])
        assert scalars < 1e-12
        assert numeric < 1e-8
    assert (tmp_path / "pictures" / "backward.dot").exists()
    assert "hidden" in (tmp_path / "pictures" / "derivation.md").read_text("utf-8")


@pytest.mark.dot
@pytest.mark.parametrize(
    "end", ["sys.exit(0)", "sys.exit()", "exit()", "raise SystemExit", "def main():\n    sys.exit()\nmain()"]
)
def test_a_script_may_end_by_itself(script: Path, tmp_path: Path, end: str) -> None:
    script.write_text(f"import sys\n{SCRIPT}{end}\nL = None\n", encoding="utf-8")
    result = run("lesson", "my_model.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "∂𝓛/∂hidden" in result.stdout
    assert (tmp_path / "lesson" / "forward.dot").exists()


@pytest.mark.parametrize("end", ["sys.exit(3)", "sys.exit('no data')"])
def test_a_script_that_ends_with_an_error(script: Path, tmp_path: Path, end: str) -> None:
    script.write_text(f"import sys\n{SCRIPT}{end}\n", encoding="utf-8")
    one_line_and_2(
        run("lesson", "my_model.py", cwd=tmp_path), "my_model.py stopped in line 12: SystemExit:", end[9:-1].strip("'")
    )


@pytest.mark.dot
def test_another_tensor_of_the_script(script: Path, tmp_path: Path) -> None:
    script.write_text(SCRIPT.replace("L =", "cost ="), encoding="utf-8")
    assert run("lesson", "my_model.py", "--tensor", "cost", cwd=tmp_path).returncode == 0


def test_without_any_graphviz_the_dot_text_is_written(tmp_path: Path) -> None:
    # An empty PATH hides the program, and the wheel cannot be found.
    hidden = tmp_path / "hidden"
    (hidden / "bin").mkdir(parents=True)
    code = (
        "import importlib.machinery as m, sys; find = m.PathFinder.find_spec;"
        "m.PathFinder.find_spec = lambda name, *a: None if name == 'pygraphviz' else find(name, *a);"
        "from tinygrad_edu.cli import main; sys.exit(main(['lesson']))"
    )
    result = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(hidden / "bin")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    names = ["backward.dot", "backward_op.dot", "forward.dot", "forward_op.dot", "zoom.dot"]
    assert sorted(p.name for p in (tmp_path / "lesson").iterdir()) == sorted([*names, *PAGES])
    last = result.stdout.strip().splitlines()[-1]
    assert "Graphviz" in last
    assert "tinygrad-edu[dot]" in last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lesson", "--bad"], ["--bad"]),
        (["leson"], ["leson"]),
        (["lesson", "--n", "0"], ["--n", "'0'"]),
        (["lesson", "--n", "many"], ["--n", "'many'"]),
        (["lesson", "--widths", "2,3"], ["--widths", "'2,3'", "2,3,3"]),
        (["lesson", "--seed", "-1"], ["--seed"]),
        (["lesson", "--tensor", "L"], ["--tensor goes with a script"]),
        (["lesson", "nowhere.py"], ["nowhere.py", "no such file"]),
        (["lesson", "."], ["no such file"]),
        (["lesson", "my_model.py", "--n", "3"], ["--n goes with the note's network"]),
        (["lesson", "my_model.py", "--tensor", "missing"], ["no Tensor missing", "hidden", "--tensor"]),
        (["lesson", "my_model.py", "--tensor", "hidden"], ["hidden has shape (6, 3)", "scalar"]),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(script: Path, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    one_line_and_2(run(*arguments, cwd=tmp_path), *words)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1\nraise RuntimeError('no\\nluck')", ["line 2", "RuntimeError: no luck"]),
        ("x = (", ["SyntaxError", "line 1"]),
        ("import sys\nsys.exit(3)", ["SystemExit", "line 2"]),
        ("x = 3", ["no Tensor L", "leaves no Tensor"]),
        ("L = 3.0", ["no Tensor L"]),
        ("import tinygrad_edu as tg\nL = tg.Tensor(1.0) * 2", ["L"]),
        ("import tinygrad_edu as tg\nL = tg.Tensor(1.0)", ["L"]),
        ("import tinygrad_edu as tg\nL = tg.argmax(tg.Tensor([1.0, 2.0], requires_grad=True))", ["L"]),
        (
            "import tinygrad_edu as tg\nx = tg.Tensor([1.0, 2.0])\ny = x @ tg.Tensor([1.0])",
            ["line 3", "ShapeError", "inner sizes differ"],
        ),
        ("x = '\x00'", ["my_model.py"]),
    ],
)
def test_scripts_that_fail(script: Path, tmp_path: Path, code: str, words: list[str]) -> None:
    script.write_text(code, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    one_line_and_2(run("lesson", "my_model.py", cwd=tmp_path), "my_model.py", *words)
    assert sorted(p for p in tmp_path.rglob("*") if "__pycache__" not in str(p)) == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    one_line_and_2(run("lesson", "--out", "file", cwd=tmp_path), "file")
    one_line_and_2(run("lesson", "--out", "file/below", cwd=tmp_path), "file/below")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_help_and_version(tmp_path: Path) -> None:
    assert "lesson" in run(cwd=tmp_path).stdout
    assert "--widths" in run("lesson", "--help", cwd=tmp_path).stdout
    assert run("--version", cwd=tmp_path).stdout.startswith("tinygrad_edu 0.")


def test_a_terminal_that_cannot_show_the_signs(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tinygrad_edu", "lesson"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.dot
def test_a_script_in_another_folder_with_a_helper_beside_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sub" / "helper.py").write_text("width = 3", encoding="utf-8")
    (tmp_path / "sub" / "mödel.py").write_text(
        "import os, sys, helper, numpy as np, tinygrad_edu as tg\n"
        "assert len(sys.argv) == 1\n"
        "w = tg.Tensor(np.ones(helper.width), requires_grad=True)\n"
        "L = (w * w).sum()\n"
        "w.data -= 0.1\n"
        "os.chdir('elsewhere')\n",
        encoding="utf-8",
    )
    result = run("lesson", "sub/mödel.py", "--out", "here", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "here" / "forward.dot").exists()
    row = next(line for line in result.stdout.splitlines() if line.startswith("∂𝓛/∂w"))
    assert float(re.split(r"\s{2,}", row)[-1]) < 1e-10


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "w = tg.Tensor(0.0, requires_grad=True, name='w')\nimport warnings; warnings.simplefilter('ignore')\nL = tg.log(w)",
            ["-inf"],
        ),
        (
            "bad = tg.ops.Op('bad', lambda x: x, [lambda g, y, x: nonsense])\nw = tg.Tensor(1.0, requires_grad=True)\nL = bad(w)",
            ["NameError"],
        ),
        ("L = sum([tg.Tensor(1.0, requires_grad=True)])", ["give it name="]),
    ],
)
def test_networks_that_cannot_be_compared(script: Path, tmp_path: Path, code: str, words: list[str]) -> None:
    script.write_text(f"import tinygrad_edu as tg\n{code}", encoding="utf-8")
    one_line_and_2(run("lesson", "my_model.py", cwd=tmp_path), "my_model.py", *words)
    assert not (tmp_path / "lesson").exists()


def test_a_file_that_cannot_be_written_leaves_nothing_half_done(tmp_path: Path) -> None:
    (tmp_path / "out" / "forward.dot").mkdir(parents=True)
    one_line_and_2(run("lesson", "--out", "out", cwd=tmp_path), "forward.dot", "folder")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["forward.dot"]


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    command = f"{sys.executable} -X utf8 -m tinygrad_edu lesson --n 50 | head -n 1"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert "Traceback" not in result.stderr


MANY = """
y = tg.Tensor(0.5, requires_grad=True, name="x")
for i in range(150):
    y = tg.sin(y + 0.1).named(f"h{i}")
L = y
"""


@pytest.mark.dot
def test_rows_that_are_left_out_are_counted(script: Path, tmp_path: Path) -> None:
    script.write_text(f"import tinygrad_edu as tg\n{MANY}", encoding="utf-8")
    result = run("lesson", "my_model.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if line.startswith("∂")]
    assert len(rows) == 100
    assert "... and 50 more gradients, which were not compared" in result.stdout
    assert "... and 50 more\n" in result.stdout  # of the lines that explain unnamed values


# ---- backward.py ---------------------------------------------------------------------------------------------------------


def run_alone(path: Path, cwd: Path) -> dict[str, float]:
    """Run backward.py where this library cannot be imported: the difference that it prints for each result, by name."""
    code = (
        "import runpy, sys; sys.modules['tinygrad_edu'] = None; sys.path[:] = [p for p in sys.path if p];"
        f"runpy.run_path({os.fspath(path)!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    rows = re.findall(r"^(\w+), shape \(.*\), largest difference from the engine (\S+)$", result.stdout, re.MULTILINE)
    return {name: float(difference) for name, difference in rows}


def test_backward_py_gives_the_note_by_hand_and_runs_from_any_folder(tmp_path: Path) -> None:
    assert run("lesson", "--seed", "5", cwd=tmp_path).returncode == 0
    path = tmp_path / "lesson" / "backward.py"
    (tmp_path / "elsewhere").mkdir()
    found = run_alone(path, tmp_path / "elsewhere")
    names = ["W1", "b1", "W2", "b2", "U", "c"]
    assert list(found) == ["L", *(f"dL_d{name}" for name in names)]
    assert max(found.values()) < 1e-15
    values = {name: t.numpy() for name, t in note.network(seed=5).items()}
    hand = note.by_hand(values)
    f = runpy.run_path(os.fspath(path))["forward_backward"]
    loss, *gradients = f(*(values[name] for name in ("x", "y", *names)))
    np.testing.assert_allclose(loss, hand["L"], rtol=1e-13)
    for name, gradient in zip(names, gradients, strict=True):
        np.testing.assert_allclose(gradient, hand[name], rtol=1e-11)


def test_backward_py_shows_a_mistake(tmp_path: Path) -> None:
    assert run("lesson", cwd=tmp_path).returncode == 0
    path = tmp_path / "lesson" / "backward.py"
    text = path.read_text(encoding="utf-8")
    assert "(yhat - y) / N" in text
    path.write_text(text.replace("(yhat - y) / N", "(yhat - y)"), encoding="utf-8")
    found = run_alone(path, tmp_path)
    assert found["L"] == 0
    assert found["dL_dW2"] > 1e-3


def test_backward_py_of_a_script_and_of_many_numbers(script: Path, tmp_path: Path) -> None:
    assert run("lesson", "my_model.py", cwd=tmp_path).returncode == 0
    assert max(run_alone(tmp_path / "lesson" / "backward.py", tmp_path).values()) < 1e-14
    assert not (tmp_path / "lesson" / "backward.npz").exists()
    script.write_text(SCRIPT.replace("(6, 3)", "(90, 3)"), encoding="utf-8")
    result = run("lesson", "my_model.py", "--out", "many", cwd=tmp_path)
    assert "backward.npz" in result.stdout
    path = tmp_path / "many" / "backward.py"
    assert "allow_pickle=False" in path.read_text(encoding="utf-8")
    assert len(path.read_text(encoding="utf-8")) < 5000
    assert max(run_alone(path, tmp_path).values()) < 1e-13


def test_many_numbers_of_tensors_with_any_name(script: Path, tmp_path: Path) -> None:
    lines = [
        "import numpy as np",
        "import tinygrad_edu as tg",
        "file = tg.Tensor(np.linspace(0, 1, 500), requires_grad=True)",
        "allow_pickle = tg.Tensor(np.linspace(1, 2, 500), requires_grad=True)",
        "L = (file * tg.tanh(allow_pickle)).mean()",
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    assert "backward.npz" in run("lesson", "my_model.py", cwd=tmp_path).stdout
    found = run_alone(tmp_path / "lesson" / "backward.py", tmp_path)
    assert list(found) == ["L", "dL_dfile", "dL_dallow_pickle"]
    assert max(found.values()) < 1e-14


def test_an_op_of_ones_own_has_no_backward_py_and_one_line_says_so(script: Path, tmp_path: Path) -> None:
    script.write_text(
        "import tinygrad_edu as tg\n"
        "cube = tg.elementwise('cube', lambda x: x**3, lambda y, x: 3 * x * x)\n"
        "w = tg.Tensor(2.0, requires_grad=True)\nL = cube(w)\n",
        encoding="utf-8",
    )
    result = run("lesson", "my_model.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"^no backward\.py: .*cube.*$", result.stdout, re.MULTILINE)) == 1
    assert not (tmp_path / "lesson" / "backward.py").exists()
    assert (tmp_path / "lesson" / "forward.dot").exists()


def test_names_that_would_be_code_stay_names_in_backward_py(script: Path, tmp_path: Path) -> None:
    evil = [
        '"""\nimport os; os.mkdir("owned")\n"""',
        "'); import os; os.mkdir('owned'); ('",
        "\nimport os\nos.mkdir('owned')\n#",
        "{x}",
    ]
    script.write_text(
        f"import tinygrad_edu as tg\nevil = {evil!r}\n"
        "ws = [tg.Tensor([1.0, 2.0], requires_grad=True, name=name, dims=(name,)) for name in evil]\n"
        "L = sum((w * w).named(w.name * 2) for w in ws).sum()\n",
        encoding="utf-8",
    )
    result = run("lesson", "my_model.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert max(run_alone(tmp_path / "lesson" / "backward.py", tmp_path).values()) == 0
    assert not list(tmp_path.rglob("owned"))
