"""The program of a lesson's page, run by node, against the engine: every op of the table, random programs, odd numbers."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from op_samples import SAMPLES, Sample
from test_random_programs import program as random_program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.graphs.levels import read
from tinygrad_edu.lessons.javascript import JAVASCRIPT, PARTS, javascript
from tinygrad_edu.lessons.program import Program, program
from tinygrad_edu.ops import OPS, Elementwise
from tinygrad_edu.sweep import topological_order

Array = np.ndarray[Any, np.dtype[Any]]
Build = Callable[[list[tg.Tensor]], tg.Tensor]
ETA = 0.25
EXAMPLES = {"getitem": 30, "scatter": 30, "matmul": 20, "einsum": 20}  # of the others 6

needs_node = [pytest.mark.javascript, pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")]

# Reads [{js, program, changed, eta}], writes what each script finds. Numbers that JSON has not are texts.
DRIVER = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const text = (key, x) => ArrayBuffer.isView(x) ? Array.from(x, (v) => text(key, v))
  : typeof x === "number" && !Number.isFinite(x) ? String(x) : x;
console.log(JSON.stringify(cases.map(({ js, program, changed, eta }) => {
  const lesson = require("vm").runInThisContext(`(() => { ${js}; return lesson; })()`);
  const found = lesson.run(program, changed);
  return { ...found, after: found.loss_after(eta), differences: lesson.check(program) };
}), text));
"""


@dataclass
class Case:
    """A program, numbers to change in it, and what the engine gives for these."""

    program: Program
    changed: dict[int, list[float]]
    values: dict[int, Array]
    gradients: dict[int, Array]
    loss: float
    after: float


def run(cases: Sequence[Case]) -> list[dict[str, Any]]:
    sent = [
        {"js": javascript(case.program), "program": case.program, "changed": flat(case.changed), "eta": ETA} for case in cases
    ]
    result: list[dict[str, Any]] = json.loads(node(DRIVER, json.dumps(sent, allow_nan=False)))
    return result


def node(script: str, text: str = "") -> str:
    """As strict as a page whose Content-Security-Policy has no unsafe-eval."""
    command = ["node", "--disallow-code-generation-from-strings", "-e", script]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def flat(changed: dict[int, list[float]]) -> dict[int, list[Any]]:
    return {node: [x if math.isfinite(x) else str(x).replace("inf", "Infinity") for x in xs] for node, xs in changed.items()}


def leaves_of(arrays: Sequence[Array]) -> list[tg.Tensor]:
    return [tg.Tensor(a, requires_grad=np.asarray(a).dtype.kind == "f", name=f"w{i}") for i, a in enumerate(arrays)]


@np.errstate(all="ignore")
def case(build: Build, arrays: Sequence[Array], others: Sequence[Array] | None = None) -> Case:
    """What ``build`` computes of the arrays, as a program; and what it gives for other numbers, by a fresh run of the engine."""
    leaves = leaves_of(arrays)
    root = build(leaves)
    found, remark = program(root)
    assert found is not None, remark
    fresh = leaves_of(arrays if others is None else others)
    again = build(fresh)
    places = read([again], "op", loss=again).places
    order = topological_order([again])
    floats = [t for t in order if t.dtype.kind == "f" and str(places[id(t)]) in found["gradients"]]
    slopes = tg.gradients(again, floats, unused="zero")
    moved = [t.numpy() for t in fresh]
    for i, t in enumerate(fresh):
        if str(places.get(id(t))) in found["gradients"]:
            moved[i] = t.numpy() - t.dtype.type(ETA) * tg.gradients(again, t).numpy()
    try:
        after = float(build(leaves_of(moved)).item())
    except ValueError:  # the step has left the domain: the engine says so, the page shows NaN
        after = math.nan
    changed = [] if others is None else [t for t in fresh if id(t) in places]
    return Case(
        program=found,
        changed={places[id(t)]: [float(x) for x in t.numpy().ravel()] for t in changed},
        values={places[id(t)]: t.numpy() for t in order},
        gradients={places[id(t)]: g.numpy() for t, g in zip(floats, slopes, strict=True)},
        loss=float(again.item()),
        after=after,
    )


