// The tool `voice_call`: an action becomes one request to the voicecall gateway; the result is both text and details. It never
// throws: errors are sentences for the agent. Its schema is the output of `voicecall tool schema`.

import { readFileSync } from "node:fs";

const SCHEMA = JSON.parse(readFileSync(new URL("../voice_call.schema.json", import.meta.url), "utf8"));
const METHODS = {
  initiate_call: "voicecall.initiate",
  continue_call: "voicecall.continue",
  speak_to_user: "voicecall.speak",
  send_dtmf: "voicecall.dtmf",
  steer_call: "voicecall.steer",
  answer_question: "voicecall.answer",
  end_call: "voicecall.end",
  get_status: "voicecall.status",
  get_report: "voicecall.report",
};
const NEEDS_ANSWER = new Set(["continue_call", "speak_to_user"]);
const POLL_MS = 500;
const POLLS = 240; // two minutes; no carrier lets a call ring for longer

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

async function use(gateway, written) {
  const parameters = objectIn(written);
  if (typeof parameters !== "object" || Array.isArray(parameters)) return { error: "parameters: must be an object" };
  const { action, ...params } = withoutAbsent(parameters);
  for (const name of ["brief", "report"]) if (params[name] !== undefined) params[name] = objectIn(params[name]);
  const request = action === undefined ? withoutAction(params) : { method: METHODS[action], params };
  if (request.error) return { error: request.error };
  if (!request.method) return { error: `action: must be one of ${Object.keys(METHODS).join(", ")}` };
  if (NEEDS_ANSWER.has(action)) await answered(gateway, params.callId);
  const answer = await gateway.request(request.method, request.params);
  return answer.ok ? answer.payload : { error: answer.error.message };
}

/** The object that a model wrote as JSON text; anything else unchanged. */
function objectIn(written) {
  if (typeof written !== "string") return written;
  try {
    const found = JSON.parse(written);
    return found !== null && typeof found === "object" && !Array.isArray(found) ? found : written;
  } catch {
    return written;
  }
}

/** Without what a model with a strict schema writes for a parameter that it leaves out: null, or a blank text. */
function withoutAbsent(parameters) {
  const isAbsent = (value) => value === null || (typeof value === "string" && value.trim() === "");
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => !isAbsent(value)));
}

/** The older form without an action: `mode` is call or status. */
function withoutAction({ mode, sid, to, message }) {
  if (mode === "status") {
    return sid ? { method: "voicecall.status", params: { sid } } : { error: "sid required for status" };
  }
  return to ? { method: "voicecall.start", params: { to, message } } : { error: "to required for call" };
}

/** Waits while the call rings: an agent that has placed a call speaks next, often before it is answered. */
async function answered(gateway, callId) {
  for (let poll = 0; poll < POLLS; poll += 1) {
    const { payload } = await gateway.request("voicecall.status", { callId });
    if (!payload?.found || !["initiated", "ringing"].includes(payload.call.state)) return;
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}
