"""The carriers' own voices and recognition, in the language of the call (A20)."""

from xml.etree import ElementTree as ET

import pytest

from voicecall.call.phrases import LANGUAGES
from voicecall.call.replies import Gather, NativeVoice
from voicecall.carriers.common.native_voice import native
from voicecall.carriers.plivo import xml
from voicecall.carriers.twilio import twiml

pytestmark = pytest.mark.quick


def gathered(document: bytes) -> tuple[str, str, str]:
    """Language that is listened for, voice, and language that is spoken."""
    listen = ET.fromstring(document)[0]
    spoken = listen[0]
    return listen.attrib["language"], spoken.attrib["voice"], spoken.attrib["language"]


def prompt(language: str, name: str = "") -> Gather:
    voice = NativeVoice(name=name, language=language)
    return Gather(text="Guten Tag", heard_url="https://h/a", silent_url="https://h/b", voice=voice)


@pytest.mark.parametrize(
    ("language", "twilio", "plivo"),
    [
        ("", ("en-US", "Polly.Joanna", "en-US"), ("en-US", "Polly.Joanna", "en-US")),
        ("de", ("de-DE", "Polly.Vicki", "de-DE"), ("de-DE", "Polly.Vicki", "de-DE")),
        ("de_CH", ("de-DE", "Polly.Vicki", "de-DE"), ("de-DE", "Polly.Vicki", "de-DE")),
        ("pt-BR", ("pt-BR", "Polly.Vitoria", "pt-BR"), ("pt-BR", "Polly.Vitoria", "pt-BR")),
        ("zh", ("cmn-Hans-CN", "Polly.Zhiyu", "cmn-CN"), ("cmn-Hans-CN", "Polly.Zhiyu", "cmn-CN")),
        ("ar", ("ar-SA", "Polly.Zeina", "arb"), ("ar-SA", "Polly.Zeina", "arb")),
        ("vi", ("vi-VN", "Google.vi-VN-Standard-A", "vi-VN"), ("vi-VN", "Polly.Joanna", "en-US")),
    ],
)
def test_a20_prompts_and_recognition_speak_the_language(
    language: str, twilio: tuple[str, ...], plivo: tuple[str, ...]
) -> None:
    assert gathered(twiml.render(prompt(language))) == twilio
    assert gathered(xml.render(prompt(language))) == plivo


def test_a20_a_voice_that_is_named_stays() -> None:
    assert gathered(twiml.render(prompt("de", "Polly.Hans"))) == ("de-DE", "Polly.Hans", "de-DE")
    assert gathered(twiml.render(prompt("de", "Google.de-DE-Neural2-B")))[1] == "Google.de-DE-Neural2-B"
    assert gathered(twiml.render(prompt("en-US", "onyx")))[1] == "Polly.Brian"


def test_a20_every_language_of_phrases_has_a_native_language() -> None:
    found = {language: native(NativeVoice(language=language)).language for language in LANGUAGES}
    assert all("-" in tag or tag == "arb" for tag in found.values()), found
