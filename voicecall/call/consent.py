"""Consent to a recording: the remote party is informed first, or asked first, or neither, as the call's policy says.

Pure. An announcement counts when it was heard whole; an answer is a yes or the key 1, and anything else is none. What
this decides is in the call's state, and so in its log: that the call is recorded, from when, and by what right.
"""

import re
from typing import Final, assert_never

from voicecall.call.events import Timer
from voicecall.call.phrases import PRESSED, base_language
from voicecall.call.policy import Consent
from voicecall.call.state import Call, RecordingConsent, Utterance
from voicecall.call.step import Step
from voicecall.text.speakable import NOTHING, Speakable

__all__ = ["answered", "awaits_answer", "informed", "opened"]

_ANSWER_S: Final = 8.0  # after the question was heard
_QUESTION_S: Final = 30.0  # until it is, or its report is lost
_BARE: Final = 4  # words of an answer that says nothing else
_AGREES: Final = PRESSED.format(digits="1")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

# ruff: noqa: RUF001  letters of other scripts are meant as they are
_YES: Final[dict[str, str]] = {
    "en": "yes yeah yep yup sure okay ok fine agreed absolutely certainly",
    "de": "ja jawohl klar gerne gern okay ok einverstanden natürlich",
    "fr": "oui ouais d'accord ok okay volontiers",
    "es": "sí si claro vale ok okay",
    "it": "sì si certo okay ok d'accordo",
    "pt": "sim claro ok okay pode",
    "nl": "ja jazeker prima oké ok okay akkoord",
    "pl": "tak oczywiście dobrze okej ok jasne",
    "ru": "да конечно хорошо можно согласен согласна",
    "uk": "так звичайно добре можна згоден згодна",
    "tr": "evet tamam olur tabii",
    "ar": "نعم أجل موافق حسنا طبعا",
    "hi": "हाँ हां जी ठीक ज़रूर",
    "vi": "có vâng dạ được đồng",
    "th": "ได้ ใช่ ตกลง",
    "id": "ya iya boleh oke ok silakan",
    "uz": "ha xo'p mayli bo'ladi albatta",
    "zh": "可以 好 好的 是 是的 行 同意",
    "ja": "はい ええ いいです どうぞ",
    "ko": "네 예 좋아요 그럼요",
}
_NO: Final[dict[str, str]] = {
    "en": "no nope not don't never rather without",
    "de": "nein nee nicht ungern kein keine ohne",
    "fr": "non pas ne jamais",
    "es": "no nunca tampoco",
    "it": "no non mai",
    "pt": "não nunca",
    "nl": "nee niet liever geen",
    "pl": "nie",
    "ru": "нет не нельзя",
    "uk": "ні не неможна",
    "tr": "hayır olmaz değil istemiyorum",
    "ar": "لا كلا ليس",
    "hi": "नहीं ना मत",
    "vi": "không đừng",
    "th": "ไม่ ไม่ได้",
    "id": "tidak jangan nggak bukan",
    "uz": "yo'q emas kerakmas",
    "zh": "不 不行 不可以 不要 不同意",
    "ja": "いいえ いや だめ",
    "ko": "아니요 아니오 싫어요 안",
}
_UNSPACED: Final = frozenset({"zh", "ja", "ko", "th"})


def opened(step: Step) -> tuple[Step, Speakable | None]:
    """There is a way to the remote party: what is to be said of the recording now; None: nothing."""
    call = step.call
    if call.policy.recording is None or call.is_native:
        return step, None
    if call.recording.consent is RecordingConsent.ASKED:
        return step.set_recording(consent=RecordingConsent.UNANSWERED, consent_at=step.at), None
    return (step, None) if call.recording.consent is not None else _asked(step, call.policy.recording)


def _asked(step: Step, wanted: Consent) -> tuple[Step, Speakable | None]:
    match wanted:
        case Consent.NONE:
            return _begun(step, RecordingConsent.NOT_ASKED), None
        case Consent.ANNOUNCE:
            step = step.set_recording(consent=RecordingConsent.ANNOUNCING, since=step.at)
            return step, step.call.phrases.recorded
        case Consent.ASK:
            if step.call.is_notice:  # no one is asked anything in it
                return step.set_recording(consent=RecordingConsent.UNANSWERED, consent_at=step.at), None
            step = step.set_recording(consent=RecordingConsent.ASKED).arm(Timer.OPENING, step.at + _QUESTION_S)
            return step, step.call.phrases.may_record
        case _:
            assert_never(wanted)


def informed(step: Step, utterance: Utterance) -> Step:
    """An utterance was heard whole: an announcement counts from now on, and a question waits for its answer."""
    if not utterance.on_recording or utterance.more:
        return step
    match step.call.recording.consent:
        case RecordingConsent.ANNOUNCING:
            return step.set_recording(consent=RecordingConsent.ANNOUNCED, consent_at=step.at)
        case RecordingConsent.ASKED if Timer.OPENING in step.call.timers:
            return step.arm(Timer.OPENING, step.at + _ANSWER_S)
        case _:
            return step


def awaits_answer(call: Call) -> bool:
    return call.recording.consent is RecordingConsent.ASKED


def answered(step: Step, text: str) -> tuple[Step, bool]:
    """The turn after the question. Returns whether it is an answer and nothing else; if not, the agent gets it too."""
    answer = _answer(text, step.call.language)
    if answer:
        step = _begun(step, RecordingConsent.GIVEN)
    else:
        step = step.set_recording(consent=RecordingConsent.REFUSED, consent_at=step.at)
    if answer is not None and (text == _AGREES or len(text.split()) <= _BARE):
        return step.arm(Timer.OPENING, step.at), True  # go on with the greeting
    return step.disarm(Timer.OPENING).set_playback(opening_text=NOTHING), False


def _begun(step: Step, consent: RecordingConsent) -> Step:
    return step.set_recording(consent=consent, consent_at=step.at, since=step.at)


def _answer(text: str, language: str) -> bool | None:
    """True: agrees; False: refuses; None: says neither. A text with a word of each refuses."""
    if text == _AGREES:
        return True
    base = base_language(language)
    yes, no = _YES[base].split(), _NO[base].split()
    spoken = text.casefold()
    if base in _UNSPACED:
        refuses, agrees = any(word in spoken for word in no), any(word in spoken for word in yes)
    else:
        words = {word.replace("’", "'") for word in _WORD.findall(spoken)}
        refuses, agrees = bool(words & set(no)), bool(words & set(yes))
    if refuses:
        return False
    return True if agrees else None
