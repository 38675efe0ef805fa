"""Maps public URLs to loopback addresses, as a tunnel or load balancer in front of the customer's server. Does no I/O.

Carriers sign the URL that the customer configured, so a simulator signs that and connects to the mapped address.
Several targets behind one origin are a load balancer and take turns.
"""

import itertools
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

__all__ = ["PublicMap"]

_TWIN = {"http": "ws", "https": "wss", "ws": "http", "wss": "https"}


class PublicMap:
    """Public origins and the loopback origins that stand behind each."""

    def __init__(self) -> None:
        self._targets: dict[str, list[str]] = {}
        self._turn: Iterator[int] = itertools.count()

    def add(self, rule: str) -> None:
        """Take `https://public=http://127.0.0.1:1[,http://127.0.0.1:2]`, replacing an earlier rule for that origin.

        Raises ValueError when the rule cannot be read.
        """
        public, _, behind = rule.partition("=")
        origins = [_origin(target) for target in behind.split(",")]
        self._targets[_origin(public)] = origins

    def rules(self) -> dict[str, list[str]]:
        """The map, for /_sim/health."""
        return dict(self._targets)

    def routes(self, url: str) -> list[str]:
        """The URLs to try, in order, to reach `url`: `url` itself when no rule matches. `wss` stays a WebSocket."""
        parts = urlsplit(url)
        socket = parts.scheme in ("ws", "wss")
        origin = f"{_TWIN[parts.scheme] if socket else parts.scheme}://{parts.netloc}".lower()
        targets = self._targets.get(origin)
        if not targets:
            return [url]
        first = next(self._turn) % len(targets)
        found = []
        for target in targets[first:] + targets[:first]:
            scheme, _, netloc = target.partition("://")
            found.append(urlunsplit((_TWIN[scheme] if socket else scheme, netloc, parts.path, parts.query, "")))
        return found


def _origin(url: str) -> str:
    parts = urlsplit(url.strip().rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
        raise ValueError(f"not an origin such as https://voice.example.com: {url!r}")
    return f"{parts.scheme}://{parts.netloc}".lower()
