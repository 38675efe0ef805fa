"""The configuration of agents that answer in the place of `responseModel`."""

from typing import Annotated

from pydantic import Strict

from voicecall.manifests.fields import BaseUrl, Block, Secret, Text

__all__ = ["ResponseFallback", "ResponseFallbacks"]


class ResponseFallback(Block):
    """An agent that answers when those before it do not. A text in its place is its `model`."""

    model: Text
    """As `responseModel`."""
    base_url: BaseUrl | None = None
    """Its address; without it `responseBaseUrl` for a model of the same service, else that service's own."""
    api_key: Secret = None
    """Its key; without it `responseApiKey` for a model of the same service, else from that service's variable."""


ResponseFallbacks = Annotated[tuple[ResponseFallback, ...], Strict(strict=False)]
