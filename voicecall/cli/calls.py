"""`voicecall call | start | continue | speak | dtmf | end`: what one does on the phone, through the gateway.

Decides nothing: every word of a refusal is the gateway's. The mode, when none is given, is the gateway's too.
"""

import asyncio
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from voicecall.cli.exits import asked, fail, gateway, run
from voicecall.cli.options import CALLS, AsJson, CallId, Message, ModeOption, To, example, tell
from voicecall.client import AsyncVoicecall, GatewayDown, Operation, OperationResult

__all__ = ["register"]

_EVERY_S: Final = 1.0
_GRACE_S: Final = 10.0  # the gateway keeps an outcome for longer than anybody may wait for it

_Key = Annotated[
    str | None, typer.Option("--idempotency-key", help="At most one phone call is made per key.", metavar="KEY")
]


def register(app: typer.Typer) -> None:
    """Hang these commands into the app."""
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
    """Place a call; prints its id when the carrier has taken it."""
    params = {"message": message, "to": to, "mode": mode, "idempotencyKey": idempotency_key}
    _tell_id(asked("voicecall.initiate", params), as_json=as_json)


def start(
    to: Annotated[str, typer.Option("--to", help="Whom to call.", metavar="NUMBER")],
    message: Annotated[str, typer.Option("--message", help="What to say.", metavar="TEXT")] = "",
    mode: ModeOption = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Place a call (the older name of `call`)."""
    _tell_id(asked("voicecall.start", {"to": to, "message": message, "mode": mode}), as_json=as_json)


def continue_(call_id: CallId, message: Message, *, as_json: AsJson = False) -> None:
    """Say something and print what the other party answers.

    Waits as long as the configuration's transcriptTimeoutMs. Asks the gateway every second what came of it, so a lost
    connection, or a gateway that is started anew, loses nothing.
    """
    result = run(_continued(call_id, message))
    if result.transcript is None:
        fail(f"{result.code or 'FAILED'}: {result.error or 'nothing is known of it'} (call {call_id})")
    tell({"success": True, "transcript": result.transcript}, result.transcript, as_json=as_json)


def speak(call_id: CallId, message: Message, *, as_json: AsJson = False) -> None:
    """Say something; returns when it was heard."""
    tell(asked("voicecall.speak", {"callId": call_id, "message": message}), "Spoken.", as_json=as_json)


def dtmf(
    call_id: CallId,
    digits: Annotated[str, typer.Option("--digits", help="Keys: 0-9 * #, and pauses w W p P ,", metavar="KEYS")],
    *,
    as_json: AsJson = False,
) -> None:
    """Press keys."""
    tell(asked("voicecall.dtmf", {"callId": call_id, "digits": digits}), "Pressed.", as_json=as_json)


def end(call_id: CallId, *, as_json: AsJson = False) -> None:
    """Hang up; a call that is over already is no error."""
    tell(asked("voicecall.end", {"callId": call_id}), "Ended.", as_json=as_json)


async def _continued(call_id: str, message: str) -> OperationResult:
    waiting = Console(stderr=True)
    async with gateway() as opened:
        begun = await opened.continue_start(call_id, message)
        if not waiting.is_terminal:
            return await _outcome(opened, begun)
        with waiting.status("saying it, and waiting for the answer…"):
            return await _outcome(opened, begun)


async def _outcome(opened: AsyncVoicecall, begun: Operation) -> OperationResult:
    """Ask until it is known; a gateway that is away for a while is asked again. Raises GatewayDown in the end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + begun.poll_timeout_ms / 1000 + _GRACE_S
    while True:
        left_s = deadline - loop.time()
        try:
            result = await opened.continue_result(begun.operation_id)
        except GatewayDown:
            if left_s <= 0:
                raise
        else:
            if result.status != "pending" or left_s <= 0:
                return result
        await asyncio.sleep(_EVERY_S)


def _tell_id(payload: dict[str, Any], *, as_json: bool) -> None:
    tell({"callId": payload["callId"]}, f"Call {payload['callId']}", as_json=as_json)
