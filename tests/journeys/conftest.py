"""One stack for all journeys of a kind: it takes seconds to start, and a journey leaves nothing in it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from simulators.stack import Plan, Stack
from tests.journeys.stage import FRIEND, OURS_TOO, VOICES, Stage

_CONFIG: dict[str, Any] = {
    "allowFrom": [FRIEND],
    "maxConcurrentCalls": 8,
    "responseTimeoutMs": 5000,
    "streaming": {"silenceDurationMs": 200},
    "tools": {"builtIn": ["note"]},
    "reports": {"settleSec": 0},
    "numbers": {
        OURS_TOO: {
            "inboundGreeting": "Bicycle workshop, hello.",
            "tts": {"openai": {"voice": "sage"}},
            "agentId": "workshop",
            "responseModel": "openai/workshop-model",
            "responseSystemPrompt": "You mend bicycles.",
        },
    },
}
_OTHER: dict[str, Any] = {
    **_CONFIG,
    "maxDurationSeconds": 8,
    "transcriptTimeoutMs": 1000,
    "staleCallReaperSeconds": 3,
    "turns": {"silenceTimeoutMs": 1800},
    # The one model without turn detection of its own.
    "streaming": {"silenceDurationMs": 200, "sttModel": "gpt-live-transcribe"},
}


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stack() -> AsyncIterator[Stage]:
    """The usual configuration: STT and TTS of OpenAI, two workers."""
    async with Stack(Plan(workers=2, config=_CONFIG)) as stack:
        yield Stage(stack)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def other_stack() -> AsyncIterator[Stage]:
    """Short calls and a reaper, TTS of ElevenLabs, further voices by number, STT without turn detection, one worker."""
    async with Stack(Plan(workers=1, config=_OTHER, elevenlabs=True, voices=VOICES)) as stack:
        yield Stage(stack)


@pytest_asyncio.fixture(loop_scope="package")
async def stage(stack: Stage) -> AsyncIterator[Stage]:
    """The usual stack without calls; after the journey the carrier's ledger must hold no errors."""
    yield stack
    await stack.clean_up()
    assert await stack.mistakes() == []


@pytest_asyncio.fixture(loop_scope="package")
async def other_stage(other_stack: Stage) -> AsyncIterator[Stage]:
    yield other_stack
    await other_stack.clean_up()
    assert await other_stack.mistakes() == []
