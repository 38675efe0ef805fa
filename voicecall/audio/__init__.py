"""Arithmetic on audio: mu-law, PCM and 20 ms frames. Pure: no clock, no I/O."""
