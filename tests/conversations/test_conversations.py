"""The short form of `make conversations`: some of them, at the same time, on one system; each is a test."""

import asyncio
from functools import cache

import pytest

from tests.conversations.play import Outcome, play
from tests.conversations.script import Conversation
from tests.conversations.systems import SYSTEMS
from tests.conversations.table import CONVERSATIONS

_SHORT = [talk for talk in CONVERSATIONS if talk.is_short]
_SYSTEM = SYSTEMS["alone"]


@cache
def _played() -> dict[str, Outcome]:
    """All of them, played once. How long a caller waits is judged by `make conversations`, on a machine of its own."""
    return {outcome.talk.name: outcome for outcome in asyncio.run(play(_SYSTEM, _SHORT))}


def test_the_short_form_has_every_kind() -> None:
    """Without this, a conversation that lost its mark would be a test that passes."""
    assert len(_SHORT) >= 9
    assert {talk.system for talk in _SHORT} == {_SYSTEM.name}
    assert sum(talk.is_bad_day for talk in _SHORT) >= 4


def test_no_two_conversations_have_one_name_or_one_cue_for_the_model() -> None:
    """Faults are counted by name; a reply that another conversation's words call for would be theirs as well."""
    assert len(CONVERSATIONS) >= 40
    assert len({talk.name for talk in CONVERSATIONS}) == len(CONVERSATIONS)
    for talk in CONVERSATIONS:
        others = (other for other in CONVERSATIONS if other is not talk and other.system == talk.system)
        said = [words for other in others for words in other.turns if dict(other.replies) != dict(talk.replies)]
        assert [words for words in said for cue in talk.replies if cue in words] == []


# The first waits for all of them.
@pytest.mark.timeout(150)
@pytest.mark.parametrize("talk", _SHORT, ids=lambda talk: talk.name)
def test_a_conversation_goes_as_scripted(talk: Conversation) -> None:
    """What was heard, cut, resumed and recorded; folding the facts again gives the same end and effects."""
    wrong = [complaint for complaint in _played()[talk.name].complaints if complaint.kind != "late"]
    assert wrong == []
