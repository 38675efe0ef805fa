"""`voicecall setup` and `voicecall smoke`: is this machine ready to phone, and does it (behaviour 10.1).

`setup` reads what the processes would read, and places no call. `smoke` dials only when it is told to twice.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from voicecall.call.events import Mode
from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import EX_REFUSED, asked, deployment
from voicecall.cli.options import SETUP, AsJson, To, example
from voicecall.errors import ConfigError
from voicecall.exposure.reachability import carrier_is_remote, url_problem
from voicecall.settings import Deployment, Settings, read_settings

__all__ = ["Check", "judge", "register"]

_HELLO: Final = "This is a test call of voicecall. Goodbye."


@dataclass(frozen=True, slots=True)
class Check:
    id: str
    ok: bool
    message: str


_AREAS: Final = {
    "plugin-enabled": ("enabled",),
    "provider": ("provider",),
    "webhook-exposure": ("publicUrl", "tunnel", "tailscale", "serve", "webhookSecurity", "skipSignatureVerification"),
    "mode": ("outbound", "streaming", "stt", "tts", "voicemail"),
    "agent-owner": ("agentId", "sessionScope", "response"),
}
"""Which keys each check is about; problems with any other are `provider-config`'s."""


def register(app: typer.Typer) -> None:
    """Hang both commands into the app."""
    app.command(rich_help_panel=SETUP, epilog=example("voicecall setup"))(setup)
    lines = ("voicecall smoke", "voicecall smoke --to +15550001234 --yes")
    app.command(rich_help_panel=SETUP, epilog=example(*lines))(smoke)


def setup(*, as_json: AsJson = False) -> None:
    """Check that the configuration is ready to phone: provider, account, way in, mode, agent. Exits 1 if it is not."""
    report = _report()
    typer.echo(pretty(report)) if as_json else _tell(report)
    if not report["ok"]:
        raise typer.Exit(EX_REFUSED)


def smoke(
    to: To = None,
    message: Annotated[str, typer.Option("--message", help="What to say.", metavar="TEXT")] = _HELLO,
    mode: Annotated[Mode, typer.Option("--mode", help="Only tell, or talk.")] = Mode.NOTIFY,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Really call, and pay for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the setup, and with both --to and --yes place one call. Without them nobody is called."""
    report = _report()
    if not report["ok"]:
        typer.echo(pretty({"ok": False, "setup": report, "liveCall": False})) if as_json else _tell(report)
        raise typer.Exit(EX_REFUSED)
    if not as_json:
        _tell(report)
    if to is None or not yes:
        answer: dict[str, Any] = {"ok": True, "setup": report, "liveCall": False}
        sentence = "Dry run: nobody was called. Add --to NUMBER --yes to place one call."
    else:
        placed = asked("voicecall.initiate", {"to": to, "message": message, "mode": mode})
        answer = {"ok": True, "setup": report, "liveCall": True, "callId": placed["callId"]}
        sentence = f"Call {placed['callId']}"
    typer.echo(pretty(answer) if as_json else safe(sentence))


def judge(read: Callable[[], Settings], stands: Deployment) -> tuple[Check, ...]:
    """The six checks of what `read` gives; a ConfigError's problems fail those they are about."""
    try:
        settings = read()
    except ConfigError as error:
        return tuple(_spoiled(error.problems))
    return tuple(_checks(settings, stands))


def _checks(settings: Settings, stands: Deployment) -> Iterator[Check]:
    on = settings.enabled
    yield Check("plugin-enabled", on, "voice-call is enabled" if on else "enabled is false; set it to true")
    nobody = "" if settings.capabilities.has_account else ": no real phone rings"
    yield Check("provider", ok=True, message=f"{settings.provider}{nobody}")
    caller = f"calls come from {settings.from_number}" if settings.from_number else "no caller ID is needed"
    yield Check("provider-config", ok=True, message=f"the account is complete; {caller}")
    yield _exposure(settings, stands)
    how = "media streams" if settings.streaming.enabled else "the carrier's own voice and ears"
    yield Check("mode", ok=True, message=f"calls {settings.outbound.default_mode} by default, through {how}")
    yield Check(
        "agent-owner", ok=True, message=f"agent {settings.agent_id} owns the calls; {settings.response_model} answers"
    )


def _exposure(settings: Settings, stands: Deployment) -> Check:
    why = url_problem(settings, stands, settings.webhook_url) if not settings.is_tunnelled else None
    if why is not None:
        return Check("webhook-exposure", ok=False, message=why)
    if settings.is_tunnelled:
        how = settings.tunnel.provider if settings.tunnel.provider != "none" else f"tailscale {settings.tailscale.mode}"
        return Check("webhook-exposure", ok=True, message=f"the ingress opens {how}")
    beside = "" if carrier_is_remote(settings, stands) else ", which the carrier beside us reaches"
    return Check("webhook-exposure", ok=True, message=f"{settings.webhook_url}{beside}")


def _spoiled(problems: tuple[str, ...] | list[str]) -> Iterator[Check]:
    about: dict[str, list[str]] = {}
    for problem in problems:
        about.setdefault(_area(problem), []).append(problem)
    unread = any(_is_unread(problem) for problem in problems)
    for area in ("plugin-enabled", "provider", "provider-config", "webhook-exposure", "mode", "agent-owner"):
        told = about.get(area, [])
        if unread and not told:
            yield Check(area, ok=False, message="not known without a configuration that can be read")
        else:
            yield Check(area, not told, "; ".join(told) or "no problem seen; the configuration as a whole has some")


def _area(problem: str) -> str:
    """A problem begins with the key it is about, perhaps behind the path of the host's file."""
    key = problem.removeprefix("plugins.entries.voice-call.").removeprefix("config.")
    if _is_unread(problem):
        return "plugin-enabled"
    return next((area for area, names in _AREAS.items() if key.startswith(names)), "provider-config")


def _is_unread(problem: str) -> bool:
    """Whether there is no configuration, or none that could be read."""
    return problem.startswith(("VOICECALL_CONFIG", "OPENCLAW_", "the configuration "))


def _report() -> dict[str, Any]:
    checks = judge(lambda: read_settings(os.environ).settings, deployment())
    return {
        "ok": all(check.ok for check in checks),
        "checks": [{"id": check.id, "ok": check.ok, "message": check.message} for check in checks],
    }


def _tell(report: dict[str, Any]) -> None:
    typer.echo("Voice call setup")
    for check in report["checks"]:
        typer.echo(f"{'OK' if check['ok'] else 'FAIL'} {check['id']}: {safe(check['message'])}")
