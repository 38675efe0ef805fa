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
    const entries = keyed(transcript);
    for (const [key, line] of this._lines) shorten(line, entries.get(key));
    for (const [key, entry] of entries) if (!this._lines.has(key)) this._lines.set(key, this._line(key, entry));
    return [...this._lines.values()].sort((a, b) => a.at - b.at);
  }

  _line(key, { speaker, timestamp, text }) {
    const agent = speaker === "bot";
    return { key, at: timestamp, agent, heard: text, cut: "", resumed: agent && this._resumes(text) };
  }

  // Whether an agent's line that was cut had these words.
  _resumes(text) {
    const start = text.trim().slice(0, 12);
    return [...this._lines.values()].some((line) => line.agent && line.cut && (line.heard + line.cut).includes(start));
  }
}

// The entries by speaker, time, and place among those of the same time: what stays the same while a call goes on.
function keyed(transcript) {
  const counts = new Map();
  return new Map(
    transcript.map((entry) => {
      const base = `${entry.speaker}:${entry.timestamp}`;
      counts.set(base, (counts.get(base) || 0) + 1);
      return [`${base}:${counts.get(base)}`, entry];
    }),
  );
}

// What is left of a line; nothing when it is gone from the record.
function shorten(line, entry) {
  const whole = line.heard + line.cut;
  line.heard = entry ? entry.text : "";
  line.cut = line.agent && whole.startsWith(line.heard) ? whole.slice(line.heard.length) : "";
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
