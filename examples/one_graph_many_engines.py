"""One graph, many engines: what was recorded once runs as NumPy, as plain Python, and elsewhere.

The record of a loss is enough to write its gradients as code, to compile or to export them: for
PyTorch, JAX and onnxruntime too, if installed. All must give the same numbers, at their own speed.
"""

from contextlib import suppress
from timeit import repeat

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos, note


def loss(x, y, W1, b1, W2, b2, U, c):
    h1 = tg.tanh(x @ W1 + b1)
    h2 = tg.sigmoid(h1 @ W2 + b2)
    return tg.binary_cross_entropy(tg.sigmoid(h2 @ U + c), y)


def function(text):
    exec(text, space := {})
    return space["forward_backward"]


def engines(L, given, folder):
    """Name by name, a function that gives the loss and its six gradients."""
    arrays, lists = given.values(), {k: v.tolist() for k, v in given.items()}
    sweep = tg.value_and_grad(loss, range(2, 8))
    yield "record and sweep", lambda: sweep(*arrays)
    written = function(tg.source(L))
    yield "tg.source, NumPy", lambda: written(**given)
    step = tg.compile(loss, wrt=list(range(2, 8)))
    yield "tg.compile, NumPy", lambda: step(*arrays)
    scalar = function(tg.source(L, level="scalar"))
    yield "number by number, Python", lambda: scalar(**lists)
    anywhere = function(tg.source(L, xp=True))
    with suppress(ImportError):
        import torch

        tensors = [torch.tensor(v) for v in arrays]
        yield "tg.source, PyTorch", lambda: anywhere(torch, *tensors)
    with suppress(ImportError):
        import jax

        jax.config.update("jax_enable_x64", True)
        jitted = jax.jit(anywhere, static_argnums=0)
        yield "tg.source, JAX", lambda: jax.block_until_ready(jitted(jax.numpy, *arrays))
    with suppress(ImportError):
        import onnxruntime

        model = tg.export_onnx(L, folder / "note.onnx", wrt=True, parameters="inputs")
        session = onnxruntime.InferenceSession(str(model.path))
        names = ["L", *(f"dL_d{k}" for k in list(given)[2:])]
        yield "tg.export_onnx, onnxruntime", lambda: session.run(names, given)


def flat(result):
    if isinstance(result, (list, tuple)):
        return np.concatenate([flat(part) for part in result])
    return np.ravel(result.numpy() if hasattr(result, "numpy") else result)


def run(out, quick=False, seed=0):
    network = note.network(n=16, seed=seed)
    given = {name: t.numpy() for name, t in network.items() if not t.inputs}
    apart, ratios = {}, {}
    print("engine                         largest difference    time, the sweep's = 1")
    for name, f in engines(network["L"], given, out):
        result, seconds = flat(f()), np.median(repeat(f, number=1, repeat=5 if quick else 500))
        if not apart:
            expected, sweep = result, seconds
        apart[name] = float(np.max(np.abs(result - expected)))
        ratios[name] = float(seconds / sweep)
        print(f"{name:<31}{apart[name]:18.0e}{ratios[name]:25.2f}")
    absent = [e for e in ("PyTorch", "JAX", "onnxruntime") if not any(e in name for name in apart)]
    print("not installed here:", ", ".join(absent) or "none")
    figure, axes = tg.plots.panels(size=(7, 3.2))
    axes.bar_label(axes.barh(list(ratios)[::-1], list(ratios.values())[::-1]), fmt=" %.2f")
    axes.set(title="The note's gradients, N = 16", xlabel="time, the sweep's = 1", xmargin=0.12)
    figure.write(out / "one_graph_many_engines.svg")
    best = min(ratios, key=ratios.get)
    print(f"\nSeen: the gradients of {len(apart)} engines agree to {max(apart.values()):.0e}.")
    print(f"The quickest takes {ratios[best]:.0%} of the sweep's time for 16 examples: {best}.")
    return {"apart": apart, "ratios": ratios}


if __name__ == "__main__":
    demos.main(run)
