"""A simulator of ElevenLabs: text to speech over HTTP and over its multi-context WebSocket."""
