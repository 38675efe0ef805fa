/* One call, live or ended: the conversation, its timeline, the waits for replies, every event, and what can be done. */

import { h, setText } from "../common/dom.js";
import { clock, dateTime, duration, isOver, masked, maskedIn, millis } from "../common/format.js";
import { conversation } from "./conversation.js";
import { download } from "./download.js";
import { listening } from "./listen.js";
import { throttled } from "./live.js";
import { recorded } from "./recording.js";
import { timeline } from "./timeline.js";
import { total, waterfall } from "./waterfall.js";
import { badge, OUTCOMES } from "./words.js";

const EVENTS_KEPT = 5_000;
const EVENTS_SHOWN = 300;
const WAITS_KEPT = 500;
const PAGE = 1_000;
const DRAW_EVERY_MS = 250;
const STATUS_EVERY_MS = 500;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/** What is known of the call `id`: its record, its events, and the waits for its replies. */
class CallModel extends EventTarget {
  constructor(app, id) {
    super();
    this.app = app;
    this.id = id;
    this.record = null;
    this.state = "loading"; // loading | found | unknown
    this.events = new Map(); // by seq
    this.waits = new Map(); // by when the reply began, or by turn where that is not known
    this.hasLog = false;
    this._wanted = true;
    this._end = app.gateway.subscribe("call", { callId: id }, { onItem: (item) => this._apply(item), onGap: () => this._load() });
    this._tick = setInterval(() => this._ask(), STATUS_EVERY_MS);
    this._onState = () => app.gateway.state === "open" && this._load();
    app.gateway.addEventListener("state", this._onState);
    this._load();
  }

  stop() {
    this._end();
    clearInterval(this._tick);
    this.app.gateway.removeEventListener("state", this._onState);
  }

  get ordered() {
    return [...this.events.values()].sort((a, b) => a.seq - b.seq);
  }

  get orderedWaits() {
    return [...this.waits.values()].sort((a, b) => a.turn - b.turn || (a.at ?? 0) - (b.at ?? 0));
  }

  async _load() {
    this._wanted = true;
    await this._ask();
    try {
      let after = 0;
      while (after !== undefined) {
        const page = await this.app.gateway.request("voicecall.events", { callId: this.id, after, limit: PAGE });
        this.hasLog ||= page.found;
        this._keep(page.events);
        for (const wait of page.turnSpans ?? []) this._keepWait(wait);
        after = page.next;
      }
    } catch {
      return; // the connection says so itself, and loads again when it is back
    }
    this.dispatchEvent(new Event("change"));
  }

  _apply(item) {
    this._keep(item.events);
    if (this.record) this.record.state = item.state;
    this._wanted = true;
    this.dispatchEvent(new Event("change"));
  }

  _keep(events) {
    for (const event of events) {
      this.events.set(event.seq, event);
      if (event.type === "PlaybackBegan" && event.spans) this._keepWait({ turn: this._turn(), at: event.at, spans: event.spans, tools: event.tools });
    }
    for (const seq of this.events.keys()) {
      if (this.events.size <= EVENTS_KEPT) break;
      this.events.delete(seq);
    }
  }

  /** The turn of the newest sentence of the agent. */
  _turn() {
    let turn = 0;
    for (const event of this.events.values()) if (event.type === "AgentSaid") turn = Math.max(turn, event.turn);
    return turn;
  }

  async _ask() {
    if (!this._wanted || this.app.gateway.state !== "open") return;
    this._wanted = false;
    try {
      const found = await this.app.gateway.request("voicecall.status", { callId: this.id });
      this.state = found.found ? "found" : "unknown";
      this.record = found.call ?? this.record;
    } catch (refusal) {
      if (refusal.code === "INVALID_REQUEST") this.state = "unknown"; // the address holds no id of a call
      else this._wanted = true;
      this.dispatchEvent(new Event("change"));
      return;
    }
    const facts = this.record?.metadata ?? {};
    for (const wait of facts.turnSpans ?? []) this._keepWait(wait);
    // The newest wait of a live call, where the feed does not have it.
    if (facts.lastTurnSpans && !facts.turnSpans) this._keepWait({ turn: Math.max(this._turn(), 1), spans: facts.lastTurnSpans, tools: facts.lastTurnTools });
    this.dispatchEvent(new Event("change"));
  }

