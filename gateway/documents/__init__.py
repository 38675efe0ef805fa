"""The machine-readable documents: OpenAPI of `POST /rpc` and AsyncAPI of the socket, generated from the contract.

Served at `/openapi.json` and `/asyncapi.json`, and written to `docs/generated/` by `python -m gateway.documents`.
Every method of `voicecall.api.methods` is in them, with the types that validate it.
"""

from gateway.documents.asyncapi import asyncapi
from gateway.documents.openapi import openapi

__all__ = ["asyncapi", "openapi"]
