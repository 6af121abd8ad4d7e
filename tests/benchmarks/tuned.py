"""What NumPy can do: the same step tuned by hand, which is the practical limit, and its matrix products alone, the floor.

No library in NumPy is expected to be faster than the first, and none can be faster than the second. Which layout and which
sigmoid are fastest depends on the sizes, the machine and the BLAS: each is tried before the measurement, the best one runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

import numpy as np
from network import RATE, Array, Step, problem

Sigmoid = Callable[[Array], None]  # in place

TRIAL_ROUNDS, TRIAL_SLICE = 7, 0.005  # seconds


def tuned(size: str, dtype: str) -> Step:
    """The fastest of these layouts with the fastest of these sigmoids."""
    layouts = (features_first, examples_first)
    builders = [lambda a=layout, s=sigmoid: a(size, dtype, s) for layout in layouts for sigmoid in sigmoids(dtype)]
    trials = [build() for build in builders]  # they train while they are tried: the one that runs starts anew
    return builders[fastest(trials)]()


def products(size: str, dtype: str) -> Callable[[], None]:
    """The seven matrix products of a step in the faster layout, of the first step's numbers, into given arrays.

    It computes no loss that could be compared, so each product is compared with what it should be, here.
    """
    by_examples, by_features = operands(size, dtype)
    layouts = []
    for factors in (by_examples, by_features):
        out = [np.empty_like(a @ b) for a, b in factors]
        layouts.append([(a.dot, b, o) for (a, b), o in zip(factors, out, strict=True)])
    steps = [all_products(layout) for layout in layouts]
    for step in steps:
        step()
    for k, (a, b) in enumerate(by_examples):
        for right, (_, _, got) in ((a @ b, layouts[0][k]), ((a @ b).T, layouts[1][k])):
            if not np.max(np.abs(got - right)) <= (1e-9 if dtype == "float64" else 1e-4) * np.max(np.abs(right)):
                raise SystemExit(f"product {k} of the matrix products alone is wrong: nothing was timed.")
    return steps[fastest(steps)]


def all_products(calls: list[tuple[Callable[[Array, Array], Array], Array, Array]]) -> Callable[[], None]:
    def step() -> None:
        for dot, factor, out in calls:
            dot(factor, out)

    return step


def operands(size: str, dtype: str) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]]:
    """The factors of the seven products: examples in rows; and examples in columns, each product the other's transpose."""
    x, y, (W1, b1, W2, b2, U, c) = problem(size, dtype)
    h1 = np.tanh(x @ W1 + b1)
    h2 = 1 / (1 + np.exp(-(h1 @ W2 + b2)))
    du3 = (1 / (1 + np.exp(-(h2 @ U + c))) - y) / y.dtype.type(len(y))
    du2 = np.outer(du3, U) * h2 * (1 - h2)
    du1 = (du2 @ W2.T) * (1 - h1 * h1)
    by_examples = [(x, W1), (h1, W2), (h2, U), (h2.T, du3), (h1.T, du2), (du2, W2.T), (x.T, du1)]
    X, V1, H1, V2, H2, D1, D2 = (np.ascontiguousarray(m.T) for m in (x, W1, h1, W2, h2, du1, du2))
    by_features = [(V1, X), (V2, H1), (U, H2), (H2, du3), (D2, H1.T), (V2.T, D2), (D1, X.T)]
    return by_examples, by_features


def fastest(steps: Iterable[Callable[[], object]]) -> int:
    """Which of these steps has the smallest median time, in turns."""
    steps = list(steps)
    seconds: list[list[float]] = [[] for _ in steps]
    count = max(1, round(TRIAL_SLICE / max(min(duration(step, 1) for step in steps), 1e-7)))
    for _ in range(TRIAL_ROUNDS):
        for step, times in zip(steps, seconds, strict=True):
            times.append(duration(step, count))
    return min(range(len(steps)), key=lambda k: median(seconds[k]))


