"""Gradients by hand: the right ones are never called wrong, planted mistakes are named, garbage is not explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.check.by_hand import ByHandError, Report
from tinygrad_edu.check.diagnoses import CODES, Diagnosis

Array = np.ndarray[Any, np.dtype[Any]]


def codes(report: Report, name: str) -> list[str]:
    assert not report[name].ok
    return [d.code for d in report[name].diagnosis]


class Note:
    """The note's network with different sizes everywhere, its values, and its gradients by the note's formulas."""

    def __init__(self, n: int = 5, d1: int = 3, d2: int = 4) -> None:
        self.tensors = note.network(n=n, d1=d1, d2=d2)
        self.L = self.tensors["L"]
        self.n = n
        self.v = {name: t.numpy() for name, t in self.tensors.items()}
        self.g = note.by_hand(self.v)
        del self.g["L"]

    def of(self, name: str, answer: Any) -> list[str]:
        return codes(tg.check_by_hand(self.L, {name: answer}), name)


def sig(u: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-u)))


def test_the_notes_formulas_are_right() -> None:
    net = Note()
    report = tg.check_by_hand(net.L, net.g)
    assert report.ok
    assert bool(report)
    assert report.marks == (11, 11)
    report.raise_if_wrong()
    assert [a.name for a in report] == list(net.g)
    assert len(report) == 11


Plant = Callable[[dict[str, Array], dict[str, Array], int], Any]
PLANTED: list[tuple[str, list[str], Plant]] = [
    ("W2", ["transpose"], lambda v, g, n: g["W2"].T),
    ("W2", ["sign"], lambda v, g, n: -g["W2"]),
    ("W2", ["transpose", "sign"], lambda v, g, n: -g["W2"].T),
    ("W2", ["missing_factor"], lambda v, g, n: n * g["W2"]),
    ("W2", ["extra_factor"], lambda v, g, n: g["W2"] / n),
    ("W2", ["too_large"], lambda v, g, n: 3.25 * g["W2"]),
    ("W2", ["no_derivative"], lambda v, g, n: v["h1"].T @ g["h2"]),
    ("W2", ["derivative_at"], lambda v, g, n: v["h1"].T @ (g["h2"] * v["u2"] * (1 - v["u2"]))),
    ("W2", ["derivative_twice"], lambda v, g, n: v["h1"].T @ (g["u2"] * v["h2"] * (1 - v["h2"]))),
    ("W2", ["not_summed"], lambda v, g, n: np.einsum("ni,nj->nij", v["h1"], g["u2"])),
    ("W2", ["no_upstream"], lambda v, g, n: v["h1"].T @ (v["h2"] * (1 - v["h2"]))),
    ("W2", ["zero"], lambda v, g, n: 0 * g["W2"]),
    ("W2", ["offset"], lambda v, g, n: g["W2"] + 0.1),
    ("W2", ["order"], lambda v, g, n: g["W2"][::-1]),
    ("W2", ["near"], lambda v, g, n: np.round(g["W2"], 5)),
    ("W2", ["not_finite"], lambda v, g, n: g["W2"] * np.nan),
    ("W2", ["wrong_shape"], lambda v, g, n: v["h1"].T @ v["x"]),
    ("W2", ["value"], lambda v, g, n: v["W2"]),
    ("b2", ["not_summed"], lambda v, g, n: g["u2"]),
    ("b2", ["wrong_axis"], lambda v, g, n: g["u2"].sum(axis=1)),
    ("b2", ["summed"], lambda v, g, n: g["u2"].sum()),
    ("b2", ["mean"], lambda v, g, n: g["u2"].mean(axis=0)),
    ("b2", ["shape"], lambda v, g, n: g["u2"].sum(axis=0, keepdims=True)),
    ("b2", ["no_derivative"], lambda v, g, n: g["h2"].sum(axis=0)),
    ("u2", ["no_derivative"], lambda v, g, n: g["h2"]),
    ("u2", ["derivative_at"], lambda v, g, n: g["h2"] * v["u2"] * (1 - v["u2"])),
    ("u2", ["derivative_at", "sign"], lambda v, g, n: -g["h2"] * v["u2"] * (1 - v["u2"])),
    ("u2", ["no_upstream"], lambda v, g, n: v["h2"] * (1 - v["h2"])),
    ("u2", ["derivative_of"], lambda v, g, n: g["h2"] * (1 - np.tanh(v["u2"]) ** 2)),
    ("u2", ["incomplete"], lambda v, g, n: g["h2"] * v["h2"]),
    ("u2", ["incomplete"], lambda v, g, n: g["h2"] * (1 - v["h2"])),
    ("u2", ["inner_sign"], lambda v, g, n: g["h2"] * v["h2"] * (1 + v["h2"])),
    ("u1", ["inner_sign"], lambda v, g, n: g["h1"] * (1 + v["h1"] ** 2)),
    ("u1", ["incomplete", "sign"], lambda v, g, n: -g["h1"] * v["h1"] ** 2),
    ("u2", ["transpose"], lambda v, g, n: g["u2"].T),
    ("u1", ["no_derivative"], lambda v, g, n: g["h1"]),
    ("u1", ["derivative_at"], lambda v, g, n: g["h1"] * (1 - v["u1"] ** 2)),
    ("u1", ["derivative_at"], lambda v, g, n: g["h1"] * (1 - np.tanh(v["h1"]) ** 2)),
    ("u3", ["missing_factor"], lambda v, g, n: v["yhat"] - v["y"]),
    ("u3", ["sign"], lambda v, g, n: (v["y"] - v["yhat"]) / n),
    ("u3", ["sign", "missing_factor"], lambda v, g, n: v["y"] - v["yhat"]),
    ("u3", ["broadcast"], lambda v, g, n: (v["yhat"][:, None] - v["y"]) / n),
    ("u3", ["broadcast"], lambda v, g, n: ((v["yhat"][:, None] - v["y"]) / n**2).sum(axis=1)),
    ("u3", ["derivative_twice"], lambda v, g, n: (v["yhat"] - v["y"]) / n * v["yhat"] * (1 - v["yhat"])),
    ("h1", ["no_derivative"], lambda v, g, n: g["h2"] @ v["W2"].T),
    ("h1", ["other_gradient"], lambda v, g, n: g["u1"]),
    ("c", ["not_summed"], lambda v, g, n: g["u3"]),
    ("c", ["mean"], lambda v, g, n: g["u3"].mean()),
    ("c", ["sign"], lambda v, g, n: -g["c"]),
    ("U", ["missing_factor"], lambda v, g, n: v["h2"].T @ (v["yhat"] - v["y"])),
    ("U", ["shape"], lambda v, g, n: g["U"].reshape(-1, 1)),
    ("U", ["wrong_axis"], lambda v, g, n: (v["h2"] * g["u3"][:, None]).sum(axis=1)),
    ("x", ["summed"], lambda v, g, n: (g["u1"] @ v["W1"].T).sum(axis=0)),
    ("x", ["averaged"], lambda v, g, n: (g["u1"] @ v["W1"].T).mean(axis=0)),
]


@pytest.mark.parametrize(
    ("name", "expected", "plant"), PLANTED, ids=[f"{n}-{'-'.join(c)}-{i}" for i, (n, c, _) in enumerate(PLANTED)]
)
def test_mistakes_in_the_notes_network(name: str, expected: list[str], plant: Plant) -> None:
    net = Note()
    assert net.of(name, plant(net.v, net.g, net.n)) == expected


def test_square_layers_show_which_matrix_was_not_transposed() -> None:
    net = Note(d1=3, d2=3)
    du2, W2 = net.g["u2"], net.v["W2"]
    report = tg.check_by_hand(net.L, {"h1": du2 @ W2})
    assert codes(report, "h1") == ["product"]
    assert report["h1"].diagnosis[0].details == {"found": "∂𝓛/∂u⁽²⁾ · W⁽²⁾", "right": "∂𝓛/∂u⁽²⁾ · W⁽²⁾ᵀ"}


def test_where_a_mistake_was_made_further_up() -> None:
    net = Note()
    report = tg.check_by_hand(net.L, {"W1": net.v["x"].T @ ((net.g["h2"] @ net.v["W2"].T) * (1 - net.v["h1"] ** 2))})
    assert report["W1"].sentence() == "in ∂𝓛/∂u⁽²⁾: the local derivative of sig is missing"
    assert report["W1"].sentence("es") == "en ∂𝓛/∂u⁽²⁾: falta la derivada local de sig"


def test_an_answer_that_is_right_is_not_blamed() -> None:
    net = Note()
    report = tg.check_by_hand(net.L, {"u2": net.g["u2"], "W2": net.v["h1"].T @ net.g["h2"]})
    assert report["W2"].sentence() == "∂𝓛/∂h⁽²⁾ is used where ∂𝓛/∂u⁽²⁾ belongs"
    assert net.of("W2", net.v["h1"].T @ net.g["h2"]) == ["no_derivative"]
    twice = np.outer(net.g["u3"] * net.v["yhat"] * (1 - net.v["yhat"]), net.v["U"]) * net.v["h2"] * (1 - net.v["h2"])
    assert net.of("W2", net.v["h1"].T @ twice) == ["derivative_twice"]
    report = tg.check_by_hand(net.L, {"u2": net.g["u2"], "W2": net.v["h1"].T @ twice})
    assert codes(report, "W2") == ["unexplained"]


def test_a_division_that_was_forgotten() -> None:
    x = np.array([[1.0, 2.0], [-0.5, 3.0], [0.25, 0.7]])
    w = tg.Tensor([0.5, -0.25], requires_grad=True, name="w")
    u = (tg.Tensor(x) @ w).named("u")
    for L in ((tg.tanh(u) * 0.25).sum(), (tg.tanh(u) / 4).sum(), tg.tanh(u).sum() / 4):
        g = x.T @ (1 - np.tanh(u.numpy()) ** 2)
        report = tg.check_by_hand(L, {"w": g})
        assert report["w"].diagnosis[0].sentence() == "the factor 1/4 is missing"
        assert tg.check_by_hand(L, {"w": g / 4}).ok


# ---- other networks -------------------------------------------------------------------------------------------------


class Residual:
    """h = x + tanh(x W), z = h W with the same W, L = mse(z, y)."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.x, self.W, self.y = rng.normal(size=(5, 3)), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
        x = tg.Tensor(self.x, name="x")
        W = tg.Tensor(self.W, requires_grad=True, name="W")  # a matrix
        a = (x @ W).named("a")
        h = (x + tg.tanh(a)).named("h")
        z = (h @ W).named("z")
        self.L = tg.mse(z, tg.Tensor(self.y, name="y")).named("L")
        self.h, self.z, self.t = h.numpy(), z.numpy(), np.tanh(self.x @ self.W)
        self.dz = 2 * (self.z - self.y) / 15
        self.dh = self.dz @ self.W.T
        self.da = self.dh * (1 - self.t**2)
        self.first, self.second = self.x.T @ self.da, self.h.T @ self.dz


