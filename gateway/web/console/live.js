/* The live view: counts, the latency chart, the table of calls, processes and take-overs. */

import { h, setText } from "../common/dom.js";
import { clock, duration, isOver, masked, millis } from "../common/format.js";
import { latencyChart } from "./chart.js";
import { Table } from "./table.js";
import { badge } from "./words.js";

const DRAW_EVERY_MS = 250;
const CHART_EVERY_MS = 1_000;
const CHART_MS = 30 * 60_000;
const SUMMARY_MS = 5 * 60_000;
const STATES = ["initiated", "ringing", "answered", "active", "speaking", "listening"];

/** `app`: store, showsNumbers(), openCall(id). Returns the view: {element, stop()}. */
export function liveView(app) {
  const { store } = app;
  const shown = (number) => (app.showsNumbers() ? number : masked(number));
  const tiles = Object.fromEntries(["live", "inbound", "outbound", "speaking", "p50", "p95", "takeovers"].map((name) => [name, h("b", null, "0")]));
  const tile = (name, label, hint) => h("div", { class: "tile", title: hint }, tiles[name], h("span", { class: "dim" }, label));
  const chart = h("div", { class: "chart" });
  const search = h("input", { type: "search", id: "search", placeholder: "Number, id, agent, worker…", autocomplete: "off", spellcheck: "false" });
  const state = select("state", "Any state", STATES);
  const direction = select("direction", "Both directions", ["inbound", "outbound"]);
  const ended = h("input", { type: "checkbox", id: "ended", checked: true });
  const count = h("span", { class: "dim", role: "status" });
  const table = new Table({
    label: "Calls",
    key: (call) => call.id,
    open: (call) => app.openCall(call.id),
    sorted: { by: "started", descending: true },
    rowClass: (call) => (isOver(call.state) ? "over" : ""),
    columns: [
      { id: "state", label: "State", text: (call) => call.state, render: (cell, call) => cell.replaceChildren(badge(call.state)) },
      { id: "direction", label: "Direction", text: (call) => call.direction ?? "" },
      { id: "from", label: "From", text: (call) => shown(call.from), sort: (call) => call.from },
      { id: "to", label: "To", text: (call) => shown(call.to), sort: (call) => call.to },
      { id: "carrier", label: "Carrier", text: (call) => call.provider ?? "" },
      { id: "agent", label: "Agent", text: (call) => call.agentId ?? "" },
      { id: "worker", label: "Worker", text: (call) => call.worker ?? "" },
      { id: "started", label: "Time", text: (call) => duration((call.endedAt ?? store.now()) - call.startedAt), sort: (call) => call.startedAt },
      { id: "turns", label: "Turns", text: (call) => String(call.turns ?? 0), sort: (call) => call.turns ?? 0 },
      { id: "latency", label: "Latency", text: (call) => millis(call.latency), sort: (call) => call.latency },
    ],
  });
  const processes = h("ul", { class: "processes" });
  const takeovers = h("ol", { class: "takeovers", role: "log", "aria-label": "Take-overs", "aria-live": "polite" });
  const noTakeovers = h("p", { class: "dim" }, "None since this page was opened.");

  const element = h(
    "div",
    { class: "view live" },
    h(
      "section",
      { class: "summary", "aria-label": "Summary" },
      h(
        "div",
        { class: "tiles card" },
        tile("live", "live calls"), tile("inbound", "inbound"), tile("outbound", "outbound"), tile("speaking", "agent speaks"),
        tile("p50", "p50, 5 min", "Half of the replies of the last five minutes came within this time"),
        tile("p95", "p95, 5 min", "95 % of the replies of the last five minutes came within this time"),
        tile("takeovers", "take-overs"),
      ),
      h("figure", { class: "card" }, h("figcaption", null, h("h2", null, "Wait for a reply"), h("span", { class: "legend" }, h("span", null, h("i", { class: "p50" }), "p50"), h("span", null, h("i", { class: "p95" }), "p95"))), chart),
    ),
    h(
      "section",
      { class: "calls card", "aria-label": "Calls" },
      h(
        "div",
        { class: "filters" },
        h("label", { for: "search", class: "hidden-label" }, "Search calls"), search,
        h("label", { for: "state", class: "hidden-label" }, "State"), state,
        h("label", { for: "direction", class: "hidden-label" }, "Direction"), direction,
        h("label", { class: "check" }, ended, "just ended"),
        count,
      ),
      table.element,
    ),
    h(
      "aside",
      { class: "side" },
      h("section", { class: "card", "aria-label": "Processes" }, h("h2", null, "Processes"), processes),
      h("section", { class: "card", "aria-label": "Take-overs" }, h("h2", null, "Take-overs"), noTakeovers, takeovers),
    ),
  );

  const matches = () => {
    const words = search.value.trim().toLowerCase();
    const fits = (call) => [call.id, call.from, call.to, call.agentId, call.worker, call.provider].some((text) => text?.toLowerCase().includes(words));
    return [...store.calls.values()].filter(
      (call) =>
        (ended.checked || !isOver(call.state)) &&
        (!state.value || call.state === state.value) &&
        (!direction.value || call.direction === direction.value) &&
        (!words || fits(call)),
    );
  };

  let chartAt = 0;
  const draw = () => {
    const now = store.now();
    const live = store.live;
    const latency = store.latency.summary(now - SUMMARY_MS);
    setText(tiles.live, live.length);
    setText(tiles.inbound, live.filter((call) => call.direction === "inbound").length);
    setText(tiles.outbound, live.filter((call) => call.direction === "outbound").length);
    setText(tiles.speaking, live.filter((call) => call.state === "speaking").length);
    setText(tiles.p50, latency.count ? millis(latency.p50) : "–");
    setText(tiles.p95, latency.count ? millis(latency.p95) : "–");
    setText(tiles.takeovers, store.takeovers.length);
    const rows = matches();
    setText(count, `${rows.length} of ${store.calls.size}`);
    table.update(rows, store.calls.size ? "No call matches." : "No calls yet. They appear here as they come.");
    drawProcesses(processes, store.processes);
    drawTakeovers(takeovers, store.takeovers, app);
    noTakeovers.hidden = store.takeovers.length > 0;
    if (now - chartAt >= CHART_EVERY_MS) {
      chartAt = now;
      chart.replaceChildren(latencyChart(store.latency.points(now - CHART_MS), now - CHART_MS, now));
    }
  };

  const drawing = throttled(draw, DRAW_EVERY_MS);
  for (const control of [search, state, direction, ended]) control.addEventListener("input", drawing.now);
  store.addEventListener("change", drawing.soon);
  app.addEventListener("numbers", drawing.now);
  const clockTick = setInterval(drawing.soon, 1_000); // durations grow
  queueMicrotask(draw);
  return {
    element,
    title: "Live",
    stop() {
      clearInterval(clockTick);
      store.removeEventListener("change", drawing.soon);
      app.removeEventListener("numbers", drawing.now);
    },
  };
}

