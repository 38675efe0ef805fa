"""Conversations in which the voice fails: as the only one, on the system "alone", or with others that take over."""

from collections.abc import Mapping
from typing import Any, Final

from tests.conversations.script import (
    HELLO,
    Clip,
    Conversation,
    Cut,
    Expected,
    Fault,
    Line,
    Whole,
    asks,
    fault,
    hangs_up,
    hears,
    says,
)
from voicecall.call.phrases import ENGLISH

__all__ = ["VOICES"]

_AGAIN: Final = asks("never mind then", "All right")
_ALL_RIGHT: Final = Whole("All right then.")


def _voice(
    name: str,
    *heard: Expected,
    voices: tuple[str, ...],
    faults: tuple[Fault, ...],
    text: str,
    system: str,
    language: str = "",
    **more: Any,
) -> Conversation:
    """The voice fails at the reply; what is asked afterwards is answered."""
    words = f"what about {name}"
    return Conversation(
        name=f"voice {name}",
        system=system,
        line=Line(voices=voices, language=language),
        steps=(hears("help you"), says(words), {"wait_quiet_ms": 900, "within_ms": 15_000}, *_AGAIN, hangs_up()),
        heard=(Whole(HELLO), *heard, _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: text},
        faults=faults,
        is_bad_day=True,
        **more,
    )


def _voice_alone(name: str, *heard: Expected, text: str, **do: Any) -> Conversation:
    times = do.pop("times", None)
    more = do.pop("more", {})
    failing = (fault("openai", "speech", text, times=times, **do),)
    return _voice(name, *heard, voices=("openai",), faults=failing, text=text, system="alone", **more)


VOICE_ALONE: Final = (
    _voice_alone("slow", Whole("The slow voice."), text="The slow voice.", delay_ms=1200),
    _voice_alone(
        "dripping",
        Whole("The dripping voice speaks."),
        text="The dripping voice speaks.",
        chunk_bytes=2400,
        per_chunk_ms=120,
    ),
    _voice_alone("busy", Whole("The busy voice."), text="The busy voice.", status=429, retry_after_s=1, times=1),
    _voice_alone("locked", Whole(ENGLISH.voice_failed), text="The locked voice.", status=401),
    _voice_alone("garbled", Whole(ENGLISH.voice_failed), text="The garbled voice.", disguise="mp3"),
    _voice_alone(
        "broken",
        Cut("The broken voice stops here."),
        Whole(ENGLISH.voice_failed),
        text="The broken voice stops here.",
        cut_after_bytes=24_000,
    ),
    _voice_alone("hanging", Clip(), text="The hanging voice.", hang=True, more={"within_ms": 11_000}),
    _voice(
        "gone",
        Clip("it"),
        voices=("openai",),
        text="The voice is gone.",
        system="alone",
        faults=(fault("openai", "speech", "voice is gone|difficoltà a parlare", status=500),),
        language="it",
        is_short=True,
    ),
)

_PLACES: Final = {
    "openai": "speech",
    "deepgram": "speech",
    "elevenlabs-websocket": "context",
    "openai-realtime": "reading",
}
_HOW: Final[Mapping[str, Mapping[str, Any]]] = {
    "refused": {"status": 401},
    "busy": {"status": 429, "retry_after_s": 20},
    "down": {"status": 503},
    "silent": {"hang": True},
    "garbled": {"disguise": "mp3"},
    "slow": {"delay_ms": 1500},
}


def _replaced(voice: str, how: str, then: str) -> Conversation:
    """Within the turn another voice says the same."""
    text = f"This is {voice.replace('-', ' ')} being {how}."
    service = voice.partition("-")[0]
    return _voice(
        f"{voice} {how}",
        Whole(text),
        voices=(voice, then),
        faults=(fault(service, _PLACES[voice], text, **_HOW[how]),),
        text=text,
        system="together",
        within_ms=5000,
    )


REPLACED: Final = (
    *(_replaced("elevenlabs-websocket", how, "deepgram") for how in _HOW),
    *(_replaced("deepgram", how, "compatible") for how in ("refused", "silent", "garbled")),
    *(_replaced("openai-realtime", how, "deepgram") for how in ("down", "silent")),
    _voice(
        "elevenlabs breaks off",
        Cut("The text of this sentence breaks off soon."),
        Whole(ENGLISH.voice_failed),
        voices=("elevenlabs-websocket", "deepgram"),
        text="The text of this sentence breaks off soon.",
        system="together",
        faults=(
            fault(
                "elevenlabs", "context", "sentence breaks off", cut_after_bytes=4000, chunk_bytes=400, per_chunk_ms=30
            ),
        ),
    ),
)

VOICES: Final = (*VOICE_ALONE, *REPLACED)
