// The data of the page, what the reader can change, and the words and elements that everything else is made of.
// Text of the user is only ever put in with textContent; formulas are cloned from the tables of the page.

const json = (id) => JSON.parse(document.getElementById(id).textContent);
const data = json("lesson-data"), WORDS = json("lesson-words");
const page = document.documentElement, $ = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const wide = matchMedia("(min-width: 66.01rem)"), still = matchMedia("(prefers-reduced-motion: reduce)");
const { nodes } = data;
const steps = data.steps.map((step) => ({ edge: null, entry: null, shapes: "", derivation: null, derivation_line: null, code: null, reused: [], result: null, total: null, ...step }));

// Everything that a reader can change.
const state = {
  step: 0,
  entry: [], // the indices that were picked, for the axes of the step's entry
  selected: null, // a node that was clicked
  hovered: null,
  view: null, // forward or backward; null: as the step suggests
  opened: [], // figures opened from the graph: "equation-3", "zoom-5"
  scale: null, // of the pictures; null: fitted
  shown: "numbers",
  answered: new Map(), // by question: what was said, and whether it was right
  run: null, // what the page itself has computed last
  whatIf: null, // its values and gradients, if a number was changed; null: the recorded ones are shown
};

const lang = () => page.lang;
const word = (key, ...filled) => filled.reduce((text, x) => text.replace("{}", () => x), WORDS[lang()][key] ?? key);
const inLanguage = (words) => words[lang()] ?? words.en ?? "";

function speak() {
  for (const e of all("[data-word]:not(text)")) e.textContent = word(e.dataset.word, ...(e.dataset.filled ? [e.dataset.filled] : []));
  for (const e of all("text[data-es]")) e.textContent = e.dataset[lang()]; // in the pictures
  for (const e of all("text[data-word]")) e.textContent = word(`kind_of_${e.dataset.word}`);
  for (const e of all("[data-label]")) label(e, word(e.dataset.label));
}

function label(e, text) {
  e.setAttribute("aria-label", text);
  if (e.matches("button")) e.title = text;
}

function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") e.addEventListener(key, value);
    else if (value === true) e.setAttribute(key, "");
    else e.setAttribute(key, value);
  }
  e.append(...children.filter((child) => child !== null && child !== undefined));
  return e;
}

function drawn(tag, attributes, text = "") {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.textContent = text;
  return e;
}

// Text whose derivatives stay on one line each, and whose ∗ is as narrow as in the pictures.
const prose = (text) => text.split(/(\S*∂\S*\/∂\S+|∗)/).map((part, i) => (i % 2 ? el("span", { class: part === "∗" ? "star" : "partial-name" }, part) : part));
const tuple = (parts) => `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`; // as Python writes a shape
const copy = (selector) => document.querySelector(selector)?.cloneNode(true) ?? null;
const mathOf = (id) => copy(`#value-${id} .math math`) ?? document.createTextNode(nodes[id].name);
const gradientName = (id) => `∂${nodes[data.root].name}/∂${nodes[id].name}`;
