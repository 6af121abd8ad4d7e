"""``export_onnx``: the file computes what the engine computes, on other sizes too, in two runtimes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_random_programs as programs
from hypothesis import given, settings
from hypothesis import strategies as st
from op_samples import SAMPLES
from test_random_programs import program

import tinygrad_edu as tg
from tinygrad_edu import note
from tinygrad_edu.exporting import Exported, NoOnnxError
from tinygrad_edu.exporting.size import Measured, Power, Size, explain, trials
from tinygrad_edu.ops import OPS
from tinygrad_edu.record import record
from tinygrad_edu.sweep import topological_order

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.interop

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Any]


def reference(path: Path, feed: Arrays) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    with np.errstate(all="ignore"):
        return list(ReferenceEvaluator(model).run(None, dict(feed)))


def fast(path: Path, feed: Arrays) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it notes each parameter that may be overridden
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feed)))


RUNTIMES: Sequence[Callable[[Path, Arrays], list[Any]]] = [reference, fast] if onnxruntime is not None else [reference]


def leaves_of(root: tg.Tensor) -> dict[str, tg.Tensor]:
    return {t.name: t for t in topological_order([root]) if not t.inputs and t.name is not None}


def engine(root: tg.Tensor, outputs: Sequence[str]) -> list[Any]:
    """The value, and its gradients, named as in the file."""
    leaves = leaves_of(root)
    return [root.numpy(), *(tg.gradients(root, leaves[name.partition("_d")[2]]).numpy() for name in outputs[1:])]


def same(model: Exported, root: tg.Tensor, **tolerance: float) -> None:
    """The file, on the leaves of this record, has the numbers of this record."""
    leaves = leaves_of(root)
    feed = {name: leaves[str(t.name)].numpy() for name, t in {**model.inputs, **model.parameters}.items()}
    expected = engine(root, model.outputs)
    for run in RUNTIMES:
        found = run(model.path, feed)
        assert len(found) == len(expected)
        for name, a, b in zip(model.outputs, found, expected, strict=True):
            array = np.asarray(a)
            assert (array.shape, array.dtype) == (b.shape, b.dtype), (run.__name__, name)
            np.testing.assert_allclose(array, b, **{"rtol": 1e-10, "atol": 1e-12, **tolerance}, err_msg=f"{run.__name__} {name}")


def quietly(root: tg.Tensor, path: Path, **options: Any) -> Exported:
    """Exported, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return tg.export_onnx(root, path, **options)


# ---- every op --------------------------------------------------------------------------------------------------------


def tolerance_of(*dtypes: Any) -> dict[str, float]:
    return {"rtol": 5e-6, "atol": 1e-6} if np.float32 in dtypes else {"rtol": 1e-13, "atol": 1e-14}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", list(OPS))
@given(data=st.data())
@settings(max_examples=8)
def test_every_op_of_the_table(name: str, dtype: Any, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    args = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.args]
    # A mask that is given would have a number of True that nobody knows before.
    free = [i == 0 or a.dtype.kind != "b" or name not in ("getitem", "scatter") for i, a in enumerate(args)]
    with np.errstate(all="ignore"):
        xs = [tg.Tensor(a, name=f"x{i}" if f else None) for i, (a, f) in enumerate(zip(args, free, strict=True))]
        y = record(OPS[name], tuple(xs), sample.params)
    with tempfile.TemporaryDirectory() as folder:
        same(tg.export_onnx(y, f"{folder}/f.onnx"), y, **tolerance_of(*(a.dtype for a in args)))


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.differentiable])
@given(data=st.data())
@settings(max_examples=6)
def test_the_gradients_of_every_op(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    floats = [a.dtype.kind == "f" for a in sample.args]
    pairs = enumerate(zip(sample.args, floats, strict=True))
    xs = [tg.Tensor(a, requires_grad=f, name=f"x{i}" if f else None) for i, (a, f) in pairs]
    y = record(OPS[name], tuple(xs), sample.params)
    weights = np.random.default_rng(y.size).normal(size=y.shape)
    root = (y * tg.Tensor(weights, requires_grad=True, name="w")).sum().named("L")
    with tempfile.TemporaryDirectory() as folder:
        same(tg.export_onnx(root, f"{folder}/f.onnx", wrt=True), root, rtol=1e-9, atol=1e-11)


EXTREME = [0.0, 1e-300, 1e-20, 1e-9, 1e-4, 0.3, 1.0, 19.0, 40.0, 700.0, 1e5, 1e30, 1e300, np.inf]


COMPOSED = ["expm1", "log1p", "sinh", "cosh", "arctan", "softplus", "log_sigmoid", "sigmoid", "silu", "tanh", "elu"]


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-14), (np.float32, 1e-6)])
@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_composed_is_right_to_the_last_digits_everywhere(name: str, dtype: Any, rtol: float, tmp_path: Path) -> None:
    x = np.array([*EXTREME, *(-v for v in EXTREME)])
    if name == "log1p":
        x = np.array([*EXTREME, -1e-300, -1e-20, -1e-9, -0.3, -0.999999, -1.0])
    with np.errstate(all="ignore"):
        y = getattr(tg, name)(tg.Tensor(x, name="x", dtype=dtype)).named("L")
        same(tg.export_onnx(y, tmp_path / "f.onnx"), y, rtol=rtol, atol=0.0)


