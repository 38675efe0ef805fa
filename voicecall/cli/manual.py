"""The commands as a page of Markdown, from the same texts as their help: `docs/cli.md` is drawn by it."""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import typer

__all__ = ["manual"]


def manual(app: typer.Typer) -> str:
    """A section for each command: what it does, its examples, its options."""
    return "\n".join(
        line for path, command in _commands(typer.main.get_command(app)) for line in _section(path, command)
    )


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from _commands(child, (*path, name))
        else:
            yield (*path, name), child


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    yield f"## voicecall {' '.join(path)}"
    yield ""
    yield " ".join(part.strip() for part in (command.help or "").splitlines() if part.strip())
    yield ""
    yield "```sh"
    yield from (line.removeprefix("$ ") for line in (command.epilog or "").splitlines() if line.startswith("$ "))
    yield "```"
    yield ""
    told = [parameter for parameter in command.params if parameter.name != "help"]
    if told:
        yield "| | | default |"
        yield "|---|---|---|"
        yield from (_row(parameter) for parameter in told)
        yield ""


def _word(kind: Any) -> str:
    """What an option takes, where it has no word of its own."""
    if issubclass(kind, Enum):
        return "|".join(member.value for member in kind)
    return {int: "N", Path: "PATH", datetime: "DAY"}.get(kind, "TEXT")


def _row(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    what = (parameter.metavar or _word(parameter.type_descriptor.annotation)).replace("|", "\\|")
    value = "" if getattr(parameter, "is_flag", False) else f" {what}"
    name = f"`{', '.join(sorted(parameter.opts, key=len))}{value}`" if is_option else f"`{what}`"
    plain = parameter.default is None or isinstance(parameter.default, bool) or callable(parameter.default)
    default = "required" if parameter.required else "" if plain or parameter.default == "" else f"`{parameter.default}`"
    return f"| {name} | {parameter.help or ''} | {default} |"
