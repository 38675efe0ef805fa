"""A simulator of Deepgram: live transcription by Nova (`v1/listen`) and turns by Flux (`v2/listen`)."""
