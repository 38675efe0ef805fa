/* The console: its frame, its views, and what they share. Addresses are #/live, #/call/<id>, #/history, #/place, #/health;
 * no address holds a token, a number or a word of a conversation. */

import { h, setText } from "../common/dom.js";
import { Gateway } from "../common/gateway.js";
import { forgetToken, signIn } from "../common/signin.js";
import { applyTheme, themeSwitch } from "../common/theme.js";
import { callView } from "./call.js";
import { healthView } from "./health.js";
import { historyView } from "./history.js";
import { liveView } from "./live.js";
import { placeView } from "./place.js";
import { Store } from "./store.js";

const VIEWS = { live: liveView, history: historyView, place: placeView, health: healthView };
const NAMES = { live: "Live", history: "History", place: "Place a call", health: "Health" };
const TOAST_MS = 6_000;

class App extends EventTarget {
  constructor() {
    super();
    this.gateway = new Gateway();
    this.store = new Store(this.gateway);
    this._shows = false;
    this._view = null;
    this._routed = false;
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  }

  showsNumbers() {
    return this._shows;
  }

  openCall(id) {
    location.hash = `#/call/${id}`;
  }

  /** A message that goes away by itself. */
  say(text, tone = "") {
    const toast = h("p", { class: `toast ${tone}` }, text);
    this.toasts.append(toast);
    setTimeout(() => toast.remove(), TOAST_MS);
  }

  /** Run an action and say how it went; true when it succeeded. */
  async act(name, work, words = () => `${name}: done.`) {
    try {
      this.say(words(await work()), "good");
      return true;
    } catch (refusal) {
      this.say(`${name}: ${refusal.message}`, "bad");
      return false;
    }
  }

  confirm(title, text, action) {
    return this._dialog(title, text, action, null).then((answer) => answer !== null);
  }

  /** Ask for a text; null when it was cancelled. */
  ask(title, text, label, action, value = "") {
    return this._dialog(title, text, action, h("input", { type: "text", "aria-label": label, placeholder: label, required: true, value }));
  }

  _dialog(title, text, action, input) {
    return new Promise((resolve) => {
      const dialog = h("dialog", { "aria-labelledby": "dialog-title" });
      const finish = (answer) => {
        dialog.close();
        dialog.remove();
        resolve(answer);
      };
      const form = h("form", null, h("h2", { id: "dialog-title" }, title), h("p", null, text), input, h("div", { class: "row-of" }, h("button", { type: "button", onclick: () => finish(null) }, "Cancel"), h("button", { class: "danger" }, action)));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        finish(input ? input.value : "");
      });
      dialog.addEventListener("cancel", () => finish(null));
      dialog.append(form);
      document.body.append(dialog);
      dialog.showModal();
      if (input) input.focus();
    });
  }

  toggleNumbers(button) {
    this._shows = !this._shows;
    button.setAttribute("aria-pressed", String(this._shows));
    this.dispatchEvent(new Event("numbers"));
  }

  /** Show the view that the address names. */
  route(links) {
    const [, name = "live", id = ""] = location.hash.split("/");
    this._view?.stop();
    const isCall = name === "call" && id !== "";
    this._view = isCall ? callView(this, id) : (VIEWS[name] ?? liveView)(this);
    this.main.replaceChildren(this._view.element);
    document.title = `${this._view.title} · voicecall`;
    const current = isCall ? "live" : name in VIEWS ? name : "live";
    for (const [key, link] of Object.entries(links)) {
      if (key === current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    if (this._routed) this.main.focus({ preventScroll: true });
    this._routed = true;
  }
}

const STATES = { idle: "not connected", connecting: "connecting…", open: "connected", waiting: "reconnecting…", refused: "signed out" };

function start() {
  applyTheme();
  const app = new App();
  const links = Object.fromEntries(Object.entries(NAMES).map(([name, label]) => [name, h("a", { href: `#/${name}` }, label)]));
  const phone = h("a", { href: "/phone", hidden: true }, "Test phone");
  const link = h("span", { class: "link", role: "status" });
  const reader = h("span", { class: "badge plain", hidden: true, title: "This token sees, and cannot act" }, "read only");
  const numbers = h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => app.toggleNumbers(numbers) }, "Show numbers");
  const leave = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => { forgetToken(); location.reload(); } }, "Sign out");
  const frame = h(
    "div",
    { class: "frame", hidden: true },
    h("a", { class: "skip button", href: "#main", onclick: (event) => { event.preventDefault(); app.main.focus(); } }, "To the content"),
    h("header", { class: "top" }, h("b", { class: "brand" }, "voicecall"), h("nav", { "aria-label": "Views" }, Object.values(links), phone), h("div", { class: "tools" }, link, reader, numbers, themeSwitch(), leave)),
    app.main,
  );
  app.gateway.addEventListener("state", () => {
    const { state, problem, token, canWrite } = app.gateway;
    link.className = `link ${state}`;
    setText(link, STATES[state]);
    link.title = state === "open" ? "" : problem;
    reader.hidden = state !== "open" || canWrite;
    leave.hidden = !token;
    links.place.hidden = state === "open" && !canWrite;
  });
  let begun = false;
  const form = signIn(app.gateway, (isSignedIn) => {
    frame.hidden = !isSignedIn;
    if (!isSignedIn || begun) return;
    begun = true;
    app.route(links);
    addEventListener("hashchange", () => app.route(links));
    fetch("/phone", { method: "HEAD" }).then((answer) => (phone.hidden = !answer.ok), () => {});
  });
  document.body.append(form, frame, app.toasts);
}

start();
