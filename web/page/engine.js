// The engine in a worker: it loads the WebAssembly module and answers calls one after the other, so that the page never waits.

let engine = null;
let loaded = null;
let Engine = null;

/** Loads the module; the one that can verify is larger, and comes when it is asked for. */
async function load() {
  const module = await import(location.search === "?verify" ? "./verify/steepest_web.js" : "./pkg/steepest_web.js");
  await module.default();
  Engine = module.Engine;
}

/** Has devices opened with no more than what every WebGPU has. */
function least() {
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function plain() {
    return request.call(this);
  };
}

const calls = {
  async open(kind, small) {
    loaded ??= load();
    await loaded;
    if (kind !== "cpu" && !navigator.gpu) throw new Error(isSecureContext ? "navigator.gpu is missing" : "WebGPU needs https or localhost");
    if (kind !== "cpu" && small) least();
    // A device that fails to open leaves the one before in place.
    const opened = kind === "cpu" ? Engine.cpu() : await Engine.webgpu();
    engine?.free();
    engine = opened;
    return { device: engine.device, side: engine.side };
  },

  /** What the browser says of the adapter. */
  async adapter() {
    const adapter = await navigator.gpu?.requestAdapter();
    const { vendor, architecture, device, description } = adapter?.info ?? {};
    return [vendor, architecture, device, description].filter(Boolean).join(", ");
  },

  verify(tell, filter, plant) {
    return engine.verify(filter, plant ?? undefined, tell);
  },
};

let last = Promise.resolve();

/** Answers a call: those of `Engine` by their names. */
async function answer({ id, method, args }) {
  try {
    const tell = (...progress) => postMessage({ id, progress });
    const value = method === "verify" ? await calls.verify(tell, ...args) : calls[method] ? await calls[method](...args) : await engine[method](...args);
    postMessage({ id, value });
  } catch (error) {
    // After a trap the module's memory is in no known state.
    postMessage({ id, error: String(error?.message ?? error), dead: error instanceof WebAssembly.RuntimeError || error instanceof RangeError });
  }
}

addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});
