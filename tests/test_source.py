"""``source``: the text of forward and backward, and that it computes what the engine computes."""

from __future__ import annotations

import ast
import inspect
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from op_samples import SAMPLES, SMALL, filled, keys
from oracles import leaf
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.codegen import NoCodeError
from tinygrad_edu.codegen.expression import ATOM, Code
from tinygrad_edu.codegen.places import flat_places
from tinygrad_edu.derivation.writer import Deriver
from tinygrad_edu.ops import OPS, Index
from tinygrad_edu.record import record
from tinygrad_edu.sweep import topological_order

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


@st.composite
def one_op(draw: st.DrawFn, name: str) -> tg.Tensor:
    """A weighted sum of what one op of the table gives, for arguments of any shapes that it takes."""
    sample, op = draw(SAMPLES[name]), OPS[name]
    floats = [op.differentiable and a.dtype.kind == "f" for a in sample.args]
    xs = [tg.Tensor(a, requires_grad=f, name=f"x{i}") for i, (a, f) in enumerate(zip(sample.args, floats, strict=True))]
    y = record(op, tuple(xs), sample.params)
    weights = np.random.default_rng(y.size).normal(size=y.shape)
    return (y * tg.Tensor(weights, requires_grad=True, name="w")).sum().named("L")


@pytest.mark.parametrize("name", list(OPS))
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_every_op_of_the_table(name: str, data: st.DataObject) -> None:
    root = data.draw(one_op(name))
    expected = engine(root)
    for level in ("named", "op"):
        given_arrays = arguments(function(tg.source(root, level=level)), root, level)
        same(function(tg.source(root, level=level))(*given_arrays), expected)
        text = tg.source(root, level=level, xp=True)
        assert not re.search(r"\bnp\.|einsum", text)
        for xp in (strict, np):
            same(function(text)(xp, *map(xp.asarray, given_arrays)), expected)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_the_places_of_a_selection_are_those_of_numpy(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([s for s in SMALL if s]))
    key, tables = data.draw(keys(shape))
    assume(tables)
    if data.draw(st.booleans()):  # integers beside tables decide where the axes of the tables stand
        key = (
            tuple(data.draw(st.integers(-n, n - 1)) if k == 0 else k for k, n in zip(key, shape, strict=False))
            + key[len(shape) :]
        )
    names = [Code(f"t{n}", ATOM, name=True) for n in range(len(tables))]
    code = flat_places(key, names, [shape, *(t.shape for t in tables)], [t.dtype.kind == "b" for t in tables])
    found = eval(code.text, {"xp": np, **{f"t{n}": t for n, t in enumerate(tables)}})
    expected = np.arange(math.prod(shape)).reshape(shape)[filled(key, tables)]
    np.testing.assert_array_equal(np.reshape(found, expected.shape), expected)


@pytest.mark.parametrize(
    "key",
    [
        (Index(0), slice(None), Index(1)),
        (Index(0), -1, slice(0, 2)),
        (slice(None), Index(0), Index(1)),
        (slice(None, None, -1), -2, Index(0)),
        (Index(0), None, Index(1)),
        (-1, Ellipsis, Index(0)),
        (slice(None), Index(0), None, Index(1)),
        (slice(0, 2), 1, None, None, Index(0)),
        (slice(1, None), Index(0)),
    ],
)
def test_the_places_where_tables_stand_apart_and_together(key: tuple[Any, ...]) -> None:
    shape, tables = (3, 4, 2), (np.array([[1], [-2]]), np.array([0, 1, -1]))
    names = [Code(f"t{n}", ATOM, name=True) for n in range(2)]
    code = flat_places(key, names, [shape, (2, 1), (3,)], [False, False])
    found = eval(code.text, {"xp": np, "t0": tables[0], "t1": tables[1]})
    expected = np.arange(24).reshape(shape)[filled(key, tables)]
    np.testing.assert_array_equal(np.reshape(found, expected.shape), expected)


@pytest.mark.parametrize("level", ["named", "op"])
@pytest.mark.parametrize("seed", range(20))
def test_random_programs_in_the_array_api_standard(seed: int, level: str) -> None:
    root, _ = program(seed)
    text = tg.source(root, level=level, xp=True)
    assert "np." not in text
    f = function(text)
    found = f(strict, *map(strict.asarray, arguments(f, root, level)))
    assert type(found) is tuple
    same(found, engine(root))


