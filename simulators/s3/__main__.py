"""`python -m simulators.s3`: a process that prints a line of JSON when it listens; SIGTERM exits 0."""

from simulators.s3.app import build
from simulators.service import main

if __name__ == "__main__":
    main("s3", build)
