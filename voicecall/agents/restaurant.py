"""What the demo's restaurant answers: opening hours, a table, an order, small talk, goodbye. Pure.

The conversation so far is what the caller said, so any worker arrives at the same reply. Words are compared loosely:
recognition on a telephone line mishears some ("pieces" for "pizzas").
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

__all__ = ["GREETING", "NAME", "Answer", "answers"]

NAME: Final = "the Harbour Kitchen"
GREETING: Final = "Harbour Kitchen, good evening. How can I help you?"

_ELSE: Final = "Is there anything else I can do for you?"
_HOURS: Final = ("We are open every day from noon to ten in the evening.", "The kitchen closes at half past nine.")
_MENU: Final = (
    "With pleasure, and stop me whenever you have heard enough.",
    "We begin with a tomato soup with basil, a green salad with walnuts, and grilled sardines from the boat.",
    "Then there is pasta with mushrooms, a pizza from the wood oven, and the fish of the day with lemon potatoes.",
    "For dessert we have a chocolate cake that is still warm, and ice cream in five flavours.",
    "What would you like?",
)
_HELP: Final = "You can ask for our opening hours, book a table, or order a meal."
_NUMBERS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_MISHEARD: Final = {"to": 2, "too": 2, "for": 4, "won": 1, "ate": 8, "a": 1, "an": 1, "couple": 2, "dozen": 12}
_DISHES: Final = {
    "soup": ("soup", "soups", "soop"),
    "salad": ("salad", "salads", "ballad"),
    "pizza": ("pizza", "pizzas", "pieces", "pizzes"),
    "pasta": ("pasta", "pastas", "pastor"),
    "fish": ("fish", "fishes", "fits"),
    "cake": ("cake", "cakes", "kate"),
    "ice cream": ("ice", "icecream"),
}
_MANY: Final = {"soup": "soups", "salad": "salads", "pizza": "pizzas", "pasta": "pastas", "cake": "cakes"}
_ALIKE: Final = 0.82
_LEAST_ALIKE: Final = 5  # letters of a word that may be misheard


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`takes_time`: it has to be asked in the kitchen first. `ends_call`: it is the last one."""

    sentences: tuple[str, ...]
    takes_time: bool = False
    ends_call: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """`asked`: what the last sentence asked for: people, time, name, dish, more; "" for nothing of these."""

    asked: str = ""
    people: int = 0
    time: str = ""
    dishes: tuple[tuple[str, int], ...] = ()
    puzzled: int = 0


_Turn = tuple[_State, Answer]


def answers(said: Sequence[str]) -> list[Answer]:
    """The answer to each utterance of the caller."""
    state, given = _State(), []
    for text in said:
        state, answer = _answer(state, _words(text))
        given.append(answer)
    return given


def _words(text: str) -> list[str]:
    plain = re.sub(r"(\d)[:.](\d\d)\b", r"\1\2", text.lower().replace("'", "").replace("’", ""))  # noqa: RUF001
    return re.findall(r"[^\W_]+", plain)


def _answer(state: _State, words: list[str]) -> _Turn:
    for topic in (_goodbye, _awaited, _table, _order, _question):
        found = topic(state, words)
        if found is not None:
            return found
    return _puzzled(state)


def _puzzled(state: _State) -> _Turn:
    again = {
        "people": "How many people will you be?",
        "time": "At what time would you like to come?",
        "dish": "What would you like to order?",
    }.get(state.asked, _HELP)
    return replace(state, puzzled=state.puzzled + 1), _say(
        ("Sorry, I did not understand that.", "Excuse me, the line is not very good.")[state.puzzled % 2], again
    )


# --- topics, in the order in which they are tried


def _goodbye(state: _State, words: list[str]) -> _Turn | None:
    """Goodbye; also the answer no to whether there is anything else."""
    leaves = _has(words, "bye", "goodbye", "farewell", "goodnight") or _is_in(("good bye", "hang up"), words)
    is_done = state.asked != "more" and _is_all(words)
    if not (leaves or is_done or (state.asked == "else" and _is_no(words))):
        return None
    closing = ("Thank you for calling the Harbour Kitchen.", "Goodbye!")
    return replace(state, asked=""), replace(_say(*closing), ends_call=True)


def _awaited(state: _State, words: list[str]) -> _Turn | None:
    """The answer to the last question."""
    read = _AWAITED.get(state.asked)
    return None if read is None else read(state, words)


def _people(state: _State, words: list[str]) -> _Turn | None:
    people = _number(words)
    return None if people is None else _book(replace(state, people=people))


def _time(state: _State, words: list[str]) -> _Turn | None:
    time = _clock_time(words)
    return None if not time else _book(replace(state, time=time))


