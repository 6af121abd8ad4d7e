"""One neuron, number by number: a local derivative on every arrow, and their products by hand.

L = tanh(x₁ w₁ + x₂ w₂ + b). Each operation knows its own derivative and nothing of the rest: a
product knows its other factor, a sum knows 1, tanh knows 1 − L². Along the way back from L these
are multiplied, and that is the gradient of every number.
"""

import math

import tinygrad_edu as tg
from tinygrad_edu import demos


def neuron(x1, x2, w1, w2, b):
    return math.tanh(x1 * w1 + x2 * w2 + b)


def by_hand(x1, x2, w1, w2, b):
    """The chain rule from the end to the beginning, one operation at a time."""
    L = neuron(x1, x2, w1, w2, b)
    dL_dn = 1 - L * L  # L = tanh(n)
    dL_dp = dL_dn * 1  # n = p + b: a sum hands the gradient on as it is
    dL_dp1 = dL_dp2 = dL_dp * 1  # p = p1 + p2
    return {
        "x1": dL_dp1 * w1,  # p1 = x1 w1: the other factor
        "x2": dL_dp2 * w2,
        "w1": dL_dp1 * x1,
        "w2": dL_dp2 * x2,
        "b": dL_dn * 1,
    }


def run(out, quick=False, seed=0):
    numbers = {"x1": 2.0, "x2": 0.5, "w1": -3.0, "w2": 1.0, "b": 6.5}

    # The engine: five numbers that remember what is computed from them.
    x1, x2, w1, w2, b = [tg.Tensor(v, requires_grad=True, name=k) for k, v in numbers.items()]
    p1, p2 = (x1 * w1).named("p1"), (x2 * w2).named("p2")
    n = ((p1 + p2).named("p") + b).named("n")
    L = tg.tanh(n).named("L")
    L.backward()
    print(tg.graph(L, level="scalar"))
    print("In formulas x1 is written x⁽¹⁾, as the lecture note numbers its layers.")

    # Three ways to the same gradients: the sweep, the chain rule by hand, and a small push.
    hand, push, rows = by_hand(**numbers), 1e-5, {}
    print("\n          engine     by hand    pushed by 0.00001")
    for t in (x1, x2, w1, w2, b):
        more = neuron(**{**numbers, t.name: numbers[t.name] + push})
        less = neuron(**{**numbers, t.name: numbers[t.name] - push})
        rows[t.name] = (t.grad.item(), hand[t.name], (more - less) / (2 * push))
        print(f"dL/d{t.name:<2}  " + "  ".join(f"{value:9.6f}" for value in rows[t.name]))
    difference = max(abs(engine - other) for engine, other, _ in rows.values())
    pushed = max(abs(engine - other) for engine, _, other in rows.values())

    print(f"\nSeen: the engine's gradients differ from the chain rule by hand by {difference:.1g}.")
    print(f"A push of each input moves L at the same rate, to {pushed:.1g}.")
    forward = tg.draw(L, level="op", local=True)
    backward = tg.draw(L, level="op", direction="backward")
    demos.write(out, {"scalar_circuit.svg": forward, "scalar_circuit_backward.svg": backward})
    return {"L": L.item(), "gradients": rows, "difference": difference, "pushed": pushed}


if __name__ == "__main__":
    demos.main(run)
