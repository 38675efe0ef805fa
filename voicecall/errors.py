"""Everything that can go wrong by name.

    VoicecallError
    ├── ConfigError            the configuration cannot be used; `problems` lists every reason at once
    ├── Refusal                a local caller asked for what cannot be; `code` is the RPC's word for it
    │   ├── InvalidRequest     the request itself is wrong
    │   ├── NotFound           no such call
    │   ├── Conflict           the same idempotency key with another body
    │   ├── Failed             understood and tried, or pointless to try: the call or the carrier does not allow it
    │   ├── Exhausted          maxConcurrentCalls is reached
    │   └── Unavailable        it may work later, or its outcome is not known yet; `call_id` says what to ask about
    ├── WebhookRejected        a carrier's request is not let in; `reason` is a metric label, `status` the HTTP answer
    ├── CarrierError           a carrier did not do what we asked
    │   ├── CarrierRejected    it understood and said no: do not repeat
    │   ├── CarrierUnreachable it never got the request: repeating is safe
    │   │   └── NotExposed     we have no address that it could call back: nothing was sent
    │   └── CarrierSilent      it may or may not have acted: look, do not repeat (reliability P3)
    ├── ExposureError          a tunnel could not be opened, or has died; the message ends with the remedy
    │   └── ToolMissing        its program is not installed: another try is no help
    ├── ArchiveUnavailable     the archive's database does not serve us; its address, the reason and the remedy
    ├── ServiceError           a speech service or model failed; `retryable` says whether another try may help
    └── BusError
        ├── Fenced             another activation owns this call now: stop
        └── BusUnavailable     Redis does not answer

`retryable` is data: whoever catches decides.
"""

__all__ = [
    "ArchiveUnavailable",
    "BusError",
    "BusUnavailable",
    "CarrierError",
    "CarrierRejected",
    "CarrierSilent",
    "CarrierUnreachable",
    "ConfigError",
    "Conflict",
    "Exhausted",
    "ExposureError",
    "Failed",
    "Fenced",
    "InvalidRequest",
    "NotExposed",
    "NotFound",
    "Refusal",
    "ServiceError",
    "ToolMissing",
    "Unavailable",
    "VoicecallError",
    "WebhookRejected",
]


class VoicecallError(Exception):
    """The root. Never raised itself."""

    retryable: bool = False


class ConfigError(VoicecallError):
    """`problems`: one sentence each, naming the key, what is wrong with its value, and the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Refusal(VoicecallError):
    """Our own caller may not have this. `code` goes to the RPC's answer."""

    code = "INVALID_REQUEST"

    def __init__(self, message: str, *, call_id: str | None = None, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.call_id = call_id
        self.retry_after_ms = retry_after_ms


class InvalidRequest(Refusal):
    code = "INVALID_REQUEST"


class NotFound(Refusal):
    code = "NOT_FOUND"


class Conflict(Refusal):
    code = "CONFLICT"


class Failed(Refusal):
    code = "FAILED"


class Exhausted(Refusal):
    code = "RESOURCE_EXHAUSTED"
    retryable = True


class Unavailable(Refusal):
    code = "UNAVAILABLE"
    retryable = True


class WebhookRejected(VoicecallError):
    """A request from outside that is not let in. `reason`: short, constant, countable; never the sender's text."""

    def __init__(self, reason: str, *, status: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class CarrierError(VoicecallError):
    """`status` is the HTTP status (0: none), `code` and `message` are the carrier's own."""

    def __init__(self, message: str, *, status: int = 0, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.message = message
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class CarrierRejected(CarrierError):
    pass


class CarrierUnreachable(CarrierError):
    retryable = True


class NotExposed(CarrierUnreachable):
    """No tunnel of ours is up, so a carrier would have nowhere to call back."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not-exposed")


class CarrierSilent(CarrierError):
    pass


class ExposureError(VoicecallError):
    """`tool` names the program ("ngrok", "tailscale"); the message never holds a token.

    `enable_url`: where the owner of the account switches on what is missing, when the program told.
    """

    retryable = True

    def __init__(self, tool: str, message: str, *, enable_url: str | None = None) -> None:
        super().__init__(f"{tool}: {message}")
        self.tool = tool
        self.enable_url = enable_url


class ToolMissing(ExposureError):
    retryable = False


class ServiceError(VoicecallError):
    """`service` names who failed ("openai-tts"); the message never holds a secret or a transcript."""

    def __init__(self, service: str, message: str, *, retryable: bool = True) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.retryable = retryable


class ArchiveUnavailable(VoicecallError):
    """The message masks the password and holds nothing of any call."""

    retryable = True


class BusError(VoicecallError):
    pass


class Fenced(BusError):
    pass


class BusUnavailable(BusError):
    retryable = True
