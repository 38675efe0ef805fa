"""The address of Redis, taken apart: a server, or the Sentinels that know which of several servers is the primary.

    redis://user:password@host:6379/0                  rediss://…: with TLS                  unix:///run/redis.sock?db=0
    redis+sentinel://user:password@host:26379,host:26379/service/0                  rediss+sentinel://…: with TLS, both

Options of the client follow as a query; those of TLS are `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`,
`ssl_cert_reqs` and `ssl_check_hostname`. `sentinel_username` and `sentinel_password` are for Sentinels with a password
of their own. Read by `deployment`, used by `bus/connection`. Opens no connection.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

__all__ = ["RedisAddress", "address_problem", "read_address"]

_SENTINELS: Final = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<user>[^@/]*)@)?(?P<hosts>[^@/?]+)"
    r"/(?P<service>[^/?]+)(?:/(?P<database>[0-9]{1,5}))?/?(?:\?(?P<query>.*))?\Z"
)
_HOST: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?\Z")
_SERVICE: Final = re.compile(r"[A-Za-z0-9._-]+\Z")  # what Sentinel itself accepts
_DATABASE: Final = re.compile(r"[0-9]{1,5}\Z")
_SENTINEL_PORT: Final = 26379
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OWN: Final = ("sentinel_username", "sentinel_password")
_SHAPE: Final = "is not a Redis URL; write redis://host:6379/0"
_SENTINEL_SHAPE: Final = "is not a Redis URL; write redis+sentinel://host:26379,host:26379/service/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """`url`: of the server, as the client reads it. With `sentinels` its host is a placeholder for the primary's.

    `service`: the name under which the Sentinels watch the primary. `credentials`: of the Sentinels.
    """

    url: str = field(repr=False)
    database: int = 0
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    credentials: tuple[str | None, str | None] = field(default=(None, None), repr=False)

    @property
    def is_encrypted(self) -> bool:
        return self.url.startswith("rediss:")

    @property
    def is_local(self) -> bool:
        """Whether what is sent stays on this machine."""
        hosts = [host for host, _ in self.sentinels] or [urlsplit(self.url).hostname or "localhost"]
        return self.url.startswith("unix:") or all(
            host in {"localhost", "::1"} or host.startswith("127.") for host in hosts
        )


def read_address(text: str) -> RedisAddress:
    """Take apart an address in which `address_problem` found no problem."""
    found = _SENTINELS.match(text)
    if found is None:
        parts = urlsplit(text)
        named = dict(parse_qsl(parts.query)).get("db", "" if parts.scheme == "unix" else parts.path[1:])
        return RedisAddress(url=text, database=int(named) if _DATABASE.match(named) else 0)
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    database = found["database"] or options.pop("db", "0")
    user = f"{found['user']}@" if found["user"] else ""
    query = urlencode({name: value for name, value in options.items() if name not in _OWN})
    return RedisAddress(
        url=f"{found['scheme']}://{user}primary.invalid/{database}" + (f"?{query}" if query else ""),
        database=int(database),
        sentinels=tuple(_host_of(each) for each in found["hosts"].split(",")),
        service=found["service"],
        credentials=(options.get("sentinel_username"), options.get("sentinel_password")),
    )


def address_problem(text: str) -> str | None:
    """What is wrong with the address, and what to write; None: nothing. Does not contain the address: it may hold a
    password.
    """
    if text.startswith(("redis+sentinel://", "rediss+sentinel://")):
        problem = _sentinel_problem(text)
    else:
        problem = None if _is_server(text) else _SHAPE
    if problem is not None:
        return problem
    address = read_address(text)
    options = dict(parse_qsl(urlsplit(address.url).query))
    if not address.is_encrypted and (name := next((name for name in options if name.startswith("ssl_")), None)):
        return f"has {name}, which needs TLS; write rediss:// or rediss+sentinel://"
    for name in _FILES:
        if name in options and not os.access(options[name], os.R_OK):
            return f"{name} names {options[name]!r}, which cannot be read; correct the path or its permissions"
    if options and not _are_options(address.url):
        return _SENTINEL_SHAPE if address.sentinels else _SHAPE
    return None


def _sentinel_problem(text: str) -> str | None:
    found = _SENTINELS.match(text)
    if found is None or not _SERVICE.match(unquote(found["service"])):
        return _SENTINEL_SHAPE
    if not all(_HOST.match(each) and 0 < _host_of(each)[1] <= 65_535 for each in found["hosts"].split(",")):
        return _SENTINEL_SHAPE
    database = dict(parse_qsl(found["query"] or "")).get("db", "0")
    return None if _DATABASE.match(database) else _SENTINEL_SHAPE


def _host_of(text: str) -> tuple[str, int]:
    found = _HOST.match(text)
    if found is None:
        raise ValueError("not a host")
    return found["six"] or found["host"], int(found["port"] or _SENTINEL_PORT)


def _is_server(text: str) -> bool:
    """The client ignores a database that is no number and would use database 0."""
    if not text.startswith(("redis://", "rediss://", "unix://")):
        return False  # the client knows them in lower case only
    try:
        parts = urlsplit(text)
        databases = [value for name, value in parse_qsl(parts.query) if name == "db"]
        if parts.scheme in {"redis", "rediss"}:
            databases += [parts.path[1:]] if len(parts.path) > 1 else []
            is_address = parts.port != 0
        else:
            is_address = parts.scheme == "unix" and len(parts.path) > 1
    except ValueError:
        return False
    return is_address and all(_DATABASE.match(database) for database in databases)


def _are_options(url: str) -> bool:
    """Whether the client takes the options in the query; it would raise when it connects."""
    # Its import takes 60 ms, and hardly any URL has options.
    from redis.asyncio import ConnectionPool
    from redis.exceptions import RedisError

    try:
        pool = ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, RedisError):
        return False
    return True
