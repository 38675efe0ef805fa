"""A gateway whose calls are invented: it speaks the gateway's frames and holds whatever scene it is given.

Pages are drawn and measured against it, where a real system could not hold still, or could not be made that busy on one
machine. Written from docs/rpc.md. It serves the files it is given and checks no token.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final

from aiohttp import WSMsgType, web

__all__ = ["SCOPES", "StagedGateway"]

SCOPES: Final = ("operator.read", "operator.write")

Frame = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StagedGateway:
    """`calls`: records of live calls by id; `ended`: records, newest first; `events`: of each call; `answers`: the
    payloads of other methods.
    """

    def __init__(self, *, page: Handler, asset: Handler, scopes: Iterable[str] = SCOPES) -> None:
        self.calls: dict[str, Frame] = {}
        self.ended: list[Frame] = []
        self.events: dict[str, list[Frame]] = {}
        self.spans: dict[str, list[Frame]] = {}
        self.answers: dict[str, Frame] = {"voicecall.processes": {"processes": []}}
        self.asked: list[Frame] = []
        self._page = page
        self._asset = asset
        self._scopes = sorted(scopes)
        self._sockets: dict[web.WebSocketResponse, dict[str, str | None]] = {}
        self._number = 0

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        """Serve; yields the address."""
        app = web.Application()
        app.add_routes([web.get("/", self._root), web.get("/assets/{digest}/{name:.+}", self._asset)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            for socket in list(self._sockets):
                await socket.close()
            await runner.cleanup()

    async def push(self, call: str, state: str, *events: Frame) -> None:
        """Publish an item of the feed to every subscription that follows this call."""
        self._number += 1
        payload = {"id": f"{self._number}-0", "callId": call, "state": state, "events": list(events)}
        for socket, names in list(self._sockets.items()):
            for name, followed in list(names.items()):
                if followed in {None, call} and not socket.closed:
                    frame = {"type": "event", "event": "voicecall.feed", "subscription": name, "payload": payload}
                    with contextlib.suppress(ConnectionError):
                        await socket.send_str(json.dumps(frame))

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await self._page(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = {}
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    frame = json.loads(message.data)
                    payload = self._payload(socket, frame["method"], frame.get("params", {}))
                    await socket.send_str(
                        json.dumps({"type": "res", "id": frame["id"], "ok": True, "payload": payload})
                    )
        finally:
            del self._sockets[socket]
        return socket

    def _payload(  # noqa: PLR0911  # a table
        self, socket: web.WebSocketResponse, method: str, params: Frame
    ) -> Frame:
        self.asked.append({"method": method, **params})
        del self.asked[:-1000]
        match method:
            case "connect":
                features = {"methods": [], "scopes": self._scopes}
                return {"type": "hello-ok", "protocol": 1, "features": features}
            case "voicecall.subscribe":
                self._sockets[socket][params["subscription"]] = params.get("callId")
                return {"subscribed": True, "subscription": params["subscription"]}
            case "voicecall.unsubscribe":
                self._sockets[socket].pop(params["subscription"], None)
                return {"unsubscribed": True, "subscription": params["subscription"]}
            case "voicecall.status" if "callId" in params:
                return self._found(params["callId"])
            case "voicecall.status":
                return {"found": True, "calls": list(self.calls.values())}
            case "voicecall.events":
                events = self.events.get(params["callId"], [])
                return {"found": bool(events), "events": events, "turnSpans": self.spans.get(params["callId"], [])}
            case "voicecall.history":
                return {"calls": self.ended[: params.get("limit", 50)]}
            case _:
                return self.answers.get(method, {})

    def _found(self, call: str) -> Frame:
        ended = (record for record in self.ended if record["callId"] == call)
        record = self.calls.get(call) or next(ended, None)
        return {"found": False} if record is None else {"found": True, "call": record}
