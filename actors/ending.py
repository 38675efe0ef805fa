"""`end` of `voicecall.aio`."""

from voicecall.aio import end

__all__ = ["end"]
