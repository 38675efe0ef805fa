"""Runs a call's documents: fetches one, performs its verbs, and continues where they lead, until the call is over.

Also what happens when the customer's server does not answer properly.
"""

from simulators.phone.answering import answer, say
from simulators.twilio.call import Call
from simulators.twilio.twiml import BadTwiml, Destination, Document, read_twiml
from simulators.twilio.verbs import perform
from simulators.twilio.webhooks import error_code

__all__ = ["SORRY", "follow"]

SORRY = "An application error has occurred. Goodbye."
_INVALID_URL = 11100
_STEPS = 1000
"""Documents in one call before it counts as a loop."""


async def follow(call: Call, destination: Destination) -> None:
    """Perform the document at `destination` and those that follow. The call ends with the last verb."""
    for _ in range(_STEPS):
        document = await _document(call, destination)
        if document is None:
            await _apologise(call)
            return
        step = await _perform_all(call, document)
        if call.over:
            return
        if step is None:
            # An empty response is answered and billed too.
            answer(call)
            call.end("completed", "twiml")
            return
        destination = step
    call.note("error", code=11200, about="the documents go round in circles")
    call.end("completed", "error")


async def _perform_all(call: Call, document: Document) -> Destination | None:
    for number, verb in enumerate(document.verbs):
        step = await perform(call, verb, document.base, first=number == 0)
        if step is not None or call.over:
            return step
    return None


async def _document(call: Call, destination: Destination) -> Document | None:
    """The document at a destination, or at its fallback; None when neither has one."""
    if destination.twiml:
        try:
            return read_twiml(destination.twiml)
        except BadTwiml as fault:
            call.note("error", code=fault.code, about=str(fault))
            return None
    found, error = await _fetch(call, destination.kind, destination.url, destination.method, destination.fields)
    if found is None and destination.fallback_url:
        fault_fields = (*destination.fields, ("ErrorCode", str(error)), ("ErrorUrl", destination.url))
        found, _ = await _fetch(call, "fallback", destination.fallback_url, destination.fallback_method, fault_fields)
    return found


async def _fetch(
    call: Call, kind: str, url: str, method: str, fields: tuple[tuple[str, str], ...]
) -> tuple[Document | None, int]:
    if not url:
        call.note("error", code=_INVALID_URL, about="a relative URL without a document it is relative to")
        return None, _INVALID_URL
    answered = await call.exchange.webhooks.deliver(kind, call.sid, url, [*call.fields(), *fields], method)
    if answered.failure:
        error = error_code(answered.failure)
        call.note("error", code=error, about=f"{url}: {answered.status or answered.failure}")
        return None, error
    try:
        return read_twiml(answered.body, base=url, content_type=answered.content_type), 0
    except BadTwiml as fault:
        call.note("error", code=fault.code, about=f"{url}: {fault}")
        return None, fault.code


async def _apologise(call: Call) -> None:
    """Play the carrier's error message and end the call, as after a failure of the customer's server."""
    await say(call, SORRY)
    call.end("completed", "error")