@pytest.mark.parametrize("model", MODELS)
def test_models_in_the_array_api_standard(model: str) -> None:
    root = MODELS[model](4, np.random.default_rng(0)).named("L")
    f = function(tg.source(root, xp=True))
    same(f(strict, *map(strict.asarray, arguments(f, root, "named"))), engine(root))


def test_an_outer_product_in_the_array_api_standard() -> None:
    text = tg.source(note.network()["L"], xp=True)
    assert "dL_dh2 = dL_du3[:, None] * U[None, :]" in text
    assert "import" not in text
    assert text.startswith("def forward_backward(xp, x, y, W1, b1, W2, b2, U, c):")


PLAIN = ["the note", "mse", "layer norm", "a sum times a bias", "half a sum"]  # PyTorch and Dask lack parts of the standard


@pytest.mark.interop
@pytest.mark.parametrize(
    ("library", "model"),
    [
        *((library, model) for library in ("torch", "dask.array") for model in PLAIN),
        *((library, model) for library in ("jax.numpy", "array_api_compat.torch") for model in ["the note", *MODELS]),
    ],
)
def test_the_same_text_on_other_libraries(library: str, model: str) -> None:
    xp = pytest.importorskip(library)
    root = note.network()["L"] if model == "the note" else MODELS[model](4, np.random.default_rng(0)).named("L")
    f = function(tg.source(root, xp=True))
    make = getattr(xp, "asarray", None) or xp.from_array
    same(f(xp, *map(make, arguments(f, root, "named"))), engine(root), rtol=1e-4, atol=1e-5)


MSE = """\
    N = x.shape[0]
    difference = x @ w - y                   # (N,)
    L = np.mean(np.square(difference))       # ()

    dL_dy = -2 * difference / N              # (N,)
    dL_dw = 2 * (x.T @ difference) / N       # (F,)
    dL_dx = 2 * np.outer(difference, w) / N  # (N, F)
    return L, dL_dx, dL_dw, dL_dy
"""


def test_what_forward_and_backward_share_is_computed_once() -> None:
    assert tg.source(MODELS["mse"](4, np.random.default_rng(0)).named("L")).endswith(MSE)
    text = tg.source(layer_norm(4, np.random.default_rng(0)).named("L"))
    assert text.count("h - t1") == 1
    assert "centred = h - t1   " in text
    assert "centred_squared = centred**2   " in text
    assert text.count("np.sqrt") == 2  # of the mean that keeps its axis, and of the sum over the axis


def test_a_value_that_the_user_named_is_not_computed_again_and_keeps_its_name() -> None:
    x, w = leaf([0.3, -1.2], "x"), leaf([2.0, 0.5], "w")
    first, second = (x * w).named("first"), (x * w).named("second")
    text = tg.source((tg.exp(x * w) + first + second).sum().named("L"))
    assert text.count("x * w") == 1
    assert "second = first" in text
    same(function(text)(x.numpy(), w.numpy()), engine((tg.exp(x * w) + first + second).sum()))


def test_the_forward_pass_needs_no_gradient_for_what_it_computes() -> None:
    x, w = leaf([0.3, -1.2], "x"), leaf([2.0, 0.5], "w")
    root = (w * (x * tg.exp(x))).sum().named("L")
    forward, backward = tg.source(root).split("\n\n    ")
    assert "dL_" not in forward.partition("def ")[2]
    assert "np.exp" not in backward.replace("exp_x", "")
    same(function(tg.source(root))(x=x.numpy(), w=w.numpy()), engine(root))


def work(node: ast.AST) -> int:
    """Calls and products of matrices count twice, other operators once; views of the same numbers do not count."""
    views = {"reshape", "broadcast_to", "permute_dims", "transpose", "sliding_window_view", "flip", "full"}
    found = 0
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else getattr(inner.func, "id", "")
            found += 0 if name in views else 2
        elif isinstance(inner, ast.BinOp):
            found += 2 if isinstance(inner.op, ast.MatMult) else 1
        elif isinstance(inner, (ast.UnaryOp, ast.Compare)):
            found += 1
    return found


