"""`python -m bench.kit.services`: speech and agent services without a delay, for every server under the same load.

OpenAI's Realtime transcription and chat completions, Deepgram's `listen`, ElevenLabs' stream and Twilio's REST, on one
port, as far as the servers use them. The markers of `load.py` begin and end an utterance. Prints its port when it
listens. Runs outside the measured processes.
"""

import argparse
import asyncio
import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
import uvloop
from aiohttp import WSMsgType, web

__all__: list[str] = []

_FRAME: Final = 160
_SPEECH_S: Final = 3.0
_REPLY: Final = ("Sure", ", I ", "can ", "help ", "you ", "with ", "that ", "booking ", "for ", "next ", "Tuesday", ".")
_TONE: Final = bytes(0x9B if (number // 10) % 2 else 0x1B for number in range(800))
_LOUD: Final = 25_000
_EDGES: Final = {0x00: -32_124, 0x80: 32_124}  # mu-law of the two markers


class _Markers:
    """Finds the markers in the samples in the middle of each frame."""

    def __init__(self) -> None:
        self._last = 0

    def find(self, samples: Iterable[int]) -> Iterator[str]:
        for sample in samples:
            edge = (sample > _LOUD) - (sample < -_LOUD)
            if edge and edge != self._last:
                yield "end" if edge > 0 else "start"
            self._last = edge


async def _realtime(request: web.Request) -> web.WebSocketResponse:
    socket = await _opened(request)
    await _say(socket, {"type": "session.created", "event_id": "e0", "session": {"id": "s"}})
    markers, number = _Markers(), 0
    async for message in socket:
        said = orjson.loads(message.data)
        if said["type"] == "session.update":
            await _say(socket, {"type": "session.updated", "event_id": "e1", "session": said["session"]})
            continue
        audio = base64.b64decode(said["audio"])
        middles = (_EDGES.get(audio[min(at + 80, len(audio) - 1)], 0) for at in range(0, len(audio), _FRAME))
        for marker in markers.find(middles):
            number += marker == "start"
            for report in _reports(marker, number):
                await _say(socket, report)
    return socket


def _reports(marker: str, number: int) -> list[dict[str, Any]]:
    item = {"event_id": "x", "item_id": f"i{number}"}
    if marker == "start":
        return [{"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, **item}]
    previous = {"previous_item_id": f"i{number - 1}" if number > 1 else None}
    completed = "conversation.item.input_audio_transcription.completed"
    return [
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, **item},
        {"type": "input_audio_buffer.committed", **item, **previous},
        {"type": completed, "content_index": 0, "transcript": f"please book number {number} for me", **item},
    ]


async def _listen(request: web.Request) -> web.WebSocketResponse:
    """Deepgram's, with 16-bit samples."""
    socket = await _opened(request)
    markers, number = _Markers(), 0
    step = 2 * int(request.query.get("sample_rate", "8000")) // 50
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        audio = message.data
        places = (min(at + step // 2, len(audio) - 2) & ~1 for at in range(0, len(audio), step))
        for marker in markers.find(int.from_bytes(audio[at : at + 2], "little", signed=True) for at in places):
            number += marker == "end"
            text = f"please book number {number} for me" if marker == "end" else "excuse me please could you"
            is_final = marker == "end"
            found = {"alternatives": [{"transcript": text, "confidence": 0.99}]}
            await _say(socket, {"type": "Results", "is_final": is_final, "speech_final": is_final, "channel": found})
    return socket


async def _chat(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in _REPLY]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks = ({"id": "c", "object": "chat.completion.chunk", "choices": [choice]} for choice in choices)
    await response.write(b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _speak(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "audio/basic"})
    await response.prepare(request)
    for _ in range(round(_SPEECH_S * 8000) // len(_TONE)):
        await response.write(_TONE)
    await response.write_eof()
    return response


async def _carrier(request: web.Request) -> web.Response:
    return web.json_response({"sid": request.match_info["sid"], "status": "in-progress"})


async def _opened(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
    await socket.prepare(request)
    return socket


async def _say(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    await socket.send_str(orjson.dumps(message).decode())


async def _main(port: int) -> None:
    app = web.Application()
    app.router.add_get("/v1/realtime", _realtime)
    app.router.add_get("/v1/listen", _listen)
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_post("/v1/text-to-speech/{voice}/stream", _speak)
    app.router.add_route("*", "/2010-04-01/Accounts/{account}/Calls/{sid}", _carrier)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"listening on {port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    words = argparse.ArgumentParser(prog="python -m bench.kit.services", description=__doc__)
    words.add_argument("--port", type=int, required=True)
    uvloop.run(_main(words.parse_args().port))
