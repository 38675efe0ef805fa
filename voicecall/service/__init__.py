"""Requests to calls and queries about them, over the bus. Used by the gateway."""

from voicecall.service.calls import CallService, OperationState, StartedOperation, Timeouts
from voicecall.service.requests import CallRequest

__all__ = ["CallRequest", "CallService", "OperationState", "StartedOperation", "Timeouts"]
