"""What all simulated carriers share: scripted callees, the line with its clock, sockets, faults, the ledger.

Knows audio, time and HTTP. Does not know any carrier's messages: those are written in `simulators.<carrier>`.
"""

__all__: list[str] = []
