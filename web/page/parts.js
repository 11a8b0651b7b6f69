// Pieces of the page that several views are made of.

import { say, text } from "./state.js";

export function element(kind, content, className) {
  const made = document.createElement(kind);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
}

export function button(label, act, attributes = {}) {
  const made = element("button", label);
  made.type = "button";
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.addEventListener("click", act);
  return made;
}

/** A number to be written, with its name before it. */
export function number(label, value, act, attributes = {}) {
  const [holder, input] = [element("label"), element("input")];
  Object.assign(input, { type: "number", value, step: "any", ...attributes });
  input.addEventListener("change", () => act(input.valueAsNumber, input));
  holder.append(element("span", label), input);
  return holder;
}

export function rows(head, body) {
  const table = element("table");
  const line = (cells, kind) => {
    const row = element("tr");
    row.append(...cells.map((cell) => (cell instanceof Node ? cell : element(kind, cell, typeof cell === "number" ? "number" : undefined))));
    return row;
  };
  table.append(line(head, "th"), ...body.map((cells) => line(cells, "td")));
  const holder = element("div", undefined, "scroll");
  holder.append(table);
  return holder;
}

/** Hands a file to the person. */
export function save(name, bytes) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function saver(label, name, made) {
  return button(label, async () => {
    try {
      save(name, await made());
    } catch (error) {
      say(text("failed", error.message), true);
    }
  });
}

/** A button whose work is under way when it is pressed: what fails is said in `found`. */
export function worker(label, found, compute) {
  const made = button(label, async () => {
    made.disabled = true;
    try {
      const content = await compute();
      if (content) found.replaceChildren(...content);
    } catch (error) {
      found.replaceChildren(element("p", text("failed", error.message), "bad"));
    }
    // Unless the work has found that there is nothing more to do.
    made.disabled = made.dataset.off === "true";
  });
  return made;
}
