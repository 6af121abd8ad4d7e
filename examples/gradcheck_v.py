"""Finite differences and their best step: truncation on one side, rounding on the other, a V.

A derivative can be measured: push x by h and see what f does. A long step sees the curve bend: the
error of (f(x+h) − f(x)) / h is about h, of (f(x+h) − f(x−h)) / 2h about h². A short step sees only
the last digits of f, and rounding is divided by h: about ε/h, with ε = 2.2e-16. The best step is in
between, near √ε for the first and ∛ε for the second. A wrong rule has no V: its error stays.
"""

import math

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos

X = 1.0


def f(x):
    return tg.exp(x) * tg.sin(x)


def wrong_f(x):
    """The same values; the rule of the sine has the wrong sign."""
    sine = tg.elementwise("sine", np.sin, lambda y, x: -np.cos(x))
    return tg.exp(x) * sine(x)


def value(x):
    return math.exp(x) * math.sin(x)


def run(out, quick=False, seed=0):
    engine = tg.grad(f)(X).item()
    wrong = tg.grad(wrong_f)(X).item()
    print(f"f(x) = eˣ sin x at x = {X:g}; by the engine, f' = {engine:.15g}\n")
    print("     h     forward     central     central, from the wrong rule")
    steps, errors = [10.0**-k for k in range(1, 16)], {"forward": [], "central": [], "wrong": []}
    for h in steps:
        forward = (value(X + h) - value(X)) / h
        central = (value(X + h) - value(X - h)) / (2 * h)
        errors["forward"].append(abs(forward - engine))
        errors["central"].append(abs(central - engine))
        errors["wrong"].append(abs(central - wrong))
        row = "   ".join(f"{error[-1]:9.1e}" for error in errors.values())
        print(f"{h:6.0e}   {row}")

    print("\ntg.gradcheck takes two steps and extrapolates:\n")
    report = tg.gradcheck(f, [X])
    print(report)
    try:
        tg.gradcheck(wrong_f, [X])
        caught = False
    except AssertionError:
        caught = True
    print("the wrong rule is", "caught" if caught else "not caught")

    tg.plots.difference_curve(f, X, title="f(x) = eˣ sin x at x = 1", to=out / "gradcheck_v.svg")
    best = {name: steps[int(np.argmin(errors[name]))] for name in ("forward", "central")}
    print(
        f"\nSeen: the error of the forward difference is least at h = {best['forward']:.0e}, of the"
    )
    print(
        f"central one at h = {best['central']:.0e}; from the wrong rule every step is at least",
        end="",
    )
    print(f" {min(errors['wrong']):.1f} away.")
    largest = max(row.difference for row in report.rows)
    return {"errors": errors, "best": best, "gradcheck": largest, "caught": caught}


if __name__ == "__main__":
    demos.main(run)
