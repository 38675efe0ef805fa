/* Health: what the doctor finds, dead letters, how long callers waited, and the documents. */

import { h, setText } from "../common/dom.js";
import { clock, dateTime, millis } from "../common/format.js";
import { download } from "./download.js";

const LEVELS = { ok: ["good", "✓"], warn: ["warn", "!"], fail: ["bad", "✕"] };
const ORDER = { fail: 0, warn: 1, ok: 2 };
const LETTERS = 100;

export function healthView(app) {
  const findings = h("ul", { class: "findings" });
  const summary = h("span", { class: "dim", role: "status" });
  const again = h("button", { type: "button", onclick: () => ask() }, "Check again");
  const letters = h("tbody");
  const letterCount = h("span", { class: "dim" });
  const latency = h("p", { class: "dim" });
  const documents = ["openapi.json", "asyncapi.json", "metrics"].map((name) => h("button", { type: "button", onclick: () => fetchDocument(name) }, name));
  const element = h(
    "div",
    { class: "view health" },
    h("section", { class: "card", "aria-label": "Findings" }, h("div", { class: "bar" }, h("h1", null, "Health"), summary, h("span", { class: "push" }), again), findings),
    h(
      "section",
      { class: "card", "aria-label": "Dead letters" },
      h("div", { class: "bar" }, h("h2", null, "Dead letters"), letterCount),
      h("p", { class: "dim" }, "Events that no worker could process. Read, retry or drop them with ", h("code", null, "voicecall dead"), "."),
      h("div", { class: "wide" }, h("table", { class: "plain", "aria-label": "Dead letters" }, h("thead", null, h("tr", null, ["When", "Call", "Seq", "Reason", "Letter"].map((name) => h("th", { scope: "col" }, name)))), letters)),
    ),
    h("section", { class: "card", "aria-label": "Latency" }, h("h2", null, "Latency of the newest calls"), latency),
    h(
      "section",
      { class: "card", "aria-label": "Documents" },
      h("h2", null, "Documents"),
      h("p", { class: "dim" }, "In the repository: docs/console.md (this page), docs/operations.md, docs/rpc.md, docs/voice.md. Of this gateway:"),
      h("div", { class: "row-of" }, documents, h("a", { href: "/livez" }, "/livez"), h("a", { href: "/readyz" }, "/readyz")),
    ),
  );

  async function askDoctor() {
    setText(summary, "checking…");
    again.disabled = true;
    try {
      const report = await app.gateway.request("voicecall.doctor");
      const sorted = [...report.findings].sort((a, b) => ORDER[a.level] - ORDER[b.level]);
      const count = (level) => sorted.filter((one) => one.level === level).length;
      setText(summary, `${count("fail")} failed, ${count("warn")} warnings, ${count("ok")} ok, at ${clock(report.at)}`);
      findings.replaceChildren(...sorted.map(finding));
    } catch (refusal) {
      setText(summary, refusal.message);
    } finally {
      again.disabled = false;
    }
  }

  async function askLetters() {
    const { count, letters: found } = await app.gateway.request("voicecall.dead", { last: LETTERS });
    setText(letterCount, count ? `${count} kept` : "none");
    letters.replaceChildren(...found.map((one) => h("tr", null, h("td", { class: "num" }, dateTime(one.at)), h("td", null, h("a", { href: `#/call/${one.callId}`, class: "mono" }, one.callId.slice(0, 8))), h("td", { class: "num" }, one.seq || ""), h("td", { class: "wrap" }, one.reason), h("td", { class: "mono" }, one.id))));
  }

  async function askLatency() {
    const { recordsScanned, turnLatency: wait } = await app.gateway.request("voicecall.latency", { last: 200 });
    setText(latency, wait.count ? `Of ${wait.count} replies in ${recordsScanned} calls half came within ${millis(wait.p50Ms)}, 95 % within ${millis(wait.p95Ms)}, the last within ${millis(wait.maxMs)}.` : "No ended call has a reply yet.");
  }

  /** Documents and metrics may need the token, which an address must not hold. */
  async function fetchDocument(name) {
    const answer = await fetch(`/${name}`, { headers: app.gateway.token ? { Authorization: `Bearer ${app.gateway.token}` } : {} });
    if (answer.ok) download(name.includes(".") ? name : `${name}.txt`, "text/plain", [await answer.text()]);
    else app.say(`${name} was refused.`, "bad");
  }

  const ask = () => {
    if (app.gateway.state !== "open") return;
    for (const work of [askDoctor, askLetters, askLatency]) work().catch((refusal) => app.say(refusal.message, "bad"));
  };
  app.gateway.addEventListener("state", ask);
  ask();
  return { element, title: "Health", stop: () => app.gateway.removeEventListener("state", ask) };
}

function finding({ check, level, seen, remedy }) {
  const [tone, sign] = LEVELS[level] ?? ["dim", "?"];
  return h("li", { class: tone }, h("span", { class: "sign", role: "img", "aria-label": level }, sign), h("b", { class: "mono" }, check), h("span", { class: "wrap" }, seen), remedy ? h("span", { class: "remedy" }, remedy) : null);
}
