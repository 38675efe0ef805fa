"""`python -m bench.kit.load`: callers on Twilio media streams in real time, for any server that speaks that protocol.

A turn of a caller: a start marker, `--speech` seconds of speech, an end marker, `--silence` seconds of silence; callers
are shifted against each other. The markers are 20 ms of the lowest and of the highest sample, which the services of
`services.py` and the stubs of `patter.py` take for the begin and the end of an utterance.

Prints a line `measuring` when the window begins, and when it ends a line of JSON: the times in milliseconds.

    turn        end marker written -> first audio of the reply
    interrupt   start marker written while the bot speaks -> `clear`
    late        arrival of audio after the moment at which the audio before it ran out; 0 when it is ahead
    sent_late   this program's own lateness: it must stay small for a run to count

Its own framing on a bare protocol costs 10 us a frame, where a WebSocket library costs more than the server under test.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import math
import random
import re
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Final, cast
from xml.etree import ElementTree as ET

import orjson

__all__: list[str] = []

_FRAME_S: Final = 0.02
_FRAME: Final = 160
_MASK: Final = bytes(4)
_SILENCE: Final = base64.b64encode(b"\xff" * _FRAME).decode()
_START: Final = base64.b64encode(b"\x00" * _FRAME).decode()
_END: Final = base64.b64encode(b"\x80" * _FRAME).decode()
_SYLLABLE: Final = 17  # frames from one to the next, of which nine are loud
_LOUDNESS: Final = 9_000.0


@dataclass
class Times:
    """What all callers measured while `is_measuring`, in milliseconds."""

    turn: list[float] = field(default_factory=list)
    interrupt: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    sent_late: list[float] = field(default_factory=list)
    missed: int = 0  # turns without a reply before the next one
    refused: int = 0  # calls that got no stream
    is_measuring: bool = False


@dataclass(frozen=True)
class Server:
    """Where a call's webhook and media socket are. `url`: the public address, "" for a server without webhooks."""

    port: int
    path: str
    url: str
    token: str


