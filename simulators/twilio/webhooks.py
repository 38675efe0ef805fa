"""Telling the customer: signed form requests, retried as the URL's fragment allows, every attempt recorded.

Used by calls (status callbacks) and by the TwiML interpreter (documents). Knows HTTP and mischief; does not know what
the fields mean.
"""

import asyncio
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from simulators.ledger import Ledger
from simulators.phone.mischief import Mischief, Rule
from simulators.phone.public_map import PublicMap
from simulators.twilio.retries import CONNECT, READ, RetryPolicy, retry_policy
from simulators.twilio.signature import sign

__all__ = ["Answer", "Fields", "Webhook", "Webhooks"]

Fields = Sequence[tuple[str, str]]

HTTP_FAILURE = 11200
CONNECT_FAILURE = 11205
_RETRY_PAUSE_S = 0.1
_OVERTAKEN_WITHIN_S = 2.0
_BODY_KEPT = 16_384


@dataclass(frozen=True)
class Answer:
    """What came back. `error` is a Twilio error code, 0 for a 2xx."""

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    error: int = 0
    failure: str = ""
    """The retry class of a failure: "ct", "rt", "4xx", "5xx"."""


@dataclass(frozen=True)
class Webhook:
    """One request, made once: each of its attempts and copies carries these very bytes."""

    kind: str
    call_sid: str
    url: str
    body: bytes
    headers: dict[str, str]
    method: str
    policy: RetryPolicy
    facts: dict[str, str] = field(default_factory=dict)


class Webhooks:
    """Sends webhooks for one account. `open` and `close` bracket its life."""

    def __init__(self, *, token: str, public: PublicMap, ledger: Ledger, mischief: Mischief) -> None:
        self._token = token
        self._public = public
        self._ledger = ledger
        self._mischief = mischief
        self._sent: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._http: aiohttp.ClientSession | None = None

    def open(self) -> None:
        # One connection per request: on a reused one, a server that has just gone looks like a lost answer.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._http = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def send(self, kind: str, call_sid: str, url: str, fields: Fields, method: str = "POST") -> Answer:
        """Deliver one webhook with its retries; the last attempt's answer. Never raises for what the network did."""
        webhook = self._prepare(kind, call_sid, url, fields, method.upper())
        rule = self._mischief.take("webhook", webhook.facts)
        if rule is None:
            answer = await self._attempts(webhook)
        else:
            answer = await self._misdeliver(webhook, rule)
        overtaken = self._sent.pop(call_sid, None)
        if overtaken is not None:
            overtaken.set()
        return answer

    def _prepare(self, kind: str, call_sid: str, url: str, fields: Fields, method: str) -> Webhook:
        bare, policy = retry_policy(url)
        form = urlencode(fields)
        if method == "GET":
            bare += ("&" if urlsplit(bare).query else "?") + form
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "X-Twilio-Signature": sign(self._token, bare, fields if method == "POST" else ()),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
        }
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        body = form.encode() if method == "POST" else b""
        facts = {**dict(fields), "kind": kind, "url": bare}
        return Webhook(kind, call_sid, bare, body, headers, method, policy, facts)

    async def _misdeliver(self, webhook: Webhook, rule: Rule) -> Answer:
        if rule.do == "never":
            self._ledger.write("webhook.withheld", call_sid=webhook.call_sid, url=webhook.url, facts=webhook.facts)
            return Answer(error=HTTP_FAILURE, failure=READ)
        if rule.do == "late":
            await asyncio.sleep(rule.ms / 1000)
        elif rule.do == "reorder":
            await self._overtaken(webhook.call_sid)
        elif rule.do == "duplicate":
            return await self._copies(webhook, rule)
        return await self._attempts(webhook)

    async def _overtaken(self, call_sid: str) -> None:
        """Wait until another webhook of the call was delivered; two seconds if there is none."""
        try:
            async with asyncio.timeout(_OVERTAKEN_WITHIN_S):
                await self._sent[call_sid].wait()
        except TimeoutError:
            self._ledger.write("webhook.not_overtaken", call_sid=call_sid)

    async def _copies(self, webhook: Webhook, rule: Rule) -> Answer:
        async def later(delay_s: float) -> Answer:
            await asyncio.sleep(delay_s)
            return await self._attempts(webhook)

        delays = [random.uniform(0, rule.within_ms) / 1000 for _ in range(rule.copies)]
        copies = [asyncio.create_task(later(delay)) for delay in delays]
        # The first copy to be answered counts; the others are delivered all the same.
        done, _ = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop().result()
        await asyncio.wait(copies)
        return first

    async def _attempts(self, webhook: Webhook) -> Answer:
        give_up = time.monotonic() + webhook.policy.total_s
        attempt = 0
        while True:
            attempt += 1
            left = give_up - time.monotonic()
            answer = await self._attempt(webhook, attempt, left)
            left = give_up - time.monotonic()
            spent = attempt >= webhook.policy.attempts or left <= _RETRY_PAUSE_S
            if not answer.error or spent or not webhook.policy.retries(answer.failure):
                return answer
            await asyncio.sleep(_RETRY_PAUSE_S)

    async def _attempt(self, webhook: Webhook, attempt: int, left_s: float) -> Answer:
        started = time.time()
        clock = time.monotonic()
        answer = Answer(error=HTTP_FAILURE, failure="abandoned")
        try:
            answer = await self._request(webhook, left_s)
        finally:
            # In `finally`, because a call that ends abandons the document it waits for: that attempt happened too.
            self._ledger.write(
                "webhook",
                **_report(webhook),
                attempt=attempt,
                started_at=started,
                ms=round((time.monotonic() - clock) * 1000, 2),
                status=answer.status,
                error=answer.error,
                failure=answer.failure,
                response=answer.body[:_BODY_KEPT].decode("utf-8", "replace"),
            )
        return answer

    async def _request(self, webhook: Webhook, left_s: float) -> Answer:
        """Knock at each place the URL leads to, until one opens."""
        answer = Answer(error=CONNECT_FAILURE, failure=CONNECT)
        for route in self._public.routes(webhook.url):
            answer = await self._knock(webhook, route, left_s)
            if answer.failure != CONNECT:
                break
        return answer

    async def _knock(self, webhook: Webhook, route: str, left_s: float) -> Answer:
        if self._http is None:
            raise RuntimeError("open() comes first")
        headers = dict(webhook.headers)
        if route != webhook.url:
            public = urlsplit(webhook.url)
            headers |= {"Host": public.netloc, "X-Forwarded-Proto": public.scheme}
        policy = webhook.policy
        timeout = aiohttp.ClientTimeout(total=left_s, sock_connect=policy.connect_s, sock_read=policy.read_s)
        try:
            async with self._http.request(
                webhook.method,
                URL(route, encoded=True),
                data=webhook.body if webhook.method == "POST" else None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.read()
                content_type = response.headers.get("Content-Type", "")
                return _judged(response.status, content_type, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            return Answer(error=CONNECT_FAILURE, failure=CONNECT)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer(error=HTTP_FAILURE, failure=READ, body=repr(error).encode())


def _judged(status: int, content_type: str, body: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(status, content_type, body)
    return Answer(status, content_type, body, error=HTTP_FAILURE, failure=f"{status // 100}xx")


def _report(webhook: Webhook) -> dict[str, Any]:
    return {
        "what": webhook.kind,
        "call_sid": webhook.call_sid,
        "method": webhook.method,
        "url": webhook.url,
        "body": webhook.body.decode(),
        "signature": webhook.headers["X-Twilio-Signature"],
        "token": webhook.headers["I-Twilio-Idempotency-Token"],
    }
