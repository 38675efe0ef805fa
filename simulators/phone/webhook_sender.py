"""Sends webhooks: retries them as their policy allows, applies faults, records every attempt.

Used by each carrier's webhooks, which write and sign the messages. Knows HTTP and faults; does not know what a message
says.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from simulators.phone.faults import Rule
from simulators.phone.retries import CONNECT, READ, RetryPolicy
from simulators.phone.services import Services

__all__ = ["Answer", "Message", "Webhook", "WebhookSender"]

_OVERTAKEN_WITHIN_S = 2.0
_BODY_KEPT = 16_384


@dataclass(frozen=True)
class Answer:
    """The response to a webhook; `failure` is "" for a 2xx."""

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    failure: str = ""
    """The failure class: "ct", "rt", "3xx", "4xx", "5xx"; "abandoned": the result is no longer needed."""


@dataclass(frozen=True)
class Message:
    """The bytes of one attempt. `evidence` goes into the ledger with it: signatures, tokens."""

    body: bytes
    headers: Mapping[str, str]
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Webhook:
    """One webhook. `write` makes the message of an attempt, counted from 1."""

    kind: str
    call_sid: str
    url: str
    method: str
    policy: RetryPolicy
    write: Callable[[int], Message]
    facts: Mapping[str, str]
    """The fields that fault rules match."""


class WebhookSender:
    """Delivers webhooks. `open` and `close` bracket its use."""

    def __init__(self, services: Services, error_of: Callable[[str], int]) -> None:
        """`error_of` maps a failure class to the carrier's own error code, for the ledger."""
        self._public = services.public
        self._ledger = services.ledger
        self._faults = services.faults
        self._error_of = error_of
        self._sent: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._late: set[asyncio.Task[Answer]] = set()
        self._http: aiohttp.ClientSession | None = None

    def open(self) -> None:
        # One connection per request: a server that closes a reused one looks like a lost response.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def close(self) -> None:
        for task in tuple(self._late):
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def send(self, webhook: Webhook) -> Answer:
        """Deliver one webhook with its retries; returns the last attempt's answer. Network failures are answers."""
        rule = self._faults.take("webhook", webhook.facts)
        if rule is None:
            answer = await self._attempts(webhook)
        else:
            answer = await self._misdeliver(webhook, rule)
        overtaken = self._sent.pop(webhook.call_sid, None)
        if overtaken is not None:
            overtaken.set()
        return answer

    async def _misdeliver(self, webhook: Webhook, rule: Rule) -> Answer:
        if rule.do == "never":
            self._ledger.write(
                "webhook.withheld", call_sid=webhook.call_sid, url=webhook.url, facts=dict(webhook.facts)
            )
            return Answer(failure=READ)
        if rule.do == "late":
            # The webhook is on its way: a later change of the call does not cancel it.
            return await asyncio.shield(self._later(rule.ms / 1000, webhook))
        if rule.do == "reorder":
            await self._overtaken(webhook.call_sid)
        elif rule.do == "duplicate":
            return await self._copies(webhook, rule)
        return await self._attempts(webhook)

    def _later(self, delay_s: float, webhook: Webhook) -> asyncio.Task[Answer]:
        async def later() -> Answer:
            await asyncio.sleep(delay_s)
            return await self._attempts(webhook)

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task

    async def _overtaken(self, call_sid: str) -> None:
        """Wait until another webhook of the call was delivered, at most two seconds."""
        try:
            async with asyncio.timeout(_OVERTAKEN_WITHIN_S):
                await self._sent[call_sid].wait()
        except TimeoutError:
            self._ledger.write("webhook.not_overtaken", call_sid=call_sid)

    async def _copies(self, webhook: Webhook, rule: Rule) -> Answer:
        delays = [random.uniform(0, rule.within_ms) / 1000 for _ in range(rule.copies)]
        copies = [self._later(delay, webhook) for delay in delays]
        # The first copy to be answered counts; the others are delivered too.
        done, _ = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop().result()
        await asyncio.wait(copies)
        return first

    async def _attempts(self, webhook: Webhook) -> Answer:
        policy = webhook.policy
        give_up = time.monotonic() + policy.total_s
        attempt = 0
        while True:
            attempt += 1
            pause_s = policy.pause_after(attempt)
            answer = await self._attempt(webhook, attempt, give_up - time.monotonic())
            spent = attempt >= policy.attempts or give_up - time.monotonic() <= pause_s
            if not answer.failure or spent or not policy.retries(answer.failure, answer.status):
                return answer
            await asyncio.sleep(pause_s)

    async def _attempt(self, webhook: Webhook, attempt: int, left_s: float) -> Answer:
        started = time.time()
        clock = time.monotonic()
        message = webhook.write(attempt)
        answer = Answer(failure="abandoned")
        try:
            answer = await self._request(webhook, message, left_s)
        finally:
            # In `finally`, because a call that ends cancels the request for its document: that attempt counts too.
            self._ledger.write(
                "webhook",
                what=webhook.kind,
                call_sid=webhook.call_sid,
                method=webhook.method,
                url=webhook.url,
                body=message.body.decode(),
                **message.evidence,
                attempt=attempt,
                started_at=started,
                ms=round((time.monotonic() - clock) * 1000, 2),
                status=answer.status,
                error=self._error_of(answer.failure) if answer.failure else 0,
                failure=answer.failure,
                response=answer.body[:_BODY_KEPT].decode("utf-8", "replace"),
            )
        return answer

    async def _request(self, webhook: Webhook, message: Message, left_s: float) -> Answer:
        """Try each address behind the URL until one accepts the connection."""
        answer = Answer(failure=CONNECT)
        for route in self._public.routes(webhook.url):
            answer = await self._knock(webhook, message, route, left_s)
            if answer.failure != CONNECT:
                break
        return answer

    async def _knock(self, webhook: Webhook, message: Message, route: str, left_s: float) -> Answer:
        if self._http is None:
            raise RuntimeError("open() comes first")
        headers = dict(message.headers)
        if route != webhook.url:
            public = urlsplit(webhook.url)
            headers |= {"Host": public.netloc, "X-Forwarded-Proto": public.scheme}
        policy = webhook.policy
        timeout = aiohttp.ClientTimeout(total=left_s, sock_connect=policy.connect_s, sock_read=policy.read_s)
        try:
            async with self._http.request(
                webhook.method,
                URL(route, encoded=True),
                data=message.body if webhook.method == "POST" else None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.read()
                content_type = response.headers.get("Content-Type", "")
                return _judged(response.status, content_type, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            return Answer(failure=CONNECT)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer(failure=READ, body=repr(error).encode())


def _judged(status: int, content_type: str, body: bytes) -> Answer:
    failure = "" if 200 <= status < 300 else f"{status // 100}xx"
    return Answer(status, content_type, body, failure)
