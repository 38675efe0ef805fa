"""The media of a test phone: frames in both directions, marks, clear, the next socket, and a tab that is away."""

import base64

import pytest

from tests.exchange.conftest import Exchanged, Tab, exchanged

_FRAME = base64.b64encode(b"\x7f" * 160).decode()
_SILENCE = base64.b64encode(b"\xff" * 160).decode()


async def _called(exchange: Exchanged, *tokens: str) -> tuple[Tab, str]:
    """A tab in a call with an open stream, and the stream's name."""
    exchange.far.instructions["call.initiated"] = exchange.far.connect(*tokens)
    tab = await exchange.tab()
    await tab.send("call")
    return tab, (await tab.frame("stream"))["stream"]


async def _to_phone(exchange: Exchanged, stream: str, event: str, **members: str) -> None:
    await exchange.far.sockets[-1].send_json({"event": event, "stream": stream, **members})


async def test_audio_keys_and_marks_pass_in_both_directions(exchange: Exchanged) -> None:
    """Numbered from one, under the stream's name, introduced by the token of the reply."""
    tab, stream = await _called(exchange, "t0")
    assert exchange.far.tokens == ["t0"]
    await _to_phone(exchange, stream, "audio", payload=_FRAME)
    await _to_phone(exchange, stream, "mark", name="u1")
    assert (await tab.frame("audio"))["payload"] == _FRAME
    assert (await tab.frame("mark"))["name"] == "u1"
    await tab.send("mark", name="u1")
    await tab.send("mark", name="never-set")
    await tab.send("audio", stream=stream, payload=_FRAME)
    await tab.send("key", digit="#")
    await exchange.far.frame("mark", name="u1", stream=stream)
    await exchange.far.frame("audio", payload=_FRAME)
    await exchange.far.frame("key", digit="#")
    numbers = [frame["n"] for frame in exchange.far.frames if frame["event"] == "audio"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert "never-set" not in {frame.get("name") for frame in exchange.far.frames}
    await tab.send("hangup")
    await exchange.far.frame("stop", stream=stream)


@pytest.mark.parametrize("payload", ["", "x", "A" * 500, "%" * 216])
async def test_a_payload_that_is_no_frame_is_not_passed_on(exchange: Exchanged, payload: str) -> None:
    """The ingress closes a socket with three invalid frames: the phone's mistake must not cost the call."""
    tab, stream = await _called(exchange, "t0")
    await tab.send("audio", stream=stream, payload=payload)
    assert (await tab.frame("refused"))["message"]


async def test_clear_returns_the_marks_that_never_reached_the_tab(exchange: Exchanged) -> None:
    """Those that reached it are returned by the tab, which is told to drop its audio."""
    tab, stream = await _called(exchange, "t0")
    await _to_phone(exchange, stream, "mark", name="u1")
    await tab.frame("mark")
    await tab.ws.close()
    await exchange.far.silence()
    await _to_phone(exchange, stream, "audio", payload=_FRAME)
    await _to_phone(exchange, stream, "mark", name="u2")
    await _to_phone(exchange, stream, "clear")
    await exchange.far.frame("mark", name="u2")
    back = await exchange.tab(held=("u1",))
    await back.frame("clear")
    assert "audio" not in {frame["event"] for frame in back.frames}
    await back.send("mark", name="u1")
    await exchange.far.frame("mark", name="u1")


async def test_a_lost_socket_is_followed_by_the_next_with_the_next_token(exchange: Exchanged) -> None:
    """As a carrier does; audio of the stream before is void, and the tab is told of the new one."""
    tab, first = await _called(exchange, "t0", "t1")
    await exchange.far.sockets[0].close()
    assert (await tab.frame("gone"))["stream"] == first
    second = (await tab.frame("stream"))["stream"]
    assert (second != first, exchange.far.tokens) == (True, ["t0", "t1"])
    await tab.send("audio", stream=first, payload=_FRAME)
    await tab.send("audio", stream=second, payload=_FRAME)
    await exchange.far.frame("audio", stream=second, payload=_FRAME)
    assert not any(f.get("payload") == _FRAME for f in exchange.far.frames if f["stream"] == first)


async def test_after_the_last_token_the_carrier_asks_what_to_do(exchange: Exchanged) -> None:
    tab, _ = await _called(exchange, "t0")
    exchange.far.instructions["call.waiting"] = {"do": "hangup"}
    await exchange.far.sockets[0].close()
    assert (await exchange.far.event("call.waiting"))["path"] == "/resume"
    assert (await tab.frame("over"))["reason"] == "hangup-bot"


async def test_a_phone_that_sends_nothing_is_silent_and_does_not_stop(exchange: Exchanged) -> None:
    """Recognition needs the silence to know that somebody has finished."""
    await _called(exchange, "t0")
    await exchange.far.frame("audio", payload=_SILENCE, n=5)


async def test_a_tab_that_comes_back_has_the_call_and_what_was_said_meanwhile(exchange: Exchanged) -> None:
    """Marks that it does not hold any more are returned for it; the others it returns itself."""
    tab, stream = await _called(exchange, "t0")
    for name in ("u1", "u2"):
        await _to_phone(exchange, stream, "mark", name=name)
        await tab.frame("mark")
    await tab.ws.close()
    await exchange.far.silence()
    await _to_phone(exchange, stream, "audio", payload=_FRAME)
    back = await exchange.tab(held=("u2",))
    welcome = back.frames[0]
    assert (welcome["call"]["state"], welcome["call"]["stream"]) == ("up", stream)
    assert (await back.frame("audio"))["payload"] == _FRAME
    await exchange.far.frame("mark", name="u1")
    await back.send("mark", name="u2")
    await exchange.far.frame("mark", name="u2")
    assert "call.ended" not in {event["type"] for event in exchange.far.events}


async def test_frames_that_were_lost_on_the_way_are_sent_again(exchange: Exchanged) -> None:
    """Numbered without a gap: the tab says which was its last, and gets each of the others once."""
    tab, stream = await _called(exchange, "t0")
    for name in ("u1", "u2", "u3"):
        await _to_phone(exchange, stream, "mark", name=name)
    had = await tab.frame("mark")
    await tab.frame("mark")
    await tab.frame("mark")
    back = await exchange.tab(held=("u1",), got=had["seq"])
    again = [await back.frame("mark") for _ in range(2)]
    assert [(frame["name"], frame["seq"]) for frame in again] == [("u2", had["seq"] + 1), ("u3", had["seq"] + 2)]
    await back.send("got", seq=again[-1]["seq"])
    await back.send("mark", name="u3")
    await exchange.far.frame("mark", name="u3")
    assert not {"u1", "u2"} & {frame.get("name") for frame in exchange.far.frames}
    newest = await exchange.tab(held=("u1", "u2"), got=again[-1]["seq"])
    await _to_phone(exchange, stream, "mark", name="u4")
    assert (await newest.frame("mark"))["name"] == "u4"


async def test_a_tab_that_does_not_come_back_has_hung_up() -> None:
    """After the grace time, and not before."""
    async with exchanged(grace_s=0.5) as exchange:
        tab, _ = await _called(exchange, "t0")
        await tab.ws.close()
        assert (await exchange.far.event("call.ended"))["reason"] == "completed"
        again = await exchange.tab()
        assert again.frames[0]["call"] is None


async def test_the_same_tab_opened_twice_is_the_newer_one(exchange: Exchanged) -> None:
    """The older socket is closed with a code of its own, on which a page does not try again."""
    tab, stream = await _called(exchange, "t0")
    newer = await exchange.tab()
    assert newer.frames[0]["call"]["stream"] == stream
    assert await tab.closed() == 4001
    await newer.send("audio", stream=stream, payload=_FRAME)
    await exchange.far.frame("audio", payload=_FRAME)
