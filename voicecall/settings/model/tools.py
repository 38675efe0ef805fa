"""The configuration's block `tools`: what the agent may do on a call beside speaking.

`Settings.call_policy` gives each call the rules of it; `voicecall/agents/tools` reaches the operator's own tools.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from voicecall.call.policy import ToolPolicy, TransferTarget
from voicecall.call.tools import TRANSFER_CALL, restricted
from voicecall.manifests.fields import MASKED, Block, ExactUrl, Number, Secret, Text, Texts, whole

__all__ = ["HttpTool", "McpServer", "Tools", "TransferTo"]

_NAME: Final = r"^[A-Za-z][A-Za-z0-9_-]{0,47}$"

ToolName = Annotated[str, StringConstraints(pattern=_NAME)]
_BuiltIn = Literal["end_call", "note", "send_dtmf", "ask_owner"]
_ToolMs = Annotated[int, Field(ge=100, le=60_000), BeforeValidator(whole)]
_Schema = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]


class HttpTool(Block):
    """A tool of yours: its arguments are posted as JSON, and the answer's body is its result."""

    url: ExactUrl
    """Where the arguments are posted."""
    description: Text
    """What it does and when to use it, for the model."""
    parameters: _Schema = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON Schema of its arguments, an object."""
    authorization: Secret = None
    """Sent as `Authorization: Bearer`."""
    timeout_ms: _ToolMs = 10_000
    """How long it may take."""
    idempotent: bool = False
    """Whether it may be called again when its answer was lost with a worker: with the same `Idempotency-Key`."""


class McpServer(Block):
    """An MCP server, whose tools are offered as `<name>__<tool>`: by `url`, or by `command` over stdio."""

    url: ExactUrl | None = None
    """Address of a server with streamable HTTP."""
    authorization: Secret = None
    """Sent as `Authorization: Bearer`."""
    command: Text | None = None
    """The program of a server that speaks over stdio; no shell is involved."""
    args: Annotated[tuple[str, ...], Field(strict=False, repr=False), MASKED] = ()
    """Its arguments."""
    env: Annotated[dict[str, str], Field(repr=False), MASKED] = Field(default_factory=dict)
    """Variables that it gets beside those that every program needs."""
    tools: Texts | None = None
    """Which of its tools are offered; without it all."""
    idempotent: Texts = ()
    """Which of them may be called again when their answer was lost with a worker."""
    timeout_ms: _ToolMs = 10_000
    """How long a call of one may take."""


class TransferTo(Block):
    """Someone to whom the agent may hand a caller over (`transfer_call`)."""

    number: Number
    """Their number; no other is ever called."""
    description: Text | None = None
    """Who they are and what for, for the model."""


class Tools(Block):
    """Tools of the agent, for models that call functions. An agent host has tools of its own."""

    built_in: Annotated[tuple[_BuiltIn, ...], Field(strict=False)] = ()
    """Which of the tools that concern the call itself are offered: `end_call`, `note`, `send_dtmf`, `ask_owner`."""
    http: dict[ToolName, HttpTool] = Field(default_factory=dict)
    mcp: dict[ToolName, McpServer] = Field(default_factory=dict)
    transfer: dict[ToolName, TransferTo] = Field(default_factory=dict)
    transfer_ring_ms: Annotated[int, Field(ge=5000, le=120_000), BeforeValidator(whole)] = 30_000
    """How long such a number may ring."""
    offer: Texts | None = None
    """Which of all these are offered, by name; `*` at the end stands for many. Without it all."""
    unproven: Texts = ("end_call", "note")
    """Which tools an inbound caller may reach whose number the carrier does not vouch for; `*` at the end of a name."""
    max_steps: Annotated[int, Field(ge=1, le=10), BeforeValidator(whole)] = 3
    """How often in a row the agent may call tools before it has to answer."""
    filler_after_ms: Annotated[int, Field(ge=200, le=30_000), BeforeValidator(whole)] = 1500
    """How long a tool may take before something is said meanwhile."""
    filler_every_ms: Annotated[int, Field(ge=1000, le=120_000), BeforeValidator(whole)] = 10_000
    """After how long something is said again."""
    max_result_chars: Annotated[int, Field(ge=100, le=16_000), BeforeValidator(whole)] = 4000
    """How much of a result the model gets, in characters."""
    ask_owner_timeout_ms: Annotated[int, Field(ge=5000, le=600_000), BeforeValidator(whole)] = 60_000
    """How long `ask_owner` waits for an answer."""

    def policy(self) -> ToolPolicy:
        """These settings as the rules take them."""
        transfer = (TRANSFER_CALL,) if self.transfer else ()
        names = (*self.built_in, *transfer, *self.http, *(f"{server}__*" for server in self.mcp))
        repeatable = (f"{name}__{tool}" for name, server in self.mcp.items() for tool in server.idempotent)
        return ToolPolicy(
            offered=names if self.offer is None else restricted(names, self.offer),
            unproven=self.unproven,
            idempotent=(*(name for name, tool in self.http.items() if tool.idempotent), *repeatable),
            max_steps=self.max_steps,
            filler_after_s=self.filler_after_ms / 1000,
            filler_every_s=self.filler_every_ms / 1000,
            result_chars=self.max_result_chars,
            owner_s=self.ask_owner_timeout_ms / 1000,
            transfers=tuple(TransferTarget(name=name, number=each.number) for name, each in self.transfer.items()),
            transfer_ring_s=self.transfer_ring_ms / 1000,
        )
