"""The names of the keys in the namespace that tests have by default: database 0."""

from voicecall.bus.keys import Keys

__all__ = ["keys"]

keys = Keys.at("redis://127.0.0.1/0")