  /** The same wait may come from the feed, the log and the record. */
  _keepWait(wait) {
    const spans = JSON.stringify(wait.spans);
    if ([...this.waits.values()].some((known) => JSON.stringify(known.spans) === spans && Math.abs(known.turn - wait.turn) <= 1)) return;
    this.waits.set(wait.at ?? `turn ${wait.turn}`, wait);
    for (const key of this.waits.keys()) {
      if (this.waits.size <= WAITS_KEPT) break;
      this.waits.delete(key);
    }
  }
}

/** The view of the call `id`. */
export function callView(app, id) {
  const model = new CallModel(app, id);
  const line = timeline();
  const fall = waterfall();
  const head = header(app, id);
  const talk = h("ol", { class: "talk", role: "log", "aria-label": "Conversation", "aria-live": "polite", tabindex: "0" });
  const acting = actions(app, id);
  const record = recorded(app, id);
  const all = eventList(app);
  const missing = h("p", { class: "card missing", role: "status" }, "Loading…");
  const main = h(
    "div",
    { class: "call-body", hidden: true },
    line.element,
    h("section", { class: "card conversation", "aria-label": "Conversation" }, h("div", { class: "bar" }, h("h2", null, "Conversation")), talk, record.element, acting.element),
    h("div", { class: "column" }, fall.element, head.facts, all.element),
  );
  const element = h("div", { class: "view call" }, head.element, missing, main);

  const draw = () => {
    main.hidden = !model.record;
    missing.hidden = Boolean(model.record);
    if (model.state === "unknown") setText(missing, "There is no such call: it was deleted, or its id is wrong.");
    if (!model.record) return;
    const now = app.store.now();
    const events = model.ordered;
    const waits = model.orderedWaits;
    head.update(model.record, waits);
    line.update(model.record, events, waits, now);
    fall.update(waits);
    drawTalk(talk, conversation(model.record, events, now), waits);
    acting.update(model.record, model.state);
    record.update(model.record);
    all.update(events, model);
  };
  talk.addEventListener("click", (event) => {
    const at = event.target.closest("li")?.dataset.at;
    if (at && !getSelection().toString()) record.seek(Number(at));
  });
  const drawing = throttled(draw, DRAW_EVERY_MS);
  model.addEventListener("change", drawing.soon);
  app.addEventListener("numbers", drawing.now);
  const tick = setInterval(() => model.record && !isOver(model.record.state) && drawing.soon(), 1_000);
  return {
    element,
    title: `Call ${id.slice(0, 8)}`,
    stop() {
      model.stop();
      acting.stop();
      record.stop();
      clearInterval(tick);
      app.removeEventListener("numbers", drawing.now);
    },
  };
}

function header(app, id) {
  const state = h("span", { class: "state" });
  const parties = h("h1");
  const time = h("span", { class: "num dim" });
  const facts = h("dl");
  const section = h("section", { class: "card facts", "aria-label": "Facts" }, h("details", { open: true }, h("summary", null, h("h2", null, "Facts")), facts));
  let drawn = "";
  return {
    element: h("header", { class: "call-head" }, h("a", { href: "#/live", class: "button quiet", "aria-label": "Back to the live calls" }, "←"), state, parties, time),
    facts: section,
    update(record, waits) {
      const shown = (number) => (app.showsNumbers() ? number : masked(number));
      state.replaceChildren(badge(record.state));
      setText(parties, `${shown(record.from)} → ${shown(record.to)}`);
      setText(time, duration((record.endedAt ?? app.store.now()) - record.startedAt));
      const worker = app.store.calls.get(id)?.worker;
      const rows = Object.entries(factsOf(record, waits, worker, app)).filter(([, value]) => value !== undefined && value !== "");
      const text = JSON.stringify(rows);
      if (text === drawn) return;
      drawn = text;
      facts.replaceChildren(...rows.flatMap(([name, value]) => [h("dt", null, name), h("dd", { class: name.endsWith("id") ? "mono" : "" }, value)]));
    },
  };
}

