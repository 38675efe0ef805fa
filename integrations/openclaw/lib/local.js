// `openclaw voicecall expose`, `setup`, `smoke` and `latency`: they inspect or change the machine that voicecall runs on. Each
// runs the installed `voicecall` with the same words, through OpenClaw's documented `api.runtime.system`, and passes its output
// and exit status on.

const COMMANDS = {
  expose: "Make the webhook of this machine reachable through tailscale, or stop that",
  setup: "Check the configuration on this machine",
  smoke: "Check the setup of this machine and, with --to and --yes, place one call",
  latency: "How long callers waited for a reply in the newest calls",
};
const LONGEST_MS = 180_000; // a call of `smoke` may ring
const EXIT_UNAVAILABLE = 69;

export function registerLocalCommands(voicecall, api, { command }) {
  for (const [name, description] of Object.entries(COMMANDS)) {
    voicecall
      .command(name)
      .description(description)
      .helpOption(false) // the help is that of `voicecall`
      .allowUnknownOption()
      .allowExcessArguments()
      .action((_options, { args }) => run(api, [command, name, ...args]));
  }
}

async function run(api, words) {
  try {
    const { stdout, stderr, code } = await api.runtime.system.runCommandWithTimeout(words, { timeoutMs: LONGEST_MS });
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    process.exitCode = code ?? 1;
  } catch (error) {
    const why = error.code === "ENOENT" ? "is not installed here" : `cannot be started (${error.code ?? error.message})`;
    console.error(`${words[0]} ${why}; run \`voicecall ${words[1]}\` on the machine of its processes, or set \`command\``);
    process.exitCode = EXIT_UNAVAILABLE;
  }
}
