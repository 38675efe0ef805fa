// Draws what the page knows of a call: words, turns, events, levels. Everything is inserted as text.

import { $, put } from "../common/dom.js";
import { clock } from "../common/format.js";
import { spansOf } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const EVENTS_KEPT = 200;

/** The lines of the conversation, as words.js makes them. */
export function drawWords(lines) {
  $("silent").hidden = lines.length > 0;
  const list = $("words");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.replaceChildren(...lines.map(drawLine));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function drawLine(line) {
  const item = put("li", "", line.agent ? "agent" : "caller");
  item.append(put("time", clock(line.at)));
  if (line.heard) item.append(put("span", line.heard, "heard"));
  if (line.cut) {
    const cut = put("span", line.cut, "cut");
    cut.title = "said by the agent, and not heard";
    item.append(cut, put("span", "cut", "tag"));
  }
  if (line.resumed) item.append(put("span", "resumed", "tag"));
  return item;
}

/** The turns with what each wait was made of: `{turn, spans}`, the newest first. */
export function drawTurns(turns) {
  $("none").hidden = turns.length > 0;
  $("turns").replaceChildren(...turns.map(drawTurn));
}

function drawTurn({ turn, spans }) {
  const parts = spansOf(spans);
  const item = put("li");
  const total = parts.reduce((sum, [, , ms]) => sum + ms, 0);
  const bar = document.createElementNS(SVG, "svg");
  bar.setAttribute("viewBox", `0 0 ${total || 1} 10`);
  bar.setAttribute("preserveAspectRatio", "none");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `turn ${turn}: ${total} ms`);
  let at = 0;
  parts.forEach(([, words, ms], place) => {
    const part = document.createElementNS(SVG, "rect");
    for (const [name, value] of [["x", at], ["y", 0], ["width", ms], ["height", 10]]) part.setAttribute(name, value);
    part.setAttribute("class", `s${place % 8}`);
    const title = document.createElementNS(SVG, "title");
    title.textContent = `${words}: ${ms} ms`;
    part.append(title);
    bar.append(part);
    at += ms;
  });
  const words = parts.map(([, words, ms]) => `${words} ${ms}`).join(", ");
  item.append(put("span", `Turn ${turn}: ${total} ms`), bar, put("small", words));
  return item;
}

/** One more line of the events. `at`: epoch milliseconds. */
export function drawEvent(at, text) {
  const item = put("li");
  item.append(put("time", clock(at)), put("span", text));
  $("events").prepend(item);
  while ($("events").children.length > EVENTS_KEPT) $("events").lastChild.remove();
}

/** Levels from 0 to 1 as RMS; loudness is heard by its logarithm. */
export function drawLevels(mine, theirs) {
  $("mine").value = loudness(mine);
  $("theirs").value = loudness(theirs);
}

const loudness = (rms) => (rms < 0.001 ? 0 : Math.min(1, 1 + Math.log10(rms) / 3));

/** Who has the floor: "agent", "caller" or "". */
export function drawFloor(who) {
  const words = { agent: "the agent speaks", caller: "you have the floor" };
  $("floor").className = `floor ${who}`;
  if ($("floor").textContent !== (words[who] || "no one speaks")) $("floor").textContent = words[who] || "no one speaks";
}

/** A notice for the person; "" removes it. */
export function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}
