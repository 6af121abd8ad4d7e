// Numbers as a table or as a heat map, and the numbers of one node.

const MOST_CELLS = 400;

function grid(list, shape, caption, pick = null, earlier = null) {
  if (list.length > MOST_CELLS) return el("p", { class: "remark" }, digest(list));
  const columns = shape.length ? shape[shape.length - 1] : 1, rows = list.length / (columns || 1);
  const heat = state.shown === "heat" && list.length > 1;
  const largest = Array.from(list).reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1e-300);
  const table = el("table", { class: heat ? "grid heat" : "grid", "aria-label": caption });
  const slices = shape.slice(0, -2);
  if (rows > 1 || columns > 1) table.append(el("thead", {}, el("tr", {}, rows > 1 ? el("td", {}) : null, ...Array.from({ length: columns }, (_, c) => el("th", { scope: "col" }, String(c))))));
  const body = el("tbody");
  for (let r = 0; r < rows; r++) {
    const row = el("tr", {}, rows > 1 ? el("th", { scope: "row" }, rowName(r, shape, slices)) : null);
    for (let c = 0; c < columns; c++) row.append(el("td", {}, cell(list[r * columns + c], r * columns + c, { heat, largest, pick, earlier })));
    body.append(row);
  }
  table.append(body);
  const box = el("div", { class: "grid-scroll" }, table);
  if (heat) box.append(el("div", { class: "scale" }, `−${short(largest, 2)} … 0 … ${short(largest, 2)}`));
  return box;
}

function digest(list) {
  const all_of = Array.from(list), [low, high] = [Math.min, Math.max].map((f) => all_of.reduce((a, b) => f(a, b)));
  return word("digest", list.length, short(low), short(high), short(all_of.reduce((a, b) => a + b, 0) / list.length));
}

function summary(id) {
  const { digest: said, shape } = nodes[id];
  return said ? word("summary", size(shape), said.replace("mean", word("mean"))) : word("too_many", size(shape));
}

function rowName(row, shape, slices) {
  if (!slices.length) return String(row);
  const place = [];
  for (const n of [...shape.slice(0, -1)].reverse()) { place.unshift(row % n); row = Math.floor(row / n); }
  return place.join(",");
}

function cell(x, at, { heat, largest, pick, earlier }) {
  const moved = earlier && !Object.is(earlier[at], x) ? (x > earlier[at] ? "up" : "down") : "";
  const sign = x < 0 ? "negative" : "positive", text = short(x);
  const shared = { class: `${heat ? sign : ""} ${moved}`.trim() || null, title: moved ? `${short(earlier[at], 8)} → ${short(x, 8)}` : String(x) };
  const e = pick
    ? el("button", { ...shared, type: "button", "aria-pressed": String(pick.at === at), click: () => { pick.pick(at); refocus(at); } }, text)
    : el("span", shared, text);
  if (pick) e.dataset.at = at;
  if (heat) e.style.setProperty("--heat", `${Number.isFinite(x) ? Math.round((85 * Math.abs(x)) / largest) : 0}%`);
  return e;
}

// The table was drawn again: the focus stays on its cell.
const refocus = (at) => document.querySelector(`.facts [data-at="${at}"]`)?.focus({ preventScroll: true });

const subject = () => state.hovered ?? state.selected ?? current().node;

function showInspector() {
  const id = subject(), node = nodes[id], box = $("inspected");
  const dims = tuple(node.dims), sizes = tuple(node.shape), made = $(`value-${id}`)?.querySelector(".made")?.textContent;
  const opens = el("div", { class: "opens" });
  for (const [figure, words] of [[`equation-${node.equation}`, "open_equation"], [closerOf(id), "open_closer"]])
    if (state.hovered === null && $(figure) && state.opened.at(-1) !== figure) opens.append(el("button", { type: "button", click: () => open(figure) }, word(words)));
  if (state.selected !== null) opens.append(el("button", { type: "button", click: () => { select(null); $("step-panel").focus({ preventScroll: true }); } }, word("follow")));
  const about = el("div", { class: "about" }, mathOf(id), el("span", { class: "shape" }, dims === sizes ? sizes : `${dims} = ${sizes}`), el("span", { class: "op" }, [word(`kind_of_${node.kind}`), made].filter(Boolean).join(" = ")), opens);
  const twins = el("div", { class: "twins" }, side("value", valueSide(id)), side("gradient", gradientSide(id)));
  box.replaceChildren(about, twins);
}

// Number by number a value is computed, or, at a step that hands it back, its gradient.
function closerOf(id) {
  const { edge } = current(), back = edge && id === current().node ? `zoom-${nodes[edge[1]].equation}` : "";
  return $(back) && entryIn($(back), id) ? back : `zoom-${id}`;
}

const side = (key, content) => el("div", { class: `of-${key}` }, el("h3", {}, word(key)), content);

function valueSide(id) {
  const list = valueOf(id);
  if (computedAt[id] > state.step) return el("p", { class: "remark" }, word("not_yet"));
  return list ? grid(list, nodes[id].shape, word("value"), null, before("values", id)) : el("p", { class: "remark" }, summary(id));
}

function gradientSide(id) {
  if (!hasGradient(id)) return el("p", { class: "remark" }, word("no_gradient"));
  if (asking() && current().node === id) return el("p", { class: "remark" }, word("answer_hidden"));
  const touched = touchedAt.get(id) ?? Infinity, done = lastAt.get(id) ?? touched;
  if (touched > state.step) return el("p", { class: "remark" }, word("not_yet"));
  if (done > state.step) {
    const last = steps.findLastIndex((step, i) => i <= state.step && step.node === id && backward(step));
    const so_far = resultOf(last, "totals");
    return el("div", {}, el("p", { class: "remark" }, word("partial")), so_far ? grid(so_far, nodes[id].shape, word("collected")) : "");
  }
  const list = gradientOf(id);
  return list ? grid(list, nodes[id].shape, word("gradient"), null, before("gradients", id)) : el("p", { class: "remark" }, word("too_many", size(nodes[id].shape)));
}
