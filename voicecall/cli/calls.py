"""`voicecall call | start | continue | speak | steer | dtmf | answer | end`: place a call and act on it.

All of it goes through the gateway.

The gateway validates the requests and chooses the default mode; its refusals are printed unchanged.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from voicecall.api.methods import ANSWER, DTMF, END, INITIATE, SPEAK, START, STEER
from voicecall.api.steering import SteerMode
from voicecall.cli.exits import fail, gateway, request, run
from voicecall.cli.naming import call_or_only
from voicecall.cli.options import CALLS, AsJson, CallId, Message, ModeOption, To, example, print_result
from voicecall.client import OperationResult, continued

__all__ = ["answer", "call", "continue_", "dtmf", "end", "register", "speak", "start", "steer"]

_Key = Annotated[
    str | None, typer.Option("--idempotency-key", help="At most one phone call is placed per key.", metavar="KEY")
]
_ReportSchema = Annotated[
    Path | None,
    typer.Option("--report-schema", help="A file with the JSON Schema of the report's `data`.", metavar="FILE"),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for name, command, lines in (
        ("call", call, ('voicecall call -m "Your table is ready." -t +15550001234',)),
        ("start", start, ('voicecall start --to +15550001234 --message "Hello!"',)),
        (
            "continue",
            continue_,
            ('voicecall continue -m "And your name?"', 'voicecall continue --call-id 0b6e -m "And your name?"'),
        ),
        ("speak", speak, ('voicecall speak --call-id ID -m "One moment."',)),
        (
            "steer",
            steer,
            (
                'voicecall steer --call-id 0b6e -m "Offer ten percent."',
                'voicecall steer -m "What is your order number?" --mode ask',
            ),
        ),
        ("dtmf", dtmf, ('voicecall dtmf --call-id ID --digits "1w2#"',)),
        ("answer", answer, ('voicecall answer --call-id ID --answer "Nine is fine."',)),
        ("end", end, ("voicecall end", "voicecall end --call-id 0b6e")),
    ):
        app.command(name, rich_help_panel=CALLS, epilog=example(*lines))(command)


def call(
    message: Message,
    to: To = None,
    mode: ModeOption = None,
    idempotency_key: _Key = None,
    report_schema: _ReportSchema = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Place a call; prints its id when the carrier has accepted it."""
    params: dict[str, Any] = {"message": message, "to": to, "mode": mode, "idempotencyKey": idempotency_key}
    if report_schema is not None:
        params["report"] = {"schema": _schema_in(report_schema)}
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


def _schema_in(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except ValueError:
        fail(f"{file} is no JSON; write a JSON Schema, as in docs/reports.md")


def continue_(message: Message, call_id: CallId = None, *, as_json: AsJson = False) -> None:
    """Say something and print the remote party's answer.

    Waits for the answer while the call rings, then as long as the configuration's transcriptTimeoutMs. Polls the
    gateway every second, so the answer survives a lost connection and a restart of the gateway.
    """
    call = call_or_only(call_id)
    result = run(_continued(call, message))
    if result.transcript is None:
        fail(f"{result.code or 'FAILED'}: {result.error or 'no details'} (call {call})")
    print_result({"success": True, "transcript": result.transcript}, result.transcript, as_json=as_json)


def speak(message: Message, call_id: CallId = None, *, as_json: AsJson = False) -> None:
    """Say something; returns when it was heard. Waits for the answer while the call rings."""
    call = call_or_only(call_id)
    print_result(request(SPEAK, {"callId": call, "message": message}), "Spoken.", as_json=as_json)


def steer(
    message: Annotated[
        str, typer.Option("-m", "--message", help="The hint, the question, or what to say.", metavar="TEXT")
    ],
    call_id: CallId = None,
    mode: Annotated[
        SteerMode,
        typer.Option(
            "--mode",
            help="guidance: a hint to the agent, which the caller does not hear. say: the agent's voice says it."
            " ask: the agent asks the caller, and the answer is printed.",
        ),
    ] = SteerMode.GUIDANCE,
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="With say: at once, in place of what is being said.")
    ] = False,
    *,
    as_json: AsJson = False,
) -> None:
    """Give the agent of a live call a hint, have it ask a question, or say something."""
    call = call_or_only(call_id)
    params = {"callId": call, "message": message, "mode": mode.value, **({"interrupt": True} if interrupt else {})}
    payload = request(STEER, params)
    done = {SteerMode.GUIDANCE: "Passed on.", SteerMode.SAY: "Spoken."}.get(mode) or str(payload["transcript"])
    print_result(payload, done, as_json=as_json)


def dtmf(
    digits: Annotated[str, typer.Option("--digits", help="Keys: 0-9 * #, and pauses w W p P ,", metavar="KEYS")],
    call_id: CallId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Press keys."""
    call = call_or_only(call_id)
    print_result(request(DTMF, {"callId": call, "digits": digits}), "Pressed.", as_json=as_json)


def answer(
    answer: Annotated[str, typer.Option("--answer", "-a", help="The answer to the agent's question.", metavar="TEXT")],
    call_id: CallId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Answer the question that the agent on a call asks."""
    call = call_or_only(call_id)
    print_result(request(ANSWER, {"callId": call, "answer": answer}), "Answered.", as_json=as_json)


def end(call_id: CallId = None, *, as_json: AsJson = False) -> None:
    """Hang up; a call that has ended is no error."""
    call = call_or_only(call_id)
    print_result(request(END, {"callId": call}), "Ended.", as_json=as_json)


async def _continued(call_id: str, message: str) -> OperationResult:
    console = Console(stderr=True)
    async with gateway() as client:
        if not console.is_terminal:
            return await continued(client, call_id, message)
        with console.status("speaking, then waiting for the answer…"):
            return await continued(client, call_id, message)


def _print_id(payload: dict[str, Any], *, as_json: bool) -> None:
    print_result({"callId": payload["callId"]}, f"Call {payload['callId']}", as_json=as_json)
