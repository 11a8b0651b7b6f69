// What the network says: losses, the plane, a digit that is drawn, one row's way through the network.

import { cross, curve, picture, points } from "./draw.js";
import { shownNeuron } from "./network.js";
import { element } from "./parts.js";
import { attempt, draw } from "./session.js";
import { by, call, drawn, state, text } from "./state.js";

/** How far an arrow key moves the sample. */
const STEP = 0.05;

export function figures() {
  const { progress } = state;
  const rounded = (value) => (value === null ? "NaN" : value.toPrecision(4));
  const share = (value) => `${(100 * value).toFixed(1)} %`;
  const list = [
    ["stepOf", progress.step, progress.step], ["epochOf", progress.epoch, progress.epoch],
    ["lossOf", rounded(progress.loss), progress.loss], ["heldOutLossOf", rounded(progress.heldOutLoss), progress.heldOutLoss],
  ];
  if (progress.accuracy !== null) {
    list.push(["accuracyOf", share(progress.accuracy), progress.accuracy], ["heldOutAccuracyOf", share(progress.heldOutAccuracy), progress.heldOutAccuracy]);
  }
  by("figures").replaceChildren(
    ...list.map(([name, value, whole]) => {
      const [box, figure] = [element("div"), element("dd", value)];
      box.dataset.figure = name;
      // All digits, for who wants them.
      figure.title = String(whole);
      box.append(element("dt", text(name)), figure);
      return box;
    }),
  );
}

/** What outputs say, in words. */
export function spoken(outputs) {
  const { task, classes } = state.created;
  const name = (i) => classes[i] ?? String(i);
  const likely = state.settings.loss === "crossEntropy";
  if (task === "twoClasses") {
    const share = 1 / (1 + Math.exp(-Math.abs(outputs[0])));
    return name(outputs[0] > 0 ? 1 : 0) + (likely ? ` (${(100 * share).toFixed(1)} %)` : "");
  }
  if (task.classes) {
    const best = outputs.indexOf(Math.max(...outputs));
    return name(best) + (likely ? ` (${(100 * shares(outputs)[best]).toFixed(1)} %)` : "");
  }
  return [...outputs].map((value) => value.toPrecision(4)).join(", ");
}

function shares(logits) {
  const largest = Math.max(...logits);
  const parts = [...logits].map((z) => Math.exp(z - largest));
  const sum = parts.reduce((a, b) => a + b);
  return parts.map((part) => part / sum);
}

/** Draws the curve and, of points, the plane. */
export function drawOutput() {
  const { progress, history } = state;
  curve(by("curve"), history, [text("lossOf"), text("heldOutLossOf")]);
  by("curve").setAttribute("aria-label", text("curveLabel", progress.loss?.toPrecision(3) ?? "NaN", progress.heldOutLoss?.toPrecision(3) ?? "NaN"));
  sampleWords();
  if (!drawn()) return;
  const { name, at } = shownNeuron();
  const canvas = by("boundary");
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = !by("discrete").checked;
  const side = state.side;
  const numbers = state.neurons.subarray(at * side * side, (at + 1) * side * side);
  if (numbers.length) context.drawImage(picture(numbers, side, by("discrete").checked), 0, 0, canvas.width, canvas.height);
  const scale = canvas.width / 330;
  points(context, canvas.width, state.points.filter((point) => by("showHeldOut").checked || !point[3]), 3 * scale);
  if (state.sample?.at) cross(context, canvas.width, state.sample.at);
  by("planeName").textContent = text("planeOf", name);
}

/** Pictures of all neurons, for the network's picture. */
export function neuronPictures() {
  const size = state.side * state.side;
  const discrete = by("discrete").checked;
  state.pictures = [];
  for (let at = 0; at < state.neurons.length; at += size) state.pictures.push(picture(state.neurons.subarray(at, at + size), state.side, discrete));
}

// ---- one row's way through the network ----

/** Shows a row's way: {features, label, at}. */
export async function track(sample) {
  state.sample = sample;
  // Of another row than that of this number.
  if (!sample.numbered) by("sampleIndex").value = "";
  await follow();
  draw();
}

/** What each neuron says of the sample now. */
export async function follow() {
  neuronPictures();
  const { sample, created } = state;
  if (!sample) return;
  if (sample.at) sample.features = await call("pointFeatures", ...sample.at);
  if (sample.features.length !== created.inputs.length) {
    state.sample = null;
    return;
  }
  sample.values = await call("activations", new Float32Array(sample.features));
}

function sampleWords() {
  const { sample } = state;
  const said = sample?.values ? text("sampleSays", spoken(sample.values.at(-1))) : "";
  const place = sample?.at ? ` (${sample.at.map((x) => x.toFixed(2)).join(", ")})` : "";
  by("sampleSaid").textContent = said && `${said}${sample.label === null ? "" : `; ${text("sampleIs", sample.label)}`}${place}`;
  by("sampleClear").disabled = !sample;
}

/** The row's number among those held back, from 1. */
async function numbered() {
  const index = by("sampleIndex").valueAsNumber;
  if (!(index >= 1)) return forget();
  return attempt(async () => {
    const { features, label } = await call("sample", index - 1);
    await track({ features, label, at: null, numbered: true });
  });
}

function forget() {
  state.sample = null;
  by("sampleIndex").value = "";
  draw();
}

export function listenOutput() {
  by("discrete").addEventListener("change", () => {
    neuronPictures();
    draw();
  });
  by("showHeldOut").addEventListener("change", () => draw());
  by("sampleIndex").addEventListener("change", numbered);
  by("sampleClear").addEventListener("click", forget);
  const plane = by("boundary");
  const go = (x, y) => attempt(() => track({ features: [], label: null, at: [x, y].map((value) => Math.max(-1.1, Math.min(1.1, value))) }));
  plane.addEventListener("click", (event) => {
    const box = plane.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * 2.2 - 1.1, 1.1 - ((event.clientY - box.top) / box.height) * 2.2);
  });
  plane.addEventListener("keydown", (event) => {
    const by_ = { ArrowRight: [STEP, 0], ArrowLeft: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    if (!by_) return;
    event.preventDefault();
    const [x, y] = state.sample?.at ?? [0, 0];
    go(x + by_[0], y + by_[1]);
  });
  pad();
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
    attempt(drawnDigit);
  });
  by("clear").addEventListener("click", () => {
    clear();
    attempt(drawnDigit);
  });
  by("digit").addEventListener("click", () => attempt(async () => {
    // A digit of those held back, for who cannot draw.
    const { features } = await call("sample", Math.floor(Math.random() * state.created.heldOut));
    clear();
    const cell = canvas.width / 8;
    features.forEach((value, i) => {
      context.fillStyle = `rgb(${[0, 0, 0].fill(Math.round(255 * Math.min(1, value))).join(" ")})`;
      context.fillRect((i % 8) * cell, Math.floor(i / 8) * cell, cell, cell);
    });
    await drawnDigit();
  }));
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

/** The digit on the pad, in the list and in the network. */
async function drawnDigit() {
  const row = pixels();
  if (row) await track({ features: row, label: null, at: null });
  else forget();
  await guess();
}

export async function guess() {
  const row = pixels();
  const list = by("guesses");
  if (!row || state.settings.data !== "digits") return list.replaceChildren();
  const logits = await call("predict", row);
  return list.replaceChildren(
    ...shares(logits).map((share, digit) => {
      const [item, bar] = [element("li"), element("i")];
      bar.style.width = `${100 * share}%`;
      item.append(element("span", digit), bar, element("span", `${(100 * share).toFixed(0)} %`));
      return item;
    }),
  );
}