def test_mistakes_in_a_residual_network_with_a_shared_matrix() -> None:
    r = Residual()
    right = r.first + r.second
    assert tg.check_by_hand(r.L, {"z": r.dz, "h": r.dh, "a": r.da, "W": right, "x": r.dh + r.da @ r.W.T}).ok
    planted: dict[str, list[tuple[Array, list[str]]]] = {
        "W": [
            (r.first, ["one_use"]),
            (r.second, ["one_use"]),
            (r.second - r.first, ["use_sign"]),
            (r.second.T + r.first, ["product"]),
            (r.second + r.x.T @ r.dh, ["no_derivative"]),
            (right.T, ["transpose"]),
            (right / 2, ["missing_exponent"]),
            (right * 3, ["missing_factor"]),
            (-r.first, ["one_use", "sign"]),
        ],
        "z": [
            (r.dz * 15 / 2, ["missing_factor", "missing_exponent"]),
            (r.dz * 15, ["missing_factor"]),
            (-r.dz, ["sign"]),
        ],
        "h": [(r.dz @ r.W, ["product"]), (r.dh.T, ["transpose"])],
        "x": [(r.dh, ["one_use"]), (r.da @ r.W.T, ["one_use"]), (r.dh + r.da @ r.W, ["product"])],
        "a": [(r.dh, ["no_derivative"]), (r.dh * (sig(r.x @ r.W) * (1 - sig(r.x @ r.W))), ["derivative_of"])],
    }
    for name, cases in planted.items():
        for array, expected in cases:
            assert codes(tg.check_by_hand(r.L, {name: array}), name) == expected, (name, expected)
    once = tg.check_by_hand(r.L, {"W": r.first})["W"].sentence()
    assert once == "only one of 2 uses of W was counted: the one in a"


