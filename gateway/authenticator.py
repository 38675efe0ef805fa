"""Who may come in, and how far: bearer tokens compared in constant time, and no stranger's web page.

Used by the app before anything else (reliability attacks 76, 80). Knows tokens, headers and scopes; does not know what
is asked for.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from voicecall.errors import ConfigError
from voicecall.settings import Deployment

__all__ = ["Authenticator", "Caller", "Scope"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Scope(StrEnum):
    """What a token may do: look, or also act."""

    READ = "operator.read"
    WRITE = "operator.write"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds one of our tokens; `name` says which, and counts for its rate."""

    name: str
    scopes: frozenset[Scope]


_OPERATOR: Final = Caller("operator", frozenset(Scope))
_READER: Final = Caller("reader", frozenset({Scope.READ}))


class Authenticator:
    """Raises ConfigError when the tokens leave the door open to strangers, or cannot be told apart.

    `is_local`: only this machine reaches us.
    """

    def __init__(self, deployment: Deployment) -> None:
        known = (
            (deployment.gateway_token, _OPERATOR),
            (deployment.gateway_old_token, _OPERATOR),
            (deployment.gateway_read_token, _READER),
            (deployment.gateway_old_read_token, _READER),
        )
        self._tokens = tuple((token.encode(), caller) for token, caller in known if token)
        self.is_local = deployment.gateway.is_loopback
        problems = _problems(deployment)
        if problems:
            raise ConfigError(problems)

    @property
    def is_open(self) -> bool:
        """No token is configured: whoever reaches the loopback address is let in, and may do everything."""
        return not self._tokens

    def recognise(self, token: str) -> Caller | None:
        """Who offers this token; None for a stranger."""
        offered = token.encode("utf-8", "replace")
        # No early exit: how long this takes tells nothing about which token came near.
        matches = [caller for known, caller in self._tokens if hmac.compare_digest(offered, known)]
        if self.is_open:
            return _OPERATOR
        return matches[0] if matches else None

    def recognise_header(self, headers: Mapping[str, str]) -> Caller | None:
        """Whoever the `Authorization: Bearer …` header names (or anybody, where no token is needed)."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return self.recognise(token.strip() if scheme.lower() == "bearer" else "")

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """A browser sends this for a page that is not ours; or, without a token, under a name that is not this machine.

        The second stops a page whose name was rebound to our loopback address: it would need no token.
        """
        host = headers.get("Host", "")
        if self.is_open and _name_of(host) not in _LOOPBACK:
            return True
        origin = headers.get("Origin")
        if origin is None:
            return False
        try:
            return urlsplit(origin).netloc.lower() != host.lower()
        except ValueError:
            return True


def _problems(deployment: Deployment) -> list[str]:
    full = {deployment.gateway_token, deployment.gateway_old_token} - {None}
    reading = {deployment.gateway_read_token, deployment.gateway_old_read_token} - {None}
    problems = []
    if deployment.gateway_token is None and not deployment.gateway.is_loopback:
        problems.append(
            f"VOICECALL_GATEWAY_TOKEN is required when the gateway listens on {deployment.gateway_bind};"
            " set it to a long random secret, or set VOICECALL_GATEWAY_BIND to 127.0.0.1"
        )
    elif reading and deployment.gateway_token is None:
        problems.append(
            "VOICECALL_GATEWAY_READ_TOKEN is set without VOICECALL_GATEWAY_TOKEN: nobody could place a call; set both"
        )
    if full & reading:
        problems.append(
            "VOICECALL_GATEWAY_READ_TOKEN is the same as VOICECALL_GATEWAY_TOKEN: who reads could act; choose another"
        )
    return problems


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
