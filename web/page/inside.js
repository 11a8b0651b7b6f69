// The views into a network: formula, plan, shaders, gradients, curvature, files.

import { call, say, state, take, text } from "./main.js";

function element(kind, content, className) {
  const made = document.createElement(kind);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
}

function rows(head, body) {
  const table = element("table");
  const line = (cells, kind) => {
    const row = element("tr");
    row.append(...cells.map((cell) => (cell instanceof Node ? cell : element(kind, cell, typeof cell === "number" ? "number" : undefined))));
    return row;
  };
  table.append(line(head, "th"), ...body.map((cells) => line(cells, "td")));
  return table;
}

function save(name, bytes) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function saver(label, name, made) {
  const button = element("button", label);
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      save(name, await made());
    } catch (error) {
      say(text("failed", error.message), true);
    }
  });
  return button;
}

/** What is computed only when asked for. */
function asked(hint, compute) {
  const [button, found] = [element("button", text("compute")), element("div")];
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      found.replaceChildren(...(await compute()));
    } catch (error) {
      found.replaceChildren(element("p", text("failed", error.message), "bad"));
    }
    button.disabled = false;
  });
  return [element("p", hint, "hint"), button, found];
}

export const tabs = {
  async formula() {
    return [element("pre", (await call("formula")).slice(0, 400).join("\n"))];
  },

  async plan() {
    return [element("pre", (await call("plan")).text)];
  },

  async kernels() {
    const { kernels } = await call("plan");
    const lists = kernels.map(({ kernel, computes, bytes, flops, wgsl }) => {
      const details = element("details");
      details.append(element("summary", `${kernel}: ${computes} (${bytes} ${text("bytes")}, ${flops} ${text("operations")})`), element("pre", wgsl ?? text("onCpu")));
      return details;
    });
    return kernels.some(({ wgsl }) => wgsl) ? lists : [element("p", text("onCpu"), "hint"), ...lists];
  },

  async gradients() {
    return asked(text("gradientsHint"), async () => {
      const found = await call("gradients");
      const mark = (right) => element("td", text(right ? "right" : "wrong"), right ? "good" : "bad");
      return [
        rows(
          [text("parameter"), text("compared"), text("error"), text("verdict")],
          found.map(({ parameter, compared, error, right }) => [parameter, compared, error.toExponential(1), mark(right)]),
        ),
      ];
    });
  },

  async curvature() {
    return asked(text("curvatureHint"), async () => {
      const { verdict, eigenvalues, text: printed } = await call("curvature");
      const listed = eigenvalues.length > 40 ? [...eigenvalues.slice(0, 20), "…", ...eigenvalues.slice(-20)] : eigenvalues;
      const numbers = listed.map((value) => (typeof value === "number" ? value.toExponential(2) : value)).join("  ");
      return [element("p", verdict), element("pre", `${printed}\n\n${text("eigenvalues")}:\n${numbers}`)];
    });
  },

  async export() {
    const load = element("label", text("loadModel"));
    const input = Object.assign(element("input"), { type: "file", accept: ".safetensors", id: "model" });
    input.addEventListener("change", async () => {
      try {
        const [file] = input.files;
        const { settings } = await call("load", file.name, new Uint8Array(await file.arrayBuffer()));
        await take(settings ?? {});
      } catch (error) {
        say(text("failed", error.message), true);
      }
    });
    load.append(input);
    const list = [
      element("p", text("exportHint"), "hint"),
      saver(text("saveModel"), "network.safetensors", () => call("save")),
      saver(text("saveProgram"), "main.rs", () => call("program")),
    ];
    if (state.points.length) list.push(saver(text("savePoints"), "points.csv", () => call("pointsCsv")));
    list.push(load, element("pre", await call("program")));
    return list;
  },
};