def _name(state: _State, words: list[str]) -> _Turn | None:
    if not words or _has(words, "hours", "table", "order"):
        return None
    known = {
        "my",
        "name",
        "is",
        "its",
        "it",
        "the",
        "under",
        "for",
        "please",
        "im",
        "i",
        "am",
        "this",
        "yes",
        "um",
        "uh",
    }
    name = " ".join(word.capitalize() for word in words if word not in known and word.isalpha())[:40]
    thanks = f"Thank you, {name}." if name else "Thank you."
    booked = f"Your table for {_spoken(state.people)} at {state.time} is booked."
    return _State(asked="else"), _say(thanks, booked, _ELSE)


def _more(state: _State, words: list[str]) -> _Turn | None:
    dishes = _dishes(words)
    if dishes:
        return _ordered(state, dishes)
    if _is_no(words) or _is_all(words):
        ready = f"Then that is {_listed(state.dishes)}, ready in twenty minutes."
        return _State(asked="else"), _say(ready, _ELSE)
    return (replace(state, asked="dish"), _say("What else would you like?")) if _is_yes(words) else None


def _anything_else(_: _State, words: list[str]) -> _Turn | None:
    return (_State(), _say("Of course.", _HELP)) if _is_yes(words) and len(words) <= 3 else None


_AWAITED: Final[dict[str, Callable[[_State, list[str]], _Turn | None]]] = {
    "people": _people,
    "time": _time,
    "name": _name,
    "dish": _more,
    "more": _more,
    "else": _anything_else,
}


def _table(state: _State, words: list[str]) -> _Turn | None:
    if not _has(words, "table", "book", "booking", "reserve", "reservation", "dinner"):
        return None
    return _book(replace(state, people=_number_behind(words, "for") or 0, time=_clock_time(words)))


def _book(state: _State) -> _Turn:
    """Ask for what is missing of a booking."""
    if not state.people:
        return replace(state, asked="people"), _say("With pleasure.", "For how many people?")
    if not state.time:
        asks = f"A table for {_spoken(state.people)}, gladly."
        return replace(state, asked="time"), _say(asks, "At what time?")
    asks = f"A table for {_spoken(state.people)} at {state.time}, we have one by the window."
    return replace(state, asked="name"), _say(asks, "What name shall I write down?")


def _order(state: _State, words: list[str]) -> _Turn | None:
    if _has(words, "menu", "dishes", "recommend", "specials"):
        return replace(state, asked="dish"), _say(*_MENU)
    if _has(words, *_KITCHEN):
        checked = "The kitchen says: the soup and the pasta are without nuts and milk, the salad has walnuts."
        return replace(state, asked="else"), replace(_say(checked, _ELSE), takes_time=True)
    dishes = _dishes(words)
    if dishes:
        return _ordered(state, dishes)
    if _has(words, "order", "eat", "hungry", "takeaway", "delivery", "meal", "food"):
        return replace(state, asked="dish"), _say("Gladly.", "What would you like to eat?")
    return None


_KITCHEN: Final = (
    "nuts",
    "allergy",
    "allergic",
    "allergies",
    "vegan",
    "vegetarian",
    "gluten",
    "lactose",
    "chef",
    "cook",
)


def _ordered(state: _State, dishes: tuple[tuple[str, int], ...]) -> _Turn:
    whole = dict(state.dishes)
    for dish, count in dishes:
        whole[dish] = whole.get(dish, 0) + count
    state = replace(state, dishes=tuple(whole.items()), asked="more")
    return state, _say(f"I have written down {_listed(state.dishes)}.", "Anything else with that?")


def _question(state: _State, words: list[str]) -> _Turn | None:
    for about, sentences in _QUESTIONS:
        if _is_in(about, words) or _has(words, *(word for word in about if " " not in word)):
            return replace(state, asked="else" if sentences[-1] == _ELSE else ""), _say(*sentences)
    if _is_yes(words) or _is_no(words):
        return replace(state, asked="else"), _say("All right.", _ELSE)
    return None


