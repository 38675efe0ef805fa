/* Light and dark: as the system says, until the switch says otherwise. The choice is kept in localStorage; nothing else
 * of these pages is. */

import { h } from "./dom.js";

const KEY = "voicecall.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const SIGN = { system: "◐", light: "☀", dark: "☾" };

const chosen = () => (localStorage.getItem(KEY) in NEXT ? localStorage.getItem(KEY) : "system");

/** Apply the stored choice; call it before the page is drawn. */
export function applyTheme(theme = chosen()) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** A button that goes through system, light, dark. */
export function themeSwitch() {
  const button = h("button", { type: "button", class: "quiet theme" });
  const show = () => {
    button.textContent = SIGN[chosen()];
    button.setAttribute("aria-label", `Colours: ${chosen()}. Change to ${NEXT[chosen()]}`);
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    localStorage.setItem(KEY, NEXT[chosen()]);
    applyTheme();
    show();
    document.dispatchEvent(new Event("themechange"));
  });
  show();
  return button;
}
