"""What each element of Plivo XML does to a call. One that leads to another document returns where that is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

from simulators.phone.answering import answer, connect_with, say
from simulators.phone.machine import greeting_over
from simulators.plivo import causes
from simulators.plivo.call import Call, Callback
from simulators.plivo.collecting import get_input
from simulators.plivo.document import Destination, resolve
from simulators.plivo.media import Order, run

__all__ = ["perform"]

Element = Callable[[Call, ET.Element, str], Awaitable[Destination | None]]
_KEY_MS = 200
_PAUSES_MS = {"w": 500, "W": 1000}
_LOOP_FOREVER = 1000


async def perform(call: Call, element: ET.Element, base: str) -> Destination | None:
    """Perform one element. One that Plivo has and this simulator does not support is recorded and skipped."""
    text = " ".join("".join(element.itertext()).split())
    call.verbs.append({"verb": element.tag, "at": time.time(), **element.attrib, "text": text})
    call.note("verb", verb=element.tag, text=text, attributes=dict(element.attrib))
    return await _ELEMENTS.get(element.tag, _unsupported)(call, element, base)


async def _speak(call: Call, element: ET.Element, base: str) -> None:
    del base
    answer(call)
    for _ in range(int(element.get("loop", "1")) or _LOOP_FOREVER):
        await say(call, " ".join("".join(element.itertext()).split()))


async def _wait(call: Call, element: ET.Element, base: str) -> None:
    """As the first element it lets the phone ring. `silence` and `beep` end it early, for voicemail."""
    del base
    length_ms = float(element.get("length", "1")) * 1000
    line = call.line
    if line is None:
        await asyncio.sleep(length_ms / 1000)
        return
    give_up = line.now_ms + length_ms
    if element.get("beep", "false") != "false":
        await greeting_over(call, line, within_ms=length_ms)
    elif element.get("silence") == "true":
        need_ms = float(element.get("minSilence", "2000"))
        quiet = _Quiet(line.now_ms)
        await line.until(
            lambda: quiet.since(line.now_ms, speaking=line.speaker.speaking) >= need_ms or line.now_ms >= give_up
        )
    else:
        await line.pause(length_ms)


class _Quiet:
    """The length of the silence."""

    def __init__(self, now_ms: int) -> None:
        self._loud_ms = now_ms

    def since(self, now_ms: int, *, speaking: bool) -> int:
        if speaking:
            self._loud_ms = now_ms
        return now_ms - self._loud_ms


async def _get_input(call: Call, element: ET.Element, base: str) -> Destination | None:
    answer(call)

    async def prompt(child: ET.Element) -> None:
        await perform(call, child, base)

    return await get_input(call, element, base, prompt)


async def _redirect(call: Call, element: ET.Element, base: str) -> Destination | None:
    del call
    url = resolve(base, (element.text or "").strip())
    return Destination(url=url, method=element.get("method", "POST"), kind="redirect")


async def _hangup(call: Call, element: ET.Element, base: str) -> None:
    """Hang up at once, later (`schedule`), or, with a reason and before the answer, reject the call."""
    del base
    schedule = element.get("schedule")
    if schedule is not None and float(schedule) > 0:
        call.limit(float(schedule) + (time.time() - call.answered_at if call.answered_at else 0))
        return
    reason = element.get("reason")
    if reason is not None and call.line is None:
        call.cause = causes.BUSY if reason == "busy" else causes.REJECTED
        call.end("busy" if reason == "busy" else "no-answer", "xml")
        return
    answer(call)
    call.end("completed", "xml")


async def _stream(call: Call, element: ET.Element, base: str) -> None:
    """With keepCallAlive the next element waits for the stream's end; without, it runs at once."""
    line = answer(call)
    if call.stream is not None:
        call.note("error", code=1, about="a second stream on one call")
        return
    callback_url = resolve(base, element.get("statusCallbackUrl", ""))
    order = Order(
        url=(element.text or "").strip(),
        two_way=element.get("bidirectional") == "true",
        timeout_s=float(element.get("streamTimeout", "86400")),
        extra_headers=element.get("extraHeaders", ""),
        callback=Callback(callback_url, element.get("statusCallbackMethod", "POST")) if callback_url else None,
    )
    streaming = call.spawn(run(call, line, order))
    call.streaming = streaming
    if element.get("keepCallAlive") != "true":
        return
    try:
        await asyncio.wait({streaming})
    finally:
        streaming.cancel()


async def _dtmf(call: Call, element: ET.Element, base: str) -> None:
    del base
    digits = (element.text or "").strip()
    line = answer(call)
    call.note("digits", digits=digits)
    if element.get("async", "true") != "true":
        await line.pause(sum(_PAUSES_MS.get(digit, _KEY_MS) for digit in digits))


async def _dial(call: Call, element: ET.Element, base: str) -> Destination | None:
    """Call one number and connect it with this leg until either hangs up. Who answers is no further call's business."""
    number = element.find("Number")
    to = "+" + "".join((element if number is None else number).itertext()).strip().removeprefix("+")
    call.note("dial", to=to, caller_id=element.get("callerId", ""))
    ring_ms = float(element.get("timeout", "30")) * 1000
    status = await connect_with(call, to, call.exchange.persona(to), ring_ms=ring_ms)
    call.note("dialled", to=to, status=status)
    url = resolve(base, element.get("action", ""))
    if not element.get("action") or element.get("redirect", "true") != "true":
        return None
    fields = (("DialStatus", status), ("DialALegUUID", call.sid), ("DialRingStatus", "true"))
    return Destination(url=url, method=element.get("method", "POST"), kind="action", fields=fields)


async def _unsupported(call: Call, element: ET.Element, base: str) -> None:
    del base
    call.note("error", code=0, about=f"the simulator does not perform <{element.tag}>")


_ELEMENTS: dict[str, Element] = {
    "DTMF": _dtmf,
    "Dial": _dial,
    "GetInput": _get_input,
    "Hangup": _hangup,
    "Redirect": _redirect,
    "Speak": _speak,
    "Stream": _stream,
    "Wait": _wait,
}
