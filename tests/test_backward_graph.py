"""The graph of the gradients: what each use contributes, the rule that is written at it, and the number."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from oracles import leaf, slopes
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.graphs import Contribution, Graph, Node
from tinygrad_edu.graphs.backward import differentiate, differentiate_folded
from tinygrad_edu.graphs.expression import Expression
from tinygrad_edu.graphs.fold import fold_scopes
from tinygrad_edu.graphs.formula import named_text
from tinygrad_edu.sweep import topological_order

LEVELS = ["named", "op"]


def gradients_of(graph: Graph) -> list[Node]:
    return [node for node in graph if node.kind == "gradient"]


def contributions(graph: Graph) -> list[tuple[Node, Contribution]]:
    return [(node, c) for node in gradients_of(graph) for c in node.contributions]


# ---- the numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(12))
def test_contributions_add_up_to_the_gradient(seed: int, level: str) -> None:
    result, leaves = program(seed)
    graph = tg.backward_graph(result, level=level)
    for node in gradients_of(graph):
        if node.contributions:
            np.testing.assert_allclose(sum(c.value for c in node.contributions), node.value, rtol=1e-12, atol=1e-14)
    root = graph.nodes[graph.roots[0]].name
    used = [w for w in leaves if f"d{root}/d{w.name}" in graph]
    assert len(used) >= 3
    for w in used:
        np.testing.assert_allclose(graph[f"d{root}/d{w.name}"].value, tg.gradients(result, w).numpy(), rtol=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_each_contribution_is_what_that_use_alone_changes(seed: int) -> None:
    graph = tg.backward_graph(program(seed)[0], level="op")
    twins = {node.gradient_of: node for node in gradients_of(graph)}
    for node, c in contributions(graph):
        y = graph.nodes[c.use.target]
        args = [np.asarray(graph.nodes[i].value) for i in y.inputs]
        gradient = twins[y.id].value

        def weighted(*moved: Any, y: Node = y, gradient: Any = gradient) -> Any:
            return np.asarray(y.op.forward(*moved, **y.params)) * gradient

        numeric = slopes(weighted, args, c.use.position)
        np.testing.assert_allclose(c.value, numeric, rtol=1e-5, atol=1e-8, err_msg=f"{node.name} from {y.name}: {c.rule}")


def test_gradients_by_inputs_are_there_when_they_are_asked_for() -> None:
    values = note.network()
    graph = differentiate(values["L"], "named", by_all=True)
    np.testing.assert_allclose(graph["dL/dx"].value, tg.gradients(values["L"], values["x"]).numpy())
    assert "dL/dx" not in differentiate(values["L"], "named")


def test_the_scalar_level_has_the_engines_numbers() -> None:
    values = note.network(2, 2, 2, 1)
    graph = tg.backward_graph(values["L"], level="scalar")
    for name in ("W1", "b1", "W2", "U", "c"):
        whole = tg.gradients(values["L"], values[name]).numpy()
        for place in np.ndindex(*whole.shape):
            entry = f"{name}[{','.join(map(str, place))}]" if place else name
            np.testing.assert_allclose(graph[f"dL/d{entry}"].value, whole[place], rtol=1e-12)


# ---- the words: rules and formulas, read back and computed ------------------------------------------------------------


def pad(x: Any, widths: Any, value: float) -> Any:
    return np.pad(x, widths, constant_values=value)


def scatter(x: Any, places: Any, shape: tuple[int, ...]) -> Any:
    whole = np.zeros(shape)
    np.add.at(whole, places, x)
    return whole


class Outer:
    """``a @ OUTER @ b`` binds as ``a ⊗ b`` does."""

    __array_ufunc__ = None

    def __init__(self, left: Any = None) -> None:
        self.left = left

    def __rmatmul__(self, left: Any) -> Outer:
        return Outer(left)

    def __matmul__(self, right: Any) -> Any:
        return np.multiply.outer(self.left, right)


_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
FUNCTIONS: dict[str, Any] = {
    **{
        name: getattr(np, name) for name in ("tanh", "exp", "log", "sqrt", "sin", "cos", "sum", "mean", "sign", "where", "cumsum")
    },
    "softplus": lambda u: np.logaddexp(0, u),
    "silu": lambda u: u / (1 + np.exp(-u)),
    "pad": pad,
    "arctan": np.arctan,
    "flip": lambda u, axes=None: np.flip(u, axes),
    "concat": lambda *us, axis=0: np.concatenate(us, axis),
    "scatter": scatter,
    "reshape": np.reshape,
    "transpose": np.transpose,
    "broadcast": np.broadcast_to,
    "slice": slice,
    "norm": np.linalg.norm,
    "logsumexp": lambda u, axis=None, keepdims=False: np.log(np.exp(u).sum(axis=axis, keepdims=keepdims)),
    "stack": lambda *us, axis=0: np.stack(us, axis),
    "every": np.logical_and,
    "no": np.logical_not,
    "expm1": np.expm1,
    "max": np.maximum,
    "min": np.minimum,
    "abs": np.abs,
    "sig": lambda u: 1 / (1 + np.exp(-u)),
    "softmax": lambda u, axis=-1: np.exp(u) / np.exp(u).sum(axis=axis, keepdims=True),
    "OUTER": Outer(),
}


SIGNS = {"∗": "*", "·": "@", "⊗": "@ OUTER @", "−": "-", "^": "**", "≈": "", "ᵀ": ".mT", "𝓛": "L", "ŷ": "yhat"}
SIGNS |= {"√": "sqrt", "∧": "every", "¬": "no"}


def python(text: str) -> str:
    """A printed formula as Python: the printer's own signs, none of its code."""
    text = re.sub(r"⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾", lambda m: m[1].translate(_DIGITS), text)
    text = re.sub(r" to \[([^\[\]]*)\] of (\([\d, ]*\))", lambda m: f", np.s_[{m[1]}], {m[2]}", text)  # scatter
    text = re.sub(r"‖(\w+)‖(?:\[([^\]]*)\])?", r"norm(\1, \2)", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: f"**{m[0].translate(_DIGITS)}", text)
    for sign, other in SIGNS.items():
        text = text.replace(sign, other)
    return text


