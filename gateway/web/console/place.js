/* Place a call. */

import { h } from "../common/dom.js";

export function placeView(app) {
  const field = (id, label, control, hint = "") => h("div", { class: "field" }, h("label", { for: id }, label), Object.assign(control, { id }), hint ? h("small", { class: "dim" }, hint) : null);
  const to = h("input", { type: "text", inputmode: "tel", placeholder: "+15550001234", autocomplete: "off" });
  const message = h("textarea", { rows: 3, maxlength: 4096, required: true });
  const mode = h("select", null, h("option", { value: "conversation" }, "conversation: say it, and talk"), h("option", { value: "notify" }, "notify: say it, and hang up"));
  const task = h("textarea", { rows: 2, maxlength: 2000 });
  const context = h("textarea", { rows: 2, maxlength: 4000 });
  const language = h("input", { type: "text", maxlength: 64, placeholder: "English" });
  const keys = h("input", { type: "text", maxlength: 64, placeholder: "1ww2#", autocomplete: "off" });
  const place = h("button", { class: "primary" }, "Call");
  const problem = h("p", { class: "problem", role: "alert" });
  const waiting = h("p", { class: "dim", role: "status" });
  const readOnly = h("p", { class: "dim", role: "status" }, "This token only reads: it cannot place calls.");
  const form = h(
    "form",
    { class: "card place", "aria-label": "Place a call" },
    h("h1", null, "Place a call"),
    readOnly,
    field("to", "Number", to, "E.164, with + and country code. Empty: the configured toNumber."),
    field("message", "Message", message, "What is said first."),
    field("mode", "Mode", mode),
    h("details", null, h("summary", null, "Brief for the agent"), field("task", "Task", task, "The purpose of the call, as an instruction."), field("context", "Context", context), field("language", "Language", language), field("keys", "Keys", keys, "Pressed after the answer, before the message; w and p pause.")),
    h("div", { class: "row-of" }, place, waiting),
    problem,
  );
  // A repetition with the same key never places a second call. It changes with what is asked.
  let attempt = null;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const params = paramsOf();
    const content = JSON.stringify(params);
    if (attempt?.content !== content) attempt = { content, key: randomKey() };
    place.disabled = true;
    problem.textContent = "";
    waiting.textContent = "Dialling…";
    try {
      const { callId } = await app.gateway.request("voicecall.initiate", { ...params, idempotencyKey: attempt.key });
      attempt = null;
      app.openCall(callId);
    } catch (refusal) {
      problem.textContent = refusal.callId && refusal.code === "UNAVAILABLE" ? `${refusal.message} Call again asks for the same call; it is not dialled twice.` : refusal.message;
      if (refusal.code !== "UNAVAILABLE") attempt = null;
    } finally {
      waiting.textContent = "";
      connected();
    }
  });

  const paramsOf = () => {
    const brief = task.value.trim() ? { task: task.value, context: context.value, language: language.value } : null;
    return { to: to.value, message: message.value, mode: mode.value, dtmfSequence: keys.value, ...(brief ? { brief } : {}) };
  };
  const connected = () => {
    readOnly.hidden = app.gateway.canWrite;
    for (const control of form.elements) control.disabled = !app.gateway.canWrite;
  };
  app.gateway.addEventListener("state", connected);
  connected();
  return { element: h("div", { class: "view narrow" }, form), title: "Place a call", stop: () => app.gateway.removeEventListener("state", connected) };
}

/** 128 random bits; `crypto.randomUUID` needs a secure context. */
function randomKey() {
  return `console-${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
