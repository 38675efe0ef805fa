"""The public door: carriers come in here."""
