"""What the demo's restaurant answers: opening hours, a table, an order, small talk, goodbye. Pure.

The conversation so far is what the caller said, so any worker arrives at the same reply. Words are compared loosely:
recognition on a telephone line mishears some ("pieces" for "pizzas").
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from voicecall.agents.loose_words import (
    MISHEARD,
    clock_time,
    has,
    is_all,
    is_in,
    is_no,
    is_yes,
    number,
    number_behind,
    spelt,
    value,
    words_of,
)

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
        state, answer = _answer(state, words_of(text))
        given.append(answer)
    return given


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
    leaves = has(words, "bye", "goodbye", "farewell", "goodnight") or is_in(("good bye", "hang up"), words)
    is_done = state.asked != "more" and is_all(words)
    if not (leaves or is_done or (state.asked == "else" and is_no(words))):
        return None
    closing = ("Thank you for calling the Harbour Kitchen.", "Goodbye!")
    return replace(state, asked=""), replace(_say(*closing), ends_call=True)


def _awaited(state: _State, words: list[str]) -> _Turn | None:
    """The answer to the last question."""
    read = _AWAITED.get(state.asked)
    return None if read is None else read(state, words)


def _people(state: _State, words: list[str]) -> _Turn | None:
    people = number(words)
    return None if people is None else _book(replace(state, people=people))


def _time(state: _State, words: list[str]) -> _Turn | None:
    time = clock_time(words)
    return None if not time else _book(replace(state, time=time))


def _name(state: _State, words: list[str]) -> _Turn | None:
    if not words or has(words, "hours", "table", "order"):
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
    booked = f"Your table for {spelt(state.people)} at {state.time} is booked."
    return _State(asked="else"), _say(thanks, booked, _ELSE)


def _more(state: _State, words: list[str]) -> _Turn | None:
    dishes = _dishes(words)
    if dishes:
        return _ordered(state, dishes)
    if is_no(words) or is_all(words):
        ready = f"Then that is {_listed(state.dishes)}, ready in twenty minutes."
        return _State(asked="else"), _say(ready, _ELSE)
    return (replace(state, asked="dish"), _say("What else would you like?")) if is_yes(words) else None


def _anything_else(_: _State, words: list[str]) -> _Turn | None:
    return (_State(), _say("Of course.", _HELP)) if is_yes(words) and len(words) <= 3 else None


_AWAITED: Final[dict[str, Callable[[_State, list[str]], _Turn | None]]] = {
    "people": _people,
    "time": _time,
    "name": _name,
    "dish": _more,
    "more": _more,
    "else": _anything_else,
}


def _table(state: _State, words: list[str]) -> _Turn | None:
    if not has(words, "table", "book", "booking", "reserve", "reservation", "dinner"):
        return None
    return _book(replace(state, people=number_behind(words, "for") or 0, time=clock_time(words)))


def _book(state: _State) -> _Turn:
    """Ask for what is missing of a booking."""
    if not state.people:
        return replace(state, asked="people"), _say("With pleasure.", "For how many people?")
    if not state.time:
        asks = f"A table for {spelt(state.people)}, gladly."
        return replace(state, asked="time"), _say(asks, "At what time?")
    asks = f"A table for {spelt(state.people)} at {state.time}, we have one by the window."
    return replace(state, asked="name"), _say(asks, "What name shall I write down?")


def _order(state: _State, words: list[str]) -> _Turn | None:
    if has(words, "menu", "dishes", "recommend", "specials"):
        return replace(state, asked="dish"), _say(*_MENU)
    if has(words, *_KITCHEN):
        checked = "The kitchen says: the soup and the pasta are without nuts and milk, the salad has walnuts."
        return replace(state, asked="else"), replace(_say(checked, _ELSE), takes_time=True)
    dishes = _dishes(words)
    if dishes:
        return _ordered(state, dishes)
    if has(words, "order", "eat", "hungry", "takeaway", "delivery", "meal", "food"):
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
        if is_in(about, words) or has(words, *(word for word in about if " " not in word)):
            return replace(state, asked="else" if sentences[-1] == _ELSE else ""), _say(*sentences)
    if is_yes(words) or is_no(words):
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


def _say(*sentences: str) -> Answer:
    return Answer(sentences=sentences)


def _dishes(words: list[str]) -> tuple[tuple[str, int], ...]:
    """The dishes in an order, each with the number before it."""
    found: dict[str, int] = {}
    count = 1
    for word in words:
        counted = value(word) or MISHEARD.get(word)
        if counted:
            count = counted
            continue
        for dish, heard in _DISHES.items():
            if has([word], *heard):
                found[dish], count = found.get(dish, 0) + min(count, 50), 1
    return tuple(found.items())


def _listed(dishes: tuple[tuple[str, int], ...]) -> str:
    names = [f"{spelt(count)} {dish if count == 1 else _MANY.get(dish, dish)}" for dish, count in dishes]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"
