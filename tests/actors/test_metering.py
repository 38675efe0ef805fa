"""Each metric of an activation moves when the thing it counts happens, and the gauges return to where they were."""

import asyncio
import logging
from dataclasses import replace

import pytest

from actors.call_actor import CallActor
from actors.messages import ActivationEnd, HandOver
from tests.actors.test_call_actor import CALL, LEG, PLACED, NodeHarness, live_call
from tests.actors.test_speaker import LEASE, SpeakerHarness, speak
from tests.actors.test_speaker import live_call as without_stream
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.events import (
    HungUp,
    LegStatus,
    PlaybackBegan,
    PlaybackDone,
    SttLost,
)
from voicecall.call.ids import NodeId
from voicecall.errors import CarrierRejected, CarrierSilent
from voicecall.metrics import REGISTRY
from voicecall.ports import LegReport


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"voicecall_{name}", labels) or 0.0


class Change:
    """How much a metric has changed since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name = name
        self._labels = labels
        self._before = value(name, **labels)

    def __call__(self) -> float:
        return value(self._name, **self._labels) - self._before


@pytest.fixture
def harness() -> NodeHarness:
    return NodeHarness(Stage())


async def test_an_active_call_is_counted_under_its_state_until_its_activation_ends(harness: NodeHarness) -> None:
    labels = {"carrier": "mock", "direction": "outbound"}
    initiated = Change("calls_active", state="initiated", **labels)
    listening = Change("calls_active", state="listening", **labels)
    over = Change("calls_active", state="hangup-user", **labels)

    await live_call(harness)
    assert (initiated(), listening()) == (0, 1)

    await harness.post(HungUp(leg=LEG))
    assert await harness.ended_with() is ActivationEnd.OVER
    assert (initiated(), listening(), over()) == (0, 0, 0)


async def test_a_call_that_is_handed_over_is_counted_here_no_more(harness: NodeHarness) -> None:
    listening = Change("calls_active", carrier="mock", direction="outbound", state="listening")
    actor = await live_call(harness)

    actor.actor_ref.tell(HandOver())
    await harness.ended_with()

    assert listening() == 0


async def test_a_reply_that_begins_is_one_line_and_a_call_that_begins_is_none(
    harness: NodeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="actors.metering")
    actor = await live_call(harness)
    assert "reply begun" not in caplog.messages

    harness.stage.stt.hear("What time is it?")
    await eventually(lambda: harness.stage.finished() == [1, 2])
    await harness.post(PlaybackBegan(utterance=2))
    await harness.post(PlaybackDone(utterance=2, heard_ms=900, total_ms=900, complete=True))
    await harness.quiet(actor)
    assert caplog.messages.count("reply begun") == 1


async def test_events_are_pending_while_redis_does_not_take_the_commit(harness: NodeHarness) -> None:
    pending = Change("events_pending")
    actor = await live_call(harness)
    harness.stage.bus.down = True

    harness.stage.stt.hear("Hello?")
    await eventually(lambda: pending() == 1)

    harness.stage.bus.down = False
    await eventually(lambda: harness.stage.finished() == [1, 2])
    await harness.quiet(actor)
    assert pending() == 0


async def test_a_turn_is_measured_when_the_first_audio_of_its_reply_began(harness: NodeHarness) -> None:
    turns, seconds = Change("turn_latency_seconds_count"), Change("turn_latency_seconds_sum")
    actor = await live_call(harness)
    assert turns() == 0  # the greeting answers no turn

    harness.stage.stt.hear("What time is it?")
    await eventually(lambda: harness.stage.finished() == [1, 2])
    harness.stage.clock.at += 0.75
    await harness.post(PlaybackBegan(utterance=2))
    await harness.post(PlaybackDone(utterance=2, heard_ms=900, total_ms=900, complete=True))
    await harness.quiet(actor)

    assert turns() == 1
    assert seconds() == pytest.approx(0.75)


async def test_a_takeover_from_a_dead_node_is_measured_once_at_its_first_commit(harness: NodeHarness) -> None:
    count, seconds = Change("failover_seconds_count"), Change("failover_seconds_sum")
    await live_call(harness)
    second = NodeHarness(Stage(bus=harness.stage.bus, node="worker-2"))
    ingest = replace(harness.stage.bus.seize(CALL, NodeId("worker-2")), owner_seen_at=harness.stage.clock.now() - 1.5)

    actor = CallActor.start_local(second.stage.context, ingest, lambda *_: None)
    await eventually(lambda: second.call.reactivations)
    second.stage.stt.hear("Hello?")
    await second.quiet(actor)

    assert count() == 1
    assert seconds() == pytest.approx(1.5)


async def test_carrier_commands_are_counted_and_timed(harness: NodeHarness) -> None:
    done = Change("effects_total", kind="Dial", result="done")
    requests = Change("provider_duration_seconds_count", provider="mock", op="Dial")
    errors = Change("provider_errors_total", provider="mock", op="Dial")

    await live_call(harness)

    assert (done(), requests(), errors()) == (1, 1, 0)


async def test_a_command_that_the_carrier_refuses_is_a_failed_effect_and_an_error_of_the_provider(
    harness: NodeHarness,
) -> None:
    failed = Change("effects_total", kind="Dial", result="failed")
    errors = Change("provider_errors_total", provider="mock", op="Dial")
    harness.stage.carrier.outcomes["dial"].append(CarrierRejected("no", code="21211"))

    await harness.post(PLACED)
    harness.activate()
    await harness.ended_with()

    assert (failed(), errors()) == (1, 1)


async def test_what_the_carrier_says_of_a_lost_dial_is_counted(harness: NodeHarness) -> None:
    alive = Change("reconcile_total", result=LegStatus.ALIVE.value)
    harness.stage.carrier.outcomes["dial"].append(CarrierSilent("reset"))
    harness.stage.carrier.outcomes["find"].append(LegReport(status=LegStatus.ALIVE, leg=LEG))

    await harness.post(PLACED)
    actor = harness.activate()
    await eventually(lambda: harness.stage.carrier.did("find"))
    await harness.quiet(actor)

    assert alive() == 1


async def test_replies_and_speech_are_counted_and_timed_to_their_first_item(harness: NodeHarness) -> None:
    asked, spoken = (
        Change("effects_total", kind="AskAgent", result="done"),
        Change("effects_total", kind="Speak", result="done"),
    )
    opened = Change("provider_duration_seconds_count", provider="stt", op="open")
    replied = Change("provider_duration_seconds_count", provider="agent", op="first-text")
    synthesised = Change("provider_duration_seconds_count", provider="tts", op="first-audio")

    actor = await live_call(harness)
    harness.stage.stt.hear("What time is it?")
    await eventually(lambda: harness.stage.finished() == [1, 2])
    await harness.quiet(actor)

    assert (asked(), spoken()) == (1, 2)
    assert (opened(), replied(), synthesised()) == (1, 1, 2)


async def test_services_that_fail_are_counted(harness: NodeHarness) -> None:
    agent_failed = Change("effects_total", kind="AskAgent", result="failed")
    speech_failed = Change("effects_total", kind="Speak", result="failed")
    agent_errors = Change("provider_errors_total", provider="agent", op="first-text")
    tts_errors = Change("provider_errors_total", provider="tts", op="first-audio")
    stt_errors = Change("provider_errors_total", provider="stt", op="session")
    actor = await live_call(harness)
    harness.stage.agent.scripts.append(["It is noon now. And then", service_down()])
    harness.stage.tts.failures["It is noon now."] = service_down()

    harness.stage.stt.hear("What time is it?")
    await eventually(lambda: agent_failed() and speech_failed())
    harness.stage.stt.say(SttLost())
    await harness.quiet(actor)

    assert (agent_errors(), tts_errors(), stt_errors()) == (1, 1, 1)


async def test_effects_that_a_barge_in_ends_are_cancelled_and_those_behind_them_dropped(harness: NodeHarness) -> None:
    cancelled = Change("effects_total", kind="Speak", result="cancelled")
    dropped = Change("effects_total", kind="Speak", result="dropped")
    stopped = Change("effects_total", kind="StopSpeaking", result="done")
    actor = await live_call(harness)
    harness.stage.tts.per_letter = 8000
    harness.stage.agent.scripts.append(["This first sentence is long. And this is the second one."])
    harness.stage.stt.hear("Tell me a story.")
    await eventually(lambda: len(harness.call.utterances) == 2)
    await harness.post(PlaybackBegan(utterance=2))
    await harness.quiet_but_speaking(actor)

    harness.stage.stt.hear("Stop, please.")
    await eventually(stopped)

    assert (cancelled(), dropped()) == (1, 1)


async def test_a_prompt_of_the_carriers_voice_is_done_although_it_ends_by_being_cancelled() -> None:
    """It occupies its lane until the call has settled it; that is no failure and no cancellation of the prompt."""
    done = Change("effects_total", kind="Speak", result="done")
    cancelled = Change("effects_total", kind="Speak", result="cancelled")
    requests = Change("provider_duration_seconds_count", provider="mock", op="Speak")
    native = SpeakerHarness()
    native.stream, native.call = None, without_stream(streaming=False)
    for _ in range(LEASE.epoch):
        native.stage.bus.seize(CALL, LEASE.node)

    task = asyncio.create_task(native.speaker.speak(speak("Hello")))
    await eventually(lambda: native.reports)
    task.cancel()
    await asyncio.wait([task])

    assert (done(), cancelled(), requests()) == (1, 0, 1)
