/* Signing in: the token is kept in this tab's sessionStorage, is sent in the first frame of the socket, and never
 * appears in an address. */

import { h } from "./dom.js";

const KEY = "voicecall.token";

export const storedToken = () => sessionStorage.getItem(KEY) ?? "";

export function forgetToken() {
  sessionStorage.removeItem(KEY);
}

/** Connects `gateway` with the stored token, and returns a form that is shown while the gateway refuses it.
 *  `onChange(isSignedIn)`: the page shows or hides itself. */
export function signIn(gateway, onChange) {
  const problem = h("p", { class: "problem", role: "alert" });
  const input = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const form = h(
    "form",
    { class: "signin", hidden: true, "aria-label": "Sign in" },
    h("h1", null, "Sign in"),
    h("p", { class: "dim" }, "The gateway asks for a token: VOICECALL_GATEWAY_TOKEN, or the read token to look on."),
    h("label", { for: "token" }, "Gateway token"),
    input,
    h("button", { class: "primary" }, "Sign in"),
    problem,
  );
  let tried = storedToken() !== "";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tried = true;
    sessionStorage.setItem(KEY, input.value);
    gateway.connect(input.value);
    input.value = "";
  });
  gateway.addEventListener("state", () => {
    if (gateway.state === "open") {
      form.hidden = true;
      onChange(true);
    } else if (gateway.state === "refused") {
      forgetToken();
      // The first try is without a token: only a token that was given is a problem to speak of.
      problem.textContent = tried ? gateway.problem : "";
      tried = true;
      form.hidden = false;
      onChange(false);
      input.focus();
    }
  });
  gateway.connect(storedToken());
  return form;
}
