// The conversation of one call as lines: of the agent's, what was heard and what was cut. Pure.
//
// The record of a call holds what was heard: a line of the agent that is cut becomes shorter, or goes. What it was
// before is remembered here, so that the cut part can be shown apart; and when the same words come again, as they do
// after the worker died, the new line is known as resumed.

export class Words {
  constructor() {
    this._lines = new Map(); // by key, in order
  }

  /** Take the newest transcript of the call's record; returns the lines `{key, at, agent, heard, cut, resumed}`. */
  update(transcript) {
    const present = new Set();
    const seen = new Map();
    for (const entry of transcript) {
      const base = `${entry.speaker}:${entry.timestamp}`;
      const place = seen.get(base) || 0;
      seen.set(base, place + 1);
      const key = `${base}:${place}`;
      present.add(key);
      this._take(key, entry);
    }
    for (const [key, line] of this._lines) if (!present.has(key)) this._gone(line);
    return this.lines;
  }

  get lines() {
    return [...this._lines.values()].sort((a, b) => a.at - b.at);
  }

  _take(key, entry) {
    const agent = entry.speaker === "bot";
    const line = this._lines.get(key);
    if (line === undefined) {
      const resumed = agent && this._isRest(entry.text);
      this._lines.set(key, { key, at: entry.timestamp, agent, heard: entry.text, cut: "", resumed });
      return;
    }
    const whole = line.heard + line.cut;
    line.heard = entry.text;
    line.cut = agent && whole.startsWith(entry.text) ? whole.slice(entry.text.length) : "";
  }

  _gone(line) {
    line.cut = line.heard + line.cut;
    line.heard = "";
  }

  _isRest(text) {
    const start = text.trim().slice(0, 12);
    return [...this._lines.values()].some((line) => line.agent && line.cut && line.cut.includes(start));
  }
}

const NAMES = {
  endpointing_wait: "until you had stopped",
  transcription: "transcript",
  turn_decision: "end of the turn",
  agent_first_token: "agent's first word",
  sentence: "first sentence",
  tts_first_audio: "voice's first audio",
  transport: "to the ingress",
  playout: "behind other speech",
};

/** The spans of a turn in their order: `[name, words, ms]`, without those of no length. */
export function spansOf(spans) {
  return Object.entries(spans)
    .filter(([, ms]) => ms > 0)
    .map(([name, ms]) => [name, NAMES[name] || name, ms]);
}
