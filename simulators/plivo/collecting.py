"""`<GetInput>`: collects the callee's speech or keys and sends them to the action URL."""

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

from simulators.phone.collecting import Collecting
from simulators.plivo.call import Call, Callback
from simulators.plivo.document import Destination, resolve

__all__ = ["get_input"]

Prompt = Callable[[ET.Element], Awaitable[object]]
_AUTO_SPEECH_S = 0.6
_AUTO_DIGIT_S = 2.0


async def get_input(call: Call, element: ET.Element, base: str, prompt: Prompt) -> Destination | None:
    """Perform a GetInput; returns the action to request, or None to continue with the next element."""
    kinds = element.get("inputType", "").split()
    collecting = Collecting(
        hears="speech" in kinds,
        reads="dtmf" in kinds,
        finish_on=element.get("finishOnKey", "#"),
        wanted=int(element.get("numDigits", "32")),
    )

    async def all_of_it() -> None:
        for child in element:
            await prompt(child)

    call.collector = collecting
    try:
        await collecting.during(all_of_it())
        await collecting.until_silence(
            first_s=float(element.get("executionTimeout", "15")),
            after_speech_s=_pause_s(element, "speechEndTimeout", _AUTO_SPEECH_S),
            after_digit_s=_pause_s(element, "digitEndTimeout", _AUTO_DIGIT_S),
        )
    finally:
        call.collector = None
    if collecting.empty and not call.exchange.posts_empty_input:
        call.note("input.empty")
        return None
    url, method = resolve(base, element.get("action", "")), element.get("method", "POST")
    if element.get("redirect", "true") == "true":
        return Destination(url=url, method=method, kind="action", fields=tuple(_result(collecting)))
    call.notify("action", Callback(url, method), [*call.fields("GetInput"), *_result(collecting)])
    return None


def _result(collecting: Collecting) -> list[tuple[str, str]]:
    if collecting.words or (collecting.empty and collecting.hears):
        score = "0.94" if collecting.words else "0"
        words = " ".join(collecting.words)
        return [("InputType", "speech"), ("Speech", words), ("SpeechConfidenceScore", score), ("BilledAmount", "0.02")]
    return [("InputType", "dtmf"), ("Digits", collecting.digits)]


def _pause_s(element: ET.Element, name: str, auto_s: float) -> float:
    text = element.get(name, "auto")
    return auto_s if text == "auto" else float(text)
