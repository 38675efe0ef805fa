"""What a token permits. A method names the scope it needs; the gateway's authenticator gives each token its scopes."""

from enum import StrEnum

__all__ = ["Scope"]


class Scope(StrEnum):
    READ = "operator.read"
    """Query calls, history and the feed."""

    WRITE = "operator.write"
    """Place calls, act on them, forget them, and register as an agent host."""
