// One turn of a call, answered by an OpenClaw agent: an embedded run in this process, as the plugin runtime documents it
// (`api.runtime.agent`, `api.runtime.events`). One session of OpenClaw for each session of calls.

import { createHash, randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";

export class OpenClawAgent {
  #runtime;
  #settings;

  constructor(api, settings) {
    this.#runtime = api.runtime;
    this.#settings = settings;
  }

  /** The whole reply; `say` gets what is new of it as the model finds it. Rejects when the agent fails. */
  async answer(request, signal, say) {
    const { agent, config, events } = this.#runtime;
    const cfg = config.current();
    const agentId = request.agentId ?? this.#settings.agentId;
    const agentDir = agent.resolveAgentDir(cfg, agentId);
    const sessionId = sessionIdOf(request.sessionKey);
    const sessions = path.join(agentDir, "sessions");
    await mkdir(sessions, { recursive: true });
    const runId = randomUUID();
    const words = new Words(say);
    const unsubscribe = events.onAgentEvent((event) => {
      if (event.runId === runId && event.stream === "assistant") words.grown(event.data);
    });
    try {
      const result = await agent.runEmbeddedAgent({
        runId,
        sessionId,
        sessionKey: sessionKeyOf(request.sessionKey, agentId),
        sessionFile: path.join(sessions, `${sessionId}.jsonl`),
        workspaceDir: agent.resolveAgentWorkspaceDir(cfg, agentId),
        agentDir,
        agentId,
        config: cfg,
        prompt: request.text,
        extraSystemPrompt: instructionsOf(request),
        timeoutMs: request.timeoutMs,
        abortSignal: signal,
        ...modelOf(cfg, agentId, this.#settings.model),
      });
      const spoken = (result.payloads ?? []).filter((payload) => !payload.isError && !payload.isReasoning);
      if (spoken.length === 0 && result.payloads?.some((payload) => payload.isError)) throw new Error("the run failed");
      return spoken.map((payload) => payload.text ?? "").join(" ");
    } finally {
      unsubscribe?.();
    }
  }
}

/** What is new in the text of a run, which is told again and again as it grows, message by message. */
class Words {
  #text = "";

  constructor(say) {
    this.say = say;
  }

  grown({ text, delta }) {
    if (typeof text !== "string") return this.say(delta ?? "");
    const fresh = text.startsWith(this.#text) ? text.slice(this.#text.length) : ` ${text}`;
    this.#text = text;
    return this.say(fresh);
  }
}

function sessionIdOf(sessionKey) {
  return `voicecall-${createHash("sha256").update(sessionKey).digest("hex").slice(0, 32)}`;
}

function sessionKeyOf(sessionKey, agentId) {
  return sessionKey.startsWith("agent:") ? sessionKey : `agent:${agentId}:${sessionKey}`;
}

/** How to speak, and what we said before the caller spoke first, which no session of OpenClaw holds. */
function instructionsOf({ turn, systemPrompt, transcript }) {
  const ours = turn === 1 ? transcript.filter((line) => line.speaker === "agent").map((line) => line.text) : [];
  return ours.length ? `${systemPrompt}\n\nYou have already said: ${ours.join(" ")}` : systemPrompt;
}

/** An embedded run wants its model named: the plugin's, else the agent's own, else the default of all agents. */
function modelOf(cfg, agentId, ours) {
  const own = cfg.agents?.list?.find((agent) => agent.id === agentId)?.model;
  const named = ours ?? primary(own) ?? primary(cfg.agents?.defaults?.model);
  const slash = named?.indexOf("/") ?? -1;
  return slash > 0 ? { provider: named.slice(0, slash), model: named.slice(slash + 1) } : {};
}

function primary(model) {
  return typeof model === "string" ? model : model?.primary;
}
