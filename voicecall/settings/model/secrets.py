"""The configuration's block `secrets`: providers of secrets that are not in the file, as OpenClaw documents it.

Only the keys; `secret_providers` reads the files and runs the programs.
"""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from voicecall.manifests.fields import MASKED, Block, Text, Texts, whole

__all__ = ["PROVIDER_NAME", "SecretDefaults", "SecretProvider", "Secrets"]

PROVIDER_NAME: Final = r"^[a-z][a-z0-9_-]{0,63}$"

_Name = Annotated[str, StringConstraints(pattern=PROVIDER_NAME)]
_TimeoutMs = Annotated[int, Field(ge=1, le=120_000), BeforeValidator(whole)]


class SecretProvider(Block):
    """One provider of secrets. Which keys matter depends on `source`."""

    source: Literal["env", "file", "exec"] = "env"
    """Its kind: the environment, a file, or a program."""
    allowlist: Texts | None = None
    """env: the only variables that may be named."""
    path: Text | None = None
    """file: its path; `~` is the home directory."""
    mode: Literal["json", "singleValue"] = "json"
    """file: a JSON object, of which a reference names one value by JSON pointer, or one secret and nothing else."""
    command: Text | None = None
    """exec: the program, by its absolute path; no shell is involved."""
    args: Annotated[tuple[str, ...], Field(strict=False, repr=False), MASKED] = ()
    """exec: its arguments."""
    env: Annotated[dict[str, str], Field(repr=False), MASKED] = Field(default_factory=dict)
    """exec: variables that it gets."""
    pass_env: Texts = ()
    """exec: variables of our environment that it gets besides; it gets no others."""
    allow_symlink_command: bool = False
    """exec: whether `command` may be a symbolic link."""
    trusted_dirs: Texts = ()
    """exec: the directories in which the program must lie, links followed; none: anywhere."""
    json_only: bool = True
    """exec: whether it must answer in the protocol's JSON; if not, its whole output may be the secret."""
    timeout_ms: _TimeoutMs = 5000
    """How long it may take, in milliseconds."""
    no_output_timeout_ms: _TimeoutMs | None = None
    """exec: how long it may take to print anything; part of `timeoutMs`."""
    max_output_bytes: Annotated[int, Field(gt=0, le=16_777_216), BeforeValidator(whole)] = 1_048_576
    """exec: how much it may print."""


class SecretDefaults(Block):
    """The provider of references that name none, by source."""

    env: _Name = "default"
    """Of references to the environment."""
    file: _Name = "default"
    """Of references to files."""
    exec: _Name = "default"
    """Of references to programs."""


class Secrets(Block):
    """The provider `default` of the environment always exists."""

    providers: dict[_Name, SecretProvider] = Field(default_factory=dict)
    defaults: SecretDefaults = SecretDefaults()
