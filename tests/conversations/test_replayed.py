"""Folding a recorded call again notices what happened otherwise."""

from pathlib import Path

import pytest

from tests.conversations.replayed import differences
from tests.conversations.test_judge import sentence
from voicecall.journal import Journal, read_journal, steps

pytestmark = pytest.mark.quick

JOURNAL = read_journal(Path(__file__).parents[1] / "replay" / "notify.jsonl")
NOTICE = "Your table for two is ready."


def found(journal: Journal, *heard: str, direction: str = "outbound") -> list[str]:
    *_, (_, ended, _) = steps(JOURNAL)
    evidence = [sentence(text, 0, 100) for text in heard]
    return [str(each) for each in differences(direction, evidence, journal, ended)]


def test_the_facts_of_a_call_fold_to_its_end_and_to_what_was_heard() -> None:
    assert found(JOURNAL, NOTICE) == []


def test_a_lost_fact_another_text_and_another_dial_are_noticed() -> None:
    half = Journal(JOURNAL.call, "", JOURNAL.records[: len(JOURNAL.records) // 2])
    assert found(half, NOTICE) == ["replay: the facts do not fold to the stored state"]
    assert found(JOURNAL, "Never requested.") == ["replay: nothing that was requested has 'Never requested.'"]
    assert found(JOURNAL, NOTICE, direction="inbound") == ["replay: 1 dials"]
