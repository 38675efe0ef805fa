"""The scenes of the demo: five calls, and the facts about them that the checks need."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from simulators.demo.timeline import Timeline
from simulators.stack import Stack

__all__ = ["CALLEE", "FRIEND", "GREETING", "NOTICE", "NOTIFIED", "STORY", "STRANGER", "SceneFacts", "Scenes"]

CALLEE = "+15550003000"
NOTIFIED = "+15550004000"
FRIEND = "+15550002000"  # on the allow list
STRANGER = "+15550009999"
GREETING = "Good morning, this is the pharmacy calling about your order."
NOTICE = "Your table for two is ready."
STORY = (
    "Certainly. Your order holds two items, both are in stock, and the driver will bring them tomorrow before noon, "
    "unless you would rather collect them yourself."
)


@dataclass
class SceneFacts:
    """Facts for the checks: call ids by scene, and when the owner of the conversation was killed."""

    conversation: str = ""
    notice: str = ""
    killed_at: float = 0.0
    killed: str = ""
    inbound: str = ""  # the carrier's id
    refused: str = ""
    notes: list[str] = field(default_factory=list)


class Scenes:
    """Plays the scenes: a long outbound conversation, and the other calls while it lasts."""

    def __init__(self, stack: Stack, timeline: Timeline, *, patience: float = 1.0) -> None:
        """`patience`: how much longer than in tone code everything may take."""
        self._patience = patience
        self._stack = stack
        self._timeline = timeline
        self._facts = SceneFacts()

    async def play(self) -> SceneFacts:
        """Play every scene; returns when the last call has ended."""
        await self._configure()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._conversation())
            group.create_task(self._other_calls())
        return self._facts

    async def _configure(self) -> None:
        """Configure the simulators: the people at each number, and the model's replies."""
        rules = [
            {"match": "(?i)how is my order", "reply": STORY},
            {"match": "collect", "reply": "Very well. We are open until eight this evening."},
            {"match": "still there", "reply": "I am still here. Is there anything else I can do for you?"},
            {"match": "opening hours", "reply": "We are open from nine to eight."},
            {"match": "thank", "reply": "You are welcome. Goodbye."},
        ]
        await self._stack.openai.post("/_sim/script", {"chat": {"rules": rules}})
        caller: list[dict[str, Any]] = [
            {"answer_after_ms": 300},
            {"wait_heard": "pharmacy"},
            {"say": "how is my order"},
            {"interrupt_after_chars": 40, "say": "I will collect it"},
            {"wait_heard": "eight this evening"},
            {"wait_ms": 200},
            {"say": "are you still there"},
            {"wait_heard": "anything else"},
            {"say": "no thank you"},
            {"wait_heard": "Goodbye"},
            {"hangup": True},
        ]
        await self._stack.carrier.post("/_sim/persona", {"number": CALLEE, "script": caller, "listens": True})
        quiet = [{"answer_after_ms": 200}]
        await self._stack.carrier.post("/_sim/persona", {"number": NOTIFIED, "script": quiet, "listens": True})

    # --- the conversation that survives its worker

    async def _conversation(self) -> None:
        self._timeline.rule("an outbound conversation, with an interruption, whose worker will be killed")
        gateway = self._stack.gateway
        answer = await gateway.rpc("voicecall.initiate", to=CALLEE, message=GREETING, mode="conversation")
        call = self._facts.conversation = answer["callId"]
        self._timeline.name(call, "conversation")
        await gateway.until(
            call, lambda seen: _said(seen, "bot", "We are open until eight"), within_s=30 * self._patience
        )
        await self._kill_owner(call)
        await gateway.until(call, _is_over, within_s=40 * self._patience)

    async def _kill_owner(self, call: str) -> None:
        node = await self._stack.owner_of(call)
        worker = self._stack.worker_of(node)
        self._timeline.rule(f"kill -9 of {worker.name}, in the middle of a sentence")
        self._facts.killed, self._facts.killed_at = worker.name, time.time()
        await worker.kill()

    # --- the other calls

    async def _other_calls(self) -> None:
        await asyncio.sleep(1.0)
        await asyncio.gather(self._notice(), self._inbound(), self._refused())

    async def _notice(self) -> None:
        answer = await self._stack.gateway.rpc("voicecall.initiate", to=NOTIFIED, message=NOTICE, mode="notify")
        call = self._facts.notice = answer["callId"]
        self._timeline.name(call, "notice")
        await self._stack.gateway.until(call, _is_over, within_s=30 * self._patience)

    async def _inbound(self) -> None:
        script: list[dict[str, Any]] = [
            {"wait_heard": "help you"},
            {"say": "what are your opening hours"},
            {"wait_heard": "nine to eight"},
            {"hangup": True},
        ]
        self._facts.inbound = await self._call_in(FRIEND, script)
        await self._ended(self._facts.inbound)

    async def _refused(self) -> None:
        self._facts.refused = await self._call_in(STRANGER, [{"wait_ms": 500}])
        await self._ended(self._facts.refused)

    async def _call_in(self, number: str, script: list[dict[str, Any]]) -> str:
        to = "+15550001000"
        asked = {"from": number, "to": to, "persona": script, "listens": True}
        answer = await self._stack.carrier.post("/_sim/inbound", asked)
        return str(answer["sid"])

    async def _ended(self, sid: str) -> None:
        over = {"completed", "busy", "failed", "no-answer", "canceled"}
        await self._stack.carrier.until(
            f"/_sim/calls/{sid}", lambda seen: seen["status"] in over, within_s=40 * self._patience
        )


def _said(seen: Any, speaker: str, text: str) -> bool:
    lines = (seen.get("call") or {}).get("transcript") or []
    return any(line["speaker"] == speaker and text in line["text"] for line in lines)


def _is_over(seen: Any) -> bool:
    return bool((seen.get("call") or {}).get("endedAt"))