_QUESTIONS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (
        ("hours", "open", "opening", "close", "closed", "closing", "sunday", "monday", "today", "tonight"),
        (*_HOURS, _ELSE),
    ),
    (
        ("where", "address", "parking", "park", "directions"),
        ("We are on the harbour, next to the old lighthouse.", "You can park behind the building.", _ELSE),
    ),
    (
        ("hear me", "still there", "you there"),
        ("Yes, I am here, and I can hear you well.", "What can I do for you?"),
    ),
    (
        ("robot", "human", "computer", "machine", "real person", "who are you", "your name"),
        ("I am the voice of the Harbour Kitchen, a small program without a language model.", _HELP),
    ),
    (("how are you", "how are things"), ("I am very well, thank you, and the soup smells wonderful.", _HELP)),
    (("joke", "funny"), ("Why did the tomato turn red?", "Because it saw the salad dressing.", _ELSE)),
    (("weather", "rain", "sunny"), ("From the window it looks like a fine evening for a walk on the pier.", _ELSE)),
    (("sorry", "wrong number", "mistake"), ("That is quite all right.", _ELSE)),
    (("thank", "thanks", "great", "lovely", "perfect", "wonderful"), ("You are very welcome.", _ELSE)),
    (("hello", "hi", "hey", "good evening", "good morning", "good day"), ("Hello!", _HELP)),
    (("help", "what can you do", "what can i"), (_HELP,)),
)


# --- words


def _say(*sentences: str) -> Answer:
    return Answer(sentences=sentences)


def _has(words: Sequence[str], *wanted: str) -> bool:
    """Whether one of the words is among those wanted, or sounds much like one."""
    return any(word == each or _is_alike(word, each) for word in words for each in wanted)


def _is_alike(word: str, wanted: str) -> bool:
    if min(len(word), len(wanted)) < _LEAST_ALIKE:
        return False
    return SequenceMatcher(None, word, wanted, autojunk=False).ratio() >= _ALIKE


def _is_in(phrases: Sequence[str], words: Sequence[str]) -> bool:
    text = f" {' '.join(words)} "
    return any(f" {phrase} " in text for phrase in phrases if " " in phrase)


def _is_yes(words: list[str]) -> bool:
    return _has(words, "yes", "yeah", "yep", "sure", "please", "ok", "okay", "right", "correct") and not _is_no(words)


def _is_no(words: list[str]) -> bool:
    return _has(words, "no", "nope", "nothing", "know", "nah") or _is_in(("not now", "im fine", "i am fine"), words)


def _is_all(words: list[str]) -> bool:
    return _is_in(("thats all", "that is all", "that was all", "nothing else", "thats it", "good night"), words)


def _value(word: str) -> int | None:
    if word.isdecimal() and len(word) <= 2:
        return int(word)
    return _NUMBERS.index(word) if word in _NUMBERS else None


def _number(words: list[str]) -> int | None:
    """A number of people; words that sound like a number count only when there is no number."""
    exact = next((value for word in words if (value := _value(word))), None)
    return exact or next((_MISHEARD[word] for word in reversed(words) if word in _MISHEARD), None)


def _number_behind(words: list[str], before: str) -> int | None:
    """As in "for four"."""
    return next((number for first, word in pairwise(words) if first == before and (number := _value(word))), None)


def _clock_time(words: list[str]) -> str:
    """A time of day as it is said again: "7:30", "half past seven", "8"; "" when there is none."""
    past = {"half": "half past", "quarter": "quarter past"}
    for at, word in enumerate(words):
        if word.isdecimal() and len(word) in (3, 4):
            hour, minute = int(word[:-2]), int(word[-2:])
            if hour < 24 and minute < 60:
                return f"{hour}:{minute:02}" if minute else f"{hour} o'clock"
        if word in past and words[at + 1 : at + 2] == ["past"] and (hour_past := _number(words[at + 2 : at + 3])):
            return f"{past[word]} {_spoken(hour_past)}"
    return next((_hour(words, at) for at, word in enumerate(words) if word in ("at", "around", "about")), "") or (
        _hour(["at", *words], 0) if len(words) <= 4 else ""
    )


def _hour(words: list[str], at: int) -> str:
    hour = _value(words[at + 1]) if at + 1 < len(words) else None
    if not hour or hour > 23:
        return ""
    follows = words[at + 2] if at + 2 < len(words) else ""
    minutes = {"thirty": 30, "fifteen": 15, "forty": 40, "twenty": 20, "30": 30, "15": 15, "45": 45}.get(follows)
    return f"{hour}:{minutes}" if minutes else f"{hour} o'clock"


def _dishes(words: list[str]) -> tuple[tuple[str, int], ...]:
    """The dishes in an order, each with the number before it."""
    found: dict[str, int] = {}
    count = 1
    for word in words:
        value = _value(word) or _MISHEARD.get(word)
        if value:
            count = value
            continue
        for dish, heard in _DISHES.items():
            if _has([word], *heard):
                found[dish], count = found.get(dish, 0) + min(count, 50), 1
    return tuple(found.items())


def _listed(dishes: tuple[tuple[str, int], ...]) -> str:
    names = [f"{_spoken(count)} {dish if count == 1 else _MANY.get(dish, dish)}" for dish, count in dishes]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"


def _spoken(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
