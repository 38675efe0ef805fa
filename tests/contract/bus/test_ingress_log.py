"""What the ingress relies on in its log: replays, single-use stream tokens, and who is to be rung."""

import pytest

from tests.bus.calls import keyed, new_call, ringing
from voicecall.ports import IngressLog


async def test_posts_are_numbered_and_a_replay_adds_nothing(ingress_log: IngressLog) -> None:
    """The first answer is returned to the byte."""
    call = new_call()
    first = await ingress_log.post(call, (ringing(), keyed("1")), request_key="k", answer=b"<Response/>")
    replay = await ingress_log.post(call, (ringing(),), request_key="k", answer=b"<Other/>")
    after = await ingress_log.post(call, (keyed("2"),), request_key="other")
    assert (first.seqs, replay.seqs, after.seqs) == ((1, 2), (), (3,))
    assert (first.replay, replay.replay, replay.answer) == (False, True, b"<Response/>")


@pytest.mark.parametrize("answer", [None, b"", b"-"])
async def test_a_kept_answer_is_returned_exactly(ingress_log: IngressLog, answer: bytes | None) -> None:
    """An empty answer is not a missing one."""
    call = new_call()
    await ingress_log.post(call, (ringing(),), request_key="k", answer=answer)
    assert (await ingress_log.post(call, (), request_key="k")).answer == answer


async def test_a_call_without_an_owner_is_to_be_rung(ingress_log: IngressLog) -> None:
    """Also after a replay: the first delivery may have failed before it rang."""
    call = new_call()
    for _ in range(2):
        posted = await ingress_log.post(call, (ringing(),), request_key="k")
        assert (posted.owner, posted.nudged, posted.over) == (None, False, False)


async def test_a_stream_token_works_once_for_its_call(ingress_log: IngressLog) -> None:
    """It is bound to the call it was posted with."""
    call = new_call()
    await ingress_log.post(call, (ringing(),), stream_token="token")
    assert not await ingress_log.consume_token(new_call(), "token")
    assert not await ingress_log.consume_token(call, "another")
    assert [await ingress_log.consume_token(call, "token") for _ in range(2)] == [True, False]


async def test_a_replay_mints_no_token(ingress_log: IngressLog) -> None:
    """The token of a repeated request is not in the answer that is returned, so it must not open a stream."""
    call = new_call()
    await ingress_log.post(call, (ringing(),), request_key="k", stream_token="first")
    await ingress_log.post(call, (ringing(),), request_key="k", stream_token="second")
    assert not await ingress_log.consume_token(call, "second")
    assert await ingress_log.consume_token(call, "first")


async def test_an_unknown_call_has_no_phase_and_no_snapshot(ingress_log: IngressLog) -> None:
    """Nor has an unknown leg a call."""
    call = new_call()
    assert (await ingress_log.phase(call), await ingress_log.read(call)) == (None, None)
