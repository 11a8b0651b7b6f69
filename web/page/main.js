// The page: settings in, pictures out. All settings stand in the link; the engine (a worker) does the work.

import { listen, makeControls } from "./controls.js";
import { aim, load, rowInputs } from "./data.js";
import { layerSteppers, listenNetwork, neuronChoice } from "./network.js";
import { listenOutput } from "./output.js";
import { element } from "./parts.js";
import { attempt, begin, draw, first, look, pause, run, start, step } from "./session.js";
import { by, parts, say, state, text, toLink } from "./state.js";
import { tabButtons } from "./tabs.js";

/** A module of WebAssembly with one vector instruction: what browsers of before 2021 refuse. */
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 17, 11]);

function words() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = text(place.dataset.text);
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", text(place.dataset.label));
  by("run").textContent = text(state.running ? "pause" : "run");
  by("language").value = state.language;
  by("hide").replaceChildren(
    ...parts.map((name) => {
      const [label, input] = [element("label"), Object.assign(element("input"), { type: "checkbox", checked: !state.hidden.includes(name) })];
      input.addEventListener("change", () => {
        state.hidden = parts.filter((part) => (part === name ? !input.checked : state.hidden.includes(part)));
        toLink();
        hide();
      });
      label.append(input, element("span", text(name)));
      return label;
    }),
  );
  makeControls();
  tabButtons();
  if (state.created) {
    layerSteppers();
    neuronChoice();
    if (state.settings.data === "table") rowInputs();
  }
}

/** Parts of the page that are not wanted are away. */
function hide() {
  for (const name of parts) by(name).hidden = state.hidden.includes(name);
  document.body.dataset.hidden = state.hidden.join(" ");
  draw();
}

const begun = first();
words();
hide();
listen();
listenNetwork();
listenOutput();
by("run").addEventListener("click", () => (state.running ? pause() : run()));
by("step").addEventListener("click", step);
by("reset").addEventListener("click", () => begin());
by("device").addEventListener("change", () => {
  pause();
  toLink();
  // The network goes on, on the other device.
  attempt(() => start(true));
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
  makeControls();
  attempt(() => (state.created ? look(true) : null));
});
by("link").addEventListener("click", () => attempt(async () => {
  toLink();
  await navigator.clipboard.writeText(location.href);
  say(text("copied"));
}));
by("file").addEventListener("change", async () => {
  await load(by("file").files[0]);
  // The same file may be chosen again, mended.
  by("file").value = "";
});
by("target").addEventListener("change", () => aim());
for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(event, (dropped) => {
    dropped.preventDefault();
    by("drop").classList.toggle("over", over);
    if (event === "drop") load(dropped.dataTransfer.files[0]);
  });
}
addEventListener("resize", () => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  makeControls();
  if (state.created) attempt(() => look(true));
});
if (WebAssembly.validate(SIMD)) begun();
else say(text("noSimd"), true);
