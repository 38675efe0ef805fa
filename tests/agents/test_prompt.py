"""What a model is told of a call's brief."""

from dataclasses import replace

from tests.agents.test_llm import ASKED
from voicecall.agents.prompt import messages_of
from voicecall.call.brief import Brief

BRIEF = Brief(
    task="Move Thursday's table to eight.",
    context="The table is under the name Ada.",
    language="French",
    identity="Ada's assistant",
    disclosures=("This call is made by a machine.",),
    approvals=("eight", "half past eight"),
    success_criteria=("They confirm a time.",),
)


def test_the_brief_is_told_as_instructions_and_whole() -> None:
    """In the system message, behind who the agent is; never among the caller's words (behaviour 12)."""
    system, *rest = messages_of(replace(ASKED, brief=BRIEF), "You are Ada's voice.")
    assert system["role"] == "system"
    assert system["content"].startswith("You are Ada's voice.")
    for told in (BRIEF.task, BRIEF.context, "French", BRIEF.identity, "- This call is made by a machine."):
        assert told in system["content"]
    assert "- eight\n- half past eight" in system["content"]
    assert "- They confirm a time." in system["content"]
    assert not any("Ada" in message["content"] for message in rest)


def test_what_a_brief_leaves_out_is_not_mentioned() -> None:
    """No empty headings: a model would fill them."""
    alone = messages_of(replace(ASKED, brief=Brief(task="Say hello. {0}")), None)[0]["content"]
    assert "Your task on it: Say hello. {0}" in alone
    for absent in ("language", "may agree", "must tell", "is for when", "matter"):
        assert absent not in alone
    assert "task" not in messages_of(ASKED, None)[0]["content"]
