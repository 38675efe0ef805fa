"""The application: POST /v1/text-to-speech/{voice_id}/stream, TTS that speaks tone code (ElevenLabs API reference,
"Stream speech"), the WebSocket of `contexts.py`, and the realtime speech recognition of `scribe.py`.

The script is `{"misbehave": [{"where": "speech", ...}], "api_key": "..."}`, as at the simulator of OpenAI; `socket`
(per WebSocket) and `context` (per flushed text) are further places, `listen` and `transcript` those of recognition.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSCloseCode, web

from simulators.elevenlabs.contexts import Contexts
from simulators.elevenlabs.scribe import Scribe, problem
from simulators.faults import CLIENT_GONE, in_place_of_answer, send_all
from simulators.ledger import Ledger
from simulators.listening import Listener, ListenScript, add_script
from simulators.service import add_addresses, add_control, facts_of, json_reply
from simulators.tones import encode_mulaw, encode_pcm16
from simulators.wrong_audio import disguised

__all__ = ["build"]

_FORMATS: dict[str, Callable[[str], bytes]] = {
    "ulaw_8000": encode_mulaw,
    "pcm_8000": lambda text: encode_pcm16(text, 8000),
    "pcm_16000": lambda text: encode_pcm16(text, 16000),
    "pcm_22050": lambda text: encode_pcm16(text, 22050),
    "pcm_24000": lambda text: encode_pcm16(text, 24000),
    "pcm_44100": lambda text: encode_pcm16(text, 44100),
}
_MEDIA_TYPES = {"ulaw_8000": "audio/basic"}
_CHUNK_BYTES = 800  # 100 ms of mu-law
_LONGEST = 40_000


def build() -> web.Application:
    """A new application without a script, with an empty ledger."""
    script, ledger = ListenScript(), Ledger()
    voice = _Voice(script, ledger)
    contexts = Contexts(script, ledger, _FORMATS)
    scribe = Listener(Scribe, script, ledger, refuse=_refused_listener, problem=problem)
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_post("/v1/text-to-speech/{voice_id}/stream", voice.speak)
    app.router.add_get("/v1/text-to-speech/{voice_id}/multi-stream-input", contexts)
    app.router.add_get("/v1/speech-to-text/realtime", scribe)
    add_addresses(app)
    add_script(app, script)

    def health() -> dict[str, Any]:
        sockets = {"sockets": len(scribe.open) + len(contexts.open), "listening": len(scribe.open)}
        return {"struck": script.rules.struck, **sockets, "contexts": contexts.live}

    add_control(app, ledger, health)

    async def hang_up(_: web.Application) -> None:
        await scribe.hang_up()
        for socket in list(contexts.open):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    app.on_shutdown.append(hang_up)
    return app


def _refused_listener(status: int, retry_after_s: int | None) -> web.Response:
    return _refused(status, "scripted", "The simulator refuses this socket.", retry_after_s=retry_after_s)


class _Voice:
    """The route. Each request is one ledger line of kind `speech`."""

    def __init__(self, script: ListenScript, ledger: Ledger) -> None:
        self._script = script
        self.ledger = ledger

    async def speak(self, request: web.Request) -> web.StreamResponse:
        format_ = request.query.get("output_format", "mp3_44100_128")
        asked, problem = _read(await request.read(), format_)
        voice = request.match_info["voice_id"]
        facts = {**facts_of(request), "voice": voice, "body": asked}
        line = self.ledger.write("speech", **facts, outcome="refused", sent=0)
        key = request.headers.get("xi-api-key", "")
        if not self._script.accepts(key):
            return _refused(401, "invalid_api_key", "Invalid API key")
        if problem is not None:
            return problem
        do = self._script.rules.take("speech", asked["text"])
        instead = await in_place_of_answer(request, line, do, _refused_by_script, waits=False)
        if instead is not None:
            return instead
        body, kind = _FORMATS[format_](asked["text"]), _MEDIA_TYPES.get(format_, "audio/pcm")
        if do.disguise is not None:
            body, label = disguised(do.disguise, asked["text"])
            kind = label or kind
        response = web.StreamResponse(headers={"Content-Type": kind})
        line["outcome"] = "client_gone"
        try:
            await response.prepare(request)
            line["sent"] = await send_all(request, response, body, do, _CHUNK_BYTES)
            line["outcome"] = "complete" if do.cut_after_bytes is None else "cut"
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        line["ended_at"] = time.time()
        return response


def _read(raw: bytes, format_: str) -> tuple[Any, web.Response | None]:
    """The request's JSON, and the refusal if it is invalid."""
    try:
        asked = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace"), _refused(422, "json_invalid", "JSON decode error")
    text = asked.get("text") if isinstance(asked, dict) else None
    if not isinstance(text, str) or not text:
        return asked, _refused(422, "missing", "Field required: text")
    if len(text) > _LONGEST:
        return asked, _refused(400, "max_character_limit_exceeded", f"At most {_LONGEST} characters are spoken.")
    if format_ not in _FORMATS:
        known = ", ".join(sorted(_FORMATS))
        return asked, _refused(400, "invalid_output_format", f"The simulator speaks {known}, not {format_}.")
    return asked, None


def _refused(status: int, code: str, message: str, *, retry_after_s: int | None = None) -> web.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return json_reply({"detail": {"status": code, "message": message}}, status, headers)


def _refused_by_script(status: int, retry_after_s: int | None) -> web.Response:
    return _refused(status, "scripted", "The simulator's script says so.", retry_after_s=retry_after_s)
