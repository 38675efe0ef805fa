"""The parts of the simulators that need no process: ledger, public map, playout queue, WebSocket client, personas."""

import asyncio
import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.ledger import Ledger
from simulators.phone.faults import Faults, Rule
from simulators.phone.line import FRAME_BYTES, Hearing, Line
from simulators.phone.persona import Beep, Interrupt, Press, Say, read_persona
from simulators.phone.public_map import PublicMap
from simulators.phone.websocket import Closed, Refused, WebSocket, connect

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# --- ledger


async def test_a_follower_gets_each_line_once_and_waits_for_the_next() -> None:
    """Reading on from the last `seq` neither loses nor repeats a line."""
    ledger = Ledger()
    ledger.write("a", x=1)
    (first,) = await ledger.follow(0, 1)
    waiting = asyncio.ensure_future(ledger.follow(first["seq"], 5))
    await asyncio.sleep(0)
    ledger.write("b")
    assert [line["kind"] for line in await waiting] == ["b"]
    assert await ledger.follow(ledger.last_seq, 0.01) == []


@given(st.integers(1, 30), st.integers(0, 200), st.integers(0, 220))
def test_a_full_ledger_keeps_the_newest_and_counts_the_rest(limit: int, written: int, after: int) -> None:
    """Nothing disappears unaccounted for, and `after` means the same before and after the cut."""
    ledger = Ledger(limit)
    for number in range(written):
        ledger.write("n", number=number)
    kept = ledger.lines()
    assert len(kept) + ledger.forgotten == written
    assert len(kept) <= limit
    assert [line["seq"] for line in kept] == list(range(ledger.forgotten + 1, written + 1))
    assert ledger.lines(after=after) == [line for line in kept if line["seq"] > after]


# --- public map


def test_a_public_origin_leads_to_its_targets_in_turn_and_keeps_path_and_query() -> None:
    """Two targets are a load balancer; sockets follow the same rule as requests."""
    public = PublicMap()
    public.add("https://voice.example.com=http://127.0.0.1:1,http://127.0.0.1:2")
    assert public.routes("https://voice.example.com/a?b=c") == ["http://127.0.0.1:1/a?b=c", "http://127.0.0.1:2/a?b=c"]
    assert public.routes("wss://voice.example.com/m") == ["ws://127.0.0.1:2/m", "ws://127.0.0.1:1/m"]
    assert public.routes("https://else.example.com/a") == ["https://else.example.com/a"]


@pytest.mark.parametrize(
    "rule", ["voice.example.com=http://x", "https://a", "https://a/path=http://b", "wss://a=ws://b"]
)
def test_a_rule_that_is_no_pair_of_origins_is_refused(rule: str) -> None:
    """A path in a rule would be signed and not dialled."""
    with pytest.raises(ValueError, match="not an origin"):
        PublicMap().add(rule)


# --- playout


@given(st.lists(st.binary(min_size=1, max_size=700), max_size=12))
def test_what_is_heard_does_not_depend_on_how_it_was_cut(pieces: list[bytes]) -> None:
    """Messages of any length become 20 ms frames; the last is filled with silence; each mark returns at its place."""
    hearing = Hearing()
    heard = bytearray()
    returned: list[tuple[str, int]] = []
    hearing.on_mark = lambda name, why: returned.append((f"{name} {why}", hearing.played))
    ends = []
    for number, piece in enumerate(pieces):
        hearing.put(piece)
        ends.append(hearing.queued)
        hearing.mark(str(number))
    while (frame := hearing.next_frame()) is not None:
        assert len(frame) == FRAME_BYTES
        heard += frame
    sent = b"".join(pieces)
    assert bytes(heard[: len(sent)]) == sent
    assert set(heard[len(sent) :]) <= {0xFF}
    assert [name for name, _ in returned] == [f"{number} reached" for number in range(len(pieces))]
    assert all(played >= end for (_, played), end in zip(returned, ends, strict=True))
    assert all(played - end < FRAME_BYTES for (_, played), end in zip(returned, ends, strict=True))


def test_a_mark_returns_when_its_last_sound_is_over_not_when_it_begins() -> None:
    """One frame takes one tick: the mark comes with the tick after."""
    hearing = Hearing()
    returned: list[str] = []
    hearing.on_mark = lambda name, why: returned.append(f"{name} {why}")
    hearing.put(b"\x00" * FRAME_BYTES)
    hearing.mark("a")
    assert hearing.next_frame() == b"\x00" * FRAME_BYTES
    assert returned == []
    assert hearing.next_frame() is None
    assert returned == ["a reached"]


def test_clear_drops_what_waits_but_not_what_sounds() -> None:
    """The 20 ms in the air cannot be taken back; everything behind them can."""
    hearing = Hearing()
    returned: list[str] = []
    hearing.on_mark = lambda name, why: returned.append(f"{name} {why}")
    hearing.put(b"\x00" * FRAME_BYTES * 5)
    hearing.mark("a")
    hearing.next_frame()
    assert hearing.clear() == 80
    assert returned == ["a cleared"]
    assert hearing.next_frame() is None
    assert hearing.played == hearing.queued


