"""Pages of the gateway: packaged files, served by exact name under a strict content security policy.

A page holds no data and needs no token; what it shows comes over its sockets. No file is inline, so that neither a
script nor a style of anyone else runs.
"""

from functools import cache
from importlib import resources
from typing import Final

from aiohttp import web

__all__ = ["asset", "page"]

_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(folder: str, *, permissions: str = "") -> web.Response:
    """The page of a folder under `gateway/web`. `permissions`: its Permissions-Policy."""
    response = asset(f"{folder}/index.html")
    if permissions:
        response.headers["Permissions-Policy"] = permissions
    return response


def asset(path: str) -> web.Response:
    """A packaged file, or 404. `path`: as in `common/gateway.js`."""
    kind = next((kind for suffix, kind in _TYPES.items() if path.endswith(suffix)), "")
    body = _files().get(path) if kind else None
    if body is None:
        return web.Response(status=404, text="Not Found\n")
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=_HEADERS)


@cache
def _files() -> dict[str, bytes]:
    """Every file of the two-level folder, read once: a request never names a path of the disk."""
    folders = [folder for folder in (resources.files("gateway") / "web").iterdir() if folder.is_dir()]
    return {
        f"{folder.name}/{file.name}": file.read_bytes()
        for folder in folders
        for file in folder.iterdir()
        if file.is_file()
    }
