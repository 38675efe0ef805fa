"""`ngrok`, limited to `ngrok http`: an agent that logs JSON to stdout and forwards HTTP and WebSockets to a port.

Options of `FakeBinaries.behave("ngrok", …)`: `url` (the public URL it reports), `listen` (the loopback port it forwards
from; 0: a free one), `token` (the one it accepts), `code` (refuse with this ERR_NGROK), `on` ("stderr" or "stdout"),
`exit` (end with this status), `slow_s`, `silent` (never report a URL), `garbage` (noise before the URL),
`ignores_sigterm` (ignore SIGTERM).
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from simulators.fake_binaries import FakeBinaries

__all__ = ["main"]

_TOOL = "ngrok"
_REFUSED = 1


def main(directory: str) -> int:
    """Run the agent once; returns the exit status."""
    binaries = FakeBinaries(Path(directory))
    how = binaries.begin(_TOOL)
    options = _options(sys.argv[1:])
    if options is None:
        print(f"ERROR:  unknown command: {' '.join(sys.argv[1:])}", file=sys.stderr)
        return _REFUSED
    token = os.environ.get("NGROK_AUTHTOKEN", "")
    binaries.write(
        _TOOL, "agent", upstream=options.upstream, domain=options.domain, token=token == how.get("token", "")
    )
    _log("open config file", path="/nowhere/ngrok.yml", err=None)
    time.sleep(how.get("slow_s", 0))
    code = how.get("code") or ("ERR_NGROK_105" if token != how.get("token", "") else None)
    if code:
        return _refuse(code, token, how.get("on", "stderr"))
    if "exit" in how:
        return int(how["exit"])
    return _serve(binaries, options, how)


def _options(argv: list[str]) -> argparse.Namespace | None:
    parser = argparse.ArgumentParser(prog=_TOOL, exit_on_error=False)
    parser.add_argument("command", choices=["http"])
    parser.add_argument("upstream")
    parser.add_argument("--log", required=True)
    parser.add_argument("--log-format", required=True)
    parser.add_argument("--domain", default="")
    try:
        options = parser.parse_args(argv)
    except argparse.ArgumentError:
        return None
    return options if (options.log, options.log_format) == ("stdout", "json") else None


def _refuse(code: str, token: str, on: str) -> int:
    """A refused token, repeated in the message as the real agent does."""
    words = f"authentication failed: The authtoken you specified is wrong.\nYour authtoken: {token}\r\n\r\n{code}\r\n"
    if on == "stdout":
        _log("failed to auth", lvl="eror", obj="tunnels.session", err=words)
        time.sleep(60)  # the real agent would retry for ever
    else:
        print(f"ERROR:  {words}", file=sys.stderr, flush=True)
    return _REFUSED


def _serve(binaries: FakeBinaries, options: argparse.Namespace, how: dict[str, Any]) -> int:
    # Imported here, so that an agent that refuses does not pay for it.
    import asyncio

    from simulators.ngrok.forwarding import forwarding

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, (lambda: None) if how.get("ignores_sigterm") else stop.set
        )
        host, _, port = options.upstream.rpartition(":")
        public = how.get("url") or (f"https://{options.domain}" if options.domain else "https://a1b2.ngrok-free.app")
        upstream = f"http://{host or '127.0.0.1'}:{port}"
        async with forwarding(upstream, public.partition("://")[2], how.get("listen", 0)) as listens:
            if how.get("garbage"):
                sys.stdout.write('{"lvl": "info", "msg": "cut\n[1, 2]\n' + "x" * 200_000 + "\n\x00\xff\n")
                sys.stdout.write("[" * 50_000 + "\n")
                _log("started tunnel", url=public.replace("https:", "http:"))
            _log("client session established", obj="csess")
            binaries.write(_TOOL, "open", url=public, listens=listens)
            if not how.get("silent"):
                record = {"obj": "tunnels", "name": "command_line", "addr": f"http://localhost:{port}", "url": public}
                _log("started tunnel", **record)
            await stop.wait()
        binaries.write(_TOOL, "closed")

    asyncio.run(serve())
    return 0


def _log(msg: str, lvl: str = "info", **fields: Any) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    print(json.dumps({"lvl": lvl, "msg": msg, "t": now, **fields}), flush=True)


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[0]).parent)))
