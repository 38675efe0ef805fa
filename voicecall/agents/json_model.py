"""One whole answer of a chat model, for what is not spoken: the data of a report.

By OpenAI's `/chat/completions`, as `llm`, without streaming and without the rules of speech. Repeats nothing; the
caller decides whether to ask again.
"""

from dataclasses import dataclass
from typing import Final

import aiohttp
import orjson

from voicecall.agents.stream import ModelStream, error_code
from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.http_client import may_pass, post, retry_after_s

__all__ = ["Answer", "WholeAnswers"]

_SERVICE: Final = "report-model"
_LARGEST: Final = 1_048_576
_ERROR_READ: Final = 2_000


@dataclass(frozen=True, slots=True)
class Answer:
    """`tokens`: of the prompt and of the answer, where the service reports them."""

    text: str
    tokens: tuple[int, int] | None = None


class WholeAnswers:
    """The session is shared and not closed here. `total_s`: the time of one answer."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        total_s: float = 60.0,
        connect_s: float = 3.0,
    ) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._model = model
        self._timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=connect_s)

    async def ask(self, messages: list[dict[str, str]]) -> Answer:
        """Raises ServiceError, retryable for 408, 409, 425, 429, 5xx and network trouble."""
        body = orjson.dumps({"model": self._model, "messages": messages})
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            async with await post(self._http, self._url, data=body, headers=headers, timeout=self._timeout) as response:
                if response.status != 200:
                    raise await _refusal_of(response)
                return _answer_of(await _whole(response))
        except TimeoutError as error:
            raise ServiceTimeout(_SERVICE, "no answer in time") from error
        except aiohttp.ClientError as error:
            raise ServiceError(_SERVICE, f"connection failed: {type(error).__name__}") from error


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _LARGEST:
            raise ServiceError(_SERVICE, "the answer is too long", retryable=False)
    return bytes(body)


def _answer_of(body: bytes) -> Answer:
    stream = ModelStream()
    text = "".join((*stream.feed(body), *stream.flush()))
    prompt = stream.prompt_tokens
    return Answer(text, (prompt, max(0, stream.tokens - prompt)) if prompt else None)


async def _refusal_of(response: aiohttp.ClientResponse) -> ServiceError:
    try:
        code = error_code(orjson.loads(await response.content.read(_ERROR_READ)))
    except (orjson.JSONDecodeError, TypeError):
        code = ""
    return ServiceError(
        _SERVICE,
        f"refused: {response.status} {code}".rstrip(),
        retryable=may_pass(response.status),
        retry_after_s=retry_after_s(response.headers),
        kind=FailureKind.of_status(response.status),
    )
