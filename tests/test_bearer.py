"""Bearer tokens: a sender that guesses is slowed down, and the holder of a good token is never locked out."""

import pytest

from voicecall import metrics
from voicecall.bearer import GUESS_EVERY_S, GUESSES, BearerTokens, token_in
from voicecall.errors import Exhausted
from voicecall.token_bucket import TokenBuckets

LONG = "sixteen-or-more-x"
SHORT = "short"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> BearerTokens[str]:
    return BearerTokens([(LONG, "long"), (SHORT, "short")], clock=clock)


def guess(tokens: BearerTokens[str], count: int = GUESSES, sender: str = "stranger") -> None:
    for number in range(count):
        assert tokens.holder(f"guess-{number}", sender) is None


def wait_ms(tokens: BearerTokens[str], token: str = "another", sender: str = "stranger") -> int | None:
    with pytest.raises(Exhausted) as refused:
        tokens.holder(token, sender)
    return refused.value.retry_after_ms


def counted(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("voicecall_tokens_refused_total", {"reason": reason}) or 0.0


def test_b11_after_ten_wrong_tokens_a_sender_waits(tokens: BearerTokens[str], clock: Clock) -> None:
    """And then has one guess, not ten."""
    unknown, refused = counted("unknown"), counted("guesses")
    guess(tokens)
    assert wait_ms(tokens) == GUESS_EVERY_S * 1000
    clock.now += GUESS_EVERY_S - 1
    assert wait_ms(tokens) == 1000
    clock.now += 1
    guess(tokens, 1)
    assert wait_ms(tokens) == GUESS_EVERY_S * 1000
    assert (counted("unknown") - unknown, counted("guesses") - refused) == (GUESSES + 1, 3)


def test_b11_another_sender_is_not_affected(tokens: BearerTokens[str]) -> None:
    guess(tokens)
    assert tokens.holder(SHORT, "operator") == "short"
    guess(tokens, sender="operator")


def test_b11_a_long_token_is_never_locked_out(tokens: BearerTokens[str]) -> None:
    """A stranger behind the operator's proxy has the operator's address."""
    guess(tokens)
    for _ in range(100):
        wait_ms(tokens)
        assert tokens.holder(LONG, "stranger") == "long"


def test_b11_a_short_token_is_not_compared_until_the_sender_may_guess_again(
    tokens: BearerTokens[str], clock: Clock
) -> None:
    """Else it would be found: an answer to every guess is all that a search of short tokens needs."""
    guess(tokens)
    assert wait_ms(tokens, SHORT) == GUESS_EVERY_S * 1000
    clock.now += GUESS_EVERY_S
    assert [tokens.holder(SHORT, "stranger") for _ in range(100)] == ["short"] * 100  # a right one costs no guess


def test_b11_a_missing_token_is_no_guess(tokens: BearerTokens[str]) -> None:
    assert [tokens.holder("", "stranger") for _ in range(100)] == [None] * 100
    guess(tokens)
    assert tokens.holder("", "stranger") is None


def test_b11_the_memory_of_senders_is_bounded(clock: Clock) -> None:
    """Those that were wrong last are remembered."""
    buckets = TokenBuckets(1.0, 1, names=100, clock=clock)
    for number in range(10_000):
        assert buckets.take(f"sender-{number}") == 0.0
    assert len(buckets) == 100
    assert [buckets.wait_s(f"sender-{number}") for number in (9_900, 9_999)] == [1.0, 1.0]
    assert buckets.wait_s("sender-0") == 0.0


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer  a-token ", "a-token"), ("bearer a", "a"), ("Basic a", ""), ("a", ""), ("", ""), ("Bearera", "")],
)
def test_a_token_counts_only_as_a_bearer_token(header: str, token: str) -> None:
    assert token_in({"authorization": header}) == token
