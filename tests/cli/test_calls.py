"""The command line against a real gateway: its exact output and its exit status."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import typer

from tests.cli.terminal import UNKNOWN, Outcome, environment, started, voicecall
from tests.fakes.redis_server import RedisServer, start_redis
from tests.gateway.conftest import System, stack
from voicecall.call.ids import CallId
from voicecall.call.state import Phase
from voicecall.cli.display import pretty, safe
from voicecall.cli.naming import one_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
async def system(server: RedisServer) -> AsyncIterator[System]:
    async with stack(server.url) as opened:
        yield opened


async def test_a_call_from_beginning_to_end(system: System) -> None:
    """Each command prints the documented JSON, indented by two spaces."""
    env = environment(system.url)
    placed = await voicecall(env, "call", "-m", "Hello", "-t", "+15550001234", "--mode", "conversation")
    call = json.loads(placed.out)["callId"]
    assert (placed.status, placed.out, placed.err) == (0, f'{{\n  "callId": "{call}"\n}}\n', "")

    spoken = await voicecall(env, "speak", "--call-id", call, "--message", "One moment")
    assert (spoken.status, spoken.out) == (0, '{\n  "success": true\n}\n')
    pressed = await voicecall(env, "dtmf", "--call-id", call, "--digits", "1#")
    assert (pressed.status, system.worker.digits) == (0, ["1#"])

    hinted = await voicecall(env, "steer", "--call-id", call, "-m", "Be brief")
    assert (hinted.status, hinted.out) == (0, '{\n  "success": true\n}\n')
    asking = asyncio.create_task(voicecall(env, "steer", "--call-id", call, "-m", "their name", "--mode", "ask"))
    await system.worker.replies(CallId(call), "Your name?")
    await system.worker.hear(CallId(call), "Anna")
    assert json.loads((await asking).out) == {"success": True, "transcript": "Anna"}
    await system.worker.replies(CallId(call), "Thank you.")

    asking = asyncio.create_task(voicecall(env, "continue", "--call-id", call, "-m", "And you?"))
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "Größe: fünf")
    answered = await asking
    assert answered.out == '{\n  "success": true,\n  "transcript": "Größe: fünf"\n}\n'

    ended = await voicecall(env, "end", "--call-id", call)
    assert (ended.status, ended.out) == (0, '{\n  "success": true\n}\n')
    shown = await voicecall(env, "status", "--call-id", call, "--json")
    record = json.loads(shown.out)
    assert (record["callId"], record["state"], record["to"]) == (call, "hangup-bot", "+15550001234")
    said = [line["text"] for line in record["transcript"]]
    assert said == ["Hello", "One moment", "Your name?", "Anna", "Thank you.", "And you?", "Größe: fünf"]


async def test_an_unknown_call_is_no_failure_of_status(system: System) -> None:
    """It prints `{"found": false}` and exits with 0."""
    outcome = await voicecall(environment(system.url), "status", "--call-id", UNKNOWN)
    assert outcome == Outcome(0, '{\n  "found": false\n}\n', "")


async def test_without_an_id_status_lists_live_calls(system: System) -> None:
    """Without calls the list is empty."""
    outcome = await voicecall(environment(system.url), "status")
    assert json.loads(outcome.out) == {"found": True, "calls": []}


async def test_hostile_ids_are_refused(system: System) -> None:
    """An id is printed without its control characters, and is never taken for a pattern or a path."""
    env = environment(system.url)
    for hostile in ("*", "a\nb", "../../etc", "\x1b[2J", "\u0405\u0422", "x" * 5000):
        outcome = await voicecall(env, "end", "--call-id", hostile)
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith("INVALID_REQUEST: callId")
        assert "\x1b" not in outcome.err
        assert len(outcome.err) < 500


async def test_without_a_mode_the_configured_one_is_used(system: System) -> None:
    """outbound.defaultMode, which is notify here; OpenClaw's command always says conversation."""
    env = environment(system.url)
    for words in (("call", "-m", "Hi"), ("start", "--to", "+15550001234", "--message", "Hi")):
        call = json.loads((await voicecall(env, *words)).out)["callId"]
        shown = json.loads((await voicecall(env, "status", "--call-id", call)).out)
        assert shown["metadata"]["mode"] == "notify"
        await system.post("voicecall.end", {"callId": call})


async def test_a_refusal_prints_code_and_message(system: System) -> None:
    """On standard error, nothing on standard output, status 1."""
    env = environment(system.url)
    assert await voicecall(env, "end", "--call-id", UNKNOWN) == Outcome(
        1,
        "",
        f"NOT_FOUND: Call not found (call {UNKNOWN})\n",
    )
    bad = await voicecall(env, "call", "-m", "Hi", "-t", "+911")
    assert bad == Outcome(1, "", "INVALID_REQUEST: to is not dialled: it is an emergency or short number\n")


