"""The exchange of test phones: a carrier whose phones are browser tabs.

Its own process (`python -m voicecall.phone`), which implements the protocol of docs/adding-a-carrier.md: the worker's
commands come over REST, events go to the ingress as signed webhooks, audio goes over media sockets. A tab reaches it
through the gateway (docs/phone.md). Knows nothing of a call but its id.
"""

__all__: list[str] = []
