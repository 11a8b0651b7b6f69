// The page: settings in, pictures out. All settings stand in the link; the engine (a worker) does the work.

import { Client } from "./client.js";
import { colours, curve, network, picture, points } from "./draw.js";
import { tabs } from "./inside.js";
import { texts } from "./texts.js";

const by = (id) => document.getElementById(id);
const defaults = {
  data: "circle", points: 500, noise: 0.1, heldOut: 0.3, features: ["x1", "x2"], layers: [6, 4], activation: "tanh",
  optimizer: "adam", rate: 0.03, l1: 0, l2: 0, batch: 32, loss: "crossEntropy", seed: 1,
};
const sets = ["circle", "xor", "clouds", "spiral", "moons", "slope", "hills", "digits", "table"];
const features = { x1: "x₁", x2: "x₂", x1Squared: "x₁²", x2Squared: "x₂²", product: "x₁x₂", sinX1: "sin πx₁", sinX2: "sin πx₂" };
const choices = {
  activation: ["relu", "tanh", "sigmoid", "gelu", "silu", "leakyRelu", "linear"],
  optimizer: ["sgd", "momentum", "rmsProp", "adam"],
  loss: ["crossEntropy", "squared"],
};

export const state = {
  settings: { ...defaults }, language: "en", created: null, side: 40, device: "", running: false, history: [], progress: null, target: null, tab: "formula", points: [],
};
const client = new Client();
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

/** Runs what may fail; a fault is said, and the page goes on. */
export async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    pause();
    say(/lost/i.test(error.message) ? text("lost") : text("failed", error.message), true);
    return undefined;
  }
}

const drawn = () => !["digits", "table"].includes(state.settings.data);

// ---- the link ----

function fromLink() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  for (const [key, value] of Object.entries(defaults)) {
    const found = parameters.get(key);
    if (found === null) continue;
    if (key === "layers") state.settings.layers = found ? found.split(",").map(Number) : [];
    else if (key === "features") state.settings.features = found ? found.split(",") : [];
    else state.settings[key] = typeof value === "number" ? Number(found) : found;
  }
  if (state.settings.data === "table") state.settings.data = "circle";
  state.language = parameters.get("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  if (!texts[state.language]) state.language = "en";
  by("device").value = parameters.get("device") === "cpu" ? "cpu" : "webgpu";
}

function toLink() {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(state.settings)) {
    if (String(value) !== String(defaults[key])) parameters.set(key, String(value));
  }
  if (by("device").value === "cpu") parameters.set("device", "cpu");
  if (state.language !== "en") parameters.set("language", state.language);
  history.replaceState(null, "", `#${parameters}`);
}

// ---- controls ----

function words() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  by("run").textContent = text(state.running ? "pause" : "run");
  by("language").value = state.language;
  for (const [id, values] of Object.entries(choices)) {
    by(id).replaceChildren(...values.map((value) => new Option(text(value), value)));
  }
  setButtons();
  featureButtons();
  tabButtons();
  controls();
}

function button(label, pressed, attribute, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.setAttribute(attribute, String(pressed));
  made.addEventListener("click", act);
  return made;
}

function setButtons() {
  by("sets").replaceChildren(
    ...sets.map((name) => {
      const made = button("", state.settings.data === name, "aria-checked", () => choose(name));
      made.setAttribute("role", "radio");
      made.dataset.set = name;
      made.append(thumbnail(name), text(name === "table" ? "tableSet" : name));
      return made;
    }),
  );
}

