// Controls that show the settings: numbers, sliders, lists, sets of data, features.

import { colours, picture, points } from "./draw.js";
import { button, element } from "./parts.js";
import { change } from "./session.js";
import { by, choices, drawn, features, hasValues, say, sets, state, text } from "./state.js";

const NUMBERS = ["points", "noise", "heldOut", "seed", "rate", "batch", "l1", "l2"];
const PERCENT = { noise: (value) => Number(value).toFixed(2), heldOut: (value) => `${Math.round(100 * value)} %` };

/** Has each control say the settings. */
export function controls() {
  const { settings } = state;
  // What was written and is no number stays until it is refused.
  for (const id of NUMBERS) if (Number.isFinite(settings[id])) by(id).value = settings[id];
  for (const [id, written] of Object.entries(PERCENT)) by(`${id}Said`).textContent = written(settings[id]);
  for (const [id, values] of Object.entries(choices)) {
    const offered = id === "loss" && hasValues() ? ["squared", "absolute", "huber"] : values;
    by(id).replaceChildren(...offered.map((value) => new Option(text(value), value)));
    by(id).value = id === "loss" && hasValues() && settings.loss === "crossEntropy" ? "squared" : settings[id];
  }
  for (const shown of document.querySelectorAll(".drawn")) shown.hidden = !drawn();
  for (const made of by("sets").querySelectorAll("input")) made.checked = made.value === settings.data;
  for (const made of by("features").children) made.setAttribute("aria-pressed", String(settings.features.includes(made.dataset.feature)));
}

/** Makes the controls that have words or pictures in them. */
export function makeControls() {
  setButtons();
  by("features").replaceChildren(
    ...Object.entries(features).map(([key, symbol]) =>
      button(symbol, () => {
        const chosen = state.settings.features;
        change({ features: Object.keys(features).filter((name) => (name === key ? !chosen.includes(key) : chosen.includes(name))) });
      }, { "aria-pressed": state.settings.features.includes(key), "data-feature": key }),
    ),
  );
  controls();
}

/** What a control changes. */
export function listen() {
  for (const id of NUMBERS) {
    by(id).addEventListener("change", () => change({ [id]: by(id).valueAsNumber }));
    if (PERCENT[id]) by(id).addEventListener("input", () => (by(`${id}Said`).textContent = PERCENT[id](by(id).value)));
  }
  by("otherSeed").addEventListener("click", () => change({ seed: (state.settings.seed + 1) % 1_000_000 }));
  for (const id of Object.keys(choices)) by(id).addEventListener("change", () => change({ [id]: by(id).value }));
}

function setButtons() {
  by("sets").replaceChildren(
    ...Object.entries(sets).map(([group, names]) => {
      const holder = element("fieldset");
      const list = element("div", undefined, "sets");
      list.append(...names.map(setButton));
      holder.append(element("legend", text(group)), list);
      return holder;
    }),
  );
}

function setButton(name) {
  const holder = element("label");
  const input = Object.assign(element("input"), { type: "radio", name: "set", value: name, checked: state.settings.data === name });
  input.dataset.set = name;
  input.addEventListener("change", () => choose(name));
  holder.append(input, thumbnail(name), element("span", text(name === "table" ? "tableSet" : name)));
  return holder;
}

function choose(name) {
  if (name === "table" && !state.target) {
    say(text("dropFirst"), true);
    controls();
    by("file").focus();
    return;
  }
  change({ data: name });
}

function thumbnail(name) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 96;
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  if (sets.oneValue.includes(name)) {
    const hill = (x, y, u, v) => Math.exp(-((x - u) ** 2 + (y - v) ** 2) / 0.12);
    const of = (x, y) => (name === "slope" ? x + y : 2 * (hill(x, y, -0.5, 0.5) + hill(x, y, 0.5, -0.5) - hill(x, y, 0.5, 0.5) - hill(x, y, -0.5, -0.5)));
    const numbers = Array.from({ length: 32 * 32 }, (_, i) => of(((i % 32) + 0.5) / 16 - 1, 1 - (Math.floor(i / 32) + 0.5) / 16));
    context.drawImage(picture(numbers, 32), 6, 6, 84, 84);
  } else if (name === "digits") {
    const { ink } = colours();
    context.fillStyle = ink;
    context.textAlign = "center";
    context.font = "600 64px system-ui, sans-serif";
    context.fillText("7", 48, 71);
  } else if (name === "table") {
    const { dim } = colours();
    context.strokeStyle = dim;
    context.lineWidth = 3;
    for (let i = 0; i <= 3; i++) {
      context.beginPath();
      context.moveTo(12, 18 + 20 * i); context.lineTo(84, 18 + 20 * i);
      context.moveTo(12 + 24 * i, 18); context.lineTo(12 + 24 * i, 78);
      context.stroke();
    }
  } else points(context, 96, samples(name), 4);
  return canvas;
}

/** A few points of a set, for its button. */
function samples(name) {
  return Array.from({ length: 48 }, (_, i) => {
    const label = i % 2 ? 1 : -1;
    // Draws without a pattern that the eye sees, the same each time.
    const drawn_ = (k) => ((Math.sin((i + 1) * k) * 43758.5453) % 1 + 1) % 1;
    const [u, v] = [drawn_(12.9898), drawn_(78.233)];
    const round = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];
    const at = {
      circle: () => round(label > 0 ? 0.4 * Math.sqrt(u) : 0.72 + 0.22 * u, 2 * Math.PI * v),
      xor: () => (i % 4 < 2 ? [0.12 + 0.8 * u, label * (0.12 + 0.8 * v)] : [-0.12 - 0.8 * u, -label * (0.12 + 0.8 * v)]),
      clouds: () => [0.45 * label + 0.6 * (u - 0.5), 0.45 * label + 0.6 * (v - 0.5)],
      spiral: () => round(0.05 + 0.9 * (i / 48), 3.5 * Math.PI * (i / 48) + (label > 0 ? 0 : Math.PI)),
      moons: () => (label > 0 ? [0.7 * (Math.cos(Math.PI * u) - 0.5), 0.7 * (Math.sin(Math.PI * u) - 0.25)] : [0.7 * (0.5 - Math.cos(Math.PI * u)), 0.7 * (0.25 - Math.sin(Math.PI * u))]),
    }[name]();
    return [...at, label, 0];
  });
}
