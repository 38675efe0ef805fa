"""Which requests a browser sent on behalf of a page: servers that ask for no proof refuse them (attack 107).

A page may post a form to any address without asking, and a name of the page's owner may be rebound to this machine
(DNS rebinding). Pure; used by ingress, gateway, health servers and MCP server.
"""

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

__all__ = ["host_name", "is_from_page", "is_of_other_origin", "is_strange_name"]


def is_from_page(headers: Mapping[str, str]) -> bool:
    """Whether a page caused the request. `headers`: names lower-cased, or any case where the mapping ignores it.

    What a person typed into the browser's address bar ("none") and the server's own pages ("same-origin") do not count.
    """
    return headers.get("sec-fetch-site", "none").lower() not in {"none", "same-origin"}


def is_of_other_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser names another page than one of this server as the origin. `headers`: as above."""
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True


def is_strange_name(host: str, known: Collection[str] = ()) -> bool:
    """Whether a Host header names what its owner may have rebound to this address.

    Addresses, `localhost` and names without a dot cannot be rebound by a stranger; `known` are the server's own names.
    """
    name = host_name(host)
    if name is None:
        return True
    return "." in name and not _is_address(name) and name not in known and not name.endswith(".localhost")


def host_name(host: str) -> str | None:
    """The name in a Host header, lower-case and without port; None when it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
