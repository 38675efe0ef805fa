"""The whole house on loopback: an embedded Redis, the boxes, and our processes as the Procfile starts them.

Used by the demo, the journeys, the chaos tests and the benchmarks. It starts programs and talks to them over sockets,
as a stranger would; it imports nothing of voicecall.
"""

from simulators.stack.process import Process
from simulators.stack.stack import Plan, Stack

__all__ = ["Plan", "Process", "Stack"]
