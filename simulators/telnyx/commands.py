"""The call commands: each is checked as Telnyx does, then performed. The table says which need an answered call."""

import io
import re
import wave
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass

from simulators.phone.answering import say
from simulators.phone.call import Party
from simulators.telnyx.answered import Answered
from simulators.telnyx.call import Call
from simulators.telnyx.playback import Piece
from simulators.telnyx.recognition import Gathering
from simulators.telnyx.refusal import (
    ALREADY_TRANSCRIBING,
    BAD_VALUE,
    MISSING,
    NOT_STREAMING,
    STREAMING,
    Refusal,
)
from simulators.telnyx.requests import (
    Fields,
    client_state_from,
    codecs_from,
    number_from,
    routes_from,
    streaming_from,
    text_from,
)
from simulators.tones import mulaw_from_pcm16

__all__ = ["ON_ANY_CALL", "ON_A_LINE", "Unanswered"]

_LONGEST_SPEECH = 3000
_REJECTIONS = ("CALL_REJECTED", "USER_BUSY", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE")
_DIGITS = re.compile(r"[0-9A-D*#wW]+")


@dataclass(frozen=True)
class Unanswered:
    """The commands of a call in any state: answer, reject, hang up."""

    call: Call
    pick_up: Callable[[], Answered]
    hang_up: Callable[[Party], None]


def _answer(target: Unanswered, fields: Fields) -> None:
    call = target.call
    if not call.incoming or call.line is not None:
        raise Refusal(422, BAD_VALUE, "This call cannot be answered: it is outgoing, or answered already.")
    call.streaming = streaming_from(fields)
    call.transcription = (fields.get("transcription_config") or {}) if fields.get("transcription") else None
    call.preferred_codecs = codecs_from(fields)
    if fields.get("webhook_url"):
        call.routes = routes_from(fields, call.routes)
    target.pick_up()


def _reject(target: Unanswered, fields: Fields) -> None:
    cause = text_from(fields, "cause", required=True)
    if cause not in _REJECTIONS:
        raise Refusal(422, BAD_VALUE, f"The 'cause' parameter must be one of {', '.join(_REJECTIONS)}.", "cause")
    if not target.call.incoming or target.call.line is not None:
        raise Refusal(422, BAD_VALUE, "Only an incoming call that rings can be rejected.")
    target.call.rejected_as = cause
    target.call.end("busy" if cause == "USER_BUSY" else "no-answer", "api")


def _hangup(target: Unanswered, fields: Fields) -> None:
    del fields
    target.hang_up("api")


def _client_state(target: Unanswered, fields: Fields) -> None:
    state = client_state_from(fields)
    if state is None:
        raise Refusal(422, MISSING, "The 'client_state' parameter is required.", "client_state")
    target.call.client_state = state


def _speak(here: Answered, fields: Fields) -> None:
    payload = _speech(fields)
    stop = fields.get("stop")
    if stop in ("current", "all"):
        here.voice.stop(everything=stop == "all")
    here.voice.add(Piece.spoken(payload))


def _playback_start(here: Answered, fields: Fields) -> None:
    """Play `playback_content`, a WAV of 8 kHz PCM. Media by URL are not simulated: `file_not_found`."""
    content = text_from(fields, "playback_content")
    if not content:
        named = {name: fields[name] for name in ("audio_url", "media_name") if fields.get(name)}
        if not named:
            raise Refusal(422, MISSING, "One of audio_url, media_name and playback_content is required.")
        here.call.notify("call.playback.ended", {**named, "status": "file_not_found"})
        return
    try:
        with wave.open(io.BytesIO(b64decode(content, validate=True))) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (8000, 1, 2):
                raise Refusal(422, BAD_VALUE, "The simulator plays 8 kHz mono PCM only.", "playback_content")
            audio = mulaw_from_pcm16(file.readframes(file.getnframes()))
    except (wave.Error, EOFError, ValueError) as fault:
        raise Refusal(422, BAD_VALUE, f"Not a WAV file: {fault}", "playback_content") from fault
    here.voice.add(Piece("playback", audio, facts=(("overlay", False),)))


def _playback_stop(here: Answered, fields: Fields) -> None:
    here.voice.stop(everything=text_from(fields, "stop", default="all") != "current")


def _send_dtmf(here: Answered, fields: Fields) -> None:
    digits = text_from(fields, "digits", required=True)
    number_from(fields, "duration_millis", 250, 100, 500)
    if not _DIGITS.fullmatch(digits):
        raise Refusal(422, BAD_VALUE, "Digits are 0-9, A-D, *, #, w and W.", "digits")
    here.press(digits)


def _transcription_start(here: Answered, fields: Fields) -> None:
    if here.recognition.transcribing is not None:
        raise Refusal(422, ALREADY_TRANSCRIBING, "Transcription is already running on this call.")
    tracks = text_from(fields, "transcription_tracks", default="inbound")
    if tracks not in ("inbound", "both"):
        raise Refusal(422, BAD_VALUE, "The simulator transcribes the inbound track only.", "transcription_tracks")
    here.recognition.transcribing = dict(fields)


def _transcription_stop(here: Answered, fields: Fields) -> None:
    del fields
    here.recognition.transcribing = None


def _streaming_start(here: Answered, fields: Fields) -> None:
    order = streaming_from(fields)
    if order is None:
        raise Refusal(422, MISSING, "The 'stream_url' parameter is required.", "stream_url")
    if here.streams:
        raise Refusal(422, STREAMING, "One stream per call.")
    here.stream(order)


def _streaming_stop(here: Answered, fields: Fields) -> None:
    del fields
    if not here.streams:
        raise Refusal(422, NOT_STREAMING, "There is no stream on this call.")
    here.stop_streaming()


def _relay_start(here: Answered, fields: Fields) -> None:
    url = text_from(fields, "url", required=True)
    if not url.startswith(("ws://", "wss://")):
        raise Refusal(422, BAD_VALUE, "The 'url' parameter must start with ws:// or wss://.", "url")
    if any(relay.is_busy for relay in here.call.relays):
        raise Refusal(422, BAD_VALUE, "Only one session can be active on a call at a time.")
    here.relay(fields)


def _gather(here: Answered, fields: Fields) -> None:
    here.recognition.gather(_gathering(fields))


def _gather_using_speak(here: Answered, fields: Fields) -> None:
    payload = _speech(fields)
    here.recognition.gather(_gathering(fields), say(here.call, payload))


def _gather_stop(here: Answered, fields: Fields) -> None:
    del fields
    if not here.recognition.stop_gathering():
        raise Refusal(422, BAD_VALUE, "There is no gather on this call.")


ON_ANY_CALL: dict[str, Callable[[Unanswered, Fields], None]] = {
    "answer": _answer,
    "client_state_update": _client_state,
    "hangup": _hangup,
    "reject": _reject,
}
ON_A_LINE: dict[str, Callable[[Answered, Fields], None]] = {
    "conversation_relay_start": _relay_start,
    "gather": _gather,
    "gather_stop": _gather_stop,
    "gather_using_speak": _gather_using_speak,
    "playback_start": _playback_start,
    "playback_stop": _playback_stop,
    "send_dtmf": _send_dtmf,
    "speak": _speak,
    "streaming_start": _streaming_start,
    "streaming_stop": _streaming_stop,
    "transcription_start": _transcription_start,
    "transcription_stop": _transcription_stop,
}


def _speech(fields: Fields) -> str:
    payload = text_from(fields, "payload", required=True)
    text_from(fields, "voice", required=True)
    if len(payload) > _LONGEST_SPEECH:
        raise Refusal(422, BAD_VALUE, f"At most {_LONGEST_SPEECH} characters.", "payload")
    return payload


def _gathering(fields: Fields) -> Gathering:
    total = number_from(fields, "timeout_millis", 60_000, 1, 600_000)
    return Gathering(
        least=number_from(fields, "minimum_digits", 1, 1, 128),
        most=number_from(fields, "maximum_digits", 128, 1, 128),
        between_s=number_from(fields, "inter_digit_timeout_millis", 5000, 1, 600_000) / 1000,
        first_s=number_from(fields, "initial_timeout_millis", total, 1, 600_000) / 1000,
        terminator=text_from(fields, "terminating_digit", default="#"),
        valid=text_from(fields, "valid_digits", default="0123456789#*"),
        gather_id=text_from(fields, "gather_id") or None,
    )
