// The pictures: what lights up at a step, what opens, and how they move.

const computedAt = nodes.map(() => -1), touchedAt = new Map(), lastAt = new Map(), doneAt = new Map();
steps.forEach((step, i) => {
  if (step.kind === "value") computedAt[step.node] = i;
  else if (backward(step) && !touchedAt.has(step.node)) touchedAt.set(step.node, i);
  if (step.kind === "seed" || step.kind === "contribution" || step.kind === "sum") lastAt.set(step.node, i); // nothing is added later
  if (step.kind === "finished" || step.kind === "seed") doneAt.set(step.node, i);
});
for (const [id, at] of touchedAt) if (!doneAt.has(id)) doneAt.set(id, Math.max(at, steps.findLastIndex((step) => step.node === id && backward(step))));

const pictures = all(".figure");
const visiblePictures = () => pictures.filter((figure) => !figure.hidden && !figure.closest("#closer"));

// A value that is inside of an equation shows as the value that the equation makes.
const homes = (here) => (id) => (here.has(id) ? id : nodes[id].equation);

// The steps at which an arrow is passed: the value that it leads to is made, or the gradient comes back along it.
function touching(edge, home) {
  const [a, b, position] = edge.dataset.edge.split(" ").map(Number);
  const exact = position !== undefined && data.level === "op";
  const forth = (step) => step.kind === "value" && (exact ? step.node === b : home(step.node) === home(b));
  const here = ([receives, hands, at]) => (exact ? receives === a && hands === b && at === position : home(receives) === home(a) && home(hands) === home(b));
  const passed = edge.classList.contains("flow") ? (step) => step.kind === "contribution" && here(step.edge) : forth;
  return steps.flatMap((step, i) => (passed(step) ? [i] : []));
}

function reusing(e, home) {
  const [source, id] = e.dataset.reuse.split(" ").map(Number);
  return steps.flatMap((step, i) => (step.kind === "contribution" && home(step.node) === id && step.reused.some((x) => home(x) === source) ? [i] : []));
}

const stages = new Map(); // by picture: what is on it, looked up once
function stageOf(figure) {
  if (!stages.has(figure)) {
    const svg = figure.querySelector("svg"), here = new Set(all("[data-node], [data-gradient]", svg).map((e) => Number(e.dataset.node ?? e.dataset.gradient))), home = homes(here);
    stages.set(figure, { here, home, values: all("[data-node]", svg), gradients: all("[data-gradient]", svg), sums: all("[data-sum]", svg), edges: [...all("[data-edge]", svg).map((e) => [e, touching(e, home)]), ...all("[data-reuse]", svg).map((e) => [e, reusing(e, home)])] });
  }
  return stages.get(figure);
}

function mark(e, marks) {
  for (const name of ["todo", "now", "done", "partial", "reused", "lit", "selected", "veiled-label", "veiled-rule"]) e.classList.toggle(name, Boolean(marks[name]));
  if (!e.matches("[role=button]")) return;
  const seen = all("text", e).map((text) => text.textContent), kind = word(`kind_of_${e.dataset.gradient ? "gradient" : nodes[e.dataset.node].kind}`);
  const states = { now: "legend_now", todo: "legend_todo", partial: "legend_partial", reused: "legend_reused", lit: "is_lit", selected: "is_selected" };
  const said = Object.entries(states).flatMap(([key, words]) => (marks[key] ? [word(words)] : []));
  e.setAttribute("aria-label", [seen.join(" "), ...(seen.includes(kind) ? [] : [kind]), ...said].join(", "));
}

// Whether a value, or its gradient, is in a picture that was opened; one number by number stays open.
const isIn = (figure, id) => figure.id.startsWith("zoom-") || stageOf(figure).here.has(id);

