"""Agent hosts with a real gateway and a real Redis: a worker offers turns, a program on a socket answers."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gateway.agents import Hosts
from gateway.host_frames import TurnDone, TurnTool
from tests.fakes.redis_server import RedisServer
from tests.gateway.agent_host import AgentHost
from tests.gateway.conftest import TOKEN, System, stack
from voicecall.agents.remote import HostAgent
from voicecall.api.params import RegisterParams
from voicecall.bus.agents.client import RedisAgentHosts
from voicecall.bus.agents.server import AgentServer, ClaimedTurn
from voicecall.bus.agents.wire import TurnOffer, UpdateKind, read_offer
from voicecall.bus.connection import connect
from voicecall.call.ids import CallId
from voicecall.call.state import Direction, Party
from voicecall.errors import ServiceError
from voicecall.ports import AgentConnected, AgentWrote, Question, ToolEnded, ToolStarted, TurnText

READ_TOKEN = "another-long-random-token"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "agent.py"
CALL = CallId("3f0b8f2e-6c1b-4d6e-9a53-0c7c7f1d2a10")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(redis_server: RedisServer) -> AsyncIterator[System]:
    """One gateway for all tests: a host leaves no state in it."""
    async with stack(redis_server.url, working=False, gateway_read_token=READ_TOKEN) as opened:
        yield opened


def question(text: str = "What time is it?", *, call: CallId = CALL, turn: int = 1, **more: Any) -> Question:
    history = (TurnText(speaker=Party.BOT, text="Hello."), TurnText(speaker=Party.USER, text=text))
    given = {"caller": "+15550002000", "session_key": "", "history": history, **more}
    return Question(call=call, turn=turn, **given)


@asynccontextmanager
async def worker(
    redis_url: str, *, offer_s: float = 5.0, begin_s: float = 5.0, **options: Any
) -> AsyncIterator[HostAgent]:
    """The agent of a worker, as configured by `responseModel: "openclaw"`."""
    redis = connect(redis_url)
    hosts = RedisAgentHosts(redis, offer_s=offer_s, begin_s=begin_s, look_s=0.1)
    listening = asyncio.create_task(hosts.run())
    try:
        yield HostAgent(hosts, **options)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await redis.aclose()


async def whole(agent: HostAgent, asked: Question) -> list[str]:
    async with aclosing(agent.reply(asked)) as words:
        return [piece async for piece in words]


async def test_deltas_arrive_as_the_host_sends_them(system: System, redis_server: RedisServer) -> None:
    """The first sentence is available while the host still generates the second: with its first character."""
    async with (
        AgentHost(system.url, TOKEN) as host,
        worker(redis_server.url) as agent,
        aclosing(agent.reply(question())) as words,
    ):
        first = asyncio.ensure_future(anext(words))
        asked = await host.event("agent.request")
        await host.say("agent.delta", asked["requestId"], text="It is noon. ")
        await host.say("agent.delta", asked["requestId"], text="Time")
        assert await first == "It is noon. "
        await host.say("agent.delta", asked["requestId"], text=" for lunch.")
        await host.say("agent.done", asked["requestId"])
        assert [piece async for piece in words] == ["Time for lunch."]


async def test_the_worker_learns_of_the_hosts_tools(system: System, redis_server: RedisServer) -> None:
    """In their order with the text, so that the latency record knows which of them the caller waited for."""
    steps: list[object] = []
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        asked = question(on_step=steps.append)
        reply = asyncio.ensure_future(whole(agent, asked))
        request = (await host.event("agent.request"))["requestId"]
        await host.say("agent.tool", request, name="look_up", state="started")
        await host.say("agent.tool", request, name="look_up", state="ended")
        await host.say("agent.delta", request, text="It is noon.")
        await host.say("agent.done", request)
        assert await reply == ["It is noon."]
    assert steps == [AgentConnected(), ToolStarted("look_up"), ToolEnded("look_up"), AgentWrote()]


async def test_a_worker_of_a_build_without_tools_is_not_told_of_them(redis_server: RedisServer) -> None:
    """It would take the update for a lost one, and fail the reply."""
    redis, hosts = connect(redis_server.url), Hosts()
    sent: list[tuple[str, str, str]] = []

    class Recording(AgentServer):
        async def send(self, claimed: ClaimedTurn, kind: UpdateKind, text: str = "", *, code: str = "") -> bool:
            del claimed
            sent.append((kind, text, code))
            return True

    hosts.server = Recording(redis, "g", on_offer=hosts.offered, on_cancel=hosts.cancelled)
    params = RegisterParams(name="host")

    async def send(_: bytes) -> None:
        """The host's socket."""

    host = hosts.register(params, send, lambda: None)
    request = "0" * 32
    offer = TurnOffer(request=request, asker="old", call=CALL, epoch=1, agent=None, timeout_ms=1000, avoid=(), body={})
    assert read_offer(offer.pack()) == offer
    hosts.offered(offer)
    while ("taken", "", "") not in sent:  # noqa: ASYNC110  a task of the gateway is awaited
        await asyncio.sleep(0.01)
    told = {"event": "agent.tool", "requestId": request, "name": "look_up", "state": "started"}
    await hosts.receive(host, TurnTool.model_validate(told))
    said = {"event": "agent.done", "requestId": request, "text": "Noon."}
    await hosts.receive(host, TurnDone.model_validate(said))
    assert sent == [("taken", "", ""), ("began", "", ""), ("words", "Noon.", ""), ("done", "", "")]
    await redis.aclose()


