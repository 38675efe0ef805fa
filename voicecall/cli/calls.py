"""`voicecall call | start | continue | speak | dtmf | end`: place a call and act on it, through the gateway.

The gateway validates the requests and chooses the default mode; its refusals are printed unchanged.
"""

import asyncio
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from voicecall.api.methods import DTMF, END, INITIATE, SPEAK, START
from voicecall.cli.exits import fail, gateway, request, run
from voicecall.cli.options import CALLS, AsJson, CallId, Message, ModeOption, To, example, print_result
from voicecall.client import AsyncVoicecall, GatewayDown, Operation, OperationResult

__all__ = ["call", "continue_", "dtmf", "end", "register", "speak", "start"]

_EVERY_S: Final = 1.0
_GRACE_S: Final = 10.0  # the gateway keeps an outcome for longer than this

_Key = Annotated[
    str | None, typer.Option("--idempotency-key", help="At most one phone call is placed per key.", metavar="KEY")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for name, command, lines in (
        ("call", call, ('voicecall call -m "Your table is ready." -t +15550001234',)),
        ("start", start, ('voicecall start --to +15550001234 --message "Hello!"',)),
        ("continue", continue_, ('voicecall continue --call-id ID -m "And your name?"',)),
        ("speak", speak, ('voicecall speak --call-id ID -m "One moment."',)),
        ("dtmf", dtmf, ('voicecall dtmf --call-id ID --digits "1w2#"',)),
        ("end", end, ("voicecall end --call-id ID",)),
    ):
        app.command(name, rich_help_panel=CALLS, epilog=example(*lines))(command)


def call(
    message: Message, to: To = None, mode: ModeOption = None, idempotency_key: _Key = None, *, as_json: AsJson = False
) -> None:
    """Place a call; prints its id when the carrier has accepted it."""
    params = {"message": message, "to": to, "mode": mode, "idempotencyKey": idempotency_key}
    _print_id(request(INITIATE, params), as_json=as_json)


def start(
    to: Annotated[str, typer.Option("--to", help="The number to dial.", metavar="NUMBER")],
    message: Annotated[str, typer.Option("--message", help="What to say.", metavar="TEXT")] = "",
    mode: ModeOption = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Place a call (the older name of `call`)."""
    _print_id(request(START, {"to": to, "message": message, "mode": mode}), as_json=as_json)


def continue_(call_id: CallId, message: Message, *, as_json: AsJson = False) -> None:
    """Say something and print the remote party's answer.

    Waits as long as the configuration's transcriptTimeoutMs. Polls the gateway every second, so the answer survives a
    lost connection and a restart of the gateway.
    """
    result = run(_continued(call_id, message))
    if result.transcript is None:
        fail(f"{result.code or 'FAILED'}: {result.error or 'no details'} (call {call_id})")
    print_result({"success": True, "transcript": result.transcript}, result.transcript, as_json=as_json)


def speak(call_id: CallId, message: Message, *, as_json: AsJson = False) -> None:
    """Say something; returns when it was heard."""
    print_result(request(SPEAK, {"callId": call_id, "message": message}), "Spoken.", as_json=as_json)


def dtmf(
    call_id: CallId,
    digits: Annotated[str, typer.Option("--digits", help="Keys: 0-9 * #, and pauses w W p P ,", metavar="KEYS")],
    *,
    as_json: AsJson = False,
) -> None:
    """Press keys."""
    print_result(request(DTMF, {"callId": call_id, "digits": digits}), "Pressed.", as_json=as_json)


def end(call_id: CallId, *, as_json: AsJson = False) -> None:
    """Hang up; a call that has ended is no error."""
    print_result(request(END, {"callId": call_id}), "Ended.", as_json=as_json)


async def _continued(call_id: str, message: str) -> OperationResult:
    console = Console(stderr=True)
    async with gateway() as client:
        operation = await client.continue_start(call_id, message)
        if not console.is_terminal:
            return await _outcome(client, operation)
        with console.status("speaking, then waiting for the answer…"):
            return await _outcome(client, operation)


async def _outcome(client: AsyncVoicecall, operation: Operation) -> OperationResult:
    """Poll until the operation is over, also across outages of the gateway. Raises GatewayDown at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + operation.poll_timeout_ms / 1000 + _GRACE_S
    while True:
        left_s = deadline - loop.time()
        try:
            result = await client.continue_result(operation.operation_id)
        except GatewayDown:
            if left_s <= 0:
                raise
        else:
            if result.status != "pending" or left_s <= 0:
                return result
        await asyncio.sleep(_EVERY_S)


def _print_id(payload: dict[str, Any], *, as_json: bool) -> None:
    print_result({"callId": payload["callId"]}, f"Call {payload['callId']}", as_json=as_json)
