// What if a number were another: the page computes the recorded program again.

const MOST_EDITED = 48, MOST_SHOWN = 64, POINTS = 60, PATIENCE = 4; // numbers, numbers, points, milliseconds
const changed = {}; // by leaf: its numbers, as lesson.run wants them
const program = data.program;
let base = null; // what the page computes from the recorded numbers

// The numbers before anything was changed, to show what moved; null where nothing was.
const before = (kind, id) => (state.whatIf ? base[kind][id] : null);

function setUpWhatIf() {
  if (!program) {
    const text = $("what-if-text").firstElementChild;
    text.dataset.word = "what_if_none";
    text.textContent = word("what_if_none");
    return;
  }
  try {
    base = lesson.run(program);
    compare(lesson.check(program));
  } catch (error) {
    return alarm(word("broken", error.message));
  }
  const rate = el("input", { id: "rate", type: "number", min: 0, step: "any", value: 0.1, input: showLosses });
  const place = (key, id) => el("div", {}, el("span", { "data-word": key }, word(key)), el("output", { id }));
  const buttons = el("div", { class: "spacer" },
    el("button", { type: "button", id: "take-step", "data-word": "take_step", click: takeStep }, word("take_step")),
    el("button", { type: "button", id: "reset", "data-word": "reset", click: reset }, word("reset")));
  const losses = el("div", { class: "loss-now" },
    el("div", {}, el("label", { for: "rate", "data-word": "learning_rate" }, word("learning_rate")), rate),
    place("recorded", "loss-recorded"), place("now", "loss-now"), place("after", "loss-after"), place("change", "loss-change"), buttons);
  const curve = el("figure", { class: "curve-figure" }, el("figcaption", { class: "small", "data-word": "loss_curve" }, word("loss_curve")), el("div", { id: "curve" }));
  const values = el("details", { id: "all-values" }, el("summary", { "data-word": "all_values" }, word("all_values")), el("div", { class: "scroll" }));
  values.addEventListener("toggle", showAllValues);
  $("what-if-body").append(losses, el("div", { class: "leaves", id: "leaves" }), curve, values);
  $("what-if-body").hidden = false;
  $("undo").addEventListener("click", reset);
  showLeaves();
  compute();
}

function alarm(text) {
  $("alarm").textContent = text;
  $("alarm").hidden = false;
}

function compare(differences) {
  const tolerance = String(program.tolerance);
  if (!differences.length) {
    Object.assign($("agree").dataset, { word: "agree", filled: tolerance });
    $("agree").textContent = word("agree", tolerance);
  } else {
    const { node, what, page: here, engine } = differences[0];
    $("agree").hidden = true;
    alarm(word("disagree", differences.length, what === "gradients" ? gradientName(node) : nodes[node].name, here, engine));
  }
}

const leaves = () => nodes.filter((node) => !node.op && node.kind !== "constant" && program.values[node.id] !== undefined);
const isChanged = () => Object.keys(changed).length > 0;

function showLeaves() {
  $("leaves").replaceChildren(...leaves().map(leafTable));
}

function leafTable(node) {
  const list = changed[node.id] ?? base.values[node.id], shape = node.shape;
  const head = el("div", { class: "head" }, mathOf(node.id), el("span", { class: "shape" }, `${tuple(node.dims)} · ${word(`kind_of_${node.kind}`)}`));
  if (list.length > MOST_EDITED) return el("div", { class: "leaf" }, head, el("p", { class: "remark" }, word("too_large", list.length)));
  const columns = shape.length ? shape[shape.length - 1] : 1, cells = el("div", { class: "cells" });
  for (let r = 0; r * columns < list.length; r++) {
    cells.append(el("div", {}, ...Array.from({ length: columns }, (_, c) => leafInput(node, list, r * columns + c))));
  }
  return el("div", { class: "leaf", role: "group", "aria-label": node.name }, head, cells);
}

function leafInput(node, list, at) {
  const place = [];
  for (let i = node.shape.length - 1, rest = at; i >= 0; i--) { place.unshift(rest % node.shape[i]); rest = Math.floor(rest / node.shape[i]); }
  const kept = base.values[node.id][at];
  const input = el("input", { type: "number", step: "any", value: Number.isFinite(list[at]) ? Number(list[at].toPrecision(5)) : "", "aria-label": node.name + (place.length ? `[${place.join(", ")}]` : ""), "data-leaf": node.id, "data-at": at });
  input.classList.toggle("changed", list[at] !== kept);
  input.addEventListener("input", () => {
    const x = input.valueAsNumber;
    input.setAttribute("aria-invalid", String(Number.isNaN(x)));
    if (Number.isNaN(x)) return;
    changed[node.id] ??= [...base.values[node.id]];
    changed[node.id][at] = x;
    input.classList.toggle("changed", x !== kept);
    compute();
  });
  return input;
}