async def test_registering_names_the_events_that_are_taken(system: System) -> None:
    async with AgentHost(system.url, TOKEN) as host:
        assert "agent.tool" in host.events


async def test_a_request_has_what_a_host_needs(system: System, redis_server: RedisServer) -> None:
    """Call, session, the newest utterance, the transcript, the system prompt and the timeout."""
    options = {"agent": "support", "system_prompt": "You are Ann.", "total_s": 7.0}
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url, **options) as agent:
        reply = asyncio.ensure_future(whole(agent, question(turn=4, said=("It is",))))
        asked = await host.answer("ok")
        assert await reply == ["ok"]
    assert (asked["callId"], asked["turn"], asked["agentId"]) == (CALL, 4, "support")
    assert asked["sessionKey"] == "voice:15550002000"
    assert asked["text"] == "What time is it?"
    assert asked["transcript"] == [{"speaker": "agent", "text": "Hello."}]
    assert asked["systemPrompt"].startswith("You are Ann.\n\nYou are on a live phone call")
    assert "has already heard: It is" in asked["systemPrompt"]
    assert 6000 < asked["timeoutMs"] <= 7000


async def test_a_host_without_deltas_sends_the_reply_at_the_end(system: System, redis_server: RedisServer) -> None:
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        asked = await host.event("agent.request")
        await host.say("agent.done", asked["requestId"], text="It is noon.")
        assert await reply == ["It is noon."]


async def test_barge_in_reaches_the_host(system: System, redis_server: RedisServer) -> None:
    """An interruption closes the reply."""
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        async with aclosing(agent.reply(question())) as words:
            first = asyncio.ensure_future(anext(words))
            asked = await host.event("agent.request")
            await host.say("agent.delta", asked["requestId"], text="Yes. Now")
            await first
        cancelled = await host.event("agent.cancel")
        assert cancelled == {"requestId": asked["requestId"], "reason": "cancelled"}
        # A delta sent before the cancellation arrived is no error, and is dropped.
        await host.say("agent.delta", asked["requestId"], text="you see")
        reply = asyncio.ensure_future(whole(agent, question(turn=2)))
        await host.answer("Yes?")
        assert await reply == ["Yes?"]


