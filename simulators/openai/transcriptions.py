"""POST /v1/audio/transcriptions: one recording in, its text out (OpenAI API reference, "Create transcription")."""

import io
import time
import wave
from typing import Any

import orjson
from aiohttp import web

from simulators.faults import CLIENT_GONE, in_place_of_answer, send_all
from simulators.ledger import Ledger
from simulators.openai.errors import refused, refused_by_script
from simulators.openai.script import Script
from simulators.service import facts_of, json_reply
from simulators.tones import Decoder, Ended, mulaw_from_pcm16

__all__ = ["Transcriptions", "models"]


async def models(_: web.Request) -> web.Response:
    """GET /v1/models."""
    return json_reply({"object": "list", "data": [{"id": "whisper-1", "object": "model", "owned_by": "simulator"}]})


class Transcriptions:
    """The route. Each request is one ledger line of kind `transcription`."""

    def __init__(self, script: Script, ledger: Ledger) -> None:
        self._script = script
        self._ledger = ledger

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        line = self._ledger.write("transcription", **facts_of(request), outcome="refused")
        form = await request.post()
        line["form"] = {key: value for key, value in form.items() if isinstance(value, str)}
        text = _text_of(form.get("file"))
        if text is None or not form.get("model"):
            return refused(400, "Invalid file format, or no model.", param="file")
        line["text"] = text
        do = self._script.rules.take("transcription", text)
        instead = await in_place_of_answer(request, line, do, refused_by_script)
        if instead is not None:
            return instead
        body = b"<html>nonsense</html>" if do.garbage else orjson.dumps({"text": text})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        line["outcome"] = "client_gone"
        try:
            await response.prepare(request)
            await send_all(request, response, body, do.model_copy(update={"delay_ms": 0}), len(body))
            line["outcome"] = "completed" if do.cut_after_bytes is None else "cut"
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        line["sent_at"] = time.time()
        return response


def _text_of(file: Any) -> str | None:
    """The tone code in a WAV file of the telephone's rate; None for another file."""
    if not isinstance(file, web.FileField):
        return None
    try:
        with wave.open(io.BytesIO(file.file.read())) as wav:
            if (wav.getframerate(), wav.getsampwidth(), wav.getnchannels()) != (8000, 2, 1):
                return None
            mulaw = mulaw_from_pcm16(wav.readframes(wav.getnframes()))
    except (wave.Error, EOFError):
        return None
    decoder = Decoder()
    events = [*decoder.feed(mulaw), *decoder.close()]
    return " ".join(event.text for event in events if isinstance(event, Ended) and event.text)
