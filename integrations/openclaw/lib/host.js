// An agent host (docs/agent-hosts.md): connected to the voicecall gateway while OpenClaw runs, it passes each turn to the agent
// and sends the reply back piece by piece. A cancelled turn is aborted.

import { connect } from "./socket.js";

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;

export class AgentHost {
  #settings;
  #agent;
  #log;
  #socket;
  #timer;
  #delay = FIRST_DELAY_MS;
  #stopped = true;
  #turns = new Map(); // requestId -> AbortController

  /** `agent.answer(request, signal, say)` resolves to the whole reply, after passing its pieces to `say`. */
  constructor(settings, agent, log) {
    this.#settings = settings;
    this.#agent = agent;
    this.#log = log;
  }

  start() {
    this.#stopped = false;
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#abortAll();
  }

  #connect() {
    const { gatewayUrl, token, name, agents } = this.#settings;
    this.#socket = connect({ url: gatewayUrl, token }, {
      connected: () => {
        this.#delay = FIRST_DELAY_MS;
        this.#socket.request("voicecall.agent.register", { name, agents });
        this.#log.info(`voicecall: answering calls of ${gatewayUrl}`);
      },
      event: (event, payload) => this.#take(event, payload),
      refused: (error) => this.#log.error(`voicecall: the gateway refused a request: ${error.code}: ${error.message}`),
      closed: () => this.#reconnect(),
    });
  }

  #reconnect() {
    this.#abortAll();
    if (this.#stopped) return;
    // Logged once for each outage.
    if (this.#delay === FIRST_DELAY_MS) this.#log.warn("voicecall: no connection to the gateway; retrying");
    this.#timer = setTimeout(() => this.#connect(), this.#delay * (0.5 + Math.random() / 2));
    this.#delay = Math.min(LONGEST_DELAY_MS, this.#delay * 2);
  }

  #abortAll() {
    for (const turn of this.#turns.values()) turn.abort();
    this.#turns.clear();
  }

  #take(event, payload) {
    if (event === "agent.request") this.#answer(payload);
    else if (event === "agent.cancel") this.#turns.get(payload.requestId)?.abort();
    else if (event === "agent.refused") this.#log.warn(`voicecall: a frame was refused: ${payload.message}`);
  }

  async #answer(request) {
    const { requestId } = request;
    const turn = new AbortController();
    const socket = this.#socket;
    const send = (event, more) => turn.signal.aborted || socket.send(event, { requestId, ...more });
    this.#turns.set(requestId, turn);
    send("agent.began");
    let said = false;
    const say = (text) => {
      said ||= text !== "";
      for (let at = 0; at < text.length; at += 8000) send("agent.delta", { text: text.slice(at, at + 8000) });
    };
    try {
      const whole = await this.#agent.answer(request, turn.signal, say);
      send("agent.done", said ? {} : { text: whole.slice(0, 32_000) });
    } catch (error) {
      if (!turn.signal.aborted) this.#log.error(`voicecall: the agent failed: ${error.message}`);
      send("agent.error", { code: "AGENT_FAILED" });
    } finally {
      this.#turns.delete(requestId);
    }
  }
}
