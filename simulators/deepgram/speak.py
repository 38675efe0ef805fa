"""POST /v1/speak: TTS that speaks tone code (Deepgram API reference, "Text to Speech")."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from simulators.faults import CLIENT_GONE, Do, in_place_of_answer, send_all
from simulators.ledger import Ledger
from simulators.listening import ListenScript
from simulators.service import facts_of, json_reply
from simulators.tones import encode_mulaw, encode_pcm16
from simulators.wrong_audio import disguised, wav_of

__all__ = ["Speak"]

_CHUNK_BYTES = 800  # 100 ms of mu-law
_LONGEST = 2000
_ENCODINGS: dict[str, Callable[[str, int], bytes]] = {
    "mulaw": lambda text, _: encode_mulaw(text),
    "linear16": encode_pcm16,
}
_MEDIA_TYPES = {"mulaw": "audio/mulaw", "linear16": "audio/l16"}
_CODES = {400: "INVALID_QUERY_PARAMETER", 401: "INVALID_AUTH", 413: "TEXT_TOO_LONG", 429: "TOO_MANY_REQUESTS"}


class Speak:
    """The route. Each request is one ledger line of kind `speech`; the script's place is `speech`."""

    def __init__(self, script: ListenScript, ledger: Ledger) -> None:
        self._script = script
        self._ledger = ledger

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked = _json(await request.read())
        line = self._ledger.write("speech", **facts_of(request), body=asked, outcome="refused", sent=0)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Token" or not self._script.accepts(key):
            return _refused(401, "Invalid credentials.")
        problem = _problem(request, asked)
        if problem is not None:
            return problem
        text, encoding = asked["text"], request.query["encoding"]
        do = self._script.rules.take("speech", text)
        instead = await in_place_of_answer(request, line, do, _refused_by_script, waits=False)
        if instead is not None:
            return instead
        body, kind = _spoken(request, text, do)
        response = web.StreamResponse(headers={"Content-Type": kind or _MEDIA_TYPES[encoding]})
        line["outcome"] = "client_gone"
        try:
            await response.prepare(request)
            line["sent"] = await send_all(request, response, body, do, _CHUNK_BYTES)
            line["outcome"] = "complete" if do.cut_after_bytes is None else "cut"
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        line["ended_at"] = time.time()
        return response


def _spoken(request: web.Request, text: str, do: Do) -> tuple[bytes, str]:
    """The body and its content type, "" for that of the encoding."""
    if do.disguise is not None:
        return disguised(do.disguise, text)
    rate = int(request.query["sample_rate"])
    audio = _ENCODINGS[request.query["encoding"]](text, rate)
    return (wav_of(audio, rate), "audio/wav") if request.query.get("container", "wav") == "wav" else (audio, "")


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace")


def _problem(request: web.Request, asked: Any) -> web.Response | None:
    text = asked.get("text") if isinstance(asked, dict) else None
    query = request.query
    if not isinstance(text, str) or not text.strip():
        return _refused(400, "The text is missing.")
    if len(text) > _LONGEST:
        return _refused(413, f"At most {_LONGEST} characters are spoken.")
    if not query.get("model", "").startswith("aura-"):
        return _refused(400, "No such model.")
    if query.get("encoding") not in _ENCODINGS or not query.get("sample_rate", "").isdecimal():
        return _refused(400, f"The simulator speaks {', '.join(_ENCODINGS)}, at a sample_rate.")
    if query["encoding"] == "mulaw" and query["sample_rate"] != "8000":
        return _refused(400, "mulaw is spoken at 8000 Hz.")
    return None


def _refused(status: int, message: str, *, retry_after_s: int | None = None) -> web.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    code = _CODES.get(status, "INTERNAL_SERVER_ERROR" if status >= 500 else "Bad Request")
    body = {"err_code": code, "err_msg": message, "request_id": str(uuid.uuid4())}
    return json_reply(body, status, headers)


def _refused_by_script(status: int, retry_after_s: int | None) -> web.Response:
    return _refused(status, "The simulator's script says so.", retry_after_s=retry_after_s)
