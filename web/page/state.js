// What the page knows: settings, words, and the link that holds the settings.

import { Client } from "./client.js";
import { texts } from "./texts.js";

export const by = (id) => document.getElementById(id);

export const defaults = {
  data: "circle", points: 500, noise: 0.1, heldOut: 0.3, features: ["x1", "x2"], layers: [6, 4], activation: "tanh",
  optimizer: "adam", rate: 0.03, l1: 0, l2: 0, batch: 32, loss: "crossEntropy", seed: 1,
};
export const sets = { twoClasses: ["circle", "xor", "clouds", "spiral", "moons"], oneValue: ["slope", "hills"], ownData: ["digits", "table"] };
export const features = { x1: "x₁", x2: "x₂", x1Squared: "x₁²", x2Squared: "x₂²", product: "x₁x₂", sinX1: "sin πx₁", sinX2: "sin πx₂" };
export const choices = {
  activation: ["relu", "tanh", "sigmoid", "gelu", "silu", "leakyRelu", "linear"],
  optimizer: ["sgd", "momentum", "rmsProp", "adam"],
  loss: ["crossEntropy", "squared", "absolute", "huber", "hinge"],
};
export const parts = ["choices", "data", "network", "output", "inside"];
export const most = { layers: 12, neurons: 512 };

export const state = {
  settings: structuredClone(defaults),
  // Settings that the engine took last.
  taken: null,
  language: "en",
  hidden: [],
  // Of the link, for tests: the least limits that WebGPU allows; an op that is made wrong, to be found by verify.
  least: false,
  plant: null,
  created: null,
  side: 40,
  device: "",
  running: false,
  history: [],
  progress: null,
  weights: null,
  pictures: [],
  points: [],
  // A table's file, so that another device can read it again.
  file: null,
  target: null,
  tab: "formula",
  // A row whose way through the network is shown: {features, label, at, values}.
  sample: null,
  // The neuron that is looked at: [layer, neuron], hidden layers first; the output if null.
  neuron: null,
};

export const client = new Client();

/** Calls the engine. */
export const call = (method, ...args) => client.call(method, ...args);

/** A text of the page's language. */
export const text = (key, ...args) => {
  const found = texts[state.language][key] ?? key;
  return typeof found === "function" ? found(...args) : found;
};

/** Says something above the page; faults in red. */
export function say(message, bad = false) {
  by("message").textContent = message;
  by("message").classList.toggle("bad", bad);
}

/** Whether the rows are points of the plane. */
export const drawn = () => !sets.ownData.includes(state.settings.data);

/** Whether values are predicted, and not classes. */
export const hasValues = () => (state.settings.data === "table" ? typeof state.created?.task === "object" && "values" in state.created.task : sets.oneValue.includes(state.settings.data));

// ---- the link ----

/** A setting of a link, or undefined where it makes no sense. */
function read(key, found) {
  const numbers = (list) => list.every((value) => Number.isInteger(value) && value >= 1 && value <= most.neurons) && list.length <= most.layers;
  if (key === "layers") {
    const list = found ? found.split(",").map(Number) : [];
    return numbers(list) ? list : undefined;
  }
  if (key === "features") {
    const list = found.split(",");
    return list.every((name) => name in features) ? Object.keys(features).filter((name) => list.includes(name)) : undefined;
  }
  if (key === "data") return Object.values(sets).flat().includes(found) ? found : undefined;
  if (key in choices) return choices[key].includes(found) ? found : undefined;
  const [value, { min, max, step }] = [found === "" ? NaN : Number(found), by(key)];
  const whole = step !== "any" && Number.isInteger(Number(step));
  return value >= Number(min) && value <= Number(max) && (!whole || Number.isInteger(value)) ? value : undefined;
}

/** Takes the settings of the link; the names of those that make no sense are returned, and stay as usual. */
export function fromLink() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const wrong = [];
  for (const key of Object.keys(defaults)) {
    const found = parameters.get(key);
    if (found === null) continue;
    const value = read(key, found);
    if (value === undefined) wrong.push(`${key}=${found.slice(0, 40)}`);
    else state.settings[key] = value;
  }
  // A link holds no table.
  if (state.settings.data === "table") state.settings.data = "circle";
  if (state.settings.loss === "hinge" && hasValues()) state.settings.loss = "squared";
  state.language = parameters.get("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  if (!Object.hasOwn(texts, state.language)) state.language = "en";
  state.hidden = (parameters.get("hide") ?? "").split(",").filter((name) => parts.includes(name));
  state.least = parameters.get("limits") === "least";
  state.plant = parameters.get("plant");
  by("device").value = parameters.get("device") === "cpu" ? "cpu" : "webgpu";
  return wrong;
}

/** Writes the settings into the link. */
export function toLink() {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(state.settings)) {
    if (String(value) !== String(defaults[key])) parameters.set(key, String(value));
  }
  if (by("device").value === "cpu") parameters.set("device", "cpu");
  if (state.language !== "en") parameters.set("language", state.language);
  if (state.hidden.length) parameters.set("hide", state.hidden.join(","));
  if (state.least) parameters.set("limits", "least");
  if (state.plant) parameters.set("plant", state.plant);
  history.replaceState(null, "", `#${parameters}`);
}
