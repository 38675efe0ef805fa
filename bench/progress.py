"""How a benchmark reports its progress."""

from collections.abc import Callable

__all__ = ["Progress"]

Progress = Callable[[str], None]
"""Receives one line for the terminal."""
