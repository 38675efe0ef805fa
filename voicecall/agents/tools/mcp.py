"""An MCP server whose tools the agent may call, over stdio or streamable HTTP, by the official SDK.

One connection, kept open by a task of its own and opened again with growing pauses; while there is none, the server has
no tools. Its results are data: text is given to the model, of anything else only what it is. Knows no model.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

from voicecall.aio import backoff, end
from voicecall.errors import ConfigError, FailureKind, ServiceError, ServiceTimeout
from voicecall.ports import ToolRun, ToolSpec
from voicecall.settings import McpServer

if TYPE_CHECKING:
    from mcp import ClientSession

__all__ = ["McpConnection", "require_sdk"]

_log = logging.getLogger(__name__)

_OPEN_S: Final = 10.0
_MOST_TOOLS: Final = 64
_LONGEST_NAME: Final = 64
_LONGEST_DESCRIPTION: Final = 2000
_CHECK_S: Final = 30.0
_KEY: Final = "voicecall/idempotency-key"


def require_sdk() -> None:
    """Raise ConfigError unless the SDK is installed."""
    if find_spec("mcp") is None:
        raise ConfigError(["tools.mcp needs the MCP SDK; install voicecall[mcp]"])


class McpConnection:
    """`name`: what stands before `__` in the names of its tools."""

    def __init__(self, name: str, server: McpServer) -> None:
        self.specs: tuple[ToolSpec, ...] = ()
        self._name = name
        self._server = server
        self._session: ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()

    def start(self) -> None:
        """Connect, and stay connected. Harmless to repeat."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._stay_connected())

    def offers(self, tool: str) -> bool:
        """Whether a tool of this name is one of this server, known or not."""
        return tool.startswith(f"{self._name}__")

    async def run(self, run: ToolRun) -> str:
        """As the port says."""
        session, tool = self._session, run.name.removeprefix(f"{self._name}__")
        if session is None or all(spec.name != run.name for spec in self.specs):
            kind = FailureKind.UNREACHABLE if session is None else FailureKind.REFUSED
            raise ServiceError(run.name, "is not available", kind=kind)
        try:
            async with asyncio.timeout(self._server.timeout_ms / 1000):
                result = await session.call_tool(tool, json.loads(run.arguments), meta=cast(Any, {_KEY: run.key}))
        except TimeoutError as error:
            raise ServiceTimeout(run.name, "no answer in time", retryable=False) from error
        except Exception as error:
            # The SDK raises kinds of its own, and what the transport raises. It may have acted.
            self._broken.set()
            raise ServiceTimeout(run.name, f"broke off: {type(error).__name__}", retryable=False) from error
        text = _text_of(result)
        if getattr(result, "is_error", False):
            raise ServiceError(run.name, text or "failed", retryable=False)
        return text or "done"

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _stay_connected(self) -> None:
        for delay_s in backoff():
            try:
                await self._while_connected()
            except Exception as error:  # noqa: BLE001  whatever it is, the server is tried again
                _log.warning("MCP server lost", extra={"server": self._name, "error": type(error).__name__})
            finally:
                self._session, self.specs = None, ()
            await asyncio.sleep(delay_s)

    async def _while_connected(self) -> None:
        async with AsyncExitStack() as opening:
            async with asyncio.timeout(_OPEN_S):
                session = await opening.enter_async_context(self._opened())
                await self._list(session)
            self._session = session
            self._broken.clear()
            _log.info("MCP server connected", extra={"server": self._name, "tools": len(self.specs)})
            while not await self._is_broken():
                async with asyncio.timeout(_OPEN_S):
                    await self._list(session)

    async def _is_broken(self) -> bool:
        try:
            async with asyncio.timeout(_CHECK_S):
                return await self._broken.wait()
        except TimeoutError:
            return False

    async def _list(self, session: "ClientSession") -> None:
        listed = await session.list_tools()
        wanted = self._server.tools
        self.specs = tuple(
            _spec(f"{self._name}__{tool.name}", tool)
            for tool in listed.tools[:_MOST_TOOLS]
            if (wanted is None or tool.name in wanted) and len(self._name) + 2 + len(tool.name) <= _LONGEST_NAME
        )

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator["ClientSession"]:
        from mcp import ClientSession  # an extra, and slow to import

        async with self._streams() as streams, ClientSession(*streams) as session:
            await session.initialize()
            yield session

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[Any]:
        if self._server.url is None:
            from mcp.client.stdio import StdioServerParameters, stdio_client

            command, args = self._server.command or "", list(self._server.args)
            async with stdio_client(StdioServerParameters(command=command, args=args, env=self._server.env)) as streams:
                yield streams
            return
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        key = self._server.authorization
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=self._server.timeout_ms / 1000 + _OPEN_S) as http,
            streamable_http_client(self._server.url, http_client=http) as streams,
        ):
            yield streams


def _spec(name: str, tool: Any) -> ToolSpec:
    schema = tool.input_schema if isinstance(tool.input_schema, dict) else {"type": "object", "properties": {}}
    return ToolSpec(name=name, description=(tool.description or "")[:_LONGEST_DESCRIPTION], parameters=schema)


def _text_of(result: Any) -> str:
    """The text of a result; of other content what it is."""
    parts = [getattr(each, "text", None) or f"[{getattr(each, 'type', 'content')}]" for each in result.content]
    return "\n".join(parts)
