"""The frames of a socket on which the carrier hears and speaks: ConversationRelay, as Twilio and Telnyx have it.

Pure JSON text in both directions; no audio. The checks raise ValueError, LookupError or TypeError, as in `media`.
Sources: Twilio, "ConversationRelay WebSocket messages"; Telnyx, "Conversation Relay". The `info` frames are those that
the attribute `events` of Twilio's noun asks for; an unknown one is ignored.
"""

from typing import Any, Final

import orjson

from voicecall.call.ids import LegId
from voicecall.carriers.common.media import key, stream_id, text
from voicecall.ports import (
    MediaIn,
    MediaKey,
    MediaStarted,
    MediaUnknown,
    RelayInterrupted,
    RelayPlayed,
    RelayPrompt,
    RelaySpeaking,
)

__all__ = ["end", "is_relay", "read", "say", "started"]

_LONGEST: Final = 16_384  # characters of what one frame says
_LONGEST_TAG: Final = 32
_SPEAKERS: Final = {"agentSpeaking": False, "clientSpeaking": True}


def is_relay(message: dict[str, Any]) -> bool:
    """Whether it is a frame of such a socket, and not one with audio."""
    return "event" not in message and isinstance(message.get("type"), str)


def started(message: dict[str, Any], leg: LegId) -> MediaStarted:
    parameters = message.get("customParameters") or {}
    return MediaStarted(
        stream=stream_id(message["sessionId"]),
        leg=leg,
        call=text(parameters.get("callId", "")),
        token=text(parameters.get("token", "")),
        encoding="TEXT",
    )


def read(message: dict[str, Any]) -> MediaIn:
    """Every frame but `setup`."""
    match message["type"]:
        case "prompt":
            language = _said(message.get("lang", ""))[:_LONGEST_TAG]
            final = message.get("last", True)
            return RelayPrompt(text=_said(message["voicePrompt"]), language=language, is_final=final is not False)
        case "interrupt":
            return RelayInterrupted(heard=_said(message.get("utteranceUntilInterrupt", "")))
        case "dtmf":
            return MediaKey(stream=stream_id("relay"), digit=key(message["digit"]))
        case "info":
            return _info(message.get("name"), message.get("value"))
        case _:
            return MediaUnknown()


def _info(name: Any, value: Any) -> MediaIn:
    if name in _SPEAKERS and value in ("on", "off"):
        return RelaySpeaking(is_caller=_SPEAKERS[name], is_on=value == "on")
    if name == "tokensPlayed" and isinstance(value, str):
        return RelayPlayed(text=_said(value))
    return MediaUnknown()


def say(token: str, *, interruptible: bool) -> str:
    return orjson.dumps({"type": "text", "token": token, "last": True, "interruptible": interruptible}).decode()


def end() -> str:
    return '{"type":"end"}'


def _said(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("text")
    return value
