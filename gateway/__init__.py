"""The private door: agents, operators and the CLI come in here."""
