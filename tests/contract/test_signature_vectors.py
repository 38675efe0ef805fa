"""The published signature vectors: the codecs accept and refuse what the carriers' own SDKs accept and refuse."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from voicecall.carriers.plivo.codec import Codec as PlivoCodec
from voicecall.carriers.telnyx.codec import Codec as TelnyxCodec
from voicecall.carriers.twilio.codec import Codec as TwilioCodec
from voicecall.carriers.twilio.signature import check_signature
from voicecall.errors import WebhookRejected
from voicecall.ports import Codec, WebhookRequest

_FILE = json.loads((Path(__file__).parent / "vectors" / "signature-vectors.json").read_text())
_ALL = [vector for part in ("positive", "negative") for vector in _FILE[part]]
_UPGRADES = [vector for vector in _ALL if vector["carrier"] == "twilio" and vector["url"].startswith("ws")]
_HTTP = [vector for vector in _ALL if vector not in _UPGRADES]
_FORM = "application/x-www-form-urlencoded; charset=UTF-8"


def _id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def _fields(params: dict[str, str | list[str]] | None) -> list[tuple[str, str]]:
    pairs = []
    for name, value in (params or {}).items():
        pairs += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return pairs


def _twilio(vector: dict[str, Any]) -> tuple[Codec, WebhookRequest]:
    posts_json = vector["body"] is not None
    body = vector["body"] if posts_json else urlencode(_fields(vector["params"]))
    headers = {
        "content-type": "application/json" if posts_json else _FORM,
        "x-twilio-signature": vector["signature"],
    }
    request = WebhookRequest(method="POST", url=vector["url"], headers=headers, body=body.encode())
    return TwilioCodec(account_sid="AC" + "0" * 32, auth_tokens=(vector["auth_token"],)), request


def _telnyx(vector: dict[str, Any]) -> tuple[Codec, WebhookRequest]:
    headers = {"content-type": "application/json", **vector["headers"]}
    request = WebhookRequest(method="POST", url="https://h.example/", headers=headers, body=vector["body"].encode())
    return TelnyxCodec(public_key=vector["public_key"], now=lambda: vector["now"]), request


def _plivo(vector: dict[str, Any]) -> tuple[Codec, WebhookRequest]:
    scheme, method = vector["scheme"], vector.get("method", "POST")
    headers = {
        "content-type": _FORM,
        f"x-plivo-signature-{scheme}": vector["signature"],
        f"x-plivo-signature-{scheme}-nonce": vector["nonce"],
    }
    url, sent = vector["url"], urlencode(_fields(vector.get("params")))
    if method == "GET" and sent:
        # On the wire a GET has its parameters in the query.
        url, sent = f"{url}{'&' if '?' in url else '?'}{sent}", ""
    request = WebhookRequest(method=method, url=url, headers=headers, body=sent.encode())
    return PlivoCodec(auth_tokens=(vector["auth_token"],)), request


_SPOKEN = {"twilio": _twilio, "telnyx": _telnyx, "plivo": _plivo}


@pytest.mark.parametrize("vector", _HTTP, ids=_id)
def test_webhooks_are_judged_as_the_sdks_judge_them(vector: dict[str, Any]) -> None:
    """Each vector was reproduced by an official SDK; `expect` is its verdict. Plivo's V2 is refused altogether."""
    codec, request = _SPOKEN[vector["carrier"]](vector)
    if vector["expect"] and vector.get("scheme") != "v2":
        assert codec.verify(request).key.startswith(vector["carrier"] + ":")
    else:
        with pytest.raises(WebhookRejected) as refused:
            codec.verify(request)
        assert refused.value.status == 401


@pytest.mark.parametrize("vector", _UPGRADES, ids=_id)
def test_handshakes_are_judged_as_the_sdks_judge_them(vector: dict[str, Any]) -> None:
    """A handshake's signature covers its wss:// URL; a relay's query is signed as if it were a form."""
    fields = _fields(vector["params"])
    check_signature(vector["signature"], (vector["auth_token"],), vector["url"], fields)
    with pytest.raises(WebhookRejected, match="signature-mismatch"):
        check_signature(vector["signature"], (vector["auth_token"] + "x",), vector["url"], fields)


def test_the_vectors_are_all_there() -> None:
    """An empty file would pass every other test here."""
    counts = {name: sum(vector["carrier"] == name for vector in _HTTP) for name in _SPOKEN}
    assert (counts, len(_UPGRADES)) == ({"twilio": 16, "telnyx": 10, "plivo": 15}, 2)
    for name in _SPOKEN:
        assert {vector["expect"] for vector in _HTTP if vector["carrier"] == name} == {True, False}
