"""The promises of the bus ports, run against Redis and against the in-memory fakes of `tests/fakes`."""
