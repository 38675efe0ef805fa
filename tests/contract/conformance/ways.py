"""How each simulator names things, and what a carrier cannot do at all.

Used by the journeys, which know no carrier by name, and by the matrix. Every cell that is not played is listed here,
with its reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = [
    "CARRIERS",
    "MODES",
    "NATIVE",
    "PARTNERS",
    "REALTIME",
    "RELAY",
    "STREAMING",
    "Cell",
    "Way",
    "cannot",
    "way_of",
]

STREAMING: Final = "streaming"
NATIVE: Final = "native"
MODES: Final = (STREAMING, NATIVE)
REALTIME: Final = "realtime"  # a model hears and speaks
RELAY: Final = "relay"  # the carrier does, and exchanges text
PARTNERS: Final = (
    *((carrier, REALTIME) for carrier in ("twilio", "telnyx", "plivo", "mock")),
    *((carrier, RELAY) for carrier in ("twilio", "telnyx")),
)
"""Further stacks, which `make conformance` plays; in `make test` the conversations stand for them."""


@dataclass(frozen=True)
class Way:
    """How a carrier's simulator names the called number, in a REST request and in a webhook, and a leg's commands.

    `commands`: what marks each in a REST request, beside the leg's name in its path. `picks_up`: the command that
    answers an inbound leg, where that is not our answer to a webhook. `words`: what marks
    the webhook that reports what the callee said.
    """

    ordered_to: str
    sent_to: str
    commands: tuple[Mapping[str, str], ...]
    words: Mapping[str, str]
    picks_up: Mapping[str, str] | None = None


def _actions(*names: str) -> tuple[Mapping[str, str], ...]:
    return tuple({"op": "command", "path": f"/actions/{name}$"} for name in names)


CARRIERS: Final = {
    "twilio": Way(
        ordered_to="To",
        sent_to="To",
        commands=({"op": "update", "Twiml": "<Say"}, {"op": "update", "Status": "completed"}),
        words={"SpeechResult": "."},
    ),
    "telnyx": Way(
        ordered_to="to",
        sent_to="to",
        commands=_actions("streaming_start", "transcription_start", "speak", "hangup"),
        words={"event_type": "call.transcription"},
        picks_up={"op": "command", "path": "/actions/answer$"},
    ),
    "plivo": Way(ordered_to="to", sent_to="To", commands=({"op": "speak"}, {"op": "hangup"}), words={"Speech": "."}),
    "mock": Way(ordered_to="to", sent_to="to", commands=({"op": "say"}, {"op": "hangup"}), words={"transcript": "."}),
}


@dataclass(frozen=True, order=True)
class Cell:
    """One journey on one carrier in one mode."""

    journey: str
    carrier: str
    mode: str

    def __str__(self) -> str:
        return f"{self.carrier}-{self.mode}-{self.journey}"


_NO_SOCKET: Final = "without streaming there is no socket to cut"
_CANNOT: Final = {
    **{Cell("socket cut", carrier, NATIVE): _NO_SOCKET for carrier in CARRIERS},
    **{
        Cell("socket cut", carrier, RELAY): "the fault is one of sockets with audio" for carrier in ("twilio", "telnyx")
    },
    **{Cell("cough", carrier, RELAY): "the carrier decides what interrupts" for carrier in ("twilio", "telnyx")},
    Cell("machine answers", "twilio", RELAY): "what a relay was given to say cannot be taken back",
    Cell("machine gets nothing", "twilio", RELAY): "a relay writes down a machine's greeting before the AMD result",
}


def way_of(carrier: str) -> Way:
    return CARRIERS[carrier]


def cannot(cell: Cell) -> str | None:
    """Why a cell is not played; None when it is."""
    return _CANNOT.get(cell)