function thumbnail(name) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 96;
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  if (["slope", "hills"].includes(name)) {
    const hill = (x, y, u, v) => Math.exp(-((x - u) ** 2 + (y - v) ** 2) / 0.12);
    const of = (x, y) => (name === "slope" ? x + y : 2 * (hill(x, y, -0.5, 0.5) + hill(x, y, 0.5, -0.5) - hill(x, y, 0.5, 0.5) - hill(x, y, -0.5, -0.5)));
    const numbers = Array.from({ length: 32 * 32 }, (_, i) => of(((i % 32) + 0.5) / 16 - 1, 1 - (Math.floor(i / 32) + 0.5) / 16));
    context.drawImage(picture(numbers, 32), 0, 0, 96, 96);
  } else if (name === "digits" || name === "table") {
    const { ink, line } = colours();
    context.fillStyle = context.strokeStyle = ink;
    context.textAlign = "center";
    context.font = "600 64px system-ui, sans-serif";
    if (name === "digits") context.fillText("7", 48, 71);
    else {
      context.strokeStyle = line;
      context.lineWidth = 4;
      for (let i = 0; i <= 3; i++) {
        context.strokeRect(12, 18, 72, 60);
        context.beginPath();
        context.moveTo(12, 18 + 20 * i); context.lineTo(84, 18 + 20 * i);
        context.moveTo(12 + 24 * i, 18); context.lineTo(12 + 24 * i, 78);
        context.stroke();
      }
    }
  } else {
    points(context, 96, samples(name), 4);
  }
  return canvas;
}

/** A few points of a set, for its button. */
function samples(name) {
  const list = [];
  for (let i = 0; i < 44; i++) {
    const label = i % 2 ? 1 : -1;
    const u = ((i * 0.618) % 1) * 0.98 + 0.01;
    const v = (i * 0.755) % 1;
    const round = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];
    const at = {
      circle: () => round(label > 0 ? 0.4 * Math.sqrt(u) : 0.7 + 0.2 * u, 2 * Math.PI * v),
      xor: () => (i % 4 < 2 ? [0.1 + 0.8 * u, label * (0.1 + 0.8 * v)] : [-0.1 - 0.8 * u, -label * (0.1 + 0.8 * v)]),
      clouds: () => [0.45 * label + 0.5 * (u - 0.5), 0.45 * label + 0.5 * (v - 0.5)],
      spiral: () => round(0.05 + 0.9 * (i / 44), 3.5 * Math.PI * (i / 44) + (label > 0 ? 0 : Math.PI)),
      moons: () => (label > 0 ? [0.6 * (Math.cos(Math.PI * u) - 0.5), 0.6 * (Math.sin(Math.PI * u) - 0.25)] : [0.6 * (0.5 - Math.cos(Math.PI * u)), 0.6 * (0.25 - Math.sin(Math.PI * u))]),
    }[name]();
    list.push([...at, label]);
  }
  return list;
}

function featureButtons() {
  by("features").replaceChildren(
    ...Object.entries(features).map(([key, symbol]) =>
      button(symbol, state.settings.features.includes(key), "aria-pressed", () => {
        const chosen = state.settings.features;
        const next = Object.keys(features).filter((name) => (name === key ? !chosen.includes(key) : chosen.includes(name)));
        change({ features: next });
        featureButtons();
      }),
    ),
  );
}

function layerInputs() {
  by("layers").replaceChildren(
    ...state.settings.layers.map((neurons, i) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "number", min: 1, max: 512, step: 1, value: neurons });
      input.setAttribute("aria-label", text("neuronsOf", i + 1));
      input.addEventListener("change", () => change({ layers: state.settings.layers.map((n, j) => (j === i ? Number(input.value) : n)) }));
      return input;
    }),
  );
}

function controls() {
  const { settings } = state;
  for (const id of ["points", "noise", "heldOut", "seed", "activation", "optimizer", "rate", "batch", "loss", "l1", "l2"]) by(id).value = settings[id];
  for (const element of document.querySelectorAll(".drawn")) element.hidden = !drawn();
  by("loss").disabled = ["slope", "hills"].includes(settings.data);
  layerInputs();
  for (const made of by("sets").children) made.setAttribute("aria-checked", String(made.dataset.set === settings.data));
}

// ---- training ----

async function choose(name) {
  if (name === "table" && !state.target) {
    say(text("dropFirst"), true);
    by("file").focus();
    return;
  }
  await change({ data: name });
}

/** Other settings: the network begins anew, but for another learning rate. */
async function change(settings) {
  const only = Object.keys(settings);
  Object.assign(state.settings, settings);
  toLink();
  controls();
  if (only.length === 1 && only[0] === "rate" && Number.isFinite(settings.rate) && settings.rate > 0) {
    await attempt(() => call("setRate", settings.rate));
    return;
  }
  await begin();
}

