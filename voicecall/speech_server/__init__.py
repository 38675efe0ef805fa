"""The speech server: a voice and speech recognition on this machine, without keys, for trying and for tests.

A process of its own (`voicecall speech-server`) that offers OpenAI's `/v1/audio/speech` and Realtime transcription, so
the adapters of `voicecall/speech` use it as they use any service. Never part of a production default. docs/offline.md.
"""
