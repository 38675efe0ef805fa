"""OpenAPI of `POST /rpc` and AsyncAPI of the WebSocket, generated from the types that validate requests.

Served at `/openapi.json` and `/asyncapi.json`, and kept in `docs/generated/` by `python -m gateway.documents`. Every
method of the table is in the documents, with the types that validate it.
"""

from gateway.documents.asyncapi import asyncapi
from gateway.documents.openapi import openapi

__all__ = ["asyncapi", "openapi"]
