/* The timeline of a call: one lane for each who takes part, drawn to scale; it can be zoomed and moved. */

import { h, svg } from "../common/dom.js";
import { clock, duration } from "../common/format.js";

const LANES = ["caller", "stt", "model", "tts", "agent", "carrier"];
const LABELS = { caller: "Caller", stt: "STT", model: "Model", tts: "TTS", agent: "Agent", carrier: "Carrier" };
const LANE = 28;
const TOP = 8;
const AXIS = 22;
const WIDEST = 60_000; // pixels of a drawing
const MARKS = 4_000; // drawn at most, the newest
const TICKS = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000];

/** {element, update(record, events, waits, now)}. */
export function timeline() {
  let zoom = 1;
  let last = null;
  const scroller = h("div", { class: "lanes-scroll", tabindex: "0", role: "img", "aria-label": "Timeline" });
  const names = h("div", { class: "lane-names", "aria-hidden": "true" }, LANES.map((lane) => h("span", { class: lane }, LABELS[lane])));
  const button = (label, title, work) => h("button", { type: "button", class: "quiet", "aria-label": title, title, onclick: work }, label);
  const element = h(
    "section",
    { class: "card timeline", "aria-label": "Timeline" },
    h("div", { class: "bar" }, h("h2", null, "Timeline"), button("−", "Zoom out", () => scale(1 / 1.6)), button("+", "Zoom in", () => scale(1.6)), button("Fit", "Show the whole call", () => scale(0))),
    h("div", { class: "lanes" }, names, scroller),
  );
  scroller.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") scale(1.6);
    else if (event.key === "-") scale(1 / 1.6);
    else if (event.key === "0") scale(0);
    else return;
    event.preventDefault();
  });
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    scale(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - scroller.getBoundingClientRect().left);
  }, { passive: false });
  new ResizeObserver(() => draw()).observe(scroller);

  function scale(by, at = scroller.clientWidth / 2) {
    const share = (scroller.scrollLeft + at) / Math.max(1, scroller.scrollWidth);
    zoom = by ? Math.min(WIDEST / Math.max(1, scroller.clientWidth), Math.max(1, zoom * by)) : 1;
    draw();
    scroller.scrollLeft = share * scroller.scrollWidth - at;
  }

  function draw() {
    if (!last || !scroller.clientWidth) return;
    const atEnd = scroller.scrollLeft + scroller.clientWidth >= scroller.scrollWidth - 4;
    scroller.replaceChildren(drawing(last, scroller.clientWidth * zoom));
    scroller.setAttribute("aria-label", described(last));
    if (atEnd) scroller.scrollLeft = scroller.scrollWidth;
  }

  return {
    element,
    update(record, events, waits, now) {
      last = { from: record.startedAt, to: Math.max(record.endedAt ?? now, record.startedAt + 1_000), marks: marksOf(record, events, waits, now).slice(-MARKS) };
      draw();
    },
  };
}

function drawing({ from, to, marks }, width) {
  const height = TOP + LANES.length * LANE + AXIS;
  const x = (at) => Math.round(((at - from) / (to - from)) * (width - 12) * 10) / 10 + 4;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  LANES.forEach((lane, row) => root.append(svg("line", { class: "grid", x1: 0, x2: width, y1: TOP + row * LANE + LANE / 2, y2: TOP + row * LANE + LANE / 2 })));
  const step = TICKS.find((ms) => (ms / (to - from)) * width >= 70) ?? Math.max(3_600_000, (to - from) / 20);
  for (let at = 0; at <= to - from; at += step) {
    root.append(
      svg("line", { class: "grid", x1: x(from + at), x2: x(from + at), y1: TOP, y2: height - AXIS }),
      svg("text", { class: "tick", x: x(from + at) + 3, y: height - 7 }, step < 1_000 ? `${(at / 1000).toFixed(1)} s` : duration(at)),
    );
  }
  for (const mark of marks) root.append(shape(mark, x, height));
  return root;
}

function shape(mark, x, height) {
  const title = svg("title", null, `${clock(mark.at, true)} ${mark.title}`);
  if (mark.lane === "all") return svg("line", { class: "takeover", x1: x(mark.at), x2: x(mark.at), y1: 0, y2: height - AXIS }, title);
  const middle = TOP + LANES.indexOf(mark.lane) * LANE + LANE / 2;
  const tone = `mark ${mark.lane} ${mark.tone ?? ""}`;
  if (mark.until === undefined) return svg("circle", { class: tone, cx: x(mark.at), cy: middle, r: 4.5 }, title);
  return svg("rect", { class: tone, x: x(mark.at), y: middle - 8, height: 16, rx: 3, width: Math.max(2, x(mark.until) - x(mark.at)) }, title);
}

