"""Folds the recorded facts of a call again: the same end, and the effects that the carrier and the caller noticed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simulators.stack import Stack
from simulators.tones import Ended
from tests.conversations.judge import Complaint, Evidence
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.effects import Dial, Effect, Speak
from voicecall.call.events import AgentSaid
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.journal import Journal, read_journal, steps, write_journal

__all__ = ["differences", "replayed"]


async def replayed(stack: Stack, record: Any, found: Evidence, *, keep_as: Path | None) -> tuple[int, list[Complaint]]:
    """The number of events of an ended call, and how folding them differs from what happened.

    `keep_as`: the journal is written there first, and what is folded is read from it.
    """
    call = CallId(record["callId"])
    redis = connect(f"redis://127.0.0.1:{stack.redis_port}/0")
    try:
        log = RedisCallLog(redis)
        records, snapshot = await log.history(call), await log.read(call)
    finally:
        await redis.aclose()
    journal = Journal(call, "", records)
    if keep_as is not None:
        write_journal(keep_as, journal)
        journal = read_journal(keep_as)
    return len(records), list(differences(record["direction"], found.heard, journal, snapshot))


def differences(direction: str, heard: Sequence[Ended], journal: Journal, snapshot: Call | None) -> Iterator[Complaint]:
    """How folding the journal differs from what happened: the stored state, the dial, and the texts that were heard."""
    folded = list(steps(journal))
    effects: list[Effect] = [effect for _, _, requested in folded for effect in requested]
    # An event that comes after the end is in the log, but no worker folds it.
    if snapshot is None or all(call != snapshot for _, call, _ in folded):
        yield Complaint("replay", "the facts do not fold to the stored state")
    dials = sum(isinstance(effect, Dial) for effect in effects)
    if dials != (direction == "outbound"):
        yield Complaint("replay", f"{dials} dials")
    spoken = [effect.text for effect in effects if isinstance(effect, Speak)]
    # What an agent speaks itself grows while it is heard.
    spoken += [record.event.text for record in journal.records if isinstance(record.event, AgentSaid)]
    for each in heard:
        text = each.text.strip("\ufffd ")
        if not any(text in requested for requested in spoken):
            yield Complaint("replay", f"nothing that was requested has {text!r}")
