"""The whole system on loopback: an embedded Redis, the simulators and the product's processes.

Used by the demo, the journeys, the chaos tests and the benchmarks. Starts programs and talks to them over sockets, as
an external client would; imports nothing of voicecall.
"""

from simulators.stack.process import Process
from simulators.stack.stack import Plan, Stack

__all__ = ["Plan", "Process", "Stack"]
