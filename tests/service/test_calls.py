"""`CallService` when processes die between its steps. The ordinary cases are in tests/gateway."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from redis.asyncio import Redis

from tests.fakes.keys import keys
from tests.fakes.redis_server import RedisServer, start_redis
from tests.fakes.worker import QueueDoorbell, SmallWorker, idle_node, small_worker
from voicecall.bus.connection import connect
from voicecall.bus.feed.feed import Feed
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.operations import Operations
from voicecall.call.events import Event, Mode, Placed
from voicecall.call.ids import E164, CallId, LegId, RequestId
from voicecall.errors import BusRefused, BusUnavailable, Exhausted, Failed, InvalidRequest, Unavailable
from voicecall.ports import Posted
from voicecall.service import AnswerTimeouts, CallRequest, CallService
from voicecall.service.numbering import country_refusal, refusal_of
from voicecall.settings import Settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(server.url)
    await client.flushall()
    yield client
    await client.aclose()


class CrashingLog(RedisCallLog):
    """Fails before or after the write, a given number of times, as when the posting process is killed there."""

    before = 0
    after = 0

    async def post(self, call: CallId, events: tuple[Event, ...], **more: object) -> Posted:
        if self.before:
            self.before -= 1
            raise BusUnavailable("killed before the write")
        posted = await super().post(call, events, **more)  # type: ignore[arg-type]  # handed through
        if self.after:
            self.after -= 1
            raise BusUnavailable("killed after the write")
        return posted


class DeadDoorbell(QueueDoorbell):
    async def ring(self, call: CallId) -> None:
        self.rung.append(call)
        self.rang.set()
        raise BusUnavailable("the job queue does not answer")


def service_of(
    redis: Redis,
    doorbell: QueueDoorbell,
    *,
    log: RedisCallLog | None = None,
    limit: int = 1,
    place_s: float = 10.0,
    dial_within_s: int = 30,
) -> CallService:
    config = {"provider": "mock", "maxConcurrentCalls": limit, "outbound": {"dialWithinSec": dial_within_s}}
    return CallService(
        settings=Settings.model_validate(config),
        log=log or RedisCallLog(redis),
        live=LiveCalls(redis),
        feed=Feed(redis, look_s=0.01),  # not running: the answer must come from the snapshot
        doorbell=doorbell,
        workers=Membership(redis),
        idempotency=Idempotency(redis),
        operations=Operations(redis),
        timeouts=AnswerTimeouts(place_s=place_s),
    )


@contextlib.asynccontextmanager
async def working(redis: Redis, doorbell: QueueDoorbell) -> AsyncIterator[SmallWorker]:
    async with small_worker(redis, doorbell) as worker:
        yield worker


async def place(service: CallService, key: str | None = "key") -> CallId:
    return await service.initiate(CallRequest(to="+15550001234", message="Hello", mode=Mode.CONVERSATION), key)


async def test_c6_without_a_worker_a_call_is_refused_at_once(redis: Redis) -> None:
    """Nothing is posted that a worker could dial an hour later, and the key serves the next try."""
    doorbell = QueueDoorbell()
    service = service_of(redis, doorbell)
    with pytest.raises(Unavailable, match="no worker is running") as refused:
        await place(service)
    assert (refused.value.call_id, refused.value.retry_after_ms) == (None, 1000)
    assert await LiveCalls(redis).count() == 0
    assert doorbell.rung == []
    async with working(redis, doorbell) as worker:
        assert worker.dialled == [await place(service)]


async def test_c6_a_worker_that_is_gone_is_no_worker(redis: Redis) -> None:
    """Killed a moment ago, so that it is still registered; the socket of its channel is closed."""
    async with idle_node(redis):
        pass
    with pytest.raises(Unavailable, match="no worker is running"):
        await place(service_of(redis, QueueDoorbell()))


async def test_c6_a_call_that_no_worker_takes_in_time_is_not_dialled_and_reported_so(redis: Redis) -> None:
    """The one worker that runs is full: within the limit and a second it is certain that there is no call."""
    async with idle_node(redis):
        service = service_of(redis, QueueDoorbell(), dial_within_s=1)
        with pytest.raises(Failed, match="no worker took the call in time") as failed:
            await place(service)
        (record,) = await RedisCallLog(redis).history(CallId(str(failed.value.call_id)))
        assert isinstance(record.event, Placed)
        assert record.event.policy.dial_within_s == 1.0


async def test_c6_a_call_that_is_taken_late_but_in_time_is_placed(redis: Redis) -> None:
    """Its ring was lost; another one comes before the limit."""
    doorbell = DeadDoorbell()
    async with working(redis, doorbell) as worker:
        placing = asyncio.create_task(place(service_of(redis, doorbell, dial_within_s=5)))
        await doorbell.rang.wait()
        await asyncio.wait((placing,), timeout=0.3)
        doorbell.queue.put_nowait(doorbell.rung[0])
        assert worker.dialled == [await placing]


async def test_an_answer_arrives_without_the_feed(redis: Redis) -> None:
    """Every feed message may be lost: the snapshot has the answer too (guarantee P19)."""
    doorbell = QueueDoorbell()
    async with working(redis, doorbell) as worker:
        call = await place(service_of(redis, doorbell))
        assert worker.dialled == [call]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_the_post_makes_no_second_call(redis: Redis, moment: str) -> None:
    """The repetition finds the same call, posted or not, and one phone call is placed (guarantee P3)."""
    doorbell = QueueDoorbell()
    log = CrashingLog(redis)
    setattr(log, moment, 1)
    async with working(redis, doorbell) as worker:
        with pytest.raises(Unavailable) as unknown:
            await place(service_of(redis, doorbell, log=log))
        assert unknown.value.call_id is not None
        if moment == "after":
            doorbell.queue.put_nowait(CallId(unknown.value.call_id))  # the sweeper, instead of the lost ring
        again = await place(service_of(redis, doorbell))
        assert again == unknown.value.call_id
        assert worker.dialled == [again]


async def test_many_crashing_processes_that_repeat_place_one_call(redis: Redis) -> None:
    """Parallel repetitions of one key, half of them crashing before or after the write: one dial, one id."""
    doorbell = QueueDoorbell()
    async with working(redis, doorbell) as worker:
        services = []
        for number in range(20):
            log = CrashingLog(redis)
            log.before, log.after = int(number % 4 == 1), int(number % 4 == 3)
            services.append(service_of(redis, doorbell, log=log, place_s=2.0))
        first = await asyncio.gather(*(place(service) for service in services), return_exceptions=True)
        assert all(isinstance(outcome, str | Unavailable) for outcome in first)
        again = await asyncio.gather(*(place(service) for service in services))
        assert len({*again, *(outcome for outcome in first if isinstance(outcome, str))}) == 1
        assert len(worker.dialled) == 1
        history = await worker.log.history(again[0])
        assert len([record for record in history if isinstance(record.event, Placed)]) == 1


async def test_a_key_that_was_refused_for_the_limit_can_be_used_later(redis: Redis) -> None:
    """The refusal does not consume the idempotency key."""
    doorbell = QueueDoorbell()
    service = service_of(redis, doorbell)
    async with working(redis, doorbell):
        busy = await place(service, None)
        with pytest.raises(Exhausted, match=r"Maximum concurrent calls \(1\) reached"):
            await place(service)
        await service.end(busy)
        await place(service)


async def test_a_failing_doorbell_only_delays_the_call(redis: Redis) -> None:
    """The event is durable, so the sweeper finds the call."""
    doorbell = DeadDoorbell()
    async with working(redis, doorbell) as worker:
        placing = asyncio.create_task(place(service_of(redis, doorbell)))
        await doorbell.rang.wait()
        doorbell.queue.put_nowait(doorbell.rung[0])
        assert await placing == doorbell.rung[0]
        assert worker.dialled == doorbell.rung


async def test_a_cancelled_wait_leaves_the_call_alone(redis: Redis) -> None:
    """The client disconnected, and the call exists."""
    doorbell = QueueDoorbell()
    async with working(redis, doorbell) as worker:
        service = service_of(redis, doorbell)
        worker.dial = "silence"
        placing = asyncio.create_task(place(service))
        await doorbell.rang.wait()
        placing.cancel()
        await asyncio.wait((placing,))
        state = await service.status(doorbell.rung[0])
        assert state is not None
        assert not state.is_over


async def test_a_call_is_found_by_a_carriers_id_that_is_a_uuid(redis: Redis) -> None:
    """Plivo identifies legs by UUIDs, the form of a call id."""
    doorbell = QueueDoorbell()
    async with working(redis, doorbell):
        service = service_of(redis, doorbell)
        call = await place(service)
        leg = LegId(str(uuid.uuid4()))
        assert await service.status(leg) is None
        await redis.set(keys.leg("mock", leg), call)
        assert await service.status(leg) == await service.status(call)


async def test_without_a_caller_id_no_call_is_placed(redis: Redis) -> None:
    """The mock carrier has a default caller ID, a real carrier has none."""
    service = service_of(redis, QueueDoorbell())
    service.settings = Settings.model_validate({"provider": "twilio"})
    with pytest.raises(InvalidRequest, match="fromNumber not configured"):
        await place(service)
    with pytest.raises(InvalidRequest, match="to required"):
        await service_of(redis, QueueDoorbell()).initiate(CallRequest(to=None, message="Hello"))


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+911", "emergency or short"),
        ("+112", "emergency or short"),
        ("+44999", "emergency or short"),
        ("+19115550100", "emergency or short"),
        ("+19005550100", "premium"),
        ("+12129765555", "premium"),
        ("+979123456789", "premium"),
        ("+449098790000", "premium"),
        ("+4990012345678", "premium"),
        ("+881612345678", "satellite"),
        ("+870773112345", "satellite"),
        ("+80812345678", "shared-cost"),
        ("+448712345678", "shared-cost"),
        ("+351760123456", "premium"),
        ("+40901123456", "premium"),
        ("+351884123456", "personal"),
    ],
)
def test_dangerous_numbers_are_refused(number: str, why: str) -> None:
    """By their leading digits, or by their country's numbering plan (attack 41)."""
    assert why in (refusal_of(E164(number)) or "")


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (PhoneNumberType.PREMIUM_RATE, True),
        (PhoneNumberType.SHARED_COST, True),
        (PhoneNumberType.PERSONAL_NUMBER, True),
        (PhoneNumberType.PAGER, True),
        (PhoneNumberType.FIXED_LINE, False),
        (PhoneNumberType.MOBILE, False),
        (PhoneNumberType.TOLL_FREE, False),
        (PhoneNumberType.VOIP, False),
    ],
)
def test_each_country_s_numbers_are_refused_by_kind(kind: int, *, refused: bool) -> None:
    """The example numbers of every numbering plan that the library knows."""
    examples = [phonenumbers.example_number_for_type(region, kind) for region in phonenumbers.SUPPORTED_REGIONS]
    numbers = [E164(phonenumbers.format_number(each, PhoneNumberFormat.E164)) for each in examples if each is not None]
    assert numbers
    assert {number: refusal_of(number) for number in numbers if (refusal_of(number) is not None) is not refused} == {}


