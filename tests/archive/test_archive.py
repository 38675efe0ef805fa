"""Records are stored once, found unchanged, and deleted completely. In both databases."""

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.archive.records import ANNA, OURS, call_id, record
from tests.fakes.postgres import Postgres
from voicecall.archive import CallArchive
from voicecall.call.ids import E164, CallId, LegId
from voicecall.errors import ArchiveUnavailable, ConfigError, InvalidRequest

BERT = E164("+15550003000")


def ids(archive: CallArchive, **filters: object) -> list[int]:
    """The numbers of the calls found."""
    return [int(found["callId"].replace("-", ""), 16) for found in archive.find(**filters).calls]  # type: ignore[arg-type]


def test_a_record_comes_back_as_it_was(archive: CallArchive) -> None:
    """A request after the end gets the record it would have got before."""
    assert archive.put(record(1)) is True
    assert archive.get(CallId(call_id(1))) == record(1)
    assert archive.get_leg("twilio", LegId("CA1")) == record(1)
    assert archive.get_leg("telnyx", LegId("CA1")) is None


def test_a_field_that_came_later_needs_no_column(archive: CallArchive) -> None:
    """A newer build may add fields to the record; they come back."""
    grown = record(1, agentId="sales", newest={"deep": [1, None]})
    archive.put(grown)
    assert archive.get(CallId(call_id(1))) == grown


def test_a_call_of_which_little_is_known_is_kept_as_well(archive: CallArchive) -> None:
    """A refused call has no answer, no transcript and no cost."""
    bare = record(2, transcript=[], metadata={})
    for key in ("providerCallId", "answeredAt", "endReason"):
        del bare[key]
    archive.put(bare)
    assert archive.get(CallId(call_id(2))) == bare


def test_the_same_record_again_changes_nothing(archive: CallArchive) -> None:
    """A job may run twice; `written` is called the first time only."""
    written: list[str] = []
    assert archive.put(record(1), written=lambda: written.append("first"))
    assert not archive.put(record(1), written=lambda: written.append("second"))
    assert written == ["first"]


def test_a_newer_record_replaces_the_whole_of_the_older(archive: CallArchive) -> None:
    """After late events; no line and no turn of the older record stays."""
    archive.put(record(1))
    newer = record(1, transcript=record(1)["transcript"][:1], metadata={"price": "0.01"})
    assert archive.put(newer)
    assert archive.get(CallId(call_id(1))) == newer


def test_a_line_that_cannot_be_written_keeps_the_call_out(archive: CallArchive) -> None:
    """The file and the database agree: a job that failed there is repeated whole."""

    def full() -> None:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        archive.put(record(1), written=full)
    assert archive.get(CallId(call_id(1))) is None


def test_many_workers_with_one_call_write_it_once(url: str) -> None:
    """Jobs repeat and workers overlap; any of them may be the first to create the tables."""
    archives = [CallArchive(url) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda turn: archives[turn % 4].put(record(1)), range(16)))
    assert written.count(True) == 1
    assert archives[0].find().calls == (record(1),)
    for archive in archives:
        archive.close()


def test_calls_are_found_newest_first_page_by_page(archive: CallArchive) -> None:
    """Also those that began in the same millisecond; a page knows where the next one begins."""
    for number in range(1, 6):
        archive.put(
            record(number, startedAt=record(3)["startedAt"] if number in {2, 4} else record(number)["startedAt"])
        )
    first = archive.find(limit=2)
    second = archive.find(limit=2, cursor=first.next)
    third = archive.find(limit=2, cursor=second.next)
    assert [call["callId"] for page in (first, second, third) for call in page.calls] == [
        call_id(number) for number in (5, 4, 3, 2, 1)
    ]
    assert third.next is None


def test_filters_narrow_and_combine(archive: CallArchive) -> None:
    """By number at either end, by time, by direction."""
    archive.put(record(1))
    archive.put(record(2, to=BERT))
    archive.put(record(3, direction="inbound", **{"from": BERT, "to": OURS}))
    began_s = record(2)["startedAt"] / 1000
    assert ids(archive, number=BERT) == [3, 2]
    assert ids(archive, number=BERT, direction="outbound") == [2]
    assert ids(archive, since=began_s) == [3, 2]
    assert ids(archive, until=began_s) == [1]
    assert ids(archive, number="+1555000") == []
    assert "transcript" not in archive.find(transcripts=False).calls[0]


@pytest.mark.parametrize("portion", [1, 2, 3, 5, 200])
def test_every_call_is_read_once_whatever_the_portion(archive: CallArchive, portion: int) -> None:
    """Also where several began in the same millisecond."""
    for number in range(1, 6):
        archive.put(
            record(number, startedAt=record(3)["startedAt"] if number in {2, 4} else record(number)["startedAt"])
        )
    found = [call["callId"] for call in archive.each(portion=portion)]
    assert found == [call_id(number) for number in range(1, 6)]


