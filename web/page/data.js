// A table of one's own: its file, its target, and a row of it by hand.

import { element } from "./parts.js";
import { spoken, track } from "./output.js";
import { attempt, change } from "./session.js";
import { by, call, say, state, text } from "./state.js";

/** The largest file that is taken, in MB: a page has little memory. */
const MOST = 64;

/** Rows of which losses are told, at the most. */
const JUDGED = 20_000;

/** Sliders of a row by hand. */
const SLIDERS = 12;

/** Reads a file that was dropped or chosen. */
export async function load(file) {
  if (!file) return;
  const megabytes = Math.ceil(file.size / 1048576);
  if (megabytes > MOST) {
    say(text("tooLarge", file.name, megabytes), true);
    return;
  }
  await attempt(async () => {
    say(text("reading", file.name));
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { report, text: printed, notes, target } = await call("loadTable", file.name, bytes);
    Object.assign(state, { file, target });
    by("table").hidden = false;
    by("report").textContent = printed;
    by("target").replaceChildren(...report.columns.map((column) => new Option(column.name, column.name)));
    by("target").value = target;
    await aim(notes);
  });
}

/** Takes the chosen column as what is to be predicted. */
export async function aim(before = []) {
  await attempt(async () => {
    const target = by("target").value;
    const { rows, features: seen, notes } = await call("chooseTarget", target, []);
    state.target = target;
    by("notes").replaceChildren(...[...before, ...notes].map((note) => element("li", note)));
    await change({ data: "table" });
    if (!by("message").classList.contains("bad")) say(text("loaded", rows, seen.length) + (rows > 2 * JUDGED ? ` ${text("judged", JUDGED)}` : ""));
  });
}

/** Sliders for a row of one's own: what would the network say? Features are scaled: 0 is the mean, 1 a deviation above. */
export function rowInputs() {
  const { inputs } = state.created;
  const said = element("p", undefined, "said");
  const row = new Float32Array(inputs.length);
  const ask = async () => {
    said.textContent = spoken(await call("predict", row));
    await track({ features: row, label: null, at: null });
  };
  const sliders = inputs.slice(0, SLIDERS).map((name, i) => {
    const [label, output] = [element("label"), element("output", "0.0")];
    const slider = Object.assign(element("input"), { type: "range", min: -3, max: 3, step: 0.1, value: 0 });
    slider.addEventListener("input", () => {
      row[i] = slider.valueAsNumber;
      output.textContent = slider.valueAsNumber.toFixed(1);
      attempt(ask);
    });
    const caption = element("span", name);
    caption.title = name;
    label.append(caption, slider, output);
    return label;
  });
  const box = element("div", undefined, "settings");
  box.append(...sliders);
  by("row").replaceChildren(element("h3", text("ownRow")), element("p", text("ownRowHint"), "hint"), box, said);
}
