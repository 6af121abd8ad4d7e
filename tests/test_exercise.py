"""Exercise sheets: they run as they are, mark what is filled in, and their solutions are right."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.sweep import topological_order


def run(path: Path) -> str:
    """What a sheet prints, as a script of its own, started in another folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, encoding="utf-8", cwd=path.parent.parent, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def executed(path: Path) -> tuple[dict[str, Any], str]:
    """The variables that a sheet leaves, and what it prints; a notebook cell by cell."""
    space: dict[str, Any] = {"__name__": "sheet"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(path.parent):
        if path.suffix == ".ipynb":
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                if cell["cell_type"] == "code":
                    exec("".join(cell["source"]), space)
        else:
            space["__file__"] = str(path)
            exec(path.read_text(encoding="utf-8"), space)
    return space, out.getvalue()


def last(text: str) -> str:
    return text.rstrip().split("\n")[-1]


def test_the_notes_sheet_and_its_solution(tmp_path: Path) -> None:
    L = note.network()["L"]
    sheet, solution = tg.exercise(L, tmp_path / "sheet.py")
    assert (sheet.name, solution.name) == ("sheet.py", "sheet_solution.py")
    assert last(run(sheet)) == "0 of 12 right, 12 not answered"
    assert last(run(solution)) == "12 of 12 right"
    text = sheet.read_text(encoding="utf-8")
    assert re.search(r"    u2 = h1 @ W2 \+ b2 +# \(N, d2\)\n", text)
    assert "    h2 = tg.sigmoid(u2)" in text
    assert "# ∂𝓛/∂W⁽²⁾, shape (d₁, d₂) = (3, 3); W⁽²⁾ is used in u⁽²⁾\ndW2 = ...\n" in text
    answers = [line.split(" = ")[0] for line in text.split("\n") if line.endswith(" = ...")]
    assert " ".join(answers) == "dyhat du3 dc dU dh2 du2 db2 dW2 dh1 du1 db1 dW1"
    assert "dW2 = h1.T @ du2" in solution.read_text(encoding="utf-8")
    assert "assert" not in text
    assert "@ du2" not in text.replace("h.T @ du", "")


def test_a_sheet_that_is_filled_in_is_marked(tmp_path: Path) -> None:
    sheet, _ = tg.exercise(note.network(n=5)["L"], tmp_path / "sheet.py")
    text = sheet.read_text(encoding="utf-8")
    for name, formula in {
        "du3": "(yhat - y) / N",
        "dU": "h2.T @ du3",
        "dc": "du3.mean()",
        "dh2": "np.outer(du3, U)",
        "du2": "lambda dh2, h2: dh2 * h2 * (1 - h2)",
        "db2": "lambda du2: -du2.sum(axis=0)",
    }.items():
        text = text.replace(f"\n{name} = ...", f"\n{name} = {formula}")
    sheet.write_text(text, encoding="utf-8")
    out = executed(sheet)[1]
    assert last(out) == "4 of 12 right, 6 not answered"
    assert "wrong: it is the mean, where the sum belongs" in out
    assert "wrong: the sign is wrong" in out


@pytest.mark.parametrize("lang", ["en", "es"])
def test_a_notebook(tmp_path: Path, lang: str) -> None:
    L = note.network()["L"]
    sheet, solution = tg.exercise(L, tmp_path / "sheet.ipynb", lang=lang)
    words = {
        "en": ("0 of 12 right, 12 not answered", "12 of 12 right"),
        "es": ("0 de 12 bien, 12 sin responder", "12 de 12 bien"),
    }
    assert last(executed(sheet)[1]) == words[lang][0]
    assert last(executed(solution)[1]) == words[lang][1]
    cells = json.loads(sheet.read_text(encoding="utf-8"))["cells"]
    assert sum(cell["source"] == ["dW2 = ..."] for cell in cells) == 1
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("lang", ["en", "es"])
def test_what_a_sheet_says_of_functions_works(tmp_path: Path, lang: str) -> None:
    h = tg.Tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=True, name="h")
    W, b = (tg.Tensor(np.ones(shape), requires_grad=True, name=name) for name, shape in (("W", (2, 3)), ("b", 3)))
    L = (tg.tanh((h @ W + b).named("u")) ** 2).sum().named("L")
    sheet, solution = tg.exercise(L, tmp_path / "hoja.py", wrt=["W", "b", "u"], lang=lang)
    assert solution.name == {"en": "hoja_solution.py", "es": "hoja_solucion.py"}[lang]
    text = sheet.read_text(encoding="utf-8")
    said = re.findall(r"`(d\w+) = (lambda .*?)`", text)
    assert [name for name, _ in said] == ["dW", "db"]
    for name, formula in said:
        text = text.replace(f"\n{name} = ...", f"\n{name} = {formula}")
    sheet.write_text(text, encoding="utf-8")
    assert last(executed(sheet)[1]) == {"en": "2 of 3 right, 1 not answered", "es": "2 de 3 bien, 1 sin responder"}[lang]


