"""The demonstration: a whole working day of a phone system in under a minute, on loopback, drawn as it happens."""
