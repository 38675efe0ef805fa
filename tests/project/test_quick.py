"""A quick test stays in its process: an audit hook fails one that opens a socket or starts a program."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest


def _connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))


def _bind() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


def _run() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize("reach", [_connect, _bind, _run, os.fork])
def test_a_quick_test_reaches_no_socket_and_starts_no_process(reach: Callable[[], object]) -> None:
    """This test is quick itself."""
    with pytest.raises(AssertionError, match="a quick test must stay in its process"):
        reach()