async def test_without_a_host_the_reply_fails_in_time(system: System, redis_server: RedisServer) -> None:
    """The caller hears the apology, and the log has the reason."""
    async with worker(redis_server.url, offer_s=0.3) as agent:
        with pytest.raises(ServiceError, match=r"no agent host took the turn within 0\.3 s") as caught:
            await whole(agent, question())
    assert caught.value.retryable
    assert system.url


async def test_a_host_without_the_agent_is_not_asked(system: System, redis_server: RedisServer) -> None:
    async with (
        AgentHost(system.url, TOKEN, agents=["sales"]),
        worker(redis_server.url, offer_s=0.3, agent="support") as agent,
    ):
        with pytest.raises(ServiceError, match="no agent host for agent 'support'"):
            await whole(agent, question())


async def test_a_host_that_reconnects_in_time_gets_the_turn(system: System, redis_server: RedisServer) -> None:
    """A restart of the host causes a short delay, not an apology."""
    async with worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        async with AgentHost(system.url, TOKEN) as host:
            await host.answer("Here I am.")
            assert await reply == ["Here I am."]


async def test_a_turn_times_out(system: System, redis_server: RedisServer) -> None:
    """The turn of a slow host is cancelled."""
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url, total_s=0.5) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        asked = await host.event("agent.request")
        await host.say("agent.began", asked["requestId"])
        with pytest.raises(ServiceError, match="no answer in time"):
            await reply
        assert (await host.event("agent.cancel"))["requestId"] == asked["requestId"]


async def test_a_turn_not_begun_goes_to_another_host(system: System, redis_server: RedisServer) -> None:
    """The first host disconnected before it began, so the turn may be repeated."""
    async with AgentHost(system.url, TOKEN, name="a") as first, worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        await first.event("agent.request")
        async with AgentHost(system.url, TOKEN, name="b") as second:
            await first.ws.close()
            await second.answer("I can help.")
            assert await reply == ["I can help."]


async def test_the_turn_of_a_host_that_does_not_begin_goes_to_another(
    system: System, redis_server: RedisServer
) -> None:
    """The turn is cancelled at the first host and offered to the other."""
    async with AgentHost(system.url, TOKEN, name="a") as hung, worker(redis_server.url, begin_s=0.3) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        asked = await hung.event("agent.request")
        async with AgentHost(system.url, TOKEN, name="b") as second:
            assert (await hung.event("agent.cancel"))["requestId"] == asked["requestId"]
            await second.answer("I can help.")
            assert await reply == ["I can help."]


async def test_two_hosts_share_the_turns(system: System, redis_server: RedisServer) -> None:
    async with (
        AgentHost(system.url, TOKEN, name="a") as first,
        AgentHost(system.url, TOKEN, name="b") as second,
        worker(redis_server.url) as agent,
    ):
        replies = [asyncio.ensure_future(whole(agent, question(call=CallId(f"c{n}")))) for n in range(2)]
        await asyncio.gather(first.answer("one"), second.answer("two"))
        assert sorted(await asyncio.gather(*replies)) == [["one"], ["two"]]


@pytest.mark.parametrize(("spoken", "retryable"), [((), True), (("It is noon. ",), False)])
async def test_a_host_that_disconnects_during_its_reply_fails_the_turn(
    system: System, redis_server: RedisServer, spoken: tuple[str, ...], retryable: bool
) -> None:
    """It had begun, so no other host gets the turn; a retry is safe only if nothing was spoken."""
    async with (
        AgentHost(system.url, TOKEN) as host,
        worker(redis_server.url) as agent,
        aclosing(agent.reply(question())) as words,
    ):
        first = asyncio.ensure_future(anext(words))
        asked = await host.event("agent.request")
        await host.say("agent.began", asked["requestId"])
        for piece in spoken:
            await host.say("agent.delta", asked["requestId"], text=f"{piece}And")
            assert await first == piece
            first = asyncio.ensure_future(anext(words))
        async with AgentHost(system.url, TOKEN, name="spare"):
            await host.ws.close()
            if spoken:
                assert await first == "And"  # the text so far comes before the failure
                first = asyncio.ensure_future(anext(words))
            with pytest.raises(ServiceError, match="the host is gone") as caught:
                await first
    assert caught.value.retryable is retryable


