// The engine's device and network: opening, training, looking, and going on after a fault.

import { controls } from "./controls.js";
import { rowInputs } from "./data.js";
import { drawNetwork, layerSteppers, neuronChoice } from "./network.js";
import { drawOutput, figures, follow, guess } from "./output.js";
import { button } from "./parts.js";
import { by, call, client, defaults, drawn, fromLink, hasValues, say, state, text, toLink } from "./state.js";
import { showTab } from "./tabs.js";

/** A curve needs no more points. */
const REMEMBERED = 2000;

/** Runs what may fail; a fault is said, and the page goes on. */
export async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    pause();
    if (error.dead || /\blost\b/.test(error.message)) offer(error);
    else say(text("failed", error.message), true);
    return undefined;
  }
}

/** After a lost device, or an engine that cannot go on: a choice of what to go on with. */
function offer(error) {
  say(text(error.dead ? "ended" : "lost", error.message.replace(/^.* was lost: /, "")), true);
  const again = (kind) => button(text(kind === "cpu" ? "goOnCpu" : "goOnDevice"), () => recover(kind), { "data-go-on": kind });
  by("recover").replaceChildren(again(by("device").value === "cpu" ? "cpu" : "webgpu"), ...(by("device").value === "cpu" ? [] : [again("cpu")]));
  by("recover").hidden = false;
}

async function recover(kind) {
  by("recover").hidden = true;
  by("device").value = kind;
  toLink();
  client.restart();
  await start(true);
}

/** Whatever changes weights stops the training first. */
export function mayChange() {
  pause();
}

/** Opens a device; where there is no WebGPU, the CPU, with the reason. The network goes on from its last weights where that is wanted. */
export async function start(resume = false) {
  say(text("starting"));
  by("recover").hidden = true;
  const wanted = by("device").value;
  let opened;
  let why = null;
  try {
    opened = await call("open", wanted, state.least);
  } catch (error) {
    if (wanted === "cpu") return say(text("failed", error.message), true);
    why = error.message;
    try {
      opened = await call("open", "cpu");
    } catch (second) {
      return say(text("failed", second.message), true);
    }
    by("device").value = "cpu";
  }
  Object.assign(state, opened);
  by("message").classList.toggle("keep", why !== null);
  if (why !== null) say(text("noGpu", why));
  if (state.file) await attempt(readTable);
  await begin(resume ? { weights: state.weights, progress: state.progress } : null);
  document.body.dataset.ready = state.device;
  return undefined;
}

/** Another device reads the table again. */
async function readTable() {
  await call("loadTable", state.file.name, new Uint8Array(await state.file.arrayBuffer()));
  await call("chooseTarget", state.target, []);
}

/** Other settings: the network begins anew, but for another learning rate. */
export async function change(settings) {
  const only = Object.keys(settings);
  Object.assign(state.settings, settings);
  if (state.settings.loss === "hinge" && state.settings.data !== "table" && hasValues()) state.settings.loss = "squared";
  if (only.length === 1 && only[0] === "rate" && settings.rate > 0 && settings.rate <= 100) {
    state.taken = structuredClone(state.settings);
    toLink();
    await attempt(() => call("setRate", settings.rate));
    return;
  }
  controls();
  await begin();
}

/** A network of the settings; what the engine refuses is said, and the network before stays. */
export async function begin(last = null) {
  pause();
  await attempt(async () => {
    try {
      take(await call("create", JSON.stringify(state.settings)));
    } catch (error) {
      if (error.dead) throw error;
      Object.assign(state.settings, state.taken ?? defaults);
      controls();
      toLink();
      // Of settings that never were taken there is no network: the usual ones make one.
      if (!state.taken) take(await call("create", JSON.stringify(state.settings)));
      throw error;
    }
    if (last?.weights) {
      await call("restore", JSON.stringify(last.weights), last.progress.step, last.progress.epoch);
      say(text("goesOn", state.device, last.progress.step));
    } else {
      state.history = [];
      if (!by("message").classList.contains("keep")) say(text("ready", state.device));
    }
    await look(true);
  });
  if (state.created && !state.progress) await attempt(() => look(true));
}

/** A network that the engine has made or loaded. */
function take(created) {
  const before = state.created;
  state.created = created;
  state.points = created.points;
  state.taken = structuredClone(state.settings);
  state.neurons = new Float32Array();
  toLink();
  controls();
  layerSteppers();
  by("draw").hidden = state.settings.data !== "digits";
  by("plane").hidden = !drawn();
  by("row").hidden = state.settings.data !== "table";
  by("sampleIndex").max = created.heldOut;
  if (!state.sample?.at || !drawn()) state.sample = null;
  if (String(before?.inputs) !== String(created.inputs) && state.settings.data === "table") rowInputs();
  neuronChoice();
}

/** A network that was loaded, with its settings. */
export async function adopt({ settings, target, created }) {
  pause();
  if (settings) Object.assign(state.settings, settings);
  if (target) {
    state.target = target;
    by("target").value = target;
  }
  if (created) take(created);
  state.history = [];
  await attempt(() => look(true));
}

/** Reads what the network says now, and draws it. */
export async function look(slow = false) {
  const of = state.created;
  const progress = await call("progress");
  const weights = await call("weights");
  const neurons = drawn() ? await call("neurons") : new Float32Array();
  // Another network took its place meanwhile.
  if (state.created !== of) return;
  Object.assign(state, { progress, weights, neurons });
  const { history } = state;
  if (history.at(-1)?.step === progress.step) history.pop();
  history.push(progress);
  if (history.length > REMEMBERED) state.history = history.filter((_, i) => i % 2 === 0);
  await follow();
  if (state.created !== of) return;
  draw();
  if (state.settings.data === "digits") await guess();
  if (slow || state.tab === "formula") await showTab();
}

/** Draws what was read last. */
export function draw() {
  if (!state.progress) return;
  figures();
  drawNetwork();
  drawOutput();
}

let loop = 0;

export function pause() {
  state.running = false;
  by("run").setAttribute("aria-pressed", "false");
  by("run").textContent = text("run");
}

/** Trains until it is paused. */
export async function run() {
  const mine = ++loop;
  state.running = true;
  by("run").setAttribute("aria-pressed", "true");
  by("run").textContent = text("pause");
  while (state.running && mine === loop) {
    await attempt(async () => {
      await call("train", 2 ** Number(by("speed").value));
      await look();
    });
    await new Promise((done) => { setTimeout(done, 0); });
  }
}

/** One step. */
export async function step() {
  pause();
  await attempt(async () => {
    await call("train", 1);
    await look();
  });
}

/** Settings of the link that make no sense are named once the page is ready. */
export function first() {
  const wrong = fromLink();
  return async () => {
    await attempt(() => start());
    if (wrong.length) say(text("badLink", wrong.join(", ")), true);
  };
}