def test_the_hard_cases_of_the_fused_ops(tmp_path: Path) -> None:
    inf = np.inf
    table = tg.Tensor([[1.0, inf], [-inf, 2.0]], name="x")
    high = tg.Tensor([[1000.0, 1001.0], [-1000.0, 0.0], [-inf, -inf], [inf, 1.0]], name="u")
    finite, chance = tg.Tensor(high.numpy()[:2], name="z"), tg.Tensor([0.0, 1.0, 0.5, 0.0], name="p")
    sure = tg.Tensor([0.0, 1.0, 1.0, 0.0], name="t")
    with np.errstate(all="ignore"):
        for y in (
            table.trace(),
            tg.logsumexp(high, axis=1),
            tg.logsumexp(high),
            tg.softmax(finite),
            tg.softmax(finite, axis=None),
            tg.log_softmax(finite, axis=(0, 1)),
            tg.binary_cross_entropy(chance, sure),
            tg.binary_cross_entropy_with_logits(finite, tg.Tensor(np.eye(2), name="t")),
            tg.cross_entropy(finite, tg.Tensor([0, 1], name="t")),
        ):
            same(tg.export_onnx(y.named("L"), tmp_path / "f.onnx"), y, rtol=1e-14)
    w = tg.Tensor(np.zeros(3), requires_grad=True, name="w")
    for y in (tg.norm(w), tg.relu(w).sum(), abs(w).sum(), w.max(), tg.maximum(w, 0.0).sum(), w.std()):
        same(tg.export_onnx(y.named("L"), tmp_path / "f.onnx", wrt=w), y)


def test_arrays_without_numbers(tmp_path: Path) -> None:
    x = tg.Tensor(np.ones((0, 3)), name="x", requires_grad=True)
    for y in (x.reshape(3, 0), x.T, x.sum(axis=0), x @ np.ones((3, 2)), tg.concatenate([x, x]), x[:0], x[:, [0, 0]], x + 1.0):
        same(tg.export_onnx(y.named("L"), tmp_path / "f.onnx"), y)
    root = (x.reshape(3, 0) * 2.0).sum().named("L")
    same(tg.export_onnx(root, tmp_path / "f.onnx", wrt=x), root)


def test_float32_stays_float32(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(5, 3)), name="x", dims="N F", dtype=np.float32)
    w = tg.Tensor(rng.normal(size=(3, 3)), name="w", requires_grad=True, dtype=np.float32)
    y = tg.gelu(x @ w) + tg.arctan(x) * 2.5 + tg.sinh(x) / tg.cosh(x) + tg.tan(0.3 * x)
    root = (y**2).mean().named("L")
    same(tg.export_onnx(root, tmp_path / "f.onnx", wrt=w), root, rtol=1e-5, atol=1e-6)


def test_other_types(tmp_path: Path) -> None:
    i = tg.Tensor([[1, 2], [3, -4]], name="i")
    b = tg.Tensor([[True, False], [True, True]], name="b")
    for y in (i + i, i / 2, i * 1.5, i + b, b + b, b * b, b.sum(), i.max(axis=0), b.max(axis=0), b.mean(), i @ i, b @ b, i.T):
        same(tg.export_onnx(y, tmp_path / "f.onnx"), y)
    for y in (
        tg.where(b, b, i > 2),
        i.argmax(),
        tg.where(b, i, 0.5),
        (i > 1) & b,
        i == b,
        b < (i > 0),
        abs(i),
        i.astype(bool),
        -i,
    ):
        same(tg.export_onnx(y, tmp_path / "f.onnx"), y)
    long = tg.Tensor(np.ones(3, np.longdouble), name="long")
    if long.dtype != np.float64:
        with pytest.raises(NoOnnxError, match=r"no numbers of type"):
            tg.export_onnx(long + long, tmp_path / "f.onnx")


# ---- models, on other sizes ------------------------------------------------------------------------------------------


def test_the_note_with_another_number_of_examples(tmp_path: Path) -> None:
    model = tg.export_onnx(note.network()["L"], tmp_path / "f.onnx", wrt=True)
    assert (list(model.inputs), model.letters) == (["x", "y"], ("N",))
    assert model.outputs == ("L", "dL_dW1", "dL_db1", "dL_dW2", "dL_db2", "dL_dU", "dL_dc")
    for n in (1, 3, 8):
        feed = {name: t.numpy() for name, t in note.network(n, seed=n).items() if name in (*model.inputs, *model.parameters)}
        hand = note.by_hand(feed)
        for run in RUNTIMES:
            found = run(model.path, feed)
            for name, value in zip(model.outputs, found, strict=True):
                np.testing.assert_allclose(value, hand[name.removeprefix("dL_d")], rtol=1e-12, atol=1e-15)


def tensor(rng: np.random.Generator, name: str, dims: str | None, *shape: int) -> tg.Tensor:
    """Data has a lower-case name, a parameter an upper-case one."""
    return tg.Tensor(rng.normal(size=shape), requires_grad=name.isupper(), name=name, dims=dims)


