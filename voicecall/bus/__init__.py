"""The bus: every durable fact of a call, and the hints that make it fast, on Redis."""
