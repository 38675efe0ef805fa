// What the phone plays: audio that waits, the cursor in it, and the marks that it passes. Pure; used in the worklet.
//
// The system keeps 80 ms of audio in a phone's buffer. After silence the first audio waits for 40 ms more or for
// `HOLD_SAMPLES` of time, so that frames that come unevenly leave no gap.

import { FRAME, SILENCE } from "./mulaw.js";

const HOLD_SAMPLES = 2 * FRAME;
const LONGEST = 60 * 8000; // bytes: as much as the protocol lets a phone hold

export class Playout {
  /** `onMark(name)`: the audio before that mark was played, or dropped. */
  constructor(onMark) {
    this._onMark = onMark;
    this._chunks = []; // mu-law
    this._offset = 0; // in the first chunk
    this._queued = 0; // bytes ever queued
    this._played = 0; // bytes ever played or dropped
    this._marks = []; // [at, name]
    this._held = HOLD_SAMPLES; // samples to wait yet, after silence
    this._dry = true;
    this._endsAt = 0; // where the newest mark is: there the audio may end
    this.underruns = 0;
  }

  /** Bytes that wait. */
  get waiting() {
    return this._queued - this._played;
  }

  /** The names of the marks that have not been passed. */
  get marks() {
    return this._marks.map(([, name]) => name);
  }

  put(bytes) {
    if (this.waiting + bytes.length > LONGEST) return;
    this._chunks.push(bytes);
    this._queued += bytes.length;
  }

  mark(name) {
    if (this.waiting === 0) this._onMark(name);
    else this._marks.push([this._queued, name]);
    this._endsAt = this._queued;
  }

  /** Drop what waits; its marks are passed. */
  clear() {
    this._chunks = [];
    this._offset = 0;
    this._played = this._endsAt = this._queued;
    this._rest();
    this._pass();
  }

  /** Forget what waits and its marks: another stream begins. */
  reset() {
    this._marks = [];
    this.clear();
  }

  /** The next `count` bytes: what is heard now, silence where nothing waits. */
  pull(count) {
    const bytes = new Uint8Array(count).fill(SILENCE);
    let filled = this._wait(count);
    while (filled < count && this._chunks.length) {
      const chunk = this._chunks[0];
      const taken = Math.min(count - filled, chunk.length - this._offset);
      bytes.set(chunk.subarray(this._offset, this._offset + taken), filled);
      this._advance(chunk, taken);
      filled += taken;
    }
    if (filled < count && !this._dry) {
      this.underruns += this._queued === this._endsAt ? 0 : 1;
      this._rest();
    }
    this._pass();
    return bytes;
  }

  // How many bytes of silence come first: the beginning of a sound is held back a little.
  _wait(count) {
    if (!this._dry) return 0;
    if (!this._chunks.length) return count;
    if (this.waiting >= HOLD_SAMPLES + FRAME || this._held <= 0) {
      this._dry = false;
      return 0;
    }
    const silent = Math.min(count, this._held);
    this._held -= silent;
    if (this._held <= 0) this._dry = false;
    return silent;
  }

  _advance(chunk, taken) {
    this._offset += taken;
    this._played += taken;
    if (this._offset === chunk.length) {
      this._chunks.shift();
      this._offset = 0;
    }
  }

  _rest() {
    this._dry = true;
    this._held = HOLD_SAMPLES;
  }

  _pass() {
    while (this._marks.length && this._marks[0][0] <= this._played) this._onMark(this._marks.shift()[1]);
  }
}
