"""tg.nn against torch.nn, with copied weights: values, gradients, running statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn

pytestmark = pytest.mark.interop

CASES = ["Linear", "LayerNorm", "BatchNorm1d", "BatchNorm1d length", "Conv2d", "MaxPool2d", "AvgPool2d", "Embedding", "MLP"]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def both(torch: Any, case: str) -> tuple[nn.Module, Any, Any]:
    """Our layer, PyTorch's, and an input."""
    rng = np.random.default_rng(0)
    t = torch.nn
    match case:
        case "Linear":
            return nn.Linear(5, 3, seed=0), t.Linear(5, 3), rng.normal(size=(2, 4, 5))
        case "LayerNorm":
            return nn.LayerNorm((3, 5)), t.LayerNorm((3, 5)), rng.normal(size=(4, 3, 5))
        case "BatchNorm1d":
            return nn.BatchNorm1d(3, momentum=0.3), t.BatchNorm1d(3, momentum=0.3), rng.normal(2, 3, size=(6, 3))
        case "BatchNorm1d length":
            return nn.BatchNorm1d(3), t.BatchNorm1d(3), rng.normal(2, 3, size=(4, 3, 5))
        case "Conv2d":
            ours = nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), seed=0)
            return ours, t.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0)), rng.normal(size=(2, 2, 6, 5))
        case "MaxPool2d":
            return nn.MaxPool2d(3, 2), t.MaxPool2d(3, 2), rng.normal(size=(2, 2, 7, 8))
        case "AvgPool2d":
            return nn.AvgPool2d(2), t.AvgPool2d(2), rng.normal(size=(2, 2, 5, 4))
        case "Embedding":
            return nn.Embedding(6, 3, seed=0), t.Embedding(6, 3), rng.integers(0, 6, size=(4, 5))
        case _:
            theirs = t.Sequential(t.Linear(4, 8), t.ReLU(), t.Linear(8, 8), t.ReLU(), t.Linear(8, 2))
            return nn.MLP([4, 8, 8, 2], "relu", seed=0), theirs, rng.normal(size=(7, 4))


def turned(name: str, array: Any) -> Any:
    """PyTorch's array as ours, and back."""
    return array.T if array.ndim == 2 and name.endswith("weight") else array


@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_pytorch_s(torch: Any, case: str) -> None:
    ours, theirs, x = both(torch, case)
    theirs = theirs.double()
    linear = case in ("Linear", "MLP")  # whose weights are the other way round
    rng = np.random.default_rng(1)
    state = {name: rng.normal(size=value.shape) for name, value in ours.state_dict().items() if "running" not in name}
    with torch.no_grad():
        for name, value in state.items():
            theirs.get_parameter(name).copy_(torch.tensor(turned(name, value) if linear else value))
    ours.load_state_dict({**ours.state_dict(), **state})

    for mode in (True, True, False):
        ours.train(mode)
        theirs.train(mode)
        a = tg.Tensor(x, requires_grad=x.dtype.kind == "f")
        b = torch.tensor(x, requires_grad=x.dtype.kind == "f")
        y, z = ours(a), theirs(b)
        g = rng.normal(size=y.shape)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(g) if y.requires_grad else None
        z.backward(torch.tensor(g))
        assert np.allclose(y.data, z.detach().numpy(), rtol=1e-12, atol=1e-12)
        if b.requires_grad:
            assert np.allclose(a.grad, b.grad.numpy(), rtol=1e-10, atol=1e-12)
        for name, w in ours.named_parameters():
            theirs_grad = theirs.get_parameter(name).grad.numpy()
            assert np.allclose(w.grad, turned(name, theirs_grad) if linear else theirs_grad, rtol=1e-10, atol=1e-12), name
    for name, buffer in ours.named_buffers():
        assert np.allclose(buffer.data, theirs.get_buffer(name).numpy(), rtol=1e-12), name


@pytest.mark.parametrize("name", ["Tanh", "Sigmoid", "ReLU", "LeakyReLU", "ELU", "SELU", "SiLU", "Softplus", "Softmax"])
def test_an_activation_is_pytorch_s(torch: Any, name: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 5)) * 3
    theirs = getattr(torch.nn, name)(dim=-1) if name == "Softmax" else getattr(torch.nn, name)()
    assert np.allclose(getattr(nn, name)()(x).data, theirs(torch.tensor(x)).numpy(), rtol=1e-10)


@pytest.mark.parametrize("name", ["MSELoss", "BCEWithLogitsLoss", "CrossEntropyLoss"])
def test_a_loss_is_pytorch_s(torch: Any, name: str) -> None:
    rng = np.random.default_rng(0)
    u = rng.normal(size=(4, 3))
    y = rng.integers(0, 3, 4) if name == "CrossEntropyLoss" else rng.uniform(size=(4, 3))
    a, b = tg.Tensor(u, requires_grad=True), torch.tensor(u, requires_grad=True)
    ours, theirs = getattr(nn, name)()(a, y), getattr(torch.nn, name)()(b, torch.tensor(y))
    ours.backward()
    theirs.backward()
    assert np.isclose(ours.item(), theirs.item(), rtol=1e-12)
    assert np.allclose(a.grad, b.grad.numpy(), rtol=1e-10)


def test_names_are_pytorch_s(torch: Any) -> None:
    t = torch.nn
    theirs = t.Sequential(t.Linear(2, 3), t.Tanh(), t.Sequential(t.LayerNorm(3), t.BatchNorm1d(3)), t.Linear(3, 1))
    ours = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Sequential(nn.LayerNorm(3), nn.BatchNorm1d(3)), nn.Linear(3, 1))
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    assert set(ours.state_dict()) == {name for name in theirs.state_dict() if "num_batches" not in name}


def test_gain_is_pytorch_s(torch: Any) -> None:
    for name in ("linear", "sigmoid", "tanh", "relu", "selu"):
        assert nn.init.gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
