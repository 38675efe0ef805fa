"""Announced ends of models: what is configured works until its day, and is replaced from that day on."""

from datetime import date, timedelta
from typing import Any

import pytest

from voicecall.manifests import STT, TTS
from voicecall.manifests.openai import OPENAI_URL, OpenAIRecognition
from voicecall.speech.retiring import RETIRING
from voicecall.speech.stt import openai_realtime

ENDING = [(service, model) for service in (*STT.values(), *TTS.values()) for model in service.retiring]
ids = [model for _, model in ENDING]


@pytest.mark.parametrize(("service", "model"), ENDING, ids=ids)
def test_a_model_is_used_until_its_day_and_then_its_replacement(service: Any, model: str) -> None:
    """Of every service alike: who has written a model gets it as long as it exists, and no call fails after that."""
    stops = date.fromisoformat(RETIRING[model][0])
    assert service.in_force(model, stops - timedelta(days=1)) == model
    assert service.in_force(model, stops) == service.replaced[model]
    assert service.in_force(service.replaced[model], stops) == service.replaced[model]


@pytest.mark.parametrize("model", STT["openai"].retiring)
def test_what_replaces_a_model_of_recognition_hears_pauses_as_it_did(model: str) -> None:
    """The service's detector is chosen when the process starts, before the day."""
    used = STT["openai"].replaced[model]
    assert openai_realtime.detects_pauses(model) == openai_realtime.detects_pauses(used)


@pytest.mark.parametrize(
    ("url", "day", "used"),
    [
        (OPENAI_URL, date(2027, 2, 25), "whisper-1"),
        (OPENAI_URL, date(2027, 2, 26), "gpt-transcribe"),
        ("https://eu.api.openai.com/v1", date(2027, 2, 26), "gpt-transcribe"),
        ("http://127.0.0.1:8000/v1", date(2027, 2, 26), "whisper-1"),
    ],
)
def test_a_connection_is_opened_with_the_model_of_its_day(url: str, day: date, used: str) -> None:
    """In a process that has run for months; a server of one's own keeps its models."""
    block = OpenAIRecognition.model_validate({"baseUrl": url, "model": "whisper-1"})
    assert openai_realtime.of_day(block, day).model == used
