// The tool `voice_call`: an action becomes one question to our gateway, the answer both text and details. It never
// throws: an agent reads sentences. Its schema is the one our own `voicecall tool schema` prints.

import { readFileSync } from "node:fs";

const SCHEMA = JSON.parse(readFileSync(new URL("../voice_call.schema.json", import.meta.url), "utf8"));
const METHODS = {
  initiate_call: "voicecall.initiate",
  continue_call: "voicecall.continue",
  speak_to_user: "voicecall.speak",
  send_dtmf: "voicecall.dtmf",
  end_call: "voicecall.end",
  get_status: "voicecall.status",
};
const NEEDS_A_LISTENER = new Set(["continue_call", "speak_to_user"]);
const LOOK_MS = 500;
const LOOKS = 240; // two minutes; no carrier lets it ring for longer

export function voiceCallTool(gateway) {
  return {
    name: SCHEMA.name,
    label: "Voice call",
    description: SCHEMA.description,
    parameters: SCHEMA.parameters,
    async execute(_id, parameters) {
      const payload = await use(gateway, parameters ?? {});
      return { content: [{ type: "text", text: JSON.stringify(payload, null, 2) }], details: payload };
    },
  };
}

async function use(gateway, { action, ...params }) {
  const asked = action === undefined ? older(params) : { method: METHODS[action], params };
  if (asked.error) return { error: asked.error };
  if (!asked.method) return { error: `action: must be one of ${Object.keys(METHODS).join(", ")}` };
  if (NEEDS_A_LISTENER.has(action)) await pickedUp(gateway, params.callId);
  const answer = await gateway.ask(asked.method, asked.params);
  return answer.ok ? answer.payload : { error: answer.error.message };
}

/** The shape without an action: `mode` is call or status. */
function older({ mode, sid, to, message }) {
  if (mode === "status") {
    return sid ? { method: "voicecall.status", params: { sid } } : { error: "sid required for status" };
  }
  return to ? { method: "voicecall.start", params: { to, message } } : { error: "to required for call" };
}

/** Wait while it rings: who has just placed a call speaks next, whether or not somebody answered yet. */
async function pickedUp(gateway, callId) {
  for (let look = 0; look < LOOKS; look += 1) {
    const { payload } = await gateway.ask("voicecall.status", { callId });
    if (!payload?.found || !["initiated", "ringing"].includes(payload.call.state)) return;
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
  }
}
