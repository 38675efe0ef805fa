/* The waterfall: what the wait for each reply was made of. */

import { h, setText } from "../common/dom.js";
import { OWNERS, SPANS } from "./words.js";

const SHOWN = 200; // the newest replies

/** {element, update(waits)}; `waits`: {turn, spans, tools?} of each reply, oldest first. */
export function waterfall() {
  const rows = h("ol", { class: "waits" });
  const legend = h("div", { class: "legend" });
  const empty = h("p", { class: "dim" }, "No reply yet.");
  const note = h("span", { class: "dim" });
  const element = h("section", { class: "card waterfall", "aria-label": "Waits for replies" }, h("div", { class: "bar" }, h("h2", null, "Wait for each reply"), note), legend, empty, rows);
  let drawn = "";
  return {
    element,
    update(waits) {
      const shown = waits.slice(-SHOWN);
      const state = JSON.stringify(shown);
      if (state === drawn) return;
      drawn = state;
      const totals = shown.map((wait) => total(wait.spans));
      const most = Math.max(1, ...totals);
      const used = new Set(shown.flatMap((wait) => Object.entries(wait.spans).filter(([, ms]) => ms > 0).map(([name]) => name)));
      empty.hidden = shown.length > 0;
      setText(note, shown.length ? `the longest ${most} ms` : "");
      legend.replaceChildren(...known([...used]).map((name) => h("span", { title: about(name) }, h("i", { class: `span ${className(name)}` }), SPANS[name]?.label ?? name)));
      rows.replaceChildren(...shown.map((wait, place) => row(wait, totals[place], most)));
    },
  };
}

function row(wait, all, most) {
  const spans = known(Object.keys(wait.spans)).map((name) => [name, wait.spans[name]]).filter(([, ms]) => ms > 0);
  const bars = spans.map(([name, ms]) => {
    const bar = h("span", { class: `span ${className(name)}`, title: `${SPANS[name]?.label ?? name}: ${ms} ms, ${about(name)}` }, ms / most > 0.07 ? String(ms) : "");
    bar.style.flexGrow = ms;
    return bar;
  });
  const track = h("div", { class: "track", "aria-hidden": "true" }, bars);
  track.style.width = `${(all / most) * 100}%`;
  const words = spans.map(([name, ms]) => `${SPANS[name]?.label ?? name} ${ms} ms`).join(", ");
  const tools = wait.tools?.length ? h("span", { class: "dim tools" }, `tools: ${wait.tools.join(", ")}`) : null;
  return h("li", null, h("span", { class: "turn dim num" }, `turn ${wait.turn}`), h("div", { class: "tracks" }, track, tools), h("b", { class: "num" }, `${all} ms`), h("span", { class: "hidden-label" }, words));
}

const ORDER = Object.keys(SPANS);
const known = (names) => names.sort((a, b) => ((ORDER.indexOf(a) + 99) % 99) - ((ORDER.indexOf(b) + 99) % 99));
const className = (name) => (SPANS[name] ? name.replaceAll("_", "-") : "other");
const about = (name) => (SPANS[name] ? `${SPANS[name].what}; ${OWNERS[SPANS[name].owner]}` : "");

export const total = (spans) => Object.values(spans).reduce((all, ms) => all + ms, 0);
