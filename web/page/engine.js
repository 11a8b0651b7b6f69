// The engine in a worker: it loads the WebAssembly module and answers calls one after the other, so that the page never waits.

import init, { Engine } from "./pkg/steepest_web.js";

let engine = null;
let loaded = null;

const calls = {
  async open(kind) {
    loaded ??= init();
    await loaded;
    // A device that fails to open leaves the one before in place.
    const opened = kind === "cpu" ? Engine.cpu() : await Engine.webgpu();
    engine?.free();
    engine = opened;
    return { device: engine.device, side: engine.side };
  },
};

let last = Promise.resolve();

/** Answers a call: those of `Engine` by their names. */
async function answer({ id, method, args }) {
  try {
    const value = calls[method] ? await calls[method](...args) : await engine[method](...args);
    postMessage({ id, value });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
}

addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});
