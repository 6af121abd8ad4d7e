"""tg.nn: every layer against finite differences and closed forms; what a Module finds, saves, names and refuses."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.modes import MODES, scopes
from tinygrad_edu.nn.frames import framed


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


class Tied(nn.Module):
    """One weight, used by two modules."""

    def __init__(self) -> None:
        self.first = nn.Linear(3, 3, seed=0)
        self.second = nn.Linear(3, 3, seed=1)
        self.second.weight = self.first.weight

    def forward(self, x: Any) -> tg.Tensor:
        y: tg.Tensor = self.second(tg.tanh(self.first(x)))
        return y


class Mixed(nn.Module):
    """Tensors and modules in every place where they can be."""

    def __init__(self) -> None:
        self.scale = tg.Tensor(2.0, requires_grad=True)
        self.blocks = [nn.Linear(2, 3, seed=0), nn.Tanh(), nn.Linear(3, 2, seed=1)]
        self.heads = {"a": nn.Linear(2, 1, seed=2), "b": nn.Dropout(0.5, seed=3)}
        self.offset = tg.Tensor([1.0, 2.0])
        self.note = "no part"

    def forward(self, x: Any) -> tg.Tensor:
        for block in self.blocks:
            x = block(x)
        self.kept = x  # a result that is looked at later is no parameter
        y: tg.Tensor = self.heads["a"](self.heads["b"](x + self.offset)) * self.scale
        return y


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(3, 2, seed=0), (4, 3)),
    "Linear without bias, more axes": (lambda: nn.Linear(3, 2, bias=False, seed=0), (2, 4, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(3), (4, 3)),
    "LayerNorm, two axes": (lambda: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "BatchNorm1d, length": (lambda: nn.BatchNorm1d(2), (3, 2, 4)),
    "BatchNorm1d, evaluation": (lambda: nn.BatchNorm1d(3).eval(), (4, 3)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(0, 1), seed=0), (2, 2, 4, 3)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, stride=1), (2, 2, 3, 4)),
    "AvgPool2d": (lambda: nn.AvgPool2d((1, 2)), (2, 2, 3, 4)),
    "Flatten": (lambda: nn.Flatten(), (2, 2, 3)),
    "MLP": (lambda: nn.MLP([3, 4, 2], "gelu", seed=0), (3, 3)),
    "ELU": (lambda: nn.ELU(0.7), (3, 4)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), (3, 4)),
    "ReLU": (lambda: nn.ReLU(), (3, 4)),
    "SELU": (lambda: nn.SELU(), (3, 4)),
    "SiLU": (lambda: nn.SiLU(), (3, 4)),
    "Sigmoid": (lambda: nn.Sigmoid(), (3, 4)),
    "Softplus": (lambda: nn.Softplus(), (3, 4)),
    "Softmax": (lambda: nn.Softmax(0), (3, 4)),
    "LogSoftmax": (lambda: nn.LogSoftmax(), (3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradients_of_a_layer_are_those_of_finite_differences(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make()
    for i, w in enumerate(layer.parameters()):  # γ = 1 and β = 0 would hide a mistake
        w.data = w.data + 0.3 * numbers(*w.shape, seed=i + 1)
    places = [(owner, key) for owner in layer.modules() for key, part in vars(owner).items() if isinstance(part, tg.Tensor)]
    places = [(owner, key) for owner, key in places if getattr(owner, key).requires_grad]

    def f(x: tg.Tensor, *weights: tg.Tensor) -> tg.Tensor:
        for (owner, key), w in zip(places, weights, strict=True):
            setattr(owner, key, w)
        y: tg.Tensor = layer(x)
        return y

    tg.gradcheck(f, [numbers(*shape, seed=9), *layer.parameters()])


def test_the_order_of_a_batch_norm_is_the_data_s_when_it_is_differentiated_twice() -> None:
    layer = nn.BatchNorm1d(2)
    tg.gradcheck(lambda x: layer(x), numbers(4, 2), order=2)


# ---- values by another way --------------------------------------------------------------------------------------------


def test_linear_is_the_sum_that_its_name_says() -> None:
    layer = nn.Linear(3, 2, seed=0)
    layer.bias.data = [1.0, -1.0]
    x = numbers(4, 3)
    expected = [[sum(x[i, r] * layer.weight.data[r, j] for r in range(3)) + (1.0, -1.0)[j] for j in range(2)] for i in range(4)]
    assert np.allclose(layer(x).data, expected, rtol=1e-14)
    assert layer.weight.shape == (3, 2)


@given(
    n=st.integers(1, 2),
    channels=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_a_convolution_is_a_loop_over_numbers(
    n: int,
    channels: tuple[int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    layer = nn.Conv2d(*channels, kernel, stride, padding, seed=1)
    layer.bias.data = numbers(channels[1])
    x = numbers(n, channels[0], *size)
    out = [(s + 2 * p - k) // t + 1 if s + 2 * p >= k else 0 for s, p, k, t in zip(size, padding, kernel, stride, strict=True)]
    if 0 in out:
        with pytest.raises(tg.ShapeError, match="smaller than the window"):
            layer(x)
        return
    expected = np.zeros((n, channels[1], *out))
    for at in np.ndindex(*expected.shape):
        b, o, h, w = at
        total = layer.bias.data[o]
        for c, i, j in np.ndindex(channels[0], *kernel):
            row, column = h * stride[0] + i - padding[0], w * stride[1] + j - padding[1]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                total += x[b, c, row, column] * layer.weight.data[o, c, i, j]
        expected[at] = total
    found = layer(x)
    assert found.shape == expected.shape
    assert np.allclose(found.data, expected, rtol=1e-12, atol=1e-12)


@given(
    size=st.tuples(st.integers(2, 6), st.integers(2, 6)),
    kernel=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_pooling_is_a_loop_over_windows(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    x = numbers(2, 3, *size)
    rows, columns = (range(0, s - k + 1, t) for s, k, t in zip(size, kernel, stride, strict=True))
    windows = [[x[:, :, r : r + kernel[0], c : c + kernel[1]] for c in columns] for r in rows]
    largest = np.array([[w.max((2, 3)) for w in line] for line in windows]).transpose(2, 3, 0, 1)
    mean = np.array([[w.mean((2, 3)) for w in line] for line in windows]).transpose(2, 3, 0, 1)
    assert np.array_equal(nn.MaxPool2d(kernel, stride)(x).data, largest)
    assert np.allclose(nn.AvgPool2d(kernel, stride)(x).data, mean)


def test_embedding_is_a_product_with_one_hot_rows() -> None:
    table = nn.Embedding(4, 3, seed=0)
    n = np.array([[1, 3, 1], [0, 1, 3]])
    one_hot = np.eye(4)[n]
    y = table(n)
    assert np.allclose(y.data, one_hot @ table.weight.data)
    g = numbers(2, 3, 3)
    y.backward(g)
    assert np.allclose(table.weight.grad, np.einsum("abn,abd->nd", one_hot, g))


def test_batch_norm_counts_its_running_statistics() -> None:
    norm = nn.BatchNorm1d(3, momentum=0.25)
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(3):
        x = numbers(5, 3, seed=seed) * 2 + 1
        norm(x)
        mean, var = 0.75 * mean + 0.25 * x.mean(0), 0.75 * var + 0.25 * x.var(0, ddof=1)
    assert np.allclose(norm.running_mean.data, mean)
    assert np.allclose(norm.running_var.data, var)
    x = numbers(2, 3, seed=7)
    before = norm.state_dict()
    assert np.allclose(norm.eval()(x).data, (x - mean) / np.sqrt(var + 1e-5))
    assert norm(x[:1]).shape == (1, 3)  # one example is enough in evaluation
    assert all(np.array_equal(before[name], value) for name, value in norm.state_dict().items())


def test_dropout_keeps_the_mean_and_its_gradient_has_the_same_mask() -> None:
    drop = nn.Dropout(0.3, seed=0)
    x = tg.Tensor(np.ones(20_000), requires_grad=True)
    y = drop(x)
    assert set(np.round(y.data, 12)) == {0.0, round(1 / 0.7, 12)}
    assert abs(y.data.mean() - 1) < 0.02
    y.sum().backward()
    assert np.array_equal(x.grad, y.data)
    assert drop.eval()(x) is x


def test_dropout_draws_anew_at_every_call() -> None:
    drop = nn.Dropout(0.5, seed=0)
    assert not np.array_equal(drop(np.ones(50)).data, drop(np.ones(50)).data)


def test_a_single_number_is_flattened_to_one() -> None:
    assert nn.Flatten()(3.0).tolist() == nn.Flatten(0)(3.0).tolist() == [3.0]


def test_softmax_is_along_its_axis() -> None:
    x = numbers(3, 4)
    for axis in (0, 1, -1):
        assert np.allclose(nn.Softmax(axis)(x).data.sum(axis), 1)
        assert np.allclose(np.exp(nn.LogSoftmax(axis)(x).data).sum(axis), 1)


def test_a_batch_of_no_examples() -> None:
    for make, shape in LAYERS.values():
        layer = make().eval()
        if isinstance(layer, nn.Softmax):
            continue  # along the examples, of which there are none
        assert layer(np.zeros((0, *shape[1:]))).shape == (0, *layer(np.zeros((3, *shape[1:]))).shape[1:])
    assert nn.Embedding(5, 2)(np.zeros((0, 3), int)).shape == (0, 3, 2)


def test_losses_are_the_functions() -> None:
    u, y, classes = numbers(4, 3), np.array([[0.0, 1.0, 1.0]] * 4), np.array([0, 2, 1, 1])
    p = 1 / (1 + np.exp(-u))
    bce = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert np.isclose(nn.MSELoss()(u, y).item(), np.mean((u - y) ** 2))
    assert np.isclose(nn.BCELoss()(p, y).item(), bce)
    assert np.isclose(nn.BCEWithLogitsLoss()(u, y).item(), bce)
    expected = -np.mean(np.log(np.exp(u) / np.exp(u).sum(1, keepdims=True))[np.arange(4), classes])
    assert np.isclose(nn.CrossEntropyLoss()(u, classes).item(), expected)


# ---- first numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        (nn.init.xavier_uniform, 2 / 700),
        (nn.init.xavier_normal, 2 / 700),
        (nn.init.he_uniform, 2 / 400),
        (nn.init.he_normal, 2 / 400),
    ],
)
def test_the_variance_of_first_numbers(init: Any, variance: float) -> None:
    w = init((400, 300), np.random.default_rng(0))
    assert abs(w.mean()) < 4 * (variance / w.size) ** 0.5
    assert np.isclose(w.var(), variance, rtol=0.03)


@pytest.mark.parametrize(("activation", "init"), [("relu", nn.init.he_normal), ("tanh", nn.init.xavier_uniform)])
def test_values_keep_their_size_through_twenty_layers(activation: str, init: Any) -> None:
    x = numbers(64, 128) * (1.0 if activation == "relu" else 0.05)
    model = nn.MLP([128] * 21, activation, init=init, seed=0)
    with tg.no_grad():
        h = x
        for layer in model.layers[:-1]:
            h = layer(h)
    ratio = np.sqrt(np.mean(h.data**2) / np.mean(x**2))
    assert 0.4 < ratio < 2.5
    small = nn.MLP([128] * 21, activation, init=lambda shape, rng: 0.5 * init(shape, rng), seed=0)
    assert np.sqrt(np.mean(small(x).data ** 2) / np.mean(x**2)) < 1e-4  # the first numbers are what it depends on


def test_an_mlp_for_relu_starts_with_he_and_ends_with_xavier() -> None:
    model = nn.MLP([500, 400, 300], "relu", seed=0)
    first, last = (w.data.var() for w in model.parameters() if w.ndim == 2)
    assert np.isclose(first, 2 / 500, rtol=0.03)
    assert np.isclose(last, 2 / 700, rtol=0.03)


def test_fans_count_the_whole_window() -> None:
    assert nn.init.fans((5, 3)) == (5, 3)
    assert nn.init.fans((5,)) == (5, 1)
    layer = nn.Conv2d(50, 4, (10, 6), init=nn.init.he_normal, seed=0)
    assert np.isclose(layer.weight.data.var(), 2 / (50 * 10 * 6), rtol=0.05)


def test_seeds() -> None:
    assert np.array_equal(nn.Linear(3, 4, seed=1).weight.data, nn.Linear(3, 4, seed=1).weight.data)
    assert not np.array_equal(nn.Linear(3, 4, seed=1).weight.data, nn.Linear(3, 4, seed=2).weight.data)
    rng = np.random.default_rng(0)
    assert not np.array_equal(nn.Linear(3, 4, seed=rng).weight.data, nn.Linear(3, 4, seed=rng).weight.data)
    assert not np.array_equal(nn.Linear(3, 4).weight.data, nn.Linear(3, 4).weight.data)
    first, _, second = nn.MLP([3, 3, 3], seed=0).layers
    assert not np.array_equal(first.weight.data, second.weight.data)
    assert np.array_equal(first.weight.data, nn.MLP([3, 3, 3], seed=0)[0].weight.data)


def test_float32_stays_float32() -> None:
    f = np.float32
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, seed=rng, dtype=f),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LayerNorm(8, dtype=f),
        nn.Dropout(0.5, seed=rng),
        nn.BatchNorm1d(8, dtype=f),
        nn.MLP([8, 4, 2], "gelu", seed=rng, dtype=f),
    )
    for mode in (True, False):
        y = model.train(mode)(numbers(3, 1, 6, 6).astype(f))
        y.sum().backward()
        assert y.dtype == f
        assert {w.grad.dtype for w in model.parameters()} == {np.dtype(f)}
    assert {t.dtype for _, t in model.named_buffers()} == {np.dtype(f)}


# ---- what a module is made of -------------------------------------------------------------------------------------------


def test_parts_are_found_in_attributes_lists_and_dicts_in_the_order_of_definition() -> None:
    model = Mixed()
    names = ["scale", "blocks.0.weight", "blocks.0.bias", "blocks.2.weight", "blocks.2.bias", "heads.a.weight", "heads.a.bias"]
    model(numbers(4, 2))
    assert [name for name, _ in model.named_parameters()] == names
    assert [name for name, _ in model.named_buffers()] == ["offset"]
    assert list(model.state_dict()) == [*names, "offset"]
    assert [name for name, _ in model.named_modules()] == ["", "blocks.0", "blocks.1", "blocks.2", "heads.a", "heads.b"]
    assert [name for name, _ in model.named_children()] == ["blocks.0", "blocks.1", "blocks.2", "heads.a", "heads.b"]
    vars(model)["pair"] = (nn.Linear(1, 1), [tg.Tensor(1.0)])
    assert list(model.state_dict())[-3:] == ["pair.0.weight", "pair.0.bias", "pair.1.0"]
    assert list(model.random_state()) == ["heads.b.rng"]


def test_a_list_that_holds_a_module_twice_and_itself() -> None:
    model = nn.Module()
    layer = nn.Linear(2, 2)
    parts: list[Any] = [layer, layer]
    parts.append(parts)
    vars(model)["parts"] = parts
    assert model.named_children() == [("parts.0", layer)]
    assert repr(model).count("parts.") == 2


def test_a_module_in_two_places_is_shown_in_both() -> None:
    layer = nn.Linear(2, 2)
    assert repr(nn.Sequential(layer, nn.Tanh(), layer)).splitlines() == [
        "Sequential",
        "  0  Linear(2, 2)  weight (2, 2), bias (2,)  6",
        "  1  Tanh",
        "  2  Linear(2, 2)  (the same as above)",
        "  parameters                                 6",
    ]
    assert repr(nn.MLP([2, 3, 3, 1], nn.LeakyReLU(0.1))).count("LeakyReLU(0.1)\n") == 2


def test_a_list_may_grow() -> None:
    model = Mixed()
    before = len(model.parameters())
    model.blocks.append(nn.Linear(2, 2))
    assert len(model.parameters()) == before + 2


def test_a_shared_parameter_is_listed_once_and_its_uses_add_up() -> None:
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["first.weight", "first.bias", "second.bias"]
    x = numbers(2, 3)
    model(x).sum().backward()
    w, b = model.first.weight.data, model.second.bias
    h = np.tanh(x @ w)
    ones = np.ones((2, 3))
    assert np.allclose(model.first.weight.grad, h.T @ ones + x.T @ (ones @ w.T * (1 - h * h)))
    assert b is not None
    assert b.name == "b2"


def test_a_frozen_parameter_stays_in_the_state() -> None:
    model = nn.Linear(2, 2, seed=0)
    model.weight.requires_grad = False
    assert [name for name, _ in model.named_parameters()] == ["bias"]
    assert list(model.state_dict()) == ["weight", "bias"]
    model(numbers(3, 2)).sum().backward()
    assert model.weight.grad is None


def test_train_and_eval_reach_everything() -> None:
    model = nn.Sequential(nn.Sequential(Mixed()))
    assert model.eval() is model
    assert [m.training for m in model.modules()] == [False] * 8
    model.train()
    assert all(m.training for m in model.modules())


def test_zero_grad() -> None:
    model = Mixed()
    model(numbers(4, 2)).sum().backward()
    assert all(w.grad is not None for w in model.parameters())
    model.zero_grad()
    assert all(w.grad is None for w in model.parameters())


def test_modules_in_a_circle_are_each_listed_once() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    first.other = second
    second.other = first
    assert [name for name, _ in first.named_modules()] == ["", "other"]
    assert "the same as above" in repr(first)
    assert len(first.state_dict()) == 4
    assert first(numbers(3, 2)).shape == (3, 2)


def test_a_thousand_layers_and_a_thousand_levels() -> None:
    model = nn.Sequential(*[nn.Linear(1, 1, seed=i) for i in range(1000)])
    assert len(model.parameters()) == 2000
    model(np.ones((1, 1))).sum().backward()
    assert all(w.grad is not None for w in model.parameters())
    deep: nn.Module = nn.Linear(1, 1)
    for _ in range(3000):
        outer = nn.Module()
        outer.inner = deep
        deep = outer
    assert len(deep.parameters()) == 2
    assert repr(deep).count("\n") == 3001
    deep.eval()


def test_a_copy_is_another_model() -> None:
    model = Mixed()
    model(numbers(4, 2))
    del model.kept
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        x = numbers(4, 2)
        other.load_random_state(model.random_state())
        before = model.random_state()
        assert np.array_equal(other(x).data, model(x).data)
        model.load_random_state(before)
        other.scale.data = 5.0
        assert model.scale.item() == 2.0


def test_a_module_without_forward_says_so() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty: it has no forward.\n  Try: def forward"):
        Empty()(1.0)


# ---- state ----------------------------------------------------------------------------------------------------------------


def models() -> Iterator[nn.Module]:
    yield nn.Linear(2, 3, bias=False)
    yield nn.MLP([2, 3, 3, 1])
    yield Mixed()
    yield nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Sequential(nn.LayerNorm(2), nn.BatchNorm1d(2)), nn.Embedding(2, 1))


@given(which=st.integers(0, 3), seed=st.integers(0, 2**32 - 1))
def test_a_state_comes_back(which: int, seed: int) -> None:
    model, other = list(models())[which], list(models())[which]
    rng = np.random.default_rng(seed)
    for name, value in model.state_dict().items():
        dict(model._tensors())[name].data = rng.normal(size=value.shape)
    state = model.state_dict()
    other.load_state_dict(state)
    again = other.state_dict()
    assert list(again) == list(state)
    assert all(np.array_equal(again[name], state[name]) and again[name].dtype == state[name].dtype for name in state)
    for value in state.values():
        value[...] = 0  # a copy: nothing of it is the model's
    assert all(np.array_equal(again[name], value) for name, value in model.state_dict().items())


def test_loading_lists_every_difference_and_changes_nothing() -> None:
    model = nn.MLP([2, 3, 1], seed=0)
    before = model.state_dict()
    given = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(3), "2.weight": np.ones((3, 1)) * 1j, "other": np.ones(4)}
    with pytest.raises(ValueError, match="load_state_dict") as caught:
        model.load_state_dict(given)
    assert str(caught.value).splitlines() == [
        "load_state_dict (MLP): 4 differences, nothing was changed",
        "  0.weight has shape (3, 2), not (2, 3)",
        "  2.weight holds complex128, not float64",
        "  2.bias is missing, of shape (1,)",
        "  other is not known here, of shape (4,)",
        "  PyTorch's weights are (out, in), these are (in, out).",
        "  Try: state | {name: state[name].T for name in ['0.weight']}",
    ]
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    assert not isinstance(caught.value, tg.ShapeError)
    kernels = nn.Conv2d(1, 2, (3, 4), bias=False)
    with pytest.raises(tg.ShapeError, match=r"not \(2, 1, 3, 4\)$"):  # no transpose of a matrix
        kernels.load_state_dict({"weight": np.ones((4, 3, 1, 2))})
    given = {**before, "0.bias": np.ones(4)}
    with pytest.raises(tg.ShapeError, match="1 difference, nothing"):
        model.load_state_dict(given)


@pytest.mark.parametrize("value", [None, "a", [[1.0], [1.0, 2.0]], object(), b"bytes"])
def test_loading_what_is_no_array(value: object) -> None:
    model = nn.Linear(2, 1, bias=False)
    with pytest.raises(ValueError, match=r"  weight (holds|has shape|is no array)"):
        model.load_state_dict({"weight": value})
    with pytest.raises(TypeError, match="a dict of names"):
        model.load_state_dict([value])


def test_loading_takes_tensors_lists_and_other_floats() -> None:
    model = nn.Linear(2, 1, dtype=np.float32)
    model.load_state_dict({"weight": [[1], [2]], "bias": tg.Tensor([0.5])})
    assert model.weight.tolist() == [[1.0], [2.0]]
    assert model.weight.dtype == np.float32


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_random_states_come_back_as_json(kind: Any) -> None:
    model = nn.Sequential(nn.Dropout(0.5, seed=np.random.Generator(kind(1))), nn.Dropout(0.2, seed=3))
    model(np.ones(7))
    state = json.loads(json.dumps(model.random_state()))
    first = [model(np.ones(30)).tolist() for _ in range(3)]
    model.load_random_state(state)
    assert [model(np.ones(30)).tolist() for _ in range(3)] == first


def test_a_random_state_that_does_not_fit_changes_nothing() -> None:
    model = nn.Sequential(nn.Dropout(0.5, seed=0), nn.Dropout(0.5, seed=1))
    before = model.random_state()
    other = nn.Dropout(0.5, seed=np.random.Generator(np.random.MT19937(1))).random_state()["rng"]
    for state in ({}, {"0.rng": before["0.rng"]}, {**before, "x": ""}, {**before, "1.rng": other}, {**before, "1.rng": "[]"}):
        changed = {**state, "0.rng": before["1.rng"]} if state.keys() == before.keys() else state
        with pytest.raises(ValueError, match="load_random_state"):
            model.load_random_state(changed)
        assert model.random_state() == before


# ---- wrong input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: nn.Linear(2, 3)(np.ones((2, 4))),
            tg.ShapeError,
            r"in_features, 2.\n  Try: layer\(x.T\)   gives \(4, 3\)",
        ),
        (lambda: nn.Linear(2, 3)(1.0), tg.ShapeError, r"the last axis of x must be in_features, 2"),
        (lambda: nn.Linear(0, 3), ValueError, "in_features is 0: it must be at least 1"),
        (lambda: nn.Linear(True, 3), TypeError, "in_features is True, not a whole number"),
        (lambda: nn.Linear(2.5, 3), TypeError, "in_features is float, not a whole number"),
        (lambda: nn.Linear(2, 3, init="he"), ValueError, r"Try: init=\"auto\""),
        (lambda: nn.Linear(2, 3, init=lambda shape, rng: np.ones(3)), tg.ShapeError, r"init gives shape \(3,\)"),
        (lambda: nn.MLP([3]), ValueError, "not an input and an output"),
        (lambda: nn.MLP([3, 1], "tan"), ValueError, "Try: one of tanh, sigmoid, relu"),
        (lambda: nn.MLP([3, 1], dims="a b c"), ValueError, "3 letters for 2 sizes"),
        (lambda: nn.Sequential(tg.tanh), TypeError, r"no. 0 is function, not a Module"),
        (lambda: nn.Embedding(3, 2)([0, 3]), IndexError, "there is no row 3"),
        (lambda: nn.Embedding(3, 2)([-1]), IndexError, "the rows are 0 to 2"),
        (lambda: nn.Embedding(3, 2)([1.0]), TypeError, r"Try: indices.astype\(int\)"),
        (lambda: nn.Dropout(1.0), ValueError, "at least 0 and below 1"),
        (lambda: nn.LayerNorm((2, 3))(np.ones((3, 2))), tg.ShapeError, r"normalized_shape, \(2, 3\)"),
        (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), tg.ShapeError, r"at least 2 numbers, there is 1(.|\n)*model.eval\(\)"),
        (lambda: nn.BatchNorm1d(3)(np.ones((4, 2))), tg.ShapeError, r"x must be \(N, 3\)"),
        (lambda: nn.BatchNorm1d(3, momentum=2), ValueError, "from 0 to 1"),
        (lambda: nn.Conv2d(1, 2, 5, padding=1)(np.ones((1, 1, 2, 9))), tg.ShapeError, r"height: 2 \+ 2·1 − 5 = -1"),
        (lambda: nn.Conv2d(1, 2, 3)(np.ones((4, 8, 8))), tg.ShapeError, r"Try: x\[:, None\]   gives \(4, 1, 8, 8\)"),
        (
            lambda: nn.Conv2d(3, 2, 3)(np.ones((4, 8, 8, 3))),
            tg.ShapeError,
            r"x must be \(N, 3, height, width\).\n  Try: x.transpose\(0, 3, 1, 2\)   gives \(4, 3, 8, 8\)",
        ),
        (lambda: nn.Conv2d(3, 2, 3)(np.ones((4, 8, 8, 2))), tg.ShapeError, r"height, width\).$"),
        (lambda: nn.Conv2d(1, 2, (1, 2, 3)), ValueError, r"give one number, or a pair"),
        (lambda: nn.Conv2d(1, 2, 3, padding=-1), ValueError, "padding is -1: it must be at least 0"),
        (lambda: nn.MaxPool2d(3)(np.ones((1, 1, 4, 2))), tg.ShapeError, r"width: 2 \+ 2·0 − 3 = -1"),
        (lambda: nn.AvgPool2d(2)(np.ones((4, 4))), tg.ShapeError, r"AvgPool2d\(2×2\): x does not fit"),
        (lambda: nn.Conv2d(3, 2, 3)(np.ones((3, 8, 8))), tg.ShapeError, r"Try: x\[None\]   gives \(1, 3, 8, 8\)"),
        (lambda: nn.Conv2d(1, 2, 3)(np.ones((8, 8))), tg.ShapeError, r"Try: x\[None, None\]   gives \(1, 1, 8, 8\)"),
        (lambda: nn.Conv2d(1, 2, 3)(1.0), tg.ShapeError, r"height, width\).$"),
        (lambda: nn.Embedding(3, 2)(tg.Tensor([1.0], name="n")), TypeError, r"indices n  \(1,\)(.|\n)*Try: n.astype\(int\)"),
        (lambda: nn.Dropout("a"), TypeError, "Dropout: p is str, not a number: 'a'"),
        (lambda: nn.Dropout(float("nan")), ValueError, "Dropout: p is nan"),
        (lambda: nn.LayerNorm(3, eps=-1.0), ValueError, "LayerNorm: eps is -1; it must be at least 0 and finite"),
        (lambda: nn.LayerNorm(()), ValueError, r"no axes to normalise over.\n  Try: tg.nn.LayerNorm\(3\)"),
        (lambda: nn.BatchNorm1d(3, eps=float("inf")), ValueError, "eps is inf"),
        (lambda: nn.BatchNorm1d(3, momentum=None), TypeError, "momentum is NoneType, not a number"),
        (lambda: nn.LeakyReLU("a"), TypeError, "negative_slope is str"),
        (lambda: nn.ELU(float("-inf")), ValueError, "alpha is -inf; it must be finite"),
        (lambda: nn.Sequential([nn.Tanh()]), TypeError, r"no. 0 is list, not a Module(.|\n)*Try: tg.nn.Sequential\(\*layers\)"),
        (lambda: nn.MLP(2, 3), TypeError, r"MLP: sizes is int, not a list: 2\n  Try: tg.nn.MLP\(\[2, 16, 1\]\)"),
        (lambda: nn.MLP([2, 3], nn.Tanh), TypeError, "the activation is type, not a name or a module"),
        (lambda: nn.MLP([2, 3], tg.tanh), TypeError, r"Try: activation=\"relu\""),
        (lambda: nn.init.gain("swish"), ValueError, "one of linear, sigmoid, tanh, relu, selu"),
        (lambda: nn.init.fans(()), ValueError, "no fan in"),
    ],
)
def test_messages(call: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_the_suggestions_work() -> None:
    assert nn.Linear(2, 3)(np.ones((2, 4)).T).shape == (4, 3)
    assert nn.Conv2d(1, 2, 3)(np.ones((4, 8, 8))[:, None]).shape == (4, 2, 6, 6)
    images = np.ones((4, 8, 8, 3))
    assert nn.Conv2d(3, 2, 3)(images.transpose(0, 3, 1, 2)).shape == (4, 2, 6, 6)
    assert nn.Conv2d(8, 2, 3)(images[0][None]).shape == (1, 2, 6, 1)
    assert nn.Conv2d(1, 2, 3)(images[0, 0][None, None]).shape == (1, 2, 6, 1)
    assert nn.MLP([2, 3, 1], nn.LayerNorm(3))(np.ones((4, 2))).shape == (4, 1)
    model, other = nn.MLP([2, 3, 1], seed=0), nn.MLP([2, 3, 1], seed=1)
    state = {name: array.T for name, array in model.state_dict().items()}
    with pytest.raises(tg.ShapeError, match="2 differences") as caught:
        other.load_state_dict(state)
    other.load_state_dict(eval(str(caught.value).rpartition("Try: ")[2], {"state": state}))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert tg.mse(nn.Flatten(0)(np.ones((5, 1))), np.zeros(5)).item() == 1.0


# ---- names, frames, readers ---------------------------------------------------------------------------------------------------


def test_names_for_pictures() -> None:
    layer = nn.Linear(2, 3)
    layer(numbers(4, 2))
    assert [w.name for w in layer.parameters()] == ["W", "b"]
    model = nn.Sequential(nn.LayerNorm(2), nn.Sequential(layer, nn.Tanh()), nn.Linear(3, 1))
    assert [w.name for w in model.parameters()] == ["gamma1", "beta1", "W2", "b2", "W3", "b3"]
    mixed = Mixed()
    mixed.blocks[2].weight.name = "mine"
    mixed(numbers(4, 2))
    assert [w.name for w in mixed.parameters()] == ["scale", "W1", "b1", "mine", "b2", "W3", "b3"]


def frames(t: tg.Tensor) -> list[str]:
    return [group.name for group in t._scope] if hasattr(t, "_scope") else []


@pytest.mark.parametrize("kinds", ["", "t", "tt", "l", "lt", "tl", "ltt", "ttltlltt", "lslt"])
def test_a_sequential_is_one_module_after_the_other(kinds: str) -> None:
    make: dict[str, Callable[[int], nn.Module]] = {
        "t": lambda i: nn.Tanh(),
        "l": lambda i: nn.Linear(3, 3, seed=i),
        "s": lambda i: nn.Sequential(nn.Linear(3, 3, seed=9), nn.Sigmoid()),
    }
    layers = [make[kind](i) for i, kind in enumerate(kinds)]
    x = y = tg.Tensor(numbers(4, 3))
    for layer in layers:
        y = layer(y)
    assert np.array_equal(nn.Sequential(*layers)(x).data, y.data)


def test_an_attribute_with_a_number_keeps_it_in_pictures() -> None:
    class Quadratic(nn.Module):
        def __init__(self) -> None:
            self.w1, self.w2 = tg.Tensor(1.0, requires_grad=True), tg.Tensor(2.0, requires_grad=True)

        def forward(self, x: Any) -> tg.Tensor:
            return self.w1 * x + self.w2 * x**2

    model = nn.Sequential(nn.Linear(1, 1), Quadratic())
    model(numbers(3, 1))
    assert [w.name for w in model.parameters()] == ["W1", "b1", "w1", "w2"]


def test_layers_that_are_replaced() -> None:
    model = nn.MLP([2, 4, 1], seed=0)
    x = numbers(3, 2)
    before = model(x)
    model[-1] = nn.Linear(4, 5, seed=1)
    assert model(x).shape == (3, 5)
    assert [w.name for w in model.parameters()] == ["W1", "b1", "W2", "b2"]
    model.layers = (*model.layers, nn.Tanh(), nn.Linear(5, 7, seed=2))
    assert model(x).shape == (3, 7)
    assert [name for name, _ in model.named_parameters()][-1] == "4.bias"
    assert model.parameters()[-1].name == "b3"
    model.layers = model.layers[:1]
    assert np.array_equal(model(x).data, model[0](x).data)
    assert before.shape == (3, 1)
    with pytest.raises(TypeError, match=r"no. 0 is function"):
        model[0] = tg.tanh

    class Net(nn.Module):
        def __init__(self) -> None:
            self.body, self.head = nn.Linear(2, 3, seed=0), nn.Linear(3, 1, seed=1)

        def forward(self, x: Any) -> tg.Tensor:
            y: tg.Tensor = self.head(tg.tanh(self.body(x)))
            return y

    net = Net()
    net(x)
    net.head = nn.Linear(3, 2, seed=2)
    y = net(x).named("y")
    assert [w.name for w in net.parameters()] == ["W1", "b1", "W2", "b2"]
    assert "head" in tg.draw(y.sum()).source


def test_two_parts_of_one_name_are_refused() -> None:
    class Twins(nn.Module):
        def __init__(self) -> None:
            self.parts: dict[Any, nn.Module] = {1: nn.Linear(1, 1), "1": nn.Linear(1, 1)}

    for call in (Twins().state_dict, Twins().parameters, lambda: Twins().load_state_dict({})):
        with pytest.raises(ValueError, match=r"two of its parts are called 'parts.1'.\n  Try:"):
            call()


def test_frames() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.encoder = nn.MLP([2, 3, 2], seed=0)
            self.act = nn.Tanh()
            self.out = nn.Linear(2, 1, seed=0)

        def forward(self, x: Any) -> tg.Tensor:
            self.seen = [x * 1.0, self.encoder(x), self.act(self.encoder(x))]
            y: tg.Tensor = self.out(self.seen[2])
            return y

    net = Net()
    y = net(tg.Tensor(numbers(4, 2)))
    assert [frames(t) for t in net.seen] == [[], ["encoder", "layer 2"], []]
    assert frames(y) == ["out"]
    assert [t.name for t in net.seen] == [None, "u2", None]
    with tg.scope("outside"):
        assert frames(net(tg.Tensor(numbers(4, 2)))) == ["outside", "out"]
    assert MODES.get() == ()


def test_frames_and_generators() -> None:
    model = nn.MLP([2, 2, 1], seed=0)

    def steps() -> Iterator[tg.Tensor]:
        with tg.scope("loop"):
            while True:
                yield model(tg.Tensor(numbers(3, 2)))

    running = steps()
    assert [frames(next(running)) for _ in range(2)] == [["loop", "layer 2"]] * 2
    assert frames(model(tg.Tensor(numbers(3, 2)))) == ["layer 2"]
    running.close()
    assert MODES.get() == ()


def test_a_generator_that_enters_a_mode_inside_of_a_frame_keeps_it() -> None:
    def quiet() -> Iterator[bool]:
        with tg.no_grad():
            while True:
                yield (tg.Tensor(1.0, requires_grad=True) * 2).requires_grad

    running = quiet()
    assert framed(tg.scope("a"), lambda: (next(running), [group.name for group in scopes()])) == (False, ["a"])
    assert next(running) is False
    assert scopes() == ()
    running.close()
    assert MODES.get() == ()


def test_a_frame_ends_with_an_error() -> None:
    model = nn.MLP([2, 2, 1])
    with pytest.raises(tg.ShapeError):
        model(np.ones((1, 3)))
    assert MODES.get() == ()


def test_an_mlp_reads_like_the_note() -> None:
    model = nn.MLP([2, 3, 3, 1], dims="F d1 d2 d3", seed=0)
    x = tg.Tensor(numbers(4, 2), name="x", dims="N F")
    y = tg.Tensor(numbers(4, 1), name="y", dims="N d3")
    L = tg.mse(model(x), y).named("L")
    formulas = {node.name: node.formula for node in tg.graph(L).nodes}
    assert formulas["u2"] == "h⁽¹⁾ · W⁽²⁾ + b⁽²⁾"
    assert formulas["h2"] == "tanh(u⁽²⁾)"
    assert tg.backward_graph(L)["dL/dW2"].formula == "(h⁽¹⁾)ᵀ · ∂𝓛/∂u⁽²⁾"
    assert "(d₁, d₂) = (d₁, N)(N, d₂)" in str(tg.derive(L, model[2].weight))
    space: dict[str, Any] = {}
    exec(tg.source(L), space)
    found = space["forward_backward"](x.numpy(), y.numpy(), *[w.numpy() for w in model.parameters()])
    L.backward()
    assert np.isclose(found[0], L.item())
    assert all(np.allclose(g, w.grad) for g, w in zip(found[1:], model.parameters(), strict=True))
    assert tg.draw(L).source.count("subgraph cluster") == 3


def test_repr() -> None:
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)  weight (2, 3)  6 parameters"
    assert repr(nn.Tanh()) == "Tanh"
    assert repr(Tied()).splitlines() == [
        "Tied",
        "  first  Linear(3, 3)  weight (3, 3), bias (3,)   12",
        "  second  Linear(3, 3)  weight (3, 3), bias (3,)   3",
        "  parameters                                      15",
    ]
    text = repr(nn.Sequential(nn.BatchNorm1d(2), nn.MLP([2, 1])))
    assert text.splitlines() == [
        "Sequential",
        "  0  BatchNorm1d(2)  weight (2,), bias (2,), running_mean (2,) (buffer), running_var (2,) (buffer)  4",
        "  1  MLP",
        "    0  Linear(2, 1)  weight (2, 1), bias (1,)                                                       3",
        "  parameters                                                                                        7",
    ]


# ---- compiled -----------------------------------------------------------------------------------------------------------------


def compiled_models() -> Iterator[tuple[nn.Module, Any]]:
    rng = np.random.default_rng(0)
    x = numbers(6, 4)
    yield nn.MLP([4, 5, 3], seed=0), x
    layers = [nn.Linear(4, 5, seed=rng), nn.LayerNorm(5), nn.GELU(), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 3, seed=rng)]
    yield nn.Sequential(*layers).eval(), x
    layers = [nn.Conv2d(1, 2, 3, padding=1, seed=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3, seed=rng)]
    yield nn.Sequential(*layers), numbers(6, 1, 4, 4)
    yield nn.Sequential(nn.Embedding(7, 2, seed=rng), nn.Flatten(), nn.Linear(4, 3, seed=rng)), rng.integers(0, 7, (6, 2))


@pytest.mark.parametrize("which", range(4))
def test_a_compiled_step_is_the_engine_s(which: int) -> None:
    model, x = list(compiled_models())[which]
    y = np.array([0, 1, 2, 2, 1, 0])
    step = tg.compile(lambda x, y: tg.cross_entropy(model(x), y), wrt=model.parameters())
    for shift in (0, 2):
        value, found = step(np.roll(x, shift, 0), y)
        model.zero_grad()
        L = tg.cross_entropy(model(np.roll(x, shift, 0)), y)
        L.backward()
        assert np.isclose(value, L.item())
        assert all(np.allclose(g, w.grad) for g, w in zip(found, model.parameters(), strict=True))


def test_a_compiled_step_trains() -> None:
    model = nn.MLP([2, 8, 1], seed=0)
    x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])
    rule = lambda w, g: w - 0.5 * g  # noqa: E731
    step = tg.compile(lambda x, y: tg.binary_cross_entropy_with_logits(model(x), y), wrt=model.parameters(), update=rule)
    for _ in range(1500):
        step(x, y)
    assert np.array_equal(model(x).data > 0, y > 0)


def test_a_program_reads_running_statistics_at_every_call() -> None:
    norm = nn.BatchNorm1d(3).eval()
    predict = tg.compile(lambda x: norm(x), wrt=())
    x = numbers(4, 3)
    before = predict(x)
    norm.train()(x + 5)
    norm.eval()
    assert np.allclose(predict(x), norm(x).data)
    assert not np.allclose(predict(x), before)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5, seed=0), nn.BatchNorm1d(3)])
def test_what_a_program_would_freeze_is_refused(layer: nn.Module) -> None:
    before = layer.state_dict()
    with pytest.raises(tg.CompileError, match=r"Try: model.eval\(\)"):
        tg.compile(lambda x: layer(x).sum(), wrt=())(numbers(4, 3))
    assert all(np.array_equal(before[name], value) for name, value in layer.state_dict().items())
