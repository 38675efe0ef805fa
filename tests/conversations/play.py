"""Plays the conversations of one system, all at the same time, and judges each by its own leg, record and log.

Uses only the public interfaces of the simulators and of the gateway; the log of a call is read from Redis.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from simulators.dtmf import keys_in
from simulators.stack import Stack
from simulators.stack.clients import Simulator
from simulators.tones import mulaw_from_pcm16, pcm16_from_mulaw
from tests.contract.conformance.stage import Stage, decode_across_pauses, lines
from tests.contract.conformance.ways import way_of
from tests.conversations.judge import Complaint, Evidence, Said, complaints, waits_of
from tests.conversations.replayed import replayed
from tests.conversations.script import Clip, Conversation
from tests.conversations.systems import PEOPLE, REPLIES, TOOLS, System, caller_of, line_of
from voicecall.call.phrases import DEFAULT_LANGUAGE
from voicecall.speech.tts.clip import apology

__all__ = ["Outcome", "play", "play_on"]

_LONGEST_S: Final = 75.0
_STARVED_MS: Final = 40.0
_STARVED_LOAD: Final = 3.0
_STAGGER_S: Final = 0.25
_POLL_S: Final = 0.7
_FRAME: Final = 320  # bytes of PCM
_LOST: Final = "\ufffd "
_SERVICES: Final = ("openai", "deepgram", "elevenlabs")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`complaints` empty: the conversation went as scripted. `waits`: in ms, one for each turn; None: silence.

    `clock_late_ms`: how far the carrier's clock fell behind at most, on this system; after more than two frames a gap
    or a lost frame may be its own. `load`: of each core, in the last minute. `is_second`: this is the second reading.
    """

    talk: Conversation
    complaints: tuple[Complaint, ...]
    heard: tuple[str, ...] = ()
    waits: tuple[tuple[str, int | None], ...] = ()
    transcript: tuple[tuple[str, str], ...] = ()
    events: int = 0
    seconds: float = 0.0
    clock_late_ms: float = 0.0
    load: float = 0.0
    is_second: bool = False

    @property
    def is_starved(self) -> bool:
        """The machine had too little CPU for a verdict."""
        return self.clock_late_ms > _STARVED_MS or self.load > _STARVED_LOAD


@dataclass
class _Scene:
    """One running system. `places`: of each conversation among those of its system, which gives it its numbers."""

    stack: Stack
    stage: Stage
    journals: Path | None
    places: dict[str, int] = field(default_factory=dict)


async def play(
    system: System, talks: Sequence[Conversation], *, logs: Path | None = None, journals: Path | None = None
) -> list[Outcome]:
    """All of them on one system, which is started for them. `journals`: where each call's log is kept.

    What fails while the carrier is short of CPU says nothing about the product: it is played once more.
    """
    outcomes = await _play_once(system, talks, logs=logs, journals=journals)
    starved = [each.talk for each in outcomes if each.complaints and each.is_starved]
    if not starved:
        return outcomes
    again = await _play_once(system, starved, logs=logs, journals=journals)
    second = {each.talk.name: replace(each, is_second=True) for each in again}
    return [second.get(each.talk.name, each) for each in outcomes]


async def _play_once(
    system: System, talks: Sequence[Conversation], *, logs: Path | None, journals: Path | None
) -> list[Outcome]:
    async with Stack(system.plan(talks), logs=logs) as stack:
        return await play_on(stack, system, talks, journals=journals)


async def play_on(
    stack: Stack, system: System, talks: Sequence[Conversation], *, journals: Path | None = None
) -> list[Outcome]:
    """The same on a system that was started with this plan."""
    stage = Stage(stack, way_of(system.carrier), streaming=True)
    scene = _Scene(stack, stage, journals, {talk.name: place for place, talk in enumerate(talks)})
    await _post_scripts(stack, talks)
    for name, script in (("busy", [{"busy": True}]), ("free", [{"wait_ms": 2000}, {"hangup": True}])):
        await stack.carrier.post("/_sim/persona", {"number": PEOPLE[name]["number"], "script": script})
    await stack.carrier.get("/_sim/health", reset=1)
    played = await asyncio.gather(*(_one(scene, talk, place * _STAGGER_S) for place, talk in enumerate(talks)))
    struck = await _struck(stack)
    late_ms = (await stack.carrier.get("/_sim/health"))["latest_tick_ms"]
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return [replace(_with_faults(outcome, struck), clock_late_ms=late_ms, load=load) for outcome in played]


async def _one(scene: _Scene, talk: Conversation, after_s: float) -> Outcome:
    await asyncio.sleep(after_s)
    began = time.monotonic()
    try:
        async with asyncio.timeout(_LONGEST_S):
            outcome = await _judged(scene, talk)
    except Exception as error:  # noqa: BLE001  any exception is the outcome of this conversation
        about = f"{type(error).__name__}: {str(error)[:600]}"
        return Outcome(talk=talk, complaints=(Complaint("broke off", about),), seconds=time.monotonic() - began)
    return outcome


async def _judged(scene: _Scene, talk: Conversation) -> Outcome:
    began = time.monotonic()
    record, answer = await _call(scene, talk)
    sid = str(record["providerCallId"])
    leg = await scene.stage.leg(sid)
    found = await _evidence(scene.stage, talk, leg, record)
    wrong = complaints(talk, found)
    if answer != talk.answer:
        wrong.append(Complaint("words", f"the question was answered {answer!r}, not {talk.answer!r}"))
    if (leg["ended_by"] == "callee") is not (talk.ends == "caller"):
        wrong.append(Complaint("end", f"by {leg['ended_by']}: {record['endReason']}, {record['metadata']}"))
    wrong += [Complaint("protocol", str(each)) for each in await scene.stage.complaints(sid)]
    events, differs = await replayed(scene.stack, record, found, keep_as=_journal(scene, talk))
    return Outcome(
        talk=talk,
        complaints=(*wrong, *differs),
        heard=tuple(each.text if each.complete else f"{each.text}…" for each in found.heard),
        waits=tuple(waits_of(talk, found)),
        transcript=tuple(lines(record)),
        events=events,
        seconds=time.monotonic() - began,
    )


