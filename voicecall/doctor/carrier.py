"""What the carrier says of our account: does it believe our credentials, does it call us, do our clocks agree."""

from collections.abc import Iterator
from typing import Final

from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.ports import Inspection
from voicecall.settings import Settings, value_at

__all__ = ["judge", "masked"]

_SKEW_S: Final = 30.0
_LARGE_SKEW_S: Final = 240.0  # signatures are believed for 300 s
_ANONYMOUS: Final = frozenset({401, 403})


def masked(secret: str | None) -> str:
    """Enough of a secret to tell it from another."""
    if not secret:
        return "none"
    return f"…{secret[-4:]}" if len(secret) >= 12 else "…"


def judge(settings: Settings, seen: Inspection | None, url: str | None) -> Iterator[Finding]:
    """`url`: where carriers reach us, None when that is not known."""
    if seen is None:
        yield ok("carrier.credentials", "no carrier stands behind this configuration: nobody is called")
        return
    yield _credentials(settings, seen)
    if seen.status == 200 and seen.setting:
        yield _webhook(settings, seen, url)
    if seen.server_time is not None:
        yield _clock(seen.asked_at - seen.server_time)


def _credentials(settings: Settings, seen: Inspection) -> Finding:
    check, whose = "carrier.credentials", _whose(settings)
    if seen.status == 200:
        return ok(check, f"{whose} is believed: {seen.account}")
    if seen.status in _ANONYMOUS:
        remedy = f"copy id and secret of {settings.provider} again: they are not a pair, or were changed"
        return fail(check, f"{whose} is refused (HTTP {seen.status})", remedy)
    if seen.status == 404:
        return fail(check, f"{whose}: {seen.trouble or 'not found'}", f"check the account's ids of {settings.provider}")
    remedy = (
        f"is {settings.provider}'s API up, and may this machine reach it? {settings.provider.upper()}_API_BASE_URL?"
    )
    return fail(check, f"no answer: {seen.trouble[:160]}", remedy)


def _webhook(settings: Settings, seen: Inspection, url: str | None) -> Finding:
    check = "carrier.webhook"
    needed = settings.inbound_policy.value != "disabled"
    if seen.webhook_url is None and needed:
        return warn(check, f"could not be read: {seen.trouble}", f"look yourself: {seen.setting}")
    if seen.webhook_url is None:
        return ok(check, f"could not be read ({seen.trouble}), and nobody may call us")
    if url is None:
        return warn(
            check, f"set to {seen.webhook_url[:120]!r}; ours is not known", "start the ingress: it opens a tunnel"
        )
    if seen.webhook_url == url:
        return ok(check, f"set to {url}")
    told = f"{seen.webhook_url[:120]!r}" if seen.webhook_url else "nothing"
    if not needed:
        return ok(check, f"set to {told}, not to us; nobody may call us anyway (inboundPolicy)")
    return fail(check, f"set to {told}, but we are at {url}", f"{seen.setting}: {url}")


def _clock(offset_s: float) -> Finding:
    """The header tells whole seconds, so a second more or less is none."""
    seen = f"ours is {abs(offset_s):.0f} s {'ahead' if offset_s >= 0 else 'behind'}"
    if abs(offset_s) < _SKEW_S:
        return ok("carrier.clock", seen)
    remedy = "let NTP set this machine's clock: signed webhooks are believed for five minutes"
    return (fail if abs(offset_s) >= _LARGE_SKEW_S else warn)("carrier.clock", seen, remedy)


def _whose(settings: Settings) -> str:
    """Its credentials, masked, by the names of their keys."""
    values = {path: value_at(settings, path) for path, _ in settings.capabilities.credentials}
    told = ", ".join(f"{'.'.join(path)} {masked(value)}" for path, value in values.items())
    return told or "the secret of a carrier beside us"
