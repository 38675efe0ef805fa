/* What the console knows of the system: the live calls, those that just ended, processes, take-overs and latencies.
 *
 * Fed by the feed at once, and by queries that the feed cannot replace: a few changed calls one by one, many in one.
 * Everything kept is bounded, so that a page may stay open for days. Event of this object: "change". */

import { isOver, percentile } from "../common/format.js";

const REFRESH_MS = 500;
const ONE_BY_ONE = 8; // more changed calls than these are queried together
const ALL_EVERY_MS = 3_000;
const PROCESSES_EVERY_MS = 2_000;
const ENDED_SHOWN_MS = 60_000;
const ENDED_KEPT = 200;
const TAKEOVERS_KEPT = 100;
const SKEW_MS = 2_000; // less is the way of an item
const SKEW_ITEMS = 5;
const REPLAYED = 500; // items of the past to begin with: what just ended, take-overs, waits
const REPLAY_MS = 3_000;

export class Store extends EventTarget {
  constructor(gateway) {
    super();
    this.gateway = gateway;
    this.calls = new Map();
    this.takeovers = []; // the newest first: {at, callId, cause, from, to}
    this.processes = [];
    this.latency = new LatencySeries();
    this._changed = new Set();
    this._skew = { ms: Infinity, seen: 0 };
    this._openedAt = 0;
    this._allAt = 0;
    this._asking = false;
    this._announced = false;
    gateway.addEventListener("state", () => {
      if (gateway.state === "open") this._start();
      this._change();
    });
    setInterval(() => this._refresh(), REFRESH_MS);
    setInterval(() => this.askProcesses(), PROCESSES_EVERY_MS);
  }

  get live() {
    return [...this.calls.values()].filter((call) => !isOver(call.state));
  }

  async _start() {
    this._openedAt = performance.now();
    this._follow ??= this.gateway.subscribe("console", { last: REPLAYED }, { onItem: (item) => this.apply(item), onGap: () => (this._allAt = 0) });
    this._allAt = 0;
    await this._refreshAll();
    this.askProcesses();
  }

  /** The time of the system in epoch ms: this machine's, unless the feed shows that its clock is wrong. */
  now() {
    const { ms, seen } = this._skew;
    return Date.now() - (seen >= SKEW_ITEMS && Math.abs(ms) > SKEW_MS ? ms : 0);
  }

  /** One item of the feed. */
  apply(item) {
    const at = item.events.at(-1)?.at ?? this.now();
    if (performance.now() - this._openedAt > REPLAY_MS) {
      this._skew.ms = Math.min(this._skew.ms, Date.now() - at);
      this._skew.seen += 1;
    } else if (isOver(item.state) && at < this.now() - ENDED_SHOWN_MS) {
      this.calls.delete(item.callId); // replayed, and over for long
      return;
    }
    const call = this.calls.get(item.callId) ?? this._blank(item);
    for (const event of item.events) this._applyEvent(call, event);
    call.state = item.state;
    if (isOver(item.state) && !call.endedAt) call.endedAt = at;
    this._changed.add(item.callId);
    this._change();
  }

  _blank(item) {
    const call = { id: item.callId, startedAt: item.events[0]?.at ?? Date.now(), from: "", to: "", turns: 0, state: item.state };
    this.calls.set(call.id, call);
    return call;
  }

  _applyEvent(call, event) {
    if (event.type === "Placed" || event.type === "Arrived" || event.type === "TurnedAway") {
      const direction = event.type === "Placed" ? "outbound" : "inbound";
      Object.assign(call, { direction, from: event.from, to: event.to, provider: event.carrier, agentId: event.agentId, startedAt: event.at });
    } else if (event.type === "Answered") {
      call.answeredAt ??= event.at;
    } else if (event.type === "Reactivated" && event.epoch > 1) {
      this._tookOver(call, event);
    } else if (event.type === "PlaybackBegan" && event.spans) {
      call.measured = true; // from now on the feed has each wait, and the record's newest one is not counted too
      call.latency = Object.values(event.spans).reduce((sum, ms) => sum + ms, 0);
      this.latency.add(event.at, call.latency);
    }
  }

  _tookOver(call, event) {
    if (this.takeovers.some((known) => known.callId === call.id && known.epoch === event.epoch)) return;
    this.takeovers.unshift({ at: event.at, callId: call.id, epoch: event.epoch, cause: event.cause, from: call.worker ?? "", to: "" });
    this.takeovers.length = Math.min(this.takeovers.length, TAKEOVERS_KEPT);
    setTimeout(() => this.askProcesses(), 1_100); // the gateway keeps the answer for a second
  }

  /** A record of `voicecall.status`. */
  applyRecord(record) {
    const before = this.calls.get(record.callId);
    const facts = record.metadata;
    const call = {
      ...before,
      id: record.callId, state: record.state, direction: record.direction, from: record.from, to: record.to,
      provider: record.provider, agentId: record.agentId, startedAt: record.startedAt, answeredAt: record.answeredAt,
      endedAt: record.endedAt, turns: facts.turnCount, reactivations: facts.reactivations,
    };
    if (!call.measured && facts.lastTurnLatencyMs !== undefined) {
      const isNew = before !== undefined && (facts.lastTurnLatencyMs !== before.latency || facts.turnCount > before.turns);
      if (isNew) this.latency.add(this.now(), facts.lastTurnLatencyMs);
      call.latency = facts.lastTurnLatencyMs;
    }
    this.calls.set(call.id, call);
    this._change();
  }

