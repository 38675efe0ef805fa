"""`make wheel-test`: the wheel works without the checkout.

Builds the wheel from a copy of the sources, checks that it holds every data file, installs it with `requirements.lock`
into an empty virtual environment, and there, in an empty directory, places a call: `voicecall dev` starts Redis, the
mock carrier, ingress, gateway and a worker from the installed packages; `voicecall call` dials; the callee answers,
speaks and is recorded; `voicecall end` hangs up; and the README's Python example runs. Not collected by pytest: it
needs a package index, or pip's cache.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("voicecall", "actors", "workers", "ingress", "gateway", "simulators")
START_S: Final = 60
STEP_S: Final = 30


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory(prefix="voicecall-wheel-") as folder:
        temporary = Path(folder)
        wheel = build(temporary)
        check_contents(wheel)
        binaries = install(wheel, temporary / "venv")
        empty = temporary / "empty"
        empty.mkdir()
        installed = Installed(binaries, empty)
        check_imports(installed, temporary / "venv")
        version = installed.run("voicecall", "--version").strip()
        if version != f"voicecall {project['version']}":
            sys.exit(f"voicecall --version prints {version!r}, pyproject.toml says {project['version']}")
        json.loads(installed.run("voicecall", "config", "schema"))
        with installed.stack():
            place_a_call(installed)
            run_the_example(installed)
    print("wheel-test: built, installed, and a call was placed, answered and ended")  # noqa: T201 - it is a command


def build(temporary: Path) -> Path:
    """The wheel of a copy: a stale `build/` of the checkout cannot leak into it."""
    source = temporary / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", str(temporary / "dist"), str(source)], check=True)
    (wheel,) = (temporary / "dist").glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Every file of the packages is in it (Lua scripts, clips, pages, py.typed), and nothing of the tests."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    if names != expected:
        sys.exit(f"the wheel lacks {sorted(expected - names)} and has beside its packages {sorted(names - expected)}")


def install(wheel: Path, folder: Path) -> Path:
    """The directory of its programs."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--requirement", str(ROOT / "requirements.lock")], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return folder / "bin"


class Installed:
    """The programs of the virtual environment, run in an empty directory with a small environment."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries = binaries
        self.folder = folder
        gateway = free_port()
        self.environment = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "HOME": str(folder),
            "VOICECALL_GATEWAY_PORT": str(gateway),
            "VOICECALL_GATEWAY_URL": f"http://127.0.0.1:{gateway}",
            "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{free_port()}",
        }

    def run(self, *command: str) -> str:
        """What it prints. Ends this program when it fails."""
        done = subprocess.run(
            [str(self.binaries / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=STEP_S,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def ask(self, *command: str) -> dict[str, Any]:
        """The JSON that a `voicecall` command prints."""
        answer: dict[str, Any] = json.loads(self.run("voicecall", *command))
        return answer

    @contextmanager
    def stack(self) -> Iterator[None]:
        """`voicecall dev` is ready inside, and ended after."""
        command = [str(self.binaries / "voicecall"), "dev", "--port", str(free_port()), "--redis-port", "0"]
        with (self.folder / "dev.log").open("w") as log:
            running = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
            try:
                if not within(START_S, lambda: "voicecall dev is ready" in (self.folder / "dev.log").read_text()):
                    sys.exit(f"voicecall dev is not ready after {START_S} s:\n{(self.folder / 'dev.log').read_text()}")
                yield
            finally:
                running.send_signal(signal.SIGINT)
                running.wait(timeout=STEP_S)


def check_imports(installed: Installed, environment: Path) -> None:
    """Each package is imported from the virtual environment, not from a checkout."""
    code = f"import {', '.join(PACKAGES)}; print(*({', '.join(f'{name}.__file__' for name in PACKAGES)},))"
    elsewhere = [path for path in installed.run("python", "-c", code).split() if not path.startswith(str(environment))]
    if elsewhere:
        sys.exit(f"imported from outside the virtual environment: {elsewhere}")


def place_a_call(installed: Installed) -> None:
    """The callee picks up, hears the message and speaks; then the call is ended."""
    call = installed.ask("call", "-m", "Good morning!", "--mode", "conversation", "--json")["callId"]

    def record() -> dict[str, Any]:
        return installed.ask("status", "--call-id", call, "--json")

    if not within(STEP_S, lambda: any(entry["speaker"] == "user" for entry in record()["transcript"])):
        sys.exit(f"the callee was not recorded within {STEP_S} s: {record()}")
    if not record().get("answeredAt"):
        sys.exit(f"the call was not answered: {record()}")
    installed.run("voicecall", "end", "--call-id", call)
    if not within(STEP_S, lambda: bool(record().get("endedAt"))):
        sys.exit(f"the call did not end within {STEP_S} s: {record()}")


def run_the_example(installed: Installed) -> None:
    """The README's Python example prints what the callee says."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    if not installed.run("python", "-c", example).strip():
        sys.exit("the README's example printed nothing")


def within(limit_s: float, done: Callable[[], bool]) -> bool:
    """Whether `done` came true in time."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(0.2)
    return done()


def free_port() -> int:
    """A loopback port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
