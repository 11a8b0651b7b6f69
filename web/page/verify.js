// Verification of one's own device: every op beside the f64 reference, in a worker of its own, so that it can be stopped and the network goes on.

import { Client } from "./client.js";
import { button, element, rows, save } from "./parts.js";
import { by, state, text } from "./state.js";

/** Failures that are listed; the report has all. */
const LISTED = 30;

// The verification under way or the last one: it stays while other tabs are looked at.
const run = { families: null, client: null, filter: "", progress: null, result: null, fault: null };

/** What the report begins with. */
async function header(client) {
  const adapter = await client.call("adapter").catch(() => "");
  return [
    `adapter: ${adapter || "-"}`,
    `browser: ${navigator.userAgent}`,
    `time: ${new Date().toISOString()}`,
    "",
  ].join("\n");
}

async function begin() {
  Object.assign(run, { client: new Client("?verify"), progress: [text("starting"), 0, 0], result: null, fault: null });
  const { client, filter } = run;
  show();
  try {
    await client.call("open", by("device").value, state.least);
    run.families ??= await client.call("families");
    offer();
    const result = await client.told(
      (...progress) => {
        run.progress = progress;
        bar();
      },
      "verify",
      filter,
      state.plant,
    );
    result.text = (await header(client)) + result.text;
    run.result = result;
  } catch (error) {
    // Stopped by hand.
    if (run.client === client) run.fault = error.message;
  }
  client.stop("done");
  if (run.client === client) run.client = null;
  show();
}

function stop() {
  const { client, progress } = run;
  Object.assign(run, { client: null, progress: null, fault: null, result: null, stopped: progress });
  client?.stop("stopped");
  show();
}

/** Offers the names of families, once they are known. */
function offer() {
  by("verify-families")?.replaceChildren(...(run.families ?? []).map((name) => new Option(name, name)));
}

/** Only the bar: it moves often. */
function bar() {
  const holder = by("verify-bar");
  if (!holder || !run.progress) return;
  const [part, done, total] = run.progress;
  const meter = holder.querySelector("progress");
  if (total) Object.assign(meter, { max: total, value: done });
  else meter.removeAttribute("value");
  holder.querySelector("span").textContent = total ? `${part} · ${done} / ${total}` : part;
}

function found() {
  if (run.fault) return [element("p", text("failed", run.fault), "bad")];
  if (run.client) {
    const [holder, meter] = [element("div", undefined, "meter"), element("progress")];
    holder.id = "verify-bar";
    meter.setAttribute("aria-label", text("verifying"));
    holder.append(meter, element("span"));
    return [holder];
  }
  const { result } = run;
  if (!result) return run.stopped ? [element("p", text("stopped", run.stopped[1], run.stopped[2]), "hint")] : [];
  const { passed, cases, elements, wrong, seconds, device, stages, failures } = result;
  const verdict = element("p", text(passed ? "verified" : "notVerified", wrong), passed ? "good verdict" : "bad verdict");
  verdict.id = "verdict";
  const list = element("ul", undefined, "failures");
  list.append(...failures.slice(0, LISTED).map((failure) => element("li", failure)));
  if (failures.length > LISTED) list.append(element("li", `… ${failures.length - LISTED}`));
  return [
    verdict,
    element("p", text("verifiedOf", device, cases, elements, seconds.toFixed(1)), "hint"),
    button(text("saveReport"), () => save("verification.txt", result.text)),
    ...(failures.length ? [list] : []),
    rows([text("part"), text("cases"), text("elements"), text("wrongOnes")], stages.map((stage) => [stage.name, stage.cases, stage.elements, stage.wrong])),
  ];
}

function show() {
  const holder = by("verify-found");
  if (!holder) return;
  by("verify-begin").disabled = run.client !== null;
  by("verify-stop").disabled = run.client === null;
  holder.replaceChildren(...found());
  bar();
}

/** The view. */
export async function verify() {
  const [label, filter] = [element("label"), Object.assign(element("input"), { type: "text", value: run.filter, placeholder: "matmul", id: "verify-filter", size: 12 })];
  filter.addEventListener("input", () => (run.filter = filter.value.trim()));
  const list = element("datalist");
  list.id = "verify-families";
  queueMicrotask(offer);
  filter.setAttribute("list", list.id);
  label.append(element("span", text("onlyOps")), filter, list);
  const line = element("div", undefined, "row");
  line.append(label, button(text("verifyNow"), begin, { id: "verify-begin" }), button(text("stop"), stop, { id: "verify-stop" }));
  const holder = element("div");
  holder.id = "verify-found";
  queueMicrotask(() => requestAnimationFrame(show));
  return [element("p", text("verifyHint"), "hint"), line, holder];
}
