"""Scripted conversations on the whole system, judged on the audio that the caller hears (docs/conversations.md)."""
