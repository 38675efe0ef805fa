"""The tree of errors that this program raises.

    VoicecallError
    ├── ConfigError            the configuration cannot be used; `problems` lists every reason at once
    ├── Refusal                an API request is refused; `code` is the error code of the RPC answer
    │   ├── InvalidRequest     the request itself is wrong
    │   ├── NotFound           no such call
    │   ├── Conflict           the same idempotency key with another request
    │   ├── Failed             the request is valid, but the call or the carrier does not allow it
    │   ├── Exhausted          maxConcurrentCalls is reached
    │   └── Unavailable        it may succeed later, or its outcome is not known yet; `call_id` is the call to ask about
    ├── WebhookRejected        a request to the ingress is not accepted; `reason` is a metric label, `status` HTTP's
    ├── CarrierError           a carrier did not carry out a command
    │   ├── CarrierRejected    it refused the command: do not repeat
    │   ├── CarrierUnreachable it did not receive the command: repeating is safe
    │   │   └── NotExposed     no public address is known that it could call back: nothing was sent
    │   └── CarrierSilent      it may have acted: query the leg, do not repeat (guarantee P3)
    ├── ExposureError          a tunnel could not be opened, or was lost; the message ends with the remedy
    │   └── ToolMissing        the tunnel's program is not installed: retrying does not help
    ├── ArchiveUnavailable     the archive's database does not serve; the message has its address, reason and remedy
    ├── RecordingStoreUnavailable  the store of recordings does not serve; as ArchiveUnavailable
    ├── ServiceError           a speech service or model failed; `retryable` says whether another try may help
    │   └── ServiceTimeout     it did not answer, or stopped answering: the next request would wait as long
    └── BusError
        ├── Fenced             another activation owns this call now: stop
        └── BusUnavailable     Redis does not answer
            └── BusRefused     it answers and refuses this client: password, permission, cluster

`retryable` is data: the code that catches an error decides whether to repeat.
"""

from enum import StrEnum
from typing import Final

__all__ = [
    "ArchiveUnavailable",
    "BusError",
    "BusRefused",
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
    "FailureKind",
    "Fenced",
    "InvalidRequest",
    "NotExposed",
    "NotFound",
    "RecordingStoreUnavailable",
    "Refusal",
    "ServiceError",
    "ServiceTimeout",
    "ToolMissing",
    "Unavailable",
    "VoicecallError",
    "WebhookRejected",
]


_LONGEST_MESSAGE: Final = 256


class VoicecallError(Exception):
    """The root of the tree; never raised itself."""

    retryable: bool = False


class ConfigError(VoicecallError):
    """`problems`: one sentence each, naming the key, what is wrong with its value, and the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Refusal(VoicecallError):
    """An API request is refused. `code` goes into the RPC answer; `call_id` names the call concerned, if any."""

    code = "INVALID_REQUEST"

    def __init__(self, message: str, *, call_id: str | None = None, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.call_id = call_id
        self.retry_after_ms = retry_after_ms

    @property
    def retry_after_s(self) -> int | None:
        """For `Retry-After`: in whole seconds, rounded up."""
        return None if self.retry_after_ms is None else -(-self.retry_after_ms // 1000)


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
    """A request from outside is not accepted. `reason` is one of a fixed set for metrics, never the sender's text."""

    def __init__(self, reason: str, *, status: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class CarrierError(VoicecallError):
    """`status` is the HTTP status (0: none); `code` and `message` are the carrier's own, at most 256 characters."""

    def __init__(self, message: str, *, status: int = 0, code: str = "", retry_after_s: float | None = None) -> None:
        message, code = message[:_LONGEST_MESSAGE], code[:_LONGEST_MESSAGE]
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
    """No public address is known, so a carrier could not call back."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not-exposed")


class CarrierSilent(CarrierError):
    pass


class ExposureError(VoicecallError):
    """`tool` names the program ("ngrok", "tailscale"); the message never holds a token.

    `enable_url`: where the owner of the account enables the missing feature, when the program reports it.
    """

    retryable = True

    def __init__(self, tool: str, message: str, *, enable_url: str | None = None) -> None:
        super().__init__(f"{tool}: {message}")
        self.tool = tool
        self.enable_url = enable_url


class ToolMissing(ExposureError):
    retryable = False


class FailureKind(StrEnum):
    """Why a service did not do its part, in a word fit for a record: no address, no key, no text."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"  # its key is refused: so will be the next request
    REFUSED = "refused"
    BROKEN = "broken"
    EMPTY = "empty"
    FILTERED = "filtered"
    DECLINED = "declined"  # the model will not answer this
    UNSUITABLE = "unsuitable"  # the text is not for this service
    REWORDED = "reworded"
    PASSED_OVER = "passed-over"  # not asked: it has been failing

    @property
    def is_of_service(self) -> bool:
        """Whether it says something of the service, and not of this one text or call."""
        return self not in {
            *(FailureKind.FILTERED, FailureKind.DECLINED, FailureKind.UNSUITABLE),
            FailureKind.PASSED_OVER,
        }

    @classmethod
    def of_status(cls, status: int) -> "FailureKind":
        """What an HTTP status other than the expected one means."""
        if status in {401, 402, 403}:
            return cls.UNAUTHORIZED
        if status in {408, 409, 425, 429}:
            return cls.BUSY
        return cls.BROKEN if status >= 500 else cls.REFUSED


class ServiceError(VoicecallError):
    """`service` names what failed ("openai-tts"); the message never holds a secret or a transcript.

    `retry_after_s`: when the service wants to be asked again, where it says so.
    """

    def __init__(
        self,
        service: str,
        message: str,
        *,
        retryable: bool = True,
        retry_after_s: float | None = None,
        kind: FailureKind = FailureKind.BROKEN,
    ) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.kind = kind


class ServiceTimeout(ServiceError):
    """The service is reachable and silent."""

    def __init__(self, service: str, message: str, *, retryable: bool = True) -> None:
        super().__init__(service, message, retryable=retryable, kind=FailureKind.TIMEOUT)


class ArchiveUnavailable(VoicecallError):
    """The message masks the password and contains no data of any call."""

    retryable = True


class RecordingStoreUnavailable(VoicecallError):
    """The message has the store's address, the reason and a remedy, and no secret."""

    retryable = True


class BusError(VoicecallError):
    @property
    def public(self) -> str:
        """The message for API clients: without what follows a colon, addresses and the server's own words."""
        return str(self).partition(": ")[0]


class Fenced(BusError):
    pass


class BusUnavailable(BusError):
    """`remedy`: what an operator can do about it."""

    retryable = True
    remedy: str = "start Redis, or set REDIS_URL to where it is"


class BusRefused(BusUnavailable):
    """The message has the server's own words. Handled as an outage: the server's configuration may change again."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy
