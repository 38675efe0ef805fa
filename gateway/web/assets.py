"""Serves the files of the pages: HTML by name, modules and style sheets under an address that names their content.

A page refers to `/assets/<digest>/…`, where the digest is of all files together: such an address never changes its
content, so browsers keep it, and a page never runs modules of another build. The pages contain no data and need no
token. Knows nothing of calls.
"""

import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

__all__ = ["asset", "page"]

_TYPES: Final = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
_PLACE: Final = "{assets}"


def page(name: str, request: web.Request, *, microphone: bool = False) -> web.Response:
    """The page in the folder of this name. `microphone`: it may ask the browser for one."""
    body = _FILES[f"{name}/index.html"].replace(_PLACE.encode(), f"/assets/{_DIGEST}".encode())
    headers = {**_PAGE_HEADERS, "Permissions-Policy": f"microphone=({'self' if microphone else ''}), camera=()"}
    return _answer(request, "html", body, {**headers, "Cache-Control": "no-cache"})


def asset(request: web.Request) -> web.Response:
    """`GET /assets/<digest>/<file>`: 404 for the digest of another build."""
    name = request.match_info["name"]
    kind = name.rpartition(".")[2]
    if request.match_info["digest"] != _DIGEST or name not in _FILES or kind == "html":
        raise web.HTTPNotFound
    return _answer(request, kind, _FILES[name], {"Cache-Control": "public, max-age=31536000, immutable"})


def _answer(request: web.Request, kind: str, body: bytes, headers: Mapping[str, str]) -> web.Response:
    tag = hashlib.sha256(body).hexdigest()[:32]
    sent = {**headers, "ETag": f'"{tag}"', "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
        return web.Response(status=304, headers=sent)
    return web.Response(body=body, content_type=_TYPES[kind], charset="utf-8", headers=sent)


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _TYPES:
            yield prefix + entry.name, entry.read_bytes()


_FILES: Final = dict(_files(resources.files("gateway.web")))
_DIGEST: Final = hashlib.sha256(repr(sorted(_FILES.items())).encode()).hexdigest()[:20]
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " media-src 'self';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
