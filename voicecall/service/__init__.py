"""Requests to calls and queries about them, over the bus. Used by the gateway."""

from voicecall.service.calls import AnswerTimeouts, CallService, OperationState, StartedOperation
from voicecall.service.requests import CallRequest

__all__ = ["AnswerTimeouts", "CallRequest", "CallService", "OperationState", "StartedOperation"]