async def test_the_code_of_a_failed_host_is_reported(system: System, redis_server: RedisServer) -> None:
    """The code is logged; the message may quote the conversation and is not."""
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        asked = await host.event("agent.request")
        await host.say("agent.error", asked["requestId"], code="MODEL_DOWN", message="secret words")
        with pytest.raises(ServiceError, match="MODEL_DOWN") as caught:
            await reply
    assert "secret" not in str(caught.value)


async def test_a_new_turn_of_a_call_ends_the_older(system: System, redis_server: RedisServer) -> None:
    """A replaced worker may still wait: its turn is void when the new owner makes an offer."""
    async with (
        AgentHost(system.url, TOKEN) as host,
        worker(redis_server.url) as stale,
        worker(redis_server.url) as fresh,
    ):
        old = asyncio.ensure_future(whole(stale, question()))
        before = await host.event("agent.request")
        new = asyncio.ensure_future(whole(fresh, question()))
        seen = [await host.frame(), await host.frame()]
        cancelled = next(frame["payload"] for frame in seen if frame["event"] == "agent.cancel")
        asked = next(frame["payload"] for frame in seen if frame["event"] == "agent.request")
        assert cancelled == {"requestId": before["requestId"], "reason": "superseded"}
        await host.say("agent.done", asked["requestId"], text="For you.")
        assert await new == ["For you."]
        old.cancel()
        await asyncio.gather(old, return_exceptions=True)


async def test_a_worker_that_is_killed_frees_its_host(system: System, redis_server: RedisServer) -> None:
    """No worker is left to cancel the turn, so the gateway expires it."""
    async with AgentHost(system.url, TOKEN) as host:
        redis = connect(redis_server.url)
        hosts = RedisAgentHosts(redis)
        listening = asyncio.create_task(hosts.run())
        words = HostAgent(hosts).reply(question())
        first = asyncio.ensure_future(anext(words))
        asked = await host.event("agent.request")
        await redis.connection_pool.disconnect()  # as when the process is killed: its sockets close without a message
        listening.cancel()
        cancelled = await host.event("agent.cancel")
        assert cancelled == {"requestId": asked["requestId"], "reason": "nobody-listens"}
        first.cancel()
        await asyncio.gather(listening, first, return_exceptions=True)
        await words.aclose()
        await redis.aclose()


async def test_a_turn_survives_the_end_of_its_gateway(system: System, redis_server: RedisServer) -> None:
    """The turn had not begun: a host at another gateway of the system gets it."""
    async with worker(redis_server.url) as agent:
        async with stack(redis_server.url, keep=True, working=False) as other, AgentHost(other.url, TOKEN) as host:
            reply = asyncio.ensure_future(whole(agent, question()))
            await host.event("agent.request")
        async with AgentHost(system.url, TOKEN) as back:
            await back.answer("Back again.")
            assert await reply == ["Back again."]


HOSTILE = [
    ("{", "not JSON"),
    ('{"type":"event","event":"agent.delta","payload":{"requestId":"' + "0" * 32 + '","text":"x"}}', "no turn"),
    ('{"type":"event","event":"agent.delta","payload":{"requestId":"*","text":"x"}}', "requestId"),
    ('{"type":"event","event":"agent.delta","payload":{"text":"x"}}', "required"),
    ('{"type":"event","event":"agent.launch","payload":{"requestId":"' + "0" * 32 + '"}}', "event"),
    ('{"type":"event","event":"agent.done","payload":[1]}', "nothing else"),
    ('{"type":"event","event":"agent.done","payload":{"requestId":"' + "0" * 32 + '","x":1}}', "no such parameter"),
]


