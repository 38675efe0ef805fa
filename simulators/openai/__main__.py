"""`python -m simulators.openai`: the box as a process. Prints one JSON line when it listens; SIGTERM ends it with 0."""

import os

# Before numpy is imported: the tone reader's small matrices gain nothing from a thread per core, and lose much.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from simulators.openai.app import build
from simulators.service import main

if __name__ == "__main__":
    main("openai", build)
