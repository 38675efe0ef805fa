"""Conversations in which a service fails: the model, the voice, speech recognition; slow, silent, dripping, broken.

On the system "alone" the service is the only one of its kind; on "together" others take over. Each fault is about the
words, the text or the line of its own conversation, so that all others run beside it undisturbed.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.conversations.script import (
    GREETING,
    HELLO,
    Clip,
    Conversation,
    Cut,
    Expected,
    Fault,
    Line,
    Step,
    Whole,
    asks,
    fault,
    hangs_up,
    hears,
    says,
)
from voicecall.call.phrases import ENGLISH, LANGUAGES

__all__ = ["BAD_DAYS"]

_SORRY: Final = Whole(ENGLISH.agent_failed)
_GOODBYE: Final = Whole(ENGLISH.goodbye)
_FILLERS: Final = tuple(Whole(text) for text in ENGLISH.fillers)
_AGAIN: Final = asks("never mind then", "All right")
_ALL_RIGHT: Final = Whole("All right then.")


def _model(
    name: str, words: str, reply: str | Mapping[str, Any], *heard: Expected, answer: str, **more: Any
) -> Conversation:
    """The caller asks something at which the model fails, then something else, which it answers."""
    return Conversation(
        name=f"model {name}",
        system="alone",
        steps=(hears(GREETING), *asks(words, answer), *_AGAIN, hangs_up()),
        heard=(Whole(GREETING), *heard, _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: reply},
        is_bad_day=True,
        **more,
    )


def _model_for_good(name: str, words: str, reply: Mapping[str, Any], *heard: Expected, **more: Any) -> Conversation:
    """The model fails twice in a row: the bot says goodbye."""
    return Conversation(
        name=f"model {name}",
        system="alone",
        steps=(hears(GREETING), *asks(words, "say that again"), says(words)),
        heard=(Whole(GREETING), *heard),
        turns=(words, words),
        replies={words: reply},
        ends="bot",
        is_bad_day=True,
        **more,
    )


_SLOW: Final = "The slow answer is twelve."
_DRIPS: Final = "This answer comes word by word from the well."

MODEL: Final = (
    _model("slow", "a slow matter", {"reply": _SLOW, "delay_ms": 3500}, _FILLERS[0], Whole(_SLOW), answer="twelve"),
    _model(
        "dripping", "a dripping matter", {"reply": _DRIPS, "per_token_ms": 250}, _FILLERS[0], Whole(_DRIPS), answer="the well"
    ),
    _model(
        "breaks off", "a broken matter", {"reply": "It is a long. Story about a broken thing.", "cut_after_tokens": 5},
        Whole("It is a long."), _SORRY, answer="say that again",
    ),
    _model(
        "cut before a word", "an abrupt matter", {"reply": "The abrupt answer.", "cut_after_tokens": 0, "times": 1},
        Whole("You said: an abrupt matter."), answer="abrupt matter",
    ),
    _model(
        "busy", "a busy matter", {"status": 429, "retry_after_s": 1, "times": 1}, Whole("You said: a busy matter."),
        answer="a busy matter",
    ),
    _model("refuses the key", "a locked matter", {"status": 401}, _SORRY, answer="say that again", is_short=True),
    _model("empty", "an empty matter", {"reply": ""}, _SORRY, answer="say that again"),
    _model("filtered", "a filtered matter", {"reply": "", "finish": "content_filter"}, _SORRY, answer="say that again"),
    _model(
        "filtered in mid-reply", "half a matter", {"reply": "The first half.", "finish": "content_filter"},
        Whole("The first half."), answer="first half",
    ),
    _model(
        "declines", "a naughty matter", {"reply": "I cannot help with that.", "refusal": True},
        Whole("I cannot help with that."), answer="help with that",
    ),
    _model_for_good(
        "silent", "a silent matter", {"reply": "too late", "delay_ms": 60_000}, _FILLERS[0], _SORRY, _FILLERS[1], _GOODBYE,
        is_short=True,
    ),
    _model_for_good("failing", "a failing matter", {"status": 500}, _SORRY, _GOODBYE),
    Conversation(
        name="model slow twice",
        system="alone",
        steps=(hears(GREETING), *asks("one slow thing", "thing one"), *asks("two slow things", "thing two"), hangs_up()),
        heard=(Whole(GREETING), _FILLERS[0], Whole("Here is thing one."), _FILLERS[1], Whole("Here is thing two.")),
        turns=("one slow thing", "two slow things"),
        replies={
            "one slow thing": {"reply": "Here is thing one.", "delay_ms": 3500},
            "two slow things": {"reply": "Here is thing two.", "delay_ms": 3500},
        },
        is_bad_day=True,
    ),
)  # fmt: skip


def _in(language: str, words: str) -> Conversation:
    """The model fails, and the apology is in the caller's language."""
    return Conversation(
        name=f"apology in {language}",
        system="alone",
        line=Line(language=language),
        steps=(hears("help you"), says(words), {"wait_quiet_ms": 600, "within_ms": 15_000}, *_AGAIN, hangs_up()),
        heard=(Whole(HELLO), Whole(LANGUAGES[language].agent_failed), _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: {"status": 500}},
        is_bad_day=True,
        is_short=language == "ja",
    )