def attention(n: int, rng: np.random.Generator) -> tg.Tensor:
    x = tensor(rng, "x", "T D", n, 4)
    q, k, v = ((x @ tensor(rng, name, None, 4, 4)).reshape(n, 2, 2).transpose(1, 0, 2) for name in ("Q", "K", "V"))
    heads = tg.softmax(q @ k.mT / 1.7, axis=-1) @ v
    return (heads.transpose(1, 0, 2).reshape(n, 4) ** 2).mean()


def layer_norm(n: int, rng: np.random.Generator) -> tg.Tensor:
    h = tensor(rng, "x", "N D", n, 3) @ tensor(rng, "W", "D E", 3, 4)
    centred = h - h.mean(axis=1, keepdims=True)
    return ((tensor(rng, "G", "E", 4) * centred / tg.sqrt(h.var(axis=1, keepdims=True) + 0.1)) ** 3).mean()


def batch_norm(n: int, rng: np.random.Generator) -> tg.Tensor:
    h = tensor(rng, "x", "N D", n, 3) @ tensor(rng, "W", "D E", 3, 4)
    z = (h - h.mean(axis=0)) / tg.sqrt(h.var(axis=0) + 1e-5)
    return (z**3).mean() + h.std(ddof=1) + h.std(axis=0).sum() + h.var(axis=0, ddof=2).sum()


def classes(n: int, rng: np.random.Generator) -> tg.Tensor:
    target = tg.Tensor(rng.integers(0, 5, size=n), name="t", dims="N")
    return tg.cross_entropy(tensor(rng, "x", "N F", n, 3) @ tensor(rng, "W", "F C", 3, 5), target)


def convolution(n: int, rng: np.random.Generator) -> tg.Tensor:
    x = tensor(rng, "x", "B H W", n, n + 2, 6)
    windows = tg.sliding_window_view(x, (3, 2), (1, 2))
    y = tg.relu(tg.einsum("bhwij,ijo->bhwo", windows, tensor(rng, "K", None, 3, 2, 4)) + tensor(rng, "C", "o", 4))
    return (y.mean(axis=(1, 2)) @ tensor(rng, "V", None, 4)).mean()


def convolution_of_a_result(n: int, rng: np.random.Generator) -> tg.Tensor:
    scaled = tensor(rng, "x", "H W", n, n + 2) * tensor(rng, "S", None)
    return (tg.einsum("hwij,ij->hw", tg.sliding_window_view(scaled, (2, 2)), tensor(rng, "K", None, 2, 2)) ** 2).mean()


def embedding(n: int, rng: np.random.Generator) -> tg.Tensor:
    words = tg.Tensor(rng.integers(0, 7, size=(n, 3)), name="i", dims="N T")
    return ((tensor(rng, "E", "V D", 7, 4)[words].mean(axis=1) @ tensor(rng, "W", "D", 4)) ** 2).mean()


def picked(n: int, rng: np.random.Generator) -> tg.Tensor:
    target = tg.Tensor(rng.integers(0, 3, size=n), name="t", dims="N")
    p = tg.softmax(tensor(rng, "x", "N F", n, 3) @ tensor(rng, "W", None, 3, 3))
    return -(tg.log(p[np.arange(n), target])).mean() + tg.take_along_axis(p, target[:, None]).sum()


def joined(n: int, rng: np.random.Generator) -> tg.Tensor:
    both = tg.concatenate([tensor(rng, "x", "N F", n, 5) @ tensor(rng, "W", None, 5), tg.flip(tensor(rng, "z", "M", n + 1))])
    return (tg.pad(both, 1, constant_values=0.3) * 1.5).std() + (both[1:] - both[:-1]).sum() + tg.logsumexp(both)


def ordered(n: int, rng: np.random.Generator) -> tg.Tensor:
    y = tensor(rng, "x", "N F", n, 5) * tensor(rng, "W", None, 5)
    return (tg.cumsum(y, axis=0) * tg.sort(y, axis=0)).mean() + y.max() + y.min(axis=0).sum() + tg.norm(y, axis=0).sum()


def squares(n: int, rng: np.random.Generator) -> tg.Tensor:
    g = tensor(rng, "x", "N F", n, 5) @ tensor(rng, "W", None, 5, 5)
    g = g @ g.T
    return g.trace() + tg.einsum("ii->i", g).sum() + tg.einsum("ij->j", g)[0] + (g[0] * g[-1]).sum()


def repeated(n: int, rng: np.random.Generator) -> tg.Tensor:
    x, b = tensor(rng, "x", "N F", n, 3), tensor(rng, "B", None, 3)
    return (tg.broadcast_to(b, (n, 3)) * x).sum() + (tg.tile(x @ b, 3) ** 2).mean()


def flattened(n: int, rng: np.random.Generator) -> tg.Tensor:
    x = tensor(rng, "x", "N T D", n, n + 3, 2)
    y = (x.reshape(n * (n + 3), 2) @ tensor(rng, "W", "D E", 2, 3)).reshape(n, n + 3, 3)
    return (y.reshape(n, -1) ** 2).sum(axis=1).mean() + x.reshape(-1)[0] * y.mean()


