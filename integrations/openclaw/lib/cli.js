// `openclaw voicecall …`: each command is one request to the voicecall gateway; the result is printed as JSON. A refusal goes
// to stderr, with the exit statuses of the `voicecall` command. The commands about this machine are in `local.js`.

import { registerLocalCommands } from "./local.js";
import { connect } from "./socket.js";

const MODES = "notify: say it and hang up; conversation: stay on the line"; // the default is that of OpenClaw's own command
const EXIT = { UNAVAILABLE: 69, UNAUTHORIZED: 77, FORBIDDEN: 77 };

export function registerCommands(program, api, gateway, settings) {
  const voicecall = program.command("voicecall").description("Phone calls through a voicecall gateway");

  voicecall
    .command("call")
    .description("Place a call")
    .requiredOption("-m, --message <text>", "first words of the call")
    .option("-t, --to <phone>", "number to call (E.164); default: the configured number")
    .option("--mode <mode>", MODES, "conversation")
    .action((options) => place(gateway, "voicecall.initiate", options));
  voicecall
    .command("start")
    .description("Older name of call; the number is required")
    .requiredOption("--to <phone>", "number to call (E.164)")
    .option("--message <text>", "first words of the call")
    .option("--mode <mode>", MODES, "conversation")
    .action((options) => place(gateway, "voicecall.start", options));
  onCall(voicecall, "continue", "Say something and wait for the answer")
    .requiredOption("--message <text>", "text to speak")
    .action((options) => print(gateway, "voicecall.continue", options));
  onCall(voicecall, "speak", "Say something")
    .requiredOption("--message <text>", "text to speak")
    .action((options) => print(gateway, "voicecall.speak", options));
  onCall(voicecall, "steer", "Give the agent of a live call a hint")
    .requiredOption("--message <text>", "the hint, the question, or the text")
    .option("--mode <mode>", "guidance, say or ask", "guidance")
    .action((options) => print(gateway, "voicecall.steer", options));
  onCall(voicecall, "dtmf", "Send DTMF digits")
    .requiredOption("--digits <keys>", "0-9 * # and pauses w W p P ,")
    .action((options) => print(gateway, "voicecall.dtmf", options));
  onCall(voicecall, "end", "Hang up").action((options) => print(gateway, "voicecall.end", options));
  voicecall
    .command("status")
    .description("One call, or every live one")
    .option("--call-id <id>", "id of the call, voicecall's or the carrier's")
    .option("--json", "accepted; the output is always JSON")
    .action(({ callId }) => print(gateway, "voicecall.status", status(callId)));
  voicecall
    .command("tail")
    .description("Follow the events of calls")
    .option("--since <n>", "number of past events to start with", "25")
    .option("--poll <ms>", "accepted; events come as they happen")
    .option("--file <path>", "accepted; the events are those of the gateway")
    .action(({ since }) => tail(gateway, Number(since)));
  registerLocalCommands(voicecall, api, settings);
}

function onCall(voicecall, name, description) {
  return voicecall.command(name).description(description).requiredOption("--call-id <id>", "id of the call");
}

function status(name) {
  if (name === undefined) return {};
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name) ? { callId: name } : { sid: name };
}

async function place(gateway, method, options) {
  await print(gateway, method, options, ({ callId }) => ({ callId }));
}

async function print(gateway, method, params, shown = (payload) => payload) {
  const answer = await gateway.request(method, params);
  if (answer.ok) {
    console.log(JSON.stringify(shown(answer.payload), null, 2));
  } else {
    console.error(answer.error.message);
    process.exitCode = EXIT[answer.error.code] ?? 1;
  }
}

function tail(gateway, last) {
  return new Promise((resolve) => {
    const socket = connect(gateway, {
      connected: () => socket.request("voicecall.subscribe", { last }),
      event: (_, payload) => console.log(JSON.stringify(payload)),
      refused: (error) => {
        console.error(error.message);
        process.exitCode = EXIT[error.code] ?? 1;
        socket.close();
      },
      closed: () => {
        process.exitCode ||= EXIT.UNAVAILABLE;
        resolve();
      },
    });
  });
}