APOLOGIES: Final = (
    _in("de", "eine schwierige Frage"),
    _in("ja", "難しい質問"),
    _in("ar", "سؤال صعب"),
    _in("es", "una pregunta difícil"),
)


# --- the voice


def _voice(
    name: str,
    *heard: Expected,
    voices: tuple[str, ...],
    faults: tuple[Fault, ...],
    text: str,
    system: str,
    language: str = "",
    **more: Any,
) -> Conversation:
    """The voice fails at the reply; what is asked afterwards is answered."""
    words = f"what about {name}"
    return Conversation(
        name=f"voice {name}",
        system=system,
        line=Line(voices=voices, language=language),
        steps=(hears("help you"), says(words), {"wait_quiet_ms": 900, "within_ms": 15_000}, *_AGAIN, hangs_up()),
        heard=(Whole(HELLO), *heard, _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: text},
        faults=faults,
        is_bad_day=True,
        **more,
    )


def _voice_alone(name: str, *heard: Expected, text: str, **do: Any) -> Conversation:
    times = do.pop("times", None)
    more = do.pop("more", {})
    failing = (fault("openai", "speech", text, times=times, **do),)
    return _voice(name, *heard, voices=("openai",), faults=failing, text=text, system="alone", **more)


VOICE_ALONE: Final = (
    _voice_alone("slow", Whole("The slow voice."), text="The slow voice.", delay_ms=1200),
    _voice_alone(
        "dripping", Whole("The dripping voice speaks."), text="The dripping voice speaks.", chunk_bytes=2400, per_chunk_ms=120
    ),
    _voice_alone("busy", Whole("The busy voice."), text="The busy voice.", status=429, retry_after_s=1, times=1),
    _voice_alone("locked", Whole(ENGLISH.voice_failed), text="The locked voice.", status=401),
    _voice_alone("garbled", Whole(ENGLISH.voice_failed), text="The garbled voice.", disguise="mp3"),
    _voice_alone(
        "broken", Cut("The broken voice stops here."), Whole(ENGLISH.voice_failed),
        text="The broken voice stops here.", cut_after_bytes=24_000,
    ),
    _voice_alone("hanging", Clip(), text="The hanging voice.", hang=True, more={"within_ms": 11_000}),
    _voice(
        "gone", Clip("it"), voices=("openai",), text="The voice is gone.", system="alone",
        faults=(fault("openai", "speech", "voice is gone|difficoltà a parlare", status=500),), language="it", is_short=True,
    ),
)  # fmt: skip

_PLACES: Final = {
    "openai": "speech",
    "deepgram": "speech",
    "elevenlabs-websocket": "context",
    "openai-realtime": "reading",
}
_HOW: Final[Mapping[str, Mapping[str, Any]]] = {
    "refused": {"status": 401},
    "busy": {"status": 429, "retry_after_s": 20},
    "down": {"status": 503},
    "silent": {"hang": True},
    "garbled": {"disguise": "mp3"},
    "slow": {"delay_ms": 1500},
}


def _replaced(voice: str, how: str, then: str) -> Conversation:
    """Within the turn another voice says the same."""
    text = f"This is {voice.replace('-', ' ')} being {how}."
    service = voice.partition("-")[0]
    return _voice(
        f"{voice} {how}",
        Whole(text),
        voices=(voice, then),
        faults=(fault(service, _PLACES[voice], text, **_HOW[how]),),
        text=text,
        system="together",
        within_ms=5000,
    )


VOICES: Final = (
    *(_replaced("elevenlabs-websocket", how, "deepgram") for how in _HOW),
    *(_replaced("deepgram", how, "compatible") for how in ("refused", "silent", "garbled")),
    *(_replaced("openai-realtime", how, "deepgram") for how in ("down", "silent")),
    _voice(
        "elevenlabs breaks off", Cut("The text of this sentence breaks off soon."), Whole(ENGLISH.voice_failed),
        voices=("elevenlabs-websocket", "deepgram"), text="The text of this sentence breaks off soon.", system="together",
        faults=(fault("elevenlabs", "context", "sentence breaks off", cut_after_bytes=4000, chunk_bytes=400, per_chunk_ms=30),),
    ),
)  # fmt: skip


