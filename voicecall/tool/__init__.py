"""The agent tool `voice_call`: its parameters, its schema, and its answers."""

from voicecall.tool.actions import NAME, SUMMARY, flat_schema, schema
from voicecall.tool.voice_call import Payload, content_of, use

__all__ = ["NAME", "SUMMARY", "Payload", "content_of", "flat_schema", "schema", "use"]
