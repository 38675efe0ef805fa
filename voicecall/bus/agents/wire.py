"""What workers and gateways say to each other about turns that agent hosts answer: bytes on three kinds of channels.

- `agents:ask` — every gateway listens. An ask is offered there, again and again until one gateway has claimed it.
- `agents:gateway:<id>` — that gateway alone: a turn it has in hand is to be cancelled. Its silence is its death.
- `agents:asker:<id>` — that worker alone: numbered news of its asks, so that a lost message is noticed.

Pure. Used by `asking` (workers) and `answering` (gateways), and by nobody else.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import orjson

__all__ = [
    "ASK",
    "Kind",
    "Offer",
    "Reply",
    "asker_channel",
    "cancel_bytes",
    "claim_key",
    "gateway_channel",
    "read_cancel",
    "read_news",
    "read_offer",
]

ASK: Final = "agents:ask"

Kind = Literal["taken", "began", "words", "done", "failed", "gone"]
"""A gateway has it · the host began · words · the end · the host's own error · the host's socket is gone."""

_KINDS: Final = frozenset(get_args(Kind))


def gateway_channel(gateway: str) -> str:
    return f"agents:gateway:{gateway}"


def asker_channel(asker: str) -> str:
    return f"agents:asker:{asker}"


def claim_key(request: str) -> str:
    """String: the host that has this ask; set once, expires with it."""
    return f"agents:claim:{request}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An ask looking for a host. `body` is what the host is shown, as the protocol names it.

    `epoch`: of the activation that asks. Of two asks of one call the younger activation's counts.
    """

    request: str
    asker: str
    call: str
    epoch: int
    agent: str | None
    timeout_ms: int
    avoid: tuple[str, ...]
    body: dict[str, Any] = field(repr=False)

    def pack(self) -> bytes:
        return orjson.dumps(
            {
                "r": self.request,
                "q": self.asker,
                "c": self.call,
                "p": self.epoch,
                "a": self.agent,
                "t": self.timeout_ms,
                "x": self.avoid,
                "b": self.body,
            }
        )


def read_offer(data: bytes) -> Offer | None:
    """None for bytes that are no offer of ours."""
    try:
        raw = orjson.loads(data)
        return Offer(
            request=str(raw["r"]),
            asker=str(raw["q"]),
            call=str(raw["c"]),
            epoch=int(raw["p"]),
            agent=raw["a"],
            timeout_ms=int(raw["t"]),
            avoid=tuple(raw["x"]),
            body=dict(raw["b"]),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Message `number` (0, 1, 2 …) about a request. `host` and `gateway` are told with "taken"."""

    request: str
    number: int
    kind: Kind
    text: str = field(default="", repr=False)
    code: str = ""
    host: str = ""
    gateway: str = ""

    def pack(self) -> bytes:
        return orjson.dumps(
            {
                "r": self.request,
                "n": self.number,
                "k": self.kind,
                "t": self.text,
                "e": self.code,
                "h": self.host,
                "g": self.gateway,
            }
        )


def read_news(data: bytes) -> Reply | None:
    """None for bytes that are no news of ours."""
    try:
        raw = orjson.loads(data)
        if raw["k"] not in _KINDS:
            return None
        return Reply(
            request=str(raw["r"]),
            number=int(raw["n"]),
            kind=raw["k"],
            text=str(raw["t"]),
            code=str(raw["e"]),
            host=str(raw["h"]),
            gateway=str(raw["g"]),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def cancel_bytes(request: str) -> bytes:
    return orjson.dumps({"cancel": request})


def read_cancel(data: bytes) -> str | None:
    try:
        return str(orjson.loads(data)["cancel"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
