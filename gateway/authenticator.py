"""Authentication of API clients: bearer tokens, compared in constant time, and rejection of foreign web pages.

The server uses it before anything else (attacks 76 and 80). Knows tokens, headers and scopes; knows no method.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from voicecall.api.scopes import Scope
from voicecall.errors import ConfigError
from voicecall.settings import Deployment
from voicecall.web_pages import host_name, is_from_page

__all__ = ["Authenticator", "Principal"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a token. `name` identifies the kind of token, and its bucket of the rate limiter."""

    name: str
    scopes: frozenset[Scope]


_OPERATOR: Final = Principal("operator", frozenset(Scope))
_READER: Final = Principal("reader", frozenset({Scope.READ}))


class Authenticator:
    """Raises ConfigError when the tokens leave a reachable address unprotected, or a read token equals a full one.

    `is_loopback`: the gateway listens on a loopback address.
    """

    def __init__(self, deployment: Deployment) -> None:
        known = (
            (deployment.gateway_token, _OPERATOR),
            (deployment.gateway_old_token, _OPERATOR),
            (deployment.gateway_read_token, _READER),
            (deployment.gateway_old_read_token, _READER),
        )
        self._tokens = tuple((token.encode(), principal) for token, principal in known if token)
        self.is_loopback = deployment.gateway.is_loopback
        problems = _problems(deployment)
        if problems:
            raise ConfigError(problems)

    @property
    def is_open(self) -> bool:
        """No token is configured: every client that reaches the loopback address has all scopes."""
        return not self._tokens

    def authenticate(self, token: str) -> Principal | None:
        """The holder of this token; None for an unknown token."""
        offered = token.encode("utf-8", "replace")
        # No early exit, so that the duration does not depend on which token is similar.
        matches = [principal for known, principal in self._tokens if hmac.compare_digest(offered, known)]
        if self.is_open:
            return _OPERATOR
        return matches[0] if matches else None

    def authenticate_header(self, headers: Mapping[str, str]) -> Principal | None:
        """The holder of the token of `Authorization: Bearer …`; without configured tokens, always the operator."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return self.authenticate(token.strip() if scheme.lower() == "bearer" else "")

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a browser sent this for a page of another origin; or, without tokens, under a non-loopback name.

        The second refuses a page whose name was rebound to the loopback address (DNS rebinding): it needs no token.
        """
        host = headers.get("Host", "")
        if is_from_page(headers) or (self.is_open and host_name(host) not in _LOOPBACK):
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
            "VOICECALL_GATEWAY_READ_TOKEN is set without VOICECALL_GATEWAY_TOKEN: no client can place a call; set both"
        )
    if full & reading:
        problems.append(
            "VOICECALL_GATEWAY_READ_TOKEN is the same as VOICECALL_GATEWAY_TOKEN: readers could act; choose another"
        )
    return problems
