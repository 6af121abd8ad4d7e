"""Five ways down Rosenbrock's valley: SGD, momentum, RMSProp, Adam and Newton's method.

f(x, y) = (1 − x)² + 100 (y − x²)² has its minimum at (1, 1), at the end of a long curved valley.
The walls are steep and the floor is flat: a rate that is small enough for the walls is slow on the
floor. H. H. Rosenbrock, "An automatic method for finding the greatest or least value of a
function", The Computer Journal 3 (1960).
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos

START, MINIMUM = (-1.2, 1.0), (1.0, 1.0)


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def f(w):
    return rosenbrock(w[0], w[1])


def descend(optimizer, steps):
    """The points of a path: forward, backward, step."""
    w = tg.Tensor(START, requires_grad=True, name="w")
    opt, path = optimizer([w]), [w.numpy()]
    for _ in range(steps):
        opt.zero_grad()
        f(w).backward()
        opt.step()
        path.append(w.numpy())
    return np.array(path)


def newton(steps):
    """w ← w − H⁻¹ g: neither a rate nor a memory, but a linear system in every step."""
    path = [np.array(START)]
    for _ in range(steps):
        w = path[-1]
        path.append(w - np.linalg.solve(tg.hessian(f)(w).numpy(), tg.grad(f)(w).numpy()))
    return np.array(path)


def run(out, quick=False, seed=0):
    steps = 1100 if quick else 2000
    paths = {
        "SGD": descend(lambda p: tg.optim.SGD(p, lr=0.001), steps),
        "momentum": descend(lambda p: tg.optim.SGD(p, lr=0.001, momentum=0.9), steps),
        "RMSProp": descend(lambda p: tg.optim.RMSProp(p, lr=0.01), steps),
        "Adam": descend(lambda p: tg.optim.Adam(p, lr=0.05), steps),
        "Newton": newton(6),
    }
    print("            steps   within 0.1 after   distance at the end   f at the end")
    numbers = {}
    for name, path in paths.items():
        away = np.linalg.norm(path - MINIMUM, axis=1)
        close = int(np.argmax(away < 0.1)) if away.min() < 0.1 else None
        least = float(rosenbrock(*path[-1]))
        numbers[name] = {"close": close, "distance": float(away[-1]), "f": least}
        after = "—" if close is None else close
        print(f"{name:<9}{len(path) - 1:8d}{after:>19}{away[-1]:22.1e}{least:15.1e}")

    figure, (map_axes, axes) = tg.plots.panels(1, 2, size=(12, 4.6))
    tg.plots.path(
        rosenbrock, paths, xlim=(-1.6, 1.5), ylim=(-3.4, 1.8), minimum=MINIMUM, ax=map_axes
    )
    away = {name: np.linalg.norm(path - MINIMUM, axis=1) for name, path in paths.items()}
    tg.plots.loss_curve(away, what="distance", log=True, xlabel="step", ax=axes)
    axes.set(xscale="log", ylabel="distance from the minimum", ylim=(1e-6, 10))
    figure.write(out / "optimizers.svg")
    reached = [f"{name} after {n['close']}" for name, n in numbers.items() if n["close"]]
    print(f"\nSeen: within 0.1 of the minimum are {', '.join(reached)} steps.")
    print(f"SGD is still {numbers['SGD']['distance']:.2f} away after {steps}: the floor is flat.")
    return numbers


if __name__ == "__main__":
    demos.main(run)
