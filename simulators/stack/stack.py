"""The stack: starts every process in order, on loopback, and gives each the addresses of the others."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from redis.asyncio import Redis

from simulators.fake_binaries import FakeBinaries
from simulators.stack.carriers import CARRIERS
from simulators.stack.clients import Gateway, Simulator
from simulators.stack.process import Process, answers, prints_ready
from simulators.stack.redis import SERVICE, free_port, redis_answers, redis_command, sentinel_command

__all__ = ["FROM_NUMBER", "NGROK_TOKEN", "PUBLIC_ORIGIN", "THIS_BUILD", "Plan", "Stack"]

PUBLIC_ORIGIN = "https://voice.example.test"
FROM_NUMBER = "+15550001000"
NGROK_TOKEN = "demo-ngrok-token"  # noqa: S105 - the fake executable's, not a real credential
THIS_BUILD = Path(__file__).resolve().parents[2]
_ROLES = frozenset({"ingress", "gateway", "worker"})
_WORKER = ("workers", "--processes", "1", "--threads", "4", "--skip-logging")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start. `config` is merged over the stack's own configuration, key by key, one level deep.

    `speech`: real voices, by a speech server, in place of tone code; the agent's model stays the simulator's.
    `ngrok`: no `publicUrl`; the (only) ingress opens a tunnel, and the carrier connects through it. `document`: what
    the file of the configuration holds, made of the configuration, when it is not the configuration itself.
    `replicas`: of Redis; with any, three Sentinels watch all servers. `acl`: the file of Redis's users, of which
    `redis_user` ("name:password") is the one of the processes.
    """

    carrier: str = "twilio"
    workers: int = 2
    ingresses: int = 1
    config: Mapping[str, Any] = field(default_factory=dict)
    aof: bool = False
    replicas: int = 0
    redis_options: tuple[str, ...] = ()
    acl: str = ""
    redis_user: str = ""
    elevenlabs: bool = False  # TTS from the simulator of ElevenLabs; the agent's model stays OpenAI's
    voices: Mapping[str, str] = field(default_factory=dict)  # our number, and the voice of its calls: see `_voice`
    also: tuple[str, ...] = ()  # simulators of further services, for `document`
    stt: tuple[str, ...] = ("openai",)  # services of speech recognition: the provider, then its fallbacks
    environment: Mapping[str, str] = field(default_factory=dict)
    speech: bool = False
    worker_metrics: bool = False  # each worker answers probes and shows its metrics, at `Stack.worker_url`
    ngrok: bool = False
    front: int = 0  # the port of a proxy that the test starts, through which the carrier reaches the ingresses
    document: "Callable[[dict[str, Any], Stack], dict[str, Any]] | None" = None


