/* Words and marks for what the gateway names: states, reasons, spans. */

import { h } from "../common/dom.js";

export const OUTCOMES = {
  completed: "completed",
  "hangup-user": "the other party hung up",
  "hangup-bot": "we hung up",
  timeout: "time limit reached",
  error: "something failed",
  failed: "could not be placed",
  "no-answer": "not answered",
  busy: "busy",
  voicemail: "answering machine",
};

const KIND = { speaking: "agent", listening: "caller", ringing: "warn", initiated: "warn", failed: "bad", error: "bad", timeout: "bad" };

/** A state as a small label. */
export function badge(state) {
  return h("span", { class: `badge ${KIND[state] ?? "plain"}` }, state);
}

/** The parts of a wait, in their order, with what each lasts until and whose time it is. */
export const SPANS = {
  endpointing_wait: { label: "end of speech", what: "until recognition was sure that the caller had stopped", owner: "setting" },
  transcription: { label: "transcription", what: "until the transcript came", owner: "service" },
  turn_decision: { label: "turn decision", what: "until the turn was over and the agent was asked", owner: "us" },
  agent_connect: { label: "agent connect", what: "until the agent had the question", owner: "service" },
  agent_first_token: { label: "agent", what: "until the agent's first text", owner: "service" },
  tool: { label: "tools", what: "what the agent's tools took", owner: "service" },
  sentence: { label: "sentence", what: "until there was something to speak", owner: "us" },
  tts_first_audio: { label: "voice", what: "until the voice gave its first audio", owner: "service" },
  transport: { label: "transport", what: "from the worker to the ingress", owner: "us" },
  playout: { label: "playout", what: "behind what was being played", owner: "carrier" },
};

export const OWNERS = { service: "a service", setting: "a setting", us: "voicecall", carrier: "the carrier" };
