"""The published signature vectors: what the carriers' own SDKs accept and refuse, we accept and refuse."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from voicecall.carriers.twilio.codec import Codec
from voicecall.carriers.twilio.signature import Fields, check_signature
from voicecall.errors import WebhookRejected
from voicecall.ports import WebhookRequest

_FILE = json.loads((Path(__file__).parent / "vectors" / "signature-vectors.json").read_text())
_TWILIO = [vector for part in ("positive", "negative") for vector in _FILE[part] if vector["carrier"] == "twilio"]
_HTTP = [vector for vector in _TWILIO if not vector["url"].startswith("ws")]
_UPGRADES = [vector for vector in _TWILIO if vector["url"].startswith("ws")]


def _id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def _fields(params: dict[str, str | list[str]] | None) -> list[tuple[str, str]]:
    pairs = []
    for name, value in (params or {}).items():
        pairs += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return pairs


def _request(vector: dict[str, Any]) -> WebhookRequest:
    posts_json = vector["body"] is not None
    body = vector["body"] if posts_json else urlencode(_fields(vector["params"]))
    kind = "application/json" if posts_json else "application/x-www-form-urlencoded; charset=UTF-8"
    headers = {"content-type": kind, "x-twilio-signature": vector["signature"]}
    return WebhookRequest(method="POST", url=vector["url"], headers=headers, body=body.encode())


@pytest.mark.parametrize("vector", _HTTP, ids=_id)
def test_webhooks_are_judged_as_the_sdks_judge_them(vector: dict[str, Any]) -> None:
    """Each vector was reproduced by an official SDK; `expect` is its verdict."""
    codec = Codec(account_sid="AC" + "0" * 32, auth_tokens=(vector["auth_token"],))
    if vector["expect"]:
        assert codec.verify(_request(vector)).key.startswith("twilio:")
    else:
        with pytest.raises(WebhookRejected) as refused:
            codec.verify(_request(vector))
        assert refused.value.status == 401


@pytest.mark.parametrize("vector", _UPGRADES, ids=_id)
def test_handshakes_are_judged_as_the_sdks_judge_them(vector: dict[str, Any]) -> None:
    """A handshake's signature covers its wss:// URL; a relay's query is signed as if it were a form."""
    fields: Fields = [(name.encode(), value.encode()) for name, value in _fields(vector["params"])]
    check_signature(vector["signature"], (vector["auth_token"],), vector["url"], fields)
    with pytest.raises(WebhookRejected, match="signature-mismatch"):
        check_signature(vector["signature"], (vector["auth_token"] + "x",), vector["url"], fields)


def test_the_vectors_are_all_there() -> None:
    """An empty file would pass every other test here."""
    assert (len(_HTTP), len(_UPGRADES)) == (16, 2)
    assert {vector["expect"] for vector in _HTTP} == {True, False}
