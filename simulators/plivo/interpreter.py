"""Runs a call's documents: fetches one, performs its elements, and continues where they lead, until the call is over.

If the customer's server does not answer properly, Plivo hangs up, with a cause that names the URL and the failure.
"""

from xml.etree import ElementTree as ET

from simulators.phone.answering import answer
from simulators.plivo import causes
from simulators.plivo.call import Call
from simulators.plivo.causes import Cause
from simulators.plivo.document import BadXml, Destination, read_document
from simulators.plivo.elements import perform
from simulators.plivo.webhooks import DEFAULT, STUBBORN

__all__ = ["follow"]

_STEPS = 1000
"""Documents in one call before it counts as a loop."""
_EVENTS = {"answer": "StartApp", "action": "GetInput", "redirect": "Redirect", "transfer": "Redirect"}


class _Broken(Exception):
    """No document was fetched; `cause` says why."""

    def __init__(self, cause: Cause, about: str) -> None:
        super().__init__(about)
        self.cause = cause


async def follow(call: Call, destination: Destination) -> None:
    """Perform the document at `destination` and those that follow. The call ends with the last element."""
    for _ in range(_STEPS):
        try:
            elements = await _document(call, destination)
        except _Broken as broken:
            call.note("error", code=broken.cause.code, about=str(broken))
            _hang_up(call, broken.cause)
            return
        step = await _perform_all(call, elements, destination.url)
        if call.over:
            return
        if step is None:
            answer(call)
            call.cause = causes.END_OF_XML
            call.end("completed", "xml")
            return
        destination = step
    call.note("error", code=causes.invalid_xml("redirect").code, about="the documents go round in circles")
    _hang_up(call, causes.invalid_xml("redirect"))


async def _perform_all(call: Call, elements: tuple[ET.Element, ...], base: str) -> Destination | None:
    for element in elements:
        step = await perform(call, element, base)
        if step is not None or call.over:
            return step
    return None


async def _document(call: Call, destination: Destination) -> tuple[ET.Element, ...]:
    """The document at a destination, or at its fallback. Raises _Broken."""
    try:
        return await _fetch(call, destination, destination.url, destination.method, destination.kind)
    except _Broken as broken:
        if not destination.fallback_url:
            raise
        call.note("error", code=broken.cause.code, about=str(broken))
        return await _fetch(call, destination, destination.fallback_url, destination.fallback_method, "fallback")


async def _fetch(call: Call, destination: Destination, url: str, method: str, kind: str) -> tuple[ET.Element, ...]:
    document = destination.kind
    if not url:
        raise _Broken(causes.unreachable(document), "a relative URL that leads nowhere")
    stubborn = document == "answer" and not call.inbound
    fields = [*call.fields(_EVENTS[document]), *destination.fields]
    default = STUBBORN if stubborn else DEFAULT
    answered = await call.exchange.webhooks.deliver(kind, call.sid, url, fields, method, default=default)
    if answered.failure:
        raise _Broken(causes.unreachable(document), f"{url}: {answered.status or answered.failure}")
    try:
        return read_document(answered.body, content_type=answered.content_type)
    except BadXml as fault:
        raise _Broken(causes.invalid_xml(document), f"{url}: {fault}") from fault


def _hang_up(call: Call, cause: Cause) -> None:
    """End the call: an unanswered one fails, an answered one is completed."""
    call.cause = cause
    call.end("completed" if call.line is not None else "failed", "error")