def apply_rule(rule: str, g: Any, names: dict[str, Any], above: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """What the rule makes of the incoming gradient."""
    words = [part for part in rule.split(", Σ over ") if not part.startswith("Σ over ")]
    core = python(words[0]) if words else "g"
    if "□" in core:
        core = core.replace("□", "g")
    elif core.startswith(("*", "/", "@")):
        core = f"g {core}"
    elif core.endswith(("@", "*")):
        core = f"{core} g"
    with np.errstate(invalid="ignore"):  # 0 / 0 is 0 in the derivative of a norm
        value = np.nan_to_num(eval(core, {"__builtins__": {}, "np": np}, {**FUNCTIONS, **names, "g": g}))
    if rule == "∗ 1" and value.size == np.prod(shape, dtype=int):  # axes of size 1 come and go without a word
        return value.reshape(shape)
    if "Σ" in rule:
        value = value if "reshape" in core else np.broadcast_to(value, above)
        axes = re.findall(r"Σ over axis ([\d, ]+)", rule)
        value = value.sum() if "everything" in rule else value.sum(axis=tuple(map(int, axes[0].split(",")))) if axes else value
        value = value.reshape(shape) if value.size == np.prod(shape, dtype=int) else value
    return onto(value, shape)


def onto(value: Any, shape: tuple[int, ...]) -> Any:
    """Added up over the axes along which a value of this shape was repeated, or repeated along them."""
    while value.ndim > len(shape):
        value = value.sum(axis=0)
    for axis, n in enumerate(shape[len(shape) - value.ndim :]):
        if n == 1 and value.shape[axis] != 1:
            value = value.sum(axis=axis, keepdims=True)
    return np.broadcast_to(value, shape)


def check_rules(root: tg.Tensor, level: str) -> int:
    """Read back every rule of one gradient that was not cut; how many there were."""
    graph = tg.backward_graph(root, level=level)
    names = {python(tg.graphs.pretty(n.name)): np.asarray(n.value) for n in graph if n.kind != "gradient"}
    checked = 0
    for node, c in contributions(graph):
        if len(c.sources) != 1:
            continue
        above = graph.nodes[c.use.target].shape
        if "Σ" in c.rule and level == "named" and not above:
            continue  # what is added up has a shape that no node has
        if "…" in c.rule:
            continue
        try:
            found = apply_rule(c.rule, graph.nodes[c.sources[0]].value, names, above, np.shape(c.value))
        except ValueError:
            if c.rule != "∗ 1":
                raise
            continue  # repeated along an axis at the front or between others, without a word
        np.testing.assert_allclose(found, c.value, rtol=1e-6, atol=1e-9, err_msg=f"{node.name}: {c.rule}")
        checked += 1
    return checked


def check_formulas(root: tg.Tensor, level: str) -> tuple[int, int]:
    """Read back every formula that was not cut: how many there were, and how many there are with those that were.

    A value may be repeated without a word where NumPy repeats it by itself, and at the very end.
    """
    graph = tg.backward_graph(root, level=level)
    values = {tg.graphs.pretty(n.name): np.asarray(n.value) for n in graph}
    names = {f"v{i}": value for i, value in enumerate(values.values())}
    words = {name: f"v{i}" for i, name in enumerate(values)}
    either = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    formulas = [(node.name, node.formula, node.value) for node in graph if node.formula]
    formulas += [(f"a part of {node.name}", c.formula, c.value) for node, c in contributions(graph)]
    checked = 0
    for name, formula, value in formulas:
        if "…" in formula:
            continue
        code = python(re.sub(rf"(?<![a-z\d])(?:{either})(?![a-z\d⁽#])", lambda m: words[m[0]], formula))
        try:
            with np.errstate(invalid="ignore"):
                found = eval(code, {"__builtins__": {}, "np": np}, {**FUNCTIONS, **names})
        except Exception as error:
            raise AssertionError(f"{name} = {formula}") from error
        found = np.where(np.isnan(found), value, found)  # 0 / 0 is 0 in the derivative of a norm
        assert found.ndim <= np.ndim(value) or found.shape == np.shape(value), f"{name} = {formula}"
        found = np.broadcast_to(found, np.shape(value))
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-8, err_msg=f"{name} = {formula}")
        checked += 1
    return checked, len(formulas)


