"""The operator's own tools of one configuration: by HTTP, and of MCP servers. Fills the port `Tools`.

Built by `toolbox_for` for the worker, and for each number with settings of its own. MCP servers are shared: there is
one connection to each, however many numbers use it.
"""

import asyncio
from collections.abc import Sequence

import aiohttp

from voicecall.agents.tools.http import HttpRunner
from voicecall.agents.tools.mcp import McpConnection, require_sdk
from voicecall.errors import ServiceError
from voicecall.ports import NO_TOOLS, ToolRun, Tools, ToolSpec
from voicecall.settings import Settings

__all__ = ["Toolbox", "toolbox_for"]


def toolbox_for(settings: Settings, http: aiohttp.ClientSession) -> Tools:
    """The configured tools; it borrows `http`. Raises ConfigError when MCP is configured and not installed."""
    tools = settings.tools
    if not tools.http and not tools.mcp:
        return NO_TOOLS
    if tools.mcp:
        require_sdk()
    runners = [HttpRunner(name, tool, http) for name, tool in tools.http.items()]
    return Toolbox(runners, [McpConnection(name, server) for name, server in tools.mcp.items()])


class Toolbox(Tools):
    def __init__(self, http: Sequence[HttpRunner], servers: Sequence[McpConnection]) -> None:
        self._http = {runner.spec.name: runner for runner in http}
        self._servers = tuple(servers)

    def specs(self) -> tuple[ToolSpec, ...]:
        own = (runner.spec for runner in self._http.values())
        return (*own, *(spec for server in self._servers for spec in server.specs))

    def warm(self) -> None:
        """Connect to the MCP servers, and keep the connections."""
        for server in self._servers:
            server.start()

    async def run(self, run: ToolRun) -> str:
        runner = self._http.get(run.name)
        if runner is not None:
            return await runner.run(run)
        for server in self._servers:
            if server.offers(run.name):
                return await server.run(run)
        raise ServiceError(run.name, "there is no such tool", retryable=False)

    async def close(self) -> None:
        await asyncio.gather(*(server.close() for server in self._servers))
