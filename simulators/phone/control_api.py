"""The `/_sim` routes of every carrier: callees, inbound calls, faults, the ledger."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from simulators.faults import CLIENT_GONE
from simulators.phone.call import Call
from simulators.phone.faults import Rule
from simulators.phone.persona import Persona, read_persona
from simulators.phone.recording import stereo_wav
from simulators.phone.switchboard import Arrival, NumberSettings, Switchboard
from simulators.service import json_reply, read_model

__all__ = ["ControlApi", "InboundAsked", "NumberAsked", "PersonaAsked"]

Script = list[dict[str, Any]]
_LONGEST_POLL_S = 60.0
_KEEP_ALIVE_S = 5.0


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class PersonaAsked(_Asked):
    """Who answers `number` ("*": any) from now on, or for the next call only; or the new script of `call_sid`."""

    number: str = ""
    call_sid: str = ""
    script: Script
    once: bool = False
    listens: bool = False


class InboundAsked(_Asked):
    """An inbound call. `persona` is a script; the default is the one configured for `from`."""

    from_: str = Field(alias="from")
    to: str
    persona: Script | None = None
    listens: bool = False
    url: str = ""
    status_callback: str = ""


class NumberAsked(_Asked):
    """The target of inbound calls, if it was not known at start."""

    voice_url: str
    method: str = "POST"
    fallback_url: str = ""
    status_callback: str = ""


class ControlApi:
    """The `/_sim` routes of one switchboard."""

    def __init__(self, switchboard: Switchboard[Any]) -> None:
        self._switchboard = switchboard
        self._exchange = switchboard.services

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        routes = app.router
        routes.add_post("/_sim/persona", self._persona)
        routes.add_post("/_sim/inbound", self._inbound)
        routes.add_post("/_sim/number", self._number)
        routes.add_post("/_sim/public-map", self._public_map)
        routes.add_post("/_sim/misbehave", self._add_fault)
        routes.add_delete("/_sim/misbehave", self._clear_faults)
        routes.add_post("/_sim/hangup/{sid}", self._hang_up)
        routes.add_get("/_sim/health", self._health)
        routes.add_get("/_sim/ledger", self._ledger)
        routes.add_delete("/_sim/ledger", self._forget)
        routes.add_get("/_sim/events", self._events)
        routes.add_get("/_sim/calls/{sid}", self._call)
        routes.add_get("/_sim/calls/{sid}/audio.wav", self._audio)
        routes.add_get("/_sim/calls/{sid}/arrivals", self._arrivals)

    # --- personas

    async def _persona(self, request: web.Request) -> web.Response:
        asked = await read_model(request, PersonaAsked)
        persona = _read(asked.script, listens=asked.listens)
        if asked.call_sid:
            self._switchboard.recast(self._find(asked.call_sid), persona)
        elif asked.once:
            self._switchboard.next_personas.setdefault(asked.number or "*", []).append(persona)
        else:
            self._switchboard.personas[asked.number or "*"] = persona
        return json_reply({"steps": len(persona.steps)}, 201)

    async def _inbound(self, request: web.Request) -> web.Response:
        asked = await read_model(request, InboundAsked)
        if asked.persona is None:
            persona = self._switchboard.persona(asked.from_)
        else:
            persona = _read(asked.persona, listens=asked.listens)
        try:
            call = self._switchboard.arrive(
                Arrival(asked.from_, asked.to, persona, url=asked.url, status_callback=asked.status_callback)
            )
        except ValueError as fault:
            return json_reply({"error": str(fault)}, 400)
        return json_reply({"sid": call.sid}, 201)

    async def _hang_up(self, request: web.Request) -> web.Response:
        call = self._find(request.match_info["sid"])
        by = request.query.get("by", "callee")
        self._switchboard.hang_up(call, "callee" if by == "callee" else "sim")
        return json_reply({"status": call.status})

    # --- settings

    async def _number(self, request: web.Request) -> web.Response:
        asked = await read_model(request, NumberAsked)
        self._switchboard.configure(
            NumberSettings(asked.voice_url, asked.method, asked.fallback_url, asked.status_callback)
        )
        return json_reply({"ok": True})

    async def _public_map(self, request: web.Request) -> web.Response:
        rules: Mapping[str, str] = orjson.loads(await request.read())
        try:
            for public, behind in rules.items():
                self._exchange.public.add(f"{public}={behind}")
        except ValueError as fault:
            return json_reply({"error": str(fault)}, 400)
        return json_reply(self._exchange.public.rules())

    async def _add_fault(self, request: web.Request) -> web.Response:
        rule = await read_model(request, Rule)
        try:
            self._exchange.faults.add(rule)
        except ValueError as fault:
            return json_reply({"error": str(fault)}, 400)
        return json_reply({"rules": self._exchange.faults.rules()}, 201)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        del request
        self._exchange.faults.clear()
        return web.Response(status=204)

    # --- reports

    async def _health(self, request: web.Request) -> web.Response:
        """The simulator's health. `?reset=1` resets `latest_tick_ms`, so the next reading covers the time since."""
        calls = list(self._switchboard.live())
        latest_s = self._exchange.ticker.latest_s
        if request.query.get("reset", "0") != "0":
            self._exchange.ticker.latest_s = 0.0
        return json_reply(
            {
                "ok": True,
                "live_calls": len(calls),
                "open_streams": sum(call.stream is not None for call in calls),
                "latest_tick_ms": round(latest_s * 1000, 2),
                "public_map": self._exchange.public.rules(),
                "struck": dict(self._exchange.faults.struck),
                "faults": self._exchange.ledger.lines("fault"),
            }
        )

    async def _ledger(self, request: web.Request) -> web.Response:
        """Calls, REST requests, webhook attempts and errors. `?heard=0` skips the decoding, `?lines=1` adds lines."""
        ledger = self._exchange.ledger
        heard = request.query.get("heard", "1") != "0"
        calls = []
        for call in list(self._switchboard.calls.values()):
            calls.append(call.report(heard=heard))
            # Decoding a minute takes milliseconds: yield between calls, so that the clock of live calls is not late.
            await asyncio.sleep(0)
        body = {
            "calls": calls,
            "requests": ledger.lines("rest"),
            "webhooks": ledger.lines("webhook"),
            "errors": ledger.lines("error", "stream.error", "fault"),
            "struck": dict(self._exchange.faults.struck),
            "last_seq": ledger.last_seq,
            "forgotten": ledger.forgotten,
        }
        if request.query.get("lines", "0") != "0":
            body["lines"] = ledger.lines()
        return json_reply(body)

    async def _forget(self, request: web.Request) -> web.Response:
        """Drop lines and ended calls; live calls stay."""
        del request
        self._exchange.ledger.clear()
        self._switchboard.forget_ended()
        return web.Response(status=204)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Ledger lines after `?after=`: as JSON once there are some (`?wait_s=`), or as a stream of SSE."""
        after = int(request.query.get("after", "0"))
        ledger = self._exchange.ledger
        if "wait_s" in request.query:
            wait_s = min(float(request.query["wait_s"]), _LONGEST_POLL_S)
            return json_reply({"lines": await ledger.follow(after, wait_s), "last_seq": ledger.last_seq})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        try:
            while True:
                lines = await ledger.follow(after, _KEEP_ALIVE_S)
                for line in lines:
                    after = line["seq"]
                    await response.write(b"id: %d\ndata: %b\n\n" % (after, orjson.dumps(line)))
                if not lines:
                    await response.write(b": still here\n\n")
        except CLIENT_GONE:
            # Such a stream ends only by a disconnect.
            return response

    async def _call(self, request: web.Request) -> web.Response:
        call = self._find(request.match_info["sid"])
        return json_reply(call.report(heard=request.query.get("heard", "1") != "0"))

    async def _audio(self, request: web.Request) -> web.Response:
        call = self._find(request.match_info["sid"])
        if call.line is None:
            return json_reply({"error": "the call was not answered"}, 404)
        return web.Response(body=stereo_wav(call.line), content_type="audio/wav")

    async def _arrivals(self, request: web.Request) -> web.Response:
        """Epoch seconds of each media message, stream by stream."""
        call = self._find(request.match_info["sid"])
        return json_reply({stream.sid: stream.arrivals() for stream in call.streams})

    def _find(self, sid: str) -> Call:
        call: Call | None = self._switchboard.find(sid)
        if call is None:
            raise web.HTTPNotFound(body=orjson.dumps({"error": f"no call {sid}"}), content_type="application/json")
        return call


def _read(script: Script, *, listens: bool) -> Persona:
    try:
        return read_persona(script, listens=listens)
    except ValueError as fault:
        raise web.HTTPBadRequest(body=orjson.dumps({"error": str(fault)}), content_type="application/json") from fault
