"""Log and lease against a model: guarantees P1 and P2 hold in any order of events."""

import asyncio

import fakeredis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.bus.calls import keyed, new_call, ringing, step, woke
from tests.fakes.keys import keys
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import EffectId, NodeId
from voicecall.call.state import Phase
from voicecall.errors import Fenced
from voicecall.ports import Commit, Ingest

NODES = [NodeId(f"worker-{n}") for n in range(3)]
nodes, requests = st.sampled_from(NODES), st.integers(0, 4)


class LogAndLease(RuleBasedStateMachine):
    """One call, three workers, some repeated webhooks; the model is plain Python."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.redis = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(version=(7,)))
        self.log, self.leases = RedisCallLog(self.redis), RedisLeases(self.redis)
        self.live, self.call = LiveCalls(self.redis), new_call()
        self.entries: list[str] = []
        self.seen: set[int] = set()
        self.believers: dict[NodeId, tuple[Ingest, int]] = {}  # node -> what it holds, and the seq it has folded
        self.last: dict[NodeId, tuple[Commit, int]] = {}
        self.owner: NodeId | None = None
        self.epoch, self.over = 0, False
        self.claimed: set[int] = set()

    def do(self, work):
        return self.runner.run(work)

    @rule(request=requests)
    def deliver_a_webhook(self, request: int) -> None:
        body = b"%d" % request
        posted = self.do(self.log.post(self.call, (ringing(),), request_key=f"{request}", answer=body))
        assert posted.replay == (request in self.seen)
        assert (posted.owner, posted.over) == (self.owner, self.over)
        if posted.replay:
            assert posted.answer == body
        else:
            self.seen.add(request)
            self.entries.append("Ringing")
            assert posted.seqs == (len(self.entries),)

    @rule(digits=st.integers(1, 3))
    def post_own_facts(self, digits: int) -> None:
        posted = self.do(self.log.post(self.call, tuple(keyed(str(n)) for n in range(digits))))
        self.entries += ["Keyed"] * digits
        assert posted.seqs == tuple(range(len(self.entries) - digits + 1, len(self.entries) + 1))

    @rule(node=nodes)
    def ring(self, node: NodeId) -> None:
        ingest = self.do(self.leases.acquire(self.call, node))
        assert (ingest is not None) == (self.owner is None and bool(self.entries) and not self.over)
        if ingest is not None:
            self.epoch += 1
            self.owner = node
            assert ingest.lease.epoch == self.epoch
            assert ingest.applied + len(ingest.rest) == len(self.entries)
            self.believers[node] = (ingest, len(self.entries))

    @rule()
    def the_lease_ends(self) -> None:
        self.do(self.redis.delete(keys.lease(self.call)))
        self.owner = None

    @rule(node=nodes)
    def renew(self, node: NodeId) -> None:
        if node not in self.believers:
            return
        lease = self.believers[node][0].lease
        keeps = lease.epoch == self.epoch and not self.over and self.owner in {node, None}
        assert self.do(self.leases.renew((lease,))) == (() if keeps else (lease,))
        if keeps:
            self.owner = node

    @rule(node=nodes)
    def release(self, node: NodeId) -> None:
        if node not in self.believers:
            return
        lease = self.believers[node][0].lease
        self.do(self.leases.release(lease))
        if self.owner == node and lease.epoch == self.epoch:
            self.owner = None

    @rule(node=nodes, own=st.integers(0, 2), ends=st.sampled_from([False, False, False, True]))
    def commit(self, node: NodeId, own: int, *, ends: bool) -> None:
        if node not in self.believers:
            return
        ingest, folded = self.believers[node]
        commit = step(
            ingest.lease,
            folded,
            *(woke() for _ in range(own)),
            phase=Phase.COMPLETED if ends or self.over else Phase.ACTIVE,
            digits=str(len(self.last)),
        )
        if ingest.lease.epoch != self.epoch:
            with pytest.raises(Fenced):
                self.do(self.log.commit(commit))
            return
        done = self.do(self.log.commit(commit))
        repeated = self.last.get(node)
        if repeated is not None and repeated[0] == commit:
            assert done.applied == repeated[1]
            return
        missing = len(self.entries) - folded
        assert [record.event.name for record in done.missing] == self.entries[folded:]
        if missing == 0:
            self.entries += ["Reactivated"] * own
            assert done.applied == len(self.entries)
            self.last[node] = (commit, len(self.entries))
            if ends or self.over:
                self.over, self.owner = True, None
        self.believers[node] = (ingest, len(self.entries))

    @rule(node=nodes)
    def lose_the_reply_and_repeat_the_commit(self, node: NodeId) -> None:
        newest = max((applied for _, applied in self.last.values()), default=None)
        if node in self.last and self.last[node][1] == newest and self.last[node][0].lease.epoch == self.epoch:
            commit, applied = self.last[node]
            assert self.do(self.log.commit(commit)).applied == applied

    @rule(node=nodes, effect=st.integers(1, 3))
    def claim(self, node: NodeId, effect: int) -> None:
        if node not in self.believers:
            return
        lease = self.believers[node][0].lease
        may = lease.epoch == self.epoch and effect not in self.claimed
        assert self.do(self.leases.claim(lease, EffectId(f"{self.call}.{effect}"))) == may
        if may:
            self.claimed.add(effect)

    @rule()
    def forget_the_scripts(self) -> None:
        self.do(self.redis.script_flush())

    @invariant()
    @precondition(lambda self: hasattr(self, "runner"))
    def the_log_is_what_happened(self) -> None:
        history = self.do(self.log.history(self.call))
        assert [record.seq for record in history] == list(range(1, len(self.entries) + 1))
        assert [record.event.name for record in history] == self.entries

    @invariant()
    @precondition(lambda self: hasattr(self, "runner"))
    def a_call_is_live_until_it_is_over(self) -> None:
        assert self.do(self.live.list()) == ((self.call,) if self.entries and not self.over else ())

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.do(self.redis.aclose())
            self.runner.close()


LogAndLease.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLogAndLease = LogAndLease.TestCase
