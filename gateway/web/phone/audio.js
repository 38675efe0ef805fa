// Microphone and loudspeaker of the phone, by one audio worklet. Must be started by a click: browsers ask for that.
//
// Until it is started, and where it cannot be, a timer plays what comes unheard: its marks return at the same pace.

import { Playout } from "./playout.js";

const SAMPLES_PER_MS = 8;
const TICK_MS = 20;
const START_MS = 2000; // without a loudspeaker, a browser may never start

/** Why there is no microphone, and what to do; by the name of the browser's error. */
const PROBLEMS = {
  insecure:
    "This page may not use the microphone, because it did not come over HTTPS or from this machine. " +
    "Open it by https:// or at http://127.0.0.1, or type what you say.",
  NotAllowedError:
    "The microphone is not allowed. Allow it in the browser's settings for this page (the icon beside the address) " +
    "and call again, or type what you say.",
  NotFoundError: "There is no microphone. Plug one in and call again, or type what you say.",
  NotReadableError: "Another program uses the microphone. Close it and call again, or type what you say.",
};

export class PhoneAudio {
  /**
   * `onFrame(report)`: every 20 ms, as processor.js sends it; `onMark(name)`: the cursor passed a mark; `onChange()`:
   * sound or microphone came or went.
   */
  constructor({ onFrame, onMark, onChange }) {
    this._onFrame = onFrame;
    this._onMark = onMark;
    this._onChange = onChange;
    this._unheard = new Playout((name) => this._passed(name));
    this._ticked = performance.now();
    setInterval(() => this._tick(), TICK_MS);
    this._context = null;
    this._node = null;
    this._stream = null;
    this._source = null;
    this.problem = "";
    this.marks = [];
  }

  get isRunning() {
    return this._context !== null && this._context.state === "running";
  }

  get hasMicrophone() {
    return this._source !== null;
  }

  /** For the facts of the page. Without `outputLatency`: to read it can halt a page in Firefox for good. */
  get facts() {
    const context = this._context;
    return context ? { state: context.state, rate: context.sampleRate } : {};
  }

  /** Start, or start again; afterwards `isRunning` says whether there is sound. `processing`: the constraints of `getUserMedia` that clean the sound. */
  async start(processing) {
    if (this._context === null) await this._open();
    await Promise.race([this._context.resume(), new Promise((resolve) => setTimeout(resolve, START_MS))]);
    if (this._source === null) await this._openMicrophone(processing);
  }

  /** Let the microphone go; the loudspeaker stays. */
  releaseMicrophone() {
    if (this._source) this._source.disconnect();
    if (this._stream) for (const track of this._stream.getTracks()) track.stop();
    this._source = this._stream = null;
  }

  put(audio) {
    if (this.isRunning) this._post({ audio });
    else this._unheard.put(audio);
  }

  mark(mark) {
    this.marks.push(mark);
    if (this.isRunning) this._post({ mark });
    else this._unheard.mark(mark);
  }

  clear() {
    this._post({ clear: true });
    this._unheard.clear();
  }

  /** Another stream begins: forget what waits. */
  reset() {
    this.marks = [];
    this._post({ reset: true });
    this._unheard.reset();
  }

  mute(muted) {
    this._post({ muted });
  }

  async _open() {
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(new URL("processor.js", import.meta.url));
    this._context = context;
    context.onstatechange = () => this._onChange();
    this._node = new AudioWorkletNode(context, "phone", { outputChannelCount: [1] });
    this._node.port.onmessage = ({ data }) => (data.mark === undefined ? this._onFrame(data) : this._passed(data.mark));
    this._node.connect(context.destination);
  }

  async _openMicrophone(processing) {
    if (!window.isSecureContext || !navigator.mediaDevices) {
      this.problem = PROBLEMS.insecure;
      return;
    }
    try {
      this._stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...processing } });
      this._source = this._context.createMediaStreamSource(this._stream);
      this._source.connect(this._node);
      this._stream.getAudioTracks()[0].onended = () => this._ended();
      this.problem = "";
    } catch (error) {
      this.problem = PROBLEMS[error.name] || `The microphone cannot be used: ${error.message}. Type what you say.`;
    }
  }

  _ended() {
    this.releaseMicrophone();
    this.problem = "The microphone was unplugged or taken away. Call again, or type what you say.";
    this._onChange();
  }

  _tick() {
    const now = performance.now();
    const due = Math.floor((now - this._ticked) * SAMPLES_PER_MS);
    this._ticked += due / SAMPLES_PER_MS;
    if (due > 0) this._unheard.pull(due);
  }

  _passed(name) {
    const place = this.marks.indexOf(name);
    if (place >= 0) this.marks.splice(place, 1);
    this._onMark(name);
  }

  _post(message) {
    if (this._node) this._node.port.postMessage(message);
  }
}
