/* The connection to the gateway: requests, and feeds that continue where they were after a lost socket.
 *
 * Events of this object: "state" (see `state`), and nothing else. Items of a feed go to the subscription's callbacks. */

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;

/** The address of a socket of this server. */
export const socketUrl = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;

/** A request that was refused, or had no answer. `code`, `retryable`, `retryAfterMs` and `callId` are the gateway's. */
export class Refused extends Error {
  constructor(error) {
    super(error.message);
    Object.assign(this, { code: error.code, retryable: error.retryable, retryAfterMs: error.retryAfterMs, callId: error.callId });
  }
}

const LOST = { code: "UNAVAILABLE", message: "the connection was lost; whether it was done is not known", retryable: false };

export class Gateway extends EventTarget {
  /** `url`: of the WebSocket; default: of the server that the page comes from. */
  constructor(url = socketUrl("/")) {
    super();
    this.url = url;
    this.state = "idle"; // idle | connecting | open | waiting (for the next try) | refused (the token is missing or wrong)
    this.problem = "";
    this.scopes = new Set();
    this.methods = new Set();
    this.canListen = false;
    this.token = "";
    this._socket = null;
    this._pending = new Map();
    this._subscriptions = new Map();
    this._next = 1;
    this._delay = FIRST_DELAY_MS;
    this._timer = 0;
  }

  get canWrite() {
    return this.scopes.has("operator.write");
  }

  /** Connect with this token ("" where the gateway needs none), and again whenever the socket is lost. */
  connect(token) {
    this.token = token;
    this._delay = FIRST_DELAY_MS;
    clearTimeout(this._timer);
    this._drop();
    this._open();
  }

  disconnect() {
    clearTimeout(this._timer);
    this._drop();
    this._become("idle");
  }

  /** The payload of the answer; throws Refused. */
  request(method, params = {}) {
    if (this.state !== "open") {
      return Promise.reject(new Refused({ code: "UNAVAILABLE", message: "not connected; nothing was done", retryable: true }));
    }
    return this._send(method, params);
  }

  /** Follow a feed. `params` as of `voicecall.subscribe`; `onItem` gets each item, `onGap` the id after which items were
   *  lost. Returns a function that ends it. */
  subscribe(name, params, { onItem, onGap = () => {} }) {
    const subscription = { name, params, onItem, onGap, last: null };
    this._subscriptions.set(name, subscription);
    if (this.state === "open") this._follow(subscription);
    return () => {
      if (this._subscriptions.get(name) !== subscription) return;
      this._subscriptions.delete(name);
      if (this.state === "open") this._send("voicecall.unsubscribe", { subscription: name }).catch(() => {});
    };
  }

  _open() {
    this._become("connecting");
    const socket = new WebSocket(this.url);
    this._socket = socket;
    socket.onopen = () => this._authenticate(socket);
    socket.onmessage = (message) => this._receive(JSON.parse(message.data));
    socket.onclose = () => socket === this._socket && this._lost();
  }

  async _authenticate(socket) {
    try {
      const { features } = await this._send("connect", { auth: { token: this.token } });
      this.scopes = new Set(features.scopes);
      this.methods = new Set(features.methods);
      this.canListen = features.listen === true;
      this._delay = FIRST_DELAY_MS;
      this.problem = "";
      this._become("open");
      for (const subscription of this._subscriptions.values()) this._follow(subscription);
    } catch (refusal) {
      if (socket !== this._socket || refusal.message === LOST.message) return;
      this.problem = refusal.message;
      if (refusal.code === "UNAUTHORIZED" || refusal.code === "RESOURCE_EXHAUSTED") {
        this._drop();
        this._become("refused");
      }
    }
  }

  _follow(subscription) {
    const { last, ...params } = subscription.params;
    const from = subscription.last !== null ? { since: subscription.last } : last ? { last } : {};
    this._send("voicecall.subscribe", { ...params, ...from, subscription: subscription.name }).catch((refusal) => {
      this.problem = refusal.message;
    });
  }

  _send(method, params) {
    return new Promise((resolve, reject) => {
      const id = String(this._next++);
      this._pending.set(id, { resolve, reject });
      this._socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  _receive(frame) {
    if (frame.type === "res") {
      const waiting = this._pending.get(frame.id);
      this._pending.delete(frame.id);
      if (waiting && frame.ok) waiting.resolve(frame.payload);
      else if (waiting) waiting.reject(new Refused(frame.error));
      return;
    }
    const subscription = this._subscriptions.get(frame.subscription);
    if (!subscription) return;
    if (frame.event === "voicecall.feed") {
      subscription.last = frame.payload.id;
      subscription.onItem(frame.payload);
    } else if (frame.event === "voicecall.gap") {
      subscription.last = null;
      subscription.onGap(frame.payload.after);
    }
  }

  _lost() {
    this._drop();
    this._become("waiting");
    this._timer = setTimeout(() => this._open(), this._delay);
    this._delay = Math.min(this._delay * 2, LONGEST_DELAY_MS);
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    if (socket) socket.close();
    const waiting = [...this._pending.values()];
    this._pending.clear();
    for (const { reject } of waiting) reject(new Refused(LOST));
  }

  _become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
