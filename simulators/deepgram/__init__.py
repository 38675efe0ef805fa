"""A simulator of Deepgram: transcription by Nova (`v1/listen`), turns by Flux (`v2/listen`), speech (`v1/speak`)."""
