// `openclaw voicecall …`: each command is one question to our gateway; the answer is printed as JSON. A refusal goes to
// stderr, with the exit codes of our own CLI.

import { listen } from "./socket.js";

const EXIT = { UNAVAILABLE: 69, UNAUTHORIZED: 77, FORBIDDEN: 77 };

export function registerCommands(program, gateway) {
  const voicecall = program.command("voicecall").description("Phone calls by a voicecall gateway");

  voicecall
    .command("call")
    .description("Place a call")
    .requiredOption("-m, --message <text>", "what is said first")
    .option("-t, --to <phone>", "whom to call (E.164); else the configured number")
    .option("--mode <mode>", "notify or conversation; else as configured")
    .action((told) => place(gateway, "voicecall.initiate", told));
  voicecall
    .command("start")
    .description("The older name of call: the number is required")
    .requiredOption("--to <phone>", "whom to call (E.164)")
    .option("--message <text>", "what is said first")
    .option("--mode <mode>", "notify or conversation; else as configured")
    .action((told) => place(gateway, "voicecall.start", told));
  onCall(voicecall, "continue", "Say something and wait for the answer")
    .requiredOption("--message <text>", "what is said")
    .action((told) => print(gateway, "voicecall.continue", told));
  onCall(voicecall, "speak", "Say something")
    .requiredOption("--message <text>", "what is said")
    .action((told) => print(gateway, "voicecall.speak", told));
  onCall(voicecall, "dtmf", "Press keys")
    .requiredOption("--digits <keys>", "0-9 * # and pauses w W p P ,")
    .action((told) => print(gateway, "voicecall.dtmf", told));
  onCall(voicecall, "end", "Hang up").action((told) => print(gateway, "voicecall.end", told));
  voicecall
    .command("status")
    .description("One call, or every live one")
    .option("--call-id <id>", "id of the call, ours or the carrier's")
    .option("--json", "accepted; the answer is always JSON")
    .action(({ callId }) => print(gateway, "voicecall.status", status(callId)));
  voicecall
    .command("tail")
    .description("What happens to calls, as it happens")
    .option("--since <n>", "how many of the newest to begin with", "25")
    .action(({ since }) => tail(gateway, Number(since)));
}

function onCall(voicecall, name, description) {
  return voicecall.command(name).description(description).requiredOption("--call-id <id>", "id of the call");
}

function status(name) {
  if (name === undefined) return {};
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name) ? { callId: name } : { sid: name };
}

async function place(gateway, method, told) {
  await print(gateway, method, told, ({ callId }) => ({ callId }));
}

async function print(gateway, method, params, shown = (payload) => payload) {
  const answer = await gateway.ask(method, params);
  if (answer.ok) {
    console.log(JSON.stringify(shown(answer.payload), null, 2));
  } else {
    console.error(answer.error.message);
    process.exitCode = EXIT[answer.error.code] ?? 1;
  }
}

function tail(gateway, last) {
  return new Promise((over) => {
    const socket = listen(gateway, {
      greeted: () => socket.ask("voicecall.subscribe", { last }),
      event: (_, payload) => console.log(JSON.stringify(payload)),
      refused: (error) => {
        console.error(error.message);
        process.exitCode = EXIT[error.code] ?? 1;
        socket.close();
      },
      closed: () => {
        process.exitCode ||= EXIT.UNAVAILABLE;
        over();
      },
    });
  });
}
