"""Vanishing gradients: the first numbers of the weights decide whether a deep network learns.

On its way back a gradient is multiplied by f'(u) and by Wᵀ in every layer. Where that makes it
smaller each time, little of it reaches the first layer: sig' is 1/4 at most. Where the weights are
so small that the values vanish on their way forward too, no layer gets anything. X. Glorot and
Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010);
K. He et al., "Delving deep into rectifiers" (2015).
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos


def small(shape, rng):
    return rng.normal(0, 0.05, shape)


NETWORKS = {
    "sigmoid, Xavier": ("sigmoid", tg.nn.init.xavier_uniform),
    "tanh, N(0, 0.05²)": ("tanh", small),
    "tanh, Xavier": ("tanh", tg.nn.init.xavier_uniform),
    "relu, He": ("relu", tg.nn.init.he_normal),
}
DEPTH, WIDTH = 10, 32


def run(out, quick=False, seed=0):
    x, y = tg.data.spirals(300, classes=3, seed=seed)
    norms, losses = {}, {}
    for name, (activation, init) in NETWORKS.items():
        sizes = [2, *[WIDTH] * (DEPTH - 1), 3]
        model = tg.nn.MLP(sizes, activation=activation, init=init, seed=seed)
        opt = tg.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        losses[name] = []
        for _ in range(150 if quick else 300):
            opt.zero_grad()
            L = tg.cross_entropy(model(x), y)
            L.backward()
            if not losses[name]:  # before the first step
                weights = [w for w in model.parameters() if w.ndim == 2]
                norms[name] = [float(np.linalg.norm(w.grad)) for w in weights]
            opt.step()
            losses[name].append(L.item())
    ratios = {name: found[0] / found[-1] for name, found in norms.items()}
    print("‖dL/dW‖ before the first step\nlayer     " + "".join(f"{name:>20}" for name in NETWORKS))
    for k in range(DEPTH):
        print(f"{k + 1:5d}     " + "".join(f"{found[k]:20.1e}" for found in norms.values()))
    print("first/last" + "".join(f"{ratio:20.1e}" for ratio in ratios.values()))
    print("\nlast loss " + "".join(f"{found[-1]:20.3f}" for found in losses.values()))

    figure, (left, right) = tg.plots.panels(1, 2, size=(12, 4.6))
    title = "Gradients before the first step"
    tg.plots.loss_curve(norms, what="norm of dL/dW", log=True, xlabel="layer", title=title, ax=left)
    left.set_xticks(range(DEPTH), range(1, DEPTH + 1))
    tg.plots.loss_curve(losses, xlabel="step", title="Does it learn?", ax=right)
    figure.write(out / "vanishing.svg")
    sigmoid, tanh, xavier, he = (found[0] for found in norms.values())
    print(
        f"\nSeen: gradients of {sigmoid:.0e} and {tanh:.0e} in layer 1 leave the loss at ln 3 ",
        end="",
    )
    print(f"= {np.log(3):.3f}.\nThose of {xavier:.2f} (Xavier) and {he:.2f} (He) bring it down.")
    return {"norms": norms, "ratios": ratios, "losses": losses}


if __name__ == "__main__":
    demos.main(run)
