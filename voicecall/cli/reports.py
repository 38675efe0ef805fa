"""`voicecall report` and `voicecall callbacks list | add | cancel`: what came of a call, and calls to be placed later.

Through the gateway, whose refusals are printed unchanged.
"""

from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicecall.api.methods import CALLBACK_ADD, CALLBACK_CANCEL, CALLBACKS, REPORT
from voicecall.cli.display import pretty, safe, short_id
from voicecall.cli.exits import fail, request
from voicecall.cli.naming import call_or_only
from voicecall.cli.options import INSPECT, AsJson, CallId, Message, example, print_result, wants_json

__all__ = ["add", "cancel", "list_", "register", "report"]

_TIMES: Final = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("report", rich_help_panel=INSPECT, epilog=example("voicecall report --call-id 0b6e --wait 120"))(report)
    group = typer.Typer(
        help="Calls to be placed later: list, add, cancel.",
        no_args_is_help=True,
        epilog=example("voicecall callbacks list"),
    )
    group.command("list", epilog=example("voicecall callbacks list"))(list_)
    group.command(
        epilog=example('voicecall callbacks add --to +15550001234 -m "You asked us to call." --at 2026-12-02T09:30')
    )(add)
    group.command(epilog=example("voicecall callbacks cancel 7f3a0c4be1d2"))(cancel)
    app.add_typer(group, name="callbacks", rich_help_panel=INSPECT)


def report(
    call_id: CallId = None,
    wait: Annotated[int, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the report.")] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what came of a call: whom it reached, the result, facts, promises, data and cost."""
    call = call_or_only(call_id)
    answer = request(REPORT, {"callId": call, "waitMs": wait * 1000})
    if "report" not in answer:
        known = "it is not made yet; --wait waits for it" if answer["found"] else "no such call is known"
        fail(f"NOT_FOUND: there is no report of call {call}: {known}")
    if wants_json(as_json=as_json):
        typer.echo(pretty(answer["report"]))
    else:
        Console().print(_shown(answer["report"]))


def list_(*, as_json: AsJson = False) -> None:
    """List the call-backs that wait, and those of the last week."""
    answer = request(CALLBACKS, {})
    if wants_json(as_json=as_json):
        typer.echo(pretty(answer))
        return
    if not answer["callbacks"]:
        typer.echo("No call-backs.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("Call-back", "To", "Why", "State", "Due", "Call"):
        table.add_column(name)
    for each in answer["callbacks"]:
        cells = (each["callbackId"], each["to"], each["reason"], each["state"], _when(each["dueAt"]))
        table.add_row(*(Text(safe(cell)) for cell in cells), short_id(each["callId"]) if "callId" in each else "")
    Console().print(table)


def add(
    message: Message,
    to: Annotated[str, typer.Option("-t", "--to", help="The number to dial.", metavar="NUMBER")],
    at: Annotated[datetime | None, typer.Option("--at", formats=_TIMES, help="When, local time. Default: now.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="One call-back for each key.", metavar="KEY")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Place a call later, at most once, outside of the number's quiet hours."""
    due = None if at is None else round(at.astimezone().timestamp() * 1000)
    added = request(CALLBACK_ADD, {"to": to, "message": message, "at": due, "idempotencyKey": idempotency_key})
    print_result(added, f"{added['callbackId']} is due {_when(added['dueAt'])}.", as_json=as_json)


def cancel(
    callback: Annotated[str, typer.Argument(help="Its id, from `voicecall callbacks list`.", metavar="CALLBACK")],
    *,
    as_json: AsJson = False,
) -> None:
    """Do not place a call-back that waits."""
    answer = request(CALLBACK_CANCEL, {"callbackId": callback})
    if not answer["cancelled"]:
        fail(f"CONFLICT: {callback[:60]} is being placed, or is over; `voicecall callbacks list` shows which")
    print_result(answer, "Cancelled.", as_json=as_json)


def _shown(report: dict[str, Any]) -> Table:
    """One row for each thing the report says."""
    cost = report.get("cost", {})
    total = cost.get("total")
    rows = {
        "Call": report["callId"],
        "Reached": report["reachedBy"],
        "Result": report["result"],
        "Detail": report.get("detail"),
        **{f"Fact: {fact['name']}": fact["value"] for fact in report.get("facts", ())},
        "Promised": "; ".join(report.get("promised", ())),
        "Data": pretty(report["data"]) if "data" in report else report.get("unfilled"),
        **{f"Cost: {part['part']}": _cost(part) for part in cost.get("parts", ())},
        "Cost": f"{total['amount']} {total['currency']}" if total else "not known in full",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        if value:
            table.add_row(Text(safe(name), style="dim"), Text(safe(str(value))))
    return table


def _cost(part: dict[str, Any]) -> str:
    units = ("billedSeconds", "seconds", "characters", "tokensIn", "tokensOut")
    used = ", ".join(f"{part[unit]} {unit}" for unit in units if unit in part)
    amount = f"{part['amount']} {part['currency']}" if "amount" in part else "unknown"
    return f"{amount} ({part['service']}: {used})"


def _when(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000).astimezone():%Y-%m-%d %H:%M}"
