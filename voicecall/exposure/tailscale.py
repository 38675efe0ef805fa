"""Tailscale's `serve` (for a tailnet) and `funnel` (for everybody): one path of this machine's name leads to a port.

Used by the ingress for the tunnel it is configured with, and by `voicecall expose`. The routes live in tailscaled, not
in us: they outlast a process that is killed, and setting one again changes nothing.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from voicecall.errors import ExposureError
from voicecall.subprocesses import Outcome, environment_of, run

__all__ = ["Mode", "Tailnet", "enable_url", "expose", "look", "withdraw"]

_log = logging.getLogger(__name__)

Mode = Literal["serve", "funnel"]

_TOOL: Final = "tailscale"
_LOOK_S: Final = 2.5
_EXPOSE_S: Final = 10.0
_WITHDRAW_S: Final = 5.0
_HTTPS: Final = 443
_ENABLE: Final = re.compile(rb"https://login\.tailscale\.com/[A-Za-z0-9/_-]{1,64}(?:\?node=[A-Za-z0-9]{1,64})?\s")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z")
_NODE: Final = re.compile(r"[A-Za-z0-9]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Tailnet:
    """This machine in its tailnet: `name` without the trailing dot, and tailscale's id of the node ("" unknown)."""

    name: str
    node: str

    def url(self, path: str, port: int = _HTTPS) -> str:
        """What leads to `path` of this machine, once it is exposed."""
        return f"https://{self.name}{'' if port == _HTTPS else f':{port}'}{path}"


async def look(environ: Mapping[str, str], *, within_s: float = _LOOK_S) -> Tailnet:
    """Who we are in the tailnet. Raises ToolMissing, ExposureError."""
    seen = await run(_TOOL, "status", "--json", within_s=within_s, environ=environment_of(environ))
    if seen.status is None:
        raise ExposureError(_TOOL, f"`status` said nothing within {within_s:g} s; see whether tailscaled runs")
    facts = _facts(seen)
    state = facts.get("BackendState")
    if state is not None and state != "Running":
        raise ExposureError(_TOOL, f"this machine is not in its tailnet ({str(state)[:40]}); run `tailscale up`")
    if seen.status != 0:
        raise ExposureError(_TOOL, f"`status` ended with {seen.status}{_why(seen)}; see whether tailscaled runs")
    self_ = facts.get("Self")
    name = self_.get("DNSName") if isinstance(self_, dict) else None
    if not isinstance(name, str) or not _NAME.match(name):
        raise ExposureError(_TOOL, "this machine has no DNS name; switch MagicDNS on in tailscale's admin console")
    node = self_.get("ID") if isinstance(self_, dict) else None
    return Tailnet(name.rstrip("."), node if isinstance(node, str) and _NODE.match(node) else "")


async def expose(mode: Mode, path: str, target: str, *, port: int = _HTTPS, environ: Mapping[str, str]) -> None:
    """Let `path` lead to `target`, a URL on 127.0.0.1, until it is withdrawn. Raises ToolMissing, ExposureError."""
    order = (mode, "--bg", "--yes", *_port(port), "--set-path", path, target)
    # Where a mode is not enabled it prints a link, and then waits for somebody to follow it.
    done = await run(_TOOL, *order, within_s=_EXPOSE_S, environ=environment_of(environ), until=_ENABLE)
    if done.status == 0:
        return
    said = _ENABLE.search(f"{done.out}\n{done.err}\n".encode())
    if said is not None:
        link = said[0].decode().strip()
        raise ExposureError(_TOOL, f"{mode} is not enabled for this machine; enable it at {link}", enable_url=link)
    how = f"did not end within {_EXPOSE_S:.0f} s" if done.status is None else f"ended with {done.status}"
    raise ExposureError(_TOOL, f"`{mode}` for {path} {how}{_why(done)}; try `tailscale {mode} {port}` by hand")


async def withdraw(mode: Mode, path: str, *, port: int = _HTTPS, environ: Mapping[str, str]) -> bool:
    """Let `path` lead nowhere; False when tailscale could not be told, which is logged. Raises ToolMissing.

    A path that leads nowhere already is done.
    """
    # `off` comes last: tailscale refuses it anywhere else.
    order = (mode, f"--https={port}", "--set-path", path, "off")
    done = await run(_TOOL, *order, within_s=_WITHDRAW_S, environ=environment_of(environ))
    if done.status == 0 or "handler does not exist" in done.err:
        return True
    _log.warning("a route was not removed", extra={"tool": _TOOL, "mode": mode, "path": path, "status": done.status})
    return False


def enable_url(mode: Mode, tailnet: Tailnet | None) -> str | None:
    """Where the tailnet's owner enables `mode` for this machine; None when we do not know who we are."""
    return f"https://login.tailscale.com/f/{mode}?node={tailnet.node}" if tailnet is not None and tailnet.node else None


def _port(port: int) -> tuple[str, ...]:
    return () if port == _HTTPS else (f"--https={port}",)


def _facts(seen: Outcome) -> dict[str, object]:
    try:
        facts = json.loads(seen.out)
    except (ValueError, RecursionError):
        facts = None
    if isinstance(facts, dict):
        return facts
    if seen.status == 0:
        raise ExposureError(_TOOL, "`status --json` printed no JSON; update tailscale to 1.52 or newer")
    return {}


def _why(done: Outcome) -> str:
    """The last words of a failed command that are words, in one line."""
    lines = [line.strip() for line in f"{done.out}\n{done.err}".splitlines()]
    telling = [line for line in lines if line and not line.startswith("try `")]
    words = "".join(letter for letter in telling[-1] if letter.isprintable())[:200] if telling else ""
    return f": {words}" if words else ""
