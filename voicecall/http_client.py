"""POST over a shared HTTP session, without failing because a kept connection had been closed by the service.

Used by the adapters of agents and speech. A service closes a connection that was idle for some time; a request that is
sent in the moment before this is known gets no answer. It is sent once more, on a connection of its own: a repeated
request for text or audio costs little and changes nothing. aiohttp repeats idempotent methods only.
"""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

__all__ = ["post"]

_log = logging.getLogger(__name__)


async def post(
    session: aiohttp.ClientSession,
    url: str,
    *,
    data: bytes,
    headers: Mapping[str, str],
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own limits; the caller limits the whole
) -> aiohttp.ClientResponse:
    """The answer, with its head read; close it. Redirects are not followed: a key must not reach another host.

    Raises aiohttp.ClientError and TimeoutError.
    """
    try:
        return await session.post(url, data=data, headers=headers, timeout=timeout, allow_redirects=False)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        # The connection was closed before anything was received.
        _log.info("request sent again", extra={"service": urlsplit(url).hostname, "reason": str(error)})
    fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    try:
        return await fresh.post(url, data=data, headers=headers, timeout=timeout, allow_redirects=False)
    finally:
        fresh.detach()  # the connection is closed with the answer
