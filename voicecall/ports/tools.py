"""The port to the operator's own tools: what the agent may call beside the ones that concern the call itself.

Filled by `voicecall/agents/tools/`; used by the agents, which offer them to a model, and by `actors/tool_runner.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from voicecall.call.ids import CallId

__all__ = ["NO_TOOLS", "ToolRun", "ToolSpec", "Tools"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as a model sees it. `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """One call of a tool. `arguments`: JSON of an object. `key`: the same when it is repeated after a crash.

    `caller`: as in `Question`; who it is, is proven only if `number_verified`.
    """

    call: CallId
    name: str
    arguments: str
    key: str
    caller: str = ""
    number_verified: bool = False


class Tools(Protocol):
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that are known now. A server that does not answer has none."""
        ...

    def warm(self) -> None:
        """A call is expected soon: begin to open what takes time. Returns at once and never raises."""
        return

    async def run(self, run: ToolRun) -> str:
        """The result, for the model. Raises ServiceError, `ServiceTimeout` after the tool's own time limit.

        Its `retryable` is True when the tool has certainly not been called.
        """
        ...

    async def close(self) -> None: ...


class _NoTools:
    def specs(self) -> tuple[ToolSpec, ...]:
        return ()

    def warm(self) -> None:
        return

    async def run(self, run: ToolRun) -> str:
        raise LookupError(run.name)

    async def close(self) -> None:
        return


NO_TOOLS: Tools = _NoTools()
"""No tools of the operator's."""