  async _refresh() {
    if (this.gateway.state !== "open" || this._asking) return;
    this._forgetEnded();
    if (!this._changed.size) return;
    this._asking = true;
    try {
      const few = this._changed.size <= ONE_BY_ONE;
      const alone = [...this._changed].filter((id) => few || this._isEndedUnknown(id)).slice(0, ONE_BY_ONE);
      alone.forEach((id) => this._changed.delete(id));
      await Promise.all(alone.map((id) => this._refreshOne(id)));
      if (this._changed.size > ONE_BY_ONE && Date.now() - this._allAt >= ALL_EVERY_MS) await this._refreshAll();
    } catch {
      // The connection says so itself; the next round asks again.
    } finally {
      this._asking = false;
    }
  }

  /** Whether a call is over and nothing else is known of it: the query for all live calls does not name it. */
  _isEndedUnknown(id) {
    const call = this.calls.get(id);
    return call !== undefined && isOver(call.state) && !call.direction;
  }

  async _refreshOne(callId) {
    const found = await this.gateway.request("voicecall.status", { callId, transcripts: false });
    if (found.found) this.applyRecord(found.call);
    else this.calls.delete(callId);
  }

  async _refreshAll() {
    this._allAt = Date.now();
    const ended = [...this._changed].filter((id) => this._isEndedUnknown(id));
    this._changed = new Set(ended);
    let calls;
    try {
      ({ calls } = await this.gateway.request("voicecall.status", { transcripts: false }));
    } catch {
      return;
    }
    const named = new Set(calls.map((call) => call.callId));
    calls.forEach((record) => this.applyRecord(record));
    // What is not live any more has ended meanwhile, or was forgotten.
    for (const call of this.live) if (!named.has(call.id) && call.startedAt < this.now() - ALL_EVERY_MS) this._changed.add(call.id);
  }

  async askProcesses() {
    if (this.gateway.state !== "open" || document.hidden) return;
    let processes;
    try {
      ({ processes } = await this.gateway.request("voicecall.processes"));
    } catch {
      return;
    }
    this.processes = processes;
    for (const { kind, name, calls } of processes) {
      if (kind !== "worker") continue;
      for (const id of calls) {
        const call = this.calls.get(id);
        if (call && call.worker !== name) this._moved(call, name);
      }
    }
    this._change();
  }

  _moved(call, worker) {
    call.worker = worker;
    const takeover = this.takeovers.find((known) => known.callId === call.id && !known.to);
    if (takeover && takeover.from !== worker) takeover.to = worker;
  }

  _forgetEnded() {
    const ended = [...this.calls.values()].filter((call) => isOver(call.state)).sort((a, b) => b.endedAt - a.endedAt);
    const old = this.now() - ENDED_SHOWN_MS;
    ended.forEach((call, place) => {
      if (place >= ENDED_KEPT || call.endedAt < old) {
        this.calls.delete(call.id);
        this._change();
      }
    });
  }

  /** Announce a change, once for all changes of one task. */
  _change() {
    if (this._announced) return;
    this._announced = true;
    queueMicrotask(() => {
      this._announced = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

const BUCKET_MS = 30_000;
const BUCKETS = 60;
const SAMPLES = 256; // of one bucket; of more, a random choice

/** The waits for replies of the last half hour, in buckets of 30 s. */
export class LatencySeries {
  constructor() {
    this.buckets = []; // oldest first: {at, count, values}
  }

  add(at, ms) {
    const start = Math.floor(at / BUCKET_MS) * BUCKET_MS;
    let bucket = this.buckets.findLast((one) => one.at === start);
    if (!bucket) {
      bucket = { at: start, count: 0, values: [] };
      this.buckets.push(bucket);
      this.buckets.sort((a, b) => a.at - b.at);
      this.buckets.splice(0, Math.max(0, this.buckets.length - BUCKETS));
    }
    bucket.count += 1;
    if (bucket.values.length < SAMPLES) bucket.values.push(ms);
    else if (Math.random() < SAMPLES / bucket.count) bucket.values[Math.floor(Math.random() * SAMPLES)] = ms;
  }

  /** p50 and p95 of each bucket since `since`. */
  points(since) {
    return this.buckets
      .filter((bucket) => bucket.at >= since)
      .map(({ at, values }) => {
        const sorted = [...values].sort((a, b) => a - b);
        return { at: at + BUCKET_MS / 2, p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) };
      });
  }

  /** p50, p95 and the number of waits since then. */
  summary(since) {
    const recent = this.buckets.filter((bucket) => bucket.at + BUCKET_MS >= since);
    const sorted = recent.flatMap((bucket) => bucket.values).sort((a, b) => a - b);
    const count = recent.reduce((sum, bucket) => sum + bucket.count, 0);
    return { count, p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) };
  }
}
