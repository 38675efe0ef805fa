"""Bearer tokens of the servers that API clients reach: who holds one, and how often a sender may guess.

A sender that sent `GUESSES` wrong tokens gets 429 in place of 401, and one more guess every `GUESS_EVERY_S` seconds
(attack 108). A token of `STRONG` characters or more is compared even then: at no rate is it guessed, so a stranger
behind the operator's proxy cannot lock the operator out. A shorter one, which only a server on loopback accepts, is not
compared until the sender may guess again. Gateway, health servers and MCP server use it. Knows tokens and senders.
"""

import hmac
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar

from voicecall import metrics
from voicecall.errors import Exhausted
from voicecall.token_bucket import TokenBuckets

__all__ = ["GUESSES", "GUESS_EVERY_S", "STRONG", "BearerTokens", "token_in"]

STRONG: Final = 16
"""Characters of a token that a server accepts off loopback: 16 random letters and digits are 95 bits."""

GUESSES: Final = 10
GUESS_EVERY_S: Final = 5.0

Holder = TypeVar("Holder")


class BearerTokens(Generic[Holder]):
    """The configured tokens and what their holders are. Bounded memory, whatever the number of senders."""

    def __init__(self, holders: Iterable[tuple[str, Holder]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._holders = tuple((token.encode(), holder) for token, holder in holders)
        self._guesses = TokenBuckets(1 / GUESS_EVERY_S, GUESSES, clock=clock)

    def __len__(self) -> int:
        return len(self._holders)

    def holder(self, token: str, sender: str) -> Holder | None:
        """The holder of this token; None when it is unknown. `sender`: as of `connections.sender`.

        Raises Exhausted with the time to wait when the sender was wrong too often. A missing token ("") is no guess.
        """
        if not token:
            return None
        is_spent = self._guesses.wait_s(sender) > 0
        offered = token.encode("utf-8", "replace")
        # No early exit, so that the duration does not depend on which token is similar.
        matches = [
            holder
            for known, holder in self._holders
            if hmac.compare_digest(offered, known) and (len(known) >= STRONG or not is_spent)
        ]
        if matches:
            return matches[0]
        wait_s = self._guesses.take(sender)
        metrics.TOKENS_REFUSED.labels(reason="guesses" if wait_s else "unknown").inc()
        if wait_s:
            raise Exhausted(
                "too many wrong tokens from this address; correct the token, then try again",
                retry_after_ms=math.ceil(wait_s * 1000),
            )
        return None


def token_in(headers: Mapping[str, str]) -> str:
    """The token of `Authorization: Bearer …`; "" without one. `headers`: names in lower case, or in any."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
