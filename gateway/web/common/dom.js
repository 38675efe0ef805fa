/* Builds elements. Every child that is no element becomes a text node: nothing of a call can become markup. */

const SVG = "http://www.w3.org/2000/svg";

/** An element. Of `props`, functions named `onclick` and the like are listeners, `class`, `dataset` and attributes are
 *  set; null, undefined and false are left out. Children: elements, texts, numbers, lists of them. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** The element of this id. */
export const $ = (id) => document.getElementById(id);

/** A new element with a text and a class. */
export function put(tag, text = "", className = "") {
  return h(tag, { class: className || null }, text);
}

/** Replace the text of an element, if it is another one. */
export function setText(element, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set or, with null, undefined or false, remove an attribute; unchanged ones are left alone. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : String(value));
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