function compute() {
  state.run = lesson.run(program, changed);
  state.whatIf = isChanged() ? state.run : null;
  showLosses();
  showAllValues();
  render();
}

function showLosses() {
  if (!state.run) return;
  const rate = $("rate").valueAsNumber, { loss, loss_after: after } = state.run;
  const then = Number.isFinite(rate) ? after(rate) : NaN, first = Number(program.expected.values[data.root]?.[0]);
  $("loss-recorded").textContent = short(first, 6);
  $("loss-now").textContent = short(loss, 6);
  $("loss-after").textContent = short(then, 6);
  $("loss-change").textContent = `${then < loss ? "▼" : then > loss ? "▲" : ""} ${short(then - loss, 3)}`;
  $("reset").disabled = !isChanged();
  showCurve(rate, loss, then, after);
}

function showCurve(rate, loss, then, after) {
  const started = performance.now();
  after(rate || 0);
  const slow = performance.now() - started > PATIENCE, none = slow || !(rate > 0) || !Number.isFinite(loss);
  const most = 5 * rate, xs = none ? [] : Array.from({ length: POINTS + 1 }, (_, i) => (most * i) / POINTS), ys = xs.map(after);
  const known = ys.filter(Number.isFinite), low = Math.min(...known), high = Math.max(...known), span = high - low || 1;
  const broken = !Number.isFinite(460 * most + 130 * span); // there is nothing, or it is too large to be drawn
  document.querySelector(".curve-figure").hidden = broken;
  if (broken) return;
  const x = (eta) => 56 + (460 * eta) / most, y = (l) => 150 - (130 * (l - low)) / span;
  const svg = drawn("svg", { viewBox: "0 0 540 190", class: "curve", role: "img", "aria-label": `${word("loss_curve")}: η = ${short(rate)}, ${short(loss)} → ${short(then)}` });
  const points = xs.map((eta, i) => [x(eta), y(ys[i])]).filter(([, at]) => Number.isFinite(at));
  svg.append(drawn("path", { class: "axis", d: "M56 12V150H520" }), drawn("path", { class: "level", d: `M56 ${y(loss)}H520` }),
    drawn("path", { class: "line", d: `M${points.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L")}` }));
  if (Number.isFinite(then)) svg.append(drawn("circle", { cx: x(rate), cy: y(then), r: 6 }));
  for (const [eta, anchor] of [[0, "middle"], [rate, "middle"], [most, "end"]]) svg.append(drawn("text", { x: x(eta), y: 168, "text-anchor": anchor }, eta === rate ? `η = ${short(eta)}` : short(eta)));
  for (const l of [low, high]) svg.append(drawn("text", { x: 50, y: y(l) + 4, "text-anchor": "end" }, short(l, 3)));
  $("curve").replaceChildren(svg);
}

function showAllValues() {
  if (!$("all-values")?.open) return;
  const shown = nodes.filter((node) => node.equation === node.id && node.kind !== "constant" && size(node.shape) <= MOST_SHOWN && state.run.values[node.id]);
  const numbersOf = (kind, node) => {
    const list = kind === "values" || hasGradient(node.id) ? state.run[kind][node.id] : null;
    return list ? grid(list, node.shape, node.name, null, before(kind, node.id)) : "—";
  };
  const rows = shown.map((node) => el("tr", {}, el("td", {}, mathOf(node.id)), el("td", {}, numbersOf("values", node)), el("td", {}, numbersOf("gradients", node))));
  const heads = ["name", "value", "gradient"].map((key) => el("th", { scope: "col" }, word(key)));
  $("all-values").lastElementChild.replaceChildren(el("table", { class: "list" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
}

function takeStep() {
  const rate = $("rate").valueAsNumber, { values, gradients } = state.run;
  if (!Number.isFinite(rate)) return;
  for (const id of program.parameters) changed[id] = Array.from(values[id], (w, i) => w - rate * gradients[id][i]);
  showLeaves();
  compute();
}

function reset() {
  for (const id of Object.keys(changed)) delete changed[id];
  showLeaves();
  compute();
}
