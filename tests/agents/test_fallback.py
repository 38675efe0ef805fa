"""`responseFallbacks`: a model that fails is followed by the next one within the turn, and nothing is said twice.

Against the simulator of chat completions as a process: the models differ by their names, and by how they misbehave.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from actors.agent_runner import AgentRunner
from simulators.stack.clients import Simulator
from tests.actors.test_agent_runner import ASK
from tests.actors.test_agent_runner import CALL as STATE
from tests.fakes.ports import ScriptedAgent, Stage, eventually, service_down
from tests.simulators.service_process import running
from voicecall.agents.fallback import FallbackAgent
from voicecall.agents.registry import agent_for
from voicecall.agents.remote import HostAgent
from voicecall.breaker import Breaker, Breakers, BreakerState, Limits
from voicecall.call.events import AgentDone, AgentFailed, AgentSaid, Event, Failover
from voicecall.call.ids import CallId
from voicecall.call.state import Party
from voicecall.errors import FailureKind, ServiceError
from voicecall.failover import Provider
from voicecall.metrics import REGISTRY
from voicecall.ports import Agent, Question, ReplyCut, TurnNotStarted, TurnRequest, TurnText
from voicecall.settings import parse_settings

ASKED = Question(
    call=CallId("00000000-0000-4000-8000-000000000001"),
    turn=1,
    caller="+15550001111",
    session_key="",
    history=(TurnText(speaker=Party.USER, text="what time is it"),),
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.openai") as started:
        yield started


@pytest.fixture
async def simulator(url: str) -> AsyncIterator[Simulator]:
    simulator = Simulator(url)
    yield simulator
    await simulator.delete("/_sim/script")
    await simulator.delete("/_sim/ledger")
    await simulator.close()


class NoHosts:
    """Agent hosts, of which none is connected."""

    async def ask(self, ask: TurnRequest) -> AsyncIterator[str]:
        raise ServiceError("agent-host", f"no agent host took turn {ask.turn}", kind=FailureKind.UNREACHABLE)
        yield ""


@asynccontextmanager
async def agent_of(url: str, *fallbacks: Any, breakers: Breakers | None = None, **config: Any) -> AsyncIterator[Agent]:
    """As configured: "first", and what follows it."""
    document = {
        "responseModel": "openai/first",
        "responseBaseUrl": f"{url}/v1",
        "responseApiKey": "a-key",
        "responseFallbacks": list(fallbacks or ("openai/second",)),
        "responseFirstTokenTimeoutMs": 400,
        "responseConnectTimeoutMs": 200,
        **config,
    }
    async with aiohttp.ClientSession() as http:
        settings = parse_settings(json.dumps(document))
        agent = agent_for(settings, http, NoHosts(), breakers)  # type: ignore[arg-type]
        try:
            yield agent
        finally:
            await agent.close()


async def script(simulator: Simulator, *rules: dict[str, Any]) -> None:
    """Each rule for one model; the others answer with their names."""
    named = [{"model": name, "reply": f"I am {name}. Good day."} for name in ("first", "second", "third")]
    await simulator.post("/_sim/script", {"chat": {"rules": [*rules, *named]}})


async def items_of(agent: Agent, question: Question = ASKED) -> list[str | Failover]:
    """The reply in one text, behind who took over."""
    items = [piece async for piece in agent.reply(question)]
    text = "".join(piece for piece in items if isinstance(piece, str))
    return [*(piece for piece in items if isinstance(piece, Failover)), text]


async def asked_of(simulator: Simulator) -> list[str]:
    lines = (await simulator.get("/_sim/ledger", kind="chat"))["lines"]
    return [line["body"]["model"] for line in lines]


def counted(failed: str, used: str) -> float:
    labels = {"service": "agent", "from": failed, "to": used}
    return REGISTRY.get_sample_value("voicecall_provider_failover_total", labels) or 0.0


FAULTS = [
    pytest.param({"status": 500}, "broken", id="500"),
    pytest.param({"status": 429, "retry_after_s": 30}, "busy", id="429"),
    pytest.param({"status": 401}, "unauthorized", id="401"),
    pytest.param({"status": 403}, "unauthorized", id="403"),
    pytest.param({"status": 404}, "refused", id="404"),
    pytest.param({"delay_ms": 60_000}, "timeout", id="silent"),
    pytest.param({"stall_after_tokens": 0}, "timeout", id="stalled"),
    pytest.param({"reply": "", "per_token_ms": 10}, "empty", id="empty"),
    pytest.param({"reply": "<think>Let me see.</think>"}, "empty", id="only-thoughts"),
    pytest.param({"reply": "", "finish": "content_filter"}, "filtered", id="filtered"),
    pytest.param({"refusal": "I cannot help with that."}, "declined", id="refusal"),
    pytest.param({"reply": "Never heard.", "cut_after_tokens": 0}, "broken", id="cut"),
]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
async def test_the_next_model_answers_within_the_turn(
    simulator: Simulator, url: str, fault: dict[str, Any], reason: str
) -> None:
    """Whatever the first one does; who answered in whose place is told, and counted."""
    before = counted("openai/first", "openai/second")
    await script(simulator, {"model": "first", **fault})
    async with agent_of(url) as agent:
        failover, text = await items_of(agent)
    assert failover == Failover(service="agent", from_="openai/first", to="openai/second", reason=reason)
    assert text == "I am second. Good day."
    assert await asked_of(simulator) == ["first", "second"]
    assert counted("openai/first", "openai/second") == before + 1


@contextmanager
def deaf_port() -> Iterator[str]:
    """An address at which connections are never accepted: the kernel's queue of one is full."""
    with socket.socket() as listening, socket.socket() as waiting, socket.socket() as more:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for each in (waiting, more):
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


