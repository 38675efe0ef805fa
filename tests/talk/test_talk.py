"""`make talk`, as its first user has it: a question into the microphone, and a spoken answer, without a key."""

import base64
import os
import time
import wave
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from simulators.words import are_alike
from tests.phone.browser import chromium
from tests.phone.conftest import Phone
from tests.talk.conftest import Talk
from tests.talk.hearing import heard_whole, spoken
from tests.talk.record_question import QUESTION, RECORDING
from voicecall.agents.restaurant import answers
from voicecall.call.phrases import ENGLISH
from voicecall.speech_server.transcription import Transcription

pytestmark = pytest.mark.timeout(240)

_ASKS_AFTER_S = 5.0
"""From the click to the question: the greeting is said first."""
_BAR_S = 60.0
"""From the command to the spoken answer, with the browser's start."""


def test_a_question_into_the_microphone_is_answered_aloud_though_the_worker_is_killed(
    program: str, talk: Talk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the page played is judged: each sentence of the answer is heard whole, to the byte, and by recognition.

    In the middle of the first one the worker is killed by the page's button. That sentence is said again, and said so;
    nothing else is heard twice.
    """
    answer = answers([QUESTION])[0].sentences
    sentences = [spoken(talk.speech, text) for text in answer]
    began = time.monotonic()
    with (
        sync_playwright() as playwright,
        chromium(playwright, program, _asking(tmp_path / "microphone.wav")) as browser,
    ):
        phone = Phone(browser.new_page(), talk.gateway).call()
        assert phone.facts()["microphone"] is True
        beginning = sentences[0][: len(sentences[0]) // 3]
        phone.until(lambda: bool(heard_whole(beginning, _played(phone))), "the answer begins", 90)
        took_s = talk.ready_s + time.monotonic() - began
        phone.page.click("#kill-worker")
        phone.until(lambda: bool(heard_whole(sentences[-1], _played(phone))), "the answer's end", 90)
        phone.until(lambda: "another worker took the call over" in phone.page.inner_text("#events"), "the take-over")
        played = _played(phone)
        assert f"caller: {QUESTION}" in phone.words()
        assert phone.page.locator("#words .tag:text-is('cut')").count() >= 1
        assert phone.page.locator("#words .tag:text-is('resumed')").count() >= 1
        phone.page.click("#hangup")
        phone.until(lambda: "has ended" in phone.page.inner_text("#state"), "the end")
        assert not phone.errors
    with capsys.disabled():
        print(f"make talk: ready after {talk.ready_s:.1f} s, the spoken answer after {took_s:.1f} s")  # noqa: T201 - a measurement
    assert took_s < _BAR_S * _crowd()
    said = [spoken(talk.speech, ENGLISH.cut_off), *sentences]
    places = [heard_whole(sentence, played) for sentence in said]
    assert [len(place) for place in places] == [1] * len(said)
    assert sorted(places) == places
    recognition = Transcription(threads=1)
    for text, (at,), (end,) in zip(answer, places[1:], [*places[2:], [len(played)]], strict=True):
        heard = recognition.text_of(played[at:end])
        assert are_alike(text, heard), (text, heard)


def _crowd() -> float:
    """How many times the machine's processors are asked for, beyond twice: 1 on one that this test has to itself."""
    return max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1)))


def _asking(path: Path) -> Path:
    """A WAV of somebody who listens first, then asks, and listens again."""
    with wave.open(str(RECORDING)) as recorded:
        rate, question = recorded.getframerate(), recorded.readframes(recorded.getnframes())
    silence = b"\0\0" * round(rate * _ASKS_AFTER_S)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(silence + question + silence * 12)
    return path


def _played(phone: Phone) -> bytes:
    return base64.b64decode(phone.page.evaluate("voicecallPhone.played()"))
