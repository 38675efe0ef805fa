/* The recording of an ended call: a player, what is missing of it, and seeking to what was said when.
 *
 * The gateway gives an address that works for ten minutes; the player asks it for ranges. */

import { h, setText } from "../common/dom.js";
import { duration } from "../common/format.js";

const BEFORE_MS = 300; // of what was said, so that its beginning is heard
const WORDS = { announced: "announced", given: "agreed to", "not-asked": "not asked for" };

/** The player of the call `id`. `seek(at)` plays from that time (epoch ms) on. */
export function recorded(app, id) {
  const audio = h("audio", { controls: true, preload: "metadata", "aria-label": "Recording of the call" });
  const said = h("p", { class: "dim", role: "status" });
  const open = h("button", { type: "button", onclick: () => load() }, "Play the recording");
  const element = h("section", { class: "card recorded", "aria-label": "Recording", hidden: true }, h("h2", null, "Recording"), open, audio, said);
  let facts = null;
  audio.hidden = true;
  audio.addEventListener("error", () => {
    audio.hidden = true;
    open.hidden = false;
    setText(said, "It could not be loaded. The address may be too old: try again.");
  });

  const load = async () => {
    const found = await app.gateway.request("voicecall.recording", { callId: id });
    if (!found.found) return setText(said, "It is not there any more.");
    facts = found.recording;
    audio.src = found.url;
    audio.hidden = false;
    open.hidden = true;
    return setText(said, described(facts));
  };

  return {
    element,
    stop: () => audio.pause(),
    update(record) {
      const known = record.metadata?.recording;
      element.hidden = !known || !["whole", "partial"].includes(known.state) || !app.gateway.canWrite;
      if (!element.hidden && !facts) setText(said, described(known));
    },
    async seek(at) {
      if (element.hidden) return;
      if (!facts) await load();
      if (!facts) return;
      audio.currentTime = Math.max(0, (at - facts.startedAt - BEFORE_MS) / 1000);
      audio.play();
    },
  };
}

function described(facts) {
  const missing = (facts.missing ?? []).reduce((sum, part) => sum + part.toMs - part.fromMs, 0);
  const parts = [duration(facts.durationMs), "caller left, agent right", WORDS[facts.consent], missing ? `${duration(missing)} missing, silent in it` : ""];
  return parts.filter(Boolean).join(" · ");
}