@pytest.mark.parametrize(("is_deaf", "reason"), [(True, "timeout"), (False, "unreachable")])
async def test_a_model_that_cannot_be_reached_is_followed(
    simulator: Simulator, url: str, is_deaf: bool, reason: str
) -> None:
    """The connection is refused, or nobody answers it."""
    await script(simulator)
    second = {"model": "openai/second", "baseUrl": f"{url}/v1", "apiKey": "k"}
    with deaf_port() as deaf:
        address = deaf if is_deaf else "http://127.0.0.1:9/v1"
        async with agent_of(url, second, responseBaseUrl=address) as agent:
            failover, text = await items_of(agent)
    assert isinstance(failover, Failover)
    assert (failover.reason, text) == (reason, "I am second. Good day.")


async def test_a_model_that_drips_is_heard_to_its_end(simulator: Simulator, url: str) -> None:
    """Slow is not silent: once it has begun, no other speaks between its words."""
    await script(simulator, {"model": "first", "reply": "One two three four five six.", "per_token_ms": 150})
    async with agent_of(url) as agent:
        assert await items_of(agent) == ["One two three four five six."]
    assert await asked_of(simulator) == ["first"]


async def test_the_last_model_says_what_it_would_say_alone(simulator: Simulator, url: str) -> None:
    """A refusal in words is better than an apology, when no model is left that would answer."""
    refusal = {"refusal": "I cannot help with that."}
    await script(simulator, {"model": "first", **refusal}, {"model": "second", **refusal})
    async with agent_of(url) as agent:
        _, text = await items_of(agent)
    assert text == "I cannot help with that."


async def test_a_busy_model_is_asked_again_when_it_said(simulator: Simulator, url: str) -> None:
    """The calls until then do not ask it, and it is found back by a probe, not by a caller."""
    await script(simulator, {"model": "first", "status": 429, "retry_after_s": 1, "times": 1})
    async with agent_of(url) as agent:
        reasons = []
        for _ in range(3):
            failover, _text = await items_of(agent)
            assert isinstance(failover, Failover)
            reasons.append(failover.reason)
        assert reasons == ["busy", "passed-over", "passed-over"]
        assert await asked_of(simulator) == ["first", "second", "second", "second"]
        deadline = time.monotonic() + 20
        while len(await items_of(agent)) > 1:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    lines = (await simulator.get("/_sim/ledger", kind="chat"))["lines"]
    probes = [line for line in lines if line["body"]["messages"][-1]["content"] == "Hello."]
    assert [line["body"]["model"] for line in probes] == ["first"]


async def test_a_refused_key_is_not_sent_again_before_a_probe_succeeds(simulator: Simulator, url: str) -> None:
    """Not even when the other one fails: it would be refused again, and the caller waits."""
    await script(simulator, {"model": "first", "status": 401}, {"model": "second", "status": 500})
    async with agent_of(url) as agent:
        for _ in range(3):
            with pytest.raises(ServiceError):
                await items_of(agent)
        assert (await asked_of(simulator)).count("first") == 1
        assert (await asked_of(simulator)).count("second") >= 3


async def test_keys_that_are_all_refused_are_tried_all_the_same(simulator: Simulator, url: str) -> None:
    """The next call costs a moment more, and may be the first after a bill was paid."""
    await script(simulator, {"status": 401, "times": 2})
    async with agent_of(url) as agent:
        with pytest.raises(ServiceError):
            await items_of(agent)
        assert await items_of(agent) == ["I am first. Good day."]


