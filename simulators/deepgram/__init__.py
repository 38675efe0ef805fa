"""A simulator of Deepgram."""
