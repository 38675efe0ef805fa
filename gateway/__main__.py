"""`python -m gateway`: the private RPC server, configured by VOICECALL_CONFIG and the environment."""

from voicecall.signals import leave_on_signals

leave_on_signals()  # before the imports, which take most of the start

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from gateway.app import Gateway, running_gateway
from voicecall.process import run
from voicecall.settings import Deployment, Settings


def _opened(
    settings: Settings, deployment: Deployment, _environ: Mapping[str, str]
) -> AbstractAsyncContextManager[Gateway]:
    return running_gateway(settings, deployment)


if __name__ == "__main__":
    sys.exit(run("gateway", _opened, os.environ))
