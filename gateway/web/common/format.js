/* Texts for numbers, times and states. Pure. */

const TWO = (number) => String(number).padStart(2, "0");

/** Time of day of epoch milliseconds, local: 14:03:59, with `ms` 14:03:59.250. */
export function clock(at, ms = false) {
  const date = new Date(at);
  const seconds = `${TWO(date.getHours())}:${TWO(date.getMinutes())}:${TWO(date.getSeconds())}`;
  return ms ? `${seconds}.${String(date.getMilliseconds()).padStart(3, "0")}` : seconds;
}

/** Local date and time: 2026-01-31 14:03. */
export function dateTime(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${TWO(date.getMonth() + 1)}-${TWO(date.getDate())} ${TWO(date.getHours())}:${TWO(date.getMinutes())}`;
}

/** 0:07, 12:40, 1:02:03 of milliseconds. */
export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600);
  return hours ? `${hours}:${TWO(minutes)}:${TWO(s % 60)}` : `${minutes}:${TWO(s % 60)}`;
}

export const millis = (ms) => (ms === undefined || ms === null ? "" : `${Math.round(ms)} ms`);

const NAMELESS = new Set(["", "unknown", "anonymous", "restricted", "unavailable"]);

/** A phone number without its middle digits: +15•••34. Of any other address its last two characters. */
export function masked(number) {
  const text = number ?? "";
  const match = /^(\+?\d{2})\d{3,}(\d{2})$/.exec(text);
  if (match) return `${match[1]}•••${match[2]}`;
  return NAMELESS.has(text.toLowerCase()) ? text : `•••${text.slice(-2)}`;
}

/** A text with every phone number in it masked, such as a session key. */
export const maskedIn = (text) => String(text ?? "").replace(/\+?\d{7,15}/g, masked);

const STATES_LIVE = new Set(["initiated", "ringing", "answered", "active", "speaking", "listening"]);

/** Whether a state is the last one of its call. */
export const isOver = (state) => !STATES_LIVE.has(state);

/** The value below which `share` of the sorted values lie (nearest rank); undefined without values. */
export function percentile(sorted, share) {
  return sorted.length ? sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] : undefined;
}
