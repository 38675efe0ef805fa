"""The operator's page: one static file without outside assets, under a policy that lets nothing else run.

The page itself holds no facts, so anybody may load it; what it shows comes over the WebSocket, for which it asks the
operator's token. Knows nothing of calls.
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
    """The policy's names of our own inline blocks: anything else in the page, however it got there, does not run."""
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
