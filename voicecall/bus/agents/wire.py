"""The messages that workers and gateways exchange about the turns that agent hosts answer, on three kinds of channels.

All are in the deployment's namespace (`keys`):

- `agents:ask`: every gateway subscribes. A worker publishes its offer there again and again until a gateway claims it.
- `agents:gateway:<id>`: one gateway subscribes. Workers cancel there the turns that this gateway has claimed. A channel
  without a subscriber means that the gateway is gone.
- `agents:asker:<id>`: one worker subscribes. Gateways send it numbered updates; a gap in the numbers is a lost message.

Pure. Used by `client` (workers) and `server` (gateways) only.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import orjson

__all__ = [
    "TurnOffer",
    "TurnUpdate",
    "UpdateKind",
    "cancel_bytes",
    "read_cancel",
    "read_offer",
    "read_update",
]

UpdateKind = Literal["taken", "began", "words", "tool", "tool-over", "done", "failed", "gone"]
"""A gateway has the turn, the host began, text of the reply, a tool began or ended (`code`: its name), the end of the
reply, the host's error, the host's socket closed.
"""

_UPDATE_KINDS: Final = frozenset(get_args(UpdateKind))


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOffer:
    """A turn that needs a host. `body` is the `agent.request` that the host receives (docs/agent-hosts.md).

    `epoch` is that of the activation that asks; of two offers for one call, the one with the higher epoch counts.
    `takes_tools`: the worker reads updates about tools; one of an earlier build does not say so, and would take such an
    update for a lost one.
    """

    request: str
    asker: str
    call: str
    epoch: int
    agent: str | None
    timeout_ms: int
    avoid: tuple[str, ...]
    body: dict[str, Any] = field(repr=False)
    takes_tools: bool = False

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
                "s": self.takes_tools,
            }
        )


def read_offer(data: bytes) -> TurnOffer | None:
    """None for bytes that are no offer."""
    try:
        raw = orjson.loads(data)
        return TurnOffer(
            request=str(raw["r"]),
            asker=str(raw["q"]),
            call=str(raw["c"]),
            epoch=int(raw["p"]),
            agent=raw["a"],
            timeout_ms=int(raw["t"]),
            avoid=tuple(raw["x"]),
            body=dict(raw["b"]),
            takes_tools=bool(raw.get("s", False)),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnUpdate:
    """Message `number` (0, 1, 2 …) about a turn. `host` and `gateway` are set for the kind "taken" only."""

    request: str
    number: int
    kind: UpdateKind
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


def read_update(data: bytes) -> TurnUpdate | None:
    """None for bytes that are no update."""
    try:
        raw = orjson.loads(data)
        if raw["k"] not in _UPDATE_KINDS:
            return None
        return TurnUpdate(
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
    """The request id; None for bytes that are no cancellation."""
    try:
        return str(orjson.loads(data)["cancel"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
