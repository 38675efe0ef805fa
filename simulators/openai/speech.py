"""POST /v1/audio/speech: TTS that speaks tone code at 24 kHz, in chunks (OpenAI API reference, "Create speech")."""

import time
from typing import Any

import orjson
from aiohttp import web

from simulators.faults import CLIENT_GONE, Do, in_place_of_answer, send_all
from simulators.ledger import Ledger
from simulators.openai.errors import refused, refused_by_script
from simulators.openai.script import Script
from simulators.service import facts_of
from simulators.tones import encode_pcm16
from simulators.wrong_audio import disguised, wav_of

__all__ = ["Speech"]

_RATE = 24000
_CHUNK_BYTES = 4800  # 100 ms
_LONGEST = 4096
_VOICES = {
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
}


class Speech:
    """The route. Each request is one ledger line of kind `speech`: `outcome`, bytes `sent`, `first_at` of its audio."""

    def __init__(self, script: Script, ledger: Ledger) -> None:
        self._script = script
        self._ledger = ledger

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked, problem = _read(await request.read())
        line = self._ledger.write("speech", **facts_of(request), body=asked, outcome="refused", sent=0)
        if problem is not None:
            return problem
        do = self._script.rules.take("speech", asked["input"])
        instead = await in_place_of_answer(request, line, do, refused_by_script, waits=False)
        if instead is not None:
            return instead
        body, kind = _spoken(asked, do)
        response = web.StreamResponse(headers={"Content-Type": kind})
        line["outcome"] = "client_gone"
        try:
            await response.prepare(request)
            line["sent"] = await send_all(
                request, response, body, do, _CHUNK_BYTES, on_first=lambda: line.update(first_at=time.time())
            )
            line["outcome"] = "complete" if do.cut_after_bytes is None else "cut"
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        line["ended_at"] = time.time()
        return response


def _spoken(asked: dict[str, Any], do: Do) -> tuple[bytes, str]:
    wav = asked["response_format"] == "wav"
    kind = "audio/wav" if wav else "audio/pcm"
    if do.disguise is not None:
        body, label = disguised(do.disguise, asked["input"])
        return body, label or kind
    audio = encode_pcm16(asked["input"], _RATE)
    return (wav_of(audio, _RATE) if wav else audio), kind


def _read(raw: bytes) -> tuple[Any, web.Response | None]:
    """The request's JSON, and the refusal if it is invalid."""
    try:
        asked = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace"), refused(400, "We could not parse the JSON body of your request.")
    if not isinstance(asked, dict):
        return asked, refused(400, "The body must be a JSON object.")
    return asked, _problem(asked)


def _problem(asked: dict[str, Any]) -> web.Response | None:
    model, text, speed = asked.get("model"), asked.get("input"), asked.get("speed", 1)
    checks = [
        (isinstance(model, str) and model, "model", "you must provide a model parameter"),
        (isinstance(text, str) and text, "input", "Input should be a non-empty string."),
        (isinstance(text, str) and len(text) <= _LONGEST, "input", f"At most {_LONGEST} characters are spoken."),
        (_is_voice(asked.get("voice")), "voice", f"Invalid voice. Supported voices: {', '.join(sorted(_VOICES))}."),
        (asked.get("response_format") in ("pcm", "wav"), "response_format", "The simulator speaks pcm and wav only."),
        (asked.get("stream_format", "audio") == "audio", "stream_format", "The simulator streams audio only."),
        (isinstance(speed, int | float) and 0.25 <= speed <= 4, "speed", "speed should be between 0.25 and 4."),
    ]
    for good, param, message in checks:
        if not good:
            return refused(400, message, param=param, code="invalid_value")
    return None


def _is_voice(voice: object) -> bool:
    if isinstance(voice, dict):
        return isinstance(voice.get("id"), str) and voice["id"].startswith("voice_")
    return isinstance(voice, str) and voice in _VOICES
