"""A simulator of ElevenLabs: streaming text to speech over HTTP."""
