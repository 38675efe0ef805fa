"""What somebody heard of the offline voice: to the byte, where the words are known, and by recognition."""

import json
import urllib.request

from voicecall.audio.formats import AudioFormat, Encoding
from voicecall.audio.mulaw import SILENCE
from voicecall.speech.tts.intake import Intake

__all__ = ["heard_whole", "spoken"]

_PCM_24K = AudioFormat(encoding=Encoding.PCM_S16, rate=24_000)
_START = 160  # bytes of a sentence that find its beginnings in what was played


def spoken(speech: str, text: str) -> bytes:
    """A sentence as the agent's voice says it on the telephone, without silence around it. The same every time."""
    body = {"model": "hibari", "input": text, "voice": "heart", "response_format": "pcm"}
    request = urllib.request.Request(
        f"{speech}/v1/audio/speech", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    intake = Intake("offline-tts", "", _PCM_24K, 60.0)
    with urllib.request.urlopen(request, timeout=30) as answer:
        audio = intake.feed(answer.read())
    return (audio + intake.flush()).strip(bytes([SILENCE]))


def heard_whole(sentence: bytes, played: bytes) -> list[int]:
    """Where in `played` the whole sentence begins. Silence in it, as a line adds that waits for audio, is no loss."""
    return [at for at in _starts(sentence[:_START], played) if _goes_on(sentence, played, at)]


def _starts(start: bytes, played: bytes) -> list[int]:
    found = [played.find(start)]
    while found[-1] >= 0:
        found.append(played.find(start, found[-1] + 1))
    return found[:-1]


def _goes_on(sentence: bytes, played: bytes, at: int) -> bool:
    place = 0
    while place < len(sentence) and at < len(played):
        if played[at] == sentence[place]:
            place += 1
        elif played[at] != SILENCE:
            return False
        at += 1
    return place == len(sentence)