def _journal(scene: _Scene, talk: Conversation) -> Path | None:
    return None if scene.journals is None else scene.journals / f"{talk.name.replace(' ', '-')}.jsonl"


# --- the call


async def _call(scene: _Scene, talk: Conversation) -> tuple[Any, str]:
    """Let the conversation take place; the record of the call, and the answer to an API client's question."""
    stage, place = scene.stage, scene.places[talk.name]
    if talk.line is not None:
        asked = {"from": caller_of(place), "to": line_of(place), "persona": talk.steps, "listens": True}
        asked["status_callback"] = stage.stack.webhook_url
        arrived = await stage.stack.carrier.post("/_sim/inbound", asked)
        return await _over(stage, sid=arrived["sid"]), ""
    call = await stage.dial(await stage.person(*map(dict, talk.steps)), talk.opening)
    answer = ""
    if talk.owner:
        await stage.record(call, lambda seen: "question" in seen["metadata"])
        await stage.rpc("answer", callId=call, answer=talk.owner)
    if talk.question:
        await stage.record(call, lambda seen: bool(seen["transcript"]))
        answer = (await stage.rpc("continue", callId=call, message=talk.question))["transcript"]
    return await _over(stage, callId=call), answer


async def _over(stage: Stage, **named: str) -> Any:
    """The record of a call that has ended; asked for seldom, because many conversations wait."""
    while True:
        await asyncio.sleep(_POLL_S)
        seen = await stage.rpc("status", **named)
        if seen["found"] and seen["call"].get("endedAt"):
            return seen["call"]


async def _evidence(stage: Stage, talk: Conversation, leg: Any, record: Any) -> Evidence:
    wav = await stage.stack.carrier.read(f"/_sim/calls/{leg['sid']}/audio.wav")
    left = memoryview(wav[44:]).cast("h")[::2].tobytes()
    mulaw = mulaw_from_pcm16(left)
    heard = await asyncio.to_thread(decode_across_pauses, mulaw)
    frames = [left[at : at + _FRAME] for at in range(0, len(left) - _FRAME + 1, _FRAME)]
    sounding = [number for number, frame in enumerate(frames) if any(frame)]
    recorded = lines(record)
    clips = b"".join(frames[number] for number in sounding).count(_clip(talk))
    return Evidence(
        # The recorded apology and keys are no tone code: what looks like it there has no letters.
        heard=tuple(each for each in heard if not (clips or talk.keys) or each.text.strip(_LOST)),
        keys="".join(key for key, _, _ in keys_in(mulaw)) if talk.keys else "",
        said=tuple(Said(each["text"], each["start_ms"], each["end_ms"]) for each in leg["said"]),
        sounds=tuple(number * 20 for number in sounding),
        clips=clips,
        bot=tuple(text for speaker, text in recorded if speaker == "bot"),
        user=tuple(text for speaker, text in recorded if speaker == "user"),
        clears=sum(len(stream["clears"]) for stream in leg["streams"]),
        over_ms=len(frames) * 20,
    )


def _clip(talk: Conversation) -> bytes:
    """The sounding frames of the recorded apology: a process short of CPU may put a gap between two."""
    language = next((item.language for item in talk.heard if isinstance(item, Clip)), DEFAULT_LANGUAGE)
    pcm = pcm16_from_mulaw(apology(language))
    frames = (pcm[at : at + _FRAME] for at in range(0, len(pcm) - len(pcm) % _FRAME, _FRAME))
    return b"".join(frame for frame in frames if any(frame))


# --- the services


async def _post_scripts(stack: Stack, talks: Iterable[Conversation]) -> None:
    """The replies and faults of all conversations; each is about words or texts of its own conversation."""
    replies: dict[str, Any] = {}
    rules: dict[str, list[Any]] = {name: [] for name in _SERVICES}
    for talk in talks:
        replies |= talk.replies
        for number, each in enumerate(talk.faults):
            rules[each.service].append(each.rule(f"{talk.name} {number}"))
    chat = [
        {"match": match, **({"reply": reply} if isinstance(reply, str) else reply)}
        for match, reply in {**replies, **REPLIES}.items()
    ]
    await stack.openai.post("/_sim/script", {"chat": {"rules": chat}})
    await stack.tool_server.post("/_sim/script", {"tools": TOOLS})
    for name, misbehave in rules.items():
        service: Simulator = getattr(stack, name)
        if misbehave:
            await service.post("/_sim/script", {"misbehave": misbehave})


async def _struck(stack: Stack) -> dict[str, int]:
    services: list[Simulator] = [getattr(stack, name) for name in _SERVICES]
    counted = [await service.get("/_sim/script") for service in services if service.url]
    return {name: count for each in counted for name, count in each["struck"].items()}


def _with_faults(outcome: Outcome, struck: dict[str, int]) -> Outcome:
    """A conversation whose service did not fail after all has shown nothing."""
    talk = outcome.talk
    names = [f"{talk.name} {number}" for number in range(len(talk.faults))]
    missing = [number for number, name in enumerate(names) if name not in struck]
    never = tuple(Complaint("fault", f"never struck: {talk.faults[number]}") for number in missing)
    return replace(outcome, complaints=(*outcome.complaints, *never))
