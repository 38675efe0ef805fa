"""Who may come in: a bearer token compared in constant time, and no stranger's web page (reliability attacks 76, 80).

Used by the app before anything else. Knows tokens and headers; does not know what is asked for.
"""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from voicecall.errors import ConfigError
from voicecall.settings import Deployment

__all__ = ["Guard"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """Raises ConfigError when there is no token and the gateway would be reachable from elsewhere."""

    def __init__(self, deployment: Deployment) -> None:
        tokens = (deployment.gateway_token, deployment.gateway_old_token)
        self._tokens = tuple(token.encode() for token in tokens if token)
        if deployment.gateway_token is None and not deployment.gateway.is_loopback:
            problem = (
                f"VOICECALL_GATEWAY_TOKEN is required when the gateway listens on {deployment.gateway_bind};"
                " set it to a long random secret, or set VOICECALL_GATEWAY_BIND to 127.0.0.1"
            )
            raise ConfigError([problem])

    @property
    def is_open(self) -> bool:
        """No token is configured: whoever reaches the loopback address is let in."""
        return not self._tokens

    def admits(self, token: str) -> bool:
        offered = token.encode("utf-8", "replace")
        # No early exit: how long this takes tells nothing about which token came near.
        matches = [hmac.compare_digest(offered, known) for known in self._tokens]
        return self.is_open or any(matches)

    def admits_header(self, headers: Mapping[str, str]) -> bool:
        """The `Authorization: Bearer …` header holds our token (or none is needed)."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return self.is_open or (scheme.lower() == "bearer" and self.admits(token.strip()))

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


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