@pytest.mark.parametrize(
    "number",
    [
        *("+15550001234", "+14155552671", "+442071838750", "+4930901820", "+33142278186", "+6834000", "+390669812345"),
        *("+390916661111", "+390957301111", "+39096520000", "+46907865000", "+4319001234"),
    ],
)
def test_ordinary_numbers_are_dialled(number: str) -> None:
    """Ordinary numbers of several countries."""
    assert refusal_of(E164(number)) is None


HOME = E164("+15550001000")


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+18095550123", "DO"),
        ("+18765550123", "JM"),
        ("+12425550123", "BS"),
        ("+18490000000", "DO"),
        ("+12645550123", "AI"),
        ("+17875550123", "PR"),
        ("+14165550123", "CA"),
        ("+442071838750", "GB"),
        ("+447781123456", "GG"),
        ("+80012345678", "001"),
    ],
)
def test_b16_another_country_is_not_dialled_unless_it_is_allowed(number: str, country: str) -> None:
    """By its area code where countries share a code, also when no plan assigns the number."""
    to = E164(number)
    for allowed in (None, ("US",), ()):
        assert f"its country is {country}," in (country_refusal(to, caller=HOME, allowed=allowed) or "")
    for allowed in ((country,), ("US", country), ("*",)):
        assert country_refusal(to, caller=HOME, allowed=allowed) is None


