"""Environment variables whose values may stand in files: `NAME_FILE` names the file of `NAME`.

For secrets that a container's runtime mounts as files. A variable that is set wins over its file. Used by everything
that reads a secret from the environment; knows no names.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["Variables"]

_SUFFIX: Final = "_FILE"
_LARGEST: Final = 65_536


class Variables(Mapping[str, str]):
    """The environment, completed from files. `problems`: what could not be read so far, one sentence each.

    Iterates over the variables that are set, without those that only have a file.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._read: dict[str, str] = {}
        self.problems: list[str] = []

    def __getitem__(self, name: str) -> str:
        value = self._environ.get(name, "")
        file = "" if value.strip() else self._environ.get(f"{name}{_SUFFIX}", "").strip()
        if not file:
            return self._environ[name]
        if name not in self._read:
            self._read[name] = self._contents(name, file)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def _contents(self, name: str, file: str) -> str:
        """The text of the file without surrounding whitespace; "" and a problem when there is none."""
        try:
            with Path(file).expanduser().open("rb") as opened:
                data = opened.read(_LARGEST + 1)
            text = data.decode().strip()
        except UnicodeDecodeError:
            return self._failed(name, file, "is not text")
        except (OSError, RuntimeError, ValueError) as error:
            return self._failed(name, file, getattr(error, "strerror", None) or "cannot be read")
        if not text or len(data) > _LARGEST:
            return self._failed(name, file, "is empty" if not text else f"is larger than {_LARGEST} bytes")
        return text

    def _failed(self, name: str, file: str, why: str) -> str:
        self.problems.append(f"{name}{_SUFFIX}: {file[:200]!r}: {why}; name a file that holds the value")
        return ""
