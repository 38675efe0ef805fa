/* A table of any number of rows, of which only those in view are in the document.
 *
 * Rows keep their element while they are in view, so that focus and selection stay where they are when the order
 * changes. Keys: arrows, Page Up and Down, Home and End move, Enter opens. */

import { h, setAttribute } from "../common/dom.js";

const OVERSCAN = 6;
const narrow = matchMedia("(max-width: 760px)");

export class Table {
  /** `columns`: {id, label, text(row), sort?(row), render?(cell, row)}; `key(row)`: its id; `open(row)`: it was chosen;
   *  `sorted`: {by, descending}; `onEnd`: the last rows are in view. */
  constructor({ label, columns, key, open, sorted = null, rowClass = () => "", heights = [38, 66], onEnd = () => {} }) {
    Object.assign(this, { columns, key, open, sorted, rowClass, heights, onEnd });
    this.rows = [];
    this.order = [];
    this.active = null;
    this._shown = new Map();
    this._free = [];
    this._heads = columns.map((column) => this._head(column));
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.empty = h("p", { class: "empty dim" });
    this.element = h(
      "div",
      { class: "table", role: "table", "aria-label": label },
      h("div", { class: "heads", role: "rowgroup" }, h("div", { class: "row head", role: "row" }, this._heads)),
      (this.scroller = h("div", { class: "scroller", role: "presentation" }, this.body, this.empty)),
    );
    this.scroller.addEventListener("scroll", () => this._draw(), { passive: true });
    this.body.addEventListener("click", (event) => this._clicked(event));
    this.body.addEventListener("keydown", (event) => this._pressed(event));
    narrow.addEventListener("change", () => this._draw());
    new ResizeObserver(() => this._draw()).observe(this.scroller);
    this._showSort();
  }

  get rowHeight() {
    return this.heights[narrow.matches ? 1 : 0];
  }

  /** Show these rows; `empty` is what is said when there are none. */
  update(rows, empty = "") {
    this.rows = rows;
    this._arrange();
    this.empty.textContent = rows.length ? "" : empty;
    this._draw();
  }

  _arrange() {
    const column = this.sorted && this.columns.find((one) => one.id === this.sorted.by);
    const value = column && (column.sort ?? column.text);
    const sign = this.sorted?.descending ? -1 : 1;
    this.order = value ? [...this.rows].sort((a, b) => sign * compare(value(a), value(b))) : this.rows;
  }

  _draw() {
    const height = this.rowHeight;
    this.body.style.height = `${this.order.length * height}px`;
    setAttribute(this.element, "aria-rowcount", this.order.length + 1);
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / height) - OVERSCAN);
    const last = Math.min(this.order.length, Math.ceil((top + this.scroller.clientHeight) / height) + OVERSCAN);
    const visible = this.order.slice(first, last);
    const wanted = new Set(visible.map((row) => this.key(row)));
    const focused = document.activeElement?.parentElement === this.body ? document.activeElement : null;
    for (const [key, node] of this._shown) {
      if (wanted.has(key) || node === focused) continue;
      this._shown.delete(key);
      node.remove();
      this._free.push(node);
    }
    visible.forEach((row, place) => this._drawRow(row, first + place, height));
    this._free.length = Math.min(this._free.length, 40);
    this._makeReachable(visible);
    if (last >= this.order.length && this.order.length) this.onEnd();
  }

  _drawRow(row, index, height) {
    const key = this.key(row);
    let node = this._shown.get(key);
    if (!node) {
      node = this._free.pop() ?? this._blank();
      this._shown.set(key, node);
      this.body.append(node);
      node.dataset.key = key;
    }
    if (node.index !== index || node.height !== height) {
      node.style.transform = `translateY(${index * height}px)`;
      node.style.height = `${height}px`;
      node.setAttribute("aria-rowindex", index + 2);
      Object.assign(node, { index, height });
    }
    const wantedClass = `row ${this.rowClass(row)}`;
    if (node.className !== wantedClass) node.className = wantedClass;
    this.columns.forEach((column, place) => {
      const text = column.text(row);
      if (node.texts[place] === text) return;
      node.texts[place] = text;
      const cell = node.children[place];
      if (column.render) column.render(cell, row);
      else {
        cell.textContent = text;
        cell.title = text;
      }
    });
  }

  _blank() {
    const cells = this.columns.map((column) => h("div", { class: `cell ${column.id}`, role: "cell" }));
    const node = h("div", { class: "row", role: "row", tabindex: "-1" }, cells);
    node.texts = [];
    return node;
  }

  /** Tab reaches one row: the one that was active, or the first in view. */
  _makeReachable(visible) {
    const keys = visible.map((row) => this.key(row));
    const reachable = keys.includes(this.active) ? this.active : keys[0];
    for (const [key, node] of this._shown) setAttribute(node, "tabindex", key === reachable ? "0" : "-1");
  }

  _head(column) {
    const button = h("button", { type: "button", class: "sort", onclick: () => this._sortBy(column) }, column.label);
    return h("div", { class: `cell ${column.id}`, role: "columnheader" }, column.sort === false ? column.label : button);
  }

  _sortBy(column) {
    const same = this.sorted?.by === column.id;
    this.sorted = { by: column.id, descending: same ? !this.sorted.descending : false };
    this._showSort();
    this._arrange();
    this._draw();
  }

  _showSort() {
    this.columns.forEach((column, place) => {
      const by = this.sorted?.by === column.id;
      setAttribute(this._heads[place], "aria-sort", by ? (this.sorted.descending ? "descending" : "ascending") : null);
    });
  }

  _clicked(event) {
    const node = event.target.closest(".row");
    const row = node && this.order[node.index];
    if (!row || !getSelection().isCollapsed) return;
    this.active = this.key(row);
    this.open(row);
  }

  _pressed(event) {
    const node = event.target.closest(".row");
    if (!node) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter") this.open(this.order[node.index]);
    else if (step === undefined) return;
    else this._goTo(Math.min(this.order.length - 1, Math.max(0, node.index + step)));
    event.preventDefault();
  }

  _goTo(index) {
    const height = this.rowHeight;
    const top = index * height;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + height > this.scroller.scrollTop + this.scroller.clientHeight) {
      this.scroller.scrollTop = top + height - this.scroller.clientHeight;
    }
    this.active = this.key(this.order[index]);
    this._draw();
    this._shown.get(this.active)?.focus({ preventScroll: true });
    this._draw();
  }
}

function compare(a, b) {
  if (a === undefined || a === "") return b === undefined || b === "" ? 0 : 1;
  if (b === undefined || b === "") return -1;
  return a < b ? -1 : a > b ? 1 : 0;
}
