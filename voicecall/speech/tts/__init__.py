"""Speaking: one file per text-to-speech service."""