def test_mistakes_in_attention() -> None:
    rng = np.random.default_rng(4)
    Q, K, V = (tg.Tensor(rng.normal(size=(4, d)), requires_grad=True, name=n) for n, d in (("Q", 3), ("K", 3), ("V", 2)))
    S = (Q @ K.T / np.sqrt(3)).named("S")  # the letters of attention
    P = tg.softmax(S, axis=-1).named("P")
    O = (P @ V).named("O")  # noqa: E741
    L = tg.mse(O, rng.normal(size=(4, 2))).named("L")
    dO, dP, dS, dK, dV = (g.numpy() for g in tg.gradients(L, [O, P, S, K, V]))
    p, q, k = P.numpy(), Q.numpy(), K.numpy()
    np.testing.assert_allclose(dK, dS.T @ q / np.sqrt(3))
    for name, array, expected in [
        ("S", dP, "no_derivative"),
        ("S", dP * p * (1 - p), "diagonal"),
        ("K", dS.T @ q, "no_factor"),
        ("K", dS @ q / np.sqrt(3), "product"),
        ("Q", dS.T @ k / np.sqrt(3), "product"),
        ("V", p @ dO, "product"),
        ("V", -dV, "sign"),
    ]:
        assert codes(tg.check_by_hand(L, {name: array}), name) == [expected], (name, expected)


def test_mistakes_in_a_linear_regression() -> None:
    rng = np.random.default_rng(5)
    X, Y = rng.normal(size=(6, 3)), rng.normal(size=6)
    w = tg.Tensor(rng.normal(size=3), requires_grad=True, name="w")
    b = tg.Tensor(0.3, requires_grad=True, name="b")
    r = (tg.Tensor(X, name="X") @ w + b).named("r")
    L = tg.mse(r, tg.Tensor(Y, name="y")).named("L")
    R = r.numpy()
    D = 2 * (R - Y) / 6
    table = 2 * (R[:, None] - Y)
    assert tg.check_by_hand(L, {"r": D, "w": X.T @ D, "b": D.sum()}).ok
    for name, array, expected in [
        ("r", table / 6, ["broadcast"]),
        ("r", (table / 36).sum(axis=1), ["broadcast"]),
        ("r", (table / 6).sum(axis=1), ["broadcast", "missing_factor"]),
        ("w", X.T @ (table / 36).sum(axis=1), ["broadcast"]),
        ("w", X * D[:, None], ["not_summed"]),
        ("w", X.T @ D / 2, ["missing_exponent"]),
        ("w", (X.T @ D)[:, None], ["shape"]),
        ("b", D.mean(), ["mean"]),
        ("b", D, ["not_summed"]),
        ("b", 0.123, ["unexplained_number"]),
    ]:
        assert codes(tg.check_by_hand(L, {name: array}), name) == expected, (name, expected)


def test_mistakes_with_single_numbers() -> None:
    a, b = tg.Tensor(2.0, requires_grad=True, name="a"), tg.Tensor(3.0, requires_grad=True, name="b")
    e = (a * b + a).named("e")
    f = (e * e).named("f")
    assert tg.check_by_hand(f, {"e": 16.0, "a": 64.0, "b": 32.0}).ok
    report = tg.check_by_hand(f, {"e": 8.0})
    assert codes(report, "e") == ["one_use"]
    assert [d.code for d in report["e"].otherwise] == ["missing_exponent"]  # the same number: both are named
    assert codes(tg.check_by_hand(f, {"a": 16.0}), "a") == ["one_use"]
    for number in (7.0, -48.0):  # of a single number two mistakes at once explain too much
        assert codes(tg.check_by_hand(f, {"a": number}), "a") == ["unexplained_number"]