def compare(case: Case, found: dict[str, Any], rtol: float = 1e-12) -> None:
    def close(a: Any, b: Any) -> None:
        a, b = np.ravel(np.asarray(a, float)), np.ravel(np.asarray(b, float))
        largest = max([1.0, *np.abs(b[np.isfinite(b)])])
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * largest)

    for node, value in case.values.items():
        close(found["values"][str(node)], value)
    for node, gradient in case.gradients.items():
        close(found["gradients"][str(node)], gradient)
    assert set(found["gradients"]) == set(map(str, case.gradients))
    close(found["loss"], case.loss)
    close(found["after"], case.after)
    assert found["differences"] == []


def check(*cases: Case, rtol: float = 1e-12) -> None:
    for one, found in zip(cases, run(cases), strict=True):
        compare(one, found, rtol)


# ---- every op --------------------------------------------------------------------------------------------------------


def samples(name: str) -> list[Sample]:
    found: list[Sample] = []

    @settings(
        max_examples=EXAMPLES.get(name, 6),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(SAMPLES[name])
    def collect(sample: Sample) -> None:
        found.append(sample)

    collect()
    return found


def of_sample(name: str, sample: Sample) -> Case:
    """The op, and the sum of its numbers with weights, so that each has a gradient of its own."""

    def build(leaves: list[tg.Tensor]) -> tg.Tensor:
        return weighted(OPS[name](*leaves, **sample.params))

    others = [a * 1.03 if a.dtype.kind == "f" else a for a in sample.args]
    return case(build, sample.args, others)


def test_every_op_has_javascript() -> None:
    assert set(JAVASCRIPT) == set(OPS.values())


def test_only_what_a_program_uses_is_in_its_script() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    found, _ = program(tg.tanh(x).sum())
    assert found is not None
    text = javascript(found)
    assert {name for name in PARTS if f"const {name} =" in text} == {
        "size", "steps", "places", "take", "repeated", "each", "rows", "reduce", "total",
    }  # fmt: skip
    assert "softmax" not in text
    for name in PARTS:
        assert re.search(rf"(?<![.\w]){name}\b", "".join([*JAVASCRIPT.values(), *(t for n, t in PARTS.items() if n != name)])), (
            name
        )


def test_the_page_is_told_what_stays_as_recorded() -> None:
    _, remark = program(tg.Tensor(2.0, requires_grad=True) * 3)
    assert "a branch that was taken" in remark["en"]
    assert "la rama que se tomó" in remark["es"]


def test_an_op_of_the_users_own_has_no_javascript() -> None:
    double = tg.elementwise("<b>do\x1buble", lambda x: 2 * x, lambda y, x: 2 + 0 * x)
    found, remark = program(double(tg.Tensor(2.0, requires_grad=True)))
    assert found is None
    assert "<b>do\N{REPLACEMENT CHARACTER}uble" in remark["en"]
    assert "<b>do\N{REPLACEMENT CHARACTER}uble" in remark["es"]


def test_a_name_of_the_table_does_not_make_an_op_of_the_table() -> None:
    cube = tg.elementwise("tanh", lambda x: x * x * x, lambda y, x: 3 * x * x)
    assert program(cube(tg.Tensor(2.0, requires_grad=True)))[0] is None


def test_numbers_that_javascript_has_not() -> None:
    found, remark = program(tg.Tensor(2.0, requires_grad=True, dtype=np.float16) * 3)
    assert found is None
    assert "float16" in remark["en"]


def test_what_is_too_large_for_a_page() -> None:
    numbers = np.random.default_rng(0).normal(size=30_000)
    found, remark = program((tg.Tensor(numbers) * tg.Tensor(1.0, requires_grad=True)).sum())
    assert found is None
    assert "too large" in remark["en"]
    ones = tg.Tensor(np.ones(30_000), requires_grad=True)  # one number says it all
    assert program(ones.sum())[0] is not None


def test_places_say_which_values_are_nodes() -> None:
    x = tg.Tensor(2.0, requires_grad=True)
    y = x * x
    z = tg.tanh(y)
    found, _ = program(z, {id(x): 7, id(z): 9})
    assert found is not None
    assert set(found["values"]) == set(found["gradients"]) == {"7", "9"}
    assert found["given"][0]["node"] == 7


KEYS: list[Any] = [
    (), 1, -1, None, Ellipsis, slice(None, None, -2), slice(1, 1), slice(-1, -9, -1), (Ellipsis, 0), (0, None, slice(1, 3), -1),
    [0, 0, -1], (slice(None), [0, 1], Ellipsis, [0, 1]), (slice(None), [0, 1], [0, 1]), (0, slice(None), [0, 1]),
    ([0, 1], None, slice(None), 0), ([0, 1], None, 0), (slice(None), 0, [1, 0]), ([[0], [1]], [0, 1, 2]),
    ([[0], [1]], slice(2), [1]), True, False, (slice(None), True), (slice(None), [0, 1], True), [True, False, True, False, True],
    ([], 0),
    (slice(None), [[True] * 4, [False] * 4, [True, False] * 2]), ([True, False, False, True, False], 0, [1, 2]),
]  # fmt: skip


def weighted(y: tg.Tensor) -> tg.Tensor:
    """A sum in which each number has a weight of its own."""
    return (y * np.random.default_rng(0).uniform(0.5, 1.5, y.shape)).sum()


@np.errstate(all="ignore")
def odd(x: tg.Tensor) -> tg.Tensor:
    """Ops that have something to say of numbers that are none."""
    parts: list[tg.Tensor] = [
        tg.log(x), tg.sqrt(x), 1 / x, x**1.5, x**-1.0, 1.0**x, (-1.0) ** x,
        tg.tanh(x), tg.sigmoid(x), tg.softplus(x), tg.exp(x), tg.relu(x),
        tg.maximum(x, 0.0), tg.minimum(x, 1.0), tg.sort(x), x[tg.argsort(x)], x[tg.argmax(x)], x[tg.argmin(x)], x.max(), x.min(),
        tg.where(x > 0, x, 0.0), tg.where(x != x, 1.0, 2.0 * x), tg.cumsum(x), tg.logsumexp(x), tg.softmax(x), tg.norm(x),
        np.sign(x), tg.clip(x, -1.0, 1.0), tg.gelu(x), tg.selu(x), tg.elu(x), tg.silu(x), np.rint(x), x * np.isfinite(x),
        x * np.isnan(x),
    ]  # fmt: skip
    return tg.stack([weighted(y) for y in parts]).sum()


def float32(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


class TestNode:
    pytestmark = needs_node

    @pytest.mark.parametrize("kind", sorted({op.kind for op in OPS.values()}))
    def test_every_op_gives_the_engines_numbers(self, kind: str) -> None:
        cases = [(name, sample) for name, op in OPS.items() if op.kind == kind for sample in samples(name)]
        made = [of_sample(name, sample) for name, sample in cases]
        for (name, sample), one, found in zip(cases, made, run(made), strict=True):
            try:
                compare(one, found)
            except AssertionError as error:
                raise AssertionError(f"{name}: {sample}") from error

    def test_random_programs(self) -> None:
        cases = []
        for seed in (*range(12), 164):
            arrays = [t.numpy() for t in random_program(seed)[1]]
            build: Build = partial(lambda seed, leaves: random_program(seed, leaves)[0], seed)
            cases.append(case(build, arrays, [np.asarray(a + 0.05) for a in arrays]))
        check(*cases)

    def test_keys(self) -> None:
        numbers = np.random.default_rng(0).normal(size=(5, 3, 4))
        check(*[case(partial(lambda key, leaves: weighted(leaves[0][key]), key), [numbers], [numbers + 1]) for key in KEYS])

    def test_the_same_key_of_two_shapes(self) -> None:
        check(case(lambda xs: xs[0][..., 0] + xs[1][..., 0], [np.ones(2), np.ones(3)], [np.zeros(2), np.ones(3)]))

    def test_indices_that_are_computed(self) -> None:
        def build(xs: list[tg.Tensor]) -> tg.Tensor:
            x, w = xs
            return weighted(w[tg.argmax(x, axis=1)]) + tg.cross_entropy(x @ w, tg.Tensor([0, 1, 3, 2]))

        rng = np.random.default_rng(0)
        x, w = rng.normal(size=(4, 5)), rng.normal(size=(5, 4))
        check(case(build, [x, w], [rng.normal(size=(4, 5)), w]))

    def test_a_mask_stays_as_recorded(self) -> None:
        x = tg.Tensor([1.0, -2.0, 3.0], requires_grad=True)
        found, _ = program(x[x > 0].sum())
        assert found is not None
        (result,) = run([Case(found, {0: [-5.0, 7.0, 3.0]}, {}, {}, 0.0, 0.0)])
        assert result["loss"] == -2.0

    def test_numbers_that_are_none(self) -> None:
        finite = np.array([0.5, 1.5, 2.5, 3.0])
        others: list[Any] = [
            [-1.0, 2.0, 0.0, 1.0],
            [np.inf, 1.0, 2.0, -np.inf],
            [np.nan, 1.0, 2.0, 3.0],
            [1.0, np.nan, -np.inf, np.nan],
        ]
        for other in others:
            check(case(lambda xs: odd(xs[0]), [finite], [np.array(other)]))
            check(case(lambda xs: odd(xs[0]), [np.array(other)]))

    def test_outside_of_the_domain_the_page_shows_nan(self) -> None:
        p = tg.Tensor(0.5, requires_grad=True)
        found, _ = program(tg.binary_cross_entropy(p, 1.0))
        assert found is not None
        inside, outside = run([Case(found, {0: [x]}, {}, {}, 0.0, 0.0) for x in (0.25, 1.5)])
        assert inside["loss"] == pytest.approx(-np.log(0.25), rel=1e-12)
        assert outside["loss"] == "NaN"

    def test_nothing_and_scalars(self) -> None:
        def build(xs: list[tg.Tensor]) -> tg.Tensor:
            x, w = xs
            empty = [
                tg.softmax(x, axis=1),
                x @ x.T,
                tg.concatenate([x, x]),
                tg.einsum("ij,ik->jk", x, x),
                x[:, ::-1],
                tg.cumsum(x, axis=0),
            ]
            return weighted(tg.stack([y.sum() for y in empty])) + tg.sin(w) * w

        check(case(build, [np.zeros((0, 3)), np.array(2.0)], [np.zeros((0, 3)), np.array(3.0)]))

    def test_axes_of_size_1_are_repeated(self) -> None:
        rng = np.random.default_rng(0)
        a, b, c = rng.normal(size=(2, 1, 3, 4)), rng.normal(size=(5, 4, 2)), rng.normal(size=(1, 2, 3))
        rows, column = rng.normal(size=(3, 4)), rng.normal(size=(3, 1))
        check(
            case(lambda xs: weighted(xs[0] @ xs[1]), [a, b], [a + 1, b]),
            case(lambda xs: weighted(xs[0] @ xs[1]), [c, a], [c + 1, a]),
            case(lambda xs: weighted(xs[0] @ xs[1]), [a, b[:1]], [a + 1, b[:1]]),
            case(lambda xs: weighted(tg.einsum("ij,ij->i", *xs)), [rows, column], [rows, column + 1]),
            case(lambda xs: weighted(tg.einsum("ij,ij->j", *xs)), [column, rows], [column + 1, rows]),
        )

    def test_ties(self) -> None:
        def build(xs: list[tg.Tensor]) -> tg.Tensor:
            (x,) = xs
            order = tg.argsort(x)
            return weighted(order * 1.0) + weighted(x[order]) + weighted(tg.sort(x)) + x.max() + x[tg.argmin(x)] * tg.argmax(x)

        numbers = np.array([1.0, 0.0, 2.0] * 20)
        check(case(build, [numbers], [numbers[::-1].copy()]))

    def test_probabilities_at_the_ends(self) -> None:
        p, y = np.array([0.25, 0.5, 0.75]), np.array([0.0, 1.0, 0.5])
        check(case(lambda xs: tg.binary_cross_entropy(*xs), [p, y], [np.array([0.0, 1.0, 0.5]), y]))

    def test_large_arrays(self) -> None:
        def build(xs: list[tg.Tensor]) -> tg.Tensor:
            q, k, v, w = xs
            a = tg.softmax(q @ k.mT / 4.0, axis=-1)
            return ((tg.einsum("bhij,bhjd->bhid", a, v) @ w) ** 2).mean()

        rng = np.random.default_rng(0)
        arrays = [rng.normal(size=(2, 4, 24, 16)) for _ in range(3)] + [rng.normal(size=(16, 40))]
        check(case(build, arrays, [a * 1.1 for a in arrays]))

    def test_integers_wrap_and_booleans_count(self) -> None:
        def build(xs: list[tg.Tensor]) -> tg.Tensor:
            x, small, mask, unsigned = xs
            some = [small * small, small.astype(float) / 2, (mask + mask) * 1, mask.sum() * 1.0, unsigned + unsigned, mask.mean()]
            return weighted(tg.stack([(x * y).sum() for y in some])) + (x * 3.7).astype(int).sum() * x.sum()

        small = np.array([100, -100, 3], np.int8)
        arrays = [np.array([0.7, -1.2, 3.4]), small, np.array([True, False, True]), np.array([200, 3, 4], np.uint8)]
        check(case(build, arrays, [np.array([1.7, -0.2, 2.4]), *arrays[1:]]))

    def test_float32_is_rounded_at_every_step(self) -> None:
        def exact(xs: list[tg.Tensor]) -> tg.Tensor:
            x, w = xs
            y = tg.where(x > 0.1, x * 0.1 + w, w / 3.0 - x)
            return y[0] * y[1] - tg.sqrt(abs(y[2]))

        one = case(exact, float32((3,), (3,)), [a + np.float32(0.1) for a in float32((3,), (3,))])
        assert one.program["tolerance"] == 1e-4
        assert max(len(str(x)) for given in one.program["given"] for x in given["data"]) < 12
        (found,) = run([one])
        for node, value in one.values.items():
            assert np.ravel(found["values"][str(node)]).tolist() == np.ravel(value).astype(float).tolist()
        for node, value in one.gradients.items():
            assert np.ravel(found["gradients"][str(node)]).tolist() == np.ravel(value).astype(float).tolist()

    def test_a_network_in_float32(self) -> None:
        def build(xs: list[tg.Tensor]) -> tg.Tensor:
            x, w, v = xs
            return tg.cross_entropy(tg.gelu(x @ w) @ v * 0.3, tg.Tensor([0, 1, 2, 1]))

        arrays = float32((4, 3), (3, 5), (5, 3))
        check(case(build, arrays, [a * np.float32(1.1) for a in arrays]), rtol=2e-6)

    def test_networks(self) -> None:
        """Whatever the layers record: the numbers of a fresh run, when the input changes."""
        images = np.random.default_rng(0).normal(size=(2, 1, 6, 6))
        convolution = tg.nn.Sequential(
            tg.nn.Conv2d(1, 2, 3, padding=1, seed=0),
            tg.nn.ReLU(),
            tg.nn.MaxPool2d(2),
            tg.nn.Flatten(),
            tg.nn.Linear(18, 3, seed=1),
        )
        rows = np.random.default_rng(1).normal(size=(4, 3))
        normal = tg.nn.Sequential(tg.nn.Linear(3, 5, seed=0), tg.nn.LayerNorm(5), tg.nn.GELU(), tg.nn.MLP([5, 4, 1], seed=2))
        for parameter in [*convolution.parameters(), *normal.parameters()]:
            parameter.requires_grad = (
                False  # the step moves the input alone, and so can be compared; gradients are there all the same
            )
        check(
            case(lambda xs: tg.cross_entropy(convolution(xs[0]), tg.Tensor([0, 2])), [images], [images + 0.1]),
            case(lambda xs: tg.binary_cross_entropy_with_logits(normal(xs[0]), np.ones((4, 1))), [rows], [rows + 0.1]),
        )

    def test_the_notes_network_and_its_next_step(self) -> None:
        values = note.network()
        found, _ = program(values["L"])
        assert found is not None
        assert len(json.dumps(found)) + len(javascript(found)) < 30_000
        values["L"].backward()
        leaves = [t for t in values.values() if not t.inputs and t.requires_grad]
        assert sorted(found["parameters"]) == sorted(read([values["L"]], "op", loss=values["L"]).places[id(t)] for t in leaves)
        for t in leaves:
            t.data = t.data - ETA * t.grad
        replayed = note.network()
        (result,) = run([Case(found, {}, {}, {}, 0.0, 0.0)])
        assert result["differences"] == []
        assert result["loss"] == pytest.approx(replayed["L"].item(), rel=1e-12)
        assert result["after"] < result["loss"]

    def test_a_leaf_that_was_given_new_numbers(self) -> None:
        w = tg.Tensor([2.0, 3.0], requires_grad=True, name="w")
        L = (w * w * 0.5).sum()
        w.data = np.array([70.0, 80.0])
        found, _ = program(L)
        assert found is not None
        (result,) = run([Case(found, {}, {}, {}, 0.0, 0.0)])
        assert result["values"]["0"] == result["gradients"]["0"] == [2.0, 3.0]
        assert result["after"] == pytest.approx(6.5 * (1 - ETA) ** 2)
        assert result["differences"] == []

    def test_a_leaf_that_was_given_new_numbers_between_two_uses(self) -> None:
        w = tg.Tensor([2.0, 3.0], requires_grad=True, name="w")
        L = (w * w).sum()
        w.data = np.array([7.0, 8.0])
        L = L + (w * w * w).sum()
        found, _ = program(L)
        assert found is not None
        (result,) = run([Case(found, {}, {}, {}, 0.0, 0.0)])
        assert result["loss"] == 4 + 9 + 343 + 512
        assert result["gradients"]["0"] == [4 + 3 * 49, 6 + 3 * 64]
        assert result["differences"] == []

    def test_a_difference_is_found(self) -> None:
        x = tg.Tensor([1.0, 2.0], requires_grad=True)
        found, _ = program((tg.tanh(x) * x).sum())
        assert found is not None
        right = json.loads(json.dumps(found))
        wrong_op, wrong_number = json.loads(json.dumps(found)), json.loads(json.dumps(found))
        wrong_op["instructions"][0]["op"] = "sin"
        wrong_number["expected"]["gradients"]["0"][1] += 1e-6
        results = run([Case(p, {}, {}, {}, 0.0, 0.0) for p in (right, wrong_op, wrong_number)])
        assert [len(r["differences"]) for r in results] == [0, len(results[1]["differences"]), 1]
        assert {d["what"] for d in results[1]["differences"]} == {"values", "gradients"}
        (difference,) = results[2]["differences"]
        assert (difference["node"], difference["what"], difference["place"]) == (0, "gradients", 1)
        assert difference["engine"] - difference["page"] == pytest.approx(1e-6)

    def test_every_elementwise_op_can_be_called_with_numbers(self) -> None:
        """As an entry of a step does, also without a program."""
        ops = {name: op for name, op in sorted(OPS.items()) if isinstance(op, Elementwise)}
        sent, expected = [], []
        for name, op in ops.items():
            for sample in samples(name):
                if all(np.size(a) for a in sample.args) and np.dtype(sample.params.get("dtype", float)).kind == "f":
                    numbers = [np.asarray(a, float).ravel()[0] for a in sample.args]
                    params = {key: value for key, value in sample.params.items() if key != "dtype"}
                    sent.append([name, params, numbers])
                    with np.errstate(all="ignore"):
                        expected.append(float(op.forward(*numbers, **sample.params)))
        assert {name for name, *_ in sent} == ops.keys() - {"to_discrete"}  # what it gives depends on the dtype alone
        driver = f"""
          {javascript(None, ops)}
          const sent = JSON.parse(require("fs").readFileSync(0, "utf8"));
          console.log(JSON.stringify(sent.map(([name, params, xs]) =>
            lesson.ops[name](params, [], ...xs.map((x) => ({{ shape: [], data: [x] }})))[0])));
        """
        np.testing.assert_allclose(np.array(json.loads(node(driver, json.dumps(sent))), float), expected, rtol=1e-6, atol=1e-9)

    def test_the_script_makes_one_name_and_is_strict(self) -> None:
        everything: Any = {"instructions": [{"op": name} for name in OPS]}
        script = javascript(everything)
        checked = """
          const vm = require("vm"), context = vm.createContext({});
          vm.runInContext(require("fs").readFileSync(0, "utf8"), context);
          console.log(Object.keys(context).length, vm.runInContext("Object.keys(lesson)", context).join());
        """
        assert node(checked, script).split() == ["0", "run,check,ops"]
        assert '"use strict"' in script
        assert not re.search(r"\beval\b|\bFunction\(|</|<!--", script)
