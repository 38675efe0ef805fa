"""The demo: a day of a phone system in under a minute, on loopback, drawn as a timeline."""