def test_mistakes_in_a_convolution_by_windows() -> None:
    rng = np.random.default_rng(6)
    x, k = rng.normal(size=(2, 6)), rng.normal(size=3)
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
    K = tg.Tensor(k, requires_grad=True, name="k")
    y = tg.einsum("nij,j->ni", tg.Tensor(np.array(windows), name="x"), K).named("y")
    L = (tg.relu(y) ** 2).mean().named("L")
    dy = 2 * np.maximum(windows @ k, 0) / 8
    dk = np.einsum("ni,nij->j", dy, windows)
    assert tg.check_by_hand(L, {"y": dy, "k": dk}).ok
    assert codes(tg.check_by_hand(L, {"k": np.einsum("ni,nij->nij", dy, windows)}), "k") == ["not_summed"]
    assert codes(tg.check_by_hand(L, {"k": np.einsum("ni,nij->ij", dy, windows)}), "k") == ["not_summed"]
    assert codes(tg.check_by_hand(L, {"k": np.einsum("ni,nij->i", dy, windows)}), "k") == ["wrong_axis"]
    assert codes(tg.check_by_hand(L, {"k": dk[::-1]}), "k") == ["order"]


# ---- no false alarms ------------------------------------------------------------------------------------------------


def program(seed: int) -> tuple[tg.Tensor, list[tg.Tensor]]:
    """A random result of twenty operations with shapes that meet."""
    rng = np.random.default_rng(seed)
    leaves = [
        tg.Tensor(rng.normal(size=s) * 0.7, requires_grad=True, name=f"w{i}") for i, s in enumerate([(3,), (2, 3), (3, 3), ()])
    ]
    steps: list[Callable[[tg.Tensor, tg.Tensor], tg.Tensor]] = [
        lambda a, b: tg.tanh(a) * b.mean(),
        lambda a, b: tg.sigmoid(a) - a,
        lambda a, b: tg.tanh(a @ b) if a.ndim and b.ndim and a.shape[-1] == b.shape[0] else a * b.sum(),
        lambda a, b: a + b if a.shape == b.shape or () in (a.shape, b.shape) else a.sum() + b,
        lambda a, b: tg.softmax(a, axis=-1) if a.ndim else tg.exp(-a * a),
        lambda a, b: a.sum(axis=0) if a.ndim else a,
        lambda a, b: tg.relu(a) + 0.1 * a,
        lambda a, b: a.T,
    ]
    pool = list(leaves)
    for n in range(20):
        a, b = pool[rng.integers(len(pool))], pool[rng.integers(len(pool))]
        new = steps[rng.integers(len(steps))](a, b)
        pool.append(new.named(f"t{n}") if rng.random() < 0.5 and new.name is None else new)
    return tg.tanh(sum((t.mean() for t in pool[4:]), start=tg.Tensor(0.0)) * 0.1).named("L"), leaves


@pytest.mark.parametrize("seed", range(12))
def test_right_gradients_are_right_and_garbage_is_not_explained(seed: int) -> None:
    root, leaves = program(seed)
    rng = np.random.default_rng(seed + 1000)
    root.backward()
    leaves = [t for t in leaves if t.grad is not None]
    assert len(leaves) > 1
    found = dict(zip([t.name for t in leaves], tg.scalar_gradients(root, leaves), strict=True))
    report = tg.check_by_hand(root, {str(name): g for name, g in found.items()})
    assert report.ok, report
    garbage = {str(name): rng.normal(size=np.shape(g)) * (np.max(np.abs(g)) + 0.1) for name, g in found.items()}
    for name, g in garbage.items():
        assert codes(tg.check_by_hand(root, {name: g}), name) == ["unexplained" if np.shape(g) else "unexplained_number"]


def test_a_mistake_that_changes_nothing_is_none() -> None:
    x = tg.Tensor(np.eye(3), requires_grad=True, name="x")
    L = (x @ x.T).sum().named("L")
    symmetric = tg.gradients(L, x).numpy()
    assert tg.check_by_hand(L, {"x": symmetric.T}).ok


def test_few_digits_allow_few_diagnoses() -> None:
    net = Note()
    rounded = {name: np.round(g, 2 - np.floor(np.log10(np.max(np.abs(g)))).astype(int)) for name, g in net.g.items()}
    assert not tg.check_by_hand(net.L, rounded).ok
    assert tg.check_by_hand(net.L, rounded, rtol=1e-2).ok
    report = tg.check_by_hand(net.L, {"W2": -rounded["W2"]}, rtol=1e-2)
    assert codes(report, "W2") == ["sign"]
    for number in np.linspace(-2, 2, 200) * net.g["c"]:  # one number of two digits is near many others
        answer = tg.check_by_hand(net.L, {"c": number}, rtol=1e-2)["c"]
        assert answer.ok or [d.code for d in answer.diagnosis] == ["unexplained_number"]


def test_float32_is_compared_as_float32() -> None:
    w = tg.Tensor(np.array([0.1, 0.7, -0.3]), dtype=np.float32, requires_grad=True, name="w")
    L = tg.tanh(w * w).sum().named("L")
    v = w.numpy().astype(float)
    assert tg.check_by_hand(L, {"w": 2 * v * (1 - np.tanh(v * v) ** 2)}).ok
    assert codes(tg.check_by_hand(L, {"w": 2 * v}), "w") == ["no_derivative"]


# ---- answers --------------------------------------------------------------------------------------------------------


