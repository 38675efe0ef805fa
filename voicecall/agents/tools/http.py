"""A tool of the operator's by HTTP: its arguments are posted as JSON, and the body of the answer is its result.

One request per call, never repeated here: it may have acted. The body is read up to a limit; what it says is data for
the model. Knows no model and no state of a call.
"""

import asyncio
from typing import Final

import aiohttp

from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.ports import ToolRun, ToolSpec
from voicecall.settings import HttpTool

__all__ = ["LONGEST_BODY", "HttpRunner"]

LONGEST_BODY: Final = 65_536
"""Bytes that are read of an answer; the rest is never fetched."""

_ERROR_TEXT: Final = 500


class HttpRunner:
    """`name`: as the model calls it. The session is shared and not closed here."""

    def __init__(self, name: str, tool: HttpTool, http: aiohttp.ClientSession) -> None:
        self.spec = ToolSpec(name=name, description=tool.description, parameters=tool.parameters)
        self._tool = tool
        self._http = http

    async def run(self, run: ToolRun) -> str:
        """As the port says."""
        try:
            async with asyncio.timeout(self._tool.timeout_ms / 1000):
                return await self._answer(run)
        except TimeoutError as error:
            raise ServiceTimeout(run.name, "no answer in time", retryable=False) from error
        except aiohttp.ClientConnectorError as error:
            raise ServiceError(run.name, "is not reachable", kind=FailureKind.UNREACHABLE) from error
        except aiohttp.ClientError as error:
            # It may have acted: the request was sent, or a part of it.
            raise ServiceTimeout(run.name, f"broke off: {type(error).__name__}", retryable=False) from error

    async def _answer(self, run: ToolRun) -> str:
        request = self._http.post(
            self._tool.url, data=run.arguments.encode(), headers=self._headers(run), allow_redirects=False
        )
        async with request as response:
            body = await _bounded(response)
            text = _text(body)
            if 200 <= response.status < 300:
                return text or "done"
            reason = f"answered with status {response.status}: {text[:_ERROR_TEXT]}".rstrip(": ")
            raise ServiceError(run.name, reason, retryable=False, kind=FailureKind.of_status(response.status))

    def _headers(self, run: ToolRun) -> dict[str, str]:
        caller = run.caller if run.caller.isascii() and run.caller.isprintable() else ""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": run.key,
            "X-Voicecall-Call-Id": run.call,
            "X-Voicecall-Caller": caller,
            "X-Voicecall-Caller-Verified": "true" if run.number_verified else "false",
        }
        if self._tool.authorization:
            headers["Authorization"] = f"Bearer {self._tool.authorization}"
        return headers


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) >= LONGEST_BODY:
            response.close()
            break
    return bytes(body[:LONGEST_BODY])


def _text(body: bytes) -> str:
    """The body as text; control characters that no text has are left out."""
    text = body.decode(errors="replace")
    return "".join(char for char in text if char.isprintable() or char in "\n\t").strip()
