"""Checks the account at the carrier: are the credentials valid, is its webhook URL ours, do the clocks agree."""

from collections.abc import Iterator
from typing import Final

from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.ports import Inspection
from voicecall.settings import Settings, value_at

__all__ = ["judge", "masked"]

_SKEW_S: Final = 30.0
_LARGE_SKEW_S: Final = 240.0  # signatures are valid for 300 s
_REFUSED: Final = frozenset({401, 403})


def masked(secret: str | None) -> str:
    """The last four characters of a long secret, to distinguish it from another."""
    if not secret:
        return "none"
    return f"…{secret[-4:]}" if len(secret) >= 12 else "…"


def judge(settings: Settings, seen: Inspection | None, url: str | None) -> Iterator[Finding]:
    """`url`: the webhook's public URL, None when it is not known."""
    if seen is None:
        yield ok("carrier.credentials", "no carrier is configured: no phone is called")
        return
    yield _credentials(settings, seen)
    if seen.status == 200 and seen.setting:
        yield _webhook(settings, seen, url)
    if seen.server_time is not None:
        yield _clock(seen.asked_at - seen.server_time)


def _credentials(settings: Settings, seen: Inspection) -> Finding:
    check, whose = "carrier.credentials", _whose(settings)
    if seen.status == 200:
        return ok(check, f"{whose} is accepted: {seen.account}")
    if seen.status in _REFUSED:
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
        return warn(check, f"could not be read: {seen.trouble}", f"check it by hand: {seen.setting}")
    if seen.webhook_url is None:
        return ok(check, f"could not be read ({seen.trouble}), and inbound calls are disabled")
    if url is None:
        return warn(
            check, f"set to {seen.webhook_url[:120]!r}; ours is not known", "start the ingress: it opens a tunnel"
        )
    if seen.webhook_url.partition("#")[0] == url:  # a fragment tunes retries, and is not requested
        return ok(check, f"set to {url}")
    current = f"{seen.webhook_url[:120]!r}" if seen.webhook_url else "nothing"
    if not needed:
        return ok(check, f"set to {current}, not to this system; inbound calls are disabled (inboundPolicy)")
    return fail(check, f"set to {current}, but this system is at {url}", f"{seen.setting}: {url}")


def _clock(offset_s: float) -> Finding:
    """`offset_s`: how far this machine's clock is ahead. The Date header has whole seconds."""
    seen = f"ours is {abs(offset_s):.0f} s {'ahead' if offset_s >= 0 else 'behind'}"
    if abs(offset_s) < _SKEW_S:
        return ok("carrier.clock", seen)
    remedy = "let NTP set this machine's clock: signed webhooks are valid for five minutes"
    return (fail if abs(offset_s) >= _LARGE_SKEW_S else warn)("carrier.clock", seen, remedy)


def _whose(settings: Settings) -> str:
    """The credentials, masked, with their keys."""
    values = {path: value_at(settings, path) for path, _ in settings.capabilities.credentials}
    credentials = ", ".join(f"{'.'.join(path)} {masked(value)}" for path, value in values.items())
    return credentials or "the carrier's secret"