def test_formulas_are_given_values_sizes_and_the_engines_gradients() -> None:
    net = Note()
    report = tg.check_by_hand(
        net.L,
        {
            "u3": lambda yhat, y, N: (yhat - y) / N,
            "h2": lambda du3, U: np.outer(du3, U),
            "u2": lambda dh2: dh2,
            "W2": lambda h1, dL_du2: h1.T @ dL_du2,
            "b2": lambda du2: du2.sum(axis=0),
            "U": lambda: net.v["h2"].T @ net.g["u3"],
        },
    )
    assert [a.verdict for a in report] == ["right", "right", "wrong", "right", "right", "right"]


def test_a_default_is_for_what_the_record_does_not_have() -> None:
    net = Note()
    assert tg.check_by_hand(net.L, {"u3": lambda yhat, y, N=1, scale=1.0: scale * (yhat - y) / N}).ok


def test_a_mistake_that_is_carried_on_is_marked_once() -> None:
    net = Note()
    v, g = net.v, net.g
    du2 = g["h2"] * v["h2"] ** 2 + 0.01  # wrong in a way that has no name
    dh1 = du2 @ v["W2"].T
    answers = {"h2": g["h2"], "u2": du2, "W2": v["h1"].T @ du2, "b2": -du2.sum(axis=0), "h1": dh1, "u1": dh1 * (1 - v["h1"] ** 2)}
    report = tg.check_by_hand(net.L, answers)
    assert [a.verdict for a in report] == ["right", "wrong", "follows", "wrong", "follows", "follows"]
    assert [d.code for d in report["b2"].diagnosis] == ["follows", "sign"]
    assert report["W2"].sentence() == "it is computed from your ∂𝓛/∂u⁽²⁾, which is wrong"
    assert report["u1"].diagnosis[0].details == {"found": "∂𝓛/∂h⁽¹⁾"}
    assert report.marks == (4, 6)
    assert not report.ok


@pytest.mark.parametrize("key", ["W2", "dW2", "dL/dW2", "dL_dW2", "∂L/∂W2", "∂𝓛/∂W⁽²⁾", "W⁽²⁾"])
def test_spellings(key: str) -> None:
    net = Note()
    assert tg.check_by_hand(net.L, {key: net.g["W2"]})["W2"].ok


def test_keys_and_answers_may_be_tensors_lists_numbers() -> None:
    net = Note()
    answers = {
        net.tensors["W2"]: tg.Tensor(net.g["W2"]),
        net.tensors["b2"]: net.g["b2"].tolist(),
        net.tensors["c"]: float(net.g["c"]),
    }
    assert tg.check_by_hand(net.L, answers).ok


def test_what_is_not_answered_is_not_wrong() -> None:
    net = Note()
    report = tg.check_by_hand(net.L, {"W2": ..., "b2": None, "c": lambda: ..., "U": net.g["U"]})
    assert [a.verdict for a in report] == ["open", "open", "open", "right"]
    assert report.marks == (1, 4)
    assert not report
    assert "not answered" in str(report)
    assert str(report).endswith("1 of 4 right, 3 not answered")


def test_a_formula_that_stops_is_a_wrong_answer() -> None:
    net = Note()
    report = tg.check_by_hand(net.L, {"W2": lambda h1, du2: h1 @ du2})
    assert codes(report, "W2") == ["error"]
    assert "ValueError" in report["W2"].sentence()


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ({"W3": 1.0}, ValueError, "there are .*Try: "),
        ({"dw2": 1.0}, ValueError, "is no value of this record"),
        ({"L": 1.0}, ValueError, "by itself"),
        ({"W2": lambda h9: h9}, ValueError, r"asks for h9.*\n.*\n.*Try: h"),
        ({"W2": "h1.T @ du2"}, TypeError, "is text.*Try: the formula itself"),
        ({"W2": [[1.0], [1.0, 2.0]]}, TypeError, "is no array"),
        ({"W2": 1.0, "dW2": 1.0}, ValueError, "two answers"),
        ({tg.Tensor(1.0): 1.0}, ValueError, "was not computed from"),
    ],
)
def test_errors(answers: dict[Any, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match="(?s)check_by_hand: .*" + words):
        tg.check_by_hand(Note().L, answers)


def test_errors_of_the_root_and_the_language() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    with pytest.raises(tg.GradientError, match="shape"):
        tg.check_by_hand(w * w, {"w": [2.0, 4.0]})
    with pytest.raises(TypeError, match="not a Tensor"):
        tg.check_by_hand(3.0, {})  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="language"):
        tg.check_by_hand((w * w).sum(), {"w": [2.0, 4.0]}, lang="fr")


def test_integers_have_no_gradient_to_answer() -> None:
    w, n = tg.Tensor([1.0, 2.0], requires_grad=True, name="w"), tg.Tensor([1, 2], name="n")
    with pytest.raises(tg.GradientError, match="no gradient by n"):
        tg.check_by_hand((w * n).sum().named("L"), {"n": [1.0, 2.0]})


# ---- the report -----------------------------------------------------------------------------------------------------


def test_the_table_in_two_languages() -> None:
    net = Note()
    answers = {"b2": -net.g["b2"], "c": net.g["c"]}
    assert str(tg.check_by_hand(net.L, answers)) == str(tg.check_by_hand(net.L, answers))
    assert "∂𝓛/∂b⁽²⁾  (d₂,) = (4,)" in str(tg.check_by_hand(net.L, answers))
    assert "wrong: the sign is wrong\n" in str(tg.check_by_hand(net.L, answers))
    assert "mal: el signo está al revés\n" in str(tg.check_by_hand(net.L, answers, lang="es"))
    with pytest.raises(ByHandError, match="the sign is wrong") as caught:
        tg.check_by_hand(net.L, answers).raise_if_wrong()
    assert caught.value.report.marks == (1, 2)


