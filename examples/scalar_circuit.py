"""One neuron, number by number: the graph on the scalar level, and the chain rule by hand on it.

Run it with ``python examples/scalar_circuit.py``.
"""

import tinygrad_edu as tg

x1, x2 = tg.Tensor(2.0, name="x1"), tg.Tensor(0.5, name="x2")
w1 = tg.Tensor(-3.0, requires_grad=True, name="w1")
w2 = tg.Tensor(1.0, requires_grad=True, name="w2")
b = tg.Tensor(6.5, requires_grad=True, name="b")

L = tg.tanh(x1 * w1 + x2 * w2 + b).named("L")
L.backward()

if __name__ == "__main__":
    print(tg.graph(L, level="scalar"))
    print()
    for parameter, by_chain_rule in zip([w1, w2, b], tg.scalar_gradients(L, [w1, w2, b]), strict=True):
        print(f"dL/d{parameter.name} = {parameter.grad:.6f}   scalar chain rule {float(by_chain_rule):.6f}")
