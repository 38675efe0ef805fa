"""The three kinds of secret providers: the environment, a file, a program.

Each gives, per id, the secret or the reason why there is none. Files and programs are the operator's own; their content
is never logged, for it may hold secrets. A program reads one JSON object from standard input and writes one.
"""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from voicecall.errors import VoicecallError
from voicecall.settings.model.secrets import SecretProvider
from voicecall.settings.reading import source

__all__ = ["Unresolved", "from_environment", "from_file", "from_program"]

_MAX_FILE: Final = 1_048_576
_PROTOCOL: Final = 1

Values = Mapping[str, "str | Unresolved"]


class Unresolved(VoicecallError):
    """The secret cannot be had, for `reason`; `remedy` says what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


def from_environment(provider: SecretProvider, ids: list[str], environ: Mapping[str, str]) -> Values:
    def value(name: str) -> str | Unresolved:
        if provider.allowlist is not None and name not in provider.allowlist:
            return Unresolved(f"the variable {name} is not on the provider's allowlist", "add it there")
        found = environ.get(name, "").strip()
        return found or Unresolved(f"the environment variable {name} is not set", "set it")

    return {name: value(name) for name in ids}


def from_file(
    provider: SecretProvider, ids: list[str], environ: Mapping[str, str], warn: Callable[[str], None]
) -> Values:
    """Calls `warn` when other users of this machine may read the file. Raises Unresolved when it cannot be read."""
    if provider.path is None:
        raise Unresolved("the secret provider of files has no path", "add its path")
    path = source.expanded(provider.path, environ)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise Unresolved(f"{str(path)!r} is no file", "name a file")
        with path.open("rb") as file:
            text = file.read(_MAX_FILE + 1).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise Unresolved(f"cannot read {str(path)!r} ({reason})", "make it readable for this user") from error
    if len(text) > _MAX_FILE:
        raise Unresolved(f"{str(path)!r} is over 1 MiB", "name a file of secrets")
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn(f"others on this machine may read the secrets in {str(path)!r}; chmod 600 it")
    if provider.mode == "singleValue":
        return {ident: _single(text) if ident == "value" else _not_single() for ident in ids}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unresolved(f"{str(path)!r} is not JSON", 'correct it, or set mode: "singleValue"') from error
    return {ident: _pointed(document, ident) for ident in ids}


def from_program(provider: SecretProvider, name: str, ids: list[str], environ: Mapping[str, str]) -> Values:
    """Run the program once for all ids. Raises Unresolved when it cannot be run or its answer cannot be read."""
    command = _runnable(provider)
    asked = json.dumps({"protocolVersion": _PROTOCOL, "provider": name, "ids": ids}).encode()
    given = {**provider.env, **{key: environ[key] for key in provider.pass_env if key in environ}}
    answer = _run([command, *provider.args], asked, given, provider)
    try:
        read = json.loads(answer)
    except (ValueError, RecursionError) as error:
        if not provider.json_only and len(ids) == 1:
            return {ids[0]: _single(answer.decode("utf-8", "replace"))}
        raise Unresolved("the program did not answer in JSON", "correct it, or set jsonOnly: false") from error
    if not provider.json_only and not isinstance(read, dict) and len(ids) == 1:
        return {ids[0]: _single(answer.decode("utf-8", "replace"))}
    values = read.get("values") if isinstance(read, dict) else None
    if not isinstance(values, dict) or read.get("protocolVersion") != _PROTOCOL:
        raise Unresolved("the program's answer is not in its protocol", "it must hold protocolVersion 1 and values")
    return {ident: _text(values.get(ident)) for ident in ids}


def _runnable(provider: SecretProvider) -> str:
    command = Path(provider.command or "")
    if not command.is_absolute():
        raise Unresolved("the program of the secret provider has no absolute path", "write its command in full")
    if command.is_symlink() and not provider.allow_symlink_command:
        raise Unresolved("the program is a symbolic link", "name what it points to, or set allowSymlinkCommand")
    if not command.is_file() or not os.access(command, os.X_OK):
        raise Unresolved(f"{str(command)!r} is no program", "name one that this user may run")
    real = command.resolve()
    if provider.trusted_dirs and not any(real.is_relative_to(Path(each).resolve()) for each in provider.trusted_dirs):
        raise Unresolved("the program lies in none of trustedDirs", "move it there, or add its directory")
    return str(command)


def _run(command: list[str], asked: bytes, environ: dict[str, str], provider: SecretProvider) -> bytes:
    timeout_ms = min(provider.timeout_ms, provider.no_output_timeout_ms or provider.timeout_ms)
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own program, by absolute path, without a shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            start_new_session=True,
        )
    except OSError as error:
        raise Unresolved(f"the program does not start ({error.strerror})", "run it by hand") from error
    try:
        answer, _ = process.communicate(asked, timeout=timeout_ms / 1000)
    except subprocess.TimeoutExpired as error:
        _kill(process)
        raise Unresolved(f"the program gave no answer within {timeout_ms} ms", "raise timeoutMs") from error
    if process.returncode != 0:
        raise Unresolved(f"the program failed with status {process.returncode}", "run it by hand to see why")
    if len(answer) > provider.max_output_bytes:
        raise Unresolved("the program said more than maxOutputBytes", "correct it")
    return answer


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the program and the processes of its session.

    A process that left the session may hold the pipes open, so they are closed, not read to their end.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # closing flushes what the program did not read
                pipe.close()
    process.wait()


def _pointed(document: Any, pointer: str) -> str | Unresolved:
    """The text at a JSON pointer (RFC 6901)."""
    here = document
    if not pointer.startswith("/"):
        return Unresolved("the id is no JSON pointer", "write it as in /carrier/token")
    for part in pointer[1:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and key.isdecimal() and int(key) < len(here):
            here = here[int(key)]
        else:
            return Unresolved("the file holds nothing at that pointer", "correct the id")
    return _text(here)


def _text(value: Any) -> str | Unresolved:
    if isinstance(value, str) and value.strip():
        return value.strip()
    return Unresolved("there is no text under that id", "correct the id, or what is kept there")


def _single(text: str) -> str | Unresolved:
    return text.strip() or Unresolved("it is empty", "put the secret there")


def _not_single() -> Unresolved:
    return Unresolved('a file of one secret knows one id, "value"', 'write id: "value"')
