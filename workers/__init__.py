"""The worker process: `dramatiq workers` imports this and finds broker, jobs and lifecycle.

dramatiq places calls on nodes and runs what may wait; live calls are actors on the node's event loop (`node`), where
no job ever carries a turn. Read in this order: `broker`, `lifecycle`, `node`, `keeper`, `sweeper`, `jobs`.
"""

from workers import jobs
from workers.broker import broker, lifecycle

__all__ = ["broker", "jobs", "lifecycle"]
