"""An agent host for tests: a client of the gateway's socket that sends valid and invalid frames."""

import json
from typing import Any, Self

import aiohttp

__all__ = ["AgentHost"]


class AgentHost:
    """`async with AgentHost(url, token) as host:` - connected and registered inside."""

    def __init__(self, url: str, token: str, *, name: str = "host", agents: list[str] | None = None) -> None:
        self._url = url
        self._token = token
        self._params: dict[str, Any] = {"name": name, **({"agents": agents} if agents is not None else {})}
        self._http = aiohttp.ClientSession()
        self._seen: list[dict[str, Any]] = []
        self.ws: aiohttp.ClientWebSocketResponse
        self.id = ""
        self.events: list[str] = []

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}"}
        self.ws = await self._http.ws_connect(f"{self._url}/", headers=headers)
        await self.ws.send_json(
            {"type": "req", "id": "r", "method": "voicecall.agent.register", "params": self._params}
        )
        answer = await self.frame()
        assert answer["ok"], answer
        self.id, self.events = answer["payload"]["hostId"], answer["payload"]["events"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ws.close()
        await self._http.close()

    async def frame(self) -> dict[str, Any]:
        """The next frame, whatever it is."""
        message = await self.ws.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return dict(json.loads(message.data))

    async def event(self, name: str) -> dict[str, Any]:
        """The payload of the next event, which must have this name."""
        frame = await self.frame()
        assert (frame["type"], frame.get("event")) == ("event", name), frame
        return dict(frame["payload"])

    async def say(self, event: str, request: str, **payload: Any) -> None:
        await self.ws.send_json({"type": "event", "event": event, "payload": {"requestId": request, **payload}})

    async def answer(self, *words: str) -> dict[str, Any]:
        """Answer the next turn with these deltas; returns the request."""
        asked = await self.event("agent.request")
        for piece in words:
            await self.say("agent.delta", asked["requestId"], text=piece)
        await self.say("agent.done", asked["requestId"])
        return asked
