"""Load generators and reports: how fast the house is, and what it costs. `make bench`; figures in docs/measurements.md.

Nothing here passes or fails: a bar that is missed is printed as missed, with how far. Uses `simulators.stack`.
"""
