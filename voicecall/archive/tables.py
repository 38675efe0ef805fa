"""The tables of the archive (calls, transcript lines, turn times, reports) and their version.

Plain column types, so that SQLite and PostgreSQL store the same. Times are epoch milliseconds, as in the record.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

__all__ = ["METADATA", "VERSION", "calls", "lines", "reports", "turns", "versions"]

VERSION: Final = 1
"""Incremented when older builds can no longer read or write the tables."""

METADATA: Final = MetaData()

versions: Final = Table("archive_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))

calls: Final = Table(
    "calls",
    METADATA,
    Column("call_id", String(36), primary_key=True),
    Column("leg", Text),
    Column("provider", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("from_number", Text, nullable=False),
    Column("to_number", Text, nullable=False),
    Column("session_key", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("ended_at", BigInteger, nullable=False),
    Column("end_reason", Text),
    Column("billed_seconds", BigInteger),
    Column("price", Text),  # as the carrier wrote it: a decimal, not a float
    Column("currency", Text),
    Column("more", Text, nullable=False),  # JSON: metadata and fields without a column
    Column("digest", String(64), nullable=False),  # of the whole record, to detect an equal one
    Index("calls_by_start", "started_at", "call_id"),
    Index("calls_by_end", "ended_at"),
    Index("calls_by_from", "from_number"),
    Index("calls_by_to", "to_number"),
    Index("calls_by_leg", "leg"),
)

lines: Final = Table(
    "lines",
    METADATA,
    Column("call_id", String(36), ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("text", Text, nullable=False),
)

turns: Final = Table(
    "turns",
    METADATA,
    Column("call_id", String(36), ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("latency_ms", BigInteger),
    Column("listen_wait_ms", BigInteger),
)

reports: Final = Table(
    "reports",
    METADATA,
    Column("call_id", String(36), primary_key=True),  # no reference: the call may be archived after its report
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Index("reports_by_time", "at"),
)
