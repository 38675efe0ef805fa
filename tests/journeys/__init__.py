"""Whole calls through the real processes, judged by the carrier's ledger and by what was heard on the line."""
