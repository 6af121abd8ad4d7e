"""``source``: the text of forward and backward, and that it computes what the engine computes."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import leaf
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.codegen import NoCodeError
from tinygrad_edu.derivation.writer import Deriver

NOTE = """\
import numpy as np


def sig(u):
    return 1 / (1 + np.exp(-u))


def bce(p, y):
    return -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))


def forward_backward(x, y, W1, b1, W2, b2, U, c):
    N = x.shape[0]
    u1 = x @ W1 + b1                 # (N, d1)
    h1 = np.tanh(u1)                 # (N, d1)
    u2 = h1 @ W2 + b2                # (N, d2)
    h2 = sig(u2)                     # (N, d2)
    u3 = h2 @ U + c                  # (N,)
    yhat = sig(u3)                   # (N,)
    L = bce(yhat, y)                 # ()

    dL_du3 = (yhat - y) / N          # (N,)
    dL_dc = np.sum(dL_du3)           # ()
    dL_dU = h2.T @ dL_du3            # (d2,)
    dL_dh2 = np.outer(dL_du3, U)     # (N, d2)
    dL_du2 = dL_dh2 * h2 * (1 - h2)  # (N, d2)
    dL_db2 = np.sum(dL_du2, axis=0)  # (d2,)
    dL_dW2 = h1.T @ dL_du2           # (d1, d2)
    dL_dh1 = dL_du2 @ W2.T           # (N, d1)
    dL_du1 = dL_dh1 * (1 - h1 * h1)  # (N, d1)
    dL_db1 = np.sum(dL_du1, axis=0)  # (d1,)
    dL_dW1 = x.T @ dL_du1            # (F, d1)
    return L, dL_dW1, dL_db1, dL_dW2, dL_db2, dL_dU, dL_dc
