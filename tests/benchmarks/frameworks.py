"""The same step in other libraries, each written as its users are advised to write it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from network import RATE, Array, Step, Unavailable, problem


def hips_autograd(size: str, dtype: str) -> Step:
    """The HIPS autograd package."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y, parameters = problem(size, dtype)

    def loss(parameters: list[Array]) -> Array:
        W1, b1, W2, b2, U, c = parameters
        h1 = anp.tanh(anp.dot(x, W1) + b1)
        h2 = 1 / (1 + anp.exp(-(anp.dot(h1, W2) + b2)))
        yhat = 1 / (1 + anp.exp(-(anp.dot(h2, U) + c)))
        return -anp.mean(y * anp.log(yhat) + (1 - y) * anp.log(1 - yhat))

    differentiated = value_and_grad(loss)

    def step() -> float:
        L, gradients = differentiated(parameters)
        for w, dw in zip(parameters, gradients, strict=True):
            w -= RATE * dw
        return float(L)

    return step


def mygrad(size: str, dtype: str) -> Step:
    """MyGrad, without the guards that lock arrays, as its documentation advises for speed."""
    import mygrad as mg
    from mygrad.nnet.activations import sigmoid

    mg.turn_memory_guarding_off()
    x, y, arrays = problem(size, dtype)
    parameters = [mg.tensor(p) for p in arrays]
    W1, b1, W2, b2, U, c = parameters

    def step() -> float:
        h1 = mg.tanh(x @ W1 + b1)
        h2 = sigmoid(h1 @ W2 + b2)
        yhat = sigmoid(h2 @ U + c)
        L = -mg.mean(y * mg.log(yhat) + (1 - y) * mg.log(1 - yhat))
        L.backward()
        for w in parameters:
            w.data -= RATE * w.grad
            w.null_grad()
        return L.item()

    return step


def torch_problem(size: str, dtype: str) -> tuple[Any, Any, list[Any]]:
    import torch

    x, y, arrays = problem(size, dtype)
    return torch.from_numpy(x), torch.from_numpy(y), [torch.from_numpy(np.array(p)) for p in arrays]


def torch_loss(x: Any, y: Any, parameters: list[Any]) -> Any:
    import torch

    W1, b1, W2, b2, U, c = parameters
    h1 = torch.tanh(x @ W1 + b1)
    h2 = torch.sigmoid(h1 @ W2 + b2)
    yhat = torch.sigmoid(h2 @ U + c)
    return torch.nn.functional.binary_cross_entropy(yhat, y)


def pytorch(size: str, dtype: str) -> Step:
    """PyTorch, eager."""
    import torch

    x, y, parameters = torch_problem(size, dtype)
    for p in parameters:
        p.requires_grad_()

    def step() -> float:
        L = torch_loss(x, y, parameters)
        L.backward()
        with torch.no_grad():
            for w in parameters:
                w -= RATE * w.grad
                w.grad = None
        return L.item()

    return step


def pytorch_compiled(size: str, dtype: str) -> Step:
    """PyTorch, the whole step through torch.compile."""
    import torch

    warnings.filterwarnings("ignore", module="torch")  # its compiler deprecates parts of itself
    x, y, parameters = torch_problem(size, dtype)

    # New parameters, as in JAX: with an update in place, torch 2.13 compiles this step to wrong numbers.
    def whole(x: Any, y: Any, parameters: list[Any]) -> tuple[Any, list[Any]]:
        gradients, L = torch.func.grad_and_value(lambda p: torch_loss(x, y, p))(parameters)
        return L, [w - RATE * dw for w, dw in zip(parameters, gradients, strict=True)]

    compiled = torch.compile(whole, fullgraph=True)
    try:
        compiled(x, y, parameters)
    except torch._dynamo.exc.BackendCompilerFailed as error:
        raise Unavailable(f"torch.compile: {' '.join(str(error).split())[:120]}") from None

    def step() -> float:
        nonlocal parameters
        L, parameters = compiled(x, y, parameters)
        return L.item()

    return step


def jax_jit(size: str, dtype: str) -> Step:
    """JAX, the whole step under jit; the parameters' memory is reused."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    x, y, arrays = problem(size, dtype)
    x, y, parameters = jnp.asarray(x), jnp.asarray(y), [jnp.asarray(p) for p in arrays]

    def loss(parameters: list[Any], x: Any, y: Any) -> Any:
        W1, b1, W2, b2, U, c = parameters
        h1 = jnp.tanh(x @ W1 + b1)
        h2 = jax.nn.sigmoid(h1 @ W2 + b2)
        yhat = jax.nn.sigmoid(h2 @ U + c)
        return -jnp.mean(y * jnp.log(yhat) + (1 - y) * jnp.log(1 - yhat))

    def whole(parameters: list[Any], x: Any, y: Any) -> tuple[Any, list[Any]]:
        L, gradients = jax.value_and_grad(loss)(parameters, x, y)
        return L, [w - RATE * dw for w, dw in zip(parameters, gradients, strict=True)]

    compiled = jax.jit(whole, donate_argnums=0)

    def step() -> float:
        nonlocal parameters
        L, parameters = compiled(parameters, x, y)
        jax.block_until_ready(parameters)
        return float(L)

    return step


def tinygrad(size: str, dtype: str) -> Step:
    """The library tinygrad/tinygrad, the whole step under its TinyJit."""
    from tinygrad import Device, Tensor, TinyJit

    try:
        _ = Device.DEFAULT
    except RuntimeError as error:
        raise Unavailable(f"{error} (on a CPU it needs clang)") from None
    # Clones: a tensor that still shares NumPy's memory misses the second of its updates under TinyJit.
    x_data, y_data, arrays = problem(size, dtype)
    x, y, *parameters = (Tensor(np.array(a)).clone().realize() for a in (x_data, y_data, *arrays))

    @TinyJit
    def whole(x: Any, y: Any) -> Any:
        W1, b1, W2, b2, U, c = parameters
        h1 = (x @ W1 + b1).tanh()
        h2 = (h1 @ W2 + b2).sigmoid()
        yhat = (h2 @ U + c).sigmoid()
        L = -(y * yhat.log() + (1 - y) * (1 - yhat).log()).mean()
        gradients = L.gradient(*parameters)
        L.realize(*gradients)  # before a parameter that they are computed from is assigned to
        for w, dw in zip(parameters, gradients, strict=True):
            w.assign(w - RATE * dw)
        Tensor.realize(*parameters)
        return L

    return lambda: whole(x, y).item()
