"""POST /v1/text-to-speech/{voice_id}/stream: TTS that speaks tone code (ElevenLabs API reference, "Stream speech").

The script is `{"misbehave": [{"where": "speech", ...}], "api_key": "..."}`, as at the simulator of OpenAI. Where:
`speech`, `socket` (per WebSocket), `context` (per flushed text).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSCloseCode, web
from pydantic import BaseModel, ConfigDict

from simulators.elevenlabs.contexts import Contexts
from simulators.faults import CLIENT_GONE, Do, Rule, Rules, hang, send_all
from simulators.ledger import Ledger
from simulators.service import add_control, facts_of, json_reply, read_model
from simulators.tones import encode_mulaw, encode_pcm16
from simulators.wrong_audio import disguised

__all__ = ["Posted", "build"]

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


class Posted(BaseModel):
    """The body of POST /_sim/script; a section that is not named stays."""

    model_config = ConfigDict(extra="forbid")

    misbehave: list[Rule[Do]] | None = None
    api_key: str | None = None


def build() -> web.Application:
    """A new application without a script, with an empty ledger."""
    voice = _Voice(Ledger())
    contexts = Contexts(voice.rules, voice.ledger, _FORMATS, voice.may_enter)
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_post("/v1/text-to-speech/{voice_id}/stream", voice.speak)
    app.router.add_get("/v1/text-to-speech/{voice_id}/multi-stream-input", contexts)
    app.router.add_post("/_sim/script", voice.post_script)
    app.router.add_delete("/_sim/script", voice.delete_script)
    add_control(app, voice.ledger, lambda: {"struck": voice.rules.struck, "sockets": len(contexts.open)})

    async def hang_up(_: web.Application) -> None:
        for socket in list(contexts.open):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    app.on_shutdown.append(hang_up)
    return app


class _Voice:
    """The route and its script. Each request is one ledger line of kind `speech`."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.rules: Rules[Do] = Rules(Do())
        self._api_key = ""

    def may_enter(self, key: str) -> bool:
        return bool(key) and (not self._api_key or key == self._api_key)

    async def speak(self, request: web.Request) -> web.StreamResponse:
        format_ = request.query.get("output_format", "mp3_44100_128")
        asked, problem = _read(await request.read(), format_)
        voice = request.match_info["voice_id"]
        facts = {**facts_of(request), "voice": voice, "body": asked}
        line = self.ledger.write("speech", **facts, outcome="refused", sent=0)
        key = request.headers.get("xi-api-key", "")
        if not self.may_enter(key):
            return _refused(401, "invalid_api_key", "Invalid API key")
        if problem is not None:
            return problem
        do = self.rules.take("speech", asked["text"])
        if do.hang:
            line["outcome"] = "hung"
            await hang(request)
            return web.Response()
        if do.status is not None:
            await asyncio.sleep(do.delay_ms / 1000)
            return _refused(do.status, "scripted", "The simulator's script says so.", retry_after_s=do.retry_after_s)
        body, kind = (
            (_FORMATS[format_](asked["text"]), "") if do.disguise is None else disguised(do.disguise, asked["text"])
        )
        response = web.StreamResponse(headers={"Content-Type": kind or _MEDIA_TYPES.get(format_, "audio/pcm")})
        line["outcome"] = "client_gone"
        try:
            await response.prepare(request)
            line["sent"] = await send_all(request, response, body, do, _CHUNK_BYTES)
            line["outcome"] = "complete" if do.cut_after_bytes is None else "cut"
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        line["ended_at"] = time.time()
        return response

    async def post_script(self, request: web.Request) -> web.Response:
        posted = await read_model(request, Posted)
        if posted.misbehave is not None:
            self.rules.replace(posted.misbehave)
        if posted.api_key is not None:
            self._api_key = posted.api_key
        return json_reply({"struck": self.rules.struck})

    async def delete_script(self, _: web.Request) -> web.Response:
        self.rules.replace([])
        self._api_key = ""
        return web.Response(status=204)


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