async def test_waiting_on_a_line_ends_at_the_tick_that_makes_it_true() -> None:
    """A line's own time, driven by hand."""
    line = Line()
    waiting = asyncio.ensure_future(line.pause(60))
    await asyncio.sleep(0)
    for _ in range(2):
        line.tick()
    await asyncio.sleep(0)
    assert not waiting.done()
    line.tick()
    await asyncio.wait_for(waiting, 1)


# --- the WebSocket client


def accept_of(head: bytes) -> bytes:
    key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


async def served(server: Server, use: Callable[[str], Awaitable[None]]) -> None:
    """Run `use` against a raw TCP server whose handler must succeed."""
    handled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await server(reader, writer)
            handled.set_result(None)
        except BaseException as error:
            handled.set_exception(error)
            raise
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        await use(f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/media")
        await asyncio.wait_for(handled, 5)


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    first = opcode | (0x80 if final else 0)
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BBQ", first, 127, len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a client must mask"
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(size)
    return first, bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))


async def test_messages_are_read_whole_however_the_bytes_arrive() -> None:
    """Handshake and frames one byte at a time: short, fragmented, 16-bit and 64-bit lengths, a ping in between."""
    texts = [b"short", b"in three parts", b"x" * 300, b"y" * 70_000]
    got: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"GET /media HTTP/1.1\r\n")
        writer.transport.set_write_buffer_limits(0)
        answer = b"HTTP/1.1 101 Switching\r\nsec-websocket-accept: " + accept_of(head) + b"\r\n\r\n"
        parts = (
            frame(1, b"in ", final=False) + frame(9, b"ping") + frame(0, b"three ", final=False) + frame(0, b"parts")
        )
        for byte in answer + frame(1, b"short") + parts + frame(1, texts[2]):
            writer.write(bytes((byte,)))
            await writer.drain()
        writer.write(frame(1, texts[3]) + frame(8, struct.pack("!H", 1000)))
        # The upgrade is over before the ping has come: the order of the two is not guaranteed.
        sent = {await read_frame(reader), await read_frame(reader)}
        assert sent == {(0x80 | 10, b"ping"), (0x80 | 1, b"hello " * 60)}
        assert await read_frame(reader) == (0x80 | 8, struct.pack("!H", 1000))

    async def use(url: str) -> None:
        socket = await connect(url, headers={}, on_text=got.append)
        socket.send(b"hello " * 60)
        assert await asyncio.wait_for(socket.closed, 5) == Closed(clean=True, code=1000)

    await served(server, use)
    assert got == texts


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 403),
        (b"HTTP/1.1 101 OK\r\nsec-websocket-accept: wrong\r\n\r\n", 101),
        (b"SSH-2.0-nonsense\r\n\r\n", 0),
        (b"", 0),
    ],
)
async def test_anything_but_a_true_upgrade_is_refused(answer: bytes, status: int) -> None:
    """Also a server that just closes."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def use(url: str) -> None:
        with pytest.raises(Refused) as refused:
            await connect(url, headers={}, on_text=print)
        assert refused.value.status == status

    await served(server, use)


async def test_a_socket_that_vanishes_sends_no_goodbye() -> None:
    """abort() is a network that failed: the server reads to the end and finds no close frame."""
    rest = b"?"

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal rest
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 OK\r\nsec-websocket-accept: " + accept_of(head) + b"\r\n\r\n")
        rest = await reader.read()

    async def use(url: str) -> None:
        socket: WebSocket = await connect(url, headers={}, on_text=print)
        socket.abort()
        assert await asyncio.wait_for(socket.closed, 5) == Closed(clean=False, code=1006)

    await served(server, use)
    assert rest == b""


# --- scripts


def test_a_script_is_read_into_what_comes_before_and_after_the_answer() -> None:
    """How the phone is answered is not a step; the order of the others is kept."""
    persona = read_persona(
        [
            {"answer_after_ms": 250},
            {"answered_by": "fax"},
            {"verdict_after_ms": 30},
            {"say": "Hi."},
            {"interrupt_after_chars": 7, "say": "Stop.", "within_ms": 900},
            {"press": 12},
            {"beep": True},
        ]
    )
    assert (persona.answer_after_ms, persona.answered_by, persona.refusal) == (250, "fax", None)
    assert persona.verdict_after_ms == 30
    assert persona.steps == (Say("Hi."), Interrupt(7, "Stop.", 900), Press("12"), Beep())
    assert persona.listens


@pytest.mark.parametrize("step", [{"say": 3}, {"wait_ms": "long"}, {"wait_heard": "("}, {"hangup": False}, {}])
def test_an_unknown_step_is_refused_by_number(step: dict[str, object]) -> None:
    """A scenario with a typo must not silently test less."""
    with pytest.raises(ValueError, match="step 1"):
        read_persona([{"say": "Hi."}, step])


def test_a_rule_strikes_as_often_as_it_says_and_only_whom_it_says() -> None:
    """skip, then times, then never again; others pass unharmed."""
    faults = Faults()
    faults.add(Rule(where="webhook", do="never", skip=1, times=2, match={"CallStatus": "^ringing$"}))
    ringing, answered = {"CallStatus": "ringing"}, {"CallStatus": "in-progress"}
    struck = [faults.take("webhook", facts) is not None for facts in (ringing, answered, ringing, ringing, ringing)]
    assert struck == [False, False, True, True, False]
    assert faults.struck == {"webhook.never": 2}
    assert faults.take("rest", ringing) is None
