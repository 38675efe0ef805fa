"""A simulator of OpenAI: the parts of chat completions, speech and realtime transcription that a phone call uses."""