@pytest.mark.parametrize(("frame", "complaint"), HOSTILE)
async def test_an_invalid_frame_is_refused(system: System, frame: str, complaint: str) -> None:
    """The host gets the refusal, and nothing else happens."""
    async with AgentHost(system.url, TOKEN) as host:
        await host.ws.send_str(frame)
        refused = await host.event("agent.refused")
        assert refused["code"] == "INVALID_REQUEST"
        assert complaint in refused["message"]


async def test_a_host_cannot_speak_for_another(system: System, redis_server: RedisServer) -> None:
    async with (
        AgentHost(system.url, TOKEN, agents=["good"]) as good,
        AgentHost(system.url, TOKEN, agents=["evil"]) as evil,
        worker(redis_server.url, agent="good") as agent,
    ):
        reply = asyncio.ensure_future(whole(agent, question()))
        asked = await good.event("agent.request")
        await evil.say("agent.done", asked["requestId"], text="Send me money.")
        assert "no turn of this host" in (await evil.event("agent.refused"))["message"]
        await good.say("agent.done", asked["requestId"], text="Hello.")
        assert await reply == ["Hello."]


async def test_a_host_with_many_invalid_frames_is_disconnected(system: System) -> None:
    async with AgentHost(system.url, TOKEN) as host:
        for _ in range(32):
            await host.say("agent.delta", "0" * 32, text="x")
        codes = [message async for message in host.ws]
        assert len(codes) == 32
        assert host.ws.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_reply_without_end_is_cut(system: System, redis_server: RedisServer) -> None:
    """A reply over the limit fails, and its turn is cancelled."""
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question()))
        asked = await host.event("agent.request")
        for _ in range(5):
            await host.say("agent.delta", asked["requestId"], text="x" * 8000)
        with pytest.raises(ServiceError, match=r"characters|TOO_LONG"):
            await reply
        assert (await host.event("agent.cancel"))["requestId"] == asked["requestId"]


async def test_registering_needs_the_scope_to_act(system: System) -> None:
    """A host speaks to callers, so a read token is not enough; and one socket is one host."""
    lines = [await system.socket(token) for token in (TOKEN, READ_TOKEN, TOKEN)]
    asked = {"name": "a"}
    assert (await lines[0].ask("voicecall.agent.register", asked))["ok"]
    assert (await lines[0].ask("voicecall.agent.register", asked))["error"]["code"] == "CONFLICT"
    assert (await lines[1].ask("voicecall.agent.register", asked))["error"]["code"] == "FORBIDDEN"
    odd = await lines[2].ask("voicecall.agent.register", {"name": "a b"})
    assert odd["error"]["code"] == "INVALID_REQUEST"
    for line in lines:
        await line.ws.close()


