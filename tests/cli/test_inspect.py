"""`tail`, `latency` and `replay` of files: records of OpenClaw and journals of this system."""

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.terminal import UNKNOWN, environment, started
from tests.fakes.redis_server import start_redis
from voicecall.call.waits import OWNERS, Span
from voicecall.cli import app
from voicecall.cli.latency import histogram

JOURNALS = sorted((Path(__file__).resolve().parents[1] / "replay").glob("*.jsonl"))
NOWHERE = environment("http://127.0.0.1:1")


def record(call: str, latency: object = None, wait: object = None) -> str:
    return json.dumps({"callId": call, "metadata": {"lastTurnLatencyMs": latency, "lastTurnListenWaitMs": wait}})


async def test_tail_follows_a_file_through_truncation(tmp_path: Path) -> None:
    """The last lines, then new ones; from the beginning after a truncation; a partial line only when complete."""
    file = tmp_path / "calls.jsonl"
    file.write_text("one\ntwo\nthree\nfo")
    process = await started(NOWHERE, "tail", "--file", str(file), "--since", "3", "--poll", "50")
    assert process.stdout is not None

    async def line() -> bytes:
        return await process.stdout.readline()

    try:
        assert [await line() for _ in range(2)] == [b"two\n", b"three\n"]
        with file.open("a") as appended:
            appended.write("ur\nfive\n")
        assert [await line() for _ in range(2)] == [b"four\n", b"five\n"]
        file.write_text("new\n")
        assert await line() == b"new\n"
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


@pytest.mark.parametrize("command", ["tail", "latency"])
def test_a_missing_file_is_named_with_status_1(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--file", "/nowhere/calls.jsonl"], env=NOWHERE)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "/nowhere/calls.jsonl" in done.stderr


def test_latency_of_a_file_has_the_documented_shape(tmp_path: Path) -> None:
    """Nearest-rank percentiles of the last lines; invalid lines are skipped."""
    file = tmp_path / "calls.jsonl"
    lines = [record("old", 9000), *(record(f"c{n}", n * 10, n) for n in range(1, 21)), "not json", '["no record"]']
    file.write_text("\n".join(lines))
    done = CliRunner().invoke(app, ["latency", "--file", str(file), "--last", "22"], env=NOWHERE)
    printed = json.loads(done.stdout)
    assert printed.pop("spans").keys() == set(Span)
    assert printed.pop("saved") == {"count": 0}
    assert printed.pop("tools") == {}
    assert printed == {
        "recordsScanned": 20,
        "turnLatency": {"count": 20, "minMs": 10, "maxMs": 200, "avgMs": 105, "p50Ms": 100, "p95Ms": 190},
        "listenWait": {"count": 20, "minMs": 1, "maxMs": 20, "avgMs": 10, "p50Ms": 10, "p95Ms": 19},
    }


def test_latency_counts_every_turn_of_a_record_that_lists_them(tmp_path: Path) -> None:
    """The archive of this system keeps all turns of a call, not only the last."""
    file = tmp_path / "calls.jsonl"
    turns = [{"turn": 1, "latencyMs": 100}, {"turn": 2, "latencyMs": 300, "listenWaitMs": 5}, {"turn": 3}]
    file.write_text(json.dumps({"callId": "a", "metadata": {"lastTurnLatencyMs": 300, "turns": turns}}))
    printed = json.loads(CliRunner().invoke(app, ["latency", "--file", str(file)], env=NOWHERE).stdout)
    assert (printed["turnLatency"]["count"], printed["turnLatency"]["maxMs"], printed["listenWait"]["count"]) == (
        2,
        300,
        1,
    )


def test_a_histogram_has_a_bar_for_every_range_with_a_value() -> None:
    """The tallest for the most values, a low one for a single value, a space for none."""
    drawn = histogram([1.0] * 50 + [2.0])
    assert (drawn[0], drawn[-1], set(drawn[1:-1])) == ("█", "▂", {" "})
    assert histogram([7.0, 7.0])[0] == "█"


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda path: path.stem)
def test_a_recorded_call_replays_to_its_stored_end(journal: Path) -> None:
    done = CliRunner().invoke(app, ["replay", str(journal)], env=NOWHERE)
    printed = json.loads(done.stdout)
    assert (done.exit_code, printed["endsAsStored"]) == (0, True)
    assert printed["steps"][0]["event"] in {"Placed", "Arrived", "TurnedAway"}


def test_a_journal_with_another_end_exits_with_1(tmp_path: Path) -> None:
    """The last event is missing, so the state differs from the golden file."""
    journal = next(path for path in JOURNALS if path.stem == "notify")
    golden = journal.with_suffix(".golden.json")
    (tmp_path / golden.name).write_bytes(golden.read_bytes())
    cut = tmp_path / journal.name
    cut.write_bytes(b"\n".join(journal.read_bytes().splitlines()[:5]))
    done = CliRunner().invoke(app, ["replay", str(cut)], env=NOWHERE)
    assert (done.exit_code, json.loads(done.stdout)["endsAsStored"]) == (1, False)


@pytest.mark.parametrize("text", ["", "{}", '{"version":9}', "not json", '{"version":1,"call":"x"}\n{"seq":1}'])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(text)
    done = CliRunner().invoke(app, ["replay", str(file)], env=NOWHERE)
    assert done.exit_code == 1
    assert "journal" in done.stderr


def test_no_gateway_is_69_for_latency_too() -> None:
    done = CliRunner().invoke(app, ["latency"], env=NOWHERE)
    assert done.exit_code == 69
    assert "http://127.0.0.1:1" in done.stderr


def test_no_redis_is_69() -> None:
    """The message names the variable with its address."""
    done = CliRunner().invoke(app, ["dead", "list"], env={**NOWHERE, "REDIS_URL": "redis://127.0.0.1:1/0"})
    assert done.exit_code == 69
    assert "REDIS_URL" in done.stderr


def test_replay_of_an_unknown_call_is_not_found(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    try:
        done = CliRunner().invoke(app, ["replay", UNKNOWN], env={**NOWHERE, "REDIS_URL": server.url})
    finally:
        server.stop()
    assert done.exit_code == 1
    assert done.stderr.startswith("NOT_FOUND")


def test_the_parts_of_the_wait_are_shown_with_who_can_shorten_them(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    spans = {span.value: 10 * (place + 1) for place, span in enumerate(Span)}
    facts = {
        "turns": [{"at": 1, "turn": 1, "latencyMs": 300}],
        "turnSpans": [{"turn": 1, "spans": spans, "tools": ["look_up", "book"], "savedMs": 180}, {"turn": "x"}],
    }
    file.write_text(json.dumps({"callId": "a", "metadata": facts}))
    done = CliRunner().invoke(app, ["latency", "--file", str(file)], env=NOWHERE)
    printed = json.loads(done.stdout)
    assert {name: stage["p50Ms"] for name, stage in printed["spans"].items()} == spans
    assert {name: stage["owner"] for name, stage in printed["spans"].items()} == dict(OWNERS)
    assert printed["tools"]["look_up + book"]["p50Ms"] == spans["tool"]
    assert printed["saved"]["p50Ms"] == 180