def test_shapes_are_dimensiones_in_spanish() -> None:
    w = tg.Tensor([[1.0], [2.0]], requires_grad=True, name="w")
    found = str(tg.check_by_hand((w * w).sum(), {"w": [2.0, 4.0]}, lang="es"))
    assert found.split("\n")[0].split() == ["gradiente", "dimensiones", "mayor", "diferencia"]
    assert "los números están bien, pero las dimensiones son (2,): deben ser (2, 1)" in found
    found = str(tg.check_by_hand((w * w).sum(), {"w": [2.0, 4.0, 5.0]}, lang="es"))
    assert "sus dimensiones son (3,): deben ser (2, 1)" in found


def test_every_sentence_is_complete_in_both_languages() -> None:
    class Anything(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return f"<{key}>"

    for code in CODES:
        english, spanish = (Diagnosis(code, Anything()).sentence(lang) for lang in ("en", "es"))
        assert english != spanish
        fields = [{part.split(">")[0] for part in text.split("<")[1:]} for text in (english, spanish)]
        assert fields[0] == fields[1], code


def test_names_are_inert() -> None:
    name = "<script>alert(1)</script>\x1b[2J\n"
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name=name)
    L = (w * w).sum().named("L")
    report = tg.check_by_hand(L, {name: [1.0, 2.0]})
    assert "\x1b" not in str(report)
    assert len(str(report).splitlines()) == 4
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()
    with pytest.raises(ValueError, match="is no value") as caught:
        tg.check_by_hand(L, {name + "x": 1.0})
    assert "\x1b" not in str(caught.value)


def test_names_that_come_twice_have_a_number() -> None:
    h = w = tg.Tensor(0.5, requires_grad=True, name="w")
    for _ in range(2):
        h = tg.tanh(h).named("h")
    L = (h * h).named("L")
    first = np.tanh(0.5)
    d2 = 2 * np.tanh(first)
    d1 = d2 * (1 - np.tanh(first) ** 2)
    assert tg.check_by_hand(L, {"h#2": d2, "h": d1, "w": d1 * (1 - first**2)}).ok
    assert w.grad is None


def test_new_numbers_of_a_parameter_do_not_matter() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    L = (w * w).sum().named("L")
    w.data = [5.0, 6.0]
    assert tg.check_by_hand(L, {"w": lambda w: 2 * w}).ok


def test_a_long_record_is_marked_in_the_end() -> None:
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
    h = x
    for _ in range(3000):
        h = h * 0.9999 + 0.1
    L = h.sum().named("L")
    assert codes(tg.check_by_hand(L, {"x": [1.0, 2.5, 3.0]}), "x") == ["unexplained"]
    assert tg.check_by_hand(L, {"x": np.full(3, 0.9999**3000)}).ok


# ---- what students brought ------------------------------------------------------------------------------------------


def test_infinite_numbers_are_never_right() -> None:
    net = Note()
    partly = net.g["W2"].copy()
    partly[0, 0] = np.inf
    for name, answer in {"c": np.inf, "W2": np.full((3, 4), -np.inf), "U": np.full(4, np.inf)}.items():
        assert net.of(name, answer) == ["not_finite"]
    assert net.of("W2", partly) == ["not_finite"]


def test_zeros_by_cancellation_are_right_whatever_is_left_of_them() -> None:
    rng = np.random.default_rng(8)
    x, W = tg.Tensor(rng.normal(size=(6, 3)), name="x"), tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W")
    s, d = tg.Tensor(0.3, requires_grad=True, name="s"), tg.Tensor(0.2, requires_grad=True, name="d")
    e = (s + d).named("e")
    L = tg.cross_entropy(x @ W + e, np.array([0, 1, 2, 3, 1, 0])).named("L")  # softmax does not see a shift
    noise = float(tg.gradients(L, [s])[0].numpy())
    assert 0 < abs(noise) < 1e-15
    for number in (0.0, noise, -noise, 3e-16):
        assert tg.check_by_hand(L, {"s": number, "d": number, "e": number}).ok
    for number in (1e-12, -0.1):
        assert not tg.check_by_hand(L, {"s": number}).ok
    small = (x @ W * 1e-20).sum().named("L")  # what is only small is compared as always
    right = tg.gradients(small, [W])[0].numpy()
    assert tg.check_by_hand(small, {"W": right}).ok
    assert codes(tg.check_by_hand(small, {"W": -right}), "W") == ["sign"]
    assert not tg.check_by_hand(small, {"W": 0 * right}).ok
    tiny = tg.Tensor(np.full((4, 1), 1e-20), name="tiny")
    small = (x @ W @ tiny).sum().named("L")
    assert not tg.check_by_hand(small, {"W": 0 * right}).ok
    assert not tg.check_by_hand(small, {"W": -tg.gradients(small, [W])[0].numpy()}).ok
    large = tg.Tensor([[1e6, -1e6], [1e6, -1e6]], name="large")  # (x · large) · 1: every term is large, the sum is 0
    v = tg.Tensor([0.3, 0.1], requires_grad=True, name="v")
    L = ((v @ large) @ (np.array([1.0, 1.0]) / 3)).named("L")
    assert tg.check_by_hand(L, {"v": [1e-11, 0.0]}).ok
    assert not tg.check_by_hand(L, {"v": [1e-6, 0.0]}).ok


