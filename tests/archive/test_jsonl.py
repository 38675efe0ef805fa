"""`calls.jsonl`: whole lines under concurrent writers, and complete removal."""

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.archive.records import call_id, record
from voicecall.archive import CallArchive, JsonLinesFile, export_jsonl


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> JsonLinesFile:
    return JsonLinesFile(tmp_path / "store" / "calls.jsonl")


def test_a_line_is_a_record_as_the_voice_call_plugin_writes_it(file: JsonLinesFile) -> None:
    """With the two figures that its `latency` command reads; readable by the owner only."""
    file.append(record(1))
    file.append(record(2, metadata={"lastTurnLatencyMs": 5, "lastTurnListenWaitMs": 3}))
    first, second = read(file.path)
    assert first == record(1)
    assert second["metadata"] == {"lastTurnLatencyMs": 5, "lastTurnListenWaitMs": 3}
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_an_incomplete_line_does_not_corrupt_the_next(file: JsonLinesFile) -> None:
    """A writer may be killed in the middle of a line."""
    file.append(record(1))
    with file.path.open("a") as half:
        half.write('{"callId": "hal')
    file.append(record(2))
    whole = [line for line in file.path.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["callId"] for line in whole] == [call_id(1), call_id(2)]


def test_a_file_that_has_grown_is_rotated(tmp_path: Path) -> None:
    """One predecessor is kept."""
    file = JsonLinesFile(tmp_path / "calls.jsonl", largest=2_000)
    for number in range(1, 9):
        file.append(record(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["calls.jsonl", "calls.jsonl.1"]
    kept = [line["callId"] for line in (*read(file.previous), *read(file.path))]
    assert kept == [call_id(number) for number in range(9 - len(kept), 9)]
    assert all(path.stat().st_size <= 2_000 for path in tmp_path.iterdir())


def test_removing_takes_matching_records_and_nothing_else(tmp_path: Path) -> None:
    """From both files; foreign lines stay unchanged."""
    file = JsonLinesFile(tmp_path / "calls.jsonl", largest=3_000)
    for number in range(1, 7):
        file.append(record(number))
    with file.path.open("a") as stranger:
        stranger.write("no json\n\n[1]\n")
    before = len(read(file.previous))
    assert before > 0
    assert file.remove(lambda line: line["callId"] in {call_id(6), call_id(7 - before - 1)}) >= 1
    assert call_id(6) not in file.path.read_text()
    assert file.path.read_text().endswith("no json\n\n[1]\n")
    assert file.remove(lambda _: False) == 0


def test_concurrent_appends_and_removals_lose_nothing(file: JsonLinesFile) -> None:
    """Four writers while the file is replaced under them: every line that should stay is there, once."""
    with ThreadPoolExecutor(5) as pool:
        written = [pool.submit(file.append, record(number)) for number in range(1, 101)]
        gone = [pool.submit(file.remove, lambda line: line["callId"] == call_id(7)) for _ in range(10)]
        for done in (*written, *gone):
            done.result()
    file.remove(lambda line: line["callId"] == call_id(7))
    assert sorted(line["callId"] for line in read(file.path)) == [call_id(n) for n in range(1, 101) if n != 7]


def test_an_export_is_whole_in_order_and_private(archive: CallArchive, tmp_path: Path) -> None:
    """Oldest first, as the file would have grown."""
    for number in range(5, 0, -1):
        archive.put(record(number))
    target = tmp_path / "out.jsonl"
    target.write_text("what was there before")
    assert export_jsonl(archive, target) == 5
    assert [line["callId"] for line in read(target)] == [call_id(number) for number in range(1, 6)]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert export_jsonl(archive, target, since=record(4)["startedAt"] / 1000) == 2
    assert read(target) == [record(4), record(5)]


def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """No incomplete file and no temporary one."""
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "calls.db").write_bytes(b"this is no database" * 100)
    target = tmp_path / "out.jsonl"
    target.write_text("before")
    program = (
        "import sys; from pathlib import Path\n"
        "from voicecall.archive import CallArchive, export_jsonl\n"
        "export_jsonl(CallArchive('sqlite:///' + sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "db" / "calls.db"), str(target)]
    assert b"ArchiveUnavailable" in subprocess.run(command, capture_output=True, check=False).stderr
    assert target.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"db", "out.jsonl"}


def test_a_rotation_waits_for_a_removal(tmp_path: Path) -> None:
    """Otherwise the rotated file would be overwritten by an older one, and its calls lost."""
    file = JsonLinesFile(tmp_path / "calls.jsonl", largest=300)
    (tmp_path / "calls.jsonl.1").write_text('{"callId":"gone"}\n{"callId":"old"}\n')
    file.append({"callId": "young", "filler": "x" * 250})
    writer = threading.Thread(target=file.append, args=({"callId": "new", "filler": "x" * 250},))

    def gone(record: Mapping[str, Any]) -> bool:
        if record["callId"] == "gone":
            writer.start()
            writer.join(0.3)
        return record["callId"] == "gone"

    assert file.remove(gone) == 1
    writer.join()
    kept = [json.loads(line)["callId"] for path in (file.previous, file.path) for line in path.read_text().splitlines()]
    assert kept == ["young", "new"]
