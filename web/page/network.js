// The network's picture: layers and neurons added and taken away, a neuron looked at, its weights changed by hand.

import { SHOWN, network, picture } from "./draw.js";
import { button, element, number } from "./parts.js";
import { attempt, change, draw, look, mayChange } from "./session.js";
import { by, call, drawn, most, state, text } from "./state.js";

/** Weights of a neuron that can be changed by hand; a wide layer has hundreds. */
const WEIGHTS = 24;

const lowered = (value) => String(value).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

/** Names of a layer's neurons, as the formula has them; −1 are the inputs. */
function names(layer) {
  if (layer < 0) return state.created.inputs;
  const { layers } = state.settings;
  if (layer < layers.length) {
    const letter = layers.length === 1 ? "h" : String.fromCharCode(97 + (layer % 26));
    return Array.from({ length: layers[layer] }, (_, i) => letter + lowered(i + 1));
  }
  const { task, classes } = state.created;
  if (task === "twoClasses") return ["z"];
  if (task.classes) return Array.from({ length: task.classes }, (_, i) => `z(${classes[i] ?? i})`);
  return task.values === 1 ? ["y"] : Array.from({ length: task.values }, (_, i) => `y${lowered(i + 1)}`);
}

/** A line of steppers: how many layers, and how many neurons each has. */
export function layerSteppers() {
  const { layers } = state.settings;
  const focused = document.activeElement?.id;
  const stepper = (id, label, value, low, high, act) => {
    const [holder, shown] = [element("span", undefined, "stepper"), Object.assign(element("input"), { type: "number", min: low, max: high, step: 1, value, id })];
    shown.setAttribute("aria-label", label);
    shown.addEventListener("change", () => act(shown.valueAsNumber));
    const change_ = (by_, symbol, name) => {
      const made = button(symbol, () => act(value + by_), { "aria-label": `${name}: ${label}`, id: `${id}${by_ < 0 ? "-less" : "-more"}` });
      made.disabled = value + by_ < low || value + by_ > high;
      return made;
    };
    holder.append(change_(-1, "−", text("less")), shown, change_(1, "+", text("more")));
    return holder;
  };
  const groups = layers.map((neurons, i) => {
    const holder = element("div", undefined, "group");
    const act = (value) => change({ layers: layers.map((n, j) => (j === i ? value : n)) });
    holder.append(element("span", text("layer", i + 1), "caption"), stepper(`layer${i}`, text("neuronsOf", i + 1), neurons, 1, most.neurons, act));
    return holder;
  });
  const count = element("div", undefined, "group");
  const resize = (value) => {
    if (!(value >= 0 && value <= most.layers)) return layerSteppers();
    return change({ layers: Array.from({ length: value }, (_, i) => layers[i] ?? layers.at(-1) ?? 4) });
  };
  count.append(element("span", text("hiddenLayers"), "caption"), stepper("layerCount", text("hiddenLayers"), layers.length, 0, most.layers, resize));
  by("layers").replaceChildren(count, ...groups);
  // The control that was pressed is another one now.
  const again = focused && by(focused);
  if (again && by("layers").contains(again)) (again.disabled ? again.parentElement.querySelector("input") : again).focus();
}

/** The list of neurons to look at. */
export function neuronChoice() {
  const { layers } = state.settings;
  const list = [...layers.keys(), layers.length].flatMap((layer) => names(layer).slice(0, SHOWN).map((name, i) => new Option(layer === layers.length ? `${name} (${text("outputNeuron")})` : name, `${layer},${i}`)));
  by("neuron").replaceChildren(...list);
  const kept = state.neuron?.join(",");
  if (!list.some((option) => option.value === kept)) state.neuron = null;
  by("neuron").value = state.neuron ? state.neuron.join(",") : `${layers.length},0`;
  weightInputs();
}

/** The neuron that is looked at: the chosen one, else the output. */
export const looked = () => state.neuron ?? [state.settings.layers.length, 0];

