"""Of a model's output only what is meant for the caller is spoken, wherever the pieces are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.text.spoken import SpokenText, speech_in


def said_of(written: str, size: int = 1000) -> str:
    spoken = SpokenText()
    return "".join(spoken.feed(written[at : at + size]) for at in range(0, len(written), size)) + spoken.flush()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Good morning.", "Good morning."),
        ("<think>hm, {}</think> Good morning.", "Good morning."),
        ("<think>never ends", ""),
        ('{"spoken": "Good morning."}', "Good morning."),
        ('```json\n{"spoken": "Good \\"morning\\"."}\n```', 'Good "morning".'),
        ('{"spoken": ""}', ""),
        ('{"spoken": "Good morning."', "Good morning."),
        ("{no envelope}", "{no envelope}"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_only_the_spoken_part_of_the_output_remains(written: str, said: str, size: int) -> None:
    assert said_of(written, size) == said


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "written",
    [
        "<thinking>hm</thinking>Good morning.",
        "<reasoning>hm</reasoning>Good morning.",
        "<THINK>hm</THINK>Good morning.",
        "<Think>hm</think >Good morning.",
        '<thinking mode="deep">\nhm\n</thinking>\nGood morning.',
        "[THINK]hm[/THINK]Good morning.",
        "◁think▷hm◁/think▷Good morning.",
        "<|begin_of_thought|>hm<|end_of_thought|>Good morning.",
        "<think></think>Good morning.",
        "<think/>Good morning.",
        "<scratchpad>a < b and <b>c</b></scratchpad>Good morning.",
        "<think>one</think><think>two</think>Good morning.",
        "<think>a<think>b</think>c</think>Good morning.",
        "<reasoning>hm</think>Good morning.",
        "<thought_process>hm</thought_process>Good morning.",
        "<antThinking>hm</antThinking>Good morning.",
        "<internal>hm</internal>Good morning.",
        "[REASONING]hm[/REASONING]Good morning.",
        "[think]hm[/think]Good morning.",
        "\uff1cthink\uff1ehm\uff1c/think\uff1eGood morning.",
        "&lt;think&gt;a & b&lt;/think&gt;Good morning.",
        "<think>hm<\\/think>Good morning.",
        "<|think|>hm</think|>Good morning.",
        "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Good morning.<|END_RESPONSE|>",
        "<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>Good morning.<|end_of_solution|>",
        '<details type="reasoning" done="true"><summary>Thought for 2 s</summary>hm</details>Good morning.',
        "<unused94>hm<unused95>Good morning.",
        "<!-- thinking: hm -> hm -->Good morning.",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Good morning.<|return|>",
        "<|im_start|>assistant\nGood morning.<|im_end|>\n<|im_start|>user\nAnd you?",
        "<|start_header_id|>assistant<|end_header_id|>\n\nGood morning.<|eot_id|>",
        "Good morning.<\uff5cend▁of▁sentence\uff5c>",
        "<start_of_turn>model\nGood morning.<end_of_turn>",
    ],
)
def test_a3_reasoning_is_not_heard_in_any_spelling(written: str, size: int) -> None:
    assert said_of(written, size).strip() == "Good morning."


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "written",
    [
        '<tool_call>\n{"name": "clock", "arguments": {"a": 1}}\n</tool_call>Good morning.',
        'Good morning.<tool_call>{"name": "clock", "argum',
        '<function=clock>{"a": 1}</function>Good morning.',
        '<function_calls><invoke name="a"><parameter name="b">1</parameter>x</invoke></function_calls>Good morning.',
        '<tool_response>{"t": "<b>"}</tool_response>Good morning.',
        "Good morning.<|python_tag|>clock.call(a=1)<|eom_id|>",
        'Good morning.[TOOL_CALLS][{"name": "clock", "arguments": {}}]',
        "<|tool▁calls▁begin|><|tool▁call▁begin|>x<|tool▁sep|>y<|tool▁call▁end|><|tool▁calls▁end|>Good morning.".replace(
            "|", "\uff5c"
        ),
        "<|tool_call_begin|>functions.clock:0<|tool_call_argument_begin|>{}<|tool_call_end|>Good morning.",
        "<|channel|>commentary to=functions.a <|constrain|>json<|message|>{}<|call|>Good morning.",
        'Good morning. {"name": "clock", "arguments": {"a": "}"}}',
    ],
)
def test_a3_a_call_of_a_tool_that_is_written_as_text_is_not_heard(written: str, size: int) -> None:
    assert said_of(written, size).strip() == "Good morning."


@pytest.mark.parametrize(
    "written", ["AT&T & a < b", "Use [the tool] & <b>go</b>", "x <y and &lt; z", "[T", '{"name": "Ann"}']
)
def test_a3_what_only_looks_like_a_mark_is_kept(written: str) -> None:
    assert said_of(written, 1) == said_of(written) == written


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a3_a_block_after_the_first_words_is_not_heard(size: int) -> None:
    written = "Good <b>day</b>. It is <thinking>the clock says 12</thinking>noon.<reasoning>Was that right?"
    assert said_of(written, size) == "Good <b>day</b>. It is noon."


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize("before", ["Okay, hm", "The user says hello. I should greet them.\n", 'Answer with {"spoken'])
def test_a3_what_precedes_a_lone_closing_tag_is_not_heard(before: str, size: int) -> None:
    """Where the opening tag belongs to the prompt, a service sends only the closing one."""
    assert said_of(f"{before}</think>\n\nGood morning.", size) == "Good morning."


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "written",
    [
        "The user asks for the time. I should answer briefly. It is noon.",
        "The user wants to know the time. It is noon.",
        "Okay, the user is asking for the time. Let me respond politely. It is noon.",
        "I need to keep it short.\n\nIt is noon.",
        "User wants the time. We should tell them the time. It is noon.",
        "Hmm, the caller is asking for the time.\nIt is noon.",
        "First, I need to greet the caller. Then, I will ask for the name. It is noon.",
        "Thought: the user wants the time.\nAction: none\nFinal Answer: It is noon.",
        "The caller asks for the time. I should be brief. It is noon.",
        "Thinking: they want the time. Be brief.\nAnswer: It is noon.",
        "**Reasoning:**\n1. They want the time.\n2. Be brief.\n\n**Response:** It is noon.",
        "The user's question is about the time. I'll answer briefly. Final answer: It is noon.",
        'The user said "what time is it". I must reply in one sentence. It is noon.',
    ],
)
def test_a24_planning_text_is_not_heard(written: str, size: int) -> None:
    assert said_of(written, size).strip() == "It is noon."


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "written",
    [
        'Here is my reply: {"spoken": "It is noon."}',
        'Here is my reply:\n```json\n{"spoken": "It is noon."}\n```\nI hope that helps.',
        'I can help with that. ```json\n{"spoken": "It is noon."}\n```',
        '{"thought": "they say {hi}", "spoken": "It is noon."} Done.',
        '{"reply": "It is noon."}',
        "{'spoken': 'It is noon.'}",
        '{spoken: "It is noon."}',
        '```\n{ "spoken" : "It is noon." ',
        '<think>{"spoken": "no"}</think>{"spoken": "It is noon."}',
    ],
)
def test_a24_only_the_text_in_an_envelope_is_heard(written: str, size: int) -> None:
    assert said_of(written, size).strip() == "It is noon."


def test_a24_of_the_text_before_an_envelope_only_whole_sentences_are_heard() -> None:
    """They have been passed on when the envelope begins."""
    assert said_of('Sure! Here is the JSON: {"spoken": "It is noon."} Ask me more.', 1) == "Sure! It is noon."


@pytest.mark.parametrize(
    "written",
    [
        "I must apologise for the delay. The parcel is late.",
        "I need to call my manager. One moment.",
        "We should ask Bob. He knows.",
        "I can answer that. It is noon.",
        "We need to check the stock. They want it counted.",
        "I have to be honest: it is broken. Let me write that down.",
        "I should go now, thank you for calling. Goodbye.",
        "I should answer that with a colleague.",
        "The user manual is in the drawer. Have a look.",
        "The caller before the last one asked for Ann. Is that you?",
        "Let me think. It is noon.",
        "Okay. Well, I need to ask you something.",
        "I need to ask you for your name. Is that all right?",
        "They want forty euros for it. Shall I take it?",
        "We will call back. The answer is {42}.",
        "Yes.\nNo.\n",
    ],
)
def test_a24_what_is_for_the_caller_is_kept_to_the_letter(written: str) -> None:
    """A reply is shortened only where it is surely planning."""
    assert said_of(written, 1) == said_of(written) == written


def test_a24_a_sentence_passes_when_the_text_behind_it_begins() -> None:
    """No later: the caller waits for it."""
    spoken = SpokenText()
    assert spoken.feed("It is noon. ") == ""
    assert spoken.feed("A") == "It is noon. "
    assert spoken.feed("nd sunny.\n") == ""
    assert spoken.feed("Yes") == "And sunny.\n"


def test_a24_a_long_sentence_passes_before_its_end() -> None:
    spoken = SpokenText()
    assert spoken.feed("it goes on and on and " * 10) == "it goes on and on and " * 10
    assert spoken.feed("on. No") == "on. "


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"spoken": "It is\nnoon."}', "It is\nnoon."),
        ('{"spoken": "It is\tnoon,\r\n\x01yes."}', "It is\tnoon,\r\n\x01yes."),
        ('{"spoken": "It is\nnoon.', "It is\nnoon."),
        ('{"spoken": "He said "noon"\nto me."}', 'He said "noon"\nto me.'),
        ('{"spoken": "ca\\u0066\\u00e9", "n": 1,}', "café"),
        ('{"spoken": "a \\q b"}', "a q b"),
    ],
)
def test_b12_json_that_breaks_the_rules_is_read_leniently(written: str, said: str, size: int) -> None:
    """A raw line break in a string is no JSON, but what is meant is clear."""
    assert said_of(written, size) == said


def test_b12_an_object_without_end_is_bounded() -> None:
    spoken = SpokenText()
    for _ in range(100):
        spoken.feed('{"spoken": [' + "1," * 1_000)
    assert len(spoken._envelopes._held) < 100_000  # what is held is the point


_marks = st.text(st.sampled_from('<>/think[]{}"spoken:`\n .,IshouldanswerTheuser'), max_size=20)


_PARTS = [
    *(
        "<think>",
        "</think>",
        '{"spoken": "',
        '"}',
        "The user asks. ",
        "<answer>",
        "</answer>",
        "Final answer: ",
        "analysis",
    ),
    *("<|start|>", "<|channel|>", "final", "<|message|>", "<|end|>", "assistantfinal", "A. ", "用户想知道。", "[{"),
]


@settings(deadline=None)
@given(st.lists(_marks | st.sampled_from(_PARTS), max_size=8))
def test_where_the_output_is_cut_makes_no_difference(pieces: list[str]) -> None:
    spoken = SpokenText()
    assert "".join(map(spoken.feed, pieces)) + spoken.flush() == said_of("".join(pieces), 1)


def test_a_message_of_a_client_is_read_as_a_whole_and_plans_nothing() -> None:
    assert speech_in("The user asks. I should answer.") == "The user asks. I should answer."
    assert speech_in("<think>hm</think>Good morning.") == "Good morning."
    assert speech_in('See: {"spoken": "Good\nmorning."}') == "Good\nmorning."
    assert speech_in("hm</think>Good morning.") == "Good morning."
