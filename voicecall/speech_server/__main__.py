"""`python -m voicecall.speech_server`: configured by VOICECALL_SPEECH_LISTEN, _TOKEN and _THREADS."""

from voicecall.signals import leave_on_signals

leave_on_signals()  # before the imports, which take most of the start

import os
import sys

from voicecall.process import serve
from voicecall.settings import load_deployment
from voicecall.speech_server.app import running_speech_server


def _main() -> None:
    status = serve("speech-server", lambda: running_speech_server(load_deployment(os.environ)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # an inference that has begun would be waited for


if __name__ == "__main__":
    _main()
