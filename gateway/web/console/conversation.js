/* The conversation of a call, from its transcript and its events: who said what when, what of it was cut, and what
 * happened in between. Pure. */

import { isOver } from "../common/format.js";
import { OUTCOMES } from "./words.js";

const SAID = new Set(["AgentSaid", "SpeakAsked", "ContinueAsked"]);
const SAME_MS = 5;
const SPOKEN_WITHIN_MS = 120_000;
const PENDING_MS = 2_500; // the record is asked for after the event, so that a text is not taken for cut too early

const letters = (text) => text.replace(/[^\p{L}\p{N}]/gu, "").toLowerCase();

/** Entries in order of time: {key, at, who: "caller" | "agent" | "note", text, cut, kind}. `now`: epoch ms. */
export function conversation(record, events, now) {
  const said = saidTexts(events);
  const lines = (record?.transcript ?? []).map((line, place) => entryOf(line, place, said));
  for (const one of said) attachRest(one, record, events, now, lines);
  const entries = [...lines, ...said.flatMap((one) => one.entry ?? []), ...events.flatMap(noteOf)];
  if (record?.endedAt && !events.some((event) => event.type === "HungUp")) entries.push(ending(record));
  return entries.sort((a, b) => a.at - b.at || a.order - b.order);
}

function saidTexts(events) {
  const found = [];
  for (const event of events) {
    const text = SAID.has(event.type) ? event.text : event.type === "Placed" ? event.message : event.type === "Arrived" ? event.greeting : "";
    if (text) found.push({ at: event.at, seq: event.seq, text, left: text, turn: event.turn, opening: event.type === "Placed" || event.type === "Arrived", lines: [] });
  }
  return found;
}

/** A line of the transcript holds what was heard; the text that it is a beginning of was said. */
function entryOf(line, place, said) {
  const isCaller = line.speaker === "user";
  const entry = { key: `line ${place}`, order: 1, at: line.timestamp, who: isCaller ? "caller" : "agent", text: line.text, cut: "", kind: "" };
  if (isCaller) return entry;
  const heard = letters(line.text);
  const fits = (one) => one.left && letters(one.left).startsWith(heard);
  const near = said.filter((one) => one.at <= line.timestamp + SAME_MS && one.at > line.timestamp - SPOKEN_WITHIN_MS && fits(one));
  const source = near.find((one) => Math.abs(one.at - line.timestamp) <= SAME_MS) ?? said.find((one) => one.opening && !one.lines.length && fits(one)) ?? near.at(0);
  if (source) {
    if (source.lines.length) entry.kind = "resumed";
    source.left = withoutBeginning(source.left, heard.length);
    source.lines.push(entry);
    entry.turn = source.turn;
  }
  return entry;
}

/** The text behind its first `count` letters and digits. */
function withoutBeginning(text, count) {
  let left = count;
  let place = 0;
  for (const character of text) {
    if (left === 0) break;
    if (letters(character)) left -= 1;
    place += character.length;
  }
  return letters(text.slice(place)) ? text.slice(place) : "";
}

function attachRest(one, record, events, now, lines) {
  if (!one.left) return;
  const last = one.lines.at(-1);
  if (last) {
    last.cut = one.left.trim();
    return;
  }
  const over = record ? isOver(record.state) : false;
  const passed = lines.some((line) => line.who === "caller" && line.at > one.at) || now - one.at > PENDING_MS;
  const waits = !over && (one.opening ? !events.some((event) => event.type === "PlaybackBegan") : !passed);
  const kind = waits ? "pending" : "unheard";
  one.entry = { key: `said ${one.seq}`, order: 1, at: one.at, who: "agent", text: waits ? one.text : "", cut: waits ? "" : one.text, kind, turn: one.turn };
}

const SERVICES = { stt: "speech recognition", tts: "the voice", agent: "the agent" };

/** What an event adds between the bubbles; most add nothing. */
function noteOf(event) {
  const text = wordsOf(event);
  const notes = text ? [{ ...note(event, text), kind: TONES[event.type] ?? "" }] : [];
  if (event.failover) {
    const { service, from, to, reason } = event.failover;
    notes.push({ ...note(event, `${SERVICES[service] ?? service}: ${to} took over from ${from} (${reason})`), key: `failover ${event.seq}`, kind: "warn" });
  }
  return notes;
}

const note = (event, text) => ({ key: `event ${event.seq}`, order: 0, at: event.at, who: "note", text });

const TONES = {
  Reactivated: "warn", AgentFailed: "bad", SpeechFailed: "bad", HearingFailed: "bad", HearingLost: "warn", DialRefused: "bad",
  DialLost: "bad", CommandFailed: "bad", TurnedAway: "bad", StreamUnusable: "bad",
};

const SHORT = 160; // characters of a tool's arguments or result

const short = (text) => (text.length > SHORT ? `${text.slice(0, SHORT)}…` : text);

function wordsOf(event) {
  switch (event.type) {
    case "Placed": return `placed by ${event.carrier}`;
    case "Arrived": return `arrived by ${event.carrier}${event.verified ? ", caller verified" : ""}`;
    case "TurnedAway": return `refused: ${event.reason}`;
    case "Ringing": return "rings";
    case "Answered": return event.by ? `answered by ${event.by === "human" ? "a human" : `a ${event.by}`}` : "answered";
    case "DialRefused": return `the carrier refused the call: ${event.code} ${event.message}`;
    case "DialLost": return "the carrier's reply to the dial was lost";
    case "Keyed": return `caller pressed ${event.digits}`;
    case "DigitsAsked": return `keys asked for: ${event.digits}`;
    case "SpeakAsked": return event.guidance ? `${event.asks ? "the agent is to ask" : "hint to the agent"}, unheard by the caller: ${event.guidance}` : "";
    case "EndAsked": return "asked to hang up";
    case "HearingLost": return "speech recognition broke off";
    case "HearingBack": return "speech recognition is back";
    case "HearingFailed": return `speech recognition failed: ${event.reason}`;
    case "AgentFailed": return `the agent failed: ${event.reason}`;
    case "SpeechFailed": return `the voice failed: ${event.reason}${event.clip ? "; a recorded apology is played" : ""}`;
    case "AgentDone": return (event.calls ?? []).map((call) => `the agent calls ${call.name} ${short(call.arguments)}`).join("; ");
    case "CommandDone": return event.tool ? `${event.tool}: ${short(event.result ?? "done")}` : "";
    case "CommandFailed": return event.tool ? `${event.tool} ${event.unknown ? "gave no answer" : "failed"}: ${short(event.reason)}` : `a command to the carrier failed: ${event.reason}`;
    case "StreamUnusable": return `the media socket cannot be used: ${event.reason}`;
    case "Reactivated": return event.epoch > 1 ? `another worker took over: ${{ died: "the process died", lapsed: "the lease ran out", "handed-over": "handed over" }[event.cause] ?? event.cause}` : "";
    case "HungUp": return `over: ${OUTCOMES[event.reason] ?? event.reason}`;
    default: return "";
  }
}

function ending(record) {
  return { key: "ended", order: 2, at: record.endedAt, who: "note", text: `over: ${OUTCOMES[record.endReason] ?? record.endReason ?? record.state}`, kind: "" };
}
