"""What stays of a call when it is over: its record, transcript, latencies and cost, in SQLite or PostgreSQL.

Read in this order: `tables`, `database` (how one is reached, and what its failures are called), `archive` (put, find,
forget), `ended` (what of a call is kept), `jsonl` (the file the original's readers understand), `latency`.
"""

from voicecall.archive.archive import Archive, Page
from voicecall.archive.ended import ended_record, retold
from voicecall.archive.jsonl import JsonLinesFile, export_jsonl
from voicecall.archive.latency import latency_summary

__all__ = ["Archive", "JsonLinesFile", "Page", "ended_record", "export_jsonl", "latency_summary", "retold"]
