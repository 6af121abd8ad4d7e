"""Why backpropagation goes in topological order: three ways back through the same graph.

y ← y + relu(y), n times, as in a residual network. Each level can be crossed in two ways, so there
are 2ⁿ paths from the end to x, and for positive numbers every local derivative is 1: dy/dx = 2ⁿ.

- Path by path, as the chain rule is written out: right, and hopeless for large n.
- Each node once, in the order in which it is found: fast, and wrong, for a node hands on what it
  has before everything has arrived.
- Each node once, after all of its uses (reverse topological order): fast, and right.
"""

import tinygrad_edu as tg
from tinygrad_edu import demos


def chain(levels):
    x = y = tg.Tensor(1.0, requires_grad=True, name="x")
    for k in range(1, levels + 1):
        y = (y + tg.relu(y).named(f"r{k}")).named(f"y{k}")
    return x, y


def path_by_path(inputs, top, bottom):
    """What comes in is handed on at once, however often a node is reached."""
    gradient, visits, waiting = 0.0, 0, [(top, 1.0)]
    while waiting:
        node, g = waiting.pop()
        visits += 1
        gradient += g if node == bottom else 0.0
        waiting += [(i, g * 1.0) for i in inputs[node]]
    return gradient, visits


def node_by_node(inputs, order, bottom):
    """Each node once, in this order: it hands on the sum of what has arrived until then."""
    gradient = dict.fromkeys(inputs, 0.0)
    gradient[order[0]] = 1.0
    for node in order:
        for i in inputs[node]:
            gradient[i] += gradient[node] * 1.0
    return gradient[bottom], len(order)


def as_found(inputs, top):
    """The nodes in the order in which one finds them from the top, level by level."""
    order = [top]
    for node in order:  # it grows while it is read
        order += [i for i in inputs[node] if i not in order]
    return order


def run(out, quick=False, seed=0):
    rows = {}
    print("      path by path        as found        topological      the engine")
    print(" n   visits    dy/dx    visits  dy/dx   visits     dy/dx      dy/dx")
    for n in (1, 2, 4, 8, 12 if quick else 16, 60):
        x, y = chain(n)
        y.backward()
        inputs = {node.id: node.inputs for node in tg.graph(y, level="op")}
        topological = sorted(inputs, reverse=True)  # the graph lists each node after its inputs
        top, x_id = topological[0], topological[-1]
        paths = path_by_path(inputs, top, x_id) if n < 20 else None
        found = node_by_node(inputs, as_found(inputs, top), x_id)
        sweep = node_by_node(inputs, topological, x_id)
        rows[n] = {"paths": paths, "found": found, "topological": sweep, "engine": x.grad.item()}
        naive = f"{paths[1]:8d} {paths[0]:8.0f}" if paths else f"{'—':>8} {'—':>8}"
        print(f"{n:2d} {naive} {found[1]:9d} {found[0]:6.0f}", end="")
        large = ".3g" if n > 30 else ".0f"
        print(f" {sweep[1]:8d} {sweep[0]:9{large}} {x.grad:10{large}}")

    print("\nAs found, each y hands on the 1 that comes first; what its relu brings later is lost.")
    print("Only x, at the end, keeps both: 2, whatever n is.")
    visits, count = sweep[1], tg.count_paths(y, x)
    years = count / 1e6 / 3600 / 24 / 365
    print(f"\nSeen: in topological order {visits} visits find the sum over {count:.1e} paths.")
    print(f"One by one, a million in a second, these would take {years:,.0f} years.")
    start, end = chain(2)
    demos.write(out, {"why_topological.svg": tg.draw_paths(end, start)})
    return {str(n): row for n, row in rows.items()}


if __name__ == "__main__":
    demos.main(run)
