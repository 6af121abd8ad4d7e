// Where the reader is, and how to get elsewhere: buttons, keys, the slider, the address, the settings.

function stepIn(address) {
  const found = /^#step=(\d+)$/.exec(address);
  return found ? Math.min(Math.max(Number(found[1]) - 1, 0), steps.length - 1) : null;
}

function go(index, how = "push") {
  const next = Math.min(Math.max(index, 0), steps.length - 1);
  if (backward(steps[next]) !== backward(current())) state.view = null; // the picture of that pass
  if (state.opened.length && !isIn($(state.opened.at(-1)), steps[next].node)) shut();
  if (next !== state.step) {
    state.step = next;
    state.hovered = null;
    state.selected = null;
    try { // a page inside of another may have no history
      history[how === "push" ? "pushState" : "replaceState"](null, "", `#step=${next + 1}`);
    } catch { /* the step is shown all the same */ }
  }
  render();
  follow();
}

// By hand: in a frame of a notebook an address that begins with # would lead to the notebook.
function followLink(event) {
  const href = event.target.closest?.("a")?.getAttribute("href"), step = stepIn(href ?? "");
  if (!href?.startsWith("#")) return;
  event.preventDefault();
  const target = step === null ? $(href.slice(1)) : document.querySelector(".lesson");
  if (step !== null) go(step);
  target.scrollIntoView();
  if (target.hasAttribute("tabindex")) target.focus();
}

let timer = null;
function play(on = timer === null) {
  clearTimeout(timer);
  timer = null;
  document.body.classList.toggle("playing", on);
  $("play").dataset.label = on ? "pause" : "play";
  label($("play"), word($("play").dataset.label));
  if (!on) return;
  if (state.step === steps.length - 1) go(0, "replace");
  const tick = () => {
    if (asking() || state.step === steps.length - 1) return play(false);
    go(state.step + 1, "replace");
    timer = setTimeout(tick, 2400 / Number($("speed").value));
  };
  timer = setTimeout(tick, asking() ? 0 : 600 / Number($("speed").value));
}

function showControls() {
  $("slider").max = steps.length;
  $("slider").value = state.step + 1;
  $("slider").setAttribute("aria-valuetext", `${word("step_of", state.step + 1, steps.length)}: ${word(`kind_${current().kind}`)}`);
  $("place").textContent = `${state.step + 1} / ${steps.length}`;
  for (const id of ["go-first", "go-previous"]) $(id).disabled = state.step === 0;
  for (const id of ["go-next", "go-last"]) $(id).disabled = state.step === steps.length - 1;
}

function showHere() {
  for (const e of all(".here")) if (!e.closest(".facts")) e.classList.remove("here");
  const step = current();
  $(`row-${state.step}`)?.classList.add("here");
  if (step.derivation !== null) $(`line-${step.derivation}-${step.derivation_line ?? 0}`)?.classList.add("here");
  if (step.code !== null) all("#code .listing code")[step.code]?.classList.add("here");
}

const KEYS = {
  ArrowRight: () => go(state.step + 1), ArrowLeft: () => go(state.step - 1), Home: () => go(0), End: () => go(steps.length - 1),
  " ": () => play(), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => zoom("fit"),
  Escape: () => (state.opened.length ? back(state.opened.length - 1) : state.selected !== null ? select(state.selected) : undefined),
};
const PANS = { ArrowRight: [80, 0], ArrowLeft: [-80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] };

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const { target } = event, writes = target.matches("input:not([type=range], [type=checkbox]), select, textarea");
  if (writes || (event.key === " " && target.matches("button, summary, a, input:not([type=range]), [role=button]"))) return;
  if (target.matches("input[type=range]") && /^(Arrow|Home|End)/.test(event.key)) return;
  const action = event.shiftKey && PANS[event.key] ? () => pan(...PANS[event.key]) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function setUpControls() {
  const moves = { "go-first": () => 0, "go-previous": () => state.step - 1, "go-next": () => state.step + 1, "go-last": () => steps.length - 1 };
  for (const [id, to] of Object.entries(moves)) $(id).addEventListener("click", () => { play(false); go(to()); });
  $("play").addEventListener("click", () => play());
  $("slider").addEventListener("input", () => { play(false); go(Number($("slider").value) - 1, "replace"); });
  document.addEventListener("keydown", key);
  for (const event of ["hashchange", "popstate"]) addEventListener(event, () => {
    const at = stepIn(location.hash);
    if (at !== null && at !== state.step) go(at, "replace");
  });
  for (const button of all("#views button")) button.addEventListener("click", () => { state.view = button.dataset.view; render(); follow(); });
  for (const button of all("[data-zoom]")) button.addEventListener("click", () => zoom({ in: 1.25, out: 0.8, fit: "fit" }[button.dataset.zoom]));
  for (const button of all("#shown-as button")) button.addEventListener("click", () => {
    state.shown = button.dataset.shown;
    for (const each of all("#shown-as button")) each.setAttribute("aria-pressed", String(each === button));
    render();
  });
  $("language").value = lang();
  $("language").addEventListener("change", () => { page.lang = $("language").value; speak(); if (program && state.run) { showLeaves(); showLosses(); showAllValues(); } render(); });
  $("theme").addEventListener("change", () => { page.dataset.theme = $("theme").value; });
  $("print-menu").hidden = self !== parent; // a frame of a notebook may not print
  $("ask-label").hidden = !questions.length;
  $("ask").addEventListener("change", render);
  for (const button of all("[data-print]")) {
    button.hidden = button.classList.contains("with-questions") && !questions.length;
    button.addEventListener("click", () => { page.dataset.print = button.dataset.print; $("print-menu").open = false; print(); });
  }
  document.addEventListener("click", followLink);
  document.addEventListener("click", (event) => { for (const menu of all(".menu[open]")) menu.open = menu.contains(event.target); });
  for (const cellOfNumber of all("#steps td.n")) { // the table of steps leads to its steps
    const n = cellOfNumber.textContent;
    cellOfNumber.replaceChildren(el("a", { href: `#step=${n}` }, n));
  }
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...state.opened];
    back(0);
    for (const e of all(".picture g[class]")) mark(e, {}); // on paper it is no step's picture
  });
  addEventListener("afterprint", () => { for (const figure of opened) open(figure); delete page.dataset.print; render(); });
  addEventListener("resize", () => { showViews(); reachable(); });
  addEventListener("load", resize); // with its fonts the page may have another height
}