@pytest.mark.parametrize("level", LEVELS)
def test_the_formulas_of_random_programs_are_what_was_computed(level: str) -> None:
    counts = [check_formulas(program(seed)[0], level) for seed in range(30)]
    assert sum(n for n, _ in counts) > 0.9 * sum(n for _, n in counts)


X = np.arange(6.0).reshape(2, 3) / 7 + 0.1
REPEATED: dict[str, tuple[Any, Any, str, str]] = {
    "a mean": (0.5, lambda b: (b + X[0]).mean(), "3 ∗ (1 / 3)", "3 ∗ (□ / 3)"),
    "a sum": (0.5, lambda b: (b + X).sum(), "6", "∗ 6"),
    "a factor": (0.5, lambda b: (b + X).sum() * 0.3, "6 ∗ 0.3", "6 ∗ □ ∗ 0.3"),
    "rows": (X[0], lambda b: (b + X).sum(), "2", "∗ 2"),
    "columns": (X[:, :1], lambda b: (b + X).sum(), "3", "∗ 3"),
    "an axis": (X[0], lambda b: ((b + X).sum(1) * 2).sum(), "", ""),
    "a product": (X[:, 0], lambda b: (X.T @ b).mean(), "", ""),
    "a transpose": (X, lambda b: (b.T @ np.ones((2, 2))).mean(), "", ""),
    "a reshape": (X, lambda b: b.reshape(3, 2).mean(), "1 / 6", "/ 6"),
    "an entry": (X, lambda b: b[0].mean(), "", ""),
    "a softmax": (0.5, lambda b: tg.softmax(tg.broadcast_to(b, (2, 3)), axis=1).sum(), "", ""),
    "a running sum": (0.5, lambda b: tg.cumsum(tg.broadcast_to(b, (4,)), axis=0).mean(), "", ""),
    "a norm": (0.5, lambda b: tg.norm(tg.broadcast_to(b, (4,))), "", ""),
    "a concatenation": (0.5, lambda b: tg.concatenate([tg.broadcast_to(b, (2,)), b * X[0]]).sum(), "", ""),
    "a padding": (0.5, lambda b: tg.pad(tg.broadcast_to(b, (2,)), 1).sum(), "", ""),
    "a mean of an axis": (X[0], lambda b: tg.broadcast_to(b, (4, 3)).mean(axis=0, keepdims=True).sum(), "", ""),
    "a sum of an axis": (X[0], lambda b: (tg.broadcast_to(b, (4, 3)).sum(axis=0, keepdims=True) * X).sum(), "", ""),
    "a sum of the other axis": (X[0], lambda b: (tg.broadcast_to(b, (4, 3)).sum(axis=1) ** 2).sum(), "", ""),
    "a sum of two axes": (X[0], lambda b: (tg.broadcast_to(b, (5, 4, 3)).sum(axis=(0, 2)) ** 2).sum(), "", ""),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("value", "make", "formula", "rule"), REPEATED.values(), ids=REPEATED)
def test_repeated_numbers_are_added_up(value: Any, make: Any, formula: str, rule: str, level: str) -> None:
    b = leaf(value, "b")
    L = make(b).named("L")
    read, there = check_formulas(L, level)
    assert read == there
    check_rules(L, level)
    written = tg.backward_graph(L)["dL/db"].contributions
    if formula and level == "named":
        assert [(c.formula, c.rule) for c in written] == [(formula, rule)]


