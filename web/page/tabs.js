// The tabs of the views into a network.

import { tabs } from "./inside.js";
import { button } from "./parts.js";
import { attempt } from "./session.js";
import { by, state, text } from "./state.js";

/** Keys that go to another tab. */
const KEYS = { ArrowRight: (i, n) => (i + 1) % n, ArrowLeft: (i, n) => (i + n - 1) % n, Home: () => 0, End: (i, n) => n - 1 };

export function tabButtons() {
  const names = Object.keys(tabs);
  by("tabs").replaceChildren(
    ...names.map((name, i) => {
      const chosen = state.tab === name;
      const made = button(text(name), () => open(name), { role: "tab", "aria-selected": chosen, "aria-controls": "panel", id: `tab-${name}` });
      made.tabIndex = chosen ? 0 : -1;
      made.addEventListener("keydown", (event) => {
        const to = KEYS[event.key]?.(i, names.length);
        if (to === undefined) return;
        event.preventDefault();
        open(names[to], true);
      });
      return made;
    }),
  );
  by("panel").setAttribute("aria-labelledby", `tab-${state.tab}`);
}

async function open(name, focus = false) {
  const had = document.activeElement?.id === `tab-${state.tab}` || focus;
  state.tab = name;
  tabButtons();
  if (had) by(`tab-${name}`).focus();
  await attempt(showTab);
}

/** What the tab shows; a view that holds an answer asked for is only made anew when its tab is opened. */
export async function showTab() {
  if (!state.created) return;
  const name = state.tab;
  const content = await tabs[name]();
  if (state.tab === name) by("panel").replaceChildren(...content);
}
