"""The op table in JavaScript: what a page needs to compute a recorded program again, and no more.

``javascript(program)`` is the text of a script. It makes one global constant:

``lesson.run(program, changed)``
    Computes the program of :mod:`.program` with some leaves changed: ``changed`` is ``{node: [numbers, row by row]}``,
    what it leaves out is as recorded. The result has ``values`` and ``gradients``, flat arrays by node; ``loss``, a
    number; and ``loss_after(eta)``, the loss after the step ``w − eta ∂L/∂w`` of every parameter.
``lesson.check(program)``
    The differences between the page and the engine, as recorded: ``[{node, what, place, page, engine}, ...]``, empty
    where all is well. ``what`` is "values" or "gradients", ``place`` the place in the flat array.
``lesson.ops``
    The functions of the table, by the op's name.

An array is ``{shape, data}`` in row-major order. A function of the table gets the parameters, the shape of the result and
the arrays, and gives the numbers of the result; rounding to the result's dtype is one step for all of them. Numbers are
IEEE's: the logarithm of a negative number is NaN, and nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..ops import Op
from ..ops import contraction as c
from ..ops import elementwise as e
from ..ops import rearrangement as r
from ..ops import selection as s
from ..ops import tabulated as t
from ..ops.elementwise import GELU_A, GELU_B, SELU_ALPHA, SELU_SCALE

if TYPE_CHECKING:
    from .program import Program

# fmt: off
# ---- the parts that the table is written with: name, text -------------------------------------------------------------

PARTS: Mapping[str, str] = {
    "size": "(shape) => shape.reduce((a, b) => a * b, 1)",
    # How far apart the neighbours along each axis are.
    "steps": "(shape) => shape.map((_, axis) => size(shape.slice(axis + 1)))",
    # The places of a view in the data that it looks at, in the order of the view.
    "places": """(shape, strides, start = 0) => {
  let at = Int32Array.of(start);
  shape.forEach((n, axis) => {
    const finer = new Int32Array(at.length * n);
    for (let i = 0, k = 0; i < at.length; i++) for (let j = 0; j < n; j++) finer[k++] = at[i] + j * strides[axis];
    at = finer;
  });
  return at;
}""",
    "take": "(x, at) => Float64Array.from(at, (k) => x.data[k])",
    "put": """(shape, fill, xs, ats) => {
  const data = new Float64Array(size(shape)).fill(fill);
  xs.forEach((x, i) => ats[i].forEach((k, j) => { data[k] = x.data[j]; }));
  return data;
}""",
    "add_up": """(shape, x, at) => {
  const data = new Float64Array(size(shape));
  at.forEach((k, i) => { data[k] += x.data[i]; });
  return data;
}""",
    # The numbers of x, repeated to fit a shape. With as many numbers as that, there is nothing to repeat.
    "repeated": """(x, shape) => {
  if (x.data.length === size(shape)) return x.data;
  const own = steps(x.shape), missing = shape.length - x.shape.length;
  return take(x, places(shape, shape.map((_, axis) => (x.shape[axis - missing] ?? 1) === 1 ? 0 : own[axis - missing])));
}""",
    "each": """(f) => (p, shape, ...xs) => {
  const [a, b, c] = xs.map((x) => repeated(x, shape)), data = new Float64Array(size(shape));
  for (let i = 0; i < data.length; i++) data[i] = f(a[i], b && b[i], c && c[i]);
  return data;
}""",
    # Where a key leads to. Index arrays come with the arguments; one without an axis only repeats.
    "key_places": """(key, shape, arrays) => {
  const own = steps(shape), any = key.some((k) => k && k.array !== undefined), dims = [], strides = [], joint = [];
  let axis = 0, start = 0, front = 0, last = -1;
  key.forEach((k, i) => {
    if (Number.isInteger(k) && !any) start += k * own[axis++];
    else if (Number.isInteger(k) || (k && k.array !== undefined)) {
      front = last < 0 ? dims.length : last === i - 1 ? front : 0;
      last = i;
      const index = Number.isInteger(k) ? { shape: [], data: [k] } : arrays[k.array];
      const [n, step] = k.axis === false ? [0, 0] : [shape[axis], own[axis++]];
      joint.push({ shape: index.shape, data: Array.from(index.data, (j) => (j < 0 ? j + n : j) * step) });
    } else if (k === null) {
      dims.push(1);
      strides.push(0);
    } else if (k !== "...") {
      start += k.start * own[axis];
      dims.push(k.count);
      strides.push(k.step * own[axis++]);
    }
  });
  if (!any) return places(dims, strides, start);
  const shared = broadcast(joint), offsets = new Int32Array(size(shared));
  for (const x of joint) repeated(x, shared).forEach((k, i) => { offsets[i] += k; });
  const before = places(dims.slice(0, front), strides.slice(0, front), start);
  const after = places(dims.slice(front), strides.slice(front));
  const all = new Int32Array(before.length * offsets.length * after.length);
  let n = 0;
  for (const i of before) for (const j of offsets) for (const k of after) all[n++] = i + j + k;
  return all;
}""",
    "window_places": """(p, shape, whole) => {
  const own = steps(whole);
  return places(shape, [...own, ...p.axes.map((axis) => own[axis])]);
}""",
    # Where the part of a joined array begins, and the part.
    "parts": """(shape, axis, starts, ends) => starts.map((start, i) =>
  places(shape.map((n, a) => (a === axis ? ends[i] - start : n)), steps(shape), start * steps(shape)[axis]))""",
    "einsum": """(equation, xs, shape) => {
  const [inputs, output] = equation.split("->"), terms = inputs.split(","), lengths = {};
  xs.forEach((x, i) => [...terms[i]].forEach((letter, axis) => {
    if (x.shape[axis] !== 1 || !(letter in lengths)) lengths[letter] = x.shape[axis];
  }));
  const letters = [...output, ...Object.keys(lengths).filter((letter) => !output.includes(letter))];
  const ats = xs.map((x, i) => places(letters.map((letter) => lengths[letter]), letters.map((letter) =>
    steps(x.shape).reduce((sum, step, axis) => (terms[i][axis] === letter && x.shape[axis] !== 1 ? sum + step : sum), 0))));
  const data = new Float64Array(size(shape)), inner = ats[0].length / data.length;
  for (let k = 0; k < ats[0].length; k++) {
    let product = xs[0].data[ats[0][k]];
    for (let i = 1; i < xs.length; i++) product *= xs[i].data[ats[i][k]];
    data[Math.floor(k / inner)] += product;
  }
  return data;
}""",
    # The places of x with some axes moved to the end, and how many numbers these hold together.
    "rows": """(x, axes) => {
  const order = [...x.shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes), own = steps(x.shape);
  return [places(order.map((axis) => x.shape[axis]), order.map((axis) => own[axis])), size(axes.map((axis) => x.shape[axis]))];
}""",
    "reduce": """(f) => (p, shape, x) => {
  const [at, n] = rows(x, p.axes), moved = take(x, at);
  return Float64Array.from({ length: size(shape) }, (_, i) => f(moved.subarray(i * n, (i + 1) * n)));
}""",
    "along": """(f) => (p, shape, x) => {
  const [at, n] = rows(x, p.axes), moved = take(x, at), data = new Float64Array(at.length);
  for (let i = 0; i < at.length; i += n) f(moved.subarray(i, i + n)).forEach((y, j) => { data[at[i + j]] = y; });
  return data;
}""",
    "total": "(row) => row.reduce((a, b) => a + b, 0)",
    "largest": "(row) => row.reduce((a, b) => Math.max(a, b), -Infinity)",
    "smallest": "(row) => row.reduce((a, b) => Math.min(a, b), Infinity)",
    # NaN counts as the extreme, as it does in NumPy.
    "first": "(row, y) => row.findIndex((x) => x === y || (x !== x && y !== y))",
    "sigmoid": "(x) => 1 / (1 + Math.exp(-x))",
    "softplus": "(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))",
    "log_softmax": """(row) => {
  const z = row.map((x) => x - largest(row)), log = Math.log(total(z.map(Math.exp)));
  return z.map((x) => x - log);
}""",
    "mean": """(f) => (p, shape, ...xs) => {
  const all = broadcast(xs);
  return [total(f(p, all, ...xs)) / size(all)];
}""",
    "broadcast": """(xs) => {
  const rank = Math.max(...xs.map((x) => x.shape.length));
  return Array.from({ length: rank }, (_, a) => xs.reduce((n, x) => {
    const own = x.shape[a - rank + x.shape.length] ?? 1;
    return own === 1 ? n : own;
  }, 1));
}""",
}

# ---- the table: op, the function of the numbers at one place ----------------------------------------------------------

ELEMENTWISE: Mapping[Op, str] = {
    e.identity:      "(x) => x",
    e.astype:        "(x) => x",
    e.negative:      "(x) => -x",
    e.add:           "(a, b) => a + b",
    e.subtract:      "(a, b) => a - b",
    e.multiply:      "(a, b) => a * b",
    e.divide:        "(a, b) => a / b",
    e.xdivy:         "(a, b) => (a === 0 && b === 0 ? 0 : a / b)",
    e.power:         "(a, b) => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b)",
    e.abs:           "Math.abs",
    e.square:        "(x) => x * x",
    e.sqrt:          "Math.sqrt",
    e.exp:           "Math.exp",
    e.expm1:         "Math.expm1",
    e.log:           "Math.log",
    e.log1p:         "Math.log1p",
    e.sin:           "Math.sin",
    e.cos:           "Math.cos",
    e.tan:           "Math.tan",
    e.sinh:          "Math.sinh",
    e.cosh:          "Math.cosh",
    e.tanh:          "Math.tanh",
    e.arctan:        "Math.atan",
    e.sigmoid:       "sigmoid",
    e.log_sigmoid:   "(x) => -softplus(-x)",
    e.softplus:      "softplus",
    e.relu:          "(x) => Math.max(x, 0)",
    e.silu:          "(x) => x * sigmoid(x)",
    e.gelu:          f"(x) => 0.5 * x * (1 + Math.tanh({GELU_A!r} * (x + {GELU_B!r} * x * x * x)))",
    e.selu:          f"(x) => {SELU_SCALE!r} * (x > 0 ? x : {SELU_ALPHA!r} * Math.expm1(x))",
    e.leaky_relu:    "(x, s) => (x > 0 ? x : s * x)",
    e.elu:           "(x, alpha) => (x > 0 ? x : alpha * Math.expm1(x))",
    e.celu:          "(x, alpha) => (x > 0 ? x : alpha * Math.expm1(x / alpha))",
    e.equal:         "(a, b) => a === b",
    e.not_equal:     "(a, b) => a !== b",
    e.less:          "(a, b) => a < b",
    e.less_equal:    "(a, b) => a <= b",
    e.greater:       "(a, b) => a > b",
    e.greater_equal: "(a, b) => a >= b",
    e.logical_and:   "(a, b) => a !== 0 && b !== 0",
    e.logical_or:    "(a, b) => a !== 0 || b !== 0",
    e.logical_not:   "(x) => x === 0",
    e.sign:          "Math.sign",
    e.floor:         "Math.floor",
    e.ceil:          "Math.ceil",
    e.rint:          "(x) => { const up = Math.round(x); return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up; }",
    e.isnan:         "(x) => x !== x",
    e.isfinite:      "Number.isFinite",
    e.to_discrete:   "(x) => x",  # rounding to the dtype does it
    s.where:         "(c, a, b) => (c !== 0 ? a : b)",
    s.clip:          "(x, lo, hi) => Math.min(Math.max(x, lo), hi)",
    s.maximum:       "(a, b) => Math.max(a, b)",
    s.minimum:       "(a, b) => Math.min(a, b)",
}

# ---- the table: op, the numbers of the result from the parameters, its shape and the arrays ---------------------------

WHOLE: Mapping[Op, str] = {
    r.reshape:      "(p, shape, x) => x.data",
    r.transpose:    "(p, shape, x) => take(x, places(shape, p.axes.map((axis) => steps(x.shape)[axis])))",
    r.flip: """(p, shape, x) => {
  const own = steps(shape), start = p.axes.reduce((sum, axis) => sum + (shape[axis] - 1) * own[axis], 0);
  return take(x, places(shape, own.map((step, axis) => (p.axes.includes(axis) ? -step : step)), start));
}""",
    r.broadcast_to: "(p, shape, x) => repeated(x, shape)",
    r.getitem:      "(p, shape, x, ...arrays) => take(x, key_places(p.key, x.shape, arrays))",
    r.scatter:      "(p, shape, x, ...arrays) => add_up(shape, x, key_places(p.key, shape, arrays))",
    r.pad: """(p, shape, x) => {
  const own = steps(shape), start = p.widths.reduce((sum, [before], axis) => sum + before * own[axis], 0);
  return put(shape, Number(p.value), [x], [places(x.shape, own, start)]);
}""",
    r.windows:      "(p, shape, x) => take(x, window_places(p, shape, x.shape))",
    r.overlap_add:  "(p, shape, x) => add_up(shape, x, window_places(p, x.shape, shape))",
    r.concatenate:  "(p, shape, ...xs) => put(shape, 0, xs, parts(shape, p.axis, p.starts.slice(0, -1), p.starts.slice(1)))",
    r.stack: """(p, shape, ...xs) => {
  const starts = [...xs.keys()];
  return put(shape, 0, xs, parts(shape, p.axis, starts, starts.map((i) => i + 1)));
}""",
    c.matmul: """(p, shape, a, b) => {
  const rank = Math.max(a.shape.length, b.shape.length, 2), batch = "abcdefghijklmnopqrstuvw".slice(0, rank - 2);
  const term = (x, own) => (x.shape.length === 1 ? "y" : batch.slice(rank - x.shape.length) + own);
  const left = a.shape.length === 1 ? "" : "x", right = b.shape.length === 1 ? "" : "z";
  return einsum(`${term(a, "xy")},${term(b, "yz")}->${batch}${left}${right}`, [a, b], shape);
}""",
    c.outer:        '(p, shape, a, b) => einsum("x,y->xy", [a, b].map((x) => ({ shape: [x.data.length], data: x.data })), shape)',
    c.sum:          "reduce(total)",
    c.mean:         "reduce((row) => total(row) / row.length)",
    c.trace: """(p, shape, x) => {
  const [n, columns] = x.shape, at = [];
  for (let i = Math.max(0, -p.offset); i < n && i + p.offset < columns; i++) at.push(i * columns + i + p.offset);
  return [total(take(x, at))];
}""",
    c.cumsum:       "along((row) => { let sum = 0; return row.map((x) => (sum += x)); })",
    c.einsum:       "(p, shape, ...xs) => einsum(p.equation, xs, shape)",
    s.max:          "reduce(largest)",
    s.min:          "reduce(smallest)",
    s.sort:         "along((row) => row.slice().sort())",
    s.argmax:       "reduce((row) => first(row, largest(row)))",
    s.argmin:       "reduce((row) => first(row, smallest(row)))",
    s.argsort: """along((row) => {
  const before = (a, b) => a < b || (b !== b && a === a);
  return [...row.keys()].sort((i, j) => before(row[j], row[i]) - before(row[i], row[j]));
})""",
    s.one_hot:      """(p, shape, x) =>
  Float64Array.from({ length: size(shape) }, (_, i) => x.data[Math.floor(i / p.classes)] === i % p.classes)""",
    t.softmax: """along((row) => {
  const peak = largest(row), powers = row.map((x) => Math.exp(x - peak)), sum = total(powers);
  return powers.map((x) => x / sum);
})""",
    t.log_softmax:  "along(log_softmax)",
    t.logsumexp: """reduce((row) => {
  const found = largest(row), peak = Number.isFinite(found) ? found : 0;
  return Math.log(total(row.map((x) => Math.exp(x - peak)))) + peak;
})""",
    t.norm:         "reduce((row) => Math.sqrt(total(row.map((x) => x * x))))",
    # Where the label rules an outcome out, its probability does not matter.
    t.bce: """mean(each((p, y) => (p < 0 || p > 1 || y < 0 || y > 1 ? NaN
  : (y === 0 ? 0 : -y * Math.log(p)) + (y === 1 ? 0 : (y - 1) * Math.log1p(-p)))))""",
    t.bce_with_logits: "mean(each((u, y) => Math.max(u, 0) - u * y + Math.log1p(Math.exp(-Math.abs(u)))))",
    t.cross_entropy: """(p, shape, z, y) => {
  const classes = z.shape[z.shape.length - 1], examples = z.data.length / classes;
  const log_p = along(log_softmax)({ axes: [z.shape.length - 1] }, z.shape, z);
  const all = y.shape.length === z.shape.length;
  const chosen = all ? each((a, b) => a * b)(p, broadcast([y, z]), y, { shape: z.shape, data: log_p })
    : Array.from(y.data, (k, i) => log_p[i * classes + k]);
  return [-total(chosen) / examples];
}""",
}
# fmt: on

JAVASCRIPT: Mapping[Op, str] = {**{op: f"each({text})" for op, text in ELEMENTWISE.items()}, **WHOLE}

# What runs a program. Of the dtypes that are not named here, the numbers are exact in a double, up to 2⁵³.
RUN = """const kinds = {
  float32: Float32Array, int32: Int32Array, int16: Int16Array, int8: Int8Array,
  uint32: Uint32Array, uint16: Uint16Array, uint8: Uint8Array,
};
const stored = (dtype, numbers) => {
  if (dtype === "bool") return Uint8Array.from(numbers, (x) => Number(x) !== 0);
  if (dtype === "int64" || dtype === "uint64") return Float64Array.from(numbers, Math.trunc);
  return new (kinds[dtype] || Float64Array)(numbers);
};
const evaluate = (program, changed, count) => {
  const arrays = program.given.map(({ node, shape, dtype, data }) => {
    const numbers = node !== null && changed[node] !== undefined ? changed[node] : data;
    const one = numbers.length === 1;
    return { shape, data: stored(dtype, Float64Array.from({ length: size(shape) }, (_, i) => Number(numbers[one ? 0 : i]))) };
  });
  for (const { op, inputs, params, shape, dtype } of program.instructions.slice(0, count)) {
    arrays.push({ shape, data: stored(dtype, ops[op](params, shape, ...inputs.map((place) => arrays[place]))) });
  }
  return arrays;
};
const run = (program, changed = {}) => {
  const arrays = evaluate(program, changed);
  const pick = (places) => Object.fromEntries(Object.entries(places).map(([node, place]) => [node, arrays[place].data]));
  const values = pick(program.values), gradients = pick(program.gradients);
  const loss_after = (eta) => {
    const moved = { ...changed };
    for (const node of program.parameters) moved[node] = values[node].map((w, i) => w - eta * gradients[node][i]);
    return evaluate(program, moved, program.forward)[program.loss].data[0];
  };
  return { values, gradients, loss: arrays[program.loss].data[0], loss_after };
};
const check = (program) => {
  const found = run(program), differences = [], scale = (numbers) =>
    numbers.map((x) => Math.abs(Number(x))).filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 0);
  const all = scale(["values", "gradients"].flatMap((what) => Object.values(program.expected[what]).map(scale)));
  for (const what of ["values", "gradients"]) {
    for (const [node, numbers] of Object.entries(program.expected[what])) {
      const near = program.tolerance * Math.max(scale(numbers), all / 1000);  // where terms cancel, what is left is rounding
      numbers.forEach((number, place) => {
        const engine = Number(number), page = found[what][node][place];
        if (!(Object.is(page, engine) || page === engine || Math.abs(page - engine) <= near)) {
          differences.push({ node: Number(node), what, place, page, engine });
        }
      });
    }
  }
  return differences;
};"""


def javascript(program: Program | None, calls: Iterable[str] = ()) -> str:
    """The script that computes a program: the functions of its ops, and of those in ``calls``, with the parts that these need.

    Without a program there are the functions only, which are ``lesson.ops``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.lessons.program import program
    >>> found, _ = program(tg.tanh(tg.Tensor(2.0, requires_grad=True)))
    >>> text = javascript(found)
    >>> "tanh: each(Math.tanh)" in text, "einsum" in text
    (True, False)
    """
    known = {op.name: text for op, text in JAVASCRIPT.items()}
    instructions = program["instructions"] if program else []
    used = sorted({*(instruction["op"] for instruction in instructions), *calls} & known.keys())
    table = "".join(f"  {name}: {known[name]},\n" for name in used)
    needed = _parts([RUN, table])
    parts = "".join(f"const {name} = {text};\n" for name, text in PARTS.items() if name in needed)
    lines = f"{parts}const ops = {{\n{table}}};\n{RUN}\nreturn Object.freeze({{ run, check, ops }});".splitlines()
    return "\n".join(['const lesson = (() => {\n"use strict";', *lines, "})();\n"])


def _parts(texts: Iterable[str]) -> set[str]:
    """The names of the parts that the texts use, and of those that these use."""
    needed: set[str] = set()
    waiting = list(texts)
    while waiting:
        found = set(re.findall(r"(?<![.\w])[a-z_]+\b", waiting.pop())) & PARTS.keys() - needed
        needed |= found
        waiting += [PARTS[name] for name in found]
    return needed