class Stack:
    """`async with Stack(plan) as stack:` - every process runs inside the block, and none is left after it.

    `source`: the checkout whose ingress, gateway and worker are started from now on, which may be that of another
    build. The simulators are always those of this one.
    """

    def __init__(self, plan: Plan | None = None, *, logs: Path | None = None, source: Path = THIS_BUILD) -> None:
        self.plan = plan or Plan()
        self._scratch = tempfile.TemporaryDirectory(prefix="voicecall-")
        self.home = Path(self._scratch.name)
        self.logs = logs or self.home / "logs"
        self.redis_port = free_port()  # of the primary; a test that has another one promoted sets it
        self.replica_ports = [free_port() for _ in range(self.plan.replicas)]
        self.sentinel_ports = [free_port() for _ in range(3)]
        self.gateway_port = free_port()
        self.speech_port = free_port()
        self.speech_url = f"http://127.0.0.1:{self.speech_port}"
        self.ingress_ports = [free_port() for _ in range(self.plan.ingresses)]
        self.health_ports = [free_port() for _ in range(self.plan.ingresses)]
        self._worker_ports = [free_port() for _ in range(self.plan.workers)]
        self.tools = FakeBinaries(self.home / "bin")
        self.ngrok = {"token": NGROK_TOKEN, "url": PUBLIC_ORIGIN, "listen": free_port()}
        self.source = source
        self.processes: dict[str, Process] = {}
        self.carrier = Simulator("")
        self._account: dict[str, Any] = {}
        self.openai = Simulator("")
        self.elevenlabs = Simulator("")
        self.deepgram = Simulator("")
        self.tool_server = Simulator("")
        self.gateway = Gateway(f"http://127.0.0.1:{self.gateway_port}", "demo-gateway-token")

    # --- life

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _start(self) -> None:
        if self.plan.ngrok:
            self.tools.install("ngrok")
            self.tools.behave("ngrok", **self.ngrok)
        await self.start_redis()
        await self._start_speech()
        await asyncio.gather(self._start_openai(), self._start_carrier(), self._start_services())
        self._write_config()
        ingresses = (self.start_ingress(n) for n in range(self.plan.ingresses))
        await asyncio.gather(
            *ingresses, self.start_gateway(), *(self.start_worker(n) for n in range(self.plan.workers))
        )

    async def close(self) -> None:
        """Stop every process, newest first; one that does not stop is killed."""
        for simulator in (self.carrier, self.openai, self.elevenlabs, self.deepgram, self.tool_server, self.gateway):
            await simulator.close()
        for name in reversed(list(self.processes)):
            with contextlib.suppress(ProcessLookupError):
                self.processes[name].signal(signal.SIGCONT)
        ours = [p for name, p in self.processes.items() if name.split("-")[0] in _ROLES]
        await asyncio.gather(*(process.stop(within_s=10) for process in ours))
        for name in reversed(list(self.processes)):
            await self.processes[name].kill()
        self._scratch.cleanup()

    # --- the parts

    async def start_redis(self) -> None:
        users = self.home / "users.acl"
        users.write_text(self.plan.acl)
        access = ("--aclfile", str(users)) if self.plan.acl else ()
        await self._start_redis("redis", self.redis_port, access)
        for number, port in enumerate(self.replica_ports, 1):
            await self._start_redis(f"redis-{number}", port, ("--replicaof", "127.0.0.1", str(self.redis_port)))
        if self.replica_ports:
            await asyncio.gather(*(self.start_sentinel(number) for number in range(len(self.sentinel_ports))))

    async def _start_redis(self, name: str, port: int, options: tuple[str, ...]) -> None:
        directory = self.home / name
        directory.mkdir(exist_ok=True)
        command = redis_command(port, directory, aof=self.plan.aof)
        process = self._process(name, [*command, *self.plan.redis_options, *options])
        await process.start(lambda _: redis_answers(port))

    async def start_sentinel(self, number: int) -> None:
        port, directory = self.sentinel_ports[number], self.home / f"sentinel-{number}"
        process = self._process(f"sentinel-{number}", sentinel_command(port, directory, primary=self.redis_port))
        await process.start(lambda _: redis_answers(port))

    @property
    def redis_url(self) -> str:
        """What the processes have in REDIS_URL."""
        user = f"{self.plan.redis_user}@" if self.plan.redis_user else ""
        if not self.replica_ports:
            return f"redis://{user}127.0.0.1:{self.redis_port}/0"
        return f"redis+sentinel://{user}{','.join(f'127.0.0.1:{port}' for port in self.sentinel_ports)}/{SERVICE}/0"

    async def _start_openai(self) -> None:
        process = self._process("openai", [sys.executable, "-m", "simulators.openai"])
        await process.start(prints_ready)
        self.openai = Simulator(process.url)

    async def _start_services(self) -> None:
        """The further services of speech that the plan names."""
        names = {*self.plan.stt, *self.plan.also, *(voice.partition("-")[0] for voice in self.plan.voices.values())}
        names |= {"elevenlabs"} if self.plan.elevenlabs else set()
        for name in names & {"deepgram", "elevenlabs"}:
            process = self._process(name, [sys.executable, "-m", f"simulators.{name}"])
            await process.start(prints_ready)
            setattr(self, name, Simulator(process.url))
        if "tools" in names:
            process = self._process("tools", [sys.executable, "-m", "simulators.tools"])
            await process.start(prints_ready)
            self.tool_server = Simulator(process.url)

    async def _start_speech(self) -> None:
        if self.plan.speech:
            command = [sys.executable, "-m", "voicecall.speech_server"]
            process = self._process("speech", command, VOICECALL_SPEECH_LISTEN=f"127.0.0.1:{self.speech_port}")
            await process.start(answers(f"{self.speech_url}/readyz"), within_s=90)

    async def _start_carrier(self) -> None:
        ports = [self.ngrok["listen"]] if self.plan.ngrok else self.ingress_ports
        ports = [self.plan.front] if self.plan.front else ports
        locals_ = ",".join(f"http://127.0.0.1:{port}" for port in ports)
        name, simulator = self.plan.carrier, CARRIERS[self.plan.carrier]
        command = [sys.executable, "-m", f"simulators.{name}", *simulator.options]
        command += ["--speech", self.speech_url] if self.plan.speech else []
        command += ["--webhook", self.webhook_url, "--public-map", f"{PUBLIC_ORIGIN}={locals_}"]
        process = self._process(name, command)
        await process.start(prints_ready)
        self.carrier = Simulator(process.url)
        self._account = simulator.config(process.ready)

    @property
    def twilio(self) -> Simulator:
        """The carrier's simulator, under the name of the default carrier."""
        return self.carrier

    async def start_ingress(self, number: int = 0) -> Process:
        config = self.home / f"config-{number}.json5"
        health = f"127.0.0.1:{self.health_ports[number]}"
        command = [sys.executable, "-m", "ingress"]
        process = self._process(
            f"ingress-{number}", command, VOICECALL_CONFIG=str(config), VOICECALL_INGRESS_HEALTH=health
        )
        await process.start(answers(f"http://127.0.0.1:{self.health_ports[number]}/readyz"))
        return process

    async def start_gateway(self) -> Process:
        process = self._process("gateway", [sys.executable, "-m", "gateway"])
        await process.start(answers(f"{self.gateway.url}/readyz"))
        return process

    async def restart(self, name: str) -> tuple[float, float]:
        """SIGTERM, wait for the end, start it anew. Returns the seconds of both. Raises RuntimeError for a failed end.

        `name`: "ingress-0", "worker-1", "gateway".
        """
        began = time.monotonic()
        status = await self.processes[name].stop()
        if status != 0:
            raise RuntimeError(f"{name} ended with {status}:\n{self.processes[name].tail()}")
        ended = time.monotonic()
        role, _, number = name.partition("-")
        if role == "ingress":
            await self.start_ingress(int(number))
        elif role == "worker":
            await self.start_worker(int(number))
        else:
            await self.start_gateway()
        return ended - began, time.monotonic() - ended

    async def start_worker(self, number: int) -> Process:
        dramatiq = str(Path(sys.executable).parent / "dramatiq")
        health = {"VOICECALL_WORKER_HEALTH": self.worker_url(number)[7:]} if self.plan.worker_metrics else {}
        process = self._process(f"worker-{number}", [dramatiq, *_WORKER], **health)
        await process.start(self._worker_is_up)
        return process

    async def _worker_is_up(self, process: Process) -> bool:
        return b"Worker process is ready for action" in process.output

    # --- addresses

    def worker_url(self, number: int) -> str:
        """Where a worker of the plan answers probes, with `worker_metrics`."""
        return f"http://127.0.0.1:{self._worker_ports[number]}"

    @property
    def webhook_url(self) -> str:
        return f"{PUBLIC_ORIGIN}/voice/webhook"

    def key(self, name: str) -> str:
        """The name of a key in the system's namespace: of database 0, unless the plan's environment sets one."""
        namespace = self.plan.environment.get("VOICECALL_NAMESPACE", "vc0").strip()
        return f"{namespace}:{name}" if namespace else name

    async def owner_of(self, call: str) -> str:
        """The node that owns a call now, read from its lease. Raises LookupError."""
        async with Redis.from_url(f"redis://127.0.0.1:{self.redis_port}/0", decode_responses=True) as redis:
            lease = await redis.get(self.key(f"call:{{{call}}}:lease"))
        if lease is None:
            raise LookupError(f"no node owns {call}")
        return str(lease).split(" ", 1)[1]

    def worker_of(self, node: str) -> Process:
        """The worker process that runs a node, found by its log. Raises LookupError."""
        for name, process in self.processes.items():
            if name.startswith("worker") and process.is_running and node.encode() in process.output:
                return process
        raise LookupError(f"no running worker is {node}")

    def _write_config(self) -> None:
        for number, port in enumerate(self.ingress_ports):
            config = self._config(port)
            if self.plan.document is not None:
                config = self.plan.document(config, self)
            (self.home / f"config-{number}.json5").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))

    def _config(self, port: int) -> dict[str, Any]:
        config: dict[str, Any] = {
            "provider": self.plan.carrier,
            **({self.plan.carrier: self._account} if self._account else {}),
            "fromNumber": FROM_NUMBER,
            **self._way_in(),
            "serve": {"port": port, "bind": "127.0.0.1"},
            "inboundPolicy": "allowlist",
            "allowFrom": ["+15550002000"],
            "maxConcurrentCalls": 20,
            "store": str(self.home / "store"),
            "outbound": {"defaultMode": "notify", "notifyHangupDelaySec": 1},
            "streaming": self._recognition(),
            "tts": {"provider": "openai", "openai": {"baseUrl": f"{self.openai.url}/v1"}},
            "responseBaseUrl": f"{self.openai.url}/v1",
        }
        if self.plan.speech:
            config["tts"] = {"provider": "offline", "fallbacks": [], "offline": {"baseUrl": f"{self.speech_url}/v1"}}
        if self.plan.elevenlabs:
            config["tts"] = {
                "provider": "elevenlabs",
                "elevenlabs": {"baseUrl": self.elevenlabs.url, "apiKey": "el-demo"},
            }
        if self.plan.voices:
            config["numbers"] = {number: {"tts": self._voice(name)} for number, name in self.plan.voices.items()}
        for key, value in self.plan.config.items():
            both = isinstance(value, Mapping) and isinstance(config.get(key), dict)
            config[key] = {**config[key], **value} if both else value
        return config

    def _voice(self, name: str) -> dict[str, Any]:
        """`tts` of a voice, which every other service with a key takes over from."""
        service, _, how = name.partition("-")
        address: str = getattr(self, service).url
        block = {"baseUrl": address if service == "elevenlabs" else f"{address}/v1", "apiKey": f"{service}-demo"}
        block |= {"model": "gpt-realtime-2.1-mini"} if how == "realtime" else {}
        block |= {"transport": "websocket"} if how == "websocket" else {}
        return {"provider": service, "providers": {service: block}}

    def _recognition(self) -> dict[str, Any]:
        if self.plan.speech:
            providers = {"offline": {"baseUrl": f"{self.speech_url}/v1"}}
            return {"enabled": True, "provider": "offline", "providers": providers}
        compatible = f"{self.openai.url}/v1"
        keyed = {"deepgram": self.deepgram.url, "elevenlabs": self.elevenlabs.url, "compatible": compatible}
        # In the older spelling, so that a plan may change one of the keys, and an earlier release reads it.
        usual = {"enabled": True, "baseUrl": f"{self.openai.url}/v1", "silenceDurationMs": 300}
        if self.plan.stt == ("openai",):
            return usual
        return {
            **usual,
            "provider": self.plan.stt[0],
            "fallbacks": list(self.plan.stt[1:]),
            "providers": {
                name: {"baseUrl": url, "apiKey": f"{name}-demo", "silenceDurationMs": 300}
                for name, url in keyed.items()
                if name in self.plan.stt
            },
        }

    def _way_in(self) -> dict[str, Any]:
        if self.plan.ngrok:
            return {"tunnel": {"provider": "ngrok", "ngrokAuthToken": NGROK_TOKEN}}
        return {"publicUrl": self.webhook_url}

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of one of the processes."""
        simulator = CARRIERS[self.plan.carrier]
        return {
            **(self.tools.environ() if self.plan.ngrok else os.environ),
            "REDIS_URL": self.redis_url,
            "VOICECALL_CONFIG": str(self.home / "config-0.json5"),
            simulator.variable: f"{self.carrier.url or 'http://127.0.0.1:9'}{simulator.path}",
            "VOICECALL_GATEWAY_PORT": str(self.gateway_port),
            "VOICECALL_GATEWAY_TOKEN": self.gateway.token,
            "OPENAI_API_KEY": "sk-demo",
            **simulator.environment,
            **self.plan.environment,
            **more,
        }

    def _process(self, name: str, command: list[str], **environment: str) -> Process:
        env = self.environment(**environment)
        cwd = THIS_BUILD
        if name.split("-", maxsplit=1)[0] in _ROLES:
            cwd = self.source
            env["PYTHONPATH"] = str(cwd)
        process = Process(name, command, env=env, log=self.logs / f"{name}.log", cwd=cwd)
        self.processes[name] = process
        return process
