"""The attack list against running doors, by number (reliability 3.2). `docs/threat-model.md` has the table."""