"""


def function(text: str, name: str = "forward_backward") -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(compile(text, "<source>", "exec"), space)
    found: Callable[..., Any] = space[name]
    return found


def arguments(f: Callable[..., Any], root: tg.Tensor, level: str) -> list[Any]:
    """The recorded numbers for the parameters of the function, which are called as the nodes are."""
    nodes = Deriver(root, None, every_operation=level == "op").reading.graph
    return [np.array(nodes[name].value) for name in inspect.signature(f).parameters if name != "xp"]


def same(found: Any, expected: Any, **tolerance: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        array = np.asarray(a)
        assert array.shape == b.shape
        np.testing.assert_allclose(array, b, **{"rtol": 1e-9, "atol": 1e-12, **tolerance})


def engine(root: tg.Tensor) -> list[Any]:
    order = tg.graph(root).nodes
    assert order
    leaves = [t for t in Deriver(root, None).order if not t.inputs and t.requires_grad]
    return [root.numpy(), *(tg.gradients(root, t).numpy() for t in leaves)]


def test_the_note_reads_like_its_summary() -> None:
    assert tg.source(note.network()["L"]) == NOTE


def test_it_runs_on_other_numbers_and_another_number_of_examples() -> None:
    f = function(tg.source(note.network(4, 2, 3, 5)["L"]))
    other = note.network(7, 2, 3, 5, seed=3)
    given = {name: other[name].numpy() for name in ("x", "y", "W1", "b1", "W2", "b2", "U", "c")}
    found = f(**given)
    hand = note.by_hand(given)
    same(found, [hand["L"], *(hand[name] for name in ("W1", "b1", "W2", "b2", "U", "c"))])


def tensor(rng: np.random.Generator, name: str, dims: str, *shape: int, grad: bool = True) -> tg.Tensor:
    return tg.Tensor(rng.normal(size=shape), requires_grad=grad, name=name, dims=dims)


def layer_norm(n: int, rng: np.random.Generator) -> tg.Tensor:
    h, g = tensor(rng, "h", "N D", n, n + 1), tensor(rng, "g", "D", n + 1)
    m = h.mean(axis=1, keepdims=True)
    return ((g * (h - m) / tg.sqrt(((h - m) ** 2).mean(axis=1, keepdims=True) + 0.1)) ** 3).mean()


def classes(n: int, rng: np.random.Generator) -> tg.Tensor:
    t = tg.Tensor(rng.integers(0, n, size=n), name="t", dims="N")
    return tg.cross_entropy(tensor(rng, "x", "N F", n, 3, grad=False) @ tensor(rng, "W", "F C", 3, n), t)


MODELS: dict[str, Callable[[int, np.random.Generator], tg.Tensor]] = {
    "mse": lambda n, rng: tg.mse(tensor(rng, "x", "N F", n, n + 2) @ tensor(rng, "w", "F", n + 2), tensor(rng, "y", "N", n)),
    "layer norm": layer_norm,
    "classes": classes,
    "attention": lambda n, rng: (
        (tg.softmax(tensor(rng, "q", "T d", n, 3) @ tensor(rng, "k", "S d", n + 1, 3).T) @ tensor(rng, "v", "S e", n + 1, 2)) ** 2
    ).mean(),
    "a sum times a bias": lambda n, rng: (tensor(rng, "x", "N D", n, 3) + tensor(rng, "b", "D", 3)).sum() * 2.5,
    "minus a mean": lambda n, rng: -(tensor(rng, "x", "N", n) + tensor(rng, "b", "")).mean(),
    "a variance": lambda n, rng: (tensor(rng, "x", "N D", n, n + 1).var(axis=1) ** 2).mean(),
    "no letters": lambda n, rng: tg.tanh(tg.Tensor(rng.normal(size=(n, 2)), name="x", requires_grad=True)).mean(),
    "half a sum": lambda n, rng: (tensor(rng, "x", "N", n) ** 2).sum() / 4,
    "an embedding": lambda n, rng: (
        tensor(rng, "E", "V d", n + 2, 2)[tg.Tensor(rng.integers(0, n, size=n), name="t")] ** 2
    ).sum(),
}
ONLY_AS_RECORDED = {"a variance", "no letters", "half a sum", "an embedding"}


@pytest.mark.parametrize("level", ["named", "op"])
@pytest.mark.parametrize("model", MODELS)
def test_on_other_sizes_it_is_right_or_says_that_it_is_not_for_them(model: str, level: str) -> None:
    rng = np.random.default_rng(0)
    text = tg.source(MODELS[model](4, rng).named("L"), level=level)
    f = function(text)
    other = MODELS[model](6, rng).named("L")
    given = arguments(f, other, level)
    if "assert " in text:
        assert model in ONLY_AS_RECORDED or level == "op"
        with pytest.raises(AssertionError):
            f(*given)
    else:
        same(f(*given), engine(other))


@pytest.mark.parametrize("level", ["named", "op"])
@pytest.mark.parametrize("seed", range(25))
def test_random_programs(seed: int, level: str) -> None:
    root, _ = program(seed)
    f = function(tg.source(root, level=level))
    same(f(*arguments(f, root, level)), engine(root))


@pytest.mark.parametrize("level", ["named", "op"])
def test_the_array_api_standard(level: str) -> None:
    strict = pytest.importorskip("array_api_strict")
    done = 0
    for seed in range(60):
        root, _ = program(seed)
        try:
            text = tg.source(root, level=level, xp=True)
        except NoCodeError:
            continue  # adding at places and padding are not in the standard
        assert "np." not in text
        f = function(text)
        same(f(strict, *map(strict.asarray, arguments(f, root, level))), engine(root))
        done += 1
    assert done > 8


@pytest.mark.interop
@pytest.mark.parametrize("library", ["torch", "jax.numpy", "dask.array"])
def test_the_same_text_on_other_libraries(library: str) -> None:
    xp = pytest.importorskip(library)
    root = note.network()["L"]
    f = function(tg.source(root, xp=True))
    make = getattr(xp, "asarray", None) or xp.from_array
    same(f(xp, *map(make, arguments(f, root, "named"))), engine(root), rtol=1e-4, atol=1e-6)


def test_every_line_is_needed_and_every_name_is_defined_before_it_is_used() -> None:
    for seed in range(20):
        text = tg.source(program(seed)[0])
        body = next(
            node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "forward_backward"
        )
        defined = {argument.arg for argument in body.args.args}
        arguments_of = set(defined)
        used: set[str] = set()
        for statement in body.body:
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
            helpers = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
            assert names - helpers - {"np", "slice", "True", "False"} <= defined
            used |= names
            defined |= {target.id for target in getattr(statement, "targets", []) if isinstance(target, ast.Name)}
        assert defined - used == set(), "a dead line"
        assert arguments_of <= used


def test_only_what_is_asked_for_is_computed() -> None:
    values = note.network()
    text = tg.source(values["L"], values["b2"], comments=False)
    assert "dL_du1" not in text
    assert "dL_dU" not in text
    assert text.endswith("return L, dL_db2\n")
    assert "#" not in text


def test_a_gradient_of_a_value_in_between() -> None:
    values = note.network()
    f = function(tg.source(values["L"], [values["h1"]], function="step"), "step")
    given = {name: values[name].numpy() for name in inspect.signature(f).parameters}
    same(f(**given), [values["L"].numpy(), tg.gradients(values["L"], values["h1"]).numpy()])


@pytest.mark.parametrize(
    "make",
    [
        lambda w: tg.softmax(w.reshape(2, 3), axis=0).max(axis=1).sum(),
        lambda w: (w[[0, 0, 5]] * w[1:4]).sum(),
        lambda w: tg.concatenate([w[:2], tg.exp(w)[::-1]]).sum() + tg.norm(w),
        lambda w: (tg.sliding_window_view(w, 3) @ w[:3]).sum(),
        lambda w: tg.einsum("ij,kj->ik", w.reshape(2, 3), w.reshape(2, 3)).sum(),
        lambda w: tg.cross_entropy(w.reshape(2, 3), tg.Tensor(np.eye(3)[[0, 2]], name="t")),
        lambda w: tg.where(w > 0, w, 0.1 * w).sum() + tg.relu(w).mean() + tg.maximum(w, 0.2).sum(),
        lambda w: tg.pad(w, 2).sum() + tg.outer(w, w).mean() + (w**3).sum() + tg.logsumexp(w),
        lambda w: (w.reshape(2, 3) @ tg.Tensor(np.ones((4, 3, 2)), name="B")).sum(),
        lambda w: tg.tanh(tg.tanh(w).reshape(3, 2).T).var() / w.std(),
    ],
)
def test_ops_of_every_kind(make: Callable[[tg.Tensor], tg.Tensor]) -> None:
    root = make(leaf([0.3, -1.2, 0.7, 2.0, -0.4, 1.1], "w")).named("L")
    for level in ("named", "op"):
        f = function(tg.source(root, level=level))
        same(f(*arguments(f, root, level)), engine(root))


@pytest.mark.parametrize(
    "name", ["class", "import os", "np", "e", "3x", "a-b", '"; import os #', "a\nb", "λ", "", "L", "dL_dw", "x" * 300]
)
def test_any_name_becomes_a_name_of_python(name: str) -> None:
    w = leaf(2.0, name)
    text = tg.source((w * w * w).named("L"))
    assert "import os" not in text
    tree = ast.parse(text)
    assert [type(node).__name__ for node in tree.body] == ["Import", "FunctionDef"]
    same(function(text)(2.0), [np.array(8.0), np.array(12.0)])


def test_a_gradient_of_what_has_no_name_or_requires_none() -> None:
    x, w = tg.Tensor([1.0, 2.0], name="x", dims="N"), leaf([3.0, 4.0], "w")
    u = x * w
    L = (tg.tanh(u) ** 2).sum().named("L")
    found = function(tg.source(L, [u, x]))(x=x.numpy(), w=w.numpy())
    same(found, [L.numpy(), tg.gradients(L, u).numpy(), tg.gradients(L, x).numpy()])


@pytest.mark.parametrize("name", ["1 a", "class", "np", "sig"])
def test_a_name_that_is_no_function_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a function"):
        tg.source(note.network()["L"], function=name)


def test_names_that_come_again_stay_apart() -> None:
    a, b = leaf(2.0, "w"), leaf(3.0, "w")
    same(function(tg.source((a * a * b).named("w")))(2.0, 3.0), [np.array(12.0), np.array(12.0), np.array(4.0)])


def test_float32_stays_float32() -> None:
    w = tg.Tensor(np.ones((2, 3), np.float32), requires_grad=True, name="w")
    for out in function(tg.source(tg.tanh(w * 0.5).mean().named("L")))(w.numpy()):
        assert np.asarray(out).dtype == np.float32


def test_the_same_text_in_another_process() -> None:
    code = "import tinygrad_edu as tg; from tinygrad_edu import note; print(tg.source(note.network()['L']), end='')"
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout == NOTE


def test_mistaken_calls() -> None:
    L = note.network()["L"]
    with pytest.raises(TypeError, match="not a Tensor"):
        tg.source(3.0)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(tg.GradientError, match=r"shape \(2,\)"):
        tg.source(leaf([1.0, 2.0], "w") * 2)
    with pytest.raises(ValueError, match=r"no level 'layer'.*\n.*named"):
        tg.source(L, level="layer")
    with pytest.raises(tg.GradientError, match="does not depend on Tensor z"):
        tg.source(L, leaf(1.0, "z"))
    with pytest.raises(NoCodeError, match="no NumPy code for cube"):
        tg.source(tg.elementwise("cube", lambda x: x**3, lambda y, x: 3 * x * x)(leaf(2.0, "w")).named("L"))
