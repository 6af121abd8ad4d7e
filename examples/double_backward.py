"""Differentiating twice: Newton's method with tg.hessian, and the graph of a gradient.

A gradient is recorded like any other computation, and can be differentiated again. With the second
derivatives H, Newton's step −H⁻¹ g goes to the minimum of the parabola that fits f best; near the
minimum each step doubles the number of right digits. f is example (9.20) of Boyd & Vandenberghe,
"Convex Optimization" (2004); its minimum is at x₁ = −½ ln 2, x₂ = 0.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos

MINIMUM = np.array([-0.5 * np.log(2), 0.0])


def f(x):
    a, b = x[0], x[1]
    return tg.exp(a + 3 * b - 0.1) + tg.exp(a - 3 * b - 0.1) + tg.exp(-a - 0.1)


def newton_step(x):
    return -np.linalg.solve(tg.hessian(f)(x).numpy(), tg.grad(f)(x).numpy())


def gradient_step(x, rate=0.1):
    return -rate * tg.grad(f)(x).numpy()


def distances(step, start, steps):
    """How far x is from the minimum before each step, and after the last."""
    x, found = np.array(start), []
    for _ in range(steps):
        found.append(float(np.linalg.norm(x - MINIMUM)))
        x = x + step(x)
    return [*found, float(np.linalg.norm(x - MINIMUM))]


def run(out, quick=False, seed=0):
    start, steps = [-1.0, 0.7], 6 if quick else 40
    newton, slow = distances(newton_step, start, 6), distances(gradient_step, start, steps)
    print("        gradient descent      Newton's method")
    print("step    distance   ratio      distance   ratio to the square of the one before")
    for k in range(7):
        ratio = f"{slow[k] / slow[k - 1]:5.2f}" if k else " " * 5
        square = f"{newton[k] / newton[k - 1] ** 2:5.2f}" if k and newton[k] > 1e-15 else ""
        print(f"{k:4d}  {slow[k]:10.2e}   {ratio}    {newton[k]:10.2e}   {square}".rstrip())

    # The gradient of y = tanh(x) is g = 1 − y², recorded; the gradient of that is −2y (1 − y²).
    x = tg.Tensor(0.5, requires_grad=True, name="x")
    y = tg.tanh(x).named("y")
    g = tg.gradients(y, x, create_graph=True).named("g")
    h = tg.gradients(g, x, create_graph=True).named("h")
    print("\n", tg.graph(h), sep="")

    figure, axes = tg.plots.panels()
    axes.semilogy(slow, "s--", color="#D55E00", markersize=4, label="gradient descent")
    axes.semilogy(newton, "o-", color="#0072B2", label="Newton's method")
    axes.set(xlabel="step", ylabel="distance from the minimum", ylim=(1e-17, 10))
    axes.legend()
    figure.write(out / "double_backward.svg")
    reached = next(k for k, d in enumerate(newton) if d < 1e-12)
    print(f"\nSeen: Newton's method is within 1e-12 of the minimum after {reached} steps.")
    left = slow[-1] / slow[-2]
    print(f"Gradient descent is {slow[-1]:.0e} away after {steps}: a step leaves {left:.0%}.")
    title = "g = dy/dx = 1 − y², and its gradient, the second derivative of y = tanh(x)"
    picture = tg.draw(g, direction="backward", values=True, title=title)
    demos.write(out, {"second_derivative.svg": picture})
    return {"newton": newton, "slow": slow, "second": h.item()}


if __name__ == "__main__":
    demos.main(run)
