"""A simulator of Plivo: the carrier in its own process on loopback, written from its protocol alone.

Run `python -m simulators.plivo`; use its REST API as that of api.plivo.com, and script the callees through `/_sim`.
Never imports the product, so that it can be used as an independent check of it.
"""

__all__: list[str] = []