async def test_a_host_that_does_not_read_is_disconnected(system: System, redis_server: RedisServer) -> None:
    """It has the fewest turns, so it would be assigned every new one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]), limit=1024)
    asked = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    writer.write(asked.encode())
    await reader.readuntil(b"\r\n\r\n")
    frame = b'{"id":"1","method":"voicecall.agent.register","params":{"name":"idle"}}'
    writer.write(bytes([0x81, 0x80 | len(frame)]) + bytes(4) + frame)
    await reader.readuntil(b"hostId")
    async with worker(redis_server.url, offer_s=3.0, system_prompt="x" * 8_000_000) as agent:
        with pytest.raises(ServiceError):
            await whole(agent, question())
        left = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while piece := await reader.read(65_536):
                    left += len(piece)
        assert left < 8_000_000
    writer.close()


async def test_a_turn_whose_host_leaves_during_the_claim_goes_to_another(redis_server: RedisServer) -> None:
    """The claim stands, so no gateway can claim that offer again: the worker gets a message and makes a new offer."""
    claiming, go_on = asyncio.Event(), asyncio.Event()

    class SlowService(AgentServer):
        async def claim(self, offer: TurnOffer, host: str) -> ClaimedTurn | None:
            claiming.set()
            await go_on.wait()
            return await super().claim(offer, host)

    async def closed_socket(_: bytes) -> None:
        raise ConnectionResetError

    redis, hosts = connect(redis_server.url), Hosts()
    hosts.server = SlowService(redis, "slow", on_offer=hosts.offered, on_cancel=hosts.cancelled)
    running = asyncio.create_task(hosts.run())
    async with contextlib.AsyncExitStack() as opened:
        opened.push_async_callback(redis.aclose)
        opened.push_async_callback(asyncio.gather, running, return_exceptions=True)
        opened.callback(running.cancel)
        await hosts.server.ready()
        agent = await opened.enter_async_context(worker(redis_server.url))
        host = hosts.register(RegisterParams(name="a"), closed_socket, lambda: None)
        reply = asyncio.ensure_future(whole(agent, question()))
        await claiming.wait()
        await hosts.unregister(host)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        other = hosts.register(RegisterParams(name="b"), heard.put, lambda: None)
        go_on.set()
        asked = json.loads(await heard.get())["payload"]
        said = {"event": "agent.done", "requestId": asked["requestId"], "text": "Mine."}
        await hosts.receive(other, TurnDone.model_validate(said))
        assert await reply == ["Mine."]


async def test_a_worker_that_lost_the_call_does_not_end_the_turn_of_the_new_owner(
    system: System, redis_server: RedisServer
) -> None:
    """Its offer has an older epoch and arrives after the new one, so it is ignored."""
    async with (
        AgentHost(system.url, TOKEN) as host,
        worker(redis_server.url) as fresh,
        worker(redis_server.url, offer_s=0.4) as stale,
    ):
        new = asyncio.ensure_future(whole(fresh, question(epoch=8)))
        asked = await host.event("agent.request")
        await host.say("agent.began", asked["requestId"])
        with pytest.raises(ServiceError, match="no agent host"):
            await whole(stale, question(epoch=7))
        await host.say("agent.done", asked["requestId"], text="For you.")
        assert await new == ["For you."]


async def test_b18_a_request_names_the_direction_and_whether_the_number_is_verified(
    system: System, redis_server: RedisServer
) -> None:
    """An agent must not give a caller whose number may be forged another person's data."""
    facts = {"direction": Direction.OUTBOUND, "number_verified": True}
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question(**facts)))
        outbound = await host.answer("ok")
        await reply
        reply = asyncio.ensure_future(whole(agent, question(turn=2)))
        inbound = await host.answer("ok")
        await reply
    assert (outbound["direction"], outbound["numberVerified"]) == ("outbound", True)
    assert (inbound["direction"], inbound["numberVerified"]) == ("inbound", False)


@pytest.mark.parametrize(
    ("caller", "session"),
    [
        ("+15550002000", "voice:15550002000"),
        ("sip:15550002000@elsewhere.example", f"voice:call:{CALL}"),
        ("tel:+15550002000", f"voice:call:{CALL}"),
        ("Anna 15550002000", f"voice:call:{CALL}"),
        ("+266696687", f"voice:call:{CALL}"),
    ],
)
async def test_b5_only_a_number_has_a_session_of_its_own(
    system: System, redis_server: RedisServer, caller: str, session: str
) -> None:
    async with AgentHost(system.url, TOKEN) as host, worker(redis_server.url) as agent:
        reply = asyncio.ensure_future(whole(agent, question(caller=caller)))
        asked = await host.answer("ok")
        await reply
    assert asked["sessionKey"] == session


async def test_the_example_of_an_agent_answers_a_turn(system: System, redis_server: RedisServer) -> None:
    """`examples/agent.py`, as a reader starts it."""
    environ = {**os.environ, "VOICECALL_GATEWAY_URL": system.url, "VOICECALL_GATEWAY_TOKEN": TOKEN}
    process = await asyncio.create_subprocess_exec(sys.executable, str(EXAMPLE), env=environ)
    try:
        async with worker(redis_server.url, offer_s=20.0, agent="mine") as agent:
            assert await whole(agent, question("Is it noon?")) == ["I heard: Is it noon?"]
    finally:
        process.kill()
        await process.wait()
