// The audio worklet of the phone: the microphone as 20 ms of mu-law, and mu-law as sound, on the clock of the audio
// hardware. Without a microphone it sends silence, so the line never falls silent without a reason.
//
// From the page: {audio}, {mark}, {clear}, {reset}, {muted}. To the page, every 20 ms: {frame, played, microphone,
// speaker, waiting, marks, underruns}, levels as RMS from 0 to 1; and {mark} for each mark that was passed.

import { FRAME, SILENCE, decodeMulaw, encodeMulaw } from "./mulaw.js";
import { Playout } from "./playout.js";
import { Resampler } from "./resample.js";

const RATE = 8000;

class PhoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this._down = new Resampler(sampleRate, RATE);
    this._up = new Resampler(RATE, sampleRate);
    this._playout = new Playout((name) => this.port.postMessage({ mark: name }));
    this._microphone = []; // samples at 8 kHz
    this._speaker = []; // samples at the rate of the hardware
    this._played = []; // mu-law bytes since the last frame
    this._muted = false;
    this.port.onmessage = ({ data }) => this._take(data);
  }

  process([input], [output]) {
    const frames = output[0].length;
    this._play(output[0]);
    for (const channel of output.slice(1)) channel.set(output[0]);
    this._record(input.length ? input[0] : new Float32Array(frames));
    return true;
  }

  _take({ audio, mark, clear, reset, muted }) {
    if (audio !== undefined) this._playout.put(audio);
    if (mark !== undefined) this._playout.mark(mark);
    if (clear) this._playout.clear();
    if (reset) this._playout.reset();
    if (muted !== undefined) this._muted = muted;
  }

  _play(output) {
    while (this._speaker.length < output.length) {
      const missing = Math.max(1, Math.ceil(((output.length - this._speaker.length) * RATE) / sampleRate));
      const codes = this._playout.pull(missing);
      this._played.push(...codes);
      this._speaker.push(...this._up.push(Float32Array.from(codes, decodeMulaw)));
    }
    output.set(this._speaker.splice(0, output.length));
  }

  _record(input) {
    this._microphone.push(...this._down.push(input));
    while (this._microphone.length >= FRAME) {
      const samples = Float32Array.from(this._microphone.splice(0, FRAME));
      const played = Uint8Array.from(this._played.splice(0, this._played.length));
      this.port.postMessage({
        frame: this._muted ? new Uint8Array(FRAME).fill(SILENCE) : encodeMulaw(samples),
        played,
        microphone: this._muted ? 0 : rms(samples),
        speaker: rms(Float32Array.from(played, decodeMulaw)),
        waiting: this._playout.waiting,
        marks: this._playout.marks,
        underruns: this._playout.underruns,
      });
    }
  }
}

function rms(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}

registerProcessor("phone", PhoneProcessor);
