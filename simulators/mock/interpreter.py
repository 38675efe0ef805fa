"""Follows instructions: sends an event, performs the reply, and asks again at the URL it names.

Without a reply, or with an invalid one, the call ends; the ledger says why.
"""

import asyncio
import time
from typing import Any, assert_never

from simulators.mock.call import Call
from simulators.mock.instruction import (
    BadInstruction,
    Connect,
    Converse,
    HangUp,
    Instruction,
    Nothing,
    Reject,
    Wait,
    read_instruction,
)
from simulators.mock.media import run
from simulators.mock.native_speech import NativeSpeech, Prompt
from simulators.phone.answering import answer

__all__ = ["NO_ANSWER", "NO_INSTRUCTION", "follow"]

NO_ANSWER = 1
"""Error codes of the ledger: no reply, or a reply that is no instruction."""
NO_INSTRUCTION = 2

_PAUSE_MS = 1000
_QUESTIONS = 1000
"""Requests in one call before it counts as a loop."""


async def follow(call: Call, native_speech: NativeSpeech, question: str, **facts: Any) -> None:
    """Send the event of type `question` and perform the reply, until a reply asks for nothing more."""
    url = ""
    for _ in range(_QUESTIONS):
        instruction = await _ask(call, question, url, facts)
        if instruction is None:
            return
        url = await _do(call, native_speech, instruction)
        if not url or call.over:
            return
        question, facts = "call.waiting", {}
    _give_up(call, NO_INSTRUCTION, "the instructions go round in circles")


async def _ask(call: Call, question: str, url: str, facts: dict[str, Any]) -> Instruction | None:
    """The instruction in the reply; None when there is none and the call was ended."""
    answered = await call.ask(question, url, **facts)
    if answered.failure:
        _give_up(call, NO_ANSWER, f"{question}: {answered.status or answered.failure}")
        return None
    try:
        return read_instruction(answered.body)
    except BadInstruction as fault:
        _give_up(call, NO_INSTRUCTION, f"{question}: {fault}")
        return None


async def _do(call: Call, native_speech: NativeSpeech, instruction: Instruction) -> str:
    """The URL to ask next; "" when the call goes on by itself, or is over."""
    call.verbs.append({"verb": type(instruction).__name__.lower(), "at": time.time()})
    match instruction:
        case Connect():
            await _connect(call, instruction)
            return instruction.resume_url
        case Wait(seconds, resume_url):
            if call.line is None:
                await asyncio.sleep(seconds)
            else:
                await call.line.pause(seconds * 1000)
            return resume_url
        case Converse(text, heard_url, silent_url):
            answer(call)
            await native_speech.say(Prompt(text, heard_url=heard_url, said_url=silent_url))
        case Reject(reason):
            if call.line is not None:
                _give_up(call, NO_INSTRUCTION, "reject: the call is up")
            call.end("busy" if reason == "busy" else "failed", "reply")
        case HangUp():
            call.end("completed" if call.line is not None else "canceled", "reply")
        case Nothing():
            pass
        case _:
            assert_never(instruction)
    return ""


async def _connect(call: Call, instruction: Connect) -> None:
    """One media socket after the other, with a pause between two rounds."""
    call.customer_id = instruction.call
    line = answer(call)
    for place, tokens in enumerate(instruction.rounds):
        if place:
            await line.pause(_PAUSE_MS)
        for token in tokens:
            await run(call, line, instruction.stream_url, token)


def _give_up(call: Call, code: int, about: str) -> None:
    call.note("error", code=code, about=about)
    call.end("completed" if call.line is not None else "failed", "error")
