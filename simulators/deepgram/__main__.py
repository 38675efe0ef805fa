"""`python -m simulators.deepgram`: a process that prints a line of JSON when it listens; SIGTERM exits 0."""

import os

# Set before numpy is imported: one thread per core slows the small matrices of the tone decoder down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from simulators.deepgram.app import build
from simulators.service import main

if __name__ == "__main__":
    main("deepgram", build)