async function begin() {
  pause();
  await attempt(async () => {
    state.created = await call("create", JSON.stringify(state.settings));
    state.points = state.created.points;
    state.history = [];
    by("draw").hidden = state.settings.data !== "digits";
    by("plane").hidden = !drawn();
    by("row").hidden = state.settings.data !== "table";
    if (state.settings.data === "table") rowInputs();
    if (!by("message").classList.contains("keep")) say(text("ready", state.device));
    await look(true);
  });
}

/** Reads what the network says now, and draws it. */
async function look(slow = false) {
  state.progress = await call("progress");
  state.history.push(state.progress);
  // So many that a curve needs no more.
  if (state.history.length > 2000) state.history = state.history.filter((_, i) => i % 2 === 0);
  figures();
  curve(by("curve"), state.history, [text("lossOf"), text("heldOutLossOf")]);
  by("curve").setAttribute("aria-label", text("curveLabel", state.progress.loss?.toPrecision(3), state.progress.heldOutLoss?.toPrecision(3)));
  const weights = await call("weights");
  const neurons = drawn() ? await call("neurons") : [];
  show(weights, neurons);
  if (state.settings.data === "digits") await guess();
  if (slow || state.tab === "formula") await showTab();
}

function figures() {
  const { progress } = state;
  const number = (value) => (value === null ? "NaN" : value.toPrecision(3));
  const share = (value) => `${(100 * value).toFixed(1)} %`;
  const list = [["stepOf", progress.step], ["epochOf", progress.epoch], ["lossOf", number(progress.loss)], ["heldOutLossOf", number(progress.heldOutLoss)]];
  if (progress.accuracy !== null) list.push(["accuracyOf", share(progress.accuracy)], ["heldOutAccuracyOf", share(progress.heldOutAccuracy)]);
  by("figures").replaceChildren(
    ...list.map(([name, value]) => {
      const [box, term, figure] = ["div", "dt", "dd"].map((kind) => document.createElement(kind));
      term.textContent = text(name);
      figure.textContent = value;
      box.dataset.figure = name;
      box.append(term, figure);
      return box;
    }),
  );
}

function show(weights, neurons) {
  const size = state.side * state.side;
  const pictures = [];
  for (let at = 0; at < neurons.length; at += size) pictures.push(picture(neurons.subarray(at, at + size), state.side));
  const holder = by("neurons");
  let canvas = holder.querySelector("canvas");
  if (!canvas) holder.append((canvas = document.createElement("canvas")));
  network(canvas, state.created.inputs, weights, pictures);
  holder.setAttribute("aria-label", text(drawn() ? "neuronsHint" : "neuronsTable"));
  document.querySelector("#network .hint").textContent = text(drawn() ? "neuronsHint" : "neuronsTable");
  if (!drawn()) return;
  const boundary = by("boundary");
  const context = boundary.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(pictures.at(-1), 0, 0, boundary.width, boundary.height);
  points(context, boundary.width, state.points);
  boundary.setAttribute("aria-label", text("boundaryLabel"));
}

const stepsAtATime = () => 2 ** Number(by("speed").value);

function pause() {
  state.running = false;
  by("run").setAttribute("aria-pressed", "false");
  by("run").textContent = text("run");
}

async function run() {
  state.running = true;
  by("run").setAttribute("aria-pressed", "true");
  by("run").textContent = text("pause");
  while (state.running) {
    await attempt(async () => {
      await call("train", stepsAtATime());
      await look();
    });
    await new Promise((done) => requestAnimationFrame(done));
  }
}

// ---- a table ----

async function load(file) {
  if (!file) return;
  const megabytes = Math.ceil(file.size / 1048576);
  if (megabytes > 64) return say(text("tooLarge", megabytes), true);
  await attempt(async () => {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { report, text: printed, notes, target } = await call("loadTable", file.name, bytes);
    by("table").hidden = false;
    by("report").textContent = printed;
    by("target").replaceChildren(...report.columns.map((column) => new Option(column.name, column.name)));
    by("target").value = target;
    await aim(notes);
  });
}