MODELS: dict[str, tuple[Callable[[int, np.random.Generator], tg.Tensor], set[str]]] = {
    "attention": (attention, {"T"}),
    "layer norm": (layer_norm, {"N"}),
    "batch norm": (batch_norm, {"N"}),
    "classes": (classes, {"N"}),
    "convolution": (convolution, {"B", "H", "W"}),
    "convolution of a result": (convolution_of_a_result, {"H", "W"}),
    "embedding": (embedding, {"N", "T"}),
    "picked": (picked, {"N"}),
    "joined": (joined, {"N", "M"}),
    "ordered": (ordered, {"N"}),
    "squares": (squares, {"N"}),
    "repeated": (repeated, {"N"}),
    "flattened": (flattened, {"N", "T"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_on_other_sizes(name: str, tmp_path: Path) -> None:
    build, letters = MODELS[name]
    model = quietly(build(4, np.random.default_rng(0)).named("L"), tmp_path / "f.onnx", wrt=True)
    assert set(model.letters) == letters
    for n in (4, 6, 9):
        same(model, build(n, np.random.default_rng(n)).named("L"))


@pytest.mark.parametrize("name", MODELS)
def test_the_sizes_are_those_of_the_declared_outputs(name: str, tmp_path: Path) -> None:
    """A gradient by data has the data's letters, and the file says so."""
    build, letters = MODELS[name]
    root = build(4, np.random.default_rng(0)).named("L")
    data = [t for t in leaves_of(root).values() if t.dtype.kind == "f" and not t.requires_grad and letters & set(t.dims or ())]
    if not data:
        pytest.skip("its data are integers")
    model = quietly(root, tmp_path / "f.onnx", wrt=data)
    same(model, build(7, np.random.default_rng(7)).named("L"))
    for output, t in zip(onnx.load(model.path).graph.output[1:], data, strict=True):
        declared = [d.dim_param or d.dim_value for d in output.type.tensor_type.shape.dim]
        assert declared == [letter if letter in letters else n for letter, n in zip(t.dims or (), t.shape, strict=True)]


@pytest.mark.parametrize("seed", range(25))
def test_random_programs(seed: int, tmp_path: Path) -> None:
    root, _ = program(seed)
    model = tg.export_onnx(root.named("L"), tmp_path / "f.onnx", wrt=True)
    assert len(model.outputs) > 3
    same(model, root)


# What somebody may write of a size, beside what random programs have already.
Step = Callable[[tg.Tensor], tg.Tensor]
OF_A_SIZE: list[Step] = [
    lambda t: tg.tile(t, 2) if t.ndim and t.size < 40 else t,
    lambda t: t.mean(axis=0) if t.ndim else t,
    lambda t: t.std(axis=0) if t.ndim else t,
    lambda t: t[1:] if t.ndim and t.shape[0] > 2 else t,
    lambda t: t[::-1] if t.ndim else t,
    lambda t: tg.sort(t, axis=0) if t.ndim else t,
    lambda t: tg.repeat(t, 2, axis=0) if t.ndim and t.size < 30 else t,
    lambda t: t.prod(axis=0) if t.ndim else t,
    lambda t: t.T.reshape(-1),
    lambda t: tg.sliding_window_view(t, 2, 0) if t.ndim and t.size < 40 and t.shape[0] > 2 else t,
    lambda t: t @ t.T if t.ndim == 2 and t.size < 40 else t,
    lambda t: t.sum() / t.size,
    lambda t: t * t.size,
    lambda t: t.trace() if t.ndim == 2 else t,
    lambda t: tg.broadcast_to(t, (t.shape[0], *t.shape)) if t.ndim and t.size < 30 else t,
    lambda t: t[: t.shape[0] // 2] if t.ndim and t.shape[0] > 3 else t,
    lambda t: t[t.shape[0] // 2 :] if t.ndim and t.shape[0] > 3 else t,
    lambda t: t - np.log(t.size),
    lambda t: t / np.sqrt(t.size),
    lambda t: t[np.arange(t.shape[0])] if t.ndim else t,
    lambda t: t.reshape(t.shape[0], -1) if t.ndim else t,
    lambda t: t.reshape(t.shape[0] * t.shape[1], *t.shape[2:]) if t.ndim > 1 else t,
]


def lettered_program(seed: int, n: int, m: int) -> tuple[tg.Tensor, list[str]]:
    """A program of data with letters, N = n and M = m, and of parameters; and its operations."""
    rng, numbers = np.random.default_rng(seed), np.random.default_rng((seed, n, m))
    shapes = {
        "x": ("N F", (n, 3)),
        "y": ("N", (n,)),
        "z": ("M N", (m, n)),
        "A": (None, ()),
        "B": (None, (3,)),
        "C": (None, (3, 2)),
    }
    pool = [tensor(numbers, name, dims, *shape) for name, (dims, shape) in shapes.items()]
    given = len(pool)
    for _ in range(12):
        a, b = pool[rng.integers(len(pool))], pool[rng.integers(len(pool))]
        choice = np.random.default_rng(rng.integers(1 << 30))
        steps = [*programs.UNARY, *OF_A_SIZE]
        step = steps[rng.integers(len(steps))]
        new = step(a) if rng.random() < 0.55 else a + b if a.shape == b.shape else programs.combine(choice, a, b)
        pool.append(new if new.size <= 90 * n else a.sum())
    total = sum((tg.tanh(t.mean() * 0.3) for t in pool[given:]), start=tg.Tensor(0.0, name="start"))
    root = tg.tanh(total * 0.3).named("L")
    return root, [t.op.name for t in topological_order([root]) if t.op is not None]


def masks(root: tg.Tensor) -> bool:
    """Whether it holds a condition that was computed from numbers, and so would be another one for other numbers."""
    return any(t.op is OPS["where"] for t in topological_order([root]))


@pytest.mark.parametrize("start", range(0, 100, 10))
def test_a_letter_that_is_promised_is_kept(start: int, tmp_path: Path) -> None:
    """Whatever was written of a size, the file is right for other sizes, or says that it is not for them."""
    compared = 0
    for seed in range(start, start + 10):
        root, log = lettered_program(seed, 5, 4)
        if masks(root):
            continue
        model = quietly(root, tmp_path / "f.onnx", wrt=True if any(t.requires_grad for t in leaves_of(root).values()) else None)
        for n, m in ((5, 4), (7, 4), (5, 6), (9, 11)):
            if (n == 5 or "N" in model.letters) and (m == 4 or "M" in model.letters):
                other, steps = lettered_program(seed, n, m)
                if steps == log:
                    same(model, other, rtol=1e-7)
                    compared += 1
    assert compared >= 10


# ---- what keeps its size, and is said to -----------------------------------------------------------------------------


def rows(n: int = 5) -> tg.Tensor:
    return tg.Tensor(np.arange(3.0 * n).reshape(n, 3) / 7, name="x", dims="N F")


def weights(*shape: int) -> tg.Tensor:
    return tg.Tensor(np.full(shape, 0.3), name="W", requires_grad=True)


FIXED: dict[str, tuple[Callable[[], tg.Tensor], str]] = {
    "a sum divided by a number": (lambda: (rows() @ weights(3)).sum() / 5, "number 5 in Tensor L may have been"),
    "a sum divided by n - 1": (lambda: (rows() @ weights(3)).sum() / 4, "number 4"),
    "a sum times a fraction": (lambda: (rows() @ weights(3)).sum() * 0.2, "number 0.2"),
    "a root": (lambda: rows().sum() / np.sqrt(15) * weights(), "number 3.87298"),
    "a whole root": (lambda: (rows(4) @ weights(3)) / np.sqrt(4), "number 2"),
    "a logarithm": (lambda: tg.logsumexp(rows() @ weights(3)) - np.log(5), "number 1.60944"),
    "a product": (lambda: (rows() @ weights(3)).prod(), "takes a part of an axis of N"),
    "the first ones": (lambda: rows()[:3].sum() * weights(), "slice"),
    "all but the last by their number": (lambda: rows()[:4].sum() * weights(), "slice"),
    "indices of each example": (lambda: (weights(3, 2)[[0, 1, 2, 0, 1]]).sum() + rows().sum(), "the 5 in the result of getitem"),
    "a window of all examples": (lambda: tg.sliding_window_view(rows() @ weights(3), 5).sum(), "the 5 in the result of windows"),
    "a repetition that meets nothing": (lambda: tg.broadcast_to(weights(3), (15, 3)).sum() + rows().sum(), "the 15 in"),
    "a size of a result": (lambda: tg.tile(rows() @ weights(3), 2).sum() / 10, "number 10"),
    "axes that change places by a reshape": (lambda: rows(4).reshape(3, 4).sum(axis=0).mean() * weights(), "holds for one size"),
    "the last one by its number": (lambda: rows()[4].sum() * weights(), "by the number 4"),
    "a repetition": (lambda: (tg.repeat(rows(), 2, axis=0) @ weights(3)).mean(), "numbered places of an axis of N"),
    "a permutation": (lambda: (rows()[[1, 0, 2, 4, 3]] @ weights(3)).mean(), "numbered places"),
    "a repeated axis that meets nothing": (lambda: tg.broadcast_to(weights(3), (5, 3)).sum() + rows().sum(), "may be N, or a"),
    "constants beside each example": (lambda: ((rows() @ weights(3)) * np.arange(5.0)).sum(), "needs that size"),
    "an axis that is split": (lambda: (rows(6).reshape(2, 3, 3) @ weights(3)).mean(), "holds for one size"),
    "one example": (lambda: (rows(1) @ weights(3)).mean(), "recorded with size 1"),
    "a gradient": (lambda: gradient(), "number 5"),
}


def gradient() -> tg.Tensor:
    w = weights(3)
    return tg.gradients(tg.tanh(rows() @ w).mean(), w, create_graph=True)


@pytest.mark.parametrize("case", FIXED)
def test_an_axis_that_keeps_its_size_is_said_to(case: str, tmp_path: Path) -> None:
    build, reason = FIXED[case]
    root = build().named("L")
    with pytest.warns(UserWarning, match="axes that keep their recorded size in f.onnx"):
        model = tg.export_onnx(root, tmp_path / "f.onnx")
    assert "N" not in model.letters
    assert reason in model.fixed["N"]
    same(model, root)
    graph = onnx.load(model.path).graph
    assert all(d.dim_param != "N" for x in graph.input for d in x.type.tensor_type.shape.dim)
    assert "N is fixed: " in graph.doc_string


def test_numbers_that_are_no_size_do_not_fix_an_axis(tmp_path: Path) -> None:
    n = tg.Tensor(5.0, name="n")
    for root in (
        (rows() @ weights(3)).sum() / n,
        0.5 * ((rows() @ weights(3)) ** 2).mean(),
        (2 * rows(4) @ weights(3)) ** 4,
        (rows()[[0, -1]] @ weights(3)).mean(),
        (rows() @ weights(3) - rows().mean(axis=1)).sum() * 7,
    ):
        assert "N" in tg.export_onnx(root.named("L"), tmp_path / "f.onnx").letters


def test_a_letter_on_a_parameter_is_fixed_without_a_warning(tmp_path: Path) -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True, name="w", dims="F")
    model = tg.export_onnx((rows() @ w).mean(), tmp_path / "f.onnx")
    assert (model.letters, model.fixed) == (("N",), {"F": "it is an axis of the parameter w"})


def test_letters_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(tg.ShapeError, match="one letter must stand for one size"):
        tg.export_onnx(rows().sum() + rows(4).sum(), tmp_path / "f.onnx")


# ---- inputs, parameters, outputs -------------------------------------------------------------------------------------


def test_parameters_are_in_the_file_and_can_be_overridden(tmp_path: Path) -> None:
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w")
    root = (rows() @ w).mean().named("L")
    x, other = rows().numpy(), np.array([-1.0, 0.5, 4.0])
    model = tg.export_onnx(root, tmp_path / "f.onnx")
    for run in RUNTIMES:
        np.testing.assert_allclose(run(model.path, {"x": x})[0], np.mean(x @ [1.0, 2.0, 3.0]), rtol=1e-14)
        np.testing.assert_allclose(run(model.path, {"x": x, "w": other})[0], np.mean(x @ other), rtol=1e-14)
    given_too = tg.export_onnx(root, tmp_path / "f.onnx", parameters="inputs")
    assert (list(given_too.inputs), dict(given_too.parameters)) == (["x", "w"], {})
    assert not any(i.name == "w" for i in onnx.load(given_too.path).graph.initializer)
    constant = tg.export_onnx(root, tmp_path / "f.onnx", parameters="constants")
    assert ([i.name for i in onnx.load(constant.path).graph.input], dict(constant.parameters)) == (["x"], {})
    np.testing.assert_allclose(reference(constant.path, {"x": x})[0], np.mean(x @ [1.0, 2.0, 3.0]), rtol=1e-14)
    with pytest.raises(ValueError, match="there is no parameters='frozen'"):
        tg.export_onnx(root, tmp_path / "f.onnx", parameters="frozen")


def test_gradients_by_results_by_data_and_by_the_value_itself(tmp_path: Path) -> None:
    values = note.network()
    names = ["u3", "h1", "x", "L"]
    model = tg.export_onnx(values["L"], tmp_path / "f.onnx", wrt=[values[name] for name in names])
    assert model.outputs == ("L", "dL_du3", "dL_dh1", "dL_dx", "dL_dL")
    other = note.network(6, seed=2)
    feed = {name: other[name].numpy() for name in (*model.inputs, *model.parameters)}
    for run in RUNTIMES:
        for name, value in zip(names, run(model.path, feed)[1:], strict=True):
            np.testing.assert_allclose(value, tg.gradients(other["L"], other[name]).numpy(), rtol=1e-12, atol=1e-15)


def test_a_second_derivative(tmp_path: Path) -> None:
    w = tg.Tensor([0.3, -0.5, 0.2], requires_grad=True, name="w")
    x = tg.Tensor(rows().numpy(), name="x")
    slope = tg.gradients((tg.tanh(x @ w) ** 2).mean(), w, create_graph=True)
    root = (slope * slope).sum().named("L")
    same(tg.export_onnx(root, tmp_path / "f.onnx", wrt=w), root)


def test_an_operation_that_does_nothing_has_a_name_of_its_own(tmp_path: Path) -> None:
    h = tg.tanh(tg.Tensor([0.1, 0.2], name="x", requires_grad=True)).named("h")
    g = h.T.named("g")
    root = (g * h).sum(axis=()).sum().named("L")
    model = tg.export_onnx(root, tmp_path / "f.onnx", wrt=True)
    same(model, root)
    assert {"g", "h"} <= {name for node in onnx.load(model.path).graph.node for name in node.output}


def test_results_keep_their_names(tmp_path: Path) -> None:
    model = tg.export_onnx(note.network()["L"], tmp_path / "f.onnx")
    made = {name for node in onnx.load(model.path).graph.node for name in node.output}
    assert {"u1", "h1", "u2", "h2", "u3", "yhat", "L"} <= made


SMILE = "\N{SLIGHTLY SMILING FACE}"
NAMES = ["<b>", "a:b", "a\nb", "a\\", '"', SMILE, "x" * 20_000, "", "L", "t1", "c1", "2nd", "\x00", "σ", "\ud800", "dL_dW"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_names_give_a_valid_model(name: str, tmp_path: Path) -> None:
    x = tg.Tensor(np.ones((5, 3)), name=name, dims=[f"{name}<N>\n", name or SMILE])
    w = tg.Tensor(np.ones(3), requires_grad=True, name=name)
    h = tg.tanh(x @ w).named(name)
    model = quietly((h * tg.Tensor(2.5, name=name)).mean().named(name), tmp_path / "f.onnx", wrt=[w, h])
    graph = onnx.load(model.path).graph
    used = {*(v.name for v in [*graph.input, *graph.initializer]), *(n for node in graph.node for n in node.output)}
    assert all(n.isidentifier() and n.isascii() and len(n) < 100 for n in used)
    assert len(model.letters) == 1
    (first,) = [n for n, t in model.inputs.items() if t is x]
    (second,) = [n for n, t in model.inputs.items() if t is not x]
    feed = {first: np.full((7, 3), 0.1), second: np.array(2.0)}
    for run in RUNTIMES:
        value, by_w, by_h = run(model.path, feed)
        np.testing.assert_allclose(value, 2 * math.tanh(0.3))
        np.testing.assert_allclose(by_w, np.full(3, 0.2 * (1 - math.tanh(0.3) ** 2)))
        np.testing.assert_allclose(by_h, np.full(7, 2 / 7))


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    written = {tg.export_onnx(note.network()["L"], tmp_path / "f.onnx", wrt=True).path.read_bytes() for _ in range(3)}
    code = "import tinygrad_edu as tg; from tinygrad_edu import note; tg.export_onnx(note.network()['L'], 'g.onnx', wrt=True)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert written == {(tmp_path / "g.onnx").read_bytes()}


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_ops_of_ones_own(tmp_path: Path) -> None:
    x, w = rows(), weights(3)
    cube = tg.elementwise("cube", lambda x: x * x * np.abs(x), lambda y, x: 3 * x * np.abs(x))
    through = tg.elementwise("through", np.sign, 1)  # a straight-through estimator: the derivative is not the forward's
    root = (cube(x @ w) + through(x @ w - 0.5) * w.sum()).mean().named("L")
    model = tg.export_onnx(root, tmp_path / "f.onnx", wrt=w)
    assert model.letters == ("N",)
    same(model, root)
    for name, forward, reason in (
        ("hypot", lambda x: np.hypot(x, 1.0), "np.hypot is not recorded"),
        ("raw", lambda x: np.asarray(x) * 2, "as an ndarray would lose its gradient"),
        ("random", lambda x: x * np.random.default_rng().normal(), "another value"),
        ("plain", lambda x: 1.0 if isinstance(x, tg.Tensor) else x, "did not give a Tensor"),
    ):
        own = tg.elementwise(name, forward, 1)
        with pytest.raises(
            NoOnnxError, match=rf"export_onnx: {name} is not an op of this library's table(.|\n)*{reason}(.|\n)*Try"
        ):
            tg.export_onnx(own(x @ w).mean(), tmp_path / "g.onnx")
    assert not (tmp_path / "g.onnx").exists()


def test_a_rule_of_ones_own_that_takes_numbers_from_the_shape(tmp_path: Path) -> None:
    def forward(x: Any) -> Any:
        return x * 1.0

    def partial(y: Any, x: Any) -> Any:
        n = x.shape[0]
        return x / n + 1 / n + n**-0.5 * x + n**0.5 + np.arange(n) * x + (np.eye(n, k=1) @ x) * (n * n - 3)

    own = tg.elementwise("own", forward, partial)

    def build(n: int) -> tg.Tensor:
        return own(tg.Tensor(np.linspace(0.3, 1.2, n), name="x", dims="N")).sum().named("L")

    root = build(5)
    model = tg.export_onnx(root, tmp_path / "f.onnx", wrt=leaves_of(root)["x"])
    assert model.letters == ("N",)
    for n in (2, 5, 9):
        same(model, build(n))


@pytest.mark.parametrize(
    "partial",
    [
        lambda y, x: np.cos(x) if x.shape[0] > 5 else np.sin(x),
        lambda y, x: x * x if x.shape[0] > 5 else x,
        lambda y, x: x * (x.shape[0] // 2),
        lambda y, x: x * np.random.default_rng(x.shape[0]).normal(size=x.shape),
        lambda y, x: x[x.shape[0] - 9 :] if x.shape[0] > 9 else 1 / (x.shape[0] - 5) if x.shape[0] > 7 else x,
    ],
)
def test_a_rule_that_does_otherwise_on_another_size(partial: Callable[..., Any], tmp_path: Path) -> None:
    own = tg.elementwise("own", lambda x: x * 1.0, partial)
    root = own(rows()).sum().named("L")
    with pytest.warns(UserWarning, match="keep their recorded size"):
        model = tg.export_onnx(root, tmp_path / "f.onnx", wrt=leaves_of(root)["x"])
    assert "N" not in model.letters
    same(model, root)


def test_a_mask_that_is_not_known_is_refused(tmp_path: Path) -> None:
    x = rows()
    known = tg.Tensor(x.numpy(), name="x")[x.numpy()[:, 0] > 1.0].sum().named("L")
    same(tg.export_onnx(known, tmp_path / "f.onnx"), known)
    for mask in (x[:, 0] > 1.0, tg.Tensor([True, False, True, False, True], name="m")):
        with pytest.raises(NoOnnxError, match=r"tg\.where\(mask, x, 0\)"):
            tg.export_onnx(tg.Tensor(x.numpy(), name="y")[mask].sum(), tmp_path / "f.onnx")


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "f.onnx"
    x, w = rows(), weights(3)
    with pytest.raises(TypeError, match="a Tensor is exported, not ndarray"):
        tg.export_onnx(np.ones(3), path)  # type: ignore[arg-type]  # the wrong type is the test
    with pytest.raises(NoOnnxError, match="Tensor x was not computed but given"):
        tg.export_onnx(x, path)
    with tg.no_grad():
        unrecorded = x @ w
    with pytest.raises(NoOnnxError, match="computed under no_grad"):
        tg.export_onnx(unrecorded, path)
    for wrong in (3, [3]):
        with pytest.raises(TypeError, match="gradient by int was asked for"):
            tg.export_onnx((x @ w).mean(), path, wrt=wrong)  # type: ignore[arg-type]  # the wrong type is the test
    with pytest.raises(tg.GradientError, match="does not depend on Tensor W"):
        tg.export_onnx((x @ w).mean(), path, wrt=weights(3))
    with pytest.raises(tg.GradientError, match="not a scalar"):
        tg.export_onnx(x @ w, path, wrt=w)
    with pytest.raises(tg.GradientError, match="no leaf that the result of mean depends on"):
        tg.export_onnx(x.mean(), path, wrt=True)
    assert list(tmp_path.iterdir()) == []


def test_a_parameter_that_was_given_new_numbers(tmp_path: Path) -> None:
    x, w = tg.Tensor(np.ones((2, 3)), name="x"), weights(3)
    before = (x @ w).sum().named("L")
    w.data = [5.0, 6.0, 7.0]
    model = tg.export_onnx(before, tmp_path / "f.onnx", wrt=w)
    value, slope = reference(model.path, {"x": np.ones((2, 3))})
    np.testing.assert_allclose(value, 2 * 3 * 0.3)
    np.testing.assert_allclose(slope, [2.0, 2.0, 2.0])
    with pytest.raises(NoOnnxError, match="new numbers between two of its uses"):
        tg.export_onnx(before + (x @ w).sum(), tmp_path / "f.onnx")


def test_under_no_grad_and_on_a_deep_record(tmp_path: Path) -> None:
    t = tg.Tensor(0.5, requires_grad=True, name="t")
    y = t
    for _ in range(2000):
        y = tg.sin(y)
    with tg.no_grad():
        model = tg.export_onnx(y.named("L"), tmp_path / "f.onnx", wrt=t)
    same(model, y)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_the_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = note.network()["L"]
    with pytest.raises(FileNotFoundError, match=r"cannot write .*: there is no folder"):
        tg.export_onnx(root, tmp_path / "missing" / "f.onnx")
    with pytest.raises(OSError, match="cannot write"):
        tg.export_onnx(root, tmp_path)
    path = tmp_path / "f.onnx"
    path.write_bytes(b"old")

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left on device"):
            tg.export_onnx(root, path)
    assert [p.name for p in tmp_path.iterdir()] == ["f.onnx"]
    assert path.read_bytes() == b"old"
    assert tg.export_onnx(root, str(path)).path == path
    onnx.checker.check_model(onnx.load(path))


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad-edu\[onnx\]"'):
        tg.export_onnx(note.network()["L"], tmp_path / "f.onnx")


def test_starting_does_not_load_onnx() -> None:
    code = "import sys, tinygrad_edu; tinygrad_edu.export_onnx; print('onnx' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


# ---- sizes -----------------------------------------------------------------------------------------------------------


def test_a_size_is_found_from_its_values() -> None:
    sizes = trials({"N": 4, "T": 4, "F": 3})
    assert sizes[0] == {"N": 4, "T": 4, "F": 3}
    assert all(len(set(s.values())) == 3 for s in sizes[1:])
    n, t = Size.letter("N"), Size.letter("T")
    for size in (Size.of(7), n, n * t, n * t * t, n * Size.of(2) + Size.of(3), n + t, n * t + t * Size.of(-1) + Size.of(5)):
        assert explain([size.at(s) for s in sizes], sizes) == size
    assert explain([s["N"] // 2 for s in sizes], sizes) is None
    assert explain([s["N"] ** 5 for s in sizes], sizes) is None
    measured = Measured(sizes)
    parts = [n + Size.of(-2), t + Size.of(-1), Size.letter("F") + Size.of(1)]
    for part in parts:
        assert measured.size([part.at(s) for s in sizes]) == part
    count = parts[0] * parts[1] * parts[2]
    assert measured.size([2 * count.at(s) for s in sizes]) == count * Size.of(2)
    for exponent in (0.5, -1.0, -0.5):
        found = measured.number([s["N"] ** exponent for s in sizes])
        assert isinstance(found, Power)
        assert (found.size, float(found.exponent)) == (n, exponent)
    assert measured.number([0.1 * s["N"] ** 1.7 for s in sizes]) is None
