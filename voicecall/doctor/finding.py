"""One finding: its level, what was seen, and the remedy. Pure."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "fail", "ok", "warn"]


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: subject and aspect, as in `redis.persistence`. `remedy`: what to do; "" when nothing is to be done."""

    check: str
    level: Level
    seen: str
    remedy: str = ""


def ok(check: str, seen: str) -> Finding:
    return Finding(check, Level.OK, seen)


def warn(check: str, seen: str, remedy: str) -> Finding:
    return Finding(check, Level.WARN, seen, remedy)


def fail(check: str, seen: str, remedy: str) -> Finding:
    return Finding(check, Level.FAIL, seen, remedy)
