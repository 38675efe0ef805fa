"""What each TwiML verb does to a call. A verb that leads to another document returns where to request it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from simulators.phone.answering import answer, connect_with, say
from simulators.phone.stream import StreamFailed
from simulators.twilio.call import Call
from simulators.twilio.gather import gather
from simulators.twilio.media import CLOSED_ABNORMALLY, HANDSHAKE_REFUSED, Stream
from simulators.twilio.relay import FAILED, Relay
from simulators.twilio.twiml import Destination, resolve

__all__ = ["INVALID_URL", "UNSUPPORTED", "perform"]

Verb = Callable[[Call, ET.Element, str], Awaitable[Destination | None]]

INVALID_URL = 11100
UNSUPPORTED = 12200
_KEY_MS = 200
_HALF_SECOND_MS = 500
_LOOP_FOREVER = 1000


async def perform(call: Call, verb: ET.Element, base: str, *, first: bool) -> Destination | None:
    """Perform one verb. An unknown verb is recorded and skipped."""
    call.verbs.append({"verb": verb.tag, "at": time.time(), **verb.attrib, "text": _text(verb)})
    call.note("verb", verb=verb.tag, text=_text(verb), attributes=dict(verb.attrib))
    if verb.tag == "Reject":
        _reject(call, verb, first=first)
        return None
    return await _VERBS.get(verb.tag, _unsupported)(call, verb, base)


def _reject(call: Call, verb: ET.Element, *, first: bool) -> None:
    if first and call.line is None:
        call.end("busy" if verb.get("reason") == "busy" else "no-answer", "twiml")
    else:
        # Too late to reject: the call is answered, billed, and ended.
        answer(call)
        call.end("completed", "twiml")


async def _say(call: Call, verb: ET.Element, base: str) -> None:
    del base
    answer(call)
    for _ in range(int(verb.get("loop", "1")) or _LOOP_FOREVER):
        await say(call, _text(verb))


async def _play(call: Call, verb: ET.Element, base: str) -> None:
    line = answer(call)
    digits = verb.get("digits", "")
    if digits:
        call.note("digits", digits=digits)
        await line.pause(sum(_HALF_SECOND_MS if digit in "wW" else _KEY_MS for digit in digits))
    else:
        await _unsupported(call, verb, base)


async def _pause(call: Call, verb: ET.Element, base: str) -> None:
    """A Pause does not answer: as the first verb of an inbound call it lets the phone ring."""
    del base
    if call.line is not None:
        await call.line.pause(float(verb.get("length", "1")) * 1000)
    else:
        await asyncio.sleep(float(verb.get("length", "1")))


async def _gather(call: Call, verb: ET.Element, base: str) -> Destination | None:
    answer(call)

    async def prompt(child: ET.Element) -> None:
        if child.tag in ("Say", "Play", "Pause"):
            await perform(call, child, base, first=False)
        else:
            await _unsupported(call, child, base)

    return await gather(call, verb, base, prompt)


async def _redirect(call: Call, verb: ET.Element, base: str) -> Destination | None:
    del call
    return Destination(url=resolve(base, _text(verb)), method=verb.get("method", "POST"), kind="redirect")


async def _hangup(call: Call, verb: ET.Element, base: str) -> None:
    """Hang up. An unanswered call is answered first, and billed; only Reject avoids that."""
    del verb, base
    answer(call)
    call.end("completed", "twiml")


async def _connect(call: Call, verb: ET.Element, base: str) -> Destination | None:
    answer(call)
    for child in verb:
        if child.tag == "Stream":
            await _stream(call, child, base)
        elif child.tag == "ConversationRelay":
            await _relay(call, child)
        else:
            await _unsupported(call, child, base)
    action = verb.get("action")
    if action is None:
        return None
    return Destination(url=resolve(base, action), method=verb.get("method", "POST"), kind="connect")


async def _stream(call: Call, element: ET.Element, base: str) -> None:
    """Run a two-way stream until its socket is closed. The next verb runs after any kind of end."""
    url = element.get("url", "")
    parts = urlsplit(url)
    if parts.scheme != "wss" or not parts.netloc or parts.query:
        call.note("error", code=INVALID_URL, about=f"Stream url must be wss:// without a query: {url}")
        return
    parameters = {child.get("name", ""): child.get("value", "") for child in element if child.tag == "Parameter"}
    stream = Stream(call, answer(call), url, parameters, element.get("name", ""))
    call.streams.append(stream)
    callback = resolve(base, element.get("statusCallback", "")) if element.get("statusCallback") else ""

    def report(event: str, error: str = "") -> None:
        if callback:
            call.notify(
                "stream", callback, stream.callback_fields(event, error), element.get("statusCallbackMethod", "POST")
            )

    try:
        await stream.open()
        report("stream-started")
        closed = await stream.wait_closed()
        stream.finish("customer" if not stream.faults else "fault")
        if closed.clean:
            report("stream-stopped")
        else:
            stream.error = CLOSED_ABNORMALLY
            call.note("error", code=CLOSED_ABNORMALLY, about=f"stream {stream.sid} broke off")
            report("stream-error", f"{CLOSED_ABNORMALLY} stream closed abnormally")
    except StreamFailed as failure:
        stream.error = HANDSHAKE_REFUSED
        call.note("error", code=HANDSHAKE_REFUSED, about=str(failure))
        report("stream-error", f"{HANDSHAKE_REFUSED} {failure}")
    finally:
        # The stream is still open here only if the call ends or is redirected.
        if stream.finish("call"):
            report("stream-stopped")


async def _dial(call: Call, verb: ET.Element, base: str) -> Destination | None:
    """Call one number and connect it with this leg until either hangs up. Who answers is no further call's business."""
    number = verb.find("Number")
    to = _text(verb if number is None else number)
    call.note("dial", to=to, caller_id=verb.get("callerId", ""), began_at=time.time())
    ring_ms = float(verb.get("timeout", "30")) * 1000
    status = await connect_with(call, to, call.exchange.persona(to), ring_ms=ring_ms)
    call.note("dialled", to=to, status=status)
    if verb.get("action") is None:
        return None
    fields = (("DialCallStatus", status), ("DialBridged", "true" if status == "completed" else "false"))
    url = resolve(base, verb.get("action", ""))
    return Destination(url=url, method=verb.get("method", "POST"), kind="dial", fields=fields)


async def _relay(call: Call, element: ET.Element) -> None:
    """Let Twilio hear and speak until the customer ends the session, or its socket is lost for good."""
    url = element.get("url", "")
    parts = urlsplit(url)
    if parts.scheme != "wss" or not parts.netloc or parts.query:
        call.note("error", code=INVALID_URL, about=f"ConversationRelay url must be wss:// without a query: {url}")
        return
    parameters = {child.get("name", ""): child.get("value", "") for child in element if child.tag == "Parameter"}
    relay = Relay(call, answer(call), url, element.attrib, parameters)
    if await relay.run() == "failed":
        call.note("error", code=FAILED, about="the session's socket failed")


async def _unsupported(call: Call, verb: ET.Element, base: str) -> None:
    del base
    call.note("error", code=UNSUPPORTED, about=f"the simulator does not perform <{verb.tag}>")


def _text(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


_VERBS: dict[str, Verb] = {
    "Connect": _connect,
    "Dial": _dial,
    "Gather": _gather,
    "Hangup": _hangup,
    "Pause": _pause,
    "Play": _play,
    "Redirect": _redirect,
    "Say": _say,
}
