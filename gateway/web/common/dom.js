// Small helpers for the pages' documents. Whatever is shown is inserted as text: a transcript never becomes markup.

/** The element of this id. */
export const $ = (id) => document.getElementById(id);

/** A new element with a text and a class. */
export function put(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** Hours, minutes, seconds of the local time. `ms`: epoch milliseconds. */
export function clock(ms) {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
