"""The supervisor that started the processes, where there is one: `voicecall dev` kills and restarts them on request.

Used by `tabs`. The address and the token come from the environment that the supervisor made.
"""

from collections.abc import Mapping
from typing import Final

import aiohttp

__all__ = ["ROLES", "Supervisor", "supervisor_in"]

ROLES: Final = ("worker", "ingress")
"""What may be killed: the parts whose death a call survives."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0)


class Supervisor:
    """`http` is borrowed."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._token = token

    async def kill(self, role: str, call: str) -> str:
        """Kill a process of this role by SIGKILL, of several workers the one that holds the call. Returns why not."""
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with self._http.post(
                f"{self._url}/kill", json={"role": role, "callId": call}, headers=headers, timeout=_TIMEOUT
            ) as reply:
                return "" if reply.status == 200 else f"the supervisor refused: HTTP {reply.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"the supervisor does not answer: {type(error).__name__}"


def supervisor_in(environ: Mapping[str, str], http: aiohttp.ClientSession) -> Supervisor | None:
    """The supervisor that the environment names; None without one."""
    url, token = environ.get("VOICECALL_DEV_URL", "").strip(), environ.get("VOICECALL_DEV_TOKEN", "").strip()
    return Supervisor(http, url, token) if url and token else None
