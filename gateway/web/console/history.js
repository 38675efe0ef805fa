/* Ended calls: search, open, export, forget. */

import { h, setText } from "../common/dom.js";
import { dateTime, duration, masked, millis } from "../common/format.js";
import { csvHead, csvLine, download } from "./download.js";
import { Table } from "./table.js";
import { OUTCOMES } from "./words.js";

const PAGE = 100;
const EXPORT_PAGE = 200;
const LOADED = 20_000; // rows that one list holds

/** The search is kept while the page is open: coming back from a call shows the same list. */
let kept = { number: "", since: "", until: "", direction: "", outcome: "" };

export function historyView(app) {
  const shown = (number) => (app.showsNumbers() ? number : masked(number));
  const fields = {
    number: h("input", { id: "number", type: "text", inputmode: "tel", placeholder: "+15550001234", autocomplete: "off", value: kept.number }),
    since: h("input", { id: "since", type: "datetime-local", value: kept.since }),
    until: h("input", { id: "until", type: "datetime-local", value: kept.until }),
    direction: h("select", { id: "way" }, option("", "Both"), option("inbound", "inbound"), option("outbound", "outbound")),
    outcome: h("select", { id: "outcome" }, option("", "Any"), Object.entries(OUTCOMES).map(([value, label]) => option(value, label))),
  };
  fields.direction.value = kept.direction;
  fields.outcome.value = kept.outcome;
  const labels = { number: "Number", since: "From", until: "Until", direction: "Direction", outcome: "Outcome" };
  const problem = h("p", { class: "problem", role: "alert" });
  const form = h(
    "form",
    { class: "filters", "aria-label": "Search" },
    Object.entries(fields).map(([name, field]) => h("label", { class: "field" }, labels[name], field)),
    h("div", { class: "field buttons" }, h("button", { class: "primary" }, "Search"), h("button", { type: "reset" }, "Clear")),
  );
  const count = h("span", { class: "dim", role: "status" });
  const forget = h("button", { type: "button", class: "danger", onclick: () => forgetNumber() }, "Forget number…");
  const exports = ["JSON lines", "CSV"].map((kind) => h("button", { type: "button", onclick: () => exportAs(kind) }, `Export ${kind}`));
  const table = new Table({
    label: "Ended calls",
    key: (record) => record.callId,
    open: (record) => app.openCall(record.callId),
    heights: [38, 66],
    onEnd: () => more(),
    columns: [
      { id: "started", label: "Began", text: (one) => dateTime(one.startedAt), sort: (one) => one.startedAt },
      { id: "direction", label: "Direction", text: (one) => one.direction },
      { id: "from", label: "From", text: (one) => shown(one.from), sort: (one) => one.from },
      { id: "to", label: "To", text: (one) => shown(one.to), sort: (one) => one.to },
      { id: "outcome", label: "Outcome", text: (one) => OUTCOMES[one.endReason] ?? one.endReason ?? one.state },
      { id: "carrier", label: "Carrier", text: (one) => one.provider },
      { id: "agent", label: "Agent", text: (one) => one.agentId ?? "" },
      { id: "time", label: "Time", text: (one) => duration(one.endedAt - one.startedAt), sort: (one) => one.endedAt - one.startedAt },
      { id: "turns", label: "Turns", text: (one) => String(one.metadata.turnCount ?? 0), sort: (one) => one.metadata.turnCount ?? 0 },
      { id: "latency", label: "Latency", text: (one) => millis(one.metadata.lastTurnLatencyMs), sort: (one) => one.metadata.lastTurnLatencyMs },
    ],
  });
  const element = h(
    "div",
    { class: "view history" },
    h("section", { class: "card" }, form, problem),
    h("section", { class: "calls card", "aria-label": "Ended calls" }, h("div", { class: "bar" }, h("h1", null, "Ended calls"), count, h("span", { class: "push" }), exports, forget), table.element),
  );

  let records = [];
  let next;
  let loading = false;
  let search = 0;

  const filters = () => {
    const ms = (text) => (text ? new Date(text).getTime() : undefined);
    const given = { number: kept.number.trim(), since: ms(kept.since), until: ms(kept.until), direction: kept.direction, outcome: kept.outcome };
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== ""));
  };

  const redraw = () => {
    table.update(records, loading ? "Loading…" : "No ended call matches.");
    setText(count, `${records.length}${next ? " so far" : ""}`);
  };

  async function more() {
    if (loading || !next || records.length >= LOADED) return;
    await load({ cursor: next });
  }

  async function load(page = {}) {
    const mine = search;
    loading = true;
    try {
      const found = await app.gateway.request("voicecall.history", { ...filters(), ...page, limit: PAGE });
      if (mine !== search) return;
      records = page.cursor ? records.concat(found.calls) : found.calls;
      next = found.next;
      problem.textContent = "";
    } catch (refusal) {
      if (mine === search) problem.textContent = refusal.message;
    } finally {
      if (mine === search) {
        loading = false;
        redraw();
      }
    }
  }

  const begin = () => {
    search += 1;
    records = [];
    next = undefined;
    kept = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
    return load();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  form.addEventListener("reset", () => setTimeout(begin));

  /** Every call of the search, with its transcript, whole numbers included. */
  async function exportAs(kind) {
    exports.forEach((button) => (button.disabled = true));
    const csv = kind === "CSV";
    const parts = csv ? [csvHead] : [];
    const wanted = { ...filters(), limit: EXPORT_PAGE, transcripts: !csv };
    let written = 0;
    try {
      let cursor;
      do {
        const page = await app.gateway.request("voicecall.history", cursor ? { ...wanted, cursor } : wanted);
        parts.push(page.calls.map((record) => (csv ? csvLine(record) : `${JSON.stringify(record)}\n`)).join(""));
        written += page.calls.length;
        cursor = page.next;
        setText(count, `exporting: ${written}`);
      } while (cursor);
      download(csv ? "calls.csv" : "calls.jsonl", csv ? "text/csv" : "application/x-ndjson", parts);
      app.say(`${written} calls exported, with whole numbers.`);
    } catch (refusal) {
      app.say(`Not exported: ${refusal.message}`, "bad");
    } finally {
      exports.forEach((button) => (button.disabled = false));
      redraw();
    }
  }

  async function forgetNumber() {
    const number = await app.ask("Forget a number", "Every call to or from this number is deleted everywhere; live calls are deleted when they end. They cannot be restored.", "Number", "Forget", kept.number);
    if (!number) return;
    const done = await app.act("Forget", () => app.gateway.request("voicecall.forget", { number }), (counts) => `Deleted: ${counts.forgotten}. To be deleted when they end: ${counts.atEnd}.`);
    if (done) begin();
  }

  const connected = () => {
    forget.hidden = !app.gateway.canWrite;
    if (app.gateway.state === "open" && !records.length) begin();
  };
  app.gateway.addEventListener("state", connected);
  app.addEventListener("numbers", redraw);
  connected();
  return {
    element,
    title: "History",
    stop() {
      app.gateway.removeEventListener("state", connected);
      app.removeEventListener("numbers", redraw);
    },
  };
}

function option(value, label) {
  return h("option", { value }, label);
}
