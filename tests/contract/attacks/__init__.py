"""The attacks of `docs/threat-model.md`, by number, against running ingresses."""