@pytest.mark.parametrize(
    ("caller", "number", "country"),
    [
        ("+442071838750", "+441481123456", "its country is GG"),
        ("+442071838750", "+441534000000", "its country is JE"),
        ("+442071838750", "+441624000000", "its country is IM"),
        ("+442071838750", "+447911123456", "its country is GG"),
        ("+74951234567", "+77172000000", "its country is KZ"),
        ("+74951234567", "+78401234567", "its country is GE"),
        ("+74951234567", "+79402345678", "its country is GE"),
        ("+74951234567", "+76012345678", "no country is known for it"),
        ("+15550001000", "+17005550123", "no country is known for it"),
        ("+18095550123", "+17005550123", "no country is known for it"),
        ("+390612345678", "+390669812345", "its country is VA"),
        ("+390612345678", "+378054912345", "its country is SM"),
        ("+4722123456", "+4779123456", "its country is SJ"),
    ],
)
def test_b16_an_area_of_another_country_under_a_shared_code_is_not_dialled(
    caller: str, number: str, country: str
) -> None:
    """Also when the number itself is unassigned: the Channel Islands under +44, Abkhazia under +7."""
    to = E164(number)
    for allowed in (None, (phonenumbers.region_code_for_number(phonenumbers.parse(caller)) or "US",)):
        refusal = country_refusal(to, caller=E164(caller), allowed=allowed) or ""
        assert refusal.startswith(f"{country}, and outbound.allowCountries allows ")
    assert country_refusal(to, caller=E164(caller), allowed=("*",)) is None


