"""A simulator of the mock carrier: its own process on loopback, written from docs/adding-a-carrier.md alone.

Run `python -m simulators.mock`; place calls as that page says, and script the callees through `/_sim`. Never imports
the product, so that it can be used as an independent check of it.
"""

__all__: list[str] = []
