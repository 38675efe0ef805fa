"""What the tools do, as posted to /_sim/script: `{"tools": {"order": {"result": "Booked."}}}`. Pure."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Posted", "Script", "ToolDo"]

_ANY = {"type": "object", "properties": {}, "additionalProperties": True}


class ToolDo(BaseModel):
    """One tool. Without `result` it repeats its arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = "A tool of the simulator."
    parameters: dict[str, Any] = Field(default_factory=lambda: dict(_ANY))
    result: str | None = None
    repeat: int = Field(default=1, ge=1)
    """The result so many times in a row: a huge one."""
    delay_ms: float = Field(default=0, ge=0)
    hang: bool = False
    """Never answer."""
    cut: bool = False
    """Drop the connection in place of an answer."""
    status: int = 200
    """HTTP: the status. MCP: any other than 200 is an error of the tool."""


class Posted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tools: dict[str, ToolDo]


class Script:
    """The script in force."""

    def __init__(self) -> None:
        self.tools: dict[str, ToolDo] = {"echo": ToolDo()}

    def post(self, posted: Posted) -> None:
        self.tools = dict(posted.tools)

    def result(self, name: str, arguments: str) -> str:
        do = self.tools[name]
        return (arguments if do.result is None else do.result) * do.repeat
