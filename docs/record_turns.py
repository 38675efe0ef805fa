"""Records the turns that `docs/waterfall.svg` shows: `python docs/record_turns.py` writes `docs/waterfall.json`.

One call on the whole system on loopback, with services as slow as real ones: recognition waits for 500 ms of silence
and 120 ms more for its transcript, the agent (an agent host) writes as `TURNS` says, the voice takes 120 ms. What is
written are the `turnSpans` of the call's record. `make draw` draws the picture.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from simulators.openai.delays import delays  # noqa: E402  the repository must be on the path first
from simulators.stack import Plan, Stack  # noqa: E402

COMMAND = "python docs/record_turns.py"
SILENCE_MS, FINAL_MS, AUDIO_MS = 500, 120, 120


@dataclass(frozen=True)
class Turn:
    """What the caller says, and how the agent replies: after `think_ms`, and `tool_ms` of a tool, word by word."""

    title: str
    says: str
    reply: str
    think_ms: int = 250
    tool_ms: int = 0
    word_ms: int = 0


_LONG = "Your parcel leaves our house today, and it is with you tomorrow before noon."
TURNS = (
    Turn("a short answer", "hello there", "Good morning. How can I help you?"),
    Turn("with a tool", "my order please", "It leaves today. Anything else?", tool_ms=600),
    Turn("a long first sentence, word by word", "anything else", _LONG, word_ms=60),
)


async def main() -> None:
    config = {
        "inboundPolicy": "open",
        "allowFrom": [],
        "inboundGreeting": "Hello.",
        "responseModel": "openclaw",
        "streaming": {"silenceDurationMs": SILENCE_MS},
    }
    async with Stack(Plan(workers=1, config=config)) as stack, aiohttp.ClientSession() as http:
        await stack.openai.post("/_sim/script", delays(final_ms=FINAL_MS, audio_ms=AUDIO_MS))
        agent = asyncio.create_task(_answer_turns(http, stack.gateway.url, stack.gateway.token))
        waits = await _call(stack)
        agent.cancel()
    turns = [{"title": turn.title, **wait} for turn, wait in zip(TURNS, waits, strict=True)]
    text = json.dumps({"command": COMMAND, "turns": turns}, indent=1)
    (DOCS / "waterfall.json").write_text(text + "\n", encoding="utf-8")
    for turn in turns:
        sys.stdout.write(f"{turn['title']}: {sum(turn['spans'].values())} ms\n")


async def _call(stack: Stack) -> list[dict[str, Any]]:
    """Have one caller say everything; the `turnSpans` of the archived call."""
    steps: list[dict[str, Any]] = [{"wait_heard": "Hello."}, {"wait_ms": 800}]
    for turn in TURNS:
        steps += [{"say": turn.says}, {"wait_heard": turn.reply.split()[-1]}, {"wait_ms": 800}]
    asked = {"from": "+15550002000", "to": "+15550001000", "persona": [*steps, {"hangup": True}], "listens": True}
    await stack.carrier.post("/_sim/inbound", {**asked, "status_callback": stack.webhook_url})
    while not (page := await stack.gateway.rpc("voicecall.history"))["calls"]:  # noqa: ASYNC110  a process is awaited
        await asyncio.sleep(0.2)
    waits: list[dict[str, Any]] = page["calls"][0]["metadata"]["turnSpans"]
    return waits


async def _answer_turns(http: aiohttp.ClientSession, url: str, token: str) -> None:
    """An agent host (docs/agent-hosts.md) that replies as `TURNS` says."""
    async with http.ws_connect(url, headers={"Authorization": f"Bearer {token}"}) as gateway:
        mine = {"name": "recorded"}
        await gateway.send_json({"type": "req", "id": "1", "method": "voicecall.agent.register", "params": mine})
        async for message in gateway:
            frame = message.json()
            if frame.get("event") == "agent.request":
                asked = frame["payload"]
                turn = next(turn for turn in TURNS if turn.says == asked["text"])

                async def send(event: str, request: str = asked["requestId"], **facts: str) -> None:
                    payload = {"requestId": request, **facts}
                    await gateway.send_json({"type": "event", "event": event, "payload": payload})

                await _reply(turn, send)


async def _reply(turn: Turn, send: Callable[..., Any]) -> None:
    await send("agent.began")
    await asyncio.sleep(turn.think_ms / 1000)
    if turn.tool_ms:
        await send("agent.tool", name="look_up_order", state="started")
        await asyncio.sleep(turn.tool_ms / 1000)
        await send("agent.tool", name="look_up_order", state="ended")
        await asyncio.sleep(turn.think_ms / 1000)
    for word in turn.reply.split():
        await send("agent.delta", text=f"{word} ")
        await asyncio.sleep(turn.word_ms / 1000)
    await send("agent.done")


if __name__ == "__main__":
    asyncio.run(main())
