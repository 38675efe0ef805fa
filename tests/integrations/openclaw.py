"""The real OpenClaw, installed from npm once and kept in `out/`: its gateway and its commands, in a temporary home.

Used by `test_openclaw` and `test_moving`. Knows OpenClaw by its documentation and its command line only.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from simulators.stack.process import Process, answers
from simulators.stack.redis import free_port

__all__ = ["OpenClaw", "commands", "installed", "npm_is_reachable", "openclaw_json", "running_openclaw", "written"]

VERSION: Final = "2026.4.29"
_ROOT: Final = Path(__file__).resolve().parents[2]
_KEPT: Final = _ROOT / "out" / f"openclaw-{VERSION}"
_MODULES: Final = _KEPT / "node_modules"
_RUNTIME: Final = _KEPT / "runtime"
_NEEDED: Final = frozenset({"browser", "memory-core", "openai", "voice-call"})
_TOKEN: Final = "openclaw-demo-token"  # the temporary gateway's
_INSTALL_S: Final = 600


def npm_is_reachable() -> bool:
    """Ask npm for the very package: nothing else proves that it can be installed."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    asked = subprocess.run(
        [npm, "view", f"openclaw@{VERSION}", "version"], capture_output=True, text=True, timeout=60, check=False
    )
    return asked.returncode == 0 and asked.stdout.strip() == VERSION


def installed() -> Path:
    """Where OpenClaw is, with a Node and an npm of its own; installs them the first time, one process at a time."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _KEPT / "done"
        if not done.exists():
            _install()
            done.touch()
    return _KEPT


def _install() -> None:
    (_KEPT / "package.json").write_text('{"private": true}\n')
    words = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        f"openclaw@{VERSION}",
        "node@22",
        "npm@11",
    ]
    subprocess.run(words, cwd=_KEPT, check=True, timeout=_INSTALL_S, stdout=subprocess.DEVNULL)
    # OpenClaw's agents install what they need with the npm that lies beside Node, as in any installation of Node.
    _RUNTIME.joinpath("bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(_MODULES / "node" / "bin" / "node", _RUNTIME / "bin" / "node")
    shutil.copytree(_MODULES / "npm", _RUNTIME / "lib" / "node_modules" / "npm", dirs_exist_ok=True)
    (_RUNTIME / "bin" / "npm").unlink(missing_ok=True)
    (_RUNTIME / "bin" / "npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
    _drop_other_plugins()


def _drop_other_plugins() -> None:
    """Leave OpenClaw the bundled plugins it needs here.

    Its first agent run installs the dependencies of every plugin that lies in the package, enabled or not: measured,
    2.4 GB in seven minutes, one of them from a git server. Without the plugins it is 470 MB in 25 s, once.
    """
    listed = subprocess.run(
        [*_command("plugins", "list", "--json")],
        env={**os.environ, "HOME": str(_KEPT / "listing"), "OPENCLAW_STATE_DIR": str(_KEPT / "listing")},
        check=True,
        capture_output=True,
        timeout=120,
    )
    for plugin in orjson.loads(listed.stdout)["plugins"]:
        if plugin["id"] not in _NEEDED:
            shutil.rmtree(_MODULES / "openclaw" / "dist" / "extensions" / plugin["id"], ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class OpenClaw:
    """OpenClaw's command line, and the port of its gateway."""

    port: int
    home: Path
    environment: dict[str, str]

    async def run(self, *words: str, within_s: float = 60.0) -> tuple[int, str, str]:
        """One command: exit status, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            *_command(*words),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(within_s):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()
            raise
        return process.returncode or 0, out.decode(), err.decode()

    async def invoke(self, tool: str, args: dict[str, Any]) -> tuple[int, Any]:
        """`POST /tools/invoke`, OpenClaw's documented way to use one tool."""
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        body = {"tool": tool, "args": args}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://127.0.0.1:{self.port}/tools/invoke", json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()


@asynccontextmanager
async def running_openclaw(home: Path, config: Path) -> AsyncIterator[OpenClaw]:
    """OpenClaw's gateway with this `openclaw.json`, which names its port; ended afterwards."""
    openclaw = commands(home, config)
    process = Process("openclaw", _command("gateway"), env=openclaw.environment, log=home / "openclaw.log", cwd=home)
    await process.start(answers(f"http://127.0.0.1:{openclaw.port}/healthz"), within_s=90)
    try:
        yield openclaw
    finally:
        await process.stop(within_s=5)
        with contextlib.suppress(ProcessLookupError):
            await process.kill()


def commands(home: Path, config: Path) -> OpenClaw:
    """OpenClaw's command line with this `openclaw.json`; the gateway need not run."""
    (home / "workspace").mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "HOME": str(home),
        "OPENCLAW_STATE_DIR": str(home / "state"),
        "OPENCLAW_CONFIG_PATH": str(config),
        "OPENCLAW_SKIP_CHANNELS": "1",
        "OPENCLAW_SKIP_CANVAS_HOST": "1",
        "OPENCLAW_DISABLE_BONJOUR": "1",
        "OPENCLAW_PLUGIN_STAGE_DIR": str(_KEPT / "stage"),
        "PATH": f"{_RUNTIME / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "NODE_COMPILE_CACHE": str(_KEPT / "compiled"),
    }
    port = int(orjson.loads(config.read_bytes())["gateway"]["port"])
    return OpenClaw(port=port, home=home, environment=environment)


def written(path: Path, document: dict[str, Any]) -> Path:
    """The path, with an `openclaw.json` there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document))
    return path


def _command(*words: str) -> list[str]:
    return [str(_RUNTIME / "bin" / "node"), str(_MODULES / "openclaw" / "openclaw.mjs"), *words]


def openclaw_json(home: Path, entries: dict[str, Any], *, model_url: str) -> dict[str, Any]:
    """An `openclaw.json` with these entries of plugins, ours loaded from the tree, and a simulated model."""
    model = {
        "id": "gpt-sim",
        "name": "A model in a simulator",
        "reasoning": False,
        "input": ["text"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": 200_000,
        "maxTokens": 4096,
    }
    provider = {"baseUrl": f"{model_url}/v1", "apiKey": "sk-demo", "api": "openai-completions", "models": [model]}
    return {
        "gateway": {
            "mode": "local",
            "port": free_port(),
            "bind": "loopback",
            "auth": {"mode": "token", "token": _TOKEN},
        },
        "plugins": {
            "allow": [*entries, "openai"],
            "slots": {"memory": "none"},
            "load": {"paths": [str(_ROOT / "integrations" / "openclaw")]},
            "entries": entries,
        },
        "agents": {
            "defaults": {
                "workspace": str(home / "workspace"),
                "skipBootstrap": True,
                "model": {"primary": "openai/gpt-sim"},
                "heartbeat": {"every": "0m"},
            }
        },
        "models": {"mode": "replace", "providers": {"openai": provider}},
        "update": {"checkOnStart": False},
        "logging": {"file": str(home / "openclaw-file.log")},
    }
