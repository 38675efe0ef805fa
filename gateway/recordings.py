"""`GET /recordings/<call>`: the recording of an ended call, whole or in ranges, for players and for keeping.

Needs a token that may act, or the ticket of an address that `voicecall.recording` gave: a browser's player sends no
token.
"""

import re
from typing import Final

from aiohttp import web

from gateway.authenticator import Authenticator
from voicecall.api.errors import status_of
from voicecall.api.scopes import Scope
from voicecall.call.ids import CallId, is_call_id
from voicecall.connections import sender
from voicecall.errors import Refusal
from voicecall.service.recordings import RecordingService

__all__ = ["RecordingRoutes", "requested_range"]

_PIECE: Final = 262_144
_RANGE: Final = re.compile(r"bytes=(?P<first>[0-9]{0,15})-(?P<last>[0-9]{0,15})\Z")


def requested_range(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last. None: no byte of it exists. What is no single range is everything."""
    found = _RANGE.match(header.strip())
    if found is None or not (found["first"] or found["last"]):
        return 0, size
    if not found["first"]:
        first, end = max(0, size - int(found["last"])), size
    else:
        first, end = int(found["first"]), min(size, int(found["last"]) + 1) if found["last"] else size
    return (first, end) if first < end else None


class RecordingRoutes:
    def __init__(self, recordings: RecordingService, authenticator: Authenticator) -> None:
        self._recordings = recordings
        self._authenticator = authenticator

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/recordings/{call}", self._serve)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            call = CallId(request.match_info["call"])
            if not await self._may_read(request, call):
                return web.Response(status=401, text="the token is missing or wrong, or the address is too old\n")
            size = await self._recordings.size(call)
        except Refusal as refusal:
            return web.Response(status=status_of(refusal), text=f"{refusal}\n")
        part = requested_range(request.headers.get("Range", ""), size)
        if part is None:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        return await self._send(request, call, part, size)

    async def _may_read(self, request: web.Request, call: CallId) -> bool:
        if self._authenticator.is_foreign(request.headers) or not is_call_id(call):
            return False
        ticket = request.query.get("ticket", "")
        if ticket:
            return await self._recordings.opens(ticket, call)
        principal = self._authenticator.authenticate_header(request.headers, sender(request.remote))
        return principal is not None and Scope.WRITE in principal.scopes

    async def _send(self, request: web.Request, call: CallId, part: tuple[int, int], size: int) -> web.StreamResponse:
        first, end = part
        response = web.StreamResponse(status=206 if "Range" in request.headers else 200)
        response.content_type = "audio/wav"
        response.content_length = end - first
        response.headers.update(
            {
                "Accept-Ranges": "bytes",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
                "Content-Disposition": f'inline; filename="call-{call}.wav"',
            }
        )
        if response.status == 206:
            response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        await response.prepare(request)
        while first < end and request.method != "HEAD":
            piece = await self._recordings.read(call, first, min(_PIECE, end - first))
            if not piece:
                raise ConnectionResetError  # it was deleted meanwhile: the client sees that it is not whole
            await response.write(piece)
            first += len(piece)
        return response
