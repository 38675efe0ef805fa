"""The account whose webhooks a stack's carrier signs, read from the configuration that the stack wrote."""

from typing import NamedTuple

import orjson

from simulators.stack import Stack

__all__ = ["Account", "account_of"]


class Account(NamedTuple):
    """The account's id and signing key, as a Twilio webhook needs them."""

    sid: str
    token: str


def account_of(stack: Stack) -> Account:
    """The account of a running stack."""
    config = orjson.loads((stack.home / "config-0.json5").read_bytes())
    return Account(config["twilio"]["accountSid"], config["twilio"]["authToken"])
