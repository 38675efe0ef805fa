// RPC requests to the voicecall gateway over HTTP. Never throws: a failure to reach it is a result with an error of the same
// shape as the gateway's own.

const DEFAULT_MS = 30_000;
const LONGEST_MS = { "voicecall.initiate": 120_000, "voicecall.start": 120_000, "voicecall.continue": 600_000 };

export class Gateway {
  constructor({ gatewayUrl, token }) {
    this.url = gatewayUrl;
    this.token = token;
  }

  /** `{ok: true, payload}` or `{ok: false, error: {code, message, retryable}}`. */
  async request(method, params) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    try {
      const response = await fetch(`${this.url}/rpc`, {
        method: "POST",
        headers,
        body: JSON.stringify({ type: "req", id: "1", method, params }),
        signal: AbortSignal.timeout(LONGEST_MS[method] ?? DEFAULT_MS),
        redirect: "error",
      });
      const answer = await response.json();
      if (typeof answer?.ok === "boolean") return answer;
      return this.#failed(`answered ${response.status} without an RPC result`);
    } catch (error) {
      return this.#failed(error.cause?.code ?? error.name ?? "unknown");
    }
  }

  #failed(why) {
    const message = `the voicecall gateway at ${this.url} does not answer (${why}); start it, or set gatewayUrl`;
    return { ok: false, error: { code: "UNAVAILABLE", message, retryable: true } };
  }
}
