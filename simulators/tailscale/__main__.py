"""`tailscale`: `status --json`, and `serve | funnel [flags] <target | off>` on a persistent table of routes.

Options of `FakeBinaries.behave("tailscale", …)`: `name` (Self.DNSName), `id`, `state` (BackendState), `garbage` (no
JSON), `slow_s`, `exit`, `disabled` (modes that the tailnet has not enabled: prints the link and waits), `refuses` (a
path whose route cannot be set).
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from simulators.fake_binaries import FakeBinaries

__all__ = ["main", "routes"]

_TOOL = "tailscale"
_NAME = "phone.tail1234.ts.net."
_NODE = "nTEST11CNTRL"


def main(directory: str) -> int:
    """Run the command once; returns the exit status."""
    binaries = FakeBinaries(Path(directory))
    how = binaries.begin(_TOOL)
    time.sleep(how.get("slow_s", 0))
    command, *arguments = sys.argv[1:] or [""]
    if command == "status" and arguments == ["--json"]:
        return _status(how)
    if command in {"serve", "funnel"}:
        return _route(binaries, command, arguments, how)
    print(f"unknown subcommand: {command}", file=sys.stderr)
    return 1


def routes(binaries: FakeBinaries) -> dict[str, str]:
    """The routes: "https port path" -> "mode target"."""
    path = binaries.directory / "routes.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _status(how: dict[str, Any]) -> int:
    if how.get("garbage"):
        print("# Health check:\n#     - not in map poll")
        return 0
    if "exit" in how:
        print("failed to connect to local tailscaled; it doesn't appear to be running", file=sys.stderr)
        return int(how["exit"])
    self_ = {"ID": how.get("id", _NODE), "HostName": "phone", "DNSName": how.get("name", _NAME), "Online": True}
    print(json.dumps({"Version": "1.80.3", "BackendState": how.get("state", "Running"), "Self": self_}, indent=2))
    return 0


def _route(binaries: FakeBinaries, mode: str, arguments: list[str], how: dict[str, Any]) -> int:
    parser = argparse.ArgumentParser(prog=f"{_TOOL} {mode}", exit_on_error=False)
    parser.add_argument("--bg", action="store_true")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--https", type=int, default=443)
    parser.add_argument("--set-path", default="/")
    parser.add_argument("targets", nargs="+")
    try:
        options = parser.parse_args(arguments)
    except argparse.ArgumentError as error:
        return _usage(mode, str(error))
    off = options.targets[-1] == "off"
    if len(options.targets) > 2 or (len(options.targets) == 2 and not off) or not (off or options.bg):
        return _usage(mode, "invalid argument format")
    return _off(binaries, mode, options) if off else _on(binaries, mode, options, how)


def _off(binaries: FakeBinaries, mode: str, options: argparse.Namespace) -> int:
    table = routes(binaries)
    if table.pop(f"{options.https} {options.set_path}", None) is None:
        return _usage(mode, "failed to remove web serve: error: handler does not exist")
    return _keep(binaries, table)


def _on(binaries: FakeBinaries, mode: str, options: argparse.Namespace, how: dict[str, Any]) -> int:
    if mode in how.get("disabled", ()):
        name = mode.capitalize()
        print(f"\n{name} is not enabled on your tailnet.\nTo enable, visit:\n")
        print(f"         https://login.tailscale.com/f/{mode}?node={how.get('id', _NODE)}\n", flush=True)
        time.sleep(60)  # waits for the user to follow the link, as the real command does
    if options.set_path == how.get("refuses"):
        return _usage(mode, "failed to apply web serve: port 443 is already serving TCP")
    table = {**routes(binaries), f"{options.https} {options.set_path}": f"{mode} {options.targets[0]}"}
    print("Available on the internet:\n" if mode == "funnel" else "Available within your tailnet:\n")
    print(f"https://{_NAME[:-1]}{options.set_path}\n|-- proxy {options.targets[0]}\n")
    print(f"{mode.capitalize()} started and running in the background.")
    return _keep(binaries, table)


def _keep(binaries: FakeBinaries, table: dict[str, str]) -> int:
    (binaries.directory / "routes.json").write_text(json.dumps(table))
    return 0


def _usage(mode: str, why: str) -> int:
    print(f"error: {why}\n\ntry `tailscale {mode} --help` for usage info", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[0]).parent)))
