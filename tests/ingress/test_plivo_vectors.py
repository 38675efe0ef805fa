"""The published vectors of Plivo's signature over HTTP: the ingress judges them as Plivo's SDKs do."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ingress.harness import exchange, running_ingress
from voicecall.carriers.plivo.codec import Codec

_FILE = Path(__file__).parents[1] / "contract" / "vectors" / "signature-vectors.json"
_VECTORS = [vector for part in ("positive", "negative") for vector in json.loads(_FILE.read_text())[part]]
_POSTS = [each for each in _VECTORS if each["carrier"] == "plivo" and each.get("method") == "POST"]


@pytest.mark.parametrize("vector", _POSTS, ids=lambda vector: str(vector["id"]))
async def test_a11_plivos_vectors_are_judged_alike_over_http(vector: dict[str, Any]) -> None:
    """With the vector's URL as `publicUrl`, exactly as written; what the body then means is not the question here."""
    public, mark, query = vector["url"].partition("?")
    body = urlencode(vector.get("params") or {}).encode()
    head = [
        f"POST /voice/webhook/{mark}{query} HTTP/1.1" if public.endswith("/") else "POST /voice/webhook HTTP/1.1",
        "Host: h",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        f"X-Plivo-Signature-V3: {vector['signature']}",
        f"X-Plivo-Signature-V3-Nonce: {vector['nonce']}",
    ]
    codec = Codec(auth_tokens=(vector["auth_token"],))
    async with running_ingress(publicUrl=public, codec=codec) as ingress:
        answer = await exchange(ingress.port, "\r\n".join([*head, "", ""]).encode() + body)
    assert (answer.status != 401) is vector["expect"]


def test_the_vectors_are_all_there() -> None:
    """An empty file would pass the other test; four of those that verify end in a slash."""
    good = [each for each in _POSTS if each["expect"]]
    assert (len(_POSTS), len(good)) == (10, 5)
    assert sum(each["url"].partition("?")[0].endswith("/") for each in good) == 4