function showStage() {
  const step = current(), s = state.step, lit = state.hovered, asks = $("ask").checked && questions.length > 0;
  showInside(step);
  for (const figure of visiblePictures()) {
    const { home, values, gradients, sums, edges } = stageOf(figure);
    const at = home(step.node), reused = new Set(asking() ? [] : step.reused.map(home));
    for (const e of values) {
      const id = Number(e.dataset.node);
      mark(e, { todo: computedAt[id] > s, now: step.kind === "value" && id === at, reused: reused.has(id), lit: lit !== null && id === home(lit), selected: id === state.selected });
    }
    for (const e of gradients) {
      const id = Number(e.dataset.gradient), touched = touchedAt.get(id) ?? Infinity, done = doneAt.get(id) ?? touched;
      const veiled = asks && e.matches(":has(.rule)") && (done > s || (asking() && id === at));
      mark(e, { todo: touched > s, partial: touched <= s && done > s, done: done <= s, now: backward(step) && id === at, lit: lit !== null && id === home(lit), selected: id === state.selected, "veiled-rule": veiled });
    }
    for (const e of sums) {
      const id = Number(e.dataset.sum), from = (e.classList.contains("node") ? touchedAt : lastAt).get(id) ?? Infinity;
      const last = lastAt.get(id) ?? -1, veiled = asks && e.classList.contains("node") && (last > s || (asking() && id === at)); // its lines are what may be asked
      mark(e, { todo: from > s, now: step.kind === "sum" && id === at, "veiled-label": veiled });
    }
    for (const [e, found] of edges) {
      const now = found.includes(s) && !(e.dataset.reuse && asking());
      const todo = found.length && found[0] > s, later = todo && asks && e.classList.contains("flow"); // whose rule may be asked for
      mark(e, { now, done: found.length && found[0] < s, todo, "veiled-label": (now && asking()) || later });
    }
  }
}

// The picture lights the value in whose equation the step is: it says so, and opens there.
function showInside(step) {
  const home = state.opened.length || !visiblePictures().length ? step.node : stageOf(visiblePictures()[0]).home(step.node);
  const figure = `equation-${nodes[step.node].equation}`;
  $("inside").hidden = home === step.node;
  if (home === step.node) return;
  const text = word($(figure) ? "inside" : "inside_block", nodes[step.node].name, nodes[home].name);
  $("inside").replaceChildren(text, " ", $(figure) ? el("button", { type: "button", class: "link", click: () => open(figure) }, word("open_it")) : "");
}

