"""Exclusive or: one neuron can only say ½ to all four; with a hidden layer all four are right.

A neuron decides by the sign of x w + b: its border is a straight line, and no line has (0, 1) and
(1, 0) on one side, (0, 0) and (1, 1) on the other. The smallest cross entropy that it can have is
ln 2, which is p = ½ for each. M. Minsky and S. Papert, Perceptrons (1969). Two hidden neurons draw
two lines; but from some first weights descent ends in a flat place, where two are right.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos

NETWORKS = {"one neuron": [2, 1], "2 hidden": [2, 2, 1], "4 hidden": [2, 4, 1]}


def train(sizes, x, y, seed, steps):
    """All four examples in every step; gives the model and its last loss."""
    model = tg.nn.MLP(sizes, activation="tanh", seed=seed)
    opt = tg.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        opt.zero_grad()
        L = tg.binary_cross_entropy_with_logits(model(x)[:, 0], y)
        L.backward()
        opt.step()
    return model, L.item()


def run(out, quick=False, seed=0):
    x, y = tg.data.xor()
    seeds = range(seed, seed + (5 if quick else 20))
    losses, best = {}, {}
    for name, sizes in NETWORKS.items():
        runs = [train(sizes, x, y, s, steps=200 if quick else 400) for s in seeds]
        losses[name] = [loss for _, loss in runs]
        best[name] = min(runs, key=lambda found: found[1])[0]
    print("loss of each seed\nseed" + "".join(f"{name:>14}" for name in NETWORKS))
    for i, s in enumerate(seeds):
        print(f"{s:4d}" + "".join(f"{losses[name][i]:14.4f}" for name in NETWORKS))
    outputs = {name: tg.sigmoid(model(x)).numpy()[:, 0] for name, model in best.items()}
    print("\nprobability of 1, by the best of each\nx0 x1  y" + "".join(f"{n:>14}" for n in best))
    for i, (a, b) in enumerate(x):
        print(f"{a:2.0f} {b:2.0f} {y[i]:2d}" + "".join(f"{p[i]:14.3f}" for p in outputs.values()))

    figure, axes = tg.plots.panels(1, 3, size=(12.5, 4.1))
    for ax, (name, model) in zip(axes, best.items(), strict=True):
        undecided = np.abs(outputs[name] - 0.5).max() < 0.05
        loss = f"loss {min(losses[name]):.4f}"
        title = "½ for all,\nthe line means nothing" if undecided else loss
        tg.plots.decision_boundary(
            model,
            x,
            y,
            classes=["equal", "different"],
            margin=0.5,
            legend=name == "4 hidden",
            title=f"{name}: {title}",
            ax=ax,
        )
    figure.write(out / "xor.svg")
    few, many = (sum(loss < 0.1 for loss in losses[name]) for name in ("2 hidden", "4 hidden"))
    least = min(losses["one neuron"])
    print(f"\nSeen: no loss of one neuron is below {least:.4f}; ln 2 is {np.log(2):.4f}.")
    print(
        f"All four are right for {few} of {len(seeds)} seeds with 2 hidden neurons, {many} with 4."
    )
    probabilities = {name: p.tolist() for name, p in outputs.items()}
    return {"losses": losses, "probabilities": probabilities}


if __name__ == "__main__":
    demos.main(run)
