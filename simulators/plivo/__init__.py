"""A Plivo in a box: the carrier on loopback, in its own process, written from the protocol and from nothing else.

Run `python -m simulators.plivo`; talk REST to it as to api.plivo.com, and drive the people at the far end of the line
through `/_sim`. It never imports the product: it is the judge.
"""

__all__: list[str] = []
