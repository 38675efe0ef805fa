"""The application: the service's routes, the key check, and the `/_sim` routes."""

from collections.abc import Mapping

from aiohttp import web

from simulators.deepgram.flux import Flux
from simulators.deepgram.nova import Nova
from simulators.deepgram.speak import Speak
from simulators.ledger import Ledger
from simulators.listening import Listener, ListenScript, add_script
from simulators.service import add_addresses, add_control, json_reply

__all__ = ["build"]

_REASONS = {400: "Bad Request", 401: "INVALID_AUTH", 402: "Payment Required", 429: "TOO_MANY_REQUESTS"}
_NOVA = {
    *("model", "encoding", "sample_rate", "channels", "interim_results", "endpointing", "utterance_end_ms"),
    *("vad_events", "smart_format", "punctuate", "keyterm", "language"),
}
_FLUX = {
    *("model", "encoding", "sample_rate", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms"),
    *("keyterm", "language_hint"),
}


def build() -> web.Application:
    """A new application without a script, with an empty ledger."""
    script, ledger = ListenScript(), Ledger()

    def problem_with(known: set[str], models: tuple[str, ...]) -> "_Check":
        return _Check(script, known, models)

    nova = Listener(Nova, script, ledger, refuse=_refused, problem=problem_with(_NOVA, ("nova-", "base", "enhanced")))
    flux = Listener(Flux, script, ledger, refuse=_refused, problem=problem_with(_FLUX, ("flux-general-",)))
    app = web.Application()
    app.router.add_post("/v1/speak", Speak(script, ledger))
    app.router.add_get("/v1/listen", nova)
    app.router.add_get("/v2/listen", flux)
    add_addresses(app)
    add_script(app, script)
    add_control(app, ledger, lambda: {"sockets": len(nova.open) + len(flux.open)})

    async def hang_up(_: web.Application) -> None:
        await nova.hang_up()
        await flux.hang_up()

    app.on_shutdown.append(hang_up)
    return app


def _refused(status: int, retry_after_s: int | None) -> web.Response:
    """A refused handshake, with the service's body."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    body = {"err_code": _REASONS.get(status, "ERROR"), "err_msg": "refused by the simulator", "request_id": "1"}
    return json_reply(body, status, headers)


class _Check:
    """The status with which a request is refused, or None."""

    def __init__(self, script: ListenScript, known: set[str], models: tuple[str, ...]) -> None:
        self._script = script
        self._known = known
        self._models = models

    def __call__(self, request: web.Request) -> int | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Token" or not self._script.accepts(key):
            return 401
        query = request.query
        telephone = (query.get("encoding"), query.get("sample_rate")) == ("mulaw", "8000")
        good = telephone and set(query) <= self._known and query.get("model", "").startswith(self._models)
        return None if good and _in_range(query) else 400


_RANGES = {
    "eot_threshold": (0.5, 1.0),
    "eager_eot_threshold": (0.3, 0.9),
    "eot_timeout_ms": (500.0, 60_000.0),
    "utterance_end_ms": (1000.0, 60_000.0),
    "endpointing": (1.0, 60_000.0),
}


def _in_range(query: Mapping[str, str]) -> bool:
    try:
        return all(least <= float(query.get(key, least)) <= most for key, (least, most) in _RANGES.items())
    except ValueError:
        return False
