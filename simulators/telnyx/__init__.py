"""A simulator of Telnyx: Call Control v2 in its own process on loopback, written from its protocol alone.

Run `python -m simulators.telnyx`; use its REST API as that of api.telnyx.com/v2, and script the callees through
`/_sim`. Never imports the product, so that it can be used as an independent check of it.
"""

__all__: list[str] = []