async def test_repeating_a_key_prints_the_same_call(system: System) -> None:
    """A script may run its command again without a second phone call."""
    arguments = ("call", "-m", "Hi", "--mode", "notify", "--idempotency-key", "k1")
    first, second = [await voicecall(environment(system.url), *arguments) for _ in range(2)]
    assert first == second
    assert len(system.worker.dialled) == 1


async def test_a_wrong_token_is_77(system: System) -> None:
    """The message has the remedy and not the token."""
    for token in ("wrong-token", None):
        outcome = await voicecall(environment(system.url, token), "status")
        assert (outcome.status, outcome.out) == (77, "")
        assert "VOICECALL_GATEWAY_TOKEN" in outcome.err
        assert "wrong-token" not in outcome.err
        assert (await voicecall(environment(system.url, token), "tail")).status == 77


async def test_no_gateway_is_69_and_says_how_to_start_it() -> None:
    """The message names the address that was tried."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for command in (("status",), ("tail",)):
            outcome = await voicecall(environment(url), *command)
            assert (outcome.status, outcome.out) == (69, "")
            assert outcome.err == (
                f"No gateway at {url}: Connection refused. Start it with `voicecall gateway` (or every process"
                " with `voicecall dev`), or set VOICECALL_GATEWAY_URL.\n"
            )


@pytest.mark.parametrize(
    "arguments",
    [
        ("call",),
        ("call", "-m", "x", "--mode", "shout"),
        ("speak", "--call-id", UNKNOWN),
        ("dtmf", "--call-id", UNKNOWN),
        ("tail", "--since", "many"),
        ("dance",),
    ],
)
async def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    """Before a request is sent."""
    assert (await voicecall(environment("http://127.0.0.1:1"), *arguments)).status == 2


async def test_an_unusable_environment_is_78() -> None:
    """The variable is named."""
    outcome = await voicecall(environment("not a url"), "status")
    assert (outcome.status, "VOICECALL_GATEWAY_URL" in outcome.err) == (78, True)


async def test_tail_prints_past_and_live_items_across_a_restart_of_the_gateway(server: RedisServer) -> None:
    """Past items first, then live ones, without gap or repetition across a restart of the gateway."""
    async with stack(server.url) as system:
        call = await system.initiate()
        port = int(system.url.rpartition(":")[2])
        process = await started(environment(system.url), "tail", "--json", "--since", "1000", "--call-id", call)
        seen = [await _line(process.stdout)]
        while not any(event["type"] == "Answered" for event in seen[-1]["events"]):
            seen.append(await _line(process.stdout))
    try:
        assert process.stderr is not None
        assert b"reconnecting" in await process.stderr.readline()
        async with stack(server.url, keep=True, port=port) as system:
            await system.post("voicecall.end", {"callId": call})
            while seen[-1]["state"] != "hangup-bot":
                seen.append(await _line(process.stdout))
    finally:
        process.send_signal(signal.SIGINT)
        _, rest = await process.communicate()
    assert rest.count(b"Connection refused") <= 1  # each reason once, not at every attempt
    numbers = [event["seq"] for item in seen for event in item["events"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert seen[0]["events"][0]["type"] == "Placed"


async def _line(stream: asyncio.StreamReader | None) -> dict[str, Any]:
    assert stream is not None
    item: dict[str, Any] = json.loads(await stream.readline())
    return item


def test_a_transcript_cannot_control_the_terminal() -> None:
    """Escape sequences and right-to-left marks are printed as escapes; letters of any script stay."""
    hostile = "\x1b[2J\x9b31m\u202eevil\r\u2028 héllo 你好"
    shown = safe(hostile)
    assert shown == "\\u001b[2J\\u009b31m\\u202eevil\\u000d\\u2028 héllo 你好"
    assert json.loads(pretty({"text": hostile})) == {"text": hostile}
    assert all(character.isprintable() for character in pretty({"text": hostile}, indent=None))


async def test_c17_tail_prints_the_conversation_and_events_on_request(system: System) -> None:
    env = environment(system.url)
    call = CallId(await system.initiate())
    await system.worker.hear(call, "Who is there?")
    await system.worker.hang_up(call)
    await system.worker.reaches(call, Phase.HANGUP_USER)
    for more, expected in (
        ((), ["call: to", "call: answered", "agent: Hello", "caller: Who is there?", "ended: the other party hung up"]),
        (("--events",), ["Placed", "Answered", "Heard", "HungUp"]),
    ):
        process = await started(env, "tail", "--call-id", call, "--since", "1000", *more)
        assert process.stdout is not None
        lines: list[str] = []
        while expected[-1] not in "".join(lines):
            line = await process.stdout.readline()
            assert line, (await process.communicate())[1]
            lines.append(line.decode())
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert [part for part in expected if any(part in line for line in lines)] == expected
        assert not any(line.startswith("{") for line in lines)


async def test_c17_a_call_is_named_by_its_beginning_or_by_being_the_only_one(system: System) -> None:
    """What is shown short is accepted short, in letters of either case."""
    env = environment(system.url)
    none = await voicecall(env, "end")
    remedy = "place one with `voicecall call`, or name an ended one by its id, from `voicecall history list`."
    assert none.err == f"No call is live; {remedy}\n"
    call = await system.initiate()
    assert (await voicecall(env, "speak", "-m", "One moment")).status == 0
    assert json.loads((await voicecall(env, "history", "show")).out)["callId"] == call
    for beginning in (call[:8], call[:4].upper()):
        assert (await voicecall(env, "speak", "--call-id", beginning, "-m", "One moment")).status == 0
    other = await system.initiate()
    several = await voicecall(env, "end")
    assert (several.status, several.err.startswith("2 calls are live: "), other in several.err) == (1, True, True)
    unknown = await voicecall(env, "end", "--call-id", "ffff0000")
    assert (unknown.status, unknown.err.startswith("NOT_FOUND: ")) == (1, True)
    short = await voicecall(env, "end", "--call-id", call[:3])
    assert (short.status, "at least its first 4 characters" in short.err) == (1, True)
    for each in (call, other):
        assert (await voicecall(env, "end", "--call-id", each[:13])).status == 0


@pytest.mark.parametrize("words", [("speak", "-m", "x"), ("continue", "-m", "x"), ("dtmf", "--digits", "1"), ("end",)])
@pytest.mark.parametrize("call", ["ffff0000", None])
async def test_c17_every_command_on_a_call_accepts_a_beginning_and_none(
    system: System, words: tuple[str, ...], call: str | None
) -> None:
    """Each says what is missing, and what to do."""
    named = () if call is None else ("--call-id", call)
    outcome = await voicecall(environment(system.url), *words, *named)
    expected = "No call is live; " if call is None else "NOT_FOUND: no live call and none of the newest ended ones"
    assert (outcome.status, outcome.err.startswith(expected)) == (1, True), outcome.err


@pytest.mark.parametrize("words", [("status", "--call-id"), ("tail", "--call-id"), ("replay",), ("history", "show")])
async def test_c17_every_command_that_reads_a_call_accepts_a_beginning(system: System, words: tuple[str, ...]) -> None:
    named = ("--call-id",) if words[-1] == "show" else ()
    outcome = await voicecall(environment(system.url), *words, *named, "ffff0000")
    assert (outcome.status, outcome.err.startswith("NOT_FOUND: ")) == (1, True), outcome.err


def test_c17_a_beginning_of_several_calls_is_refused_with_their_ids(capsys: pytest.CaptureFixture[str]) -> None:
    calls = [f"aaaa{number}000-0000-4000-8000-000000000000" for number in range(7)]
    with pytest.raises(typer.Exit):
        one_of(calls, "aaaa")
    err = capsys.readouterr().err
    assert err.startswith(f"aaaa begins the ids of 7 calls: {calls[0]}, ")
    assert err.endswith(" and 2 more; give more of it\n")
    assert one_of(calls[:1], "aaaa") == calls[0]


async def test_c8_continue_survives_a_restart_of_the_gateway(server: RedisServer) -> None:
    """What it asked for was done: it polls on."""
    async with stack(server.url) as first:
        port = int(first.url.rpartition(":")[2])
        call = CallId(await first.initiate())
        asking = asyncio.create_task(voicecall(environment(first.url), "continue", "-m", "And you?"))
        await first.worker.asks(call)
    async with stack(server.url, keep=True, port=port) as second:
        await second.worker.hear(call, "Fine")
        await second.doorbell.ring(call)
        outcome = await asking
    assert (outcome.status, json.loads(outcome.out)["transcript"]) == (0, "Fine")


async def test_c8_a_refusal_that_may_pass_is_retried(server: RedisServer) -> None:
    """The gateway's rate is exceeded at every other poll."""
    async with stack(server.url, gateway_rate=1, gateway_burst=1) as system:
        env = environment(system.url)
        call = CallId(await system.initiate())
        asking = asyncio.create_task(voicecall(env, "continue", "--call-id", call, "-m", "And you?"))
        await system.worker.asks(call)
        for _ in range(4):
            await system.post("voicecall.status", {})
            await asyncio.sleep(0.5)  # time for polls that are refused
        await system.worker.hear(call, "Fine")
        outcome = await asking
    assert (outcome.status, json.loads(outcome.out)["transcript"]) == (0, "Fine")


async def test_c8_a_refusal_that_stays_is_reported_at_once(system: System) -> None:
    """An ended call, and a gateway that is not there."""
    call = CallId(await system.initiate())
    await system.worker.hang_up(call)
    await system.worker.reaches(call, Phase.HANGUP_USER)
    outcome = await voicecall(environment(system.url), "continue", "--call-id", call, "-m", "And you?")
    assert (outcome.status, outcome.err) == (1, f"FAILED: Call has ended (call {call})\n")
