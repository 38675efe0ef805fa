// The plugin's settings: from `plugins.entries.voicecall.config`, else the environment, else defaults.

export function settingsOf(config, environment) {
  const url = config.gatewayUrl ?? environment.VOICECALL_GATEWAY_URL ?? "http://127.0.0.1:3335";
  return {
    gatewayUrl: url.replace(/\/+$/, ""),
    token: config.token ?? environment.VOICECALL_GATEWAY_TOKEN ?? "",
    answerCalls: config.answerCalls ?? false,
    agentId: config.agentId ?? "main",
    agents: config.agents ?? [],
    model: config.model,
    command: config.command ?? "voicecall",
    name: config.name ?? "openclaw",
  };
}
