"""Hearing: one file per speech-to-text service."""
