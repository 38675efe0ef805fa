"""What every simulated carrier shares: people with scripts, a line with its clock, sockets, mischief, evidence.

Knows audio, time and HTTP. Does not know any carrier's messages: those are written in `simulators.<carrier>`.
"""

__all__: list[str] = []