def duration(step: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - started


def sigmoids(dtype: str) -> list[Sigmoid]:
    """Three ways to write 1 / (1 + exp(-u)) over u; which loops of NumPy are vectorized differs with the processor."""
    one, half = np.ones((), dtype), np.full((), 0.5, dtype)
    negative, exp, add, reciprocal, divide, multiply, tanh = (
        np.negative,
        np.exp,
        np.add,
        np.reciprocal,
        np.divide,
        np.multiply,
        np.tanh,
    )

    def by_reciprocal(u: Array) -> None:
        negative(u, u)
        exp(u, u)
        add(u, one, u)
        reciprocal(u, u)

    def by_division(u: Array) -> None:
        negative(u, u)
        exp(u, u)
        add(u, one, u)
        divide(one, u, u)

    def by_tanh(u: Array) -> None:
        multiply(u, half, u)
        tanh(u, u)
        multiply(u, half, u)
        add(u, half, u)

    return [by_reciprocal, by_division, by_tanh]


def features_first(size: str, dtype: str, sigmoid: Sigmoid) -> Step:
    """Examples in columns, and a row of ones below every layer: a bias is one more column of its matrix.

    Adding a bias and summing its gradient are then part of the matrix products.
    """
    x, y, (w1, b1, w2, b2, u, c) = problem(size, dtype)
    (n, f), d1, d2 = x.shape, len(b1), len(b2)
    shapes = [(d1, f + 1), (d2, d1 + 1), (d2 + 1,)]
    P, (W1, W2, U) = flat(shapes, dtype)
    G, (dW1, dW2, dU) = flat(shapes, dtype)
    W1[:, :f], W1[:, f] = w1.T, b1
    W2[:, :d1], W2[:, d1] = w2.T, b2
    U[:d2], U[d2] = u, c
    X, H1, H2 = np.ones((f + 1, n), dtype), np.ones((d1 + 1, n), dtype), np.ones((d2 + 1, n), dtype)
    X[:f] = x.T
    h1, h2, column = H1[:d1], H2[:d2], U[:d2, None]
    D1, d2h1, D2 = np.empty((d1 + 1, n), dtype), np.empty((d1, n), dtype), np.empty((d2, n), dtype)
    du1 = D1[:d1]  # the last row would be the gradient of the ones
    yhat, both, targets, du3 = cross_entropy_arrays(y)
    other = both[n:]
    one, per_example, rate = np.ones((), dtype), np.full((), 1 / n, dtype), np.full((), RATE, dtype)
    by_W1, by_W2, by_U, by_targets, of_U = W1.dot, W2.dot, U.dot, targets.dot, H2.dot
    of_W2, of_H1, of_W1, H1T, XT = D2.dot, W2.T.dot, du1.dot, H1.T, X.T
    negative, exp, add, reciprocal, multiply, subtract, tanh, log = (
        np.negative,
        np.exp,
        np.add,
        np.reciprocal,
        np.multiply,
        np.subtract,
        np.tanh,
        np.log,
    )

    def step() -> float:
        by_W1(X, h1)
        tanh(h1, h1)
        by_W2(H1, h2)
        sigmoid(h2)
        by_U(H2, yhat)
        negative(yhat, yhat)
        exp(yhat, yhat)
        add(yhat, one, yhat)
        reciprocal(yhat, yhat)
        subtract(one, yhat, other)
        subtract(yhat, y, du3)
        multiply(du3, per_example, du3)
        log(both, both)
        L = by_targets(both)

        of_U(du3, dU)
        multiply(h2, h2, D2)
        subtract(h2, D2, D2)
        multiply(D2, column, D2)
        multiply(D2, du3, D2)
        of_W2(H1T, dW2)
        of_H1(D2, D1)
        multiply(h1, h1, d2h1)
        subtract(one, d2h1, d2h1)
        multiply(du1, d2h1, du1)
        of_W1(XT, dW1)

        multiply(G, rate, G)
        subtract(P, G, P)
        return float(L)

    return step


def examples_first(size: str, dtype: str, sigmoid: Sigmoid) -> Step:
    """Examples in rows, as the note has them; sums over the examples are products with a row of ones."""
    x, y, arrays = problem(size, dtype)
    (n, f), d1, d2 = x.shape, len(arrays[1]), len(arrays[3])
    shapes = [(f + 1, d1), (d1, d2), (d2,), (d2,), ()]
    P, (W1, W2, b2, U, c) = flat(shapes, dtype)
    G, (dW1, dW2, db2, dU, dc) = flat(shapes, dtype)
    W1[:f], W1[f], W2[:], b2[:], U[:], c[()] = arrays
    X = np.ones((n, f + 1), dtype)  # the first layer's bias is the last row of W1
    X[:, :f] = x
    h1, h2, D1, D2, d2h1 = (np.empty((n, d), dtype) for d in (d1, d2, d1, d2, d1))
    yhat, both, targets, du3 = cross_entropy_arrays(y)
    other, column = both[n:], du3[:, None]
    one, per_example, rate = np.ones((), dtype), np.full((), 1 / n, dtype), np.full((), RATE, dtype)
    by_X, by_h1, by_h2, by_targets, summed = X.dot, h1.dot, h2.dot, targets.dot, np.ones(n, dtype).dot
    of_U, of_W2, of_h1, of_W1, W2T = h2.T.dot, h1.T.dot, D2.dot, X.T.dot, W2.T
    negative, exp, add, reciprocal, multiply, subtract, tanh, log = (
        np.negative,
        np.exp,
        np.add,
        np.reciprocal,
        np.multiply,
        np.subtract,
        np.tanh,
        np.log,
    )

    def step() -> float:
        by_X(W1, h1)
        tanh(h1, h1)
        by_h1(W2, h2)
        add(h2, b2, h2)
        sigmoid(h2)
        by_h2(U, yhat)
        add(yhat, c, yhat)
        negative(yhat, yhat)
        exp(yhat, yhat)
        add(yhat, one, yhat)
        reciprocal(yhat, yhat)
        subtract(one, yhat, other)
        subtract(yhat, y, du3)
        multiply(du3, per_example, du3)
        log(both, both)
        L = by_targets(both)

        of_U(du3, dU)
        summed(du3, dc)
        multiply(h2, h2, D2)
        subtract(h2, D2, D2)
        multiply(D2, U, D2)
        multiply(D2, column, D2)
        of_W2(D2, dW2)
        summed(D2, db2)
        of_h1(W2T, D1)
        multiply(h1, h1, d2h1)
        subtract(one, d2h1, d2h1)
        multiply(D1, d2h1, D1)
        of_W1(D1, dW1)

        multiply(G, rate, G)
        subtract(P, G, P)
        return float(L)

    return step


def flat(shapes: list[tuple[int, ...]], dtype: str) -> tuple[Array, list[Array]]:
    """One array for all parameters, and views of it in these shapes: the update is then one operation for all."""
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    whole = np.empty(ends[-1], dtype)
    return whole, [part.reshape(shape) for part, shape in zip(np.split(whole, ends[:-1]), shapes, strict=True)]


def cross_entropy_arrays(y: Array) -> tuple[Array, Array, Array, Array]:
    """yhat; the array [yhat, 1 - yhat] that it lies in; its factors [y, 1 - y] / -N; du3. One log and one dot are the loss."""
    n = len(y)
    both = np.empty(2 * n, y.dtype)
    return both[:n], both, (np.concatenate([y, 1 - y]) / -n).astype(y.dtype), np.empty_like(y)
