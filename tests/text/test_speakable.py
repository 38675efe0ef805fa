"""What is said of a text that a client or an operator wrote."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.text.speakable import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Your order is ready.", "Your order is ready."),
        ("  **Hello**,\n\n your *order*   is ready ", "Hello,\nyour order is ready"),
        ("See [the page](https://example.com/x) or https://example.com/y!", "See the page or example.com!"),
        ("Great \U0001f600 news", "Great news"),
        ("<think>be nice</think>Hello", "Hello"),
        ("[[tts:voice=nova]]Hello", "Hello"),
        ('{"spoken": "Hello"}', "Hello"),
        ("The user asks. I should answer.", "The user asks. I should answer."),
        ("\U0001f600", ""),
        ("**", ""),
        ("<think>only this</think>", ""),
        ("```\ncode\n```", ""),
        ("?!", ""),
        ('```json\n{"action": "clock", "action_input": {}}\n```\nHello', "Hello"),
        ("<think>hm</think>&lt;tool_call&gt;x&lt;/tool_call&gt;Hello[^1] **Ann**", "Hello Ann"),
        ('<tool_call>{"name": "clock"}</tool_call>', ""),
    ],
)
def test_a2_a_written_text_becomes_what_is_said(written: str, said: str) -> None:
    assert speakable(written) == said


@settings(deadline=None)  # a property, not a time
@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1).map(" ".join))
def test_a2_plain_text_stays_as_it_is(text: str) -> None:
    assert speakable(text) == text