/** `soon()` runs `work` in a frame, at most every so many ms; `now()` in the next frame. */
export function throttled(work, everyMs) {
  let at = 0;
  let waiting = false;
  const run = () => {
    waiting = false;
    at = performance.now();
    work();
  };
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => requestAnimationFrame(run), Math.max(0, at + everyMs - performance.now()));
  };
  return { soon, now: () => requestAnimationFrame(work) };
}

function select(id, every, values) {
  return h("select", { id }, h("option", { value: "" }, every), values.map((value) => h("option", { value }, value)));
}

function drawProcesses(list, processes) {
  const most = Math.max(1, ...processes.map((one) => one.calls.length));
  while (list.children.length > processes.length) list.lastChild.remove();
  processes.forEach((one, place) => {
    const item = list.children[place] ?? list.appendChild(h("li", null, h("span", { class: "dot" }), h("span", { class: "name mono" }), h("meter", { min: 0 }), h("span", { class: "num dim" })));
    const [dot, name, meter, calls] = item.children;
    item.className = `${one.kind} ${one.alive ? "alive" : "gone"}`;
    dot.title = one.alive ? "alive" : "gone";
    setText(name, one.name);
    name.title = one.name;
    meter.max = most;
    meter.value = one.calls.length;
    meter.setAttribute("aria-label", `Calls of ${one.name}`);
    setText(calls, one.alive ? `${one.calls.length} calls` : `gone, ${one.calls.length} calls`);
  });
}

const CAUSES = { died: "its process died", lapsed: "its lease ran out", "handed-over": "handed over in order" };

function drawTakeovers(list, takeovers, app) {
  const known = new Map([...list.children].map((item) => [item.dataset.key, item]));
  takeovers.forEach((one, place) => {
    const key = `${one.callId} ${one.epoch}`;
    let item = known.get(key);
    if (!item) {
      const link = h("a", { href: `#/call/${one.callId}` }, one.callId.slice(0, 8));
      item = h("li", { dataset: { key } }, h("time", { class: "mono dim" }, clock(one.at)), link, h("span"), h("span", { class: "dim" }, CAUSES[one.cause] ?? one.cause));
      list.insertBefore(item, list.children[place] ?? null);
    }
    known.delete(key);
    setText(item.children[2], one.from || one.to ? `${one.from || "?"} → ${one.to || "…"}` : "another worker");
  });
  for (const item of known.values()) item.remove();
}
