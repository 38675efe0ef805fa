"""Real processes are killed, frozen and restarted under live calls; the carrier's ledger shows the effect."""