def written_twice(text: str) -> list[str]:
    """The expressions that stand in a function several times though a line of their own would save work."""
    body = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "forward_backward")
    assigned = [statement.value for statement in body.body if isinstance(statement, ast.Assign)]
    kinds = (ast.BinOp, ast.Call, ast.Compare, ast.Subscript, ast.Attribute)
    seen = Counter(ast.unparse(node) for value in assigned for node in ast.walk(value) if isinstance(node, kinds))
    arrays = {argument.arg for argument in body.args.args} | {
        target.id
        for statement in body.body
        if isinstance(statement, ast.Assign) and "shape[" not in ast.unparse(statement.value)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return [
        expression
        for expression, n in seen.items()
        for tree in [ast.parse(expression, mode="eval").body]
        if (n - 1) * work(tree) >= 2
        if {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & arrays
    ]


def test_the_check_for_repeated_expressions_sees_them() -> None:
    twice = "def forward_backward(x, y):\n    a = np.exp(x + y) * x\n    b = np.exp(x + y)\n    return a, b\n"
    assert written_twice(twice) == ["np.exp(x + y)"]


def test_nothing_that_is_worth_a_line_is_written_twice() -> None:
    for seed in range(12):
        assert written_twice(tg.source(program(seed)[0], comments=False)) == [], seed
    for make in MODELS.values():
        assert written_twice(tg.source(make(4, np.random.default_rng(0)).named("L"), comments=False)) == []


# ---- number by number --------------------------------------------------------------------------------------------------

SCALARS = """\
import math


def forward_backward(x, w):
    x_0, x_1 = x
    w_0, w_1 = w
    s1 = x_0 * w_0               # 1
    s2 = x_1 * w_1               # -0.5
    u = s1 + s2                  # 0.5
    L = math.tanh(u)             # 0.4621172

    dL_dL = 1.0                  # 1
    dL_du = dL_dL * (1 - L * L)  # 0.7864477
    dL_ds2 = dL_du               # 0.7864477
    dL_ds1 = dL_du               # 0.7864477
    dL_dw_1 = dL_ds2 * x_1       # -0.7864477
    dL_dw_0 = dL_ds1 * x_0       # 1.572895
    dL_dw = [dL_dw_0, dL_dw_1]
    return L, dL_dw
"""


def scalars(root: tg.Tensor) -> list[Any]:
    """What the text on the scalar level returns for the recorded numbers, given as lists."""
    f = function(tg.source(root, level="scalar"))
    given_lists = {t.name: t.tolist() for t in topological_order([root]) if not t.inputs}
    return list(f(*(given_lists[name] for name in inspect.signature(f).parameters)))


def by_scalar_chain_rule(root: tg.Tensor) -> list[Any]:
    leaves = [t for t in topological_order([root]) if not t.inputs and t.requires_grad]
    return [root.numpy(), *tg.scalar_gradients(root, leaves)]


def test_number_by_number_it_reads_as_micrograd_computes() -> None:
    x = tg.Tensor([2.0, -1.0], name="x")
    L = tg.tanh((x @ leaf([0.5, 0.5], "w")).named("u")).named("L")
    assert tg.source(L, level="scalar") == SCALARS


def test_number_by_number_it_returns_floats_and_lists() -> None:
    values = note.network()
    names = ("x", "y", "W1", "b1", "W2", "b2", "U", "c")
    loss, *gradients = function(tg.source(values["L"], level="scalar"))(*(values[name].tolist() for name in names))
    assert type(loss) is float
    hand = note.by_hand({name: values[name].numpy() for name in names})
    for name, found in zip(names[2:], gradients, strict=True):
        assert type(found) is (list if values[name].ndim else float)
        np.testing.assert_allclose(found, hand[name], rtol=1e-12)


@pytest.mark.parametrize("seed", range(25))
def test_number_by_number_random_programs(seed: int) -> None:
    root, _ = program(seed)
    same(scalars(root.named("L")), by_scalar_chain_rule(root))


@pytest.mark.parametrize("name", list(OPS))
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_number_by_number_every_op_of_the_table(name: str, data: st.DataObject) -> None:
    root = data.draw(one_op(name))
    assume(all(t.size for t in topological_order([root])))  # lists do not say how long the others would be
    same(scalars(root), by_scalar_chain_rule(root))


@pytest.mark.parametrize("u", [-1000.0, -30.0, 0.0, 30.0, 1000.0])
def test_number_by_number_nothing_overflows(u: float) -> None:
    for activation in (tg.sigmoid, tg.softplus, tg.silu, tg.log_sigmoid):
        root = activation(leaf(u, "w")).named("L")
        same(scalars(root), by_scalar_chain_rule(root))


def test_number_by_number_ties_share_and_choices_are_as_recorded() -> None:
    w = leaf([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]], "w")
    same(scalars(w.max(axis=1).sum().named("L")), [np.array(5.0), np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])])
    text = tg.source(tg.where(w > 1.5, w * w, w).sum().named("L"), level="scalar")
    assert "if" not in text.replace("math.", "")


