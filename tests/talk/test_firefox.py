"""The test phone in the distribution's Firefox: a call with sound, without a key."""

import asyncio
import base64
from pathlib import Path

import pytest

from tests.talk.conftest import Talk
from tests.talk.firefox import Tab, firefox
from tests.talk.hearing import heard_whole, spoken
from tests.talk.record_question import QUESTION, RECORDING
from tests.talk.sound import sound_server
from voicecall.agents.restaurant import GREETING, answers

pytestmark = pytest.mark.timeout(240)


async def test_a_call_in_firefox_is_heard_and_answered(firefox_program: str, talk: Talk, tmp_path: Path) -> None:
    """A recorded question into the microphone: the whole answer is heard, to the byte. Then one is muted, and types."""
    said = await asyncio.gather(
        *(asyncio.to_thread(spoken, talk.speech, text) for text in (GREETING, *answers([QUESTION])[0].sentences))
    )
    async with sound_server(tmp_path) as sound, firefox(firefox_program, tmp_path, sound) as tab:
        await tab.open(talk.page)
        await tab.until(lambda: _is(tab, "document.querySelector('#call')?.checkVisibility()"), "the phone")
        await tab.click("#call")
        await tab.until(lambda: _has_heard(tab, said[0]), "the greeting is heard")
        await sound.speak(RECORDING)
        await tab.until(lambda: _has_heard(tab, *said), "the answer is heard")
        assert await _is(tab, "voicecallPhone.facts().microphone")
        await tab.click("#mute")
        await sound.speak(RECORDING)
        await tab.click("#typed")
        await tab.type("How are you?")
        await tab.until(lambda: _shows(tab, "#words", "the soup smells wonderful"), "the second answer")
        assert await tab.read("document.querySelectorAll('#words .caller').length") == 2
        await tab.click("#hangup")
        await tab.until(lambda: _shows(tab, "#state", "has ended"), "the end")


async def _is(tab: Tab, expression: str) -> bool:
    return bool(await tab.read(f"Boolean({expression})"))


async def _shows(tab: Tab, selector: str, words: str) -> bool:
    return words in await tab.text(selector)


async def _has_heard(tab: Tab, *sentences: bytes) -> bool:
    played = base64.b64decode(await tab.read("voicecallPhone.played()"))
    return all(heard_whole(sentence, played) for sentence in sentences)
