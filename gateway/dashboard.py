"""The dashboard: one static page without external assets, under a content security policy that runs nothing else.

The page contains no data and needs no token; what it shows comes over the WebSocket, for which it asks the operator's
token. Knows nothing of calls.
"""

import base64
import hashlib
import re
from importlib import resources
from typing import Final

from aiohttp import web

__all__ = ["page"]

_HTML: Final = (resources.files("gateway") / "dashboard.html").read_text(encoding="utf-8")


def page() -> web.Response:
    return web.Response(text=_HTML, content_type="text/html", headers=_HEADERS)


def _hashes(tag: str) -> str:
    """The CSP hashes of the page's own inline blocks; injected blocks do not match and do not run."""
    blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", _HTML, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')};"
        " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
