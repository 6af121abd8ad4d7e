"""Cross entropy of a sigmoid: the textbook's formula fails for large numbers, the fused one never.

L = −(y ln p + (1 − y) ln(1 − p)) with p = 1 / (1 + e⁻ᵘ). In floating point p is exactly 1 from
u = 37 on, and ln(1 − 1) is −∞; e⁻ᵘ overflows below u = −709, and 0 · ln 0 is no number. The same
function is L = max(u, 0) − u y + ln(1 + e^−|u|), with the gradient sig(u) − y: nothing overflows.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import demos


def textbook(u, y):
    p = 1 / (1 + tg.exp(-u))
    return -(y * tg.log(p) + (1 - y) * tg.log(1 - p))


def fused(u, y):
    return tg.binary_cross_entropy_with_logits(u, y)


def losses_and_gradients(f, us, y):
    with np.errstate(all="ignore"):  # the textbook's formula divides by zero; that is the subject
        pairs = [tg.value_and_grad(f)(u, y) for u in us]
    return np.array([[L.item(), g.item()] for L, g in pairs]).T


def run(out, quick=False, seed=0):
    us = [-1000.0, -100.0, -37.0, -10.0, 0.0, 10.0, 36.0, 37.0, 100.0, 1000.0]
    numbers = {}
    for y in (0.0, 1.0):
        naive, stable = losses_and_gradients(textbook, us, y), losses_and_gradients(fused, us, y)
        numbers[f"y={y:.0f}"] = {"u": us, "naive": naive.tolist(), "stable": stable.tolist()}
        print(f"y = {y:.0f}             loss                     gradient")
        print("     u    textbook       fused       textbook       fused")
        for u, a, b in zip(us, naive.T, stable.T, strict=True):
            print(f"{u:6.0f}  {a[0]:10.4g}  {b[0]:10.4g}     {a[1]:10.4g}  {b[1]:10.4g}")
        print()
    print("For y = 1 the fused gradient, sig(u) − 1, cancels: from u = 37 on it is 0. At 37 it")
    print(f"should be {-np.exp(-37):.1e}: the error is below 1e-16, the rounding of 1.\n")
    draw(out / "stable_bce.svg", 61 if quick else 401)
    wrong = [u for u, L in zip(us, numbers["y=0"]["naive"][0], strict=True) if not np.isfinite(L)]
    steepest = max(np.max(np.abs(table["stable"][1])) for table in numbers.values())
    print(f"Seen: for y = 0 the textbook's loss is not a finite number at u = {wrong}.")
    print(f"The fused loss is finite at every u, and its largest gradient is {steepest:.3g}.")
    return numbers


def draw(path, points):
    """Loss and gradient for y = 0; the textbook's curve ends where it is no longer finite."""
    us = np.linspace(-100, 100, points)
    naive, stable = losses_and_gradients(textbook, us, 0.0), losses_and_gradients(fused, us, 0.0)
    figure, both = tg.plots.panels(1, 2, size=(10, 3.8))
    for axes, a, b, title in zip(both, naive, stable, ("loss L", "dL/du"), strict=True):
        axes.plot(us, b, color="#56B4E9", linewidth=6, label="fused")
        axes.plot(us, np.where(np.isfinite(a), a, np.nan), "--", color="black", label="textbook")
        lost = us[~np.isfinite(a)]
        axes.axvspan(lost.min(), lost.max(), color="#EEEEEE", zorder=0)
        axes.text(lost.mean(), 0.2 * b.max(), "textbook:\ninf or nan", ha="center")
        axes.set(title=f"{title} for y = 0", xlabel="u")
        axes.legend(loc="upper left")
    figure.write(path)


if __name__ == "__main__":
    demos.main(run)
