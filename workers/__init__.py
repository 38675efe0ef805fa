"""The worker process: `dramatiq workers` imports this and finds broker, jobs and lifecycle.

dramatiq places calls on nodes and runs what may wait; live calls are actors on the node's event loop (`node`), where
no job ever carries a turn. Read in this order: `broker`, `lifecycle`, `node`, `keeper`, `sweeper`, `jobs`.
"""

import sys

__all__ = ["broker", "jobs", "lifecycle"]

# The health check is a process every few seconds, and needs none of this.
if "workers.health" not in sys.orig_argv:
    from workers import jobs
    from workers.broker import broker, lifecycle
