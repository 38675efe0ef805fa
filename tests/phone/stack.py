"""`voicecall dev` with simulated speech services, as somebody starts it who wants to talk; further gateways of it."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from simulators.stack.redis import free_port

__all__ = ["Dev", "Program", "bare_dev", "dev_stack"]

_ROOT = Path(__file__).resolve().parents[2]
_START_S = 90


class Program:
    """A child whose output is read while it runs."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *command], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str) -> str:
        """The first line with this text."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            for line in self.lines:
                if text in line:
                    return line
            assert self.process.poll() is None, "".join(self.lines)
            time.sleep(0.05)
        raise AssertionError(f"no {text!r} within {_START_S} s:\n{''.join(self.lines)}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(30) is not None
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)


@dataclass(kw_only=True)
class Dev:
    """A running system. `url`: of its gateway. `openai`: of the simulated services."""

    url: str
    openai: str
    program: Program
    environ: dict[str, str] = field(repr=False)

    def script(self, **steps: Any) -> None:
        """What the simulated services do from now on."""
        self.post(f"{self.openai}/_sim/script", steps)

    def rpc(self, method: str, **params: Any) -> dict[str, Any]:
        frame = self.post(f"{self.url}/rpc", {"type": "req", "id": "1", "method": method, "params": params})
        assert frame["ok"], frame
        return dict(frame["payload"])

    def post(self, url: str, body: object) -> dict[str, Any]:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read() or b"{}"))

    @contextmanager
    def gateway(self, **variables: str) -> Iterator["OtherGateway"]:
        """A further gateway of this system, which can be restarted."""
        children = psutil.Process(self.program.process.pid).children()
        environ = next(child.environ() for child in children if child.cmdline()[-1] == "gateway")
        other = OtherGateway({**environ, "VOICECALL_GATEWAY_PORT": str(free_port()), **variables})
        try:
            yield other
        finally:
            other.program.stop()


class OtherGateway:
    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self.url = f"http://127.0.0.1:{environ['VOICECALL_GATEWAY_PORT']}"
        self.program = self._started()

    def restart(self, **variables: str) -> None:
        self.program.stop()
        self._environ |= variables
        self.program = self._started()

    def _started(self) -> Program:
        program = Program(["-P", "-m", "gateway"], self._environ)
        program.wait_for("gateway listens")
        return program


@contextmanager
def bare_dev(home: Path) -> Iterator[str]:
    """`voicecall dev` without any setup: no configuration, no keys, no speech services. Gives its gateway's address."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(_ROOT),
        "PYTHONUNBUFFERED": "1",
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    command = ["-m", "voicecall.cli", "dev", "--redis-port", "0", "--port", str(free_port()), "--workers", "1"]
    dev = Program(command, environ)
    try:
        address = dev.wait_for("/phone").split()[1]
        dev.wait_for("voicecall continue")
        yield address.removesuffix("/phone")
    finally:
        dev.stop()


@contextmanager
def dev_stack(home: Path, **config: Any) -> Iterator[Dev]:
    """Everything that `voicecall dev` starts. `config` is merged over the configuration."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(_ROOT),
        "OPENAI_API_KEY": "sk-demo",
        "VOICECALL_GATEWAY_PORT": str(free_port()),
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
    }
    openai = Program(["-m", "simulators.openai"], environ)
    try:
        address = json.loads(openai.wait_for('"url"'))["url"]
        path = home / "config.json"
        path.write_text(json.dumps({**_config(home, f"{address}/v1"), **config}))
        dev = Program(
            ["-m", "voicecall.cli", "dev", "--redis-port", "0", "--logs", "--config", str(path)],
            {**environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            dev.wait_for("voicecall tail")
            url = f"http://127.0.0.1:{environ['VOICECALL_GATEWAY_PORT']}"
            yield Dev(url=url, openai=address, program=dev, environ=environ)
        finally:
            dev.stop()
    finally:
        openai.stop()


def _config(home: Path, speech: str) -> dict[str, Any]:
    return {
        "provider": "mock",
        "fromNumber": "+15550001000",
        "serve": {"port": free_port()},
        "inboundPolicy": "open",
        "maxConcurrentCalls": 10,
        "outbound": {"defaultMode": "conversation"},
        "responseModel": "openai/gpt-4o-mini",
        "responseBaseUrl": speech,
        "store": str(home / "store"),
        "streaming": {"enabled": True, "providers": {"openai": {"baseUrl": speech, "silenceDurationMs": 300}}},
        "tts": {"provider": "openai", "openai": {"baseUrl": speech}},
    }
