// The plugin: registers methods, a tool and commands that forward to a voicecall gateway, and, with `answerCalls`, an agent
// host that answers the turns of calls with an OpenClaw agent. Written from OpenClaw's public plugin documentation.

import { registerCommands } from "./lib/cli.js";
import { settingsOf } from "./lib/settings.js";
import { Gateway } from "./lib/gateway.js";
import { AgentHost } from "./lib/host.js";
import { OpenClawAgent } from "./lib/agent.js";
import { voiceCallTool } from "./lib/tool.js";

const METHODS = [
  "voicecall.initiate",
  "voicecall.start",
  "voicecall.continue",
  "voicecall.continue.start",
  "voicecall.continue.result",
  "voicecall.speak",
  "voicecall.end",
  "voicecall.status",
  "voicecall.dtmf",
  "voicecall.steer",
];
const READ_ONLY = new Set(["voicecall.status", "voicecall.continue.result"]);

export default {
  id: "voicecall",
  name: "voicecall",
  description: "Phone calls through a voicecall gateway",

  register(api) {
    const settings = settingsOf(api.pluginConfig ?? {}, process.env);
    const gateway = new Gateway(settings);
    for (const method of METHODS) {
      const scope = READ_ONLY.has(method) ? "operator.read" : "operator.write";
      api.registerGatewayMethod(method, (call) => forward(gateway, method, call), { scope });
    }
    api.registerTool(voiceCallTool(gateway));
    api.registerCli(({ program }) => registerCommands(program, api, gateway, settings), {
      commands: ["voicecall"],
      descriptors: [{ name: "voicecall", description: "Phone calls through a voicecall gateway", hasSubcommands: true }],
    });
    if (settings.answerCalls) {
      const host = new AgentHost(settings, new OpenClawAgent(api, settings), api.logger);
      api.registerService({ id: "voicecall-agent-host", start: () => host.start(), stop: () => host.stop() });
    }
  },
};

async function forward(gateway, method, { params, respond }) {
  const answer = await gateway.request(method, params ?? {});
  if (answer.ok) respond(true, answer.payload);
  else respond(false, undefined, answer.error);
}
