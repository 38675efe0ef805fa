"""Stores of recordings: a directory, and a bucket at a simulator that checks every signature."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.s3.signature import ACCESS_KEY, REGION, SECRET_KEY
from tests.recording.calls import CALL
from voicecall.errors import RecordingStoreUnavailable
from voicecall.recording import RecordingStore, open_store
from voicecall.settings import parse_settings


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of the simulator."""
    command = [sys.executable, "-m", "simulators.s3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
        process.terminate()


def opened(**recording: Any) -> RecordingStore:
    config = {"provider": "mock", "streaming": {"enabled": True}, "recording": {"enabled": True, **recording}}
    store = open_store(parse_settings(json.dumps({**config, "enabled": False})))
    assert store is not None
    return store


def bucket(url: str, **more: Any) -> RecordingStore:
    keys = {"accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}
    return opened(**{"store": "s3://calls/eu/recordings", "endpoint": url, "region": REGION, **keys, **more})


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RecordingStore:
    if request.param == "directory":
        return opened(store=str(tmp_path / "deep" / "recordings"))
    return bucket(request.getfixturevalue("s3"))


def test_what_is_put_is_read_listed_and_deleted(store: RecordingStore, tmp_path: Path) -> None:
    assert (store.names(f"{CALL}/"), store.get(f"{CALL}/none"), store.size(f"{CALL}/none")) == ([], None, None)
    store.put(f"{CALL}/segments/1-2-a.seg", b"old")
    store.put(f"{CALL}/segments/1-2-a.seg", b"one")
    store.put(f"{CALL}/segments/x.end", b"")
    file = tmp_path / "large"
    file.write_bytes(os.urandom(9 * 1_048_576))  # more than one part
    store.put_file(f"{CALL}/recording.wav", file)
    assert store.get(f"{CALL}/segments/1-2-a.seg") == b"one"
    assert store.size(f"{CALL}/recording.wav") == 9 * 1_048_576
    assert store.read(f"{CALL}/recording.wav", 8_400_000, 1000) == file.read_bytes()[8_400_000:8_401_000]
    assert store.names(f"{CALL}/segments/") == [f"{CALL}/segments/1-2-a.seg", f"{CALL}/segments/x.end"]
    assert (store.older(time.time() - 60), store.older(time.time() + 60)) == ([], [f"{CALL}/"])
    assert (store.delete(f"{CALL}/segments/"), store.delete(f"{CALL}/segments/")) == (2, 0)
    assert (store.delete(f"{CALL}/"), store.names(f"{CALL}/")) == (1, [])


def test_a_directory_is_its_owners_alone(tmp_path: Path) -> None:
    opened(store=str(tmp_path / "kept")).put(f"{CALL}/recording.json", b"{}")
    file = tmp_path / "kept" / CALL / "recording.json"
    assert [path.stat().st_mode & 0o777 for path in (file, file.parent, file.parent.parent)] == [0o600, 0o700, 0o700]
    assert list(file.parent.iterdir()) == [file]


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """What limits the size of a file here is what a full disk does to it: the write fails in the middle."""
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from voicecall.recording.store import DirectoryStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "DirectoryStore(Path(sys.argv[1])).put('c/a.seg', bytes(100_000))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, capture_output=True, text=True)
    assert "RecordingStoreUnavailable" in done.stderr
    assert "has room" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("wrong", [{"secretAccessKey": "not-the-secret"}, {"accessKeyId": "AKIAOTHER"}])
def test_a_wrong_key_is_refused_and_named_without_it(s3: str, wrong: dict[str, str]) -> None:
    with pytest.raises(RecordingStoreUnavailable, match="s3://calls/eu/recordings") as caught:
        bucket(s3, **wrong).put(f"{CALL}/a", b"1")
    assert SECRET_KEY not in str(caught.value)
    assert "not-the-secret" not in str(caught.value)


def faults(url: str, status: int) -> None:
    body = json.dumps({"status": status}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/_sim/faults", body, method="PUT")).read()


def test_a_store_that_is_down_says_so_and_serves_again(s3: str) -> None:
    store = bucket(s3)
    faults(s3, 503)
    try:
        with pytest.raises(RecordingStoreUnavailable, match=r"correct recording\.store"):
            store.put(f"{CALL}/a", b"1")
    finally:
        faults(s3, 0)
    store.put(f"{CALL}/a", b"1")
    assert store.delete(f"{CALL}/") == 1
    with pytest.raises(RecordingStoreUnavailable):
        bucket("http://127.0.0.1:9").names(f"{CALL}/")
