"""The worker process: `dramatiq workers` imports this package for its broker, jobs and lifecycle.

dramatiq distributes calls to nodes and runs background jobs; live calls are actors on the node's event loop, and no
job carries a turn. Reading order: `broker`, `lifecycle`, `node`, `supervisor`, `lease_renewer`, `sweeper`, `jobs`.
"""

import sys

from voicecall.errors import ConfigError
from voicecall.packages import require_own

__all__ = ["broker", "jobs", "lifecycle"]

# `python -m workers.health` runs every few seconds and needs none of this.
if "workers.health" not in sys.orig_argv:
    try:
        # dramatiq adds the current folder to the search path: its `actors` may be another project's.
        require_own("actors", path=sys.path)
    except ConfigError as error:
        from voicecall.process import start_failed

        raise SystemExit(start_failed("worker", error)) from None
    from workers import jobs
    from workers.broker import broker, lifecycle