function factsOf(record, waits, worker, app) {
  const facts = record.metadata;
  const waited = waits.map((wait) => total(wait.spans)).sort((a, b) => a - b);
  const price = facts.price ? `${facts.price} ${facts.currency ?? ""}` : undefined;
  return {
    Outcome: record.endReason && (OUTCOMES[record.endReason] ?? record.endReason),
    Why: facts.detail,
    Direction: record.direction,
    Mode: facts.mode,
    Carrier: record.provider,
    Agent: record.agentId,
    Worker: worker,
    Began: `${dateTime(record.startedAt)}, ${clock(record.startedAt)}`,
    Answered: record.answeredAt && `after ${duration(record.answeredAt - record.startedAt)}${facts.answeredBy ? ` by a ${facts.answeredBy}` : ""}`,
    Turns: facts.turnCount,
    "Last wait": facts.lastTurnLatencyMs === undefined ? undefined : millis(facts.lastTurnLatencyMs),
    "Longest wait": waited.length ? millis(waited.at(-1)) : undefined,
    Keys: facts.digits,
    Notes: facts.notes && Object.entries(facts.notes).map(([name, value]) => `${name}: ${value}`).join("; "),
    "Asks you": facts.question?.text,
    "Take-overs": facts.reactivations || undefined,
    "Fall-backs": facts.failovers?.map((one) => `${one.service}: ${one.from} → ${one.to} (${one.reason})`).join("; "),
    Billed: facts.billedSeconds === undefined ? undefined : `${facts.billedSeconds} s`,
    Price: price,
    "Call id": record.callId,
    "Carrier's id": record.providerCallId,
    Session: app.showsNumbers() ? record.sessionKey : maskedIn(record.sessionKey),
  };
}