def test_what_is_repeated_is_written_where_it_changes_the_result() -> None:
    b = leaf(X, "b")
    (part,) = tg.backward_graph(tg.einsum("ij->i", b).sum().named("L"))["dL/db"].contributions
    assert part.formula == "einsum(broadcast(1, (2,)), broadcast(1, (3,)), equation=i,j->ij)"
    g = tg.Tensor(X[0], requires_grad=True, name="g")
    repeated = tg.broadcast_to(g, (2, 3))
    assert rule_of(repeated.sum(axis=0), g) == "∗ 2"
    assert rule_of(repeated, g) == "∗ 1"
    assert rule_of(repeated.reshape(2, 1, 3).sum(axis=2), g) == "broadcast(□, (2, 3)), Σ over axis 2"
    row = leaf(X[:1], "row")
    total = tg.broadcast_to(row, (4, 3)).sum(axis=0, keepdims=True)
    assert tg.graph(total.named("y"))["y"].formula == "4 ∗ row"


def rule_of(result: tg.Tensor, hole: tg.Tensor) -> str:
    return Expression(result, lambda t: t is hole).rule(lambda t: named_text("g"), hole, {})


@pytest.mark.parametrize("level", LEVELS)
def test_the_rules_of_the_note_are_what_was_computed(level: str) -> None:
    graph = tg.backward_graph(note.network(4, 2, 3, 5)["L"], level=level)
    assert check_rules(note.network(4, 2, 3, 5)["L"], level) == len(contributions(graph))


@pytest.mark.parametrize("level", LEVELS)
def test_the_rules_of_random_programs_are_what_was_computed(level: str) -> None:
    assert sum(check_rules(program(seed)[0], level) for seed in range(20)) > 200


def test_local_derivatives_of_single_numbers() -> None:
    checked = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        pool = [leaf(rng.uniform(0.5, 1.5), name) for name in "abc"]
        for name in "defgh":
            x, y = (pool[i] for i in rng.integers(len(pool), size=2))
            made = [x * y, x / y, tg.tanh(x), x - y, tg.exp(x * 0.1), x**3, 1 / x, tg.sqrt(x * x), tg.sigmoid(x)][rng.integers(9)]
            pool.append(made.named(name))
        graph = tg.backward_graph(sum(pool, start=tg.Tensor(0.0)).named("L"), level="op")
        names = {python(tg.graphs.pretty(n.name)): n.value for n in graph if n.kind != "gradient"}
        for node, c in contributions(graph):
            y = graph.nodes[c.use.target]
            args = [np.asarray(graph.nodes[i].value) for i in y.inputs]
            numeric = slopes(lambda *moved, y=y: y.op.forward(*moved, **y.params), args, c.use.position)
            np.testing.assert_allclose(c.local, numeric, rtol=1e-6, atol=1e-9)
            written = eval(python(c.derivative), {"__builtins__": {}}, {**FUNCTIONS, **names})
            np.testing.assert_allclose(written, c.local, rtol=1e-5, err_msg=f"{node.name}: {c.derivative}")
            checked += 1
    assert checked > 60


def test_rules_are_written_as_in_the_note() -> None:
    graph = tg.backward_graph(note.network()["L"])
    rules = {node.name: [c.rule for c in node.contributions] for node in gradients_of(graph)}
    assert rules["dL/dh1"] == ["· (W⁽²⁾)ᵀ"]
    assert rules["dL/du2"] == ["∗ h⁽²⁾ ∗ (1 − h⁽²⁾)"]
    assert rules["dL/du1"] == ["∗ (1 − h⁽¹⁾ ∗ h⁽¹⁾)"]
    assert rules["dL/db2"] == ["Σ over N"]
    assert rules["dL/dW2"] == ["(h⁽¹⁾)ᵀ ·"]
    assert rules["dL/dL"] == []


def test_the_reused_values_are_those_in_the_formula() -> None:
    graph = tg.backward_graph(note.network()["L"])
    forward = {tg.graphs.pretty(node.name): node.id for node in graph if node.kind != "gradient"}
    for node, c in contributions(graph):
        without_gradients = re.sub(r"∂[^\s/]+/∂[^\s()]+", "", c.formula)
        words = re.findall(r"[^\s()ᵀ]+", without_gradients)
        assert set(c.reused) == {forward[word] for word in words if word in forward}, node.name


