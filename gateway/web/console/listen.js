/* Listening in on a live call: the caller on the left, the agent on the right, as it is heard on the line.
 *
 * The audio comes over a socket of its own (docs/rpc.md) and is played a moment later, each sound in its place. A lost
 * socket is opened again, until the call is over or the gateway refuses. */

import { h, setText } from "../common/dom.js";
import { socketUrl } from "../common/gateway.js";
import { decodeMulaw } from "../phone/mulaw.js";

const RATE = 8_000;
const DELAY_S = 0.3; // between the line and the listener: the audio comes in pieces of a tenth of a second
const FARTHEST_S = 3; // a sound that would be played later than this is played after the delay
const RETRY_MS = 1_000;
const LEVEL_EVERY_MS = 100;
const HEAD = 9; // bytes before the audio: the side, and when it began
const SIDES = ["Caller", "Agent"];
const STATES = { waiting: "Waiting for audio…", hearing: "", lost: "Connecting again…" };

/** Plays mu-law of two sides, each in its place by the clock of the line. */
class Player {
  constructor() {
    this._context = new AudioContext({ sampleRate: RATE });
    this._base = null; // of the context's time, in seconds, against the clock of the line
    this._sides = SIDES.map((_, side) => {
      const meter = new AnalyserNode(this._context, { fftSize: 1024 });
      meter.connect(new StereoPannerNode(this._context, { pan: side ? 1 : -1 })).connect(this._context.destination);
      return { meter, freeAt: 0, samples: new Float32Array(meter.fftSize) };
    });
    this._context.resume();
  }

  play(side, atMs, codes) {
    const line = this._sides[side];
    if (!line || !codes.length) return;
    const now = this._context.currentTime;
    const at = this._base === null ? -1 : atMs / 1000 + this._base;
    if (at < now || at > now + FARTHEST_S) this._base = now + DELAY_S - atMs / 1000;
    const buffer = new AudioBuffer({ length: codes.length, sampleRate: RATE });
    buffer.copyToChannel(Float32Array.from(codes, decodeMulaw), 0);
    const source = new AudioBufferSourceNode(this._context, { buffer });
    source.connect(line.meter);
    const begin = Math.max(atMs / 1000 + this._base, line.freeAt > now + FARTHEST_S ? 0 : line.freeAt);
    source.start(begin);
    line.freeAt = begin + buffer.duration;
  }

  /** How loud a side is now, from 0 to 1. */
  level(side) {
    const { meter, samples } = this._sides[side];
    meter.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    return power ? Math.min(1, Math.max(0, 1 + Math.log10(power) / 5)) : 0; // -50 dB is 0
  }

  close() {
    this._context.close();
  }
}

/** The button, and what one sees while listening in on the call `id`. */
export function listening(app, id) {
  const button = h("button", { type: "button", "aria-pressed": "false", onclick: () => (player ? stop() : begin()) }, "Listen in");
  const state = h("span", { class: "dim", role: "status" });
  const meters = SIDES.map((side) => h("meter", { min: 0, max: 1, value: "0", "aria-label": `${side}'s level` }));
  const levels = h("div", { class: "levels", hidden: true }, SIDES.map((side, place) => h("span", null, side, meters[place])));
  const element = h("div", { class: "listen" }, h("div", { class: "row-of" }, button, state), levels);
  let player = null;
  let socket = null;
  let again = 0;
  let drawing = 0;

  const begin = () => {
    player = new Player();
    drawing = setInterval(() => meters.forEach((meter, side) => (meter.value = player.level(side))), LEVEL_EVERY_MS);
    show("waiting");
    open();
  };
  const stop = (text = "") => {
    clearTimeout(again);
    clearInterval(drawing);
    const closing = socket;
    socket = null;
    closing?.close();
    player?.close();
    player = null;
    show("", text);
  };
  const show = (name, text = STATES[name] ?? "") => {
    button.setAttribute("aria-pressed", String(player !== null));
    setText(button, player ? "Stop listening" : "Listen in");
    levels.hidden = player === null;
    setText(state, text);
  };
  const open = () => {
    const opened = new WebSocket(socketUrl("/listen"));
    opened.binaryType = "arraybuffer";
    socket = opened;
    opened.onopen = () => opened.send(JSON.stringify({ type: "req", id: "listen", method: "connect", params: { auth: { token: app.gateway.token }, callId: id } }));
    opened.onmessage = ({ data }) => opened === socket && (typeof data === "string" ? receive(JSON.parse(data)) : hear(data));
    opened.onclose = () => {
      if (opened !== socket) return;
      show("lost");
      again = setTimeout(open, RETRY_MS);
    };
  };
  const hear = (data) => {
    const head = new DataView(data);
    player.play(head.getUint8(0), head.getFloat64(1), new Uint8Array(data, HEAD));
  };
  const receive = (frame) => {
    if (frame.type === "res" && !frame.ok && !frame.error.retryable) stop(`Nothing to hear: ${frame.error.message}.`);
    if (frame.event !== "listen.state") return;
    if (frame.payload.state === "over") stop(frame.payload.reason === "Call has ended" ? "" : `Nothing to hear: ${frame.payload.reason}.`);
    else show(frame.payload.state);
  };
  return { element, stop: () => player && stop() };
}
