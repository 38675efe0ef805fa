"""`voicecall setup` and `voicecall smoke`: check that the configuration is complete, and place a test call.

`setup` reads the configuration that the processes would read, and places no call. `smoke` places one only with both
`--to` and `--yes`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from voicecall.api.methods import INITIATE
from voicecall.call.admission import InboundPolicy
from voicecall.call.events import Mode
from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import EX_REFUSED, deployment, request
from voicecall.cli.options import SETUP, AsJson, To, example
from voicecall.errors import ConfigError
from voicecall.exposure.reachability import carrier_is_remote, url_problem
from voicecall.manifests import service_of
from voicecall.settings import Deployment, Settings, read_settings

__all__ = ["Check", "checks_of", "register", "setup", "smoke"]

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
"""The keys of each check; problems of other keys belong to `provider-config`."""


def register(app: typer.Typer) -> None:
    """Add both commands to the app."""
    app.command(rich_help_panel=SETUP, epilog=example("voicecall setup"))(setup)
    lines = ("voicecall smoke", "voicecall smoke --to +15550001234 --yes")
    app.command(rich_help_panel=SETUP, epilog=example(*lines))(smoke)


def setup(*, as_json: AsJson = False) -> None:
    """Check the configuration: provider, account, public address, mode, agent. Exit status 1 if a check fails."""
    report = _report()
    typer.echo(pretty(report)) if as_json else _print_report(report)
    if not report["ok"]:
        raise typer.Exit(EX_REFUSED)


def smoke(
    to: To = None,
    message: Annotated[str, typer.Option("--message", help="What to say.", metavar="TEXT")] = _HELLO,
    mode: Annotated[
        Mode, typer.Option("--mode", help="notify: say it and hang up. conversation: stay on the line.")
    ] = Mode.NOTIFY,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Place a real call, which costs money.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the setup and, with both --to and --yes, place one call. Without both, no call is placed."""
    report = _report()
    if not report["ok"]:
        typer.echo(pretty({"ok": False, "setup": report, "liveCall": False})) if as_json else _print_report(report)
        raise typer.Exit(EX_REFUSED)
    if not as_json:
        _print_report(report)
    if to is None or not yes:
        answer: dict[str, Any] = {"ok": True, "setup": report, "liveCall": False}
        sentence = "Dry run: no call was placed. Add --to NUMBER --yes to place one."
    else:
        placed = request(INITIATE, {"to": to, "message": message, "mode": mode})
        answer = {"ok": True, "setup": report, "liveCall": True, "callId": placed["callId"]}
        sentence = f"Call {placed['callId']}"
    typer.echo(pretty(answer) if as_json else safe(sentence))


def checks_of(read: Callable[[], Settings], deployed: Deployment) -> tuple[Check, ...]:
    """The six checks of the settings that `read` returns; each problem of a ConfigError fails the check of its key."""
    try:
        settings = read()
    except ConfigError as error:
        return tuple(_failed_checks(error.problems))
    return tuple(_checks(settings, deployed))


def _checks(settings: Settings, deployed: Deployment) -> Iterator[Check]:
    on = settings.enabled
    yield Check("plugin-enabled", on, "voice-call is enabled" if on else "enabled is false; set it to true")
    note = "" if settings.capabilities.has_account else ": no real phone rings"
    yield Check("provider", ok=True, message=f"{settings.provider}{note}")
    caller = f"calls come from {settings.from_number}" if settings.from_number else "no caller ID is needed"
    yield Check("provider-config", ok=True, message=f"the account is complete; {caller}")
    yield _exposure(settings, deployed)
    how = settings.way_of_speech
    yield Check("mode", ok=True, message=f"calls {settings.outbound.default_mode} by default, through {how}")
    yield _answering(settings)


def _answering(settings: Settings) -> Check:
    """Fails when calls converse and a model, general or of a number, has no key; notifications need no model."""
    missing = {each.response_model: key for key, each in _each_number(settings) if _lacks_key(each)}
    holds = f"agent {settings.agent_id} holds the calls"
    if not missing:
        return Check("agent-owner", ok=True, message=f"{holds}; {settings.response_model} answers")
    converses = settings.inbound_policy is not InboundPolicy.DISABLED or (
        settings.outbound.default_mode is Mode.CONVERSATION
    )
    keys = "; ".join(
        f"{model} cannot answer without a key: set {key} or {service.key_variables[0]}"
        for model, key in missing.items()
        if (service := service_of(model)) is not None
    )
    return Check("agent-owner", ok=not converses, message=f"{holds}; {keys}")


def _each_number(settings: Settings) -> tuple[tuple[str, Settings], ...]:
    """The settings of every number, the general ones last, and the key of the configuration for its model's key."""
    own = ((f"numbers.{number}.responseApiKey", settings.on_route(number)) for number in settings.numbers)
    return (*own, ("responseApiKey", settings))


def _lacks_key(settings: Settings) -> bool:
    service = service_of(settings.response_model)
    return service is not None and service.lacks_key(settings.response_base_url, settings.response_api_key)


def _exposure(settings: Settings, deployed: Deployment) -> Check:
    why = url_problem(settings, deployed, settings.webhook_url) if not settings.is_tunnelled else None
    if why is not None:
        return Check("webhook-exposure", ok=False, message=why)
    if settings.is_tunnelled:
        how = settings.tunnel.provider if settings.tunnel.provider != "none" else f"tailscale {settings.tailscale.mode}"
        return Check("webhook-exposure", ok=True, message=f"the ingress opens {how}")
    note = "" if carrier_is_remote(settings, deployed) else ", which the simulated carrier reaches"
    return Check("webhook-exposure", ok=True, message=f"{settings.webhook_url}{note}")


def _failed_checks(problems: tuple[str, ...] | list[str]) -> Iterator[Check]:
    about: dict[str, list[str]] = {}
    for problem in problems:
        about.setdefault(_area(problem), []).append(problem)
    unread = any(_is_unread(problem) for problem in problems)
    for area in ("plugin-enabled", "provider", "provider-config", "webhook-exposure", "mode", "agent-owner"):
        found = about.get(area, [])
        if unread and not found:
            yield Check(area, ok=False, message="unknown without a readable configuration")
        else:
            yield Check(
                area, not found, "; ".join(found) or "no problem found; other parts of the configuration have some"
            )


def _area(problem: str) -> str:
    """The check of a problem, by its key; in an OpenClaw file the key has the plugin's path as a prefix."""
    key = problem.removeprefix("plugins.entries.voice-call.").removeprefix("config.")
    if _is_unread(problem):
        return "plugin-enabled"
    return next((area for area, names in _AREAS.items() if key.startswith(names)), "provider-config")


def _is_unread(problem: str) -> bool:
    """Whether the configuration is missing or unreadable."""
    return problem.startswith(("VOICECALL_CONFIG", "OPENCLAW_", "the configuration "))


def _report() -> dict[str, Any]:
    checks = checks_of(lambda: read_settings(os.environ).settings, deployment())
    return {
        "ok": all(check.ok for check in checks),
        "checks": [{"id": check.id, "ok": check.ok, "message": check.message} for check in checks],
    }


def _print_report(report: dict[str, Any]) -> None:
    typer.echo("Voice call setup")
    for check in report["checks"]:
        typer.echo(f"{'OK' if check['ok'] else 'FAIL'} {check['id']}: {safe(check['message'])}")