const CARRIER = {
  Dialled: "the carrier took the dial", Ringing: "rings", Answered: "answered", StreamOpened: "media socket opened", StreamClosed: "media socket closed",
  HungUp: "hung up", CommandDone: "a command was done", CommandFailed: "a command failed", LegSeen: "the carrier was asked", DialRefused: "the dial was refused",
  DialLost: "the reply to the dial was lost", StreamUnusable: "the media socket cannot be used", GreetingEnded: "the machine's greeting ended", Billed: "billed",
};
const BAD = new Set(["CommandFailed", "DialRefused", "DialLost", "StreamUnusable"]);

/** What is drawn: {lane, at, until?, title, tone?}. Of an archived call only its transcript and its waits are known. */
export function marksOf(record, events, waits, now) {
  if (!events.length) return archived(record, waits);
  const end = record.endedAt ?? now;
  const marks = [];
  const open = {};
  const begin = (lane, at, title) => (open[lane] ??= { lane, at, title });
  const finish = (lane, at, more = {}) => {
    if (open[lane]) marks.push({ ...open[lane], until: at, ...more });
    delete open[lane];
  };
  for (const event of events) {
    const { at, type } = event;
    if (type === "SpeechStarted") begin("caller", at, "caller speaks");
    else if (type === "SpeechStopped") {
      finish("caller", at - (event.silentMs ?? 0));
      begin("stt", at - (event.silentMs ?? 0), "until the transcript");
    } else if (type === "Heard") {
      if (event.final === false) continue;
      finish("caller", at);
      if (open.stt) finish("stt", at, { title: "speech recognition" });
      else marks.push({ lane: "stt", at, title: "a transcript" });
      if (event.text) begin("model", at, "the agent writes");
    } else if (type === "Keyed") marks.push({ lane: "caller", at, title: `pressed ${event.digits}` });
    else if (type.startsWith("Hearing")) marks.push({ lane: "stt", at, title: type, tone: type === "HearingBack" ? "" : "bad" });
    else if (type === "AgentSaid") marks.push({ lane: "model", at, title: "a sentence" });
    else if (type === "AgentDone") finish("model", at);
    else if (type === "AgentFailed") {
      finish("model", at);
      marks.push({ lane: "model", at, title: `failed: ${event.reason}`, tone: "bad" });
    } else if (type === "PlaybackBegan") {
      const ready = at - (event.queuedMs ?? 0);
      if (event.synthesisMs) marks.push({ lane: "tts", at: ready - event.synthesisMs, until: ready, title: `first audio after ${event.synthesisMs} ms` });
      begin("agent", at, "the agent is heard");
    } else if (type === "PlaybackDone") finish("agent", at, event.complete ? {} : { tone: "cut", title: "the agent is heard, and cut" });
    else if (type === "SpeechFailed") marks.push({ lane: "tts", at, title: `failed: ${event.reason}`, tone: "bad" });
    else if (type === "Reactivated" && event.epoch > 1) marks.push({ lane: "all", at, title: `another worker took over (${event.cause})` });
    else if (CARRIER[type]) marks.push({ lane: "carrier", at, title: CARRIER[type], tone: BAD.has(type) ? "bad" : "" });
  }
  for (const lane of Object.keys(open)) if (lane !== "model" || !record.endedAt) finish(lane, end);
  return marks.sort((a, b) => a.at - b.at);
}

function archived(record, waits) {
  const said = (record.transcript ?? []).map((line) => ({ lane: line.speaker === "user" ? "caller" : "agent", at: line.timestamp, title: "a line of the transcript" }));
  const replies = waits.filter((wait) => wait.at).map((wait) => ({ lane: "model", at: wait.at - sum(wait.spans), until: wait.at, title: "wait for a reply" }));
  const carrier = [[record.startedAt, "began"], [record.answeredAt, "answered"], [record.endedAt, "over"]].filter(([at]) => at).map(([at, title]) => ({ lane: "carrier", at, title }));
  return [...said, ...replies, ...carrier].sort((a, b) => a.at - b.at);
}

const sum = (spans) => Object.values(spans).reduce((all, ms) => all + ms, 0);

function described({ from, to, marks }) {
  const count = (lane) => marks.filter((mark) => mark.lane === lane).length;
  return `Timeline of ${duration(to - from)}: ${LANES.map((lane) => `${LABELS[lane]} ${count(lane)}`).join(", ")} marks. Plus and minus zoom, arrows move, 0 shows all.`;
}
