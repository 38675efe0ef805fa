"""Faults on demand: rules posted to /_sim/misbehave, each used up after `times` matches. Pure.

A rule says where (`rest`, `webhook`, `stream`), what (`do`, with its numbers) and which (`match`: fields to regular
expressions, all of which must be found). The code that acts calls `take` first and applies the rule it returns.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Faults", "Rule", "Where"]

Where = Literal["rest", "webhook", "stream"]

_DOES: dict[Where, frozenset[str]] = {
    # status, cut and garbage replace the reply; slow delays it. `when`: before or after the request takes effect.
    "rest": frozenset({"status", "cut", "garbage", "slow"}),
    # duplicate: `copies` in all, `within_ms` in random order. reorder: let the call's next webhook overtake this one.
    "webhook": frozenset({"duplicate", "reorder", "late", "never"}),
    # cut: at `ms` after start, `clean` or not. wrong_sid: `frames` frames from `ms` on name another stream.
    # shuffle: `frames` frames from `ms` on come in blocks of `copies`, each block in random order.
    # error: send the carrier's own error frame at `ms`. omit_stop: close without announcing it.
    "stream": frozenset({"cut", "wrong_sid", "shuffle", "error", "omit_stop"}),
}


class Rule(BaseModel):
    """One fault, with how often it strikes. Times and delays are milliseconds."""

    model_config = ConfigDict(extra="forbid")

    where: Where
    do: str
    match: dict[str, str] = Field(default_factory=dict)
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    """The number of matches to leave unharmed first."""
    when: Literal["before", "after"] = "before"
    status: int = Field(default=503, ge=400, le=599)
    ms: int = Field(default=0, ge=0)
    copies: int = Field(default=2, ge=2)
    within_ms: int = Field(default=50, ge=0)
    clean: bool = False
    frames: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _known(self) -> "Rule":
        if self.do not in _DOES[self.where]:
            raise ValueError(f"{self.where} cannot {self.do!r}; it can {', '.join(sorted(_DOES[self.where]))}")
        for pattern in self.match.values():
            re.compile(pattern)
        return self


class Faults:
    """The rules in force. `struck` counts the applied faults, so that a test can show that its fault happened."""

    def __init__(self, stream_faults: frozenset[str] = frozenset({"cut", "wrong_sid"})) -> None:
        """`stream_faults`: what the sockets of this carrier can do wrong."""
        self._stream_faults = stream_faults
        self._rules: list[Rule] = []
        self.struck: Counter[str] = Counter()

    def add(self, rule: Rule) -> None:
        """Add a rule behind the older ones. Raises ValueError for a fault that these sockets do not support."""
        if rule.where == "stream" and rule.do not in self._stream_faults:
            raise ValueError(f"these streams cannot {rule.do!r}; they can {', '.join(sorted(self._stream_faults))}")
        self._rules.append(rule.model_copy())

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()
        self.struck.clear()

    def rules(self) -> list[dict[str, Any]]:
        """The rules in force, as posted, with the remaining `times` and `skip`."""
        return [rule.model_dump() for rule in self._rules]

    def take(self, where: Where, facts: Mapping[str, str]) -> Rule | None:
        """The first rule that matches, counted against its `times`; None when no rule matches."""
        for rule in self._rules:
            if rule.where != where or not _matches(rule, facts):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.times -= 1
            if not rule.times:
                self._rules.remove(rule)
            self.struck[f"{where}.{rule.do}"] += 1
            return rule
        return None


def _matches(rule: Rule, facts: Mapping[str, str]) -> bool:
    return all(re.search(pattern, facts.get(field, "")) for field, pattern in rule.match.items())
