"""AWS Signature Version 4 of a request to S3, written from Amazon's "Signature Calculations for the Authorization
Header". Pure.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

__all__ = ["ACCESS_KEY", "REGION", "SECRET_KEY", "problem_of"]

ACCESS_KEY: Final = "AKIASIMULATOR"
SECRET_KEY: Final = "a-secret-of-the-simulator"  # noqa: S105  no one's secret
REGION: Final = "us-east-1"

_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>[0-9]{8})/(?P<region>[^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})\Z"
)


def problem_of(method: str, raw_path: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """Why the request is refused, as S3's error code; None: it is signed. `headers`: names in lower case."""
    found = _HEADER.match(headers.get("authorization", ""))
    if found is None:
        return "AccessDenied"
    if found["key"] != ACCESS_KEY:
        return "InvalidAccessKeyId"
    digest = headers.get("x-amz-content-sha256", "")
    if digest not in {"UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()}:
        return "XAmzContentSHA256Mismatch"
    scope = f"{found['day']}/{found['region']}/s3/aws4_request"
    canonical = _canonical(method, raw_path, headers, found["names"], digest)
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (found["day"], found["region"], "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return None if hmac.compare_digest(expected, found["signature"]) else "SignatureDoesNotMatch"


def _canonical(method: str, raw_path: str, headers: Mapping[str, str], names: str, digest: str) -> str:
    path, _, query = raw_path.partition("?")
    fields = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, _, value in (field.partition("=") for field in query.split("&") if field)
    )
    listed = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names.split(";"))
    return "\n".join(
        (method, quote(unquote(path), safe="/-_.~"), "&".join(f"{n}={v}" for n, v in fields), listed, names, digest)
    )
