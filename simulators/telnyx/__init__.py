"""A Telnyx in a box: Call Control v2 on loopback, in its own process, written from the protocol and nothing else.

Run `python -m simulators.telnyx`; talk REST to it as to api.telnyx.com/v2, and drive the people at the far end of the
line through `/_sim`. It never imports the product: it is the judge.
"""

__all__: list[str] = []