def test_a_sheet_in_spanish_speaks_of_dimensiones(tmp_path: Path) -> None:
    sheet, _ = tg.exercise(note.network()["L"], tmp_path / "hoja.py", lang="es")
    text = sheet.read_text(encoding="utf-8")
    assert "# ∂𝓛/∂W⁽²⁾, dimensiones (d₁, d₂) = (3, 3); W⁽²⁾ se usa en u⁽²⁾" in text
    assert not re.search(r"\bforma\b", text + executed(sheet)[1])


X = np.array([[0.3, -0.7, 1.9], [2.1, 0.4, -1.2]])
CALLS: dict[str, Any] = {
    "sigmoid": tg.sigmoid,
    "log_sigmoid": tg.log_sigmoid,
    "softplus": tg.softplus,
    "relu": tg.relu,
    "silu": tg.silu,
    "gelu": tg.gelu,
    "leaky_relu": lambda u: tg.leaky_relu(u, 0.2),
    "elu": tg.elu,
    "celu": lambda u: tg.celu(u, 0.7),
    "selu": tg.selu,
    "clip": lambda u: tg.clip(u, -1.0, 1.0),
    "softmax": lambda u: tg.softmax(u, axis=0),
    "log_softmax": tg.log_softmax,
    "logsumexp": lambda u: tg.logsumexp(u, axis=1, keepdims=True),
    "norm": lambda u: tg.norm(u, axis=0),
    "cross_entropy": lambda u: tg.cross_entropy(u, [2, 0]),
    "binary_cross_entropy": lambda u: tg.binary_cross_entropy(u * u / 20, (X > 0).astype(u.dtype)),
    "binary_cross_entropy_with_logits": lambda u: tg.binary_cross_entropy_with_logits(u, (X > 0).astype(u.dtype)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CALLS)
def test_a_sheet_calls_public_functions_and_records_the_same(tmp_path: Path, name: str, dtype: Any) -> None:
    w = tg.Tensor(X[0], requires_grad=True, name="w", dtype=dtype)
    u = (w * tg.Tensor(X, name="x", dtype=dtype)).named("u")
    L = (CALLS[name](u).named("h") ** 2).sum().named("L")
    sheet, solution = tg.exercise(L, tmp_path / "sheet.py")
    assert f"tg.{name}(" in sheet.read_text(encoding="utf-8")
    for file in (sheet, solution):
        assert "OPS" not in file.read_text(encoding="utf-8")
        space, out = executed(file)
        assert last(out).startswith("3 of 3 right" if file is solution else "0 of 3 right")
    assert isinstance(space["dw"], np.ndarray)

    def operations(root: tg.Tensor) -> list[str]:
        return [t.op.name if t.inputs else "" for t in topological_order([root])]

    assert operations(space["values"]["L"]) == operations(L)
    assert space["values"]["L"].dtype == L.dtype


def test_classes_are_chosen_from_the_rows_of_an_identity_matrix(tmp_path: Path) -> None:
    for dtype in (np.float64, np.float32):
        z = tg.Tensor(X, requires_grad=True, name="z", dtype=dtype)
        _, solution = tg.exercise(tg.cross_entropy(z, [2, 0]).named("L"), tmp_path / f"{np.dtype(dtype)}.py")
        kind = "" if dtype is np.float64 else ", dtype=L.dtype"
        line = f"dz = (tg.softmax(z, axis=-1).numpy() - np.eye(3{kind})[y]) / 2"
        assert line in solution.read_text(encoding="utf-8")
        space, out = executed(solution)
        assert last(out) == "1 of 1 right"
        assert space["dz"].dtype == dtype
    logits = tg.Tensor(X, requires_grad=True, name="z")
    L = -tg.log_softmax(logits)[[0, 1], np.array([-1, 0])].mean()  # a class may be counted from the end
    _, solution = tg.exercise(L, tmp_path / "last.py")
    assert "np.eye(3)[c2]" in solution.read_text(encoding="utf-8")
    assert last(executed(solution)[1]) == "1 of 1 right"


def test_a_notebook_is_valid(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    for file in tg.exercise(note.network()["L"], tmp_path / "sheet.ipynb"):
        nbformat.validate(nbformat.read(file, as_version=4))


def test_many_numbers_go_into_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    L = note.network(n=100)["L"]
    sheet, solution, numbers = tg.exercise(L, tmp_path / "a" / "sheet.py")
    assert numbers.name == "sheet.npz"
    assert last(run(sheet)) == "0 of 12 right, 12 not answered"
    assert last(run(solution)) == "12 of 12 right"
    files = tg.exercise(L, tmp_path / "a" / "other.ipynb", solution=tmp_path / "b" / "answers.ipynb")
    assert [f.name for f in files] == ["other.ipynb", "answers.ipynb", "other.npz", "answers.npz"]
    assert [f.parent.name for f in files] == ["a", "b", "a", "b"]
    assert last(executed(files[1])[1]) == "12 of 12 right"


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        texts.append([f.read_bytes() for f in tg.exercise(note.network()["L"], tmp_path / name / "sheet.ipynb")])
    assert texts[0] == texts[1]


def test_only_what_is_asked_for_and_no_hints_and_no_solution(tmp_path: Path) -> None:
    v = note.network()
    (sheet,) = tg.exercise(v["L"], tmp_path / "sheet.py", wrt=[v["W2"], "u2", v["x"]], hints=False, solution=False)
    text = sheet.read_text(encoding="utf-8")
    assert [line for line in text.split("\n") if line.endswith(" = ...")] == ["du2 = ...", "dW2 = ...", "dx = ..."]
    assert "# ∂𝓛/∂W⁽²⁾\ndW2 = ..." in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sheet.py"]
    assert last(executed(sheet)[1]) == "0 of 3 right, 3 not answered"


OWN = ["tg", "np", "report", "forward", "values", "answers", "tensors", "Path", "file", "lambda", "dL_dw", "dtg"]
HOSTILE = [*OWN, 'a"b', "x\n\nimport os", "</script>", "'''", "\\N", "# a"]


def test_hostile_names_are_inert(tmp_path: Path) -> None:
    total = tg.Tensor(0.0)
    for i, name in enumerate(HOSTILE):
        w = tg.Tensor(np.full(15, 0.1 * i), requires_grad=True, name=name)
        total = total + tg.tanh(w * w).named(f"{name} squared").sum()
    for suffix in (".py", ".ipynb"):
        sheet, solution, _ = tg.exercise(total, tmp_path / f"sheet{suffix}")
        n = 2 * len(HOSTILE)
        assert last(executed(sheet)[1]) == f"0 of {n} right, {n} not answered"
        assert last(executed(solution)[1]) == f"{n} of {n} right"
        text = sheet.read_text(encoding="utf-8")
        assert "</script>" not in text
        assert "import os" not in text


def test_hostile_letters_are_inert(tmp_path: Path) -> None:
    w = tg.Tensor([[1.0, 2.0]], requires_grad=True, name="w", dims=("a'\"\n", "<img>"))
    for suffix in (".py", ".ipynb"):
        sheet, solution = tg.exercise((w * w).sum(), tmp_path / f"sheet{suffix}")
        assert last(executed(solution)[1]) == "1 of 1 right"
        words = [line for line in sheet.read_text(encoding="utf-8").split("\n") if "∂" in line]
        assert not any("<img>" in line for line in words)


def attention() -> tg.Tensor:
    rng = np.random.default_rng(0)
    Q, K, V = (tg.Tensor(rng.normal(size=(4, 3)), requires_grad=True, name=name) for name in "QKV")
    P = tg.softmax(Q @ K.T / np.sqrt(3), axis=-1).named("P")
    return tg.cross_entropy((P @ V).named("O"), tg.Tensor([0, 2, 1, 1], name="y")).named("L")


def shared() -> tg.Tensor:
    rng = np.random.default_rng(1)
    W = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W")
    h = tg.Tensor(rng.normal(size=(2, 3)), name="x")
    for _ in range(3):
        h = (h + tg.gelu(h @ W)).named("h")
    return tg.mse(h, np.zeros((2, 3)))


def unnamed() -> tg.Tensor:
    w, b = tg.Tensor([1.0, -2.0], requires_grad=True), tg.Tensor(0.5, requires_grad=True)
    y = tg.leaky_relu(w * 3.0 + b)
    return (y * y).mean()


def scalar() -> tg.Tensor:
    a, b = tg.Tensor(2.0, requires_grad=True, name="a"), tg.Tensor(-3.0, requires_grad=True, name="b")
    return tg.sigmoid((a * b + a).named("e")).named("f")


def windows() -> tg.Tensor:
    rng = np.random.default_rng(2)
    x = tg.Tensor(rng.normal(size=(2, 6)), requires_grad=True, name="x", dtype=np.float32)
    k = tg.Tensor(rng.normal(size=3), requires_grad=True, name="k", dtype=np.float32)
    parts = tg.stack([x[:, i : i + 4] for i in range(3)], axis=-1)
    return tg.logsumexp((parts @ k).named("y"), axis=-1).mean()


def logits() -> tg.Tensor:
    rng = np.random.default_rng(3)
    u = (tg.Tensor(rng.normal(size=(4, 2)), name="X") @ tg.Tensor([1.0, 2.0], requires_grad=True, name="w")).named("u")
    return tg.binary_cross_entropy_with_logits(u, [0.0, 1.0, 1.0, 0.0])


def convolution() -> tg.Tensor:
    rng = np.random.default_rng(4)
    image = tg.Tensor(rng.normal(size=(2, 1, 5, 5)), requires_grad=True, name="image")
    k = tg.Tensor(rng.normal(size=(2, 3, 3)), requires_grad=True, name="k")
    patches = tg.sliding_window_view(tg.pad(image[:, 0], ((0, 0), (1, 1), (1, 1))), (3, 3), axis=(1, 2))
    return tg.relu(tg.einsum("nijab,cab->ncij", patches, k).named("u")).mean()


def repeated() -> tg.Tensor:
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w")
    return (tg.sin(w)[[0, 0, 2]].named("h") ** 3).sum()


def infinite() -> tg.Tensor:
    w = tg.Tensor([1.0, -np.inf, 2.0], requires_grad=True, name="w")
    return (tg.where(w > 0, w, 0.0) ** 2).sum()


@pytest.mark.parametrize("make", [attention, shared, unnamed, scalar, windows, logits, convolution, repeated, infinite])
def test_solutions_of_other_records_are_right(tmp_path: Path, make: Any) -> None:
    for suffix in (".py", ".ipynb"):
        sheet, solution, *_ = tg.exercise(make(), tmp_path / f"sheet{suffix}")
        right = last(executed(solution)[1]).split()
        assert right[0] == right[2]
        n = right[2]
        assert last(executed(sheet)[1]) == f"0 of {n} right, {n} not answered"


def test_errors(tmp_path: Path) -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    L = (w * w).sum().named("L")
    with pytest.raises(tg.GradientError, match=r"exercise: .*shape"):
        tg.exercise(w * w, tmp_path / "sheet.py")
    with pytest.raises(TypeError, match="exercise: the root is float"):
        tg.exercise(1.0, tmp_path / "sheet.py")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match=r"Try: sheet.py or sheet.ipynb"):
        tg.exercise(L, tmp_path / "sheet.txt")
    with pytest.raises(ValueError, match=r"must end in \.py"):
        tg.exercise(L, tmp_path / "sheet.py", solution=tmp_path / "solution.ipynb")
    with pytest.raises(ValueError, match="must be another file"):
        tg.exercise(L, tmp_path / "sheet.py", solution=tmp_path / "sheet.py")
    with pytest.raises(ValueError, match="language"):
        tg.exercise(L, tmp_path / "sheet.py", lang="fr")
    with pytest.raises(ValueError, match="is no value"):
        tg.exercise(L, tmp_path / "sheet.py", wrt=["v"])
    with pytest.raises(ValueError, match="nothing to find"):
        tg.exercise(L, tmp_path / "sheet.py", wrt=[])
    with pytest.raises(TypeError, match="not by a Tensor"):
        tg.exercise(L, tmp_path / "sheet.py", wrt=[1.0])  # type: ignore[list-item]  # on purpose
    with pytest.raises(tg.GradientError, match="no gradient by"):
        tg.exercise(L, tmp_path / "sheet.py", wrt=[L])
    with pytest.raises(tg.GradientError, match="nothing that requires a gradient"):
        tg.exercise(tg.Tensor(2.0) * 3.0, tmp_path / "sheet.py")
    with pytest.raises(OSError, match="there is no folder"):
        tg.exercise(L, tmp_path / "nowhere" / "sheet.py")
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_that_was_filled_in_is_not_overwritten(tmp_path: Path) -> None:
    L = note.network()["L"]
    files = tg.exercise(L, tmp_path / "sheet.py")
    assert tg.exercise(L, tmp_path / "sheet.py") == files  # the same bytes: nothing is lost
    answers = files[0].read_text(encoding="utf-8").replace("dc = ...", "dc = du3.sum()")
    files[0].write_text(answers, encoding="utf-8")
    files[1].unlink()
    with pytest.raises(FileExistsError, match=r"'sheet\.py' exists.*\n  Try: another name, or overwrite=True"):
        tg.exercise(L, tmp_path / "sheet.py")
    assert files[0].read_text(encoding="utf-8") == answers
    assert not files[1].exists()  # none is written
    assert tg.exercise(L, tmp_path / "sheet.py", overwrite=True) == files
    assert "dc = ...\n" in files[0].read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"'sheet_solution\.py' exists"):
        tg.exercise(L, tmp_path / "other.py", solution=files[1], lang="es")
    with pytest.raises(FileNotFoundError):
        tg.exercise(L, tmp_path / "new.py", solution=tmp_path / "nowhere" / "new_solution.py")
    assert not (tmp_path / "new.py").exists()
    many = note.network(n=100)["L"]
    (tmp_path / "many.npz").write_bytes(b"somebody's data")
    with pytest.raises(FileExistsError, match=r"'many\.npz' exists"):
        tg.exercise(many, tmp_path / "many.py")
    assert tg.exercise(many, tmp_path / "many.py", overwrite=True) == tg.exercise(many, tmp_path / "many.py")


def test_values_called_like_what_a_sheet_calls(tmp_path: Path) -> None:
    value = tg.Tensor([1.0, 2.0], name="forward")
    for name in ("print", "zip", "dict", "np", "tg", "report", "answers", "values", "tensors", "lambda", "dprint"):
        value = (value * tg.Tensor([0.5, -0.3], requires_grad=True, name=name)).named(f"after {name}")
    sheet, solution = tg.exercise(value.sum().named("L"), tmp_path / "sheet.py")
    assert last(run(sheet)) == "0 of 22 right, 22 not answered"
    assert last(run(solution)) == "22 of 22 right"
