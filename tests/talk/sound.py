"""A loudspeaker and a microphone for programs without hardware: a PulseAudio of its own.

Firefox plays nothing without an audio device. What is played to the microphone is heard by whoever listens to it.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PROGRAMS", "Sound", "sound_server"]

PROGRAMS: Final = ("pulseaudio", "paplay")
"""What must be installed."""

_MODULES: Final = (
    "module-native-protocol-unix auth-anonymous=1 socket={socket}",
    "module-null-sink sink_name=loudspeaker",
    "module-null-sink sink_name=mouth",
    "module-remap-source master=mouth.monitor source_name=microphone",
)
_START_S: Final = 30.0


@dataclass(frozen=True)
class Sound:
    """`environment`: of programs that use it."""

    environment: dict[str, str]

    async def speak(self, recording: Path) -> None:
        """Play a WAV into the microphone. Returns when it has been heard."""
        player = await asyncio.create_subprocess_exec(
            *("paplay", "--device", "mouth", str(recording)), env={**os.environ, **self.environment}
        )
        assert await player.wait() == 0


@contextlib.asynccontextmanager
async def sound_server(home: Path) -> AsyncIterator[Sound]:
    """Running until the context ends. `home`: a folder of its own."""
    socket = home / "socket"
    loads = [word for module in _MODULES for word in ("-L", module.format(socket=socket))]
    places = {name: str(home) for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH")}
    process = await asyncio.create_subprocess_exec(
        *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", *loads),
        env={**os.environ, **places},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_START_S):
            while not socket.exists():
                assert process.returncode is None, await process.stderr.read() if process.stderr else b""
                await asyncio.sleep(0.05)
        yield Sound({"PULSE_SERVER": f"unix:{socket}", "PULSE_SINK": "loudspeaker", "PULSE_SOURCE": "microphone"})
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.communicate(), _START_S)
