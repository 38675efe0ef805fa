"""Play all journeys of one carrier in one mode: one stack, all calls at once, one outcome per cell."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from simulators.stack import Plan, Stack
from tests.contract.conformance.journeys import CROWDED, JOURNEYS
from tests.contract.conformance.stage import FRIENDS, PEOPLE, PLACES, PLACES_OF_CALLERS, Stage
from tests.contract.conformance.ways import (
    CARRIERS,
    MODES,
    NATIVE,
    PARTNERS,
    REALTIME,
    RELAY,
    STREAMING,
    Cell,
    cannot,
    way_of,
)

__all__ = ["Outcome", "cells", "play", "played", "stacks"]

_LONGEST_S = 45.0


@dataclass(frozen=True)
class Outcome:
    """`error` None: the journey passed. `carrier_cannot`: it was not played, and why."""

    cell: Cell
    error: BaseException | None = None
    carrier_cannot: str | None = None
    seconds: float = 0.0


def stacks(*, partners: bool = False) -> list[tuple[str, str]]:
    """Every carrier in every mode; with `partners` also those in which a model, or the carrier, hears and speaks."""
    return [*itertools.product(CARRIERS, MODES), *(PARTNERS if partners else ())]


def cells() -> Iterator[Cell]:
    """Every cell of the matrix, played or not."""
    for (carrier, mode), journey in itertools.product(stacks(), JOURNEYS):
        yield Cell(journey, carrier, mode)


async def play(carrier: str, mode: str) -> dict[Cell, Outcome]:
    """All journeys of one stack: the shared ones at once, then those that need it for themselves."""
    config: dict[str, Any] = {
        "allowFrom": list(FRIENDS),
        "maxConcurrentCalls": PLACES,
        "maxInboundCalls": PLACES_OF_CALLERS,
        # In every journey: callers must not notice that detection is on.
        "voicemail": {"detection": "carrier", "onMachine": "leave-message"},
        "tools": {"transfer": PEOPLE},
        "streaming": {"enabled": mode == STREAMING, "silenceDurationMs": 200},
        "relay": {"enabled": mode == RELAY},
    }
    document = _with_model if mode == REALTIME else None
    async with Stack(Plan(carrier=carrier, workers=2, config=config, document=document)) as stack:
        stage = Stage(stack, way_of(carrier), streaming=mode != NATIVE)
        await stage.script_the_model()
        await stage.script_the_people()
        mine = [Cell(journey, carrier, mode) for journey in JOURNEYS]
        together = await asyncio.gather(*(_one(stage, cell) for cell in mine if cell.journey not in CROWDED))
        alone = [await _one(stage, cell) for cell in mine if cell.journey in CROWDED]
    return {outcome.cell: outcome for outcome in (*together, *alone)}


def _with_model(config: dict[str, Any], stack: Stack) -> dict[str, Any]:
    block = {"baseUrl": f"{stack.openai.url}/v1", "apiKey": "sk-demo", "silenceDurationMs": 200}
    return {**config, "realtime": {"enabled": True, "providers": {"openai": block}}}


@cache
def played(carrier: str, mode: str) -> dict[Cell, Outcome]:
    """The same, played once even if requested repeatedly."""
    return asyncio.run(play(carrier, mode))


async def _one(stage: Stage, cell: Cell) -> Outcome:
    if why := cannot(cell):
        return Outcome(cell, carrier_cannot=why)
    began = time.monotonic()
    try:
        async with asyncio.timeout(_LONGEST_S):
            await JOURNEYS[cell.journey](stage)
    except Exception as error:  # noqa: BLE001 - any exception is the outcome of this cell
        return Outcome(cell, error=error, seconds=time.monotonic() - began)
    return Outcome(cell, seconds=time.monotonic() - began)
