"""The store: objects in memory, at `/<bucket>/<key>`. `PUT /_sim/faults {"status": 503}` breaks it."""

import hashlib
import re
import uuid
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape, unescape

from aiohttp import web

from simulators.s3.signature import problem_of

__all__ = ["build"]

_RANGE: Final = re.compile(r"bytes=([0-9]+)-([0-9]*)\Z")
_PAGE: Final = 100


class _Store:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], tuple[bytes, datetime]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.status = 0
        self.refused: list[str] = []

    async def control(self, request: web.Request) -> web.Response:
        """The fault, and what was refused."""
        if request.method == "PUT":
            self.status = int((await request.json())["status"])
        return web.json_response({"refused": self.refused, "keys": sorted(key for _, key in self.objects)})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        problem = problem_of(request.method, request.raw_path, headers, body)
        if self.status or problem is not None:
            self.refused.append(problem or "ServiceUnavailable")
            return _error(self.status or 403, problem or "ServiceUnavailable")
        bucket, key = request.match_info["bucket"], request.match_info.get("key", "")
        if request.method in {"GET", "HEAD"}:
            return self._get(request, bucket, key) if key else self._list(request, bucket)
        if request.method == "PUT":
            return self._put(request, bucket, key, body)
        if request.method == "DELETE":
            self.objects.pop((bucket, key), None)
            return web.Response(status=204)
        return self._post(request, bucket, key, body)

    def _get(self, request: web.Request, bucket: str, key: str) -> web.Response:
        found = self.objects.get((bucket, key))
        if found is None:
            return _error(404, "NoSuchKey")
        data, at = found
        headers = {"ETag": _tag(data), "Last-Modified": f"{at:%a, %d %b %Y %H:%M:%S GMT}"}
        span = _RANGE.match(request.headers.get("Range", ""))
        if span is None:
            return web.Response(body=data, headers=headers)
        first, last = int(span[1]), min(int(span[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return web.Response(status=206, body=data[first : last + 1], headers=headers)

    def _put(self, request: web.Request, bucket: str, key: str, body: bytes) -> web.Response:
        upload = request.query.get("uploadId")
        if upload is None:
            self.objects[bucket, key] = body, datetime.now(UTC)
        elif upload in self.uploads:
            self.uploads[upload][int(request.query["partNumber"])] = body
        else:
            return _error(404, "NoSuchUpload")
        return web.Response(headers={"ETag": _tag(body)})

    def _post(self, request: web.Request, bucket: str, key: str, body: bytes) -> web.Response:
        if "uploads" in request.query:
            upload = uuid.uuid4().hex
            self.uploads[upload] = {}
            names = f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>"
            return _xml("InitiateMultipartUploadResult", names)
        if "uploadId" in request.query:
            parts = self.uploads.pop(request.query["uploadId"])
            data = b"".join(parts[number] for number in sorted(parts))
            self.objects[bucket, key] = data, datetime.now(UTC)
            return _xml("CompleteMultipartUploadResult", f"<Key>{escape(key)}</Key><ETag>{escape(_tag(data))}</ETag>")
        keys = [unescape(found) for found in re.findall(r"<Key>(.*?)</Key>", body.decode())]
        for each in keys:
            self.objects.pop((bucket, each), None)
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{escape(each)}</Key></Deleted>" for each in keys))

    def _list(self, request: web.Request, bucket: str) -> web.Response:
        prefix, after = request.query.get("prefix", ""), request.query.get("continuation-token", "")
        found = sorted(key for where, key in self.objects if where == bucket and key.startswith(prefix) and key > after)
        page = found[:_PAGE]
        listed = "".join(self._listed(bucket, key) for key in page)
        more = len(found) > _PAGE
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        facts = f"<Name>{bucket}</Name><KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
        return _xml("ListBucketResult", facts + token + listed)

    def _listed(self, bucket: str, key: str) -> str:
        data, at = self.objects[bucket, key]
        facts = f"<Size>{len(data)}</Size><LastModified>{at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        return f"<Contents><Key>{escape(key)}</Key>{facts}<ETag>{escape(_tag(data))}</ETag></Contents>"


def _tag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _xml(name: str, content: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{content}</{name}>'
    return web.Response(text=text, content_type="application/xml")


def _error(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")


def build() -> web.Application:
    store = _Store()
    app = web.Application(client_max_size=256 * 1_048_576)
    app.router.add_route("*", "/_sim/faults", store.control)
    app.router.add_route("*", "/{bucket}", store.handle)
    app.router.add_route("*", "/{bucket}/{key:.+}", store.handle)
    return app