def test_number_by_number_too_many_numbers() -> None:
    W = leaf(np.ones((50, 50)), "W")
    with pytest.raises(NoCodeError, match=r"2501 numbers are too many.*\n.*fewer examples"):
        tg.source(W.sum().named("L"), level="scalar")
    V = leaf(np.ones((20, 20)), "V")
    with pytest.raises(NoCodeError, match="15999 numbers"):  # that many products and sums
        tg.source((V @ V).sum().named("L"), level="scalar")


def test_number_by_number_mistaken_calls() -> None:
    w = leaf([1.0, 2.0], "w")
    with pytest.raises(NoCodeError, match="no code for numbers for cube"):
        tg.source(tg.elementwise("cube", lambda x: x**3, lambda y, x: 3 * x * x)(leaf(2.0, "v")).named("L"), level="scalar")
    with pytest.raises(ValueError, match="xp goes with"):
        tg.source(w.sum(), level="scalar", xp=True)
    with pytest.raises(tg.GradientError, match="does not depend on Tensor z"):
        tg.source(w.sum(), leaf(1.0, "z"), level="scalar")
    with pytest.raises(NoCodeError, match="computed from no number"):
        tg.source(leaf(np.ones((0,)), "v").sum(), level="scalar")


@pytest.mark.parametrize("name", ["class", "import os", "math", "abs", "s1", "_", '"; import os #', "λ", "x" * 300])
def test_number_by_number_any_name_becomes_a_name_of_python(name: str) -> None:
    w = leaf([2.0, 3.0], name)
    text = tg.source((tg.exp(w) * w).sum().named("L"), level="scalar")
    tree = ast.parse(text)
    assert [type(node).__name__ for node in tree.body] == ["Import", "FunctionDef"]
    assert "import os" not in text
    same(function(text)([2.0, 3.0]), by_scalar_chain_rule((tg.exp(w) * w).sum()))


def test_every_line_is_needed_and_every_name_is_defined_before_it_is_used() -> None:
    for seed in range(12):
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


def test_letters_that_would_be_code_stay_beside_the_line() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x", dims=("N\nimport os",))
    text = tg.source((x * x).sum().named("L"))
    assert [type(node).__name__ for node in ast.parse(text).body] == ["Import", "FunctionDef"]
    assert "(N↵import os,)" in text


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
    for root in (
        tg.tanh(w * 0.5).mean(),
        w.sum() * 2.5,
        -w.mean(),
        (w[:, [0, 0]] ** 2).sum(),
        tg.relu(w).sum(),
        tg.einsum("ii->i", w[:, :2]).sum(),
    ):
        for level in ("named", "op"):
            f = function(tg.source(root.named("L"), level=level))
            for out in f(*arguments(f, root, level)):
                assert np.asarray(out).dtype == np.float32


@pytest.mark.parametrize(
    "make",
    [
        lambda x: -tg.relu(x).sum(),
        lambda x: tg.relu(x).sum() + tg.relu(x - 1).sum(),
        lambda x: (tg.relu(x) - tg.relu(x - 1)).sum(),
        lambda x: (tg.relu(x) @ tg.relu(x.T)).sum(),
        lambda x: (tg.relu(x) @ tg.Tensor(np.ones((3, 2)) > 0, name="mask")).sum(),
        lambda x: tg.where(x > 0, x, 0).sum() + tg.where(x > 1, x, 0).sum(),
        lambda x: tg.abs(x).sum() - tg.maximum(x, 0.5).sum(),
        lambda x: (3 * tg.relu(x)).sum() + 0 * x.mean(),
    ],
)
def test_truth_values_count_as_numbers(make: Callable[[tg.Tensor], tg.Tensor]) -> None:
    root = make(leaf([[0.3, -1.2, 2.0], [1.5, 3.0, -0.4]], "x")).named("L")
    for level in ("named", "op"):
        f = function(tg.source(root, level=level))
        found = f(*arguments(f, root, level))
        same(found, engine(root))
        assert all(np.asarray(x).dtype == float for x in found)


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


def test_a_parameter_that_is_only_compared_has_no_gradient() -> None:
    w, a = leaf([2.0, 3.0], "w"), leaf([1.0, 2.0], "a")
    L = (w * (a > 1.5)).sum().named("L")
    f = function(tg.source(L))
    loss, *gradients = f(w.numpy(), a.numpy())
    assert loss == 3.0
    assert [g.tolist() for g in gradients] == [[0.0, 1.0]]