def test_b16_a_caller_of_no_known_country_may_call_the_main_one_of_its_code() -> None:
    caller = E164("+17005550100")
    assert country_refusal(E164("+14155552671"), caller=caller, allowed=None) is None
    assert country_refusal(E164("+17005550123"), caller=caller, allowed=None) is not None


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ("+15550001000", "+15550001234"),
        ("+15550001000", "+14155552671"),
        ("+15550001000", "+18005551234"),
        ("+14165550123", "+18005551234"),
        ("+18095550123", "+18295550123"),
        ("+442071838750", "+447400123456"),
        ("+390612345678", "+390916661111"),
        ("+4930901820", "+4915123456789"),
    ],
)
def test_b16_the_own_country_is_dialled_without_a_list(caller: str, number: str) -> None:
    """The country of the caller ID; toll-free numbers of North America belong to several."""
    assert country_refusal(E164(number), caller=E164(caller), allowed=None) is None


def test_b16_a_request_is_refused_by_country_and_by_kind() -> None:
    """The number that the operator configured may be in any country, but not of any kind."""
    own = {"provider": "mock", "fromNumber": HOME, "toNumber": "+18095550123"}
    made = Settings.model_validate(own)
    everywhere = Settings.model_validate({**own, "outbound": {"allowCountries": ["*"]}})
    request = RequestId("r")
    assert CallRequest(to=None).to_event(made, request).to == "+18095550123"
    with pytest.raises(InvalidRequest, match=r"to is not dialled: its country is JM, and outbound.allowCountries"):
        CallRequest(to="+1 (876) 555-0123").to_event(made, request)
    assert CallRequest(to="+18765550123").to_event(everywhere, request).to == "+18765550123"
    with pytest.raises(InvalidRequest, match="premium"):
        CallRequest(to="+19005550123").to_event(everywhere, request)


def test_b16_no_ordinary_number_is_refused_by_a_table() -> None:
    """What the library classifies as ordinary is dialled (+39 091 is Palermo); the tables are for the rest."""
    refused = []
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            digits = phonenumbers.format_number(example, PhoneNumberFormat.E164)
            # Every neighbour that differs in the two digits after the first of the national number.
            start = len(str(example.country_code)) + 2
            for pair in range(100):
                number = E164(f"{digits[:start]}{pair:02d}{digits[start + 2 :]}")
                parsed = phonenumbers.parse(number)
                if phonenumbers.number_type(parsed) == kind and refusal_of(number) is not None:
                    refused.append(number)
    # The exchange 976 of North America is premium whatever the area code.
    assert [number for number in refused if number[5:8] != "976"] == []


async def test_c14_an_api_client_gets_neither_the_address_of_redis_nor_its_words() -> None:
    """Those are for the operator, in the log; the client gets a fact and may ask again."""
    async with connect("redis://127.0.0.1:1/0") as nowhere:
        service = service_of(nowhere, QueueDoorbell())
        for attempt in (place(service), place(service, None), service.status(str(uuid.uuid4()))):
            with pytest.raises(Unavailable) as caught:
                await attempt
            assert "Redis does not answer" in caught.value.message
            assert "127.0.0.1" not in caught.value.message
    refused = BusRefused("Redis refuses: NOPERM User ops has no permissions", remedy="allow it")
    assert refused.public == "Redis refuses"
