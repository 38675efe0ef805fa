"""The account that a house's carrier signs for, read from the configuration the house wrote."""

from typing import NamedTuple

import orjson

from simulators.stack import Stack

__all__ = ["Account", "account_of"]


class Account(NamedTuple):
    """What a Twilio webhook names and what it is signed with."""

    sid: str
    token: str


def account_of(stack: Stack) -> Account:
    """Of a house that is up."""
    config = orjson.loads((stack.home / "config-0.json5").read_bytes())
    return Account(config["twilio"]["accountSid"], config["twilio"]["authToken"])
