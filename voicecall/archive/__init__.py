"""The archive of ended calls: record, transcript, latencies and cost, in SQLite or PostgreSQL.

Read in this order: `tables`, `database` (connection and failures), `rows` (record to rows and back), `archive` (put,
find, delete), `ended` (the record of an ended call), `jsonl` (a file of records), `latency`.
"""

from voicecall.archive.archive import CallArchive, Page
from voicecall.archive.ended import ended_record, replayed, turns_of
from voicecall.archive.jsonl import JsonLinesFile, export_jsonl
from voicecall.archive.latency import latency_summary

__all__ = [
    "CallArchive",
    "JsonLinesFile",
    "Page",
    "ended_record",
    "export_jsonl",
    "latency_summary",
    "replayed",
    "turns_of",
]
