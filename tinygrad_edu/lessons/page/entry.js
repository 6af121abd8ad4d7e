// A line in index notation, written out with numbers for one entry.

const MOST_TERMS = 10, MOST_PIECES = 40, MOST_WORK = 50000;
const COMPARES = { less: "<", less_equal: "≤", greater: ">", greater_equal: "≥", equal: "=", not_equal: "≠" };
const superscript = (n) => String(n).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? (c === "-" ? "⁻" : c));

function placeAt(place, indices) {
  if (place.table) return Number(place.table[flat(place.places, place.sizes, indices)]);
  return (place.parts ?? []).reduce((sum, [letter, k]) => sum + k * indices[letter], place.offset ?? 0);
}

function flat(places, sizes, indices) {
  let at = 0;
  for (let i = 0; i < sizes.length; i++) {
    const place = placeAt(places[i], indices);
    if (!(place >= 0 && place < sizes[i])) return -1;
    at = at * sizes[i] + place;
  }
  return at;
}

function* choices(axes) {
  const at = axes.map(() => 0);
  for (let n = size(axes.map((axis) => axis.size)); n > 0; n--) {
    yield Object.fromEntries(axes.map((axis, i) => [axis.letter, at[i]]));
    for (let i = axes.length - 1; i >= 0 && ++at[i] === axes[i].size; i--) at[i] = 0;
  }
}

// Each writer gives [number or null, pieces]: a piece is text, or a number with where it is from.
function writtenSum(terms, indices, work) {
  let value = 0, count = 0, shown = 0;
  const pieces = [];
  for (const term of terms) {
    for (const chosen of choices(term.over)) {
      if (++work.done > MOST_WORK) return [null, [...pieces, " + …"]];
      const [x, product, sign] = writtenProduct(term, { ...indices, ...chosen }, work);
      if (x === 0 && product === null) continue; // a delta chose another entry
      value = value === null || x === null ? null : value + x;
      count++;
      if (shown === MOST_TERMS || pieces.length > MOST_PIECES) continue; // their number is said
      shown++;
      if (sign < 0) pieces.push(count > 1 ? " − " : "−");
      else if (count > 1) pieces.push(" + ");
      pieces.push(...product);
    }
  }
  if (count > shown) pieces.push(` + … (${word("terms", count)})`);
  return [value, count ? pieces : ["0"]];
}

function writtenProduct(term, indices, work) {
  const { coefficient = 1, factors } = term;
  let value = Math.abs(coefficient);
  const above = [], below = [];
  for (const factor of factors) {
    const { power = 1 } = factor, times = Math.abs(power);
    if (factor.kind === "delta") {
      if (placeAt(factor.places[0], indices) !== placeAt(factor.places[1], indices)) return [0, null, 1];
      continue;
    }
    const [x, pieces] = writtenFactor(factor, indices, work);
    value = value === null || x === null ? null : value * x ** power;
    const side = power < 0 ? below : above;
    if (side.length) side.push(" · ");
    side.push(...pieces, ...(times === 1 ? [] : [superscript(times)]));
  }
  const written = above;
  if (Math.abs(coefficient) !== 1 || !above.length) written.unshift(short(Math.abs(coefficient)), ...(above.length ? [" · "] : []));
  if (below.length) written.push(" / ", ...(below.includes(" · ") ? ["(", ...below, ")"] : below));
  return [value === null ? null : value * Math.sign(coefficient), written, Math.sign(coefficient)];
}

function writtenFactor(factor, indices, work) {
  if (factor.kind === "count") return [factor.value, [{ text: short(factor.value), from: factor.name ?? "" }]];
  if (factor.kind === "entry") return writtenEntry(factor, indices);
  const args = factor.args.map((terms) => writtenSum(terms, indices, work));
  if (factor.kind === "group") return [args[0][0], ["(", ...args[0][1], ")"]];
  const op = lesson.ops[factor.name], known = op && args.every(([x]) => x !== null); // else its value is the engine's
  const inner = args.flatMap(([, pieces], i) => (i ? [", ", ...pieces] : pieces));
  const scalars = args.map(([x]) => ({ shape: [], data: [x] }));
  const value = known ? op(factor.params ?? {}, [], ...scalars)[0] : null, sign = COMPARES[factor.name];
  if (sign && args.length === 2) return [value, ["[", ...args[0][1], ` ${sign} `, ...args[1][1], "]"]];
  return [value, [`${factor.shown ?? factor.name}(`, ...inner, ")"]];
}

function writtenEntry(factor, indices) {
  const list = factor.values ? numbers(factor.values) : factor.gradient ? gradientOf(factor.node) : valueOf(factor.node);
  const at = flat(factor.places, factor.sizes, indices);
  const x = at < 0 ? 0 : list ? list[at] : null;
  const name = factor.name ?? (factor.gradient ? gradientName(factor.node) : nodes[factor.node].name);
  const piece = { text: x === null ? "?" : short(x), from: name, at: factor.places.map((place) => placeAt(place, indices)), gradient: factor.gradient, negative: x < 0 };
  return [x, [piece]];
}

function written(pieces) {
  const line = el("span", { class: "written" });
  for (const piece of pieces) {
    if (typeof piece === "string") line.append(piece);
    else {
      const where = el("small", {}, piece.from, piece.at?.length ? el("sub", {}, piece.at.join(",")) : null);
      line.append(el("span", { class: `from ${piece.gradient ? "of-gradient" : "of-value"}` }, el("b", {}, piece.negative ? `(${piece.text})` : piece.text), where));
    }
  }
  return line;
}