# --- speech recognition


def _recognition(
    name: str, words: str, *heard: Expected, faults: tuple[Fault, ...], system: str, **more: Any
) -> Conversation:
    """Recognition fails at these words, which are answered all the same unless `heard` says otherwise."""
    given = {"turns": (words, "never mind then"), **more}
    return Conversation(
        name=f"recognition {name}",
        system=system,
        steps=(
            hears("help you" if "line" in more else GREETING),
            says(words),
            {"wait_quiet_ms": 900, "within_ms": 20_000},
            *_AGAIN,
            hangs_up(),
        ),
        heard=(Whole(HELLO if "line" in more else GREETING), *(heard or (Whole("It is raining."),)), _ALL_RIGHT),
        faults=faults,
        is_bad_day=True,
        **given,
    )


def _recognition_alone(
    name: str, words: str, *heard: Expected, where: str, more: Mapping[str, Any] | None = None, **do: Any
) -> Conversation:
    failing = (fault("openai", where, words[:30], times=1, **do),)
    return _recognition(name, words, *heard, faults=failing, system="alone", **(more or {}))


RECOGNITION_ALONE: Final = (
    _recognition_alone("slow", "the weather slowly", where="transcript", delay_ms=1000),
    _recognition_alone("twice", "the weather twice", where="transcript", duplicate=True),
    _recognition_alone("garbled", "the weather garbled", where="words", garbage=True),
    _recognition_alone("breaks off", "the weather when the line breaks off", where="words", drop=True),
    _recognition_alone(
        "silent", "the weather in silence", Whole(ENGLISH.not_caught), where="transcript", hang=True,
        more={"turns": ("never mind then",), "within_ms": 9000},
    ),
    _recognition_alone(
        "fails", "the weather failing", Whole(ENGLISH.not_caught), where="transcript", failed=True,
        more={"turns": ("never mind then",), "within_ms": 9000},
    ),
)  # fmt: skip


def _relieved(name: str, language: str, words: str, *faults: Fault, **more: Any) -> Conversation:
    """Another service hears the same words. The language gives the line recognition of its own."""
    return _recognition(
        name, words, faults=faults, system="together", line=Line(language=language), within_ms=5000, **more
    )


RECOGNITION: Final = (
    _relieved("refused", "nl", "the weather unlocked", fault("deepgram", "listen", "=nl", status=401)),
    _relieved("busy", "it", "the weather in a rush", fault("deepgram", "listen", "=it", status=429, retry_after_s=30)),
    _relieved("hanging", "pt", "the weather unanswered", fault("deepgram", "listen", "=pt", hang=True)),
    _relieved(
        "refused twice", "fr", "the weather at the third", fault("deepgram", "listen", "=fr", status=401),
        fault("elevenlabs", "listen", "=fr", status=503),
    ),
    _relieved("falls silent", "en-GB", "the weather when muted", fault("deepgram", "words", "when mut", mute=True)),
    _relieved("breaks off in mid-turn", "en-AU", "the weather all broken up", fault("deepgram", "words", "all bro", drop=True)),
    _relieved("garbles", "en-NZ", "the weather in garbage", fault("deepgram", "words", "in gar", garbage=True)),
    _relieved("owes a transcript", "pl", "the weather unwritten", fault("deepgram", "transcript", "unwritten", hang=True)),
    _relieved("is slow", "en-IN", "the weather late", fault("deepgram", "transcript", "weather late", delay_ms=1000)),
)  # fmt: skip


def _bystander(number: int, system: str) -> Conversation:
    """Does not feel any of it: every answer as soon as ever."""
    steps: tuple[Step, ...] = ()
    for _ in range(4):
        steps += (*asks("how is the weather", "raining"), *asks("and tomorrow", "snow"))
    replies = (Whole("It is raining."), Whole("It will snow.")) * 4
    return Conversation(
        name=f"bystander {number} {system}",
        system=system,
        steps=(hears(GREETING), *steps, hangs_up()),
        heard=(Whole(GREETING), *replies),
        turns=("how is the weather", "and tomorrow") * 4,
    )


BYSTANDERS: Final = tuple(_bystander(number, system) for system in ("alone", "together") for number in (1, 2))

BAD_DAYS: Final = (*MODEL, *APOLOGIES, *VOICE_ALONE, *VOICES, *RECOGNITION_ALONE, *RECOGNITION, *BYSTANDERS)
