"""Carriers, speech services and models on loopback, speaking the real protocols and keeping a ledger."""
