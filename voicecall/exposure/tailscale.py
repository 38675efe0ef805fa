"""Tailscale's `serve` (for the tailnet) and `funnel` (for the internet): a path of this machine's name leads to a port.

Used by the ingress for its configured tunnel, and by `voicecall expose`. Tailscaled keeps the routes: they outlast this
process, and setting one again changes nothing.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from voicecall.errors import ExposureError
from voicecall.subprocesses import Outcome, environment_of, run

__all__ = ["Mode", "Tailnet", "enable_url", "expose", "status", "withdraw"]

_log = logging.getLogger(__name__)

Mode = Literal["serve", "funnel"]

_TOOL: Final = "tailscale"
_STATUS_S: Final = 2.5
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
        """The public URL of `path`, once it is exposed."""
        return f"https://{self.name}{'' if port == _HTTPS else f':{port}'}{path}"


async def status(environ: Mapping[str, str], *, within_s: float = _STATUS_S) -> Tailnet:
    """This machine in its tailnet. Raises ToolMissing, ExposureError."""
    done = await run(_TOOL, "status", "--json", within_s=within_s, environ=environment_of(environ))
    if done.status is None:
        raise ExposureError(_TOOL, f"`status` printed nothing within {within_s:g} s; see whether tailscaled runs")
    report = _report(done)
    state = report.get("BackendState")
    if state is not None and state != "Running":
        raise ExposureError(_TOOL, f"this machine is not in its tailnet ({str(state)[:40]}); run `tailscale up`")
    if done.status != 0:
        raise ExposureError(_TOOL, f"`status` ended with {done.status}{_why(done)}; see whether tailscaled runs")
    self_ = report.get("Self")
    name = self_.get("DNSName") if isinstance(self_, dict) else None
    if not isinstance(name, str) or not _NAME.match(name):
        raise ExposureError(_TOOL, "this machine has no DNS name; switch MagicDNS on in tailscale's admin console")
    node = self_.get("ID") if isinstance(self_, dict) else None
    return Tailnet(name.rstrip("."), node if isinstance(node, str) and _NODE.match(node) else "")


async def expose(mode: Mode, path: str, target: str, *, port: int = _HTTPS, environ: Mapping[str, str]) -> None:
    """Route `path` to `target`, a URL on 127.0.0.1, until it is withdrawn. Raises ToolMissing, ExposureError."""
    order = (mode, "--bg", "--yes", *_port(port), "--set-path", path, target)
    # When the mode is not enabled it prints a link and waits until the link has been followed.
    done = await run(_TOOL, *order, within_s=_EXPOSE_S, environ=environment_of(environ), until=_ENABLE)
    if done.status == 0:
        return
    found = _ENABLE.search(f"{done.out}\n{done.err}\n".encode())
    if found is not None:
        link = found[0].decode().strip()
        raise ExposureError(_TOOL, f"{mode} is not enabled for this machine; enable it at {link}", enable_url=link)
    how = f"did not end within {_EXPOSE_S:.0f} s" if done.status is None else f"ended with {done.status}"
    raise ExposureError(_TOOL, f"`{mode}` for {path} {how}{_why(done)}; try `tailscale {mode} {port}` by hand")


async def withdraw(mode: Mode, path: str, *, port: int = _HTTPS, environ: Mapping[str, str]) -> bool:
    """Remove the route of `path`; False when tailscale did not, which is logged. Raises ToolMissing.

    A path without a route counts as removed.
    """
    # `off` comes last: tailscale refuses it anywhere else.
    order = (mode, f"--https={port}", "--set-path", path, "off")
    done = await run(_TOOL, *order, within_s=_WITHDRAW_S, environ=environment_of(environ))
    if done.status == 0 or "handler does not exist" in done.err:
        return True
    _log.warning("route not removed", extra={"tool": _TOOL, "mode": mode, "path": path, "status": done.status})
    return False


def enable_url(mode: Mode, tailnet: Tailnet | None) -> str | None:
    """Where the tailnet's owner enables `mode` for this machine; None when the machine's node id is unknown."""
    return f"https://login.tailscale.com/f/{mode}?node={tailnet.node}" if tailnet is not None and tailnet.node else None


def _port(port: int) -> tuple[str, ...]:
    return () if port == _HTTPS else (f"--https={port}",)


def _report(done: Outcome) -> dict[str, object]:
    try:
        report = json.loads(done.out)
    except (ValueError, RecursionError):
        report = None
    if isinstance(report, dict):
        return report
    if done.status == 0:
        raise ExposureError(_TOOL, "`status --json` printed no JSON; update tailscale to 1.52 or newer")
    return {}


def _why(done: Outcome) -> str:
    """The last printed line of a failed command that is no hint, as a suffix for a message."""
    lines = [line.strip() for line in f"{done.out}\n{done.err}".splitlines()]
    reasons = [line for line in lines if line and not line.startswith("try `")]
    reason = "".join(letter for letter in reasons[-1] if letter.isprintable())[:200] if reasons else ""
    return f": {reason}" if reason else ""
