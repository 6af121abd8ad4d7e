// How a number is written, and which numbers are shown: the recorded ones, or those that the page has computed.

const numbers = (list) => (list ? list.map(Number) : null);
const size = (shape) => shape.reduce((a, b) => a * b, 1);

function short(x, digits = 4) {
  if (x === null || x === undefined) return "—";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replace("-", "−");
  const [mantissa, exponent] = (Math.abs(x) < 1e-4 ? x.toExponential(digits - 1) : x.toPrecision(digits)).split("e");
  const plain = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return (exponent ? `${plain}e${exponent.replace("+", "")}` : plain).replaceAll("-", "−");
}

const gradients = new Map(Object.entries(data.gradients).map(([id, list]) => [Number(id), numbers(list)]));
const handed = (step, list) => (list === true ? gradients.get(step.node) : numbers(list)); // true: the same as the whole gradient
const recorded = {
  values: nodes.map((node) => numbers(node.values)),
  gradients,
  results: steps.map((step) => handed(step, step.result)),
  totals: steps.map((step) => handed(step, step.total)),
};
// Of what is too large to be recorded here the page has the numbers that it computes itself.
const valueOf = (id) => state.whatIf?.values[id] ?? recorded.values[id] ?? state.run?.values[id] ?? null;
const gradientOf = (id) => state.whatIf?.gradients[id] ?? recorded.gradients.get(id) ?? state.run?.gradients[id] ?? null;
const hasGradient = (id) => recorded.gradients.has(id);

// What the page itself computes is the whole gradient; a part of it is known only where it is the only one.
const parts = new Map();
for (const step of steps) if (step.kind === "contribution") parts.set(step.node, (parts.get(step.node) ?? 0) + 1);

function resultOf(index, what = "results") {
  const step = steps[index];
  if (step.kind === "value") return valueOf(step.node);
  const whole = step.kind === "finished" || step.kind === "seed" || (parts.get(step.node) ?? 0) <= 1;
  if (whole && (state.whatIf || recorded[what][index] === null)) return gradientOf(step.node);
  return state.whatIf ? null : recorded[what][index];
}