def test_saturated_gradients_are_not_taken_for_rounding() -> None:
    w = tg.Tensor([-40.0, -38.0, -39.0], requires_grad=True, name="w")
    L = tg.sigmoid(w).sum().named("L")
    right = tg.gradients(L, [w])[0].numpy()
    assert 0 < np.max(right) < 1e-15
    assert tg.check_by_hand(L, {"w": right}).ok
    assert codes(tg.check_by_hand(L, {"w": 2.5 * right}), "w") == ["too_large"]


def test_the_wrong_factor_of_a_product() -> None:
    rng = np.random.default_rng(9)
    x, W = tg.Tensor(rng.normal(size=(5, 4)), name="x"), tg.Tensor(rng.normal(size=(4, 4)), requires_grad=True, name="W")
    g = tg.Tensor(rng.normal(size=4), requires_grad=True, name="g")
    h = tg.relu((x @ W).named("u")).named("h")
    r = (x + h).named("r")
    L = (r * g).sum().named("L")
    du = g.numpy() * (h.numpy() > 0)
    report = tg.check_by_hand(L, {"W": h.numpy().T @ du, "g": x.numpy().sum(axis=0)})
    assert [(d.code, dict(d.details)) for a in report for d in a.diagnosis] == [
        ("other_factor", {"found": "h", "right": "x"}),
        ("other_factor", {"found": "x", "right": "r"}),
    ]
    assert codes(tg.check_by_hand(L, {"W": du}), "W") == ["other_gradient"]  # and not only that its shape is another


def test_the_diagonal_of_log_softmax() -> None:
    z = tg.Tensor([[0.1, 0.4, -1.0], [0.3, -0.2, 0.9]], requires_grad=True, name="z")
    Y = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    p = np.exp(z.numpy()) / np.exp(z.numpy()).sum(axis=1, keepdims=True)
    L = (-(tg.log_softmax(z, axis=1) * Y).sum() / 2).named("L")
    assert tg.check_by_hand(L, {"z": (p - Y) / 2}).ok
    assert codes(tg.check_by_hand(L, {"z": -Y / 2 * (1 - p)}), "z") == ["diagonal"]


def test_the_wrong_factor_in_one_of_two_uses() -> None:
    rng = np.random.default_rng(12)
    W, V, R = (tg.Tensor(rng.normal(size=(4, 4)), requires_grad=True, name=name) for name in "WVR")
    h1 = tg.tanh(W @ V).named("h1")
    h2 = tg.tanh(h1 @ V).named("h2")
    L = (h2 * R).sum().named("L")
    du2 = R.numpy() * (1 - h2.numpy() ** 2)
    du1 = du2 @ V.numpy().T * (1 - h1.numpy() ** 2)
    assert tg.check_by_hand(L, {"V": W.numpy().T @ du1 + h1.numpy().T @ du2}).ok
    report = tg.check_by_hand(L, {"V": W.numpy().T @ du1 + h2.numpy().T @ du2})
    assert report["V"].sentence() == "it is multiplied by h⁽²⁾, where h⁽¹⁾ belongs"


def test_powers_divisors_and_functions_for_their_derivatives() -> None:
    v = tg.Tensor([0.5, -1.2, 0.7, 2.0], requires_grad=True, name="v")
    m = tg.exp(v).named("m")
    z = m.sum().named("z")
    p = (m / z).named("p")
    L = (p**3).sum().named("L")
    P, M, Z = p.numpy(), m.numpy(), z.numpy()
    dz = -(3 * P**2 * M / Z**2).sum()
    assert tg.check_by_hand(L, {"p": 3 * P**2, "z": dz, "m": 3 * P**2 / Z + dz}).ok
    for name, answer, code, words in [
        ("p", 3 * P**3, "exponent", "exponent is 3, where 2 belongs"),
        ("z", -(3 * P**2 * M / Z).sum(), "no_factor", "the factor 1/z is missing"),
        ("z", -(3 * P**2 / Z**2).sum(), "no_factor", "the factor m is missing"),
    ]:
        report = tg.check_by_hand(L, {name: answer})
        assert codes(report, name) == [code]
        assert words in report[name].sentence()
    s = tg.square(v).sum().named("S")
    assert codes(tg.check_by_hand(s, {"v": 2 * v.numpy() ** 2}), "v") == ["exponent"]
    log = tg.log(m).sum().named("S")
    assert codes(tg.check_by_hand(log, {"m": np.log(M)}), "m") == ["function"]


def test_places_chosen_twice_that_overwrote_each_other() -> None:
    rng = np.random.default_rng(10)
    E = tg.Tensor(rng.normal(size=(6, 3)), requires_grad=True, name="E")
    places = np.array([0, 2, 2, 5])
    e = E[places].named("e")
    L = (e * rng.normal(size=(4, 3))).sum().named("L")
    de = tg.gradients(L, [e])[0].numpy()
    last, added = np.zeros((6, 3)), np.zeros((6, 3))
    last[places] += de  # what one writes at first
    np.add.at(added, places, de)
    assert tg.check_by_hand(L, {"E": added}).ok
    report = tg.check_by_hand(L, {"E": last})
    assert codes(report, "E") == ["overwritten"]
    assert "np.add.at" in report["E"].sentence("es")