class Caller(asyncio.Protocol):
    """One call, from the upgrade of its socket on."""

    def __init__(self, number: int, server: Server, script: list[tuple[str, str]], times: Times) -> None:
        self.sid = f"CA{number:032x}"
        self._server = server
        self._script = script
        self._times = times
        self._random = random.Random(number)
        self._path, self._parameters = server.path.replace("{sid}", self.sid), dict[str, str]()
        self._received = bytearray()
        self._is_up = False
        self._place = -self._random.randrange(len(script))  # negative: frames of silence before the first turn
        self._frames = 0
        self._due = 0.0
        self._spoke_until: float | None = None  # the end marker was written, and no reply has begun
        self._interrupted_at: float | None = None
        self._plays_until = 0.0
        self.is_over = asyncio.get_running_loop().create_future()

    async def dial(self) -> None:
        loop = asyncio.get_running_loop()
        if self._server.url:
            self._path, self._parameters = await loop.run_in_executor(None, _stream_of, self._server, self.sid)
        await loop.create_connection(lambda: self, "127.0.0.1", self._server.port)

    def hang_up(self) -> None:
        if self._is_up and not self.is_over.done():
            self._send({"event": "stop", "sequenceNumber": str(self._frames), "stop": {"callSid": self.sid}})
            self._transport.write(_frame(b"\x03\xe8", 8))

    # --- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        host = urllib.parse.urlsplit(self._server.url).netloc or f"127.0.0.1:{self._server.port}"
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.is_over.done():
            self.is_over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_up and not self._upgraded():
            return
        while (message := _next_frame(self._received)) is not None:
            kind, payload = message
            if kind == 1:
                self._on_message(orjson.loads(payload))
            elif kind == 9:
                self._transport.write(_frame(payload, 10))
            elif kind == 8:
                self._transport.close()

    def _upgraded(self) -> bool:
        head, found, _ = bytes(self._received).partition(b"\r\n\r\n")
        if not found:
            return False
        if b" 101 " not in head:
            self._times.refused += 1
            self._transport.close()
            return False
        del self._received[: len(head) + 4]
        self._is_up = True
        self._begin()
        return True

    def _on_message(self, message: dict[str, Any]) -> None:
        now, times = time.perf_counter(), self._times
        match message["event"]:
            case "media":
                if self._spoke_until is not None:
                    if times.is_measuring:
                        times.turn.append((now - self._spoke_until) * 1000)
                    self._spoke_until = None
                elif times.is_measuring:
                    times.late.append(max(0.0, now - self._plays_until) * 1000)
                length_s = len(message["media"]["payload"]) * 3 // 4 / 8000
                self._plays_until = max(self._plays_until, now) + length_s
            case "clear":
                self._plays_until = now
                if self._interrupted_at is not None and times.is_measuring:
                    times.interrupt.append((now - self._interrupted_at) * 1000)
                self._interrupted_at = None
            case "mark":
                # Twilio returns it when the audio before it has been played.
                answer = {"event": "mark", "sequenceNumber": "1", "streamSid": self.sid, "mark": message["mark"]}
                asyncio.get_running_loop().call_later(max(0.0, self._plays_until - now), self._send, answer)

    def _send(self, message: dict[str, Any]) -> None:
        if not self.is_over.done():
            self._transport.write(_frame(orjson.dumps({**message, "streamSid": self.sid})))

    # --- the script

    def _begin(self) -> None:
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": "AC" + "0" * 32,
            "streamSid": self.sid,
            "callSid": self.sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._send({"event": "start", "sequenceNumber": "1", "start": start})
        self._due = time.perf_counter() + _FRAME_S * (1 + self._random.random())
        asyncio.get_running_loop().call_later(self._due - time.perf_counter(), self._tick)

    def _tick(self) -> None:
        if self.is_over.done():
            return
        now, times = time.perf_counter(), self._times
        if times.is_measuring:
            times.sent_late.append((now - self._due) * 1000)
        while self._due <= now:
            self._send_frame()
            self._due += _FRAME_S
        asyncio.get_running_loop().call_later(max(0.0, self._due - time.perf_counter()), self._tick)

    def _send_frame(self) -> None:
        payload, mark = self._script[self._place] if self._place >= 0 else (_SILENCE, "")
        self._place = (self._place + 1) % len(self._script) if self._place >= 0 else self._place + 1
        self._frames += 1
        self._transport.write(
            _frame(
                f'{{"event":"media","sequenceNumber":"{self._frames}","media":{{"track":"inbound","chunk":"{self._frames}",'
                f'"timestamp":"{self._frames * 20}","payload":"{payload}"}},"streamSid":"{self.sid}"}}'.encode()
            )
        )
        if mark == "end":
            self._times.missed += self._spoke_until is not None and self._times.is_measuring
            self._spoke_until = time.perf_counter()
        elif mark == "start":
            now = time.perf_counter()
            self._interrupted_at = now if now < self._plays_until else None


