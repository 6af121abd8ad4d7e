// Everything is shown anew after every change; then the start.

function render() {
  $("changed").hidden = !state.whatIf;
  for (const e of all(".stale")) e.hidden = !state.whatIf;
  showViews();
  showStep();
  showStage();
  showInspector();
  showControls();
  showHere();
  reachable();
}

// What can be scrolled can be reached by the keyboard; formulas to choose from stand one below the other if one is long.
function reachable() {
  for (const e of all(".choices")) {
    e.classList.remove("long");
    e.classList.toggle("long", all(".choice > span", e).some((choice) => choice.scrollWidth > choice.clientWidth + 1));
  }
  for (const e of all(".scroll, .facts dd, .grid-scroll, .listing, .viewport, .cells, .options li, .only-answers li, .choices")) {
    if (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) e.tabIndex = 0;
    else e.removeAttribute("tabindex");
  }
}

page.classList.add("js");
state.step = stepIn(location.hash) ?? 0;
speak();
setUpStage();
setUpControls();
setUpWhatIf();
render();
follow();