@pytest.mark.parametrize("cursor", ["", "1", "x-y", "1-" + "0" * 36, "1-' OR 1=1 --", "9" * 16 + "-" + call_id(1)])
def test_an_invented_cursor_is_refused(archive: CallArchive, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        archive.find(cursor=cursor)


@pytest.mark.parametrize(
    "nasty",
    [
        "'; DROP TABLE calls; --",
        "\x00",
        "\ud800",
        "\U0001f600 \u202e \u2028",
        "%s %(x)s :name",
        '"]}\n{"callId":',
        "x" * 100_000,
    ],
)
def test_hostile_text_is_stored_as_text(archive: CallArchive, nasty: str) -> None:
    """Characters that a database cannot store are replaced, in both alike; all others are kept."""
    line = {"timestamp": 1, "speaker": "user", "text": nasty, "isFinal": True}
    archive.put(record(1, transcript=[line], metadata={"detail": nasty, nasty: 1}, to=nasty, sessionKey=nasty))
    archive.put(record(2))
    kept = nasty.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    found = archive.get(CallId(call_id(1)))
    assert found is not None
    assert (found["transcript"][0]["text"], found["to"], found["sessionKey"]) == (kept, kept, kept)
    assert found["metadata"] == {"detail": kept, kept: 1}
    assert ids(archive, number=kept) == [1]
    assert archive.get(CallId(nasty.replace("\x00", "").replace("\ud800", ""))) is None


def test_one_call_is_forgotten(archive: CallArchive) -> None:
    archive.put(record(1))
    archive.put(record(2))
    assert archive.delete(CallId(call_id(1)))
    assert not archive.delete(CallId(call_id(1)))
    assert ids(archive) == [2]


def test_a_number_is_forgotten_at_both_ends(archive: CallArchive) -> None:
    """Exactly this number: not one that begins like it."""
    archive.put(record(1, to=BERT))
    archive.put(record(2, **{"from": BERT, "to": OURS}))
    archive.put(record(3, to=BERT + "1"))
    assert set(archive.delete_number(BERT)) == {call_id(1), call_id(2)}
    assert archive.delete_number(BERT) == ()
    assert ids(archive) == [3]


WRITTEN = ["15550003000", "0015550003000", "+1 (555) 000-3000", "tel:+15550003000", "sip:+15550003000@carrier.example"]


def test_a_number_is_forgotten_however_it_is_written(archive: CallArchive) -> None:
    """SIP trunks send any notation, also of refused calls; a longer number is another one."""
    for place, written in enumerate(WRITTEN, start=1):
        archive.put(record(place, **{"from": written}))
    others = {6: "+155500030001", 7: "sip:anna15550003000@carrier.example", 8: "anonymous"}
    for place, written in others.items():
        archive.put(record(place, **{"from": written}))
    assert len(archive.delete_number(BERT)) == len(WRITTEN)
    assert sorted(ids(archive)) == sorted(others)


def test_pruning_deletes_calls_that_ended_earlier(archive: CallArchive) -> None:
    """However many there are."""
    for number in range(1, 8):
        archive.put(record(number))
    assert archive.prune(record(5)["endedAt"] / 1000) == 4
    assert archive.prune(record(5)["endedAt"] / 1000) == 0
    assert ids(archive) == [7, 6, 5]


def test_latencies_are_those_of_every_turn(archive: CallArchive) -> None:
    """Percentiles by nearest rank, over the newest calls only."""
    archive.put(record(1, metadata={"turns": [{"at": 1, "turn": 1, "latencyMs": 99_999}]}))
    for number in (2, 3):
        archive.put(record(number))
    assert archive.latency(last=2) == {
        "recordsScanned": 2,
        "turnLatency": {"count": 4, "minMs": 700, "maxMs": 900, "avgMs": 800, "p50Ms": 700, "p95Ms": 900},
        "listenWait": {"count": 2, "minMs": 250, "maxMs": 250, "avgMs": 250, "p50Ms": 250, "p95Ms": 250},
    }


def test_an_empty_archive_has_no_answer_and_no_error(url: str, tmp_path: Path) -> None:
    """Reading creates no file."""
    archive = CallArchive(url)
    assert archive.get(CallId(call_id(1))) is None
    assert archive.find().calls == ()
    assert archive.delete_number(E164(ANNA)) == ()
    assert archive.prune(1e10) == 0
    assert archive.latency() == {"recordsScanned": 0, "turnLatency": {"count": 0}, "listenWait": {"count": 0}}
    archive.close()
    assert list(tmp_path.iterdir()) == []


def test_tables_of_a_newer_build_are_left_alone(url: str) -> None:
    """The older of two builds refuses to use the archive and changes nothing."""
    archive = CallArchive(url)
    archive.put(record(1))
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE archive_version SET version = 2"))
    engine.dispose()
    archive.close()
    late = CallArchive(url)
    with pytest.raises(ArchiveUnavailable, match="tables of version 2, this build knows 1; run the newer build"):
        late.put(record(2))
    late.close()


def test_the_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Directory, database, and the logs beside it; a file that was open to others is closed."""
    file = tmp_path / "a" / "store" / "calls.db"
    archive = CallArchive(f"sqlite:///{file}")
    archive.put(record(1))
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}
    archive.close()
    file.chmod(0o644)
    again = CallArchive(f"sqlite:///{file}")
    again.put(record(2))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again.close()


def test_deleted_text_is_not_left_on_the_disk(tmp_path: Path) -> None:
    """It is overwritten in the file and in its log."""
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    said = [{"timestamp": 1, "speaker": "user", "text": "my secret garden", "isFinal": True}]
    archive.put(record(1, transcript=said))
    archive.put(record(2))
    assert any(b"secret garden" in path.read_bytes() for path in tmp_path.iterdir())
    archive.delete(CallId(call_id(1)))
    assert not any(b"secret garden" in path.read_bytes() for path in tmp_path.iterdir())
    archive.close()


def test_a_deletion_that_a_reader_delays_fails_until_the_reader_is_done(tmp_path: Path) -> None:
    """The text stays in the log while a reader needs it, so the deletion fails; repeated, it succeeds."""
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    archive.put(record(1))
    reader = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM calls").fetchone()
    with pytest.raises(ArchiveUnavailable, match="another process reads it"):
        archive.delete(CallId(call_id(1)))
    reader.close()
    assert not archive.delete(CallId(call_id(1)))
    assert (tmp_path / "calls.db-wal").stat().st_size == 0
    archive.close()


def test_a_database_is_used_again_after_an_outage(empty_postgres: Postgres) -> None:
    """The error has the address without its password; afterwards the same archive works again."""
    archive = CallArchive(empty_postgres.url.replace("postgres@", "postgres:sesame@"))
    archive.put(record(1))
    empty_postgres.stop()
    try:
        with pytest.raises(ArchiveUnavailable) as failure:
            archive.put(record(2))
    finally:
        empty_postgres.start()
    assert "postgres:***@" in str(failure.value)
    assert "check that the server runs" in str(failure.value)
    assert "sesame" not in str(failure.value)
    assert archive.put(record(2))
    archive.close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """After the repair the same archive works."""
    (tmp_path / "store").write_text("not a directory")
    archive = CallArchive(f"sqlite:///{tmp_path / 'store' / 'calls.db'}")
    with pytest.raises(ArchiveUnavailable, match=r"store/calls\.db does not serve us: .*irectory.*set archive\.url"):
        archive.put(record(1))
    (tmp_path / "store").unlink()
    assert archive.put(record(1))
    archive.close()


def test_no_failure_contains_a_value(tmp_path: Path) -> None:
    """A row that does not fit is a bug; its values stay out of the error all the same."""
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    with pytest.raises(ArchiveUnavailable) as failure:
        archive.put(record(1, provider=None, to="+15550009876"))
    assert "5550009876" not in str(failure.value)
    assert failure.value.__cause__ is None
    archive.close()


@pytest.mark.parametrize("url", ["no address", "mysql://host/x", "postgresql+asyncpg://host/x", "oracle://x"])
def test_an_unusable_address_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError, match=r"archive\.url"):
        CallArchive(url)


def test_without_its_package_postgresql_says_what_to_install() -> None:
    """SQLite needs nothing; a process in which psycopg cannot be imported says which extra brings it."""
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from voicecall.archive import CallArchive\n"
        "try: CallArchive('postgresql://db/calls')\n"
        "except Exception as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "pip install 'voicecall[postgres]'" in said


def test_a_report_is_kept_once_and_goes_with_its_call(archive: CallArchive) -> None:
    """By retention and by deletion, also where the call itself is not archived."""
    one, other, alone = (CallId(call_id(number)) for number in (1, 2, 3))
    archive.put(record(1))
    for call, at in ((one, 5_000), (one, 6_000), (other, 5_000), (alone, 1_800_000_000_000)):
        archive.put_report(call, {"callId": call, "at": at})
    assert archive.get_report(one) == {"callId": one, "at": 5_000}
    assert archive.delete(one)
    assert not archive.delete(other)
    assert [archive.get_report(call) for call in (one, other)] == [None, None]
    archive.put_report(other, {"callId": other, "at": 5_000})
    archive.prune(1_760_000_000.0)
    assert archive.get_report(other) is None
    assert archive.get_report(alone) is not None