function showViews() {
  const opened = state.opened.at(-1), whole = pictures.filter((each) => each.dataset.sheet);
  const view = state.view ?? (backward(current()) || current().kind === "end" ? "backward" : "forward");
  for (const figure of whole) figure.hidden = Boolean(opened) || figure.dataset.sheet !== view;
  for (const button of all("#views button")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  $("views").hidden = Boolean(opened) || !whole.length;
  showCrumbs();
  resize();
}

function showCrumbs() {
  const title = (figure) => (figure ? $(figure).querySelector("figcaption").textContent : word("overview"));
  const trail = [null, ...state.opened];
  const items = trail.map((figure, i) => el("li", {}, i === trail.length - 1 ? el("span", { "aria-current": "true" }, title(figure)) : el("button", { type: "button", class: "link", click: () => back(i) }, title(figure))));
  $("crumbs").replaceChildren(el("ol", {}, ...items));
}

function open(figure) {
  pickAsIn(figure);
  if (state.opened.includes(figure)) back(state.opened.indexOf(figure) + 1);
  else { hide(); state.opened.push(figure); place(); }
  $("crumbs").querySelector("button")?.focus();
}

function back(depth) {
  const inside = $("crumbs").contains(document.activeElement);
  hide();
  state.opened.length = depth;
  place();
  if (inside) $("crumbs").focus(); // the button that was pressed is gone
}

// A picture number by number is of one entry: the step shows the same one.
function pickAsIn(figure) {
  const entry = backward(current()) && figure.startsWith("zoom-") ? entryIn($(figure), current().node) : null;
  if (entry) state.entry = entry;
}

function entryIn(figure, id) {
  const begins = `${gradientName(id)}[`;
  const found = all("text", figure).map((e) => e.textContent).find((text) => text.startsWith(begins) && text.includes("="));
  return found?.slice(begins.length).split("]")[0].split(",").map(Number);
}

// Closed by a step that is elsewhere.
function shut() {
  hide();
  state.opened.length = 0;
  state.scale = null;
}

// A picture that was opened stands on the stage; its place below waits for it.
function hide() {
  const figure = state.opened.at(-1);
  if (figure) $("closer").querySelector(".closer-figures").append($(figure));
}

function place() {
  const figure = state.opened.at(-1);
  if (figure) $("sheets").append($(figure));
  state.scale = null;
  state.hovered = null;
  render();
}

const naturalWidth = (svg) => svg.viewBox.baseVal.width || 600;

const LEAST = 0.7, LEAST_NARROW = 0.62, MOST = 1.3, BELOW = 248, MARGIN = 24; // scales; pixels for the step, and around a picture

// The height for a picture: beside the step all of the window, above it what the step leaves.
function room(beside) {
  if (!wide.matches) return 0.42 * innerHeight;
  const top = $("sheets").getBoundingClientRect().top + scrollY, bar = document.querySelector(".controls").offsetHeight;
  const left = innerHeight - top - bar - (beside ? MARGIN : BELOW);
  return Math.min(Math.max(left, 0.3 * innerHeight), (beside ? 0.8 : 0.5) * innerHeight);
}

const scaleFor = (svg, width, height) => Math.min((width - MARGIN) / naturalWidth(svg), height / svg.viewBox.baseVal.height);

// A picture that is about as high as it is wide stands beside the step: it is as large there, and so has the step more room.
function arrange() {
  const whole = pictures.filter((each) => each.dataset.sheet).at(-1)?.querySelector("svg"), box = document.querySelector(".lesson");
  const besides = innerWidth >= 1200 && whole && scaleFor(whole, 0.62 * box.clientWidth, room(true)) > 0.9 * scaleFor(whole, box.clientWidth, room(false));
  box.classList.toggle("beside", Boolean(besides));
}

// Fitted to the stage, but never so small that it cannot be read, nor larger than a textbook would print it. Forward and
// backward have one scale: what is in both stays where it is.
function fitted(box, svg) {
  const sheets = svg.closest("[data-sheet]") ? all("[data-sheet] svg") : [svg];
  const fits = Math.min(...sheets.map((each) => scaleFor(each, box.clientWidth, room(document.querySelector(".beside")) - 16)));
  return Math.min(Math.max(fits, wide.matches ? LEAST : LEAST_NARROW), MOST);
}

function resize() {
  arrange();
  const height = `${Math.round(room(document.querySelector(".beside")))}px`;
  for (const figure of visiblePictures()) {
    const box = figure.querySelector(".viewport"), svg = box.querySelector("svg");
    box.style.maxHeight = height;
    if (box.clientWidth) svg.style.width = `${Math.round(naturalWidth(svg) * (state.scale ?? fitted(box, svg)))}px`;
  }
}

function zoom(factor, box = null, x = 0.5, y = 0.5) {
  const first = box ?? visiblePictures()[0]?.querySelector(".viewport");
  if (!first) return;
  const svg = first.querySelector("svg"), scale = state.scale ?? fitted(first, svg);
  const fit = (first.clientWidth - 24) / naturalWidth(svg);
  const next = factor === "fit" ? fit : Math.min(Math.max(scale * factor, Math.min(fit, 0.3)), 4);
  const left = (first.scrollLeft + x * first.clientWidth) / scale, top = (first.scrollTop + y * first.clientHeight) / scale;
  state.scale = next;
  resize();
  first.scrollLeft = left * next - x * first.clientWidth;
  first.scrollTop = top * next - y * first.clientHeight;
}

function pan(dx, dy) {
  for (const figure of visiblePictures()) figure.querySelector(".viewport").scrollBy(dx, dy);
}

// The picture follows the step.
function follow() {
  for (const figure of visiblePictures()) {
    const box = figure.querySelector(".viewport"), e = figure.querySelector("[data-gradient].now, [data-node].now");
    if (!e) continue;
    const frame = box.getBoundingClientRect(), r = e.getBoundingClientRect(), room = 24;
    const seen = r.left >= frame.left + room && r.right <= frame.right - room && r.top >= frame.top && r.bottom <= frame.bottom;
    if (seen) continue;
    const left = box.scrollLeft + (r.left + r.right - frame.left - frame.right) / 2, top = box.scrollTop + (r.top + r.bottom - frame.top - frame.bottom) / 2;
    box.scrollTo({ left, top, behavior: still.matches ? "auto" : "smooth" });
  }
}

function nodeAt(target) {
  const e = target.closest?.("[data-node], [data-gradient]");
  return e && $("sheets").contains(e) ? Number(e.dataset.node ?? e.dataset.gradient) : null;
}

function hover(id) {
  if (state.hovered === id) return;
  state.hovered = id;
  showInspector();
  showStage();
}

function select(id) {
  state.selected = id === state.selected ? null : id;
  state.hovered = null;
  showInspector();
  showStage();
}

function setUpStage() {
  for (const svg of all(".figure svg")) {
    svg.setAttribute("role", "group"); // what it contains can be pressed now
    for (const e of all("[data-node], [data-gradient]", svg)) {
      e.setAttribute("tabindex", "-1");
      e.setAttribute("role", "button");
      e.append(...all('text[font-size="11"]', e)); // the name is said first, then its shape
      for (const text of all("text", e)) text.before(" ");
      if (e.dataset.gradient) for (const text of all("text", e)) text.classList.toggle("rule", text.textContent.startsWith("="));
      const longest = Math.max(...all("text", e).map((text) => text.textContent.length));
      e.classList.toggle("large", longest <= (e.dataset.gradient ? 10 : 8)); // what is short has room for larger letters
    }
    svg.querySelector("[data-node], [data-gradient]")?.setAttribute("tabindex", "0"); // Tab leads to one, arrows to the others
  }
  const sheets = $("sheets");
  sheets.addEventListener("pointerover", (event) => event.pointerType !== "touch" && hover(nodeAt(event.target)));
  sheets.addEventListener("pointerleave", () => hover(null));
  sheets.addEventListener("focusin", ({ target }) => {
    if (target.matches("[role=button]")) rove(target);
    if (target.matches(":focus-visible")) hover(nodeAt(target));
  });
  sheets.addEventListener("focusout", () => hover(null));
  sheets.addEventListener("click", (event) => {
    const id = nodeAt(event.target);
    if (id === null || dragged) return;
    select(id);
    if (!wide.matches) document.querySelector(".inspector").scrollIntoView({ block: "nearest" });
  });
  sheets.addEventListener("dblclick", (event) => openNext(nodeAt(event.target)));
  sheets.addEventListener("keydown", (event) => {
    const id = nodeAt(event.target), way = WAYS[event.key];
    if (id === null || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey || !(way || event.key === "Enter" || event.key === " ")) return;
    event.preventDefault();
    event.stopPropagation();
    if (way) stepTo(event.target, way);
    else if (event.key === "Enter" && state.selected === id) openNext(id);
    else select(id);
  });
  for (const box of all(".viewport")) setUpViewport(box);
}

const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const middle = (e) => { const r = e.getBoundingClientRect(); return [(r.left + r.right) / 2, (r.top + r.bottom) / 2]; };

// To the nearest value in this direction; aside counts twice.
function stepTo(from, [dx, dy]) {
  const svg = from.closest("svg"), [x, y] = middle(from);
  let next = null, least = Infinity;
  for (const e of all("[role=button]", svg)) {
    const [a, b] = middle(e), along = (a - x) * dx + (b - y) * dy, aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
    if (along < 4 || along + 2 * aside >= least) continue;
    [next, least] = [e, along + 2 * aside];
  }
  next?.focus();
}

function rove(e) {
  for (const other of all("[role=button][tabindex='0']", e.closest("svg"))) other.setAttribute("tabindex", "-1");
  e.setAttribute("tabindex", "0");
}

function openNext(id) {
  if (id === null) return;
  const figure = [`equation-${nodes[id].equation}`, `zoom-${id}`].find((name) => $(name) && !state.opened.includes(name));
  if (figure) open(figure);
}

let dragged = false;
function setUpViewport(box) {
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const r = box.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), box, (event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height);
  }, { passive: false });
  box.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button !== 0) return;
    dragged = false;
    const start = [event.clientX, event.clientY, box.scrollLeft, box.scrollTop];
    const move = (e) => {
      if (Math.hypot(e.clientX - start[0], e.clientY - start[1]) > 4) { dragged = true; box.classList.add("dragging"); }
      if (dragged) box.scrollTo(start[2] - e.clientX + start[0], start[3] - e.clientY + start[1]);
    };
    const end = () => {
      box.classList.remove("dragging");
      removeEventListener("pointermove", move);
      setTimeout(() => { dragged = false; });
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
  });
}
