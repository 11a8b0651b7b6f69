// A saddle of the loss: going to one, its Hessian's eigenvalues, the loss around it, and the way out.

import { graph, spectrum, surface } from "./draw.js";
import { element, rows, worker } from "./parts.js";
import { look, mayChange } from "./session.js";
import { call, state, text } from "./state.js";

function canvas(label, className) {
  const made = element("canvas", undefined, className);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made;
}

function figure(made, caption) {
  const holder = element("figure");
  holder.append(made, element("figcaption", caption));
  return holder;
}

const short = (value) => value.toPrecision(3);

/** What is around the network's place now. */
async function around(before = []) {
  const seen = await call("lookAround");
  const { kind, critical, loss, gradient, eigenvalues, flat, direction, along, plane, side, span } = seen;
  const count = (test) => eigenvalues.filter(test).length;
  const verdict = element("p", text("kindIs", critical ? kind : `${kind}Like`, short(loss), gradient.toExponential(1)), "verdict");
  verdict.id = "saddle-verdict";
  const signs = text("signs", count((value) => value > flat), count((value) => value < -flat), count((value) => Math.abs(value) <= flat));
  const list = [...before, verdict];
  const pictures = element("div", undefined, "pictures");
  const later = [];
  if (plane.length) {
    const made = canvas(text("planeHint"));
    later.push(() => surface(made, plane, side));
    pictures.append(figure(made, text("planeHint")));
  }
  if (along.length) {
    const made = canvas(text("alongHint"));
    later.push(() => graph(made, along, span));
    pictures.append(figure(made, text("alongHint")));
  }
  const stems = canvas(`${text("eigenvalues")}: ${signs}`);
  later.push(() => spectrum(stems, eigenvalues, flat));
  pictures.append(figure(stems, seen.all ? `${text("eigenvalues")}: ${signs}` : text("onlyEnds")));
  list.push(pictures);
  if (direction.length) {
    list.push(element("h3", text("wayOut")), rows([text("weight"), text("shareOf")], direction.map(({ parameter, amount }) => [parameter, Number(amount.toFixed(3))])));
  } else if (critical) list.push(element("p", text("noWayOut"), "hint"));
  const details = element("details");
  const numbers = eigenvalues.map((value) => value.toExponential(2)).join("  ");
  const printed = element("pre", `${seen.text}\n\n${text("eigenvalues")}:\n${numbers}`);
  printed.tabIndex = 0;
  details.append(element("summary", text("allNumbers")), printed);
  list.push(details);
  // Canvases know their size once they are in the page.
  requestAnimationFrame(() => later.forEach((draw) => draw()));
  step.dataset.off = String(!direction.length);
  step.disabled = !direction.length;
  return list;
}

let step = null;

/** The view. */
export async function saddle() {
  const found = element("div");
  found.id = "saddle-found";
  const line = element("div", undefined, "row");
  step = worker(text("leave"), found, async () => {
    mayChange();
    const { before, after } = await call("leave", 1);
    await look();
    return around([element("p", text("fell", short(before), short(after)), "good")]);
  });
  step.id = "saddle-leave";
  step.disabled = true;
  const go = worker(text("toSaddle"), found, async () => {
    mayChange();
    await call("toSaddle");
    await look();
    const hint = state.settings.layers.length === 1 ? [] : [element("p", text("oneLayer"), "hint")];
    return around(hint);
  });
  go.id = "saddle-go";
  const here = worker(text("lookAround"), found, () => around());
  here.id = "saddle-look";
  line.append(go, here, step);
  return [element("p", text("saddleHint"), "hint"), line, found];
}
