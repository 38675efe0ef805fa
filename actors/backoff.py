"""`backoff` of `voicecall.aio`."""

from voicecall.aio import backoff

__all__ = ["backoff"]
