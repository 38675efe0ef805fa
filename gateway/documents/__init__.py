"""The gateway described for programs: OpenAPI of `POST /rpc`, AsyncAPI of the socket; drawn from the types that check.

Served at `/openapi.json` and `/asyncapi.json`, and kept in `docs/generated/` by `python -m gateway.documents`. Nothing here is
written twice: a method that is in the table is in the documents, with the shapes it is checked by.
"""

from gateway.documents.asyncapi import asyncapi
from gateway.documents.openapi import openapi

__all__ = ["asyncapi", "openapi"]
