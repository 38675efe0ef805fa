"""How a benchmark says what it is doing."""

from collections.abc import Callable

__all__ = ["Progress"]

Progress = Callable[[str], None]
"""Takes one line for whoever waits at the terminal."""
