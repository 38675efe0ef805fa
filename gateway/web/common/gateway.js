// The gateway's RPC over one WebSocket: requests, the feed, reconnection (docs/rpc.md). Shared by the pages.
//
// Knows no page. `Gateway` calls back with what changed; a page decides what to show.

const SLOWEST_MS = 5000;

/** A request that the gateway refused: `code` and `message` as docs/rpc.md lists them. */
export class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
    this.retryAfterMs = error.retryAfterMs;
  }
}

/** The address of a socket of this server. */
export function socketUrl(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

/**
 * One connection that comes back by itself. Callbacks, all optional:
 * `onUp(hello)`: connected, and the feed is followed; `onDown()`: lost, and being tried again;
 * `onItem(item)`: an item of the feed; `onGap()`: items were missed; `onToken(message)`: a token is needed, or was refused.
 */
export class Gateway {
  constructor(callbacks = {}) {
    this.callbacks = callbacks;
    this.token = "";
    this._feed = null; // what is subscribed to, as `voicecall.subscribe` takes it
    this._pending = new Map();
    this._next = 1;
    this._last = null;
    this._delay = 250;
    this._socket = null;
    this._closed = false;
    this._retry = 0;
  }

  /** Connect with this token; "" for none. */
  connect(token = this.token) {
    this.token = token;
    this._closed = false;
    clearTimeout(this._retry);
    const socket = new WebSocket(socketUrl("/"));
    this._socket = socket;
    socket.onmessage = (message) => this._receive(JSON.parse(message.data));
    socket.onopen = () => this._open();
    socket.onclose = () => this._lost(socket);
  }

  close() {
    this._closed = true;
    clearTimeout(this._retry);
    if (this._socket) this._socket.close();
  }

  get isUp() {
    return this._socket !== null && this._socket.readyState === WebSocket.OPEN;
  }

  /** The payload of the answer. Rejects with Refused, or with an Error when the connection is lost. */
  request(method, params = {}) {
    if (!this.isUp) return Promise.reject(new Error("not connected to the gateway"));
    const id = String(this._next++);
    return new Promise((resolve, reject) => {
      this._pending.set(id, { resolve, reject });
      this._socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  /** Follow this feed, also after a lost connection. `feed`: as `voicecall.subscribe` takes it. */
  async follow(feed) {
    this._feed = feed;
    this._last = null;
    if (this.isUp) await this._subscribe();
  }

  _subscribe() {
    const { last, ...feed } = this._feed;
    const from = this._last ? { since: this._last } : last ? { last } : {};
    return this.request("voicecall.subscribe", { ...feed, ...from });
  }

  async _open() {
    try {
      const hello = await this.request("connect", { auth: { token: this.token } });
      if (this._feed) await this._subscribe();
      this._delay = 250;
      this._call("onUp", hello);
    } catch (refusal) {
      if (refusal instanceof Refused && refusal.code === "UNAUTHORIZED") {
        this._closed = true;
        this._call("onToken", this.token ? refusal.message : "");
      }
    }
  }

  _receive(frame) {
    if (frame.type === "res") {
      const waiting = this._pending.get(frame.id);
      this._pending.delete(frame.id);
      if (waiting && frame.ok) waiting.resolve(frame.payload);
      else if (waiting) waiting.reject(new Refused(frame.error));
    } else if (frame.event === "voicecall.feed") {
      this._last = frame.payload.id;
      this._call("onItem", frame.payload);
    } else if (frame.event === "voicecall.gap") {
      this._last = null;
      this._call("onGap");
    }
  }

  _lost(socket) {
    if (socket !== this._socket) return;
    for (const { reject } of this._pending.values()) reject(new Error("the connection to the gateway was lost"));
    this._pending.clear();
    if (this._closed) return;
    this._call("onDown");
    this._retry = setTimeout(() => this.connect(), this._delay);
    this._delay = Math.min(this._delay * 2, SLOWEST_MS);
  }

  _call(name, value) {
    const callback = this.callbacks[name];
    if (callback) callback(value);
  }
}
