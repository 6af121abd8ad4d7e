"""The broadcast trap: (N, 1) minus (N,) is an (N, N) table, and a training on it learns nothing.

The predictions x W + b have shape (N, 1), the targets (N,). NumPy's rule for shapes pairs every
prediction with every target, silently. The mean over this table is a loss, its gradient is right,
the training runs, and the best that it can do is to predict the mean of all targets for everyone.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos


def trap(prediction, target):
    return ((prediction - target) ** 2).mean()  # meant as the mean squared error


def train(x, y, loss, steps, rate=0.5):
    W = tg.Tensor([[0.0]], requires_grad=True, name="W")
    b = tg.Tensor([0.0], requires_grad=True, name="b")
    losses = []
    for _ in range(steps):
        L = loss((x @ W + b).named("prediction"), y)
        L.backward()
        losses.append(L.item())
        for p in (W, b):
            p.data -= rate * p.grad
            p.zero_grad()
    return W.item(), b.item(), losses


def run(out, quick=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (40, 1))
    line = 2.0 * x[:, 0] + 0.5
    y = tg.Tensor(line + rng.normal(0, 0.2, 40), name="y")
    steps = 60 if quick else 200

    print("prediction (40, 1) − y (40,) =", (np.zeros((40, 1)) - y.numpy()).shape, "\n")
    trapped, trapped_b, trapped_losses = train(x, y, trap, steps)
    W, b, losses = train(x, y[:, None], tg.mse, steps)
    print("                      slope   intercept   loss at the end")
    print(f"the data              {2.0:5.2f}   {0.5:9.2f}")
    print(f"(40, 1) and (40,)     {trapped:z5.2f}   {trapped_b:9.2f}   {trapped_losses[-1]:15.3f}")
    print(f"(40, 1) and (40, 1)   {W:5.2f}   {b:9.2f}   {losses[-1]:15.3f}")

    refused = ""
    try:
        train(x, y, tg.mse, steps)
    except tg.ShapeError as error:
        refused = str(error)
    print("\nThe engine's own loss refuses:\n\n" + refused)

    draw(out / "broadcast_trap.svg", x[:, 0], y.numpy(), (trapped, trapped_b), (W, b))
    variance, mean = float(np.var(y.numpy())), float(np.mean(y.numpy()))
    print(f"\nSeen: the trapped line has slope {trapped:z.2f}, at the targets' mean, {mean:.2f}.")
    print(f"Its loss stays at {trapped_losses[-1]:.3f}; their variance is {variance:.3f}.")
    numbers = {"trapped": [trapped, trapped_b, trapped_losses[-1]], "right": [W, b, losses[-1]]}
    return numbers | {"mean": mean, "variance": variance, "refused": refused}


def draw(path, x, y, trapped, right):
    figure, axes = tg.plots.panels()
    axes.scatter(x, y, s=18, color="#555555", label="data")
    ends = np.array([-1.0, 1.0])
    lines = ((right, "-", "#0072B2", "(N, 1)"), (trapped, "--", "#D55E00", "(N,)"))
    for (slope, height), style, color, shape in lines:
        label = f"loss of (N, 1) and {shape}"
        axes.plot(ends, slope * ends + height, style, color=color, label=label)
    axes.set(xlabel="x", ylabel="y", title=f"Two lines, trained on the same {len(x)} points")
    axes.legend()
    figure.write(path)


if __name__ == "__main__":
    demos.main(run)
