"""A collector of traces: receives OTLP over HTTP and decodes it with OpenTelemetry's own protobuf definitions."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Collector", "Received"]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One span as it came. `parent` is "" for a root; `ms` its duration."""

    trace: str
    id: str
    parent: str
    name: str
    start_ms: float
    ms: float
    attributes: dict[str, Any]
    service: str


class Collector:
    """`async with Collector() as collector:`. `status`: what requests are answered; `hangs`: they are not."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.requests = 0
        self.headers: dict[str, str] = {}
        self.status = 200
        self.hangs = False
        self.url = ""
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def until(self, count: int, *, name: str) -> list[Received]:
        """The spans so far, when there are so many of this name; the test's timeout is the limit."""
        while sum(span.name == name for span in self.spans) < count:  # noqa: ASYNC110  other processes are awaited
            await asyncio.sleep(0.02)
        return self.spans

    async def _take(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.headers = dict(request.headers)
        if self.hangs:
            await asyncio.Event().wait()
        message = ExportTraceServiceRequest()
        message.ParseFromString(await request.read())
        if self.status == 200:
            self.spans += _spans_of(message)
        return web.Response(status=self.status, content_type="application/x-protobuf")


def _spans_of(message: ExportTraceServiceRequest) -> list[Received]:
    return [
        Received(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            start_ms=span.start_time_unix_nano / 1e6,
            ms=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
            attributes={pair.key: _value(pair.value) for pair in span.attributes},
            service=next(_value(p.value) for p in resource.resource.attributes if p.key == "service.name"),
        )
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