async function aim(before = []) {
  await attempt(async () => {
    state.target = by("target").value;
    const { rows, features: seen, notes } = await call("chooseTarget", state.target, []);
    by("notes").replaceChildren(
      ...[...before, ...notes].map((note) => {
        const item = document.createElement("li");
        item.textContent = note;
        return item;
      }),
    );
    await change({ data: "table" });
    say(text("loaded", rows, seen.length));
  });
}

/** Sliders for a row of one's own: what would the network say? Features are scaled: 0 is the mean, 1 a deviation above. */
function rowInputs() {
  const holder = by("row");
  const { inputs, classes } = state.created;
  const said = document.createElement("p");
  const sliders = inputs.slice(0, 12).map((name) => {
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), { type: "range", min: -3, max: 3, step: 0.1, value: 0 });
    const caption = document.createElement("span");
    caption.textContent = name;
    label.append(caption, slider);
    slider.addEventListener("input", () => attempt(ask));
    return [label, slider];
  });
  const ask = async () => {
    const row = new Float32Array(inputs.length);
    sliders.forEach(([, slider], i) => (row[i] = Number(slider.value)));
    const found = await call("predict", row);
    if (found.length === 1 && state.created.task === "twoClasses") {
      const share = 1 / (1 + Math.exp(-found[0]));
      said.textContent = `${classes[found[0] > 0 ? 1 : 0] ?? ""} (${(100 * Math.max(share, 1 - share)).toFixed(1)} %)`;
    } else if (classes.length) said.textContent = classes[found.indexOf(Math.max(...found))];
    else said.textContent = [...found].map((value) => value.toPrecision(4)).join(", ");
  };
  const box = document.createElement("div");
  box.className = "settings";
  box.append(...sliders.map(([label]) => label));
  holder.replaceChildren(said, box);
  attempt(ask);
}

// ---- digits ----

function pad() {
  const canvas = by("pad");
  // It is read at each stroke's end.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let at = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  const clear = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  const stroke = (to) => {
    Object.assign(context, { strokeStyle: "#fff", lineWidth: 24, lineCap: "round" });
    context.beginPath();
    context.moveTo(...(at ?? to));
    context.lineTo(...to);
    context.stroke();
    at = to;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    at = null;
    stroke(place(event));
  });
  canvas.addEventListener("pointermove", (event) => at && stroke(place(event)));
  canvas.addEventListener("pointerup", () => {
    at = null;
    attempt(guess);
  });
  by("clear").addEventListener("click", () => {
    clear();
    attempt(guess);
  });
  clear();
}

/** The pad as 8 × 8 numbers, moved so that its weight is in the middle, as the data are. */
function pixels() {
  const canvas = by("pad");
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const [wide, row] = [canvas.width, new Float32Array(64)];
  let [weight, sumX, sumY] = [0, 0, 0];
  for (let i = 0; i < wide * wide; i++) {
    weight += all[4 * i];
    sumX += all[4 * i] * (i % wide);
    sumY += all[4 * i] * Math.floor(i / wide);
  }
  if (!weight) return null;
  const [dx, dy] = [Math.round(wide / 2 - sumX / weight), Math.round(wide / 2 - sumY / weight)];
  const cell = wide / 8;
  for (let y = 0; y < wide; y++) {
    for (let x = 0; x < wide; x++) {
      const [u, v] = [x - dx, y - dy];
      if (u < 0 || v < 0 || u >= wide || v >= wide) continue;
      row[8 * Math.floor(y / cell) + Math.floor(x / cell)] += all[4 * (v * wide + u)] / 255 / (cell * cell);
    }
  }
  return row;
}

