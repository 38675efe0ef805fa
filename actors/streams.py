"""`closing` of `voicecall.aio`."""

from voicecall.aio import closing

__all__ = ["closing"]
