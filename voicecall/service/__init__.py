"""Commands to calls and questions about them, over the bus: what the gateway does for API clients."""

from voicecall.service.calls import CallService, OperationState, StartedOperation, Timeouts
from voicecall.service.requests import CallRequest

__all__ = ["CallRequest", "CallService", "OperationState", "StartedOperation", "Timeouts"]
