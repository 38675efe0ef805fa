// Answers one turn of a call with an OpenClaw agent: an embedded run in this process, as OpenClaw documents the plugin
// runtime (`api.runtime.agent`, `api.runtime.events`). One OpenClaw session for each session key of calls.

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

  /** Resolves to the whole reply; `say` receives each new piece as the model produces it. Rejects when the agent fails. */
  async answer(request, signal, say) {
    const { agent, config, events } = this.#runtime;
    const cfg = config.current();
    const agentId = request.agentId ?? this.#settings.agentId;
    const agentDir = agent.resolveAgentDir(cfg, agentId);
    const sessionId = sessionIdOf(request.sessionKey);
    const sessions = path.join(agentDir, "sessions");
    await mkdir(sessions, { recursive: true });
    const runId = randomUUID();
    const text = new GrowingText(say);
    const unsubscribe = events.onAgentEvent((event) => {
      if (event.runId === runId && event.stream === "assistant") text.update(event.data);
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

/** Passes on the new part of a run's text, which OpenClaw reports whole each time it grows, message by message. */
class GrowingText {
  #text = "";

  constructor(say) {
    this.say = say;
  }

  update({ text, delta }) {
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

/** The system prompt, and on the first turn what was said before the caller spoke, which no OpenClaw session contains. */
function instructionsOf({ turn, systemPrompt, transcript }) {
  const said = turn === 1 ? transcript.filter((line) => line.speaker === "agent").map((line) => line.text) : [];
  return said.length ? `${systemPrompt}\n\nYou have already said: ${said.join(" ")}` : systemPrompt;
}

/** The model that an embedded run requires: the plugin's, else the agent's own, else the default of all agents. */
function modelOf(cfg, agentId, configured) {
  const own = cfg.agents?.list?.find((agent) => agent.id === agentId)?.model;
  const named = configured ?? primary(own) ?? primary(cfg.agents?.defaults?.model);
  const slash = named?.indexOf("/") ?? -1;
  return slash > 0 ? { provider: named.slice(0, slash), model: named.slice(slash + 1) } : {};
}

function primary(model) {
  return typeof model === "string" ? model : model?.primary;
}
