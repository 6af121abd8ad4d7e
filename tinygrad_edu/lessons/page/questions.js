// Questions at some steps, whose formula and numbers are hidden until they are answered.

const sentences = steps.map((step, i) => {
  const cell = document.querySelector(`#row-${i} .sentence-cell`);
  return Object.fromEntries(all("[lang]", cell).map((e) => [e.getAttribute("lang"), e.textContent]));
});
const questions = data.questions ?? [];
const questionHere = () => questions.findIndex((question) => question.step === state.step);

function asking() {
  const here = questionHere();
  return $("ask").checked && here >= 0 && !state.answered.has(here);
}

function showQuestion() {
  const box = $("question"), here = questionHere();
  box.hidden = here < 0 || !$("ask").checked;
  const now = `${here} ${lang()} ${state.answered.has(here)}`;
  if (box.hidden || box.dataset.now === now) return;
  box.dataset.now = now;
  const heading = el("h3", {}, `${word("question")} ${here + 1} / ${questions.length}`);
  box.replaceChildren(heading, ...(state.answered.has(here) ? answered(here) : [questionForm(here)]));
}

function questionForm(here) {
  const question = questions[here], verdict = el("div", { role: "status" });
  const field = question.kind === "choice" ? choiceField(here) : numberField();
  const actions = el("div", { class: "actions" }, el("button", { type: "submit" }, word("check")),
    el("button", { type: "button", class: "link", click: () => answer(here, "shown") }, word("show_answer")));
  const form = el("form", { submit: (event) => { event.preventDefault(); judge(here, form, verdict); } },
    el("fieldset", { "aria-labelledby": "sentence" }, field), actions, verdict); // the question stands where the sentence does
  return form;
}

const answered = (here) => [
  el("p", {}, ...prose(inLanguage(questions[here].prompt))),
  el("div", { class: "verdict right" }, el("b", {}, word(state.answered.get(here) === "right" ? "right" : "answer_line")), " ", answerText(here)),
];

const formulaOf = (here, choice) => copy(`#choice-${here}-${choice} math`) ?? questions[here].choices[choice];
const answerText = (here) => (questions[here].kind === "choice" ? formulaOf(here, questions[here].answer) : short(Number(questions[here].answer), 6));

function choiceField(here) {
  return el("div", { class: "choices" }, ...questions[here].choices.map((text, i) => el("label", { class: "choice" },
    el("input", { type: "radio", name: "choice", value: i, "aria-label": text }), el("span", { "aria-hidden": "true" }, formulaOf(here, i)))));
}

const numberField = () => el("label", {}, word("your_answer"), " ", el("input", { class: "answer", name: "number", inputmode: "text", autocomplete: "off", size: 12 }));
const says = (right, text) => el("p", { class: `verdict ${right ? "right" : "wrong"}` }, el("b", {}, word(right ? "right" : "wrong")), " ", ...prose(text));
const readNumber = (text) => (text.trim() ? Number(text.trim().replace(/[−–]/g, "-").replace(",", ".")) : NaN);
const close = (a, b, tolerance) => Math.abs(a - b) <= tolerance * Math.abs(b) || Object.is(a, b);

function judge(here, form, verdict) {
  const question = questions[here], wrong = question.wrong ?? [];
  if (question.kind === "choice") {
    const chosen = form.elements.choice.value;
    if (chosen === "") return;
    if (Number(chosen) === question.answer) return answer(here, "right");
    verdict.replaceChildren(says(false, inLanguage(wrong.find((each) => Number(each.answer) === Number(chosen))?.diagnosis ?? {})));
  } else {
    const given = readNumber(form.elements.number.value);
    if (Number.isNaN(given)) return void verdict.replaceChildren(el("p", {}, word("give_number")));
    if (close(given, Number(question.answer), question.tolerance)) return answer(here, "right");
    const known = wrong.find((each) => close(given, Number(each.answer), question.tolerance));
    const near = question.near && close(given, Number(question.answer), 0.02);
    verdict.replaceChildren(says(false, known ? inLanguage(known.diagnosis) : near ? inLanguage(question.near) : word("unexplained")));
  }
}

function answer(here, said) {
  const { entry, node } = questions[here];
  state.answered.set(here, said);
  if (entry) pickPlace(entry.reduce((at, place, axis) => at * nodes[node].shape[axis] + place, 0));
  render();
  $("step-panel").focus({ preventScroll: true });
}
