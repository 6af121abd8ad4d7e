"""The lecture note's network: its eleven gradients by hand, by the engine, by finite differences.

u₁ = x W₁ + b₁, h₁ = tanh(u₁), u₂ = h₁ W₂ + b₂, h₂ = sig(u₂), u₃ = h₂ U + c, ŷ = sig(u₃), and L is
the mean cross entropy of ŷ and y. The note derives every gradient from the one that comes after it.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos, note


def by_hand(x, y, h1, W2, h2, U, yhat):
    """The note's last page: each line uses a line above it and what the forward pass computed."""
    du3 = (yhat - y) / len(y)
    dU = h2.T @ du3
    dc = du3.sum()
    dh2 = np.outer(du3, U)
    du2 = dh2 * h2 * (1 - h2)
    dW2 = h1.T @ du2
    db2 = du2.sum(axis=0)
    dh1 = du2 @ W2.T
    du1 = dh1 * (1 - h1 * h1)
    dW1 = x.T @ du1
    db1 = du1.sum(axis=0)
    last = {"u3": du3, "U": dU, "c": dc}
    second = {"h2": dh2, "u2": du2, "W2": dW2, "b2": db2}
    return last | second | {"h1": dh1, "u1": du1, "W1": dW1, "b1": db1}


def after(name, array, values):
    """The loss when one value of the network is replaced by other numbers."""
    v = {**values, name: array}
    u1 = v["u1"] if name == "u1" else v["x"] @ v["W1"] + v["b1"]
    h1 = v["h1"] if name == "h1" else np.tanh(u1)
    u2 = v["u2"] if name == "u2" else h1 @ v["W2"] + v["b2"]
    h2 = v["h2"] if name == "h2" else 1 / (1 + np.exp(-u2))
    u3 = v["u3"] if name == "u3" else h2 @ v["U"] + v["c"]
    return np.mean(np.log1p(np.exp(u3)) - u3 * v["y"])


def differences(name, values, h=1e-5):
    """∂𝓛/∂value entry by entry: push it up and down by h, and see what the loss does."""
    gradient = np.zeros_like(values[name])
    for place in np.ndindex(gradient.shape):
        push = np.zeros_like(gradient)
        push[place] = h
        higher = after(name, values[name] + push, values)
        lower = after(name, values[name] - push, values)
        gradient[place] = (higher - lower) / (2 * h)
    return gradient


def run(out, quick=False, seed=0):
    network = note.network(n=4 if quick else 16, seed=seed)  # Tensors by name
    values = {name: t.numpy() for name, t in network.items()}
    L = network["L"]

    hand = by_hand(*(values[name] for name in ("x", "y", "h1", "W2", "h2", "U", "yhat")))
    engine = tg.gradients(L, [network[name] for name in hand])
    formulas = {result.of: result.formula for result in note.RESULTS}
    apart, numeric = {}, {}
    print("gradient  shape     the note's formula              − by hand   − finite differences")
    for (name, g), e in zip(hand.items(), engine, strict=True):
        apart[name] = float(np.max(np.abs(e.numpy() - g)))
        numeric[name] = float(np.max(np.abs(e.numpy() - differences(name, values))))
        row = f"∂𝓛/∂{name:<4}  {e.shape!s:<8}  {formulas[name]:<30}"
        print(f"{row}  {apart[name]:9.1e}   {numeric[name]:9.1e}")

    most, numeric_most = max(apart.values()), max(numeric.values())
    print(f"\nSeen: the {len(hand)} gradients by hand are the engine's, to {most:.1e}.")
    print(f"Finite differences, which know no rule at all, agree to {numeric_most:.1e}.")
    backward = tg.draw(L, direction="backward")
    demos.write(out, {"forward.svg": tg.draw(L), "backward.svg": backward})
    return {"L": L.item(), "apart": apart, "numeric": numeric}


if __name__ == "__main__":
    demos.main(run)