@pytest.mark.parametrize(
    ("make", "rules"),
    [
        (lambda w: w * w, ["∗ w", "∗ w"]),
        (lambda w: -w, ["∗ (−1)"]),
        (lambda w: 1 - w, ["∗ (−1)"]),
        (lambda w: 1 - w * w, ["∗ (−w)", "∗ (−w)"]),
        (lambda w: w + w, ["∗ 1", "∗ 1"]),
        (lambda w: w * w * w, ["∗ t⁽¹⁾", "∗ w", "∗ w"]),
        (lambda w: 3 * w, ["∗ 3"]),
        (lambda w: w / 2, ["/ 2"]),
    ],
)
def test_rules_of_small_expressions(make: Any, rules: list[str]) -> None:
    graph = tg.backward_graph(make(leaf(2.0, "w")).named("L"))
    assert [c.rule for c in graph["dL/dw"].contributions] == rules


def test_a_sum_over_an_axis_without_letters() -> None:
    b = leaf([1.0, 2.0], "b")
    L = (tg.Tensor(np.ones((3, 2)), name="x") + b).named("u").sum().named("L")
    assert [c.rule for c in tg.backward_graph(L)["dL/db"].contributions] == ["Σ over axis 0"]


# ---- structure -------------------------------------------------------------------------------------------------------


def test_the_order_is_that_of_the_sweep() -> None:
    for seed in range(6):
        graph = tg.backward_graph(program(seed)[0], level="op")
        assert [n.gradient_of for n in gradients_of(graph)] == sorted((n.gradient_of for n in gradients_of(graph)), reverse=True)
        for node, c in contributions(graph):
            assert all(source < node.id for source in c.sources)
            assert c.use.source == node.gradient_of


def test_a_leaf_that_was_given_new_numbers_keeps_all_its_uses() -> None:
    w = leaf([1.0, 2.0], "w")
    h = (w * 3).named("h")
    w.data -= 0.5
    L = (h * w).sum().named("L")
    node = tg.backward_graph(L)["dL/dw"]
    assert [c.formula for c in node.contributions] == ["h", "∂𝓛/∂h ∗ 3"]
    np.testing.assert_array_equal([c.value for c in node.contributions], [[3.0, 6.0], [1.5, 4.5]])


def test_a_gradient_that_remembers_what_a_leaf_was_can_be_differentiated() -> None:
    w = leaf(2.0, "w")
    L = (w * w * w).named("L")
    w.data = 5.0
    (g,) = tg.gradients(L, [w], create_graph=True)
    for level in LEVELS:
        node = tg.backward_graph(g.named("dL/dw"), level=level)["d2L/dw2"]
        assert sum(c.value for c in node.contributions) == node.value == 12.0


def test_a_result_of_any_shape_can_be_differentiated_for_local_rules() -> None:
    w = leaf([1.0, 2.0], "w")
    graph = differentiate((w * w).named("y"), "named")
    np.testing.assert_array_equal(graph["dy/dw"].value, [2.0, 4.0])


def test_the_gradient_of_a_gradient() -> None:
    w = leaf(0.5, "w")
    L = tg.tanh(w).named("L")
    (g,) = tg.gradients(L, [w], create_graph=True)
    graph = tg.backward_graph(g.named("dL/dw"))
    tanh = np.tanh(0.5)
    np.testing.assert_allclose(graph["d2L/dw2"].value, -2 * tanh * (1 - tanh**2), rtol=1e-12)


def test_a_folded_graph_mirrors_its_blocks() -> None:
    x, w = tg.Tensor([1.0, 2.0], name="x"), leaf([3.0, 4.0], "w")
    with tg.scope("layer"):
        h = tg.tanh(x * w)
    L = (h * h).sum().named("L")
    order = topological_order([L])
    graph = differentiate_folded(L, "op", fold_scopes(order, None, {id(L)}), order)
    twins = {graph.nodes[n.gradient_of].name: n for n in gradients_of(graph)}
    assert set(twins) == {"L", "layer", "t1"}
    assert twins["layer"].block is graph["layer"].block
    assert [c.sources for c in twins["layer"].contributions] == [(twins["t1"].id,)] * 2 or len(twins["layer"].contributions) == 1
    assert all(n.value is None for n in twins.values())


def test_mistaken_calls() -> None:
    L = note.network()["L"]
    with pytest.raises(TypeError, match="not a Tensor"):
        tg.backward_graph(3.0)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ValueError, match=r"no level 'layer'.*\n.*scalar"):
        tg.backward_graph(L, level="layer")
    with pytest.raises(ValueError, match="wrt"):
        tg.backward_graph(L, [L], level="scalar")
    with pytest.raises(tg.GradientError, match=r"shape is \(2,\)"):
        tg.backward_graph(leaf([1.0, 2.0]) * 2)
    with pytest.raises(tg.GradientError, match="nothing"):
        tg.backward_graph(tg.Tensor(1.0) * 2)