def _frame(payload: bytes, kind: int = 1) -> bytes:
    """A WebSocket frame of a client, masked with zeros."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | kind, 0x80 | size)) + _MASK + payload
    return bytes((0x80 | kind, 0x80 | 126, size >> 8, size & 255)) + _MASK + payload


def _next_frame(received: bytearray) -> tuple[int, bytes] | None:
    """The kind and payload of the next whole frame, which is removed."""
    if len(received) < 2:
        return None
    size, start = received[1] & 127, 2
    if size >= 126:
        start = 4 if size == 126 else 10
        if len(received) < start:
            return None
        size = int.from_bytes(received[2:start], "big")
    if len(received) < start + size:
        return None
    message = received[0] & 15, bytes(received[start : start + size])
    del received[: start + size]
    return message


def _stream_of(server: Server, sid: str) -> tuple[str, dict[str, str]]:
    """Ring at a Twilio webhook, signed; the path and the parameters of the stream that the answer opens."""
    number = f"+1555{int(sid[-8:], 16) % 10_000_000:07d}"
    form = {
        "AccountSid": "AC" + "0" * 32,
        "CallSid": sid,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": number,
        "To": "+15550001000",
    }
    signed = server.url + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.new(server.token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    public = urllib.parse.urlsplit(server.url)
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{public.path}",
        urllib.parse.urlencode(form).encode(),
        {"X-Twilio-Signature": signature, "Host": public.netloc},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        stream = ET.fromstring(answer.read()).find(".//Stream")
    if stream is None:
        raise RuntimeError("the webhook opened no stream")
    parameters = {str(each.get("name")): str(each.get("value")) for each in stream.findall("Parameter")}
    return urllib.parse.urlsplit(str(stream.get("url"))).path, parameters


def speech(frames: int, seed: int) -> list[str]:
    """So many frames of noise with the loudness of syllables, in base64."""
    noise, made = random.Random(seed), []
    for number in range(frames):
        loud = _LOUDNESS * max(0.0, math.sin(2 * math.pi * number / _SYLLABLE))
        made.append(base64.b64encode(bytes(_mulaw(int(noise.uniform(-loud, loud))) for _ in range(_FRAME))).decode())
    return made


def _mulaw(sample: int) -> int:
    sign, sample = (0x80 if sample < 0 else 0), min(abs(sample), 32_635) + 0x84
    exponent = max(sample.bit_length() - 8, 0)
    return ~(sign | (exponent << 4) | ((sample >> (exponent + 3)) & 0xF)) & 0xFF


def _scripts(speech_s: float, silence_s: float) -> list[list[tuple[str, str]]]:
    """A few turns to choose from: each frame, and the marker that it is."""
    silence = [(_SILENCE, "")] * round(silence_s / _FRAME_S)
    return [
        [
            (_START, "start"),
            *((frame, "") for frame in speech(round(speech_s / _FRAME_S), seed)),
            (_END, "end"),
            *silence,
        ]
        for seed in range(4)
    ]


async def _main(asked: argparse.Namespace) -> None:
    times, scripts = Times(), _scripts(asked.speech, asked.silence)
    servers = [Server(port, asked.path, asked.url, asked.token) for port in asked.ports]
    first = int(time.time()) << 20
    callers = []
    for number in range(asked.calls):
        callers.append(Caller(first + number, servers[number % len(servers)], scripts[number % len(scripts)], times))
        await callers[-1].dial()
        await asyncio.sleep(asked.ramp)
    await asyncio.sleep(asked.warm)
    print("measuring", flush=True)
    times.is_measuring, used = True, time.process_time()
    await asyncio.sleep(asked.seconds)
    times.is_measuring = False
    facts = {**vars(times), "own_cpu": (time.process_time() - used) / asked.seconds}
    print(json.dumps(facts), flush=True)
    for caller in callers:
        caller.hang_up()
    await asyncio.wait([caller.is_over for caller in callers], timeout=10)


def _arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(prog="python -m bench.kit.load", description=__doc__)
    words.add_argument("--ports", type=lambda text: [int(port) for port in re.findall(r"\d+", text)], required=True)
    words.add_argument("--path", default="", help="of the media socket; {sid} is the call's id")
    words.add_argument("--url", default="", help="public address of the webhook; without it --path is opened at once")
    words.add_argument("--token", default="", help="with which webhooks are signed")
    words.add_argument("--calls", type=int, required=True)
    words.add_argument("--seconds", type=float, default=20.0, help="length of the window")
    words.add_argument("--warm", type=float, default=6.0, help="seconds before the window")
    words.add_argument("--ramp", type=float, default=0.05, help="seconds between two calls")
    words.add_argument("--speech", type=float, default=2.0)
    words.add_argument("--silence", type=float, default=4.0)
    return words.parse_args()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(_arguments()))
