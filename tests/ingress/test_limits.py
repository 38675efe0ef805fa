"""The small parts of the ingress: sender keys, counts in flight, held audio, the flow meter, the pacer."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.client_ip import client_ip
from ingress.pacer import Pacer
from ingress.sockets import text_frame
from ingress.uplink import HELD_FRAMES, FlowMeter, Uplink
from voicecall.connections import sender
from voicecall.settings.model.exposure import WebhookSecurity


def test_a_mapped_address_is_the_same_sender() -> None:
    """`::ffff:1.2.3.4` and `1.2.3.4` are unequal in Python (attack 74)."""
    assert sender("::ffff:1.2.3.4") == sender("1.2.3.4") == "1.2.3.4"


def test_a_whole_ipv6_network_of_one_customer_is_one_sender() -> None:
    assert sender("2001:db8::1") == sender("2001:db8::ffff:ffff:ffff:ffff")
    assert sender("2001:db8::1") != sender("2001:db8:0:1::1")
    assert sender("fe80::1%eth0") == sender("fe80::2")


@given(st.one_of(st.none(), st.text()))
def test_every_peer_has_a_key(peer: str | None) -> None:
    assert sender(peer)


def test_forwarded_addresses_count_only_from_a_listed_proxy() -> None:
    """Otherwise a sender could name any address, and no limit would hold."""
    headers = {"x-forwarded-for": "6.6.6.6, 9.9.9.9"}
    trusting = WebhookSecurity(trustForwardingHeaders=True, trustedProxyIPs=("10.0.0.1",))
    unlisted = WebhookSecurity(trustForwardingHeaders=True)
    assert client_ip("10.0.0.1", headers, trusting) == "9.9.9.9"
    assert client_ip("10.0.0.2", headers, trusting) == "10.0.0.2"
    assert client_ip("10.0.0.2", headers, unlisted) == "10.0.0.2"


def test_a12_a_listed_proxy_suffices_to_tell_senders_apart() -> None:
    """The address serves limits only, so no other switch is needed."""
    listed = WebhookSecurity(trustedProxyIPs=("10.0.0.1", "10.0.0.2"))
    assert client_ip("10.0.0.1", {"x-forwarded-for": "6.6.6.6, 9.9.9.9"}, listed) == "9.9.9.9"
    assert client_ip("::ffff:10.0.0.1", {"x-forwarded-for": "2001:db8::5"}, listed) == "2001:db8::/64"
    assert client_ip("10.0.0.1", {"x-forwarded-for": "9.9.9.9, 10.0.0.2"}, listed) == "9.9.9.9"
    for named, key in (
        ("9.9.9.9:5678", "9.9.9.9"),
        ("[2001:db8::5]:443", "2001:db8::/64"),
        ('"9.9.9.9"', "9.9.9.9"),
        ("9.9.9.9:5678, 10.0.0.2:80", "9.9.9.9"),
    ):
        assert client_ip("10.0.0.1", {"x-forwarded-for": named}, listed) == key
    assert client_ip("10.0.0.1", {}, listed) == "10.0.0.1"
    assert client_ip("8.8.8.8", {"x-forwarded-for": "9.9.9.9"}, listed) == "8.8.8.8"


def test_the_newest_seconds_are_held_and_a_gap_splits_the_run() -> None:
    uplink = Uplink()
    for number in range(1, HELD_FRAMES + 11):
        if number != 50:
            uplink.hold(number, b"\xff")
    runs = uplink.release()
    assert [(first, len(audio)) for first, audio in runs] == [(10, 40), (51, HELD_FRAMES - 40)]
    assert uplink.overflowed == 9
    assert uplink.release() == []


def test_p9_what_comes_back_undelivered_is_released_in_its_order() -> None:
    """Frames that Redis did not take come back when newer ones are held already; quiet ones come in one piece."""
    uplink = Uplink()
    for number in (7, 8):
        uplink.hold(number, bytes([number]) * 160)
    uplink.hold(1, b"\x01" * 320)
    uplink.hold(3, b"\x03" * 160)
    assert [(first, len(audio), audio[0]) for first, audio in uplink.release()] == [(1, 480, 1), (7, 320, 7)]


def test_twice_real_time_is_allowed_for_ever_and_more_is_not() -> None:
    meter, slower = FlowMeter(0.0), FlowMeter(0.0)
    assert all(slower.takes(160, frame / 100) for frame in range(10_000))
    assert not all(meter.takes(160, frame / 120) for frame in range(10_000))


def test_a_burst_after_a_network_stall_is_allowed() -> None:
    meter = FlowMeter(0.0)
    assert all(meter.takes(160, 4.0) for _ in range(200))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 300, 65_000])
def test_text_frames_carry_their_length_as_in_rfc_6455(size: int) -> None:
    frame = text_frame("x" * size)
    assert frame[0] == 0x81
    if size < 126:
        assert frame[1:] == bytes([size]) + b"x" * size
    else:
        assert frame[1:] == b"\x7e" + size.to_bytes(2, "big") + b"x" * size


class Ticks:
    """Counts ticks, and is removed after `count`."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.times: list[float] = []
        self.over = asyncio.Event()

    def tick(self, now: float) -> bool:
        self.times.append(now)
        self.left -= 1
        if not self.left:
            self.over.set()
        return bool(self.left)


async def test_the_pacer_ticks_every_member_until_it_is_done() -> None:
    pacer = Pacer()
    members = [Ticks(count) for count in (1, 3, 5)]
    for member in members:
        pacer.add(member)
        pacer.add(member)
    await asyncio.gather(*(member.over.wait() for member in members))
    assert [len(member.times) for member in members] == [1, 3, 5]
    assert pacer._timer is None or not pacer._places


async def test_a_member_that_raises_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def tick(self, now: float) -> bool:
            raise ValueError(now)

    pacer, healthy = Pacer(), Ticks(3)
    pacer.add(Broken())
    pacer.add(healthy)
    await healthy.over.wait()
    assert [record.message for record in caplog.records] == ["tick failed"]
