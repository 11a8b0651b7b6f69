// The views into a network: formula, plan, shaders, gradients, the saddle, verification, files.

import { adopt } from "./session.js";
import { element, rows, saver, worker } from "./parts.js";
import { saddle } from "./saddle.js";
import { call, say, state, text } from "./state.js";
import { verify } from "./verify.js";

/** Lines of a formula that are shown at once: a wide network has thousands. */
const LINES = 400;

function scrolled(kind, content) {
  const made = element(kind, content);
  // So that the keyboard can scroll it.
  made.tabIndex = 0;
  return made;
}

export const tabs = {
  async formula() {
    const lines = await call("formula");
    const cut = lines.length > LINES ? [`… ${lines.length - LINES}`] : [];
    return [scrolled("pre", [...lines.slice(0, LINES), ...cut].join("\n"))];
  },

  async plan() {
    return [scrolled("pre", (await call("plan")).text)];
  },

  async kernels() {
    const { kernels } = await call("plan");
    const lists = kernels.map(({ kernel, computes, bytes, flops, wgsl }) => {
      const details = element("details");
      details.append(element("summary", `${kernel}: ${computes} (${bytes} ${text("bytes")}, ${flops} ${text("operations")})`), scrolled("pre", wgsl ?? text("onCpu")));
      return details;
    });
    return kernels.some(({ wgsl }) => wgsl) ? lists : [element("p", text("onCpu"), "hint"), ...lists];
  },

  async gradients() {
    const found = element("div");
    const mark = (right) => element("td", text(right ? "right" : "wrong"), right ? "good" : "bad");
    const compute = worker(text("compute"), found, async () => {
      const checks = await call("gradients");
      return [
        rows(
          [text("parameter"), text("compared"), text("error"), text("verdict")],
          checks.map(({ parameter, compared, error, right }) => [parameter, compared, error.toExponential(1), mark(right)]),
        ),
      ];
    });
    return [element("p", text("gradientsHint"), "hint"), compute, found];
  },

  saddle,
  verify,

  async export() {
    const load = element("label", undefined, "file");
    const input = Object.assign(element("input"), { type: "file", accept: ".safetensors", id: "model" });
    input.addEventListener("change", async () => {
      try {
        const [file] = input.files;
        if (!file) return;
        await adopt(await call("load", file.name, new Uint8Array(await file.arrayBuffer())));
        say(text("loadedModel", file.name));
      } catch (error) {
        say(text("failed", error.message), true);
      }
      // The same file may be chosen again.
      input.value = "";
    });
    load.append(element("span", text("loadModel")), input);
    const savers = element("div", undefined, "row");
    savers.append(
      saver(text("saveModel"), "network.safetensors", () => call("save")),
      saver(text("saveProgram"), "main.rs", () => call("program")),
    );
    if (state.points.length) savers.append(saver(text("savePoints"), "points.csv", () => call("pointsCsv")));
    return [element("p", text("exportHint"), "hint"), savers, load, scrolled("pre", await call("program"))];
  },
};
