"""The call of these tests."""

from voicecall.call.ids import CallId

CALL = CallId("0d0e0f00-1111-4222-8333-444455556666")
