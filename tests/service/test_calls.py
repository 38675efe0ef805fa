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
from tests.fakes.worker import QueueDoorbell, SmallWorker, small_worker
from voicecall.bus.connection import connect
from voicecall.bus.feed.feed import Feed
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.operations import Operations
from voicecall.call.events import Event, Mode, Placed
from voicecall.call.ids import E164, CallId, LegId
from voicecall.errors import BusRefused, BusUnavailable, Exhausted, InvalidRequest, Unavailable
from voicecall.ports import Posted
from voicecall.service import AnswerTimeouts, CallRequest, CallService
from voicecall.service.numbering import refusal_of
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
) -> CallService:
    return CallService(
        settings=Settings.model_validate({"provider": "mock", "maxConcurrentCalls": limit}),
        log=log or RedisCallLog(redis),
        live=LiveCalls(redis),
        feed=Feed(redis, look_s=0.01),  # not running: the answer must come from the snapshot
        doorbell=doorbell,
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
    ["+15550001234", "+14155552671", "+442071838750", "+4930901820", "+33142278186", "+6834000", "+390669812345"],
)
def test_ordinary_numbers_are_dialled(number: str) -> None:
    """Ordinary numbers of several countries."""
    assert refusal_of(E164(number)) is None


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
