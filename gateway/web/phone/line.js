// The phone's line: one WebSocket through the gateway to the exchange of test phones, with the frames of docs/phone.md.
//
// It comes back by itself; the exchange keeps the call for a while. The tab's own name is in `sessionStorage`, so that a
// page that is loaded again is the same phone.

import { socketUrl } from "../common/gateway.js";

const SLOWEST_MS = 2000;
const BEHIND = 16384; // bytes that wait to be sent: a second of audio
const SILENT_MS = 6000; // three ticks of the exchange
const REPLACED = 4001; // close codes
const REFUSED = 1008;

/**
 * Callbacks: `onFrame(frame)`; `onDown()`: lost, and being tried again; `onToken(message)`: a token is needed, or was
 * refused; `onGone(reason)`: it does not come back; `held()`: the marks whose audio is not played yet.
 */
export class Line {
  constructor(callbacks) {
    this._callbacks = callbacks;
    this._token = "";
    this._delay = 250;
    this._socket = null;
    this._refusal = null;
    this._retry = 0;
    this._heardAt = 0;
    this._got = null; // the number of the last frame; null: this page has had none
    setInterval(() => this._check(), SILENT_MS / 6);
    this.device = deviceName();
  }

  connect(token = this._token) {
    this._token = token;
    this._refusal = null;
    clearTimeout(this._retry);
    const socket = new WebSocket(socketUrl("/phone/line"));
    this._socket = socket;
    socket.onopen = () => {
      this._heardAt = performance.now();
      const params = { auth: { token }, device: this.device, held: this._callbacks.held(), got: this._got };
      this._got = this._got || 0;
      socket.send(JSON.stringify({ type: "req", id: "line", method: "connect", params }));
    };
    socket.onmessage = (message) => this._receive(JSON.parse(message.data));
    socket.onclose = (close) => this._lost(socket, close);
  }

  get isUp() {
    return this._socket !== null && this._socket.readyState === WebSocket.OPEN;
  }

  /** Send a frame; false when the line is down. */
  send(event, members = {}) {
    if (!this.isUp) return false;
    this._socket.send(JSON.stringify({ event, ...members }));
    return true;
  }

  /** Send 20 ms of audio, unless so much waits already that it would come too late. */
  sendAudio(stream, payload) {
    if (this.isUp && this._socket.bufferedAmount > BEHIND) return false;
    return this.send("audio", { stream, payload });
  }

  // A network that is gone sends no word of it: without a tick of the exchange the socket is given up.
  _check() {
    const socket = this._socket;
    if (!this.isUp || performance.now() - this._heardAt < SILENT_MS) return;
    this._lost(socket, { code: 0 });
    socket.close();
  }

  _receive(frame) {
    this._heardAt = performance.now();
    if (frame.type === "res") {
      if (frame.ok) this._delay = 250;
      else this._refusal = frame.error;
    } else if (frame.seq === undefined || frame.seq > this._got) {
      if (frame.seq !== undefined) this._got = frame.seq;
      if (frame.event === "tick") this.send("got", { seq: this._got });
      this._callbacks.onFrame(frame);
    }
  }

  _lost(socket, close) {
    if (socket !== this._socket) return;
    this._socket = null;
    if (close.code === REPLACED) {
      this._callbacks.onGone("This phone is open in another tab, which has the call now.");
    } else if (this._refusal && this._refusal.code === "UNAUTHORIZED") {
      this._callbacks.onToken(this._token ? "The token is wrong or no longer valid." : "");
    } else if (close.code === REFUSED) {
      this._callbacks.onGone(this._refusal ? this._refusal.message : "The gateway refuses this page.");
    } else {
      this._callbacks.onDown(this._refusal ? this._refusal.message : "");
      this._retry = setTimeout(() => this.connect(), this._delay);
      this._delay = Math.min(this._delay * 2, SLOWEST_MS);
    }
  }
}

function deviceName() {
  const known = sessionStorage.getItem("voicecall.device");
  if (known && /^[0-9a-f]{32}$/.test(known)) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const name = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem("voicecall.device", name);
  return name;
}