async function guess() {
  const row = pixels();
  const list = by("guesses");
  if (!row || state.settings.data !== "digits") return list.replaceChildren();
  const logits = await call("predict", row);
  const largest = Math.max(...logits);
  const shares = [...logits].map((z) => Math.exp(z - largest));
  const sum = shares.reduce((a, b) => a + b);
  list.replaceChildren(
    ...shares.map((share, digit) => {
      const [item, name, bar, percent] = ["li", "span", "i", "span"].map((kind) => document.createElement(kind));
      name.textContent = digit;
      bar.style.width = `${(100 * share) / sum}%`;
      percent.textContent = `${((100 * share) / sum).toFixed(0)} %`;
      item.append(name, bar, percent);
      return item;
    }),
  );
}

// ---- tabs ----

function tabButtons() {
  by("tabs").replaceChildren(
    ...Object.keys(tabs).map((name) => {
      const made = button(text(name), state.tab === name, "aria-selected", () => open(name));
      made.setAttribute("role", "tab");
      made.id = `tab-${name}`;
      made.tabIndex = state.tab === name ? 0 : -1;
      made.addEventListener("keydown", (event) => {
        const names = Object.keys(tabs);
        const by_ = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (by_) open(names[(names.indexOf(name) + by_ + names.length) % names.length], true);
      });
      return made;
    }),
  );
  by("panel").setAttribute("aria-labelledby", `tab-${state.tab}`);
}

async function open(name, focus = false) {
  state.tab = name;
  tabButtons();
  if (focus) by(`tab-${name}`).focus();
  await attempt(showTab);
}

async function showTab() {
  if (!state.created) return;
  const name = state.tab;
  const content = await tabs[name]();
  if (state.tab === name) by("panel").replaceChildren(...content);
}

// ---- start ----

/** Opens a device; where there is no WebGPU, the CPU, with the reason. */
export async function start() {
  say(text("starting"));
  const wanted = by("device").value;
  let opened;
  let why = null;
  try {
    opened = await call("open", wanted);
  } catch (error) {
    if (wanted === "cpu") return say(text("failed", error.message), true);
    why = error.message;
    opened = await call("open", "cpu");
    by("device").value = "cpu";
  }
  Object.assign(state, opened);
  by("message").classList.toggle("keep", why !== null);
  if (why !== null) say(text("noGpu", why));
  await begin();
  document.body.dataset.ready = state.device;
}

/** A loaded network's settings. */
export async function take(settings) {
  Object.assign(state.settings, settings);
  toLink();
  controls();
  state.history = [];
  await attempt(() => look(true));
}

fromLink();
words();
pad();
by("run").addEventListener("click", () => (state.running ? pause() : run()));
by("step").addEventListener("click", () => attempt(async () => {
  await call("train", 1);
  await look();
}));
by("reset").addEventListener("click", () => (by("message").textContent === text("lost") ? start() : begin()));
by("device").addEventListener("change", () => {
  pause();
  toLink();
  attempt(start);
});
by("language").addEventListener("change", () => {
  state.language = by("language").value;
  toLink();
  words();
  attempt(() => (state.created ? look(true) : null));
});
by("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  setButtons();
  attempt(() => (state.created ? look(true) : null));
});
by("link").addEventListener("click", () => attempt(async () => {
  toLink();
  await navigator.clipboard.writeText(location.href);
  say(text("copied"));
}));
for (const id of ["points", "noise", "heldOut", "seed", "rate", "batch", "l1", "l2"]) {
  by(id).addEventListener("change", () => change({ [id]: Number(by(id).value) }));
}
for (const id of ["activation", "optimizer", "loss"]) by(id).addEventListener("change", () => change({ [id]: by(id).value }));
by("add").addEventListener("click", () => state.settings.layers.length < 12 && change({ layers: [...state.settings.layers, 4] }));
by("remove").addEventListener("click", () => change({ layers: state.settings.layers.slice(0, -1) }));
by("file").addEventListener("change", () => load(by("file").files[0]));
by("target").addEventListener("change", () => aim());
for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(event, (dropped) => {
    dropped.preventDefault();
    by("drop").classList.toggle("over", over);
    if (event === "drop") load(dropped.dataTransfer.files[0]);
  });
}
addEventListener("resize", () => state.history.length && curve(by("curve"), state.history, [text("lossOf"), text("heldOutLossOf")]));
attempt(start);
