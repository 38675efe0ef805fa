"""The script of the simulator, as posted to /_sim/script, section by section. Pure.

`{"chat": {"rules": [...]}, "end_on_symbol": true, "misbehave": [...], "api_key": "sk-1"}`: a section that is posted
replaces the one before, one that is not stays.
"""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from simulators.faults import ListenDo, Pattern, Rule, Rules

__all__ = ["OpenAIDo", "Posted", "Reply", "Script", "ToolCall"]


class OpenAIDo(ListenDo):
    """Further faults.

    Where: `chat`, `speech`, `transcription` (the request), `realtime` (per socket), `transcript` (per utterance),
    `words` (in the middle of a turn, once what was recognised of it matches), `voice` (per socket that speaks),
    `reading` (per text that is read aloud), `reply` (per reply of a model that hears and speaks).
    """

    drop_after_appends: int | None = Field(default=None, ge=1)
    """realtime: reset the socket on that append."""
    out_of_order: bool = False
    """transcript: hold `completed` back until the next utterance's has been sent."""
    failed: bool = False
    """transcript, reading: `failed` in place of `completed`."""
    says: str | None = None
    """reading: this is said, and written down, in place of the text."""
    audio_first: bool = False
    """reading: the transcript comes behind its audio."""
    keeps_pcm: bool = False
    """voice: another format than mu-law is confirmed."""
    close_code: int | None = None
    """reply: after `cut_after_bytes` the socket is closed with this code, in place of being reset."""
    pace: float = Field(default=4.0, gt=0)
    """reply: how much faster than real time its audio comes."""


class ToolCall(BaseModel):
    """A tool call of the model; `arguments` are sent as JSON text."""

    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Reply(BaseModel):
    """The reply when the last user message matches `match`, and the model's name `model`.

    Without `reply`: the default one.
    """

    model_config = ConfigDict(extra="forbid")

    match: Pattern = ""
    model: Pattern = ""
    reply: str | None = None
    refusal: str | None = None
    """In place of the reply: the model declines, in these words."""
    finish: str | None = None
    """The finish reason, as `content_filter`; without it "stop" or "tool_calls"."""
    tool_call: ToolCall | None = None
    """A tool call, once per turn: after the tool's result this rule is skipped."""
    chunk_words: int = Field(default=1, ge=1)
    delay_ms: float = Field(default=0, ge=0)
    per_token_ms: float = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    retry_after_s: int | None = Field(default=None, ge=0)
    cut_after_tokens: int | None = Field(default=None, ge=0)
    """Drop the connection after that many chunks."""
    stall_after_tokens: int | None = Field(default=None, ge=0)
    """Send nothing any more after that many chunks."""
    times: int | None = Field(default=None, ge=1)


class _Chat(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Reply] = Field(default_factory=list)


class Posted(BaseModel):
    """The body of POST /_sim/script."""

    model_config = ConfigDict(extra="forbid")

    chat: _Chat | None = None
    end_on_symbol: bool | None = None
    misbehave: list[Rule[OpenAIDo]] | None = None
    api_key: str | None = None


class Script:
    """The script in force."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.end_on_symbol = False
        """End a turn at the END tone, not after the silence: endpointing without delay."""
        self.rules: Rules[OpenAIDo] = Rules(OpenAIDo())
        self.api_key = ""
        """The only key accepted; empty accepts every non-empty key."""

    def post(self, posted: Posted) -> None:
        """Replace the sections that were posted."""
        if posted.chat is not None:
            self.replies = [reply.model_copy() for reply in posted.chat.rules]
        if posted.end_on_symbol is not None:
            self.end_on_symbol = posted.end_on_symbol
        if posted.misbehave is not None:
            self.rules.replace(posted.misbehave)
        if posted.api_key is not None:
            self.api_key = posted.api_key

    def clear(self) -> None:
        """Reset everything that was posted."""
        self.post(Posted(chat=_Chat(), end_on_symbol=False, misbehave=[], api_key=""))

    def reply_to(self, said: str, *, model: str = "", after_tool: bool) -> Reply:
        """The first rule that matches the last user message and the model; counts against the rule's `times`."""
        for rule in self.replies:
            if not re.search(rule.match, said) or not re.search(rule.model, model):
                continue
            if after_tool and rule.tool_call is not None:
                continue
            if rule.times is not None:
                rule.times -= 1
                if not rule.times:
                    self.replies.remove(rule)
            return rule
        return Reply()