export function chooseNeuron(layer, neuron) {
  state.neuron = layer === state.settings.layers.length && neuron === 0 ? null : [layer, neuron];
  by("neuron").value = `${layer},${neuron}`;
  weightInputs();
  draw();
}

/** Bias and weights of the neuron, to be changed. */
function weightInputs() {
  const [layer, neuron] = looked();
  const from = names(layer - 1);
  const set = (input) => async (value) => {
    mayChange();
    await attempt(async () => {
      await call("setWeight", layer, neuron, input, value);
    });
    await attempt(() => look());
  };
  const inputs = from.slice(0, WEIGHTS).map((name, i) => number(name, 0, set(i)));
  const more = from.length > WEIGHTS ? [element("span", `+ ${from.length - WEIGHTS}`, "hint")] : [];
  by("weights").replaceChildren(number(text("bias"), 0, set(undefined)), ...inputs, ...more);
  weightValues();
}

/** Has the inputs say the weights, but for the one being written. */
function weightValues() {
  const [layer, neuron] = looked();
  const of = state.weights?.[layer];
  if (of?.bias[neuron] === undefined) return;
  const values = [of.bias[neuron], ...of.weight[neuron]];
  by("weights").querySelectorAll("input").forEach((input, i) => {
    if (input !== document.activeElement) input.value = values[i] === null ? "" : Number(values[i].toPrecision(4));
  });
}

/** What a feature says of a point. */
const OF = {
  x1: (x) => x, x2: (x, y) => y, x1Squared: (x) => x * x, x2Squared: (x, y) => y * y, product: (x, y) => x * y,
  sinX1: (x) => Math.sin(Math.PI * x), sinX2: (x, y) => Math.sin(Math.PI * y),
};

/** The plane as the chosen features see it. */
function inputPictures() {
  const side = 16;
  const at = (i) => ((i + 0.5) / side) * 2.2 - 1.1;
  return state.settings.features.map((name) => picture(Array.from({ length: side * side }, (_, i) => 1.5 * OF[name](at(i % side), -at(Math.floor(i / side)))), side));
}

let places = [];

export function drawNetwork() {
  const { created, weights, sample } = state;
  const fits = weights?.length === state.settings.layers.length + 1 && weights[0].weight[0]?.length === created.inputs.length;
  if (!fits) return;
  const holder = by("neurons");
  const values = sample?.values && sample.features.length === created.inputs.length ? [[...sample.features], ...sample.values] : null;
  const look_ = { seen: drawn() ? inputPictures() : [], sample: values, chosen: state.hover ?? state.neuron };
  places = network(holder.querySelector("canvas"), holder.clientWidth, created.inputs, weights, state.pictures, look_);
  const hint = text(values ? "neuronsSample" : drawn() ? "neuronsHint" : "neuronsTable");
  holder.setAttribute("aria-label", hint);
  by("networkHint").textContent = hint;
  weightValues();
}

/** Pointer and list. */
export function listenNetwork() {
  const canvas = by("neurons").querySelector("canvas");
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return places.find((place) => place.layer >= 0 && x >= place.x && x <= place.x + place.size && y >= place.y && y <= place.y + place.size);
  };
  const hover = (place) => {
    const next = place ? [place.layer, place.neuron] : null;
    if (String(next) === String(state.hover ?? null)) return;
    state.hover = next;
    canvas.style.cursor = place ? "pointer" : "";
    draw();
  };
  canvas.addEventListener("pointermove", (event) => hover(under(event)));
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("click", (event) => {
    const place = under(event);
    if (place) chooseNeuron(place.layer, place.neuron);
  });
  by("neuron").addEventListener("change", () => chooseNeuron(...by("neuron").value.split(",").map(Number)));
}

/** The name of the neuron whose picture the plane shows. */
export function shownNeuron() {
  const [layer, neuron] = state.hover ?? looked();
  return { name: names(layer)[neuron] ?? "", at: state.settings.layers.slice(0, layer).reduce((sum, n) => sum + n, 0) + neuron };
}
