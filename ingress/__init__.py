"""The public server: carriers' webhooks and media sockets. Knows calls through the log, never an actor."""
