"""`python -m simulators.receiver`: a process that prints a line of JSON when it listens; SIGTERM exits 0."""

from simulators.receiver.app import build
from simulators.service import main

if __name__ == "__main__":
    main("receiver", build)