def test_a_product_with_a_transpose_is_told_of_the_matrix_itself() -> None:
    rng = np.random.default_rng(11)
    Q, K = (tg.Tensor(rng.normal(size=(4, 3)), requires_grad=True, name=name) for name in "QK")
    S = (Q @ K.T).named("S")
    L = (S * rng.normal(size=(4, 4))).sum().named("L")
    dS = tg.gradients(L, [S])[0].numpy()
    assert tg.check_by_hand(L, {"K": dS.T @ Q.numpy()}).ok
    report = tg.check_by_hand(L, {"K": dS @ Q.numpy()})
    assert report["K"].sentence() == "the matrix product is ∂𝓛/∂S · Q, where (∂𝓛/∂S)ᵀ · Q belongs"


def test_products_of_stacks_and_of_values_without_a_name() -> None:
    rng = np.random.default_rng(13)
    Q, K = (tg.Tensor(rng.normal(size=(2, 4, 3)), requires_grad=True, name=name) for name in "QK")
    S = (Q @ tg.transpose(K, (0, 2, 1))).named("S")
    L = (S * rng.normal(size=(2, 4, 4))).sum().named("L")
    dS = tg.gradients(L, [S])[0].numpy()
    report = tg.check_by_hand(L, {"Q": dS.mT @ K.numpy(), "K": dS @ Q.numpy()})
    assert report["Q"].sentence() == "the matrix product is (∂𝓛/∂S)ᵀ · K, where ∂𝓛/∂S · K belongs"
    assert report["K"].sentence() == "the matrix product is ∂𝓛/∂S · Q, where (∂𝓛/∂S)ᵀ · Q belongs"
    A, B, C = (tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name=name) for name in "ABC")
    u = (A @ (B + C)).named("u")
    L = (u * rng.normal(size=(3, 3))).sum().named("L")
    du = tg.gradients(L, [u])[0].numpy()
    report = tg.check_by_hand(L, {"A": du @ (B.numpy() + C.numpy())})
    assert report["A"].sentence() == "the matrix product is ∂𝓛/∂u · (B + C), where ∂𝓛/∂u · (B + C)ᵀ belongs"


def test_one_mistake_is_told_once() -> None:
    w = tg.Tensor([1.0, 3.0, -2.0], requires_grad=True, name="w")
    L = ((w**3 * [0.3, 0.1, 0.2]).sum() / 3).named("L")
    right = tg.gradients(L, [w])[0].numpy()
    answer = tg.check_by_hand(L, {"w": right * 1.0 + 3e-7 * right})["w"]
    assert [d.code for d in answer.diagnosis] == ["near"]  # and not "1 times too large"
    p = tg.softmax(tg.Tensor([[0.1, 0.4], [0.3, -0.2]], requires_grad=True, name="z"), axis=1).named("p")
    Y = tg.Tensor([[1.0, 0.0], [0.0, 1.0]], name="Y")
    L = (-(Y * tg.log(p)).sum() / 2).named("L")
    sentence = tg.check_by_hand(L, {"p": -Y.numpy() / p.numpy()})["p"].sentence()
    assert sentence == "the factor 1/2 is missing"


def test_several_wrong_answers_above() -> None:
    a, b = tg.Tensor(3.0, requires_grad=True, name="a"), tg.Tensor(-2.0, requires_grad=True, name="b")
    c, d = (a * b).named("c"), (a + b).named("d")
    L = (c * d).named("L")
    report = tg.check_by_hand(L, {"c": 5.0, "d": 7.0, "a": 5.0 * -2.0 + 7.0})
    assert [x.verdict for x in report] == ["wrong", "wrong", "follows"]
    assert report["a"].sentence() == "it is computed from your ∂𝓛/∂c, ∂𝓛/∂d, which are wrong"
    assert report["a"].sentence("es") == "está calculado con tus ∂𝓛/∂c, ∂𝓛/∂d, que están mal"


@pytest.mark.parametrize("key", ["w2", "dl/dw2", "grad_W2", "W2.grad", "dL_dw2"])
def test_a_name_written_otherwise_is_found_again(key: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)is no value of this record.*Try: W2$"):
        tg.check_by_hand(Note().L, {key: 1.0})


def test_arguments_that_are_none() -> None:
    net = Note()
    with pytest.raises(TypeError, match="not a dict of gradients"):
        tg.check_by_hand(net.L, [("W2", 1.0)])  # type: ignore[arg-type]  # on purpose
    for rtol in (-1.0, float("nan"), 10, "small"):
        with pytest.raises(ValueError, match="rtol is"):
            tg.check_by_hand(net.L, {"c": 0.0}, rtol=rtol)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match="its rows have different lengths"):
        tg.check_by_hand(net.L, {"W2": [[1.0], [1.0, 2.0]]})
    with pytest.raises(ValueError, match="there are none with a gradient"):
        tg.check_by_hand(tg.Tensor(1.0, name="L"), {"w": 1.0})


def test_columns_stand_below_each_other_where_a_letter_wears_a_hat() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="xhat")
    y = tg.Tensor([1.0, 2.0], requires_grad=True, name="y")
    rows = str(tg.check_by_hand((x * y).sum().named("L"), {"xhat": [1.0, 2.0], "y": [1.0, 2.0]})).split("\n")[2:4]
    assert "x\N{COMBINING CIRCUMFLEX ACCENT}" in rows[0]
    assert rows[0].index("(2,)") == rows[1].index("(2,)") + 1  # one character more, of no width


@pytest.mark.parametrize("constant", [float("nan"), float("inf"), 5e-324, 1e308])
def test_a_constant_of_any_size_is_no_reason_to_stop(constant: float) -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        L = ((w * constant).sum() + (w * w).sum()).named("L")
        report = tg.check_by_hand(L, {"w": np.array([0.3, 0.7])})
    assert not report.ok
