// The step: what is said of it, its formula, its numbers, its lines in the derivation and the code.

const current = () => steps[state.step];

function entryAxes() {
  return current().entry?.axes ?? [];
}

function picked() {
  const axes = entryAxes();
  state.entry = axes.map((axis, i) => Math.min(state.entry[i] ?? 0, axis.size - 1));
  return state.entry;
}

const pickedPlace = () => entryAxes().reduce((at, axis, i) => at * axis.size + picked()[i], 0);

function pickPlace(place) {
  const axes = entryAxes();
  for (let i = axes.length - 1; i >= 0; i--) {
    state.entry[i] = place % axes[i].size;
    place = Math.floor(place / axes[i].size);
  }
  render();
}

function fact(name, ...content) {
  const box = document.querySelector(`[data-fact="${name}"]`);
  const given = content.filter((x) => x !== null && x !== undefined);
  box.hidden = !given.length;
  box.lastElementChild.replaceChildren(...given);
  return box;
}

function showStep() {
  const step = current(), veiled = asking();
  $("step-title").textContent = word("step_of", state.step + 1, steps.length);
  $("kind").textContent = word(`kind_${step.kind}`);
  $("kind").dataset.kind = step.kind;
  const sentence = inLanguage(veiled ? questions[questionHere()].prompt : sentences[state.step]);
  if ($("sentence").textContent !== sentence) $("sentence").replaceChildren(...prose(sentence)); // said once
  showQuestion();
  for (const facts of all(".facts, .panel .shown")) facts.hidden = veiled;
  $("step-panel").classList.toggle("asking", veiled);
  fact("formula", copy(`#row-${state.step} .formula math`));
  showNumbers(step);
  showResult(step);
  fact("shapes", ...(step.shapes ? prose(step.shapes) : []));
  fact("reused", ...(step.reused.length ? step.reused.map(chip) : backward(step) && step.kind === "contribution" ? [el("span", { class: "remark" }, word("reused_none"))] : []));
  showDerivationLine(step);
  showCodeLine(step);
  showCounter(step);
}

const indexedOf = (index) => {
  const cell = document.querySelector(`#row-${index} .indexed`), line = cell?.dataset.line;
  return copy(line ? `#${line} math` : `#row-${index} .indexed math`);
};
const backward = (step) => ["seed", "contribution", "sum", "finished"].includes(step.kind);
const chip = (id) => el("button", { type: "button", class: "chip", "aria-label": nodes[id].name, click: () => select(id) }, mathOf(id));

function showNumbers(step) {
  const computed = step.kind === "contribution" || (step.kind === "value" && nodes[step.node].op);
  if (!step.entry) return void fact("numbers", computed ? el("span", { class: "remark" }, nodes[step.node].values ? word("no_entry") : word("too_many", size(nodes[step.node].shape))) : null);
  const axes = entryAxes(), at = picked();
  const indices = Object.fromEntries(axes.map((axis, i) => [axis.letter, at[i]]));
  const [value, pieces] = writtenSum(step.entry.terms, indices, { done: 0 });
  const choose = (i) => (event) => { state.entry[i] = Number(event.target.value); render(); $(`pick-${i}`)?.focus(); };
  const selects = axes.map((axis, i) => el("label", {}, el("i", {}, axis.letter), " = ",
    el("select", { id: `pick-${i}`, change: choose(i) }, ...Array.from({ length: Math.min(axis.size, 500) }, (_, n) => el("option", { value: n, selected: n === at[i] }, String(n))))));
  const name = step.kind === "value" ? nodes[step.node].name : gradientName(step.node);
  const left = el("span", {}, name, at.length ? el("sub", {}, at.join(",")) : null);
  const part = step.kind === "contribution" && (parts.get(step.node) ?? 0) > 1; // it is not all of the gradient
  const [before_it, after_it] = part ? word("contribution_to").split("{}") : ["", ""];
  const result = resultOf(state.step)?.[pickedPlace()] ?? value;
  fact("numbers",
    indexedOf(state.step),
    axes.length ? el("div", { class: "picks" }, el("span", {}, word("entry")), ...selects) : null,
    el("div", { class: "written" }, before_it, left, after_it, part ? ": " : " = ", written(pieces), " = ", el("b", {}, short(result, 6))));
}

function showResult(step) {
  const result = step.kind === "end" || step.kind === "gap" ? null : resultOf(state.step);
  const node = nodes[step.node];
  const title = step.kind === "contribution" ? word("handed") : step.kind === "value" ? word("value") : word("gradient");
  const pick = result && picker(result);
  fact("result", result ? grid(result, node.shape, title, pick) : null).firstElementChild.textContent = pick && result.length > 1 ? `${title} · ${word("pick")}` : title;
  const total = step.kind === "contribution" && (parts.get(step.node) ?? 0) > 1 ? resultOf(state.step, "totals") : null;
  fact("total", total ? grid(total, node.shape, word("collected")) : null);
}

// A cell can be picked where the step's formula is about the entries of this array.
const picker = (list) => (current().entry && size(entryAxes().map((axis) => axis.size)) === list.length ? { at: pickedPlace(), pick: pickPlace } : null);

function showDerivationLine(step) {
  const row = step.derivation === null ? null : $(`line-${step.derivation}-${step.derivation_line ?? 0}`);
  if (!row) return void fact("derivation");
  const words = row.cells[0].cloneNode(true), link = el("a", { href: `#derivation-${step.derivation}` });
  link.append(...words.childNodes);
  fact("derivation", link, row.querySelector("math")?.cloneNode(true) ?? row.cells[1].textContent);
}

function showCodeLine(step) {
  const lines = all("#code .listing code"), at = step.code;
  if (at === null || !lines[at]) return void fact("code");
  const near = [at - 1, at, at + 1].filter((i) => lines[i]?.textContent.trim());
  const text = (i) => lines[i].textContent.replace(/\s{2,}# \(.*\)$/, ""); // without the shape, which stands far to the right
  fact("code", ...near.map((i) => el("code", { class: i === at ? "here" : "near" }, text(i))));
}

function showCounter(step) {
  const edges = Math.max(...steps.map((each) => each.edges), 0);
  $("edges").textContent = `${step.edges} / ${edges}`;
  $("edges-bar").style.width = `${edges ? (100 * step.edges) / edges : 0}%`;
  $("paths").textContent = data.paths;
  $("counter").hidden = state.step < steps.findIndex((each) => each.kind === "seed"); // there is nothing to count yet
}
