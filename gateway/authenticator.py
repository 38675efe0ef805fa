"""Authentication of API clients: the scopes of bearer tokens, and rejection of foreign web pages.

The server uses it before anything else (attacks 76 and 80). Knows tokens, headers and scopes; no method.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voicecall.api.scopes import Scope
from voicecall.bearer import BearerTokens, token_in
from voicecall.errors import ConfigError
from voicecall.settings import Deployment, gateway_problems
from voicecall.web_pages import host_name, is_from_page, is_of_other_origin

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

    `is_loopback`: the gateway listens on a loopback address. `tokens`: those that are configured.
    """

    def __init__(self, deployment: Deployment) -> None:
        if problems := gateway_problems(deployment):
            raise ConfigError(problems)
        known = (
            (deployment.gateway_token, _OPERATOR),
            (deployment.gateway_old_token, _OPERATOR),
            (deployment.gateway_read_token, _READER),
            (deployment.gateway_old_read_token, _READER),
        )
        self.tokens = BearerTokens((token, principal) for token, principal in known if token)
        self.is_loopback = deployment.gateway.is_loopback

    @property
    def is_open(self) -> bool:
        """No token is configured: every client that reaches the loopback address has all scopes."""
        return not self.tokens

    def authenticate(self, token: str, sender: str) -> Principal | None:
        """The holder of this token; None for an unknown token. `sender`: as of `connections.sender`.

        Raises Exhausted when the sender has sent too many unknown ones.
        """
        return _OPERATOR if self.is_open else self.tokens.holder(token, sender)

    def authenticate_header(self, headers: Mapping[str, str], sender: str) -> Principal | None:
        """The holder of the token of `Authorization: Bearer …`; without configured tokens, always the operator.

        Raises Exhausted as `authenticate`.
        """
        return self.authenticate(token_in(headers), sender)

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a browser sent this for a page of another origin; or, without tokens, under a non-loopback name.

        The second refuses a page whose name was rebound to the loopback address (DNS rebinding): it needs no token.
        """
        if is_from_page(headers) or is_of_other_origin(headers):
            return True
        return self.is_open and host_name(headers.get("Host", "")) not in _LOOPBACK