async def test_every_number_of_a_process_shares_what_is_known(simulator: Simulator, url: str) -> None:
    """By model, address and key: the key of one number says nothing of another's."""
    await script(simulator, {"model": "first", "status": 401})
    breakers = Breakers()
    async with agent_of(url, breakers=breakers) as one, agent_of(url, breakers=breakers) as other:
        await items_of(one)
        await items_of(other)
        assert (await asked_of(simulator)).count("first") == 1
        async with agent_of(url, breakers=breakers, responseApiKey="another-key") as keyed:
            await items_of(keyed)
        assert (await asked_of(simulator)).count("first") == 2


async def test_a_closed_connection_is_replaced_before_another_model_is_asked(simulator: Simulator, url: str) -> None:
    """A server may close what it kept, in the moment in which it is used again."""
    await script(simulator)
    async with agent_of(url) as agent:
        await items_of(agent)
        reset = {"where": "chat", "times": 1, "do": {"cut_after_bytes": 0}}
        await simulator.post("/_sim/script", {"misbehave": [reset]})
        assert await items_of(agent) == ["I am first. Good day."]
    assert await asked_of(simulator) == ["first"] * 3


async def test_a_stopped_reply_leaves_nothing_running(simulator: Simulator, url: str) -> None:
    """The caller interrupted: no model writes on, and no task is left."""
    before = asyncio.all_tasks()
    long = "Good day. " + "And so it goes on. " * 200
    await script(simulator, {"model": "first", "status": 500}, {"model": "second", "reply": long, "per_token_ms": 100})
    async with agent_of(url) as agent, aclosing(agent.reply(ASKED)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            if isinstance(piece, str):
                break
    assert asyncio.all_tasks() == before
    deadline = time.monotonic() + 10
    while True:
        lines = (await simulator.get("/_sim/ledger", kind="chat"))["lines"]
        if [line["outcome"] for line in lines] == ["refused", "client_gone"]:
            break
        assert time.monotonic() < deadline


# --- in mid-reply, as a call hears it


async def run(agent: Agent) -> list[Event]:
    """What is reported to the call."""
    stage, reports = Stage(), list[Event]()
    context = replace(stage.context, ports=replace(stage.context.ports, agent=agent))
    await AgentRunner(context, lambda: STATE, reports.append).run(ASK)
    return reports


@pytest.mark.parametrize("fault", [{"cut_after_tokens": 6}, {"stall_after_tokens": 6}], ids=["cut", "stalled"])
async def test_the_next_model_goes_on_after_the_last_whole_sentence(
    simulator: Simulator, url: str, fault: dict[str, Any]
) -> None:
    """It is told what was heard; what was begun and not spoken is its own to say."""
    await script(
        simulator,
        {"model": "first", "reply": "It is noon now. And it rains in Berlin.", **fault},
        {"model": "second", "reply": "The sun shines in Rome."},
    )
    async with agent_of(url) as agent:
        first, second, done = await run(agent)
    assert isinstance(first, AgentSaid)
    assert isinstance(second, AgentSaid)
    assert (first.text, first.failover) == ("It is noon now.", None)
    assert second.text == "The sun shines in Rome."
    assert second.failover is not None
    assert (second.failover.from_, second.failover.to) == ("openai/first", "openai/second")
    assert done == AgentDone(turn=1)
    lines = (await simulator.get("/_sim/ledger", kind="chat"))["lines"]
    told = lines[-1]["body"]["messages"][-1]
    assert told["role"] == "system"
    assert "has already heard: It is noon now. Go on" in told["content"]
    assert "rains" not in told["content"]


async def test_a_reply_cut_in_its_first_sentence_is_begun_anew(simulator: Simulator, url: str) -> None:
    """Nothing was spoken, so nothing is said twice."""
    await script(simulator, {"model": "first", "reply": "It is noon now and sunny.", "cut_after_tokens": 3})
    async with agent_of(url) as agent:
        reports = await run(agent)
    assert [event.text for event in reports if isinstance(event, AgentSaid)] == ["I am second.", "Good day."]
    lines = (await simulator.get("/_sim/ledger", kind="chat"))["lines"]
    assert lines[-1]["body"]["messages"][-1]["role"] == "user"


async def test_one_that_has_nothing_to_add_ends_the_reply(simulator: Simulator, url: str) -> None:
    await script(
        simulator,
        {"model": "first", "reply": "It is noon now. Bye now.", "cut_after_tokens": 5},
        {"model": "second", "reply": ""},
    )
    async with agent_of(url) as agent:
        said, done = await run(agent)
    assert isinstance(said, AgentSaid)
    assert (said.text, done) == ("It is noon now.", AgentDone(turn=1))


async def test_a_reply_that_no_model_can_end_fails_once(simulator: Simulator, url: str) -> None:
    """As one model's would: the sentences that were said stand, and the call apologises."""
    cut = {"reply": "It is noon now. And then", "cut_after_tokens": 5}
    await script(simulator, {"model": "first", **cut}, {"model": "second", **cut}, {"model": "third", "status": 500})
    async with agent_of(url, "openai/second", "openai/third") as agent:
        reports = await run(agent)
    assert [event.text for event in reports if isinstance(event, AgentSaid)] == ["It is noon now."] * 2
    assert [type(event) for event in reports if not isinstance(event, AgentSaid)] == [AgentFailed]
    assert (await asked_of(simulator))[:3] == ["first", "second", "third"]


# --- agent hosts among them


async def test_a_model_answers_when_no_host_is_connected(simulator: Simulator, url: str) -> None:
    await script(simulator)
    second = {"model": "openai/second", "baseUrl": f"{url}/v1", "apiKey": "k"}
    async with agent_of(url, second, responseModel="openclaw") as agent:
        failover, text = await items_of(agent)
    assert isinstance(failover, Failover)
    assert (failover.from_, failover.to, failover.reason) == ("openclaw", "openai/second", "unreachable")
    assert text == "I am second. Good day."


class ScriptedHosts:
    """Agent hosts that fail in the next of these ways."""

    def __init__(self, *failures: ServiceError) -> None:
        self.failures = list(failures)
        self.asked: list[TurnRequest] = []

    async def ask(self, ask: TurnRequest) -> AsyncIterator[str]:
        self.asked.append(ask)
        raise self.failures.pop(0)
        yield ""


@pytest.mark.parametrize(
    ("failure", "answers"),
    [
        (ServiceError("agent-host", "the host is gone"), "model"),
        (ServiceError("agent-host", "no host", kind=FailureKind.UNREACHABLE), "second-host"),
    ],
)
async def test_a_second_host_is_asked_only_if_the_first_cannot_have_acted(failure: ServiceError, answers: str) -> None:
    """It may have booked the table already; a model only talks."""
    first, second = ScriptedHosts(failure), ScriptedHosts(TurnNotStarted("b", "left"), *[service_down()] * 2)
    model = ScriptedAgent()
    model.scripts.append(["From the model."])
    hosts = [HostAgent(each, total_s=5.0, begin_s=1.0) for each in (first, second)]  # type: ignore[arg-type]
    chain = FallbackAgent(
        [Provider("host", hosts[0]), Provider("second-host", hosts[1]), Provider("model", model)]  # type: ignore[arg-type]
    )
    assert (await items_of(chain))[-1] == "From the model."
    assert bool(second.asked) is (answers == "second-host")
    assert all(ask.begin_s is not None and ask.begin_s <= 1.0 for ask in first.asked)


async def test_a_host_is_tried_out_by_calls_and_never_by_a_probe() -> None:
    """An agent with tools must not be asked for nothing."""
    breaker = Breaker(Limits(open_s=0.2))
    hosts = ScriptedHosts(*[ServiceError("agent-host", "no host", kind=FailureKind.UNREACHABLE)] * 9)
    host, model = HostAgent(hosts), ScriptedAgent()  # type: ignore[arg-type]
    chain = FallbackAgent([Provider("host", host, breaker=breaker), Provider("model", model)])  # type: ignore[arg-type]
    for _ in range(5):
        await items_of(chain)
    assert len(hosts.asked) == 3
    await eventually(lambda: breaker.state(time.monotonic()) is BreakerState.HALF_OPEN)
    assert len(hosts.asked) == 3
    await items_of(chain)
    assert len(hosts.asked) == 4


async def test_a_cut_reply_names_who_has_failed() -> None:
    """So that none of them is asked again in this reply."""
    first, second = ScriptedAgent(), ScriptedAgent()
    first.scripts.append([service_down()])
    second.scripts.append(["It is ", service_down()])
    agents = [Provider("first", first), Provider("second", second), Provider("third", ScriptedAgent())]
    chain = FallbackAgent(agents)  # type: ignore[arg-type]
    with pytest.raises(ReplyCut) as caught:
        await items_of(chain)
    assert (caught.value.by, set(caught.value.failures)) == ("second", {"first", "second"})
    failover, text = await items_of(chain, replace(ASKED, said=("It is.",), after=caught.value))
    assert failover == Failover(service="agent", from_="second", to="third", reason="broken")
    assert text == "You said what time is it."
