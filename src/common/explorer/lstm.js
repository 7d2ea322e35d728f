/* The interactive figure of an LSTM over symbols. Plain JavaScript: no library, nothing loaded, nothing stored.

   Python (lstm_figure.py) writes the <figure>: its text, its tables and, as JSON in data-model, its weights. This script
   adds what a reader works with. It stands in every figure's output and starts each figure that does not run yet. */
(() => {
"use strict";

const GATES = { i: "input gate", f: "forget gate", g: "candidate", o: "output gate" };
const NAMES = { ...GATES, before: "cell state before the step", c: "cell state after the step", h: "hidden state" };
const SIGNED = new Set(["g", "before", "c", "h"]);
const PACE = 1300; // milliseconds a step while it plays
const STILL = 0.0005; // a smaller change is none at three digits

/* ---- the network ------------------------------------------------------------------------------------------ */

/* exp may overflow to infinity; the quotient is then 0, as it should be. */
const logistic = a => 1 / (1 + Math.exp(-a));

function softmax(y) {
  const highest = Math.max(...y);
  const powers = y.map(v => Math.exp(v - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map(v => v / sum);
}

/* row @ matrix + offset, for a row of numbers */
const affine = (row, matrix, offset) => offset.map((start, j) => row.reduce((sum, v, k) => sum + v * matrix[k][j], start));

/* What happens at each step of a sequence of symbol numbers, from a state of zeros: an array of steps, each with
   i, f, g, o, before (the cell state before the step), c, h: one number a unit; and p: one number a symbol. */
function run(model, sequence) {
  const { W_x, W_h, b, W, b_y } = model;
  const H = W_h.length;
  let h = Array(H).fill(0), c = h;
  return sequence.map(k => {
    // The input is one-hot: x_t W_x is row k of W_x.
    const a = affine(h, W_h, b.map((b_j, j) => b_j + W_x[k][j])); // LSTM.1
    const block = n => a.slice(n * H, (n + 1) * H);
    const i = block(0).map(logistic); // LSTM.2
    const f = block(1).map(logistic); // LSTM.3
    const g = block(2).map(Math.tanh); // LSTM.4
    const o = block(3).map(logistic); // LSTM.5
    const before = c;
    c = f.map((f_j, j) => f_j * before[j] + i[j] * g[j]); // LSTM.6
    h = o.map((o_j, j) => o_j * Math.tanh(c[j])); // LSTM.7
    return { i, f, g, o, before, c, h, p: softmax(affine(h, W, b_y)) };
  });
}

/* ---- words and elements ----------------------------------------------------------------------------------- */

/* Three digits after the point (two from 10 on), with a real minus sign, and no minus before a zero. */
function number(value) {
  const text = value.toFixed(Math.abs(value) < 10 ? 3 : 2);
  return text === "-0.000" ? "0.000" : text.replace("-", "−");
}

const percent = p => `${(100 * p).toFixed(1)} %`;

/* An element: make("button", { class: "step", text: "Next" }, children). */
function make(name, options = {}, children = []) {
  const element = name === "svg" || options.svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "text") element.textContent = value;
    else if (key !== "svg") element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const drawn = (name, options) => make(name, { svg: true, ...options });
const hidden = text => make("span", { class: "unseen", text });
const code = text => make("code", { text });
const button = (text, press, options = {}) => {
  const element = make("button", { type: "button", text, ...options });
  element.addEventListener("click", press);
  return element;
};

/* i with a small t, as in the equations. */
function letter(name) {
  const before = name === "before";
  return make("span", { class: "letter", "aria-hidden": "true" }, [
    make("i", { text: before ? "c" : name }),
    make("sub", { text: before ? "t−1" : "t" }),
  ]);
}

/* A line with letter, bar and number. `show(value, scale)` moves the bar; the exact value stands in data-value. */
function bar(name, label, sign, signed) {
  const fill = make("span", { class: "fill" });
  const track = make("span", { class: signed ? "track signed" : "track", "aria-hidden": "true" }, [fill]);
  const value = make("span", { class: "value" });
  const row = make("li", { class: `bar of-${name}` }, [sign, hidden(`${label}: `), track, value]);
  row.dataset.name = name;
  row.show = (v, scale = 1, text = number(v)) => {
    const part = Math.max(-1, Math.min(1, v / scale));
    fill.style.left = `${signed ? 50 + 50 * Math.min(0, part) : 0}%`;
    fill.style.width = `${(signed ? 50 : 100) * Math.abs(part)}%`;
    value.textContent = text;
    row.dataset.value = String(v);
  };
  return row;
}

/* The letters, their colours and the scales of their bars. */
function legend() {
  const entry = name => make("li", { class: `of-${name}` },
    [make("span", { class: "swatch" }), make("i", { text: name }), ` ${name === "c" ? "cell state" : NAMES[name]}`]);
  return make("ul", { class: "legend" }, [
    ...["i", "f", "g", "o", "c", "h"].map(entry),
    make("li", { class: "scales", text: "Bars: i, f and o from 0 to 1, g and h from −1 to 1, c as far as it goes in this " +
      "sequence; the striped bar is c before the step." }),
  ]);
}

/* ---- one unit: its bars, and one quantity over the whole sequence ------------------------------------------- */

function unitCard(place) {
  const rows = {};
  for (const name of Object.keys(NAMES)) rows[name] = bar(name, NAMES[name], letter(name), SIGNED.has(name));
  const chart = make("svg", { role: "img", class: "chart" });
  const list = make("ul", {}, Object.values(rows));
  const title = make("p", { class: "name", text: `Unit ${place}` });
  const element = make("div", { class: "unit", role: "group", "aria-label": `Unit ${place}` }, [title, list, chart]);
  element.dataset.unit = place;
  return { element, rows, chart };
}

function drawChart(svg, values, at, name, unit, low, high) {
  const width = Math.max(90, svg.clientWidth || 160), height = 84;
  const left = 6, right = width - 6, top = 14, bottom = height - 14;
  const x = t => values.length === 1 ? (left + right) / 2 : left + (right - left) * t / (values.length - 1);
  const y = v => bottom - (bottom - top) * (v - low) / (high - low);
  const points = values.map((v, t) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", `${NAMES[name]} ${name} of unit ${unit} over ${values.length} steps: ` +
    `${values.map(number).join(", ")}; now step ${at + 1}`);
  const text = (v, where) => drawn("text", { x: 2, y: where, class: "scale", text: v.toFixed(2).replace("-", "−") });
  svg.replaceChildren(
    drawn("line", { class: "zero", x1: left, x2: right, y1: y(0), y2: y(0) }),
    drawn("line", { class: "now", x1: x(at), x2: x(at), y1: top - 4, y2: bottom + 4 }),
    drawn("polyline", { class: `line of-${name}`, points: points.join(" ") }),
    ...values.map((v, t) => drawn("circle", { class: `dot of-${name}`, cx: x(t), cy: y(v), r: t === at ? 4.5 : 1.8 })),
    text(high, top - 4), text(low, height - 2),
  );
}

/* ---- the figure ------------------------------------------------------------------------------------------- */

let started = 0;

function start(figure) {
  const model = JSON.parse(figure.dataset.model);
  const { symbols, longest } = model;
  const H = model.W_h.length;
  const oneLetter = symbols.every(symbol => [...symbol].length === 1);
  const spell = sequence => sequence.map(k => symbols[k]).join(oneLetter ? "" : " ");
  const id = `lstm-explorer-${document.querySelectorAll(".lstm-explorer[data-running]").length}-${started++}`;
  let sequence = model.sequence, steps = run(model, sequence), at = 0, timer = null;

  // The sequence, one button a step
  const row = make("div", { class: "sequence", role: "group", "aria-label": "The sequence: choose a step" });

  // Stepping
  const previous = button("Previous", () => pressed(() => go(at - 1)));
  const next = button("Next", () => pressed(() => go(at + 1)));
  const play = button("Play", () => timer ? pause() : keepGoing());
  const place = make("span", { class: "place" });
  const stepping = make("div", { class: "controls", role: "group", "aria-label": "Step through the sequence" },
    [previous, play, next, place]);

  // Changing the sequence
  const editing = make("div", { class: "controls", role: "group", "aria-label": "Change the sequence" }, [
    make("span", { text: "Change it:" }),
    ...symbols.map((symbol, k) => {
      const element = button("", () => pressed(() => change([...sequence, k], sequence.length)),
        { "aria-label": `Append ${symbol}` });
      element.append("+ ", code(symbol));
      return element;
    }),
    button("Delete last", () => pressed(() => change(sequence.slice(0, -1), at))),
    button("Reset", () => pressed(() => change(model.sequence, 0))),
  ]);
  const field = make("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    "aria-describedby": `${id}-message` });
  // No <form>: Colab's frames, like every sandbox, may refuse to submit one.
  const read = () => pressed(() => typed(field.value));
  field.addEventListener("keydown", event => { if (event.key === "Enter") read(); });
  const writing = make("div", { class: "controls" },
    [make("label", {}, ["or write one ", field]), button("Read it", read)]);
  const message = make("p", { class: "message", role: "alert", id: `${id}-message` });
  editing.append(writing, message);

  // What is shown of a step
  const units = Array.from({ length: H }, (_, j) => unitCard(j + 1));
  const grid = make("div", { class: "units" }, units.map(unit => unit.element));
  // Rows of equal length, as far as the page is wide enough: 3 + 3, 4 + 4; and no card wider than a half.
  grid.style.setProperty("--columns", H <= 4 ? Math.max(2, H) : Math.ceil(H / 2));
  const choice = make("select", {}, ["c", "h", "i", "f", "g", "o"].map(name =>
    make("option", { value: name, text: `${name}, ${name === "c" ? "cell state" : NAMES[name]}` })));
  choice.addEventListener("change", draw);
  const chosen = make("p", { class: "controls" }, [make("label", {}, ["Small charts: ", choice, " over the sequence"])]);
  const guesses = symbols.map(symbol => {
    const guess = bar("p", symbol, make("span", { class: "letter", "aria-hidden": "true" }, [code(symbol)]), false);
    guess.note = make("span", { class: "note" });
    guess.append(guess.note);
    guess.dataset.symbol = symbol;
    return guess;
  });
  const prediction = make("div", { class: "next", role: "group", "aria-label": "Next symbol" }, [
    make("p", { class: "name", text: "Next symbol: how probable the network finds each" }), make("ul", {}, guesses),
  ]);
  const said = make("p", { class: "said", "aria-live": "polite" });

  function pressed(action) {
    pause();
    message.textContent = "";
    field.removeAttribute("aria-invalid");
    action();
  }

  function complain(text) {
    message.textContent = text;
  }

  function go(step) {
    at = Math.max(0, Math.min(steps.length - 1, step));
    show();
  }

  function change(newer, step) {
    if (!newer.length) return complain("The sequence needs at least one symbol.");
    if (newer.length > longest) return complain(`The sequence may have at most ${longest} symbols.`);
    sequence = newer;
    steps = run(model, sequence);
    at = Math.max(0, Math.min(steps.length - 1, step));
    listSteps();
    writeTables();
    show();
  }

  function typed(text) {
    const written = oneLetter ? [...text.replace(/\s+/g, "")] : text.split(/\s+/).filter(Boolean);
    const wrong = written.findIndex(symbol => !symbols.includes(symbol));
    if (wrong >= 0 || !written.length || written.length > longest) {
      field.setAttribute("aria-invalid", "true");
      if (wrong < 0) return change(written.map(symbol => symbols.indexOf(symbol)), 0); // says what is wrong
      return complain(`“${written[wrong]}” at place ${wrong + 1} is no symbol of this network; it knows ` +
        `${symbols.join(" ")}${oneLetter ? "" : ", with a space between two symbols"}. The sequence stays as it was.`);
    }
    change(written.map(symbol => symbols.indexOf(symbol)), 0);
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    play.textContent = "Play";
    said.setAttribute("aria-live", "polite");
  }

  function keepGoing() {
    message.textContent = "";
    said.setAttribute("aria-live", "off"); // a sentence a second is more than one can listen to
    play.textContent = "Pause";
    if (at === steps.length - 1) go(0);
    const onward = () => {
      if (!figure.isConnected) return;
      if (at === steps.length - 2) pause(); // before the last step, so that it is spoken
      go(at + 1);
      if (timer) timer = setTimeout(onward, PACE);
    };
    if (steps.length === 1) return pause();
    timer = setTimeout(onward, PACE);
  }

  function listSteps() {
    row.replaceChildren(...sequence.map((k, t) => {
      const element = button("", () => pressed(() => go(t)),
        { class: "symbol", "aria-label": `Step ${t + 1}: ${symbols[k]}` });
      element.append(code(symbols[k]), make("small", { text: t + 1 }));
      return element;
    }));
    field.value = spell(sequence);
  }

  /* Everything that belongs to the current step. */
  function show() {
    const step = steps[at], largest = Math.max(1, ...steps.flatMap(one => one.c.map(Math.abs)));
    const held = row.contains(document.activeElement);
    [...row.children].forEach((element, t) => {
      if (t === at) element.setAttribute("aria-current", "step");
      else element.removeAttribute("aria-current");
      element.tabIndex = t === at ? 0 : -1;
    });
    if (held) row.children[at].focus();
    previous.setAttribute("aria-disabled", at === 0);
    next.setAttribute("aria-disabled", at === steps.length - 1);
    place.textContent = `step ${at + 1} of ${steps.length}`;
    units.forEach((unit, j) => {
      for (const name of Object.keys(NAMES)) {
        unit.rows[name].show(step[name][j], name === "c" || name === "before" ? largest : 1);
      }
    });
    guesses.forEach((guess, k) => {
      guess.show(step.p[k], 1, percent(step.p[k]));
      guess.note.textContent = sequence[at + 1] === k ? "← comes next here" : "";
    });
    said.textContent = inWords();
    figure.dataset.step = at + 1;
    figure.dataset.sequence = spell(sequence);
    draw();
  }

  function draw() {
    const name = choice.value;
    const all = steps.flatMap(one => one[name]);
    // One scale for all units. c has no bounds of its own: those of this sequence, at least from 0 to 1.
    const low = name === "c" ? Math.min(0, ...all) : SIGNED.has(name) ? -1 : 0;
    const high = name === "c" ? Math.max(1, ...all) : 1;
    units.forEach((unit, j) => drawChart(unit.chart, steps.map(one => one[name][j]), at, name, j + 1, low, high));
  }

  function moved(j) {
    const before = steps[at].before[j], after = steps[at].c[j];
    if (Math.abs(after - before) < STILL) return `stays at ${number(after)}`;
    return `${after > before ? "rises" : "falls"} from ${number(before)} to ${number(after)}`;
  }

  function inWords() {
    const step = steps[at];
    const order = step.c.map((_, j) => j).sort((a, b) =>
      Math.abs(step.c[b] - step.before[b]) - Math.abs(step.c[a] - step.before[a]));
    const [most, ...others] = order;
    const gates = Object.keys(GATES).map(name => `${GATES[name]} ${number(step[name][most])}`).join(", ");
    others.sort((a, b) => a - b);
    return `Step ${at + 1} of ${steps.length}, input ${symbols[sequence[at]]}. ` +
      `Unit ${most + 1}${H > 1 ? " changes most" : ""}: ${gates}; its cell state c ${moved(most)}. ` +
      (others.length ? `${others.map((j, n) => `${n ? "" : "c of "}unit ${j + 1} ${moved(j)}`).join(", ")}. ` : "") +
      `Next: ${symbols.map((symbol, k) => `${symbol} ${percent(step.p[k])}`).join(", ")}.`;
  }

  /* The tables of the text alternative, as Python wrote them for the first sequence. */
  function writeTables() {
    const cells = values => values.map(value => make("td", { text: number(value) }));
    const gates = figure.querySelector("table.gates"), predictions = figure.querySelector("table.predictions");
    for (const table of [gates, predictions]) for (const body of [...table.tBodies]) body.remove();
    steps.forEach((step, t) => {
      const symbol = symbols[sequence[t]];
      gates.append(make("tbody", {}, step.c.map((_, j) => make("tr", {}, [
        ...(j ? [] : [make("th", { scope: "rowgroup", rowspan: H, text: t + 1 }), make("td", { rowspan: H }, [code(symbol)])]),
        make("th", { scope: "row", text: j + 1 }),
        ...cells(["i", "f", "g", "o", "c", "h"].map(name => step[name][j])),
      ]))));
    });
    predictions.append(make("tbody", {}, steps.map((step, t) => make("tr", {}, [
      make("th", { scope: "row", text: t + 1 }), make("td", {}, [code(symbols[sequence[t]])]), ...cells(step.p),
    ]))));
  }

  figure.tabIndex = -1; // a click anywhere in it gives it the focus, and so the arrow keys
  figure.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // There the arrow keys have a work of their own.
    if (event.target.closest("input, select, details")) return;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    pressed(() => go(to));
  });

  const stage = make("div", { class: "stage" },
    [row, stepping, editing, grid, legend(), chosen, prediction, said]);
  listSteps();
  writeTables();
  figure.querySelector(".waiting").replaceWith(stage);
  figure.dataset.running = "";
  show();
  new ResizeObserver(draw).observe(grid);
}

for (const figure of document.querySelectorAll(".lstm-explorer:not([data-running])")) start(figure);
})();
