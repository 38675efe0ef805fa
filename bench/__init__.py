"""Load generators and reports: how fast the system is, and what it costs. Figures: docs/measurements.md.

Benchmarks neither pass nor fail: a missed bar is printed as missed, with the distance. Uses `simulators.stack`.
"""
