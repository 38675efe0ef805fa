"""A node acts for three seconds after its last successful renewal was sent, and no longer."""

import asyncio

from actors.lease_guard import LeaseGuard


async def test_a_lease_guard_holds_for_three_seconds_after_the_renewal_was_sent() -> None:
    """The answer may have taken long; the lease was extended when Redis got the request."""
    now = [10.0]
    lease_guard = LeaseGuard(monotonic=lambda: now[0])
    sent = lease_guard.now()
    now[0] = 12.5
    lease_guard.renewed(sent)
    now[0] = 13.0
    assert not lease_guard.holds

    waiting = asyncio.ensure_future(lease_guard.until_held())
    await asyncio.sleep(0)
    assert not waiting.done()
    lease_guard.renewed(12.9)
    await waiting
    assert lease_guard.holds