function drawTalk(list, entries, waits) {
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const spoken = new Set();
  entries.forEach((entry, place) => {
    const first = entry.turn && !spoken.has(entry.turn);
    if (first) spoken.add(entry.turn);
    const wait = first ? waits.find((one) => one.turn === entry.turn) : null;
    const wanted = JSON.stringify([entry.text, entry.cut, entry.kind, wait && total(wait.spans)]);
    let node = known.get(entry.key);
    if (!node) node = h("li", { dataset: { key: entry.key } });
    node.dataset.at = entry.at;
    known.delete(entry.key);
    if (node.drawn !== wanted) {
      node.drawn = wanted;
      node.className = `${entry.who} ${entry.kind}`;
      node.replaceChildren(...bubble(entry, wait));
    }
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
  });
  for (const node of known.values()) node.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

const WHO = { caller: "Caller", agent: "Agent" };
const HINTS = { resumed: "went on", unheard: "not heard", pending: "to be said" };

function bubble(entry, wait) {
  const time = h("time", { class: "dim num" }, clock(entry.at));
  if (entry.who === "note") return [time, h("span", null, entry.text)];
  const hints = [HINTS[entry.kind], entry.cut && entry.kind !== "unheard" ? "cut" : "", wait ? millis(total(wait.spans)) : ""].filter(Boolean);
  const cut = entry.cut ? h("del", { title: "said, and not heard" }, h("span", { class: "hidden-label" }, "not heard: "), entry.cut) : null;
  return [
    h("div", { class: "who dim" }, h("b", null, WHO[entry.who]), time, hints.map((hint) => h("span", { class: "hint" }, hint))),
    h("div", { class: "bubble" }, entry.text, entry.text && cut ? " " : "", cut),
  ];
}

const NUMBERS = new Set(["from", "to", "sessionKey"]);

function eventList(app) {
  const list = h("ol", { class: "events mono" });
  const label = h("h2", null, "Events");
  const older = h("p", { class: "dim" });
  const details = h("details", null, h("summary", null, label), older, list);
  let latest = [];
  const draw = () => {
    if (!details.open) return;
    const shown = latest.slice(-EVENTS_SHOWN).reverse();
    older.textContent = latest.length > EVENTS_SHOWN ? `The newest ${EVENTS_SHOWN}.` : "";
    list.replaceChildren(...shown.map((event) => {
      const { seq, at, type, ...rest } = event;
      const shown = (name, value) => (NUMBERS.has(name) && !app.showsNumbers() ? maskedIn(value) : typeof value === "object" ? JSON.stringify(value) : value);
      const facts = Object.entries(rest).map(([name, value]) => `${name}: ${shown(name, value)}`);
      return h("li", null, h("span", { class: "dim num" }, seq), h("time", { class: "dim num" }, clock(at, true)), h("b", null, type), h("span", { class: "wrap" }, facts.join(", ")));
    }));
  };
  details.addEventListener("toggle", draw);
  return {
    element: h("section", { class: "card", "aria-label": "Events" }, details),
    update(events, model) {
      latest = events;
      setText(label, model.hasLog ? `Events (${events.length})` : "Events (not kept any more)");
      draw();
    },
  };
}

/** Say, guide, press keys, end; of an ended call: export and forget. */
function actions(app, id) {
  const steer = (mode, message, more) => app.gateway.request("voicecall.steer", { callId: id, message, mode, ...more });
  const now = h("input", { type: "checkbox" });
  const sayForm = textForm({
    id: "say", name: "Say", label: "Say on the call", hint: "What the agent's voice says",
    more: h("label", { class: "check" }, now, "at once, in place of what is being said"),
    run: (message) => app.act("Say", () => steer("say", message, now.checked ? { interrupt: true } : {})),
  });
  const guideForm = textForm({
    id: "guide", name: "Guide", label: "Guide the agent", hint: "A hint to the agent, which the caller does not hear",
    more: h("button", { type: "button", onclick: () => guideForm.run((message) => app.act("Ask", () => steer("ask", message), (answer) => `The caller answered: ${answer.transcript}`)) }, "Have it asked"),
    run: (message) => app.act("Guide", () => steer("guidance", message)),
  });
  const keys = h("div", { class: "keypad", role: "group", "aria-label": "Keypad" }, KEYS.map((key) => h("button", { type: "button", "aria-label": `Press ${key}`, onclick: () => press(key) }, key)));
  const keypad = h("details", { class: "keys" }, h("summary", { class: "button" }, "Keys"), keys);
  const end = h("button", { type: "button", class: "danger", onclick: () => ending() }, "End call");
  const keep = h("button", { type: "button", onclick: () => save() }, "Export");
  const forget = h("button", { type: "button", class: "danger", onclick: () => forgetting() }, "Forget");
  const readOnly = h("p", { class: "dim" }, "This token only reads: it sees the call and cannot act on it.");
  const listener = listening(app, id);
  const element = h("div", { class: "acts" }, listener.element, readOnly, sayForm.element, guideForm.element, h("div", { class: "row-of" }, keypad, end, keep, forget));
  let record = null;

  const act = (what, method, params) => app.act(what, () => app.gateway.request(method, params));
  const press = (digits) => act(`Press ${digits}`, "voicecall.dtmf", { callId: id, digits });
  const ending = async () => {
    if (await app.confirm("End this call?", "The agent hangs up at once.", "End call")) act("End", "voicecall.end", { callId: id });
  };
  const save = async () => {
    const { call } = await app.gateway.request("voicecall.status", { callId: id });
    if (call) download(`call-${id}.json`, "application/json", [JSON.stringify(call, null, 2)]);
  };
  const forgetting = async () => {
    if (!(await app.confirm("Forget this call?", "Its record, transcript and log are deleted everywhere. They cannot be restored.", "Forget"))) return;
    if (await act("Forget", "voicecall.forget", { callId: id })) location.hash = "#/history";
  };
  return {
    element,
    stop: listener.stop,
    update(next, state) {
      record = next;
      const live = state === "found" && !isOver(record.state);
      const canWrite = app.gateway.canWrite;
      readOnly.hidden = canWrite;
      listener.element.hidden = !live || !app.gateway.canListen;
      if (!live) listener.stop();
      for (const [control, shown] of [[sayForm.element, live && canWrite], [guideForm.element, live && canWrite], [keypad, live && canWrite], [end, live && canWrite], [keep, true], [forget, !live && canWrite]]) control.hidden = !shown;
    },
  };
}

/** A form of one text, which is sent with Enter and kept when that was refused. `run` is given it. */
function textForm({ id, name, label, hint, more, run }) {
  const text = h("textarea", { id, rows: 2, maxlength: 500, placeholder: hint });
  const form = h("form", { class: "say", "aria-label": name }, h("label", { for: id, class: "hidden-label" }, label), text, h("button", { class: "primary" }, name), more);
  const send = async (work) => {
    const message = text.value.trim();
    if (!message) return;
    text.value = "";
    if (!(await work(message)) && !text.value) text.value = message;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(run);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  return { element: form, run: send };
}
