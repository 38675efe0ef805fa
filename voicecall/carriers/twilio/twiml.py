"""Renders replies as TwiML: `<Connect><Stream>`, `<Pause>`, `<Gather>`, `<Reject>`, `<Hangup>`, or nothing.

Pure; used by the codec and by the control, which updates a live call with such a document. The verbs are those of
Twilio's "TwiML for Programmable Voice".
"""

from typing import assert_never
from xml.etree.ElementTree import Element, SubElement

from voicecall.call.replies import (
    US_ENGLISH,
    AwaitGreetingEnd,
    Connect,
    Gather,
    HandOver,
    Hangup,
    Hold,
    NativeVoice,
    NoOp,
    Refuse,
    Relay,
    Reply,
)
from voicecall.carriers.common.native_voice import ENGLISH, Native, native
from voicecall.carriers.common.xml import RETRIES, document, redirect, with_retries, writable

__all__ = ["RETRIES", "dial", "keys", "prompt", "render"]

_GOOGLE_ONLY = frozenset({"uk-UA", "vi-VN", "th-TH", "id-ID"})


def render(reply: Reply, *, voice: NativeVoice = US_ENGLISH) -> bytes:
    """The document, UTF-8 with its XML declaration. `voice`: the configured one, for native prompts."""
    response = Element("Response")
    match reply:
        case Connect():
            _connect(response, reply, reply.token)
            _reconnect(response, reply)
        case Hold(connect=connect):
            SubElement(response, "Pause", length="1")
            _reconnect(response, connect)
        case Refuse(reason=reason):
            # First and alone, because a call that is rejected before any other verb is not billed.
            SubElement(response, "Reject", reason="busy" if reason == "busy" else "rejected")
        case Gather(text=text, heard_url=heard, silent_url=silent):
            _converse(response, text, heard, silent, reply.voice or voice)
        case Hangup():
            SubElement(response, "Hangup")
        case (
            NoOp() | AwaitGreetingEnd() | HandOver()
        ):  # its answering-machine result comes at the beep, so no document waits for it
            pass
        case _:
            assert_never(reply)
    return document(response)


def prompt(text: str, *, heard_url: str | None, silent_url: str, voice: NativeVoice) -> bytes:
    """The document for a live call: prompt and `<Gather>` together, because a second update would cut the first.

    `heard_url` None: only speak; Twilio then requests `silent_url` when the prompt was played.
    """
    response = Element("Response")
    if heard_url is None:
        _say(response, text, voice)
        redirect(response, silent_url)
    else:
        _converse(response, text, heard_url, silent_url, voice)
    return document(response)


def keys(digits: str, *, back_url: str) -> bytes:
    """The document for a live call that plays `digits` (0-9 * #, w: half a second), then requests `back_url`."""
    response = Element("Response")
    SubElement(response, "Play", digits=digits)
    redirect(response, back_url)
    return document(response)


def dial(to: str, *, caller_id: str, ring_timeout_s: float, action_url: str) -> bytes:
    """The document for a live call that connects it with `to`, and requests `action_url` when that is over."""
    response = Element("Response")
    timeout = str(min(max(round(ring_timeout_s), 5), 600))
    verb = SubElement(response, "Dial", callerId=caller_id, timeout=timeout, action=action_url, method="POST")
    SubElement(verb, "Number").text = to
    return document(response)


def _converse(response: Element, text: str, heard_url: str, silent_url: str, voice: NativeVoice) -> None:
    """Listens for 3 s after a prompt, for 60 s without one; on silence Twilio requests `silent_url`."""
    gather = SubElement(
        response,
        "Gather",
        input="speech dtmf",
        action=with_retries(heard_url),
        method="POST",
        language=_native(voice).recognised,
        speechTimeout="auto",
        timeout="3" if text else "60",
    )
    if text:
        _say(gather, text, voice)
    redirect(response, silent_url)


def _say(parent: Element, text: str, voice: NativeVoice) -> None:
    spoken = _native(voice)
    say = SubElement(parent, "Say", voice=spoken.voice or "", language=spoken.language)
    say.text = writable(text)


def _native(voice: NativeVoice) -> Native:
    """Where Polly has no voice of the language, Google's; US English where neither has one."""
    found = native(voice)
    if voice.name.startswith("Google."):
        return Native(voice.name, found.language)
    if found.voice is None and found.language in _GOOGLE_ONLY:
        return Native(f"Google.{found.language}-Standard-A", found.language)
    return found if found.voice is not None else ENGLISH


def _reconnect(response: Element, reply: Connect) -> None:
    """What Twilio does when the socket has closed, or was refused, and the call is still up (P7)."""
    for place, tokens in enumerate(reply.rounds):
        if place:
            SubElement(response, "Pause", length="1")
        for token in tokens:
            _connect(response, reply, token)
    redirect(response, reply.resume_url)


def _relay(relay: Relay) -> dict[str, str]:
    """Attributes; what we do not set is Twilio's default. `events`: reports of what was played, to the word."""
    chosen = {
        "language": relay.language,
        "voice": relay.voice,
        "ttsProvider": relay.voice_provider,
        "transcriptionProvider": relay.recogniser,
        "speechModel": relay.recogniser_model,
        "hints": relay.hints,
        "interruptible": relay.interruptible,
        "dtmfDetection": "true",
        "events": "speaker-events tokens-played",
        "applicationReconnect": "true",
        **dict(relay.more),
    }
    return {name: writable(value) for name, value in chosen.items() if value}


def _connect(response: Element, reply: Connect, token: str) -> None:
    connect = SubElement(response, "Connect")
    if reply.relay is None:
        stream = SubElement(connect, "Stream", url=writable(reply.stream_url))
    else:
        stream = SubElement(connect, "ConversationRelay", {"url": writable(reply.stream_url), **_relay(reply.relay)})
    # In parameters, because Twilio removes the query of a stream's URL.
    SubElement(stream, "Parameter", name="token", value=writable(token))
    SubElement(stream, "Parameter", name="callId", value=writable(reply.call))
