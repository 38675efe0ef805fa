"""The mock carrier in a box: on loopback, in its own process, written from docs/adding-a-carrier.md and nothing else.

Run `python -m simulators.mock`; order calls as that page says, and drive the people at the far end of the line through
`/_sim`. It never imports the product: it is the judge.
"""

__all__: list[str] = []
